from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from drivers.devices import families
from drivers.devices.families import Family, load_families, parse_families
from drivers.errors import ConfigError

ROW = """
version: 1
families:
  mock:
    {title: Mock, kind: asic, transport: http, port: 80, control: watts, login: user, down: 5 s, up: 10 s, restarts: true,
     boot: 2 min, wakes: full, read_back: limit, measured_by: psu, untuned: false, dead_man: none, extra: none,
     sources: {all: assumed}}
"""


def test_every_family_has_a_driver_and_a_simulator_of_its_name() -> None:
    for family in load_families().values():
        assert callable(family.driver()), family.name
        module = Path(families.__file__).parents[2] / "simulators" / "devices" / f"{family.name.replace('-', '_')}.py"
        assert module.exists(), family.name


def test_every_family_says_where_its_facts_come_from() -> None:
    for family in load_families().values():
        assert {"transport", "control", "times", "boot", "wakes", "read_back", "measured_by"} <= set(family.sources)


def test_a_family_is_read_with_its_times_in_seconds() -> None:
    family = parse_families(ROW.encode(), "f.yaml")["mock"]
    assert (family.down_s, family.up_s, family.boot_s) == (5.0, 10.0, 120.0)
    assert family.extra is None
    assert family.module == "drivers.devices.mock"
    assert {field.name for field in fields(Family)} >= {"control", "wakes", "read_back"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("down: 5 s", "down: 5 m", "the unit"),
        ("down: 5 s", "down: -5 s", "allowed is zero or more"),
        ("control: watts", "control: amps", "amps"),
        ("port: 80", "port: 80, colour: red", "colour"),
        ("wakes: full, ", "", "wakes"),
        ("sources: {all: assumed}", "sources: {}", "sources"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, words: str) -> None:
    assert old in ROW
    with pytest.raises(ConfigError, match=words):
        parse_families(ROW.replace(old, new).encode(), "f.yaml")


def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    family = parse_families(ROW.replace("extra: none", "extra: nvml").encode(), "f.yaml")["mock"]

    def missing(_name: str) -> object:
        raise ModuleNotFoundError("No module named 'pynvml'", name="pynvml")

    monkeypatch.setattr(families, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pynvml is not installed; pip install 'surplusd\[nvml\]'"):
        family.driver()
