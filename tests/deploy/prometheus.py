"""A real Prometheus that scrapes an exporter, and the question whether every panel of a dashboard gets series from it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from tests.ports import free_port
from tests.waiting import DEADLINE_S

#: What Grafana fills in before it asks; the rate interval spans many scrapes of 0.5 s.
GRAFANA_INTERVALS = {"$__rate_interval": "10s", "$__interval": "1s", "$__range": "60s"}

CONFIGURATION = """
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: RULES
scrape_configs:
  - job_name: surplusd
    static_configs: [{targets: ["TARGET"]}]
"""


def assert_every_panel_returns_series(
    target: str, dashboard_path: Path, seconds: float, absent: frozenset[str] = frozenset()
) -> None:
    """Scrape `target` (host:port) until every query of every panel has returned series, but for panels that are `absent` here.

    Raises AssertionError with the queries that returned none within `seconds`, or that Prometheus refused. A misspelt
    metric is a success without series to Prometheus, so only this finds it.
    """
    dashboard = json.loads(dashboard_path.read_text())
    missing = {key: expr for key, expr in panel_queries(dashboard) if key.partition("/")[0] not in absent}
    assert missing, f"{dashboard_path} has no query"
    pause, deadline = threading.Event(), time.monotonic() + seconds
    with prometheus(target) as api:
        while missing and time.monotonic() < deadline:
            missing = {name: expr for name, expr in missing.items() if not series(api, expr)}
            pause.wait(0.25)
    assert not missing, "no series within {:g} s:\n{}".format(
        seconds, "\n".join(f"{k}: {v}" for k, v in missing.items())
    )


def panel_queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield ``panel/refId`` and the expression, as Prometheus gets it, of every query with the variables' defaults."""
    variables = {"$" + one["name"]: one["current"]["value"] for one in dashboard["templating"]["list"]}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expr = target["expr"]
            for name, value in (GRAFANA_INTERVALS | variables).items():
                expr = expr.replace(name, value)
            assert "$" not in expr, f"unknown variable in {expr}"
            yield f"{panel['title']}/{target['refId']}", expr


def series(api: str, expr: str) -> list[Any]:
    """Return the series of a range query over the last minute that have a value; NaN is none."""
    now = time.time()
    query = urllib.parse.urlencode({"query": expr, "start": now - 60, "end": now, "step": 1})
    try:
        with urllib.request.urlopen(f"{api}/api/v1/query_range?{query}", timeout=DEADLINE_S) as answer:
            found = json.load(answer)["data"]["result"]
    except HTTPError as error:
        raise AssertionError(f"{expr}: {error.read().decode()}") from error
    return [one for one in found if any(value != "NaN" for _, value in one["values"])]


def firing(api: str) -> dict[tuple[str, str], str]:
    """Return the text of each alert that fires, by its name and what it is about: an agent, a node, or nothing."""
    with urllib.request.urlopen(f"{api}/api/v1/alerts", timeout=DEADLINE_S) as answer:
        alerts = json.load(answer)["data"]["alerts"]
    return {
        (one["labels"]["alertname"], one["labels"].get("agent") or one["labels"].get("node") or ""): one["annotations"][
            "summary"
        ]
        for one in alerts
        if one["state"] == "firing"
    }


@contextmanager
def prometheus(target: str, *rules: Path) -> Iterator[str]:
    """Run a Prometheus that scrapes `target` twice a second, with these rules; gives its address once it is ready."""
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed"
    api = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "prometheus.yml")
        found = json.dumps([str(rule.resolve()) for rule in rules])
        configuration.write_text(CONFIGURATION.replace("TARGET", target).replace("RULES", found))
        process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={api}",
                "--log.level=error",
            ]
        )
        try:
            _wait_until_ready(f"http://{api}/-/ready", process)
            yield f"http://{api}"
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    pause, deadline = threading.Event(), time.monotonic() + DEADLINE_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=DEADLINE_S).close()
        except URLError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"prometheus is not ready: {error}") from error
        else:
            return
        pause.wait(0.05)
