"""What the option of the demo's faults means, and what they do as time goes on."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Final

import pytest

from controller.demo.faults import Fault, FaultSchedule, Mishap, Struck, agents_struck, parse_fault, strike
from drivers.errors import ConfigError
from simulators.world.vices import ContactorVice, Vice

DEVICES: Final = [f"s21-{k:03d}" for k in range(1, 201)]
AGENTS: Final = ["hall-a", "hall-b"]
CONTACTORS: Final = ["hall-1", "rack-2"]


class Site:
    """Stands in for the world and for the processes of the agents."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.done: list[tuple[object, ...]] = []

    def set_vice(self, devices: Iterable[str], vice: Vice, *, on: bool) -> None:
        self.done.append((vice, len(list(devices)), on))

    def set_contactor_vice(self, nodes: Iterable[str], vice: ContactorVice, *, on: bool) -> None:
        self.done.append((vice, *nodes, on))

    def reboot(self, device: str) -> None:
        self.done.append(("reboot", device))

    def hang(self, agent: str, *, on: bool) -> None:
        self.done.append(("hang", agent, on))

    def keep_dead(self, agent: str, *, on: bool) -> None:
        self.done.append(("dead", agent, on))

    def jump_clock(self, agent: str, *, on: bool) -> None:
        self.done.append(("jump", agent, on))


def struck(*texts: str, end_s: float | None = None) -> tuple[Struck, ...]:
    return strike(
        [parse_fault(text) for text in texts],
        devices=DEVICES,
        agents=AGENTS,
        contactors=CONTACTORS,
        end_s=end_s,
        seed=1,
    )


@pytest.mark.parametrize(
    ("text", "what", "who", "at_s", "held_s"),
    [
        ("silent@40s", Vice.SILENT, "all", 40.0, None),
        ("ignores-lowering:30@1min+20 s", Vice.IGNORES_LOWERING, "30", 60.0, 20.0),
        ("half-answer:10 %@0s", Vice.HALF_ANSWER, "10 %", 0.0, None),
        ("agents-hang:hall-a,hall-b@40s", Mishap.HANG, "hall-a,hall-b", 40.0, None),
        ("agent-dies:1@40s+500ms", Mishap.DIE, "1", 40.0, 0.5),
        ("agent-clock-jumps@40s", Mishap.CLOCK_JUMPS, "all", 40.0, None),
        ("contactor-welded:hall-1@40s", ContactorVice.WELDED, "hall-1", 40.0, None),
        ("contactor-silent@40s+5s", ContactorVice.SILENT, "all", 40.0, 5.0),
        ("agent-clock-jumps@40s+10s", Mishap.CLOCK_JUMPS, "all", 40.0, 10.0),
    ],
)
def test_what_an_option_means(text: str, what: Vice | Mishap, who: str, at_s: float, held_s: float | None) -> None:
    fault = parse_fault(text)
    assert (fault.what, fault.who, fault.at_s, fault.held_s) == (what, who, at_s, held_s)


@pytest.mark.parametrize("vice", Vice)
def test_every_vice_has_a_name_for_the_user(vice: Vice) -> None:
    assert parse_fault(f"{vice.value.replace('_', '-')}@1s").what is vice


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("silent", r"found 'silent', allowed is NAME:WHO@TIME or NAME:WHO@TIME\+TIME"),
        ("silent@1s@2s", "allowed is NAME:WHO@TIME"),
        (
            "lazy:30@40s",
            "in 'lazy:30@40s': found the name 'lazy', allowed is one of silent, slow, .*, agent-clock-jumps",
        ),
        ("silent:30@soon", "in 'silent:30@soon': found 'soon', allowed is a number with one of the units"),
        ("silent:30@40s+", r"in 'silent:30@40s\+': found ''"),
        ("silent:30@-40s", "found '-40s', allowed is a time of zero or more"),
        ("silent:30@40s+0s", "found the duration '0s', allowed is one above zero"),
    ],
)
def test_a_wrong_option_says_what_where_and_what_is_allowed(text: str, reason: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=reason):
        parse_fault(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("silent:201@1s", "silent: found '201', which is 201 of 200; allowed is 1 to 200"),
        ("deaf:hall-a@1s", "deaf: found 'hall-a', which is none of 200"),
        ("agents-hang:s21-001@1s", r"agents-hang: found 's21-001', which is none of 2 \(hall-a, hall-b\)"),
        ("contactor-welded:hall-9@1s", r"contactor-welded: found 'hall-9', which is none of 2 \(hall-1, rack-2\)"),
        ("deaf@60s", "deaf: found 60 s, allowed is a time before the run's end, 60 s"),
    ],
)
def test_a_fault_that_comes_over_nobody_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        struck(text, end_s=60.0)


