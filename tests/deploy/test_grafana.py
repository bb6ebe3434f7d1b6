"""The dashboards: provisioned consistently, laid out for one screen, and answered by a real Prometheus."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.exporter import exporter
from tests.deploy.prometheus import assert_every_panel_returns_series, filled, panel_queries, prometheus, series

UIDS = ("surplusd", "surplusd-fleet")
#: What Grafana shows below its own bars on a screen of 1080 lines, in units of 38 pixels.
FOLD = 25
CHOSEN = {"$site": "site", "$node": "pcc", "$agent": "hall-a1", "$device": "m-1"}


@pytest.fixture
def dashboards(deploy: Path) -> list[Path]:
    found = sorted((deploy / "grafana" / "dashboards").iterdir(), key=lambda path: path.stem)
    assert [path.stem for path in found] == sorted(UIDS)
    return found


def panels(path, *, rows=False):
    return [panel for panel in json.loads(path.read_text())["panels"] if (panel["type"] == "row") is rows]


def test_the_source_is_chosen_and_the_provisioned_one_is_the_default(deploy, dashboards):
    provisioned = yaml.safe_load((deploy / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    (source,) = provisioned["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    for path in dashboards:
        content = json.loads(path.read_text())
        variables = {one["name"]: one for one in content["templating"]["list"]}
        assert (variables["source"]["type"], variables["source"]["query"]) == ("datasource", "prometheus")
        targets = [target for panel in panels(path) for target in panel["targets"]]
        uids = {each["datasource"]["uid"] for each in (*panels(path), *targets, *content["annotations"]["list"])}
        assert uids == {"${source}"}
        assert len(dict(panel_queries(content, CHOSEN))) == len(targets) > 15


def test_the_scrape_interval_is_the_one_that_grafana_is_told(deploy):
    scraped = yaml.safe_load((deploy / "prometheus" / "prometheus.yml").read_text())
    source = yaml.safe_load((deploy / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    assert source["datasources"][0]["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]


def test_at_most_twelve_panels_stand_above_the_fold_and_none_is_cut_by_it(dashboards):
    for path in dashboards:
        above = [panel["gridPos"] for panel in panels(path) if panel["gridPos"]["y"] < FOLD]
        assert 0 < len(above) <= 12, path.name
    (site,) = (path for path in dashboards if path.stem == "surplusd")
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels(site)[:12]) <= FOLD


def test_panels_do_not_overlap_and_fill_their_width(dashboards):
    for path in dashboards:
        taken = {}
        for panel in json.loads(path.read_text())["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, panel["title"]
            for cell in (
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            ):
                assert cell not in taken, (panel["title"], taken.get(cell))
                taken[cell] = panel["title"]


def test_every_panel_stands_in_a_row_says_what_it_shows_and_has_thresholds(dashboards):
    for path in dashboards:
        assert panels(path, rows=True)[0]["gridPos"]["y"] == 0
        for panel in panels(path):
            assert len(panel["description"]) > 5, panel["title"]
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["thresholds"]["steps"], panel["title"]
            assert defaults["color"]["mode"] in {"thresholds", "palette-classic"}, panel["title"]
            assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_every_query_is_about_the_chosen_site_alone(dashboards):
    for path in dashboards:
        content = json.loads(path.read_text())
        exprs = [target["expr"] for panel in panels(path) for target in panel["targets"]]
        for expr in (*exprs, *(mark["expr"] for mark in content["annotations"]["list"])):
            metrics = re.findall(r"\b(?:[a-z]+:)?(?:surplusd|process)_\w+(?::\w+)?(.{0,17})", expr)
            assert metrics, expr
            assert all(rest.startswith('{instance="$site"') for rest in metrics), expr


def test_no_panel_shows_the_power_of_the_site_under_the_limit_of_a_node(dashboards):
    text = dashboards[0].read_text()
    asked = {each["title"] for each in panels(dashboards[0]) if "surplusd_site_power_watts" in json.dumps(each)}
    assert asked == {"Over the limit by"}, "which is not known where that power is not"
    assert 'surplusd_node_power_watts{instance=\\"$site\\",node=\\"$node\\"}' in text


def test_orders_and_changes_of_the_mode_are_marked_and_the_dashboards_lead_to_each_other(dashboards):
    for path in dashboards:
        content = json.loads(path.read_text())
        marks = " ".join(mark["expr"] for mark in content["annotations"]["list"])
        assert {"surplusd_mode", "surplusd_orders_in_force"} <= set(re.findall(r"\bsurplusd_\w+", marks))
        assert [(link["type"], link["tags"]) for link in content["links"]] == [("dashboards", content["tags"])]


def test_every_mark_is_an_expression(dashboards, installed, tmp_path):
    installed("prometheus")
    with exporter(tmp_path) as target, prometheus(target) as api:
        for path in dashboards:
            for mark in json.loads(path.read_text())["annotations"]["list"]:
                assert isinstance(series(api, filled(mark["expr"], CHOSEN)), list)


def test_every_panel_returns_series(dashboards, installed, tmp_path):
    installed("prometheus")
    with exporter(tmp_path) as target:
        assert_every_panel_returns_series(target, dashboards, seconds=30)


def test_a_misspelt_metric_is_found(dashboards, installed, tmp_path):
    installed("prometheus")
    content = json.loads(dashboards[0].read_text())
    content["panels"] = content["panels"][:3]
    content["panels"][2]["targets"][0]["expr"] = "surplusd_mode_aged_seconds"
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(content))
    with exporter(tmp_path) as target, pytest.raises(AssertionError, match=r"this mode for/A: surplusd_mode_aged"):
        assert_every_panel_returns_series(target, [wrong], seconds=3)
