"""The picture of a dashboard has for every kind of panel what Grafana's library says of its values."""

from __future__ import annotations

import json

import pytest

from tests.deploy.grafana_data import Drawn, Look
from tests.deploy.picture import _BODIES, DASHBOARDS, _answers


def panels():
    for path in DASHBOARDS.iterdir():
        yield from (panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row")


@pytest.mark.parametrize("kind", sorted({panel["type"] for panel in panels()}))
def test_every_kind_of_panel_is_drawn_with_its_texts(kind):
    panel = next(each for each in panels() if each["type"] == kind)
    column = Drawn("<one>", "#123456", True, [Look(1.0, "a & b", "#654321", 10.0), Look(2.0, "2 kW", "#654321", 11.0)])
    page = _BODIES[kind](panel, [column])
    assert "2 kW" in page or "a &amp; b" in page
    assert "<one>" not in page
    assert "#654321" in page or "#123456" in page


@pytest.mark.parametrize("kind", sorted({panel["type"] for panel in panels()}))
def test_a_panel_without_an_answer_says_what_grafana_says_then(kind):
    panel = next(each for each in panels() if each["type"] == kind)
    assert panel["fieldConfig"]["defaults"]["noValue"] in _BODIES[kind](panel, [])


def test_values_that_are_no_numbers_are_not_drawn(monkeypatch):
    found = [{"metric": {}, "values": [[1, "NaN"], [2, "3"], [3, "+Inf"]]}, {"metric": {}, "values": [[1, "NaN"]]}]
    monkeypatch.setattr("tests.deploy.picture.ask", lambda *_: {"result": found})
    panel = {"targets": [{"refId": "A", "expr": "x", "instant": False}]}
    assert _answers("", panel, {}, 60.0) == {"A": [({}, [(2, 3.0)])]}
