"""A skip is allowed for a listed reason only, and never in CI."""

from __future__ import annotations

import pytest

from tests.skips import ALLOWED, judged


def skip(reason: str) -> pytest.TestReport:
    return pytest.TestReport("t.py::t", ("t.py", 1, "t"), {}, "skipped", ("t.py", 1, f"Skipped: {reason}"), "setup")


@pytest.mark.parametrize("reason", ALLOWED)
def test_a_listed_reason_skips_on_a_developers_machine_and_fails_in_ci(reason, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    assert judged(skip(reason)).outcome == "skipped"
    monkeypatch.setenv("CI", "true")
    report = judged(skip(reason))
    assert (report.outcome, report.longrepr) == ("failed", f"nothing may be skipped in CI: {reason}")


def test_any_other_reason_fails_and_is_named(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    report = judged(skip("no time"))
    assert report.outcome == "failed"
    assert report.longrepr.endswith("(tests/skips.py): no time")


def test_a_module_that_skips_itself_is_judged_as_well(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    report = pytest.CollectReport("t.py", "skipped", ("t.py", 1, "Skipped: could not import 'numpi'"), [])
    assert judged(report).outcome == "failed"
