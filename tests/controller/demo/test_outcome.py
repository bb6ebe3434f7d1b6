from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from controller.core.limits.parts import EnvelopePart
from controller.demo import live
from controller.demo.earnings import Carbon, Earnings
from controller.demo.envelope_use import parts_wh
from controller.demo.outcome import DaemonFigures, DemoOutcome, figures_of, summary
from controller.demo.screen import PlainLines
from controller.demo.trips import TripReport
from controller.demo.watch import DaemonStatus, Moment, NodeStatus
from controller.terminal.panel import drawn
from simulators.world.report import OrderReport, RefereeReport
from simulators.worldlink import Truth

ORDER = OrderReport(
    id="o1",
    node="pcc",
    limit_w=250e3,
    before_w=500e3,
    sent_s=54.0,
    released_s=94.0,
    binding_s=40.0,
    response_s=4.2,
    met=True,
)
REPORT = RefereeReport(
    seconds=180.0,
    offered_wh=20e3,
    used_wh=19e3,
    utilisation=0.95,
    offered_raw_wh=25e3,
    used_raw_wh=20e3,
    utilisation_raw=0.8,
    violation_s=0.0,
    violation_kws=0.0,
    largest_excess_w=0.0,
    node_violation_s={"pcc": 0.0, "feeder-b": 1.5},
    infeasible_s=0.0,
    largest_step_w=70e3,
    ramp_excess_w=0.0,
    orders=(ORDER,),
    passed=False,
    reasons=("feeder-b: 1.5 s above its envelope",),
)
STATUS = DaemonStatus(
    mode="normal",
    reason="",
    site_w=497e3,
    nodes={"pcc": NodeStatus(envelope_w=500e3, binding="surplus")},
    orders_in_force=[],
    devices={},
)

EARNINGS = Earnings(
    currency="EUR",
    seconds=180.0,
    silent_s=0.0,
    earned=9.5,
    decided=11.4,
    equal_share=7.6,
    all_or_nothing=0.0,
    surplus_wh=20e3,
    surplus_taken_wh=15e3,
    drawn_wh=22e3,
    equal_share_wh=20e3,
    all_or_nothing_wh=1e3,
)


def outcome(daemon: DaemonFigures, earnings: Earnings | None = EARNINGS) -> DemoOutcome:
    return DemoOutcome(
        passed=False,
        seed=7,
        surplus="built-in model",
        model="direct",
        referee=REPORT,
        site_w=498e3,
        envelope_w=501e3,
        daemon=daemon,
        events=("broker ended with status -9",),
        earnings=earnings,
    )


def moment(t_s: float, binding: str = "surplus", daemon: DaemonStatus | None = STATUS) -> Moment:
    truth = Truth(
        t_s=t_s,
        ready=True,
        site_w=100e3 * t_s,
        node_w={},
        surplus_w=300e3,
        export_w=0.0,
        feeder_load_w=0.0,
        frequency_hz=50.0,
        devices_by_state={"off": 3, "starting": 0, "running": 5},
        envelope_w=360e3,
        binding=binding,
    )
    return Moment(truth, daemon)


def test_the_summary_puts_the_daemons_figures_beside_the_referees() -> None:
    text = summary(outcome(figures_of(STATUS, "pcc", 0.005)))
    for words in (
        "FAILED  (judged by the world; built-in model, seed 7)",
        "20.00 kWh / 19.00 kWh = 95.0%",
        "500.0 kW to 250.0 kW at 54.0 s: met after 4.2 s, binding for 40.0 s",
        "498.0 kW; the daemon says 497.0 kW",
        "501.0 kW; the daemon says 500.0 kW",
        "at most 5 ms",
        "feeder-b 1.5 s",
        "because feeder-b: 1.5 s above its envelope",
    ):
        assert words in text