def test_devices_have_a_vice_from_its_time_to_its_end_and_that_is_said() -> None:
    site = Site()
    faults = FaultSchedule(struck("ignores-lowering:15%@40s+20s", "slow:s21-001@1min"), site, site)
    faults.advance(39.9)
    assert (site.done, site.events) == ([], [])
    faults.advance(40.4)
    faults.advance(59.9)
    assert site.done == [(Vice.IGNORES_LOWERING, 30, True)]
    assert site.events == ["30 of 200 devices ignore lowering from 0:40"]
    faults.advance(60.3)
    faults.advance(90.0)
    assert site.done[1:] == [(Vice.IGNORES_LOWERING, 30, False), (Vice.SLOW, 1, True)]
    assert site.events[1:] == [
        "30 of 200 devices are well again from 1:00 (ignores-lowering)",
        "1 of 200 devices take 3 s to answer from 1:00",
    ]


def test_devices_that_forget_reboot_when_they_begin_to() -> None:
    site = Site()
    faults = FaultSchedule(struck("forgets:s21-001,s21-002@0s+5s"), site, site)
    faults.advance(0.0)
    faults.advance(5.0)
    assert site.done == [
        (Vice.FORGETS, 2, True),
        ("reboot", "s21-001"),
        ("reboot", "s21-002"),
        (Vice.FORGETS, 2, False),
    ]


def test_what_happens_to_agents() -> None:
    site = Site()
    faults = FaultSchedule(
        struck("agents-hang@1s+2s", "agent-dies:hall-a@1s+3s", "agent-clock-jumps:hall-b@1s+4s"), site, site
    )
    for t_s in (0.0, 1.0, 3.0, 4.0, 5.0):
        faults.advance(t_s)
    assert site.done == [
        ("hang", "hall-a", True), ("hang", "hall-b", True), ("dead", "hall-a", True), ("jump", "hall-b", True),
        ("hang", "hall-a", False), ("hang", "hall-b", False), ("dead", "hall-a", False), ("jump", "hall-b", False),
    ]  # fmt: skip
    assert site.events == [
        "2 of 2 agents hang from 0:01: hall-a, hall-b",
        "1 of 2 agents are dead, and their devices run on, from 0:01: hall-a",
        "1 of 2 agents have a clock that is an hour ahead from 0:01: hall-b",
        "2 of 2 agents are well again from 0:03 (agents-hang): hall-a, hall-b",
        "1 of 2 agents are well again from 0:04 (agent-dies): hall-a",
        "1 of 2 agents are well again from 0:05 (agent-clock-jumps): hall-b",
    ]


def test_what_happens_to_contactors() -> None:
    site = Site()
    faults = FaultSchedule(struck("contactor-welded:hall-1@1s+2s", "contactor-silent@3s"), site, site)
    for t_s in (0.0, 1.0, 3.0):
        faults.advance(t_s)
    assert site.done == [
        (ContactorVice.WELDED, "hall-1", True),
        (ContactorVice.WELDED, "hall-1", False),
        (ContactorVice.SILENT, "hall-1", "rack-2", True),
    ]
    assert site.events == [
        "1 of 2 contactors say that they are open and stay closed from 0:01: hall-1",
        "1 of 2 contactors are well again from 0:03 (contactor-welded): hall-1",
        "2 of 2 contactors never answer from 0:03: hall-1, rack-2",
    ]


def test_only_agents_that_something_happens_to_need_processes_of_their_own() -> None:
    assert agents_struck(struck("silent@1s")) == frozenset()
    assert agents_struck(struck("silent@1s", "agent-dies:hall-a@1s", "agents-hang:hall-a@9s")) == {"hall-a"}


def test_a_fault_is_what_its_name_says() -> None:
    assert Fault(name="jumps-up", who="all", at_s=0.0, held_s=None).what is Vice.JUMPS_UP
