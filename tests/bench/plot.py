"""The cost of an allocation against the number of devices, everybody in one picture."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.bench.policies import POLICIES
from tests.bench.report import Row


def plot_cost(rows: list[Row], path: Path) -> None:
    """Write the picture of the rows of the comparison at 40 devices a PDU; what does not optimise is dashed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        if row["per_pdu"] == 40:
            lines[row["who"]].append((row["devices"], row["ms"]))
    figure, axes = plt.subplots(figsize=(9, 6), layout="constrained")
    axes.set_prop_cycle(color=mpl.color_sequences["tab20"])
    for who, points in lines.items():
        count, ms = zip(*sorted(points), strict=True)
        style = "--" if who in POLICIES or who == "Thunderbolt" else "-"
        axes.loglog(count, ms, style, marker="o", linewidth=3 if who == "ours" else 1.2, label=who)
    axes.set_xlabel("devices")
    axes.set_ylabel("ms an allocation, all data new")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