def test_the_summary_says_where_the_envelope_went_the_largest_part_first() -> None:
    went = {
        EnvelopePart.HOUSE_DRIFT: 0.2e3,
        EnvelopePart.USED: 19.6e3,
        EnvelopePart.RAMP: 0.2e3,
        EnvelopePart.CAPS: 1.0,
    }
    text = summary(msgspec.structs.replace(outcome(figures_of(STATUS, "pcc", None)), parts_wh=went))
    assert "  used 98.0%, ramp 1.0%, for the house to rise 1.0%, by the daemon's word" in text
    assert "  not known, by the daemon's word" in summary(outcome(figures_of(STATUS, "pcc", None)))


def test_parts_of_the_envelope_are_counted_for_as_long_as_each_look_holds() -> None:
    def looked(t_s: float, **parts: float) -> Moment:
        node = NodeStatus(
            envelope_w=500e3, binding="surplus", parts={EnvelopePart(name): watts for name, watts in parts.items()}
        )
        return moment(t_s, daemon=msgspec.structs.replace(STATUS, nodes={"pcc": node}))

    seen = [looked(0.0, used=300e3, ramp=200e3), looked(36.0, used=500e3), moment(72.0, daemon=None), moment(90.0)]
    assert parts_wh(seen, "pcc") == pytest.approx({EnvelopePart.USED: 8e3, EnvelopePart.RAMP: 2e3})
    assert parts_wh(seen[2:], "pcc") == {}


def test_the_summary_says_which_nodes_were_cut_off() -> None:
    one = TripReport(node="hall", begun_s=60.0, cause="order:o1", opened_s=60.5, closed_s=90.0)
    trips = (
        one,
        msgspec.structs.replace(one, node="rack", closed_s=None),
        msgspec.structs.replace(one, node="bay", opened_s=None, closed_s=None),
        msgspec.structs.replace(one, node="desk", cause=None),
    )
    text = summary(msgspec.structs.replace(outcome(figures_of(STATUS, "pcc", None)), trips=trips))
    found = {name: value.strip() for name, value in rows(text).items()}
    assert found["hall cut off"] == "at 60.0 s, it drew more than order:o1: open at 60.5 s, closed at 90.0 s"
    assert found["rack cut off"] == "at 60.0 s, it drew more than order:o1: open at 60.5 s, and to the end"
    assert found["bay cut off"] == "at 60.0 s, it drew more than order:o1: its contactor has not opened"
    assert found["desk cut off"] == "at 60.0 s, not by the daemon: open at 60.5 s, closed at 90.0 s"


def rows(text: str) -> dict[str, str]:
    return dict(line.strip().split("  ", 1) for line in text.splitlines()[1:] if "because" not in line)


def test_the_summary_says_what_was_earned_against_the_two_policies_and_what_surplus_was_taken() -> None:
    found = {name: value.strip() for name, value in rows(summary(outcome(figures_of(STATUS, "pcc", 0.005)))).items()}
    assert found["earned"] == "9.50 EUR in 180.0 s by its setpoints; 11.40 EUR as decided, without ramps"
    assert found["equal share"] == "7.60 EUR without ramps; against it earned +25.0%, decided +50.0%"
    assert found["all on / all off"] == "0.00 EUR without ramps"
    assert found["surplus taken"] == "15.00 kWh of 20.00 kWh = 75.0%, else curtailed"


def test_time_without_a_word_from_the_daemon_and_a_night_without_surplus_are_told() -> None:
    dark = msgspec.structs.replace(EARNINGS, silent_s=20.5, surplus_wh=0.0, surplus_taken_wh=0.0)
    text = summary(outcome(figures_of(STATUS, "pcc", 0.005), dark))
    assert "by its setpoints (20.5 s unknown, counted as nothing); " in text
    assert "0.00 kWh of 0.00 kWh = none offered" in text


