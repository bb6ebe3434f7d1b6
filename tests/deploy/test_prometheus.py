"""The shipped scrape configuration and alerts, judged by promtool; the daemon's exposition as well."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path

import yaml

from tests.deploy.alerting import RULES, alerts
from tests.deploy.exporter import exporter
from tests.waiting import DEADLINE_S

HERE = Path(__file__).parent


def scrape(target: str) -> bytes:
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=DEADLINE_S) as answer:
        return answer.read()


def test_the_configuration_is_valid(deploy, installed):
    subprocess.run([installed("promtool"), "check", "config", deploy / "prometheus" / "prometheus.yml"], check=True)


def test_every_alert_fires_when_it_should_and_no_sooner(installed, tmp_path):
    content = yaml.safe_load(RULES.read_text())
    for rule in content["groups"][0]["rules"]:
        rule["annotations"] = {"summary": rule["annotations"]["summary"]}
    rules, tests = tmp_path / "rules.yml", tmp_path / "tests.yml"
    rules.write_text(yaml.safe_dump(content, allow_unicode=True))
    tests.write_text((HERE / "surplusd-rules-test.yml").read_text().replace("RULES", str(rules)))
    subprocess.run([installed("promtool"), "test", "rules", tests], check=True)


def test_every_alert_is_tested_for_when_it_fires():
    tested = set(re.findall(r"alertname: (\w+)", (HERE / "surplusd-rules-test.yml").read_text()))
    assert tested == set(alerts())


def test_every_alert_looks_at_metrics_that_exist(deploy, tmp_path):
    rules = RULES.read_text() + (deploy / "prometheus" / "surplusd-records.yml").read_text()
    names = set(re.findall(r"\bsurplusd_\w+", re.sub(r"record: .*", "", rules)))
    with exporter(tmp_path) as target:
        given = set(re.findall(r"^(\w+)", scrape(target).decode(), flags=re.MULTILINE))
    assert names
    assert names <= given


def test_the_exposition_is_valid(installed, tmp_path):
    with exporter(tmp_path) as target:
        text = scrape(target)
    subprocess.run([installed("promtool"), "check", "metrics"], input=text, check=True)
