"""Draws a dashboard as a picture, so that a person can look at it where no Grafana is at hand.

    python -m tests.deploy.picture --target 127.0.0.1:8420 --seconds 60 --out site.png

Answers are those of a real Prometheus, texts and colours those of Grafana's own library; only where the ink goes is ours.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
from html import escape
from pathlib import Path
from typing import Any

from tests.deploy.grafana_data import Answers, Drawn, Look, draw
from tests.deploy.prometheus import RECORDS, ask, chosen, filled, prometheus

DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
#: A unit of Grafana's grid: 30 pixels and a gap of 8.
UNIT_PX, GAP_PX, WIDE_PX = 38, 8, 1920
#: Grafana's own bars above the panels.
TOP_PX = 110
STYLE = """
body{background:#111217;color:#ccccdc;font:14px Inter,Arial,sans-serif;margin:0;padding:8px}
#g{position:relative}.p{position:absolute;background:#181b1f;border:1px solid #2a2d33;box-sizing:border-box;overflow:hidden;padding:6px}
.p h2{font-size:14px;font-weight:500;margin:0 0 4px}.r{position:absolute;font-weight:500;padding-top:8px}
.s{display:flex;align-items:center;justify-content:center;font-size:30px;position:absolute;inset:30px 6px 6px;border-radius:3px;text-align:center}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:3px 8px;border-bottom:1px solid #2a2d33;font-size:13px;white-space:nowrap}
.l{font-size:12px;line-height:16px}.b{display:flex;gap:8px;align-items:center;height:22px}.b i{display:block;height:16px}
"""


def picture(api: str, dashboard: dict[str, Any], seconds: float) -> str:
    """Return the page of a dashboard over the last `seconds` of a Prometheus."""
    variables = chosen(api, dashboard)
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    drawn = draw([(panel, _answers(api, panel, variables, seconds)) for panel in panels], codes=True)
    marks = ", ".join(f"{name.removeprefix('$')} {value}" for name, value in variables.items())
    parts = [
        f"<style>{STYLE}</style><div style='height:{TOP_PX - 16}px'><h1>{dashboard['title']}</h1>{marks}</div><div id=g>"
    ]
    by_id = {panel["id"]: columns for panel, columns in zip(panels, drawn, strict=True)}
    for panel in dashboard["panels"]:
        title = escape(_named(panel["title"], variables))
        if panel["type"] == "row":
            parts.append(f"<div class=r style='{_place(panel)}'>{title}</div>")
        else:
            body = _BODIES[panel["type"]](panel, by_id[panel["id"]])
            parts.append(f"<div class=p style='{_place(panel)}'><h2>{title}</h2>{body}</div>")
    return "".join(parts) + "</div>"


def _named(text: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(name, value)
    return text


def _answers(api: str, panel: dict[str, Any], variables: dict[str, str], seconds: float) -> Answers:
    now, answers = time.time(), {}
    shown = {"$__range_s": f"{seconds:.0f}", "$__range": f"{seconds:.0f}s"}
    for target in panel["targets"]:
        expr = filled(target["expr"], variables | shown)
        asked = {"query": expr, "start": now - seconds, "end": now, "step": max(seconds / 200, 0.5)}
        if target["instant"]:
            found = ask(f"{api}/api/v1/query?{urllib.parse.urlencode({'query': expr, 'time': round(now)})}", expr)[
                "result"
            ]
        else:
            found = ask(f"{api}/api/v1/query_range?{urllib.parse.urlencode(asked)}", expr)["result"]
        answers[target["refId"]] = [(one["metric"], _points(one)) for one in found if _points(one)]
    return answers


def _points(one: dict[str, Any]) -> list[tuple[float, float]]:
    values = one["values"] if "values" in one else [one["value"]]
    return [(at_s, float(value)) for at_s, value in values if value not in {"NaN", "+Inf", "-Inf"}]


def _place(panel: dict[str, Any]) -> str:
    at, column = panel["gridPos"], (WIDE_PX - 16) / 24
    size = f"left:{at['x'] * column:.0f}px;width:{at['w'] * column - GAP_PX:.0f}px"
    return f"{size};top:{at['y'] * UNIT_PX}px;height:{at['h'] * UNIT_PX - GAP_PX}px"


def _empty(panel: dict[str, Any]) -> str:
    return (
        f"<div class=s style='font-size:16px;color:#8e8e8e'>{escape(panel['fieldConfig']['defaults']['noValue'])}</div>"
    )


def _stat(panel: dict[str, Any], columns: list[Drawn]) -> str:
    if not columns:
        return _empty(panel)
    options = panel["options"]
    filled_in = options["colorMode"] == "background_solid"
    texts = "<br>".join(
        escape(column.looks[-1].text + (f" {column.name}" if options["textMode"] == "value_and_name" else ""))
        for column in columns
    )
    return f"<div class=s style='background:{columns[-1].looks[-1].colour if filled_in else 'none'};color:#fff'>{texts}</div>"


def _bars(panel: dict[str, Any], columns: list[Drawn]) -> str:
    if not columns:
        return _empty(panel)
    most = max(*(float(column.looks[-1].value) for column in columns), 1e-9)
    return "".join(
        f"<div class=b><span style='width:90px'>{escape(column.name)}</span>"
        f"<i style='width:{120 * float(column.looks[-1].value) / most:.0f}px;background:{column.looks[-1].colour}'></i>"
        f"<span style='white-space:nowrap'>{escape(column.looks[-1].text)}</span></div>"
        for column in columns
    )


def _table(panel: dict[str, Any], columns: list[Drawn]) -> str:
    if not columns or not columns[0].looks:
        return _empty(panel)
    head = "".join(f"<th>{escape(column.name)}</th>" for column in columns)
    rows = "".join(
        "<tr>" + "".join(_cell(column, column.looks[number]) for column in columns) + "</tr>"
        for number in range(len(columns[0].looks))
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _cell(column: Drawn, look: Look) -> str:
    """Return a cell; Grafana's library gives a colour for every value, and a column that is not painted shows none."""
    known = look.value is not None
    colour = look.colour if column.painted and known else ("inherit" if known else "#8e8e8e")
    return f"<td style='color:{colour}'>{escape(look.text)}</td>"


def _span(columns: list[Drawn]) -> tuple[float, float]:
    times = [look.at_s for column in columns for look in column.looks]
    return min(times), max(*times, min(times) + 1.0)


def _timeline(panel: dict[str, Any], columns: list[Drawn]) -> str:
    if not columns:
        return _empty(panel)
    (first, last), bars = _span(columns), []
    for number, column in enumerate(columns):
        top, step = 6 + 26 * number, (last - first) / max(len(column.looks), 1)
        bars.append(f"<text x=0 y={top + 14} fill='#ccccdc' font-size=12>{escape(column.name)}</text>")
        told = ""
        for look in column.looks:
            x, wide = 150 + 700 * (look.at_s - first) / (last - first), 700 * step / (last - first) + 1
            bars.append(f"<rect x={x:.1f} y={top} width={wide:.1f} height=20 fill='{look.colour}'/>")
            if look.text != told:
                bars.append(f"<text x={x + 4:.1f} y={top + 14} fill='#000' font-size=12>{escape(look.text)}</text>")
            told = look.text
    return f"<svg viewBox='0 0 860 {20 + 26 * len(columns)}' width=100%>{''.join(bars)}</svg>"


def _lines(panel: dict[str, Any], columns: list[Drawn]) -> str:
    columns = [column for column in columns if column.looks]
    if not columns:
        return _empty(panel)
    place, stacked = (
        panel["gridPos"],
        panel["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode") == "normal",
    )
    wide, high = 76 * place["w"], UNIT_PX * place["h"] - 70
    below: dict[int, float] = {}
    (first, last), curves = _span(columns), []
    for column in columns:
        points = []
        for look in column.looks:
            at = round(look.at_s * 2)
            below[at] = (below.get(at, 0.0) if stacked else 0.0) + float(look.value)
            points.append((look.at_s, below[at]))
        curves.append((column, points))
    values = [value for _, points in curves for _, value in points]
    low, top = min(0.0, *values), max(*values, 1e-9)
    paths = "".join(
        f"<polyline fill=none stroke='{column.colour}' stroke-width=2 points='"
        + " ".join(
            f"{60 + (wide - 70) * (at - first) / (last - first):.0f},{5 + (high - 10) * (top - value) / (top - low):.0f}"
            for at, value in points
        )
        + "'/>"
        for column, points in curves
    )
    biggest = max((look for column in columns for look in column.looks), key=lambda look: float(look.value))
    axis = f"<text x=0 y=14 fill='#8e8e8e' font-size=11>{escape(biggest.text)}{' (one)' if stacked else ''}</text>"
    legend = " &nbsp; ".join(
        f"<span style='color:{column.colour}'>&#9644;</span> {escape(column.name)}: {escape(column.looks[-1].text)}"
        for column in columns
    )
    return f"<svg viewBox='0 0 {wide} {high}' width=100% height={high}>{axis}{paths}</svg><div class=l>{legend}</div>"


_BODIES = {"stat": _stat, "bargauge": _bars, "table": _table, "state-timeline": _timeline, "timeseries": _lines}


def photograph(page: str, out: Path, height_px: int) -> None:
    """Write the page as a PNG of this height with a real Chromium."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.html")
        path.write_text(page, encoding="utf-8")
        options = [
            "--headless=new",
            "--no-sandbox",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={folder}/user",
        ]
        size, shot = f"--window-size={WIDE_PX},{height_px}", f"--screenshot={out.resolve()}"
        subprocess.run([program, *options, size, shot, path.as_uri()], check=True, capture_output=True, timeout=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="host:port of /metrics")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long it is scraped before")
    parser.add_argument("--dashboard", default="surplusd", choices=[path.stem for path in DASHBOARDS.iterdir()])
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    dashboard = json.loads((DASHBOARDS / f"{asked.dashboard}.json").read_text())
    with prometheus(asked.target, RECORDS) as api:
        threading.Event().wait(asked.seconds)
        photograph(picture(api, dashboard, asked.seconds), asked.out, asked.height)


if __name__ == "__main__":
    main()