def test_carbon_is_said_where_it_is_known_and_stands_in_the_json(tmp_path: Path) -> None:
    figures = figures_of(STATUS, "pcc", 0.005)
    assert "CO2" not in summary(outcome(figures))
    carbon = Carbon(g_kwh=450.0, drawn_kg=9.9, equal_share_kg=9.0, all_or_nothing_kg=0.4)
    told = outcome(figures, msgspec.structs.replace(EARNINGS, carbon=carbon))
    found = {name: value.strip() for name, value in rows(summary(told)).items()}
    words = "9.9 kg for the 22.00 kWh drawn, at 450 g/kWh; equal share 9.0 kg, all on / all off 0.4 kg"
    assert found["CO2"] == words
    told.write(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text())["earnings"]["carbon"]["drawn_kg"] == 9.9
    assert json.loads((tmp_path / "result.json").read_text())["earnings"]["drawn_wh"] == 22e3


def test_without_books_nothing_is_said_of_money() -> None:
    assert "earned" not in summary(outcome(figures_of(STATUS, "pcc", 0.005), None))


def test_a_daemon_that_is_gone_is_said_to_be() -> None:
    text = summary(outcome(figures_of(None, "pcc", None)))
    assert text.count("no answer") == 4


def test_the_json_holds_the_report_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    written = outcome(figures_of(STATUS, "pcc", 0.005))
    written.write(path)
    raw = json.loads(path.read_text())
    assert raw["referee"]["orders"][0]["binding_s"] == 40.0
    assert (raw["passed"], raw["daemon"]["mode"]) == (False, "normal")
    assert (raw["earnings"]["currency"], raw["earnings"]["earned"]) == ("EUR", 9.5)
    assert msgspec.json.decode(path.read_bytes(), type=DemoOutcome) == written


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_picture_is_drawn(tmp_path: Path, suffix: str, magic: bytes) -> None:
    from controller.demo.picture import draw  # here, since matplotlib would cost every worker half a second

    path = tmp_path / f"run.{suffix}"
    draw(path, [moment(0.5 * k) for k in range(6)], REPORT, "a title")
    assert path.read_bytes().startswith(magic)


def test_plain_lines_come_at_changes_every_five_seconds_and_for_events() -> None:
    lines: list[str] = []
    screen = PlainLines("pcc", lines.append)
    seen: list[Moment] = []
    holding = msgspec.structs.replace(STATUS, mode="hold")
    for t_s, status in ((0.0, STATUS), (0.5, STATUS), (1.0, holding), (1.5, None), (2.0, None), (6.5, None)):
        seen.append(moment(t_s, daemon=status))
        screen.show(seen, ["broker ended with status -9"] if t_s >= 1.5 else [])
    assert [line.strip().split("  ")[0] for line in lines] == [
        "0.0 s",
        "1.0 s",
        "! broker ended with status -9",
        "1.5 s",
        "6.5 s",
    ]
    assert "HOLD" in lines[1]
    assert "no answer" in lines[3]
    assert "surplus (true)" in lines[3]
    assert "3 off  5 running" in lines[0]


@pytest.mark.parametrize(
    ("status", "words"), [(STATUS, ("NORMAL", "all is trusted")), (None, ("no answer", "the daemon does not answer"))]
)
def test_the_live_view_shows_the_facts(status: DaemonStatus | None, words: tuple[str, ...]) -> None:
    shown = live_lines([moment(1.0), moment(2.0, daemon=status)], ["broker started again"])
    for word in (*words, "envelope", "360.0 kW", "200.0 kW", "surplus", "5 running", "broker started again"):
        assert word in shown
    assert "cut off" not in shown


def test_the_live_view_shows_what_is_cut_off() -> None:
    now = moment(1.0)
    now = msgspec.structs.replace(
        now, truth=msgspec.structs.replace(now.truth, contactors={"hall": False, "rack": True, "bay": False})
    )
    assert "cut off     hall, bay" in live_lines([now], [])


def test_the_live_view_is_drawn_in_place_and_the_terminal_is_left_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    with live.live_view("pcc") as show:
        show([moment(1.0)], [])
    shown = capsys.readouterr().out
    assert shown.startswith("\x1b[?1049h")
    assert shown.endswith("\x1b[?1049l")
    assert "surplusd demo  1 s" in shown


def live_lines(moments: list[Moment], events: list[str]) -> str:
    return "\n".join(drawn(live.panel_of(moments, events, "pcc"), 120, colour=False))
