"""The shipped scrape configuration and alerts, judged by promtool; the daemon's exposition as well."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path

from tests.deploy.exporter import exporter
from tests.waiting import DEADLINE_S

HERE = Path(__file__).parent


def scrape(target: str) -> bytes:
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=DEADLINE_S) as answer:
        return answer.read()


def test_the_configuration_is_valid(deploy, installed):
    subprocess.run([installed("promtool"), "check", "config", deploy / "prometheus" / "prometheus.yml"], check=True)


def test_every_alert_fires_when_it_should(installed):
    subprocess.run([installed("promtool"), "test", "rules", HERE / "surplusd-rules-test.yml"], check=True)


def test_every_alert_looks_at_metrics_that_exist(deploy, tmp_path):
    rules = (deploy / "prometheus" / "surplusd-rules.yml").read_text()
    names = set(re.findall(r"\bsurplusd_\w+", rules))
    with exporter(tmp_path) as target:
        given = set(re.findall(r"^(\w+)", scrape(target).decode(), flags=re.MULTILINE))
    assert names
    assert names <= given


def test_the_exposition_is_valid(installed, tmp_path):
    with exporter(tmp_path) as target:
        text = scrape(target)
    subprocess.run([installed("promtool"), "check", "metrics"], input=text, check=True)
