"""The document of the interface against the interface, by schemathesis; `make verify ARGS=schema` does so at length."""

from __future__ import annotations

from tests.controller.api.schemathesis_runs import run_over_document

#: Operations that schemathesis does not try, and why.
LEFT_OUT = {"GET /api/v1/events": "its answer is a stream without an end"}
#: Examples of each operation, beside those of the coverage phase, which are the same every time.
EXAMPLES = 6


def test_every_answer_is_as_the_document_says(tmp_path):
    seen = run_over_document(tmp_path, "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES))
    assert seen.passed, seen.said
    assert seen.operations >= 19
    assert seen.cases >= 100
    assert set(seen.left_out) <= set(LEFT_OUT)
