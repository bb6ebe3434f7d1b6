"""The demo as a picture; needs matplotlib, of the extra ``plot``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from controller.demo.watch import Moment
from simulators.world.report import RefereeReport


def draw(path: Path, moments: Sequence[Moment], report: RefereeReport, title: str) -> None:
    """Write the course of envelope, surplus and site power, with the orders, to `path`; its ending is the format."""
    figure = Figure(figsize=(10.0, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    t_s = [moment.truth.t_s for moment in moments]
    envelope_kw = [moment.truth.envelope_w / 1e3 for moment in moments]
    site_kw = [moment.truth.site_w / 1e3 for moment in moments]
    axes.plot(t_s, [moment.truth.surplus_w / 1e3 for moment in moments], ":", color="0.5", label="surplus")
    axes.step(t_s, envelope_kw, where="post", color="tab:red", label="true envelope")
    axes.fill_between(t_s, site_kw, color="tab:blue", alpha=0.25)
    axes.plot(t_s, site_kw, color="tab:blue", label="site power")
    for order in report.orders:
        end_s = report.seconds if order.released_s is None else order.released_s
        axes.axvspan(order.sent_s, end_s, color="tab:orange", alpha=0.15, label=f"order {order.id}")
    axes.set(xlabel="s since ready", ylabel="kW", title=title, ylim=(0.0, None))
    axes.legend(loc="upper right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
