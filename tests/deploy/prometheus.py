"""A real Prometheus that scrapes an exporter, and the question whether every panel of a dashboard gets series from it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from tests.ports import free_port
from tests.waiting import DEADLINE_S

#: What Grafana fills in before it asks; the rate interval spans many scrapes of 1 s.
GRAFANA_INTERVALS = {"$__rate_interval": "10s", "$__interval": "1s", "$__range_s": "60", "$__range": "60s"}
#: What Prometheus calls the one that it scrapes here.
INSTANCE = "site"
RECORDS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "surplusd-records.yml"
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")

CONFIGURATION = """
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms}
rule_files: RULES
scrape_configs:
  - job_name: surplusd
    static_configs: TARGETS
alerting:
  alertmanagers: [{static_configs: [{targets: RECEIVERS}]}]
"""


def assert_every_panel_returns_series(
    target: str, dashboards: Iterable[Path], seconds: float, absent: frozenset[str] = frozenset()
) -> None:
    """Scrape `target` (host:port) until every query of every panel has returned series, but for panels that are `absent` here.

    Raises AssertionError with the queries that returned none within `seconds`, or that Prometheus refused. A misspelt
    metric is a success without series to Prometheus, so only this finds it.
    """
    boards = {path.stem: json.loads(path.read_text()) for path in dashboards}
    missing, found, poll = {"": ""}, set[str](), Poll(seconds)
    with prometheus(target, RECORDS) as api:
        while missing and poll.goes_on():
            wanted = dict(_queries(api, boards, absent | found))
            missing = {key: expr for key, expr in wanted.items() if not series(api, expr)}
            found |= set(wanted) - set(missing)
    text = "\n".join(f"{key}: {expr}" for key, expr in missing.items())
    assert not missing, f"no series within {seconds:g} s:\n{text}"


def _queries(
    api: str, boards: Mapping[str, dict[str, Any]], known: frozenset[str] | set[str]
) -> Iterator[tuple[str, str]]:
    """Yield ``dashboard: panel/refId`` and the expression of each query that is not known, neither itself nor its panel."""
    for name, dashboard in boards.items():
        for key, expr in panel_queries(dashboard, chosen(api, dashboard)):
            if not {f"{name}: {key}", key.rpartition("/")[0]} & known:
                yield f"{name}: {key}", expr


class Poll:
    """Goes on until a deadline, with a pause between two looks."""

    def __init__(self, seconds: float) -> None:
        self._pause, self._deadline, self._first = threading.Event(), time.monotonic() + seconds, True

    def goes_on(self) -> bool:
        """Wait a little, but for the first time, and tell whether to look once more."""
        if not self._first:
            self._pause.wait(0.25)
        self._first = False
        return time.monotonic() < self._deadline


def chosen(api: str, dashboard: dict[str, Any]) -> dict[str, str]:
    """Return what Grafana would choose for each variable, by its ``$name``: its default, or else the first of the values that there are."""
    values: dict[str, str] = {}
    for one in dashboard["templating"]["list"]:
        if one["type"] != "query":
            continue
        matched = _LABEL_VALUES.fullmatch(one["query"])
        assert matched, one["query"]
        expr, label = matched.groups()
        there = sorted({found["metric"][label] for found in series(api, filled(expr, values))})
        default = one.get("current", {}).get("value", "")
        values["$" + one["name"]] = default if default in there else next(iter(there), "nothing")
    return values


def panel_queries(dashboard: dict[str, Any], variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return ``panel/refId`` and the expression, as Prometheus gets it, of every query."""
    return [
        (f"{panel['title']}/{target['refId']}", filled(target["expr"], variables))
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]


def filled(expr: str, variables: Mapping[str, str]) -> str:
    """Return the expression with the values of Grafana's own variables and the dashboard's."""
    for name, value in {**GRAFANA_INTERVALS, **variables}.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, f"unknown variable in {expr}"
    return expr


def series(api: str, expr: str) -> list[Any]:
    """Return the series of a range query over the last minute that have a value; NaN is none."""
    now = time.time()
    query = urllib.parse.urlencode({"query": expr, "start": now - 60, "end": now, "step": 1})
    found = ask(f"{api}/api/v1/query_range?{query}", expr)["result"]
    return [one for one in found if any(value != "NaN" for _, value in one["values"])]


def ask(url: str, about: str) -> Any:
    """Return the data of an answer; AssertionError with the text of a refusal."""
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            return json.load(answer)["data"]
    except HTTPError as error:
        raise AssertionError(f"{about}: {error.read().decode()}") from error


def firing(api: str) -> dict[tuple[str, str], str]:
    """Return the text of each alert that fires, by its name and what it is about: an agent, a node, or nothing."""
    return {
        (one["labels"]["alertname"], one["labels"].get("agent") or one["labels"].get("node") or ""): one["annotations"][
            "summary"
        ]
        for one in ask(f"{api}/api/v1/alerts", "alerts")["alerts"]
        if one["state"] == "firing"
    }


@contextmanager
def prometheus(target: str | Mapping[str, str], *rules: Path, receivers: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a Prometheus that scrapes `target` every second, with these rules; gives its address once it is ready.

    `target`: host:port, or several by the name that the instance gets. `receivers`: where alerts go, host:port.
    """
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed"
    api = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "prometheus.yml")
        found = json.dumps([str(rule.resolve()) for rule in rules])
        targets = {INSTANCE: target} if isinstance(target, str) else target
        scraped = [{"targets": [each], "labels": {"instance": name}} for name, each in targets.items()]
        filled_in = CONFIGURATION.replace("TARGETS", json.dumps(scraped)).replace("RULES", found)
        configuration.write_text(filled_in.replace("RECEIVERS", json.dumps(receivers)))
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
