"""The faults by name are looked for in what the source files say now."""

from pathlib import Path

from tests.verify.mutation.named import named_mutants

ROOT = Path(__file__).parents[3]


def test_every_named_fault_still_stands_in_its_file():
    assert len(named_mutants(ROOT)) == 7
