"""The dashboard: provisioned consistently, and answered by a real Prometheus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.deploy.exporter import exporter
from tests.deploy.prometheus import assert_every_panel_returns_series, panel_queries


@pytest.fixture
def dashboard(deploy: Path) -> Path:
    return deploy / "grafana" / "dashboards" / "surplusd.json"


def test_every_query_has_a_name_and_the_provisioned_source(deploy, dashboard):
    provisioned = yaml.safe_load((deploy / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    uid = provisioned["datasources"][0]["uid"]
    content = json.loads(dashboard.read_text())
    targets = [target for panel in content["panels"] for target in panel["targets"]]
    assert len(dict(panel_queries(content))) == len(targets) > 20
    assert {target["datasource"]["uid"] for target in targets} == {uid}
    assert all(target["refId"] for target in targets)


def test_the_scrape_interval_is_the_one_that_grafana_is_told(deploy):
    scraped = yaml.safe_load((deploy / "prometheus" / "prometheus.yml").read_text())
    source = yaml.safe_load((deploy / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    assert source["datasources"][0]["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]


def test_every_panel_returns_series(dashboard, installed, tmp_path):
    installed("prometheus")
    with exporter(tmp_path) as target:
        assert_every_panel_returns_series(target, dashboard, seconds=30)


def test_a_misspelt_metric_is_found(dashboard, installed, tmp_path):
    installed("prometheus")
    content = json.loads(dashboard.read_text())
    content["panels"] = content["panels"][:2]
    content["panels"][1]["targets"][0]["expr"] = "surplusd_node_bindung"
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(content))
    with exporter(tmp_path) as target, pytest.raises(AssertionError, match=r"Binding limit/A: surplusd_node_bindung"):
        assert_every_panel_returns_series(target, wrong, seconds=3)
