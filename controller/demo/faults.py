"""The faults of a demo: what goes wrong with which devices, contactors and agents, from when on and for how long."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from controller.demo.moment_texts import clock
from drivers.errors import ConfigError
from drivers.quantities import QuantityError, QuantityKind, parse_quantity
from simulators.choice import ALLOWED, choose
from simulators.world.vices import WHAT, WHAT_OF_CONTACTORS, ContactorVice, Vice


class Mishap(StrEnum):
    """What may happen to the process of an agent, by the name that the user gives it."""

    HANG = "agents-hang"
    DIE = "agent-dies"
    CLOCK_JUMPS = "agent-clock-jumps"


_SUFFERED: Final = {
    Mishap.HANG: "hang",
    Mishap.DIE: "are dead, and their devices run on,",
    Mishap.CLOCK_JUMPS: "have a clock that is an hour ahead",
}
_BY_NAME: Final[dict[str, Vice | ContactorVice | Mishap]] = {
    **{vice.value.replace("_", "-"): vice for vice in Vice},
    **{f"contactor-{vice}": vice for vice in ContactorVice},
    **{mishap.value: mishap for mishap in Mishap},
}
_FORM: Final = re.compile(r"(?P<name>[^:@]*)(?::(?P<who>[^@]*))?@(?P<at>[^@+]*)(?:\+(?P<held>[^@+]*))?")
#: The help of the option, in which argparse reads percent signs.
HELP: Final = (
    "have something go wrong: NAME:WHO@TIME after readiness, to the end of the run, or NAME:WHO@TIME+TIME for so long, as "
    f"in silent:10%@40s+20s; may be repeated. NAME is one of {', '.join(_BY_NAME)}; WHO, of the devices, of the agents, or of the nodes with a contactor, is "
    f"{ALLOWED}; all if left out"
).replace("%", "%%")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault as the user wants it: `at_s` after readiness, for `held_s`, or to the end of the run."""

    name: str
    who: str
    at_s: float
    held_s: float | None

    @property
    def what(self) -> Vice | ContactorVice | Mishap:
        """Return what goes wrong."""
        return _BY_NAME[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A fault, and the ids of the devices, agents or nodes with a contactor that it comes over, of `total`."""

    fault: Fault
    ids: tuple[str, ...]
    total: int

    def begins(self) -> str:
        """Return what is said when it begins."""
        return f"{self._who()} {self._suffered()} from {clock(self.fault.at_s)}{self._names()}"

    def ends(self) -> str:
        """Return what is said when it ends."""
        end_s = self.fault.at_s + (self.fault.held_s or 0.0)
        return f"{self._who()} are well again from {clock(end_s)} ({self.fault.name}){self._names()}"

    def _suffered(self) -> str:
        match self.fault.what:
            case Mishap() as mishap:
                return _SUFFERED[mishap]
            case ContactorVice() as vice:
                return WHAT_OF_CONTACTORS[vice]
            case Vice() as vice:
                return WHAT[vice]

    def _who(self) -> str:
        kinds = {Mishap: "agents", ContactorVice: "contactors", Vice: "devices"}
        return f"{len(self.ids)} of {self.total} {kinds[type(self.fault.what)]}"

    def _names(self) -> str:
        return "" if isinstance(self.fault.what, Vice) else f": {', '.join(self.ids)}"


class ViceSwitch(Protocol):
    """What gives devices and contactors their vices: the world."""

    def set_vice(self, devices: Iterable[str], vice: Vice, *, on: bool) -> None:
        """Give the devices a vice, or take it."""

    def set_contactor_vice(self, nodes: Iterable[str], vice: ContactorVice, *, on: bool) -> None:
        """Give the contactors of nodes a vice, or take it."""

    def reboot(self, device: str) -> None:
        """Have a device reboot now."""


class MishapSwitch(Protocol):
    """What has mishaps happen to agents: their processes."""

    events: list[str]

    def hang(self, agent: str, *, on: bool) -> None:
        """Stop the agent's process where it is, or let it go on."""

    def keep_dead(self, agent: str, *, on: bool) -> None:
        """Kill the agent's process and leave it so, or start it again."""

    def jump_clock(self, agent: str, *, on: bool) -> None:
        """Have the agent's clock jump ahead, or back again."""


def parse_fault(text: str) -> Fault:
    """Return the fault that the option's text describes; a type for argparse, and raises its ArgumentTypeError."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is NAME:WHO@TIME or NAME:WHO@TIME+TIME")
    name, who, at, held = match.group("name", "who", "at", "held")
    if name not in _BY_NAME:
        raise argparse.ArgumentTypeError(
            f"in {text!r}: found the name {name!r}, allowed is one of {', '.join(_BY_NAME)}"
        )
    held_s = None if held is None else _seconds(text, held)
    if held_s == 0.0:
        raise argparse.ArgumentTypeError(f"in {text!r}: found the duration {held!r}, allowed is one above zero")
    return Fault(name=name, who="all" if who is None else who, at_s=_seconds(text, at), held_s=held_s)


def _seconds(text: str, part: str) -> float:
    try:
        seconds = parse_quantity(part, QuantityKind.TIME)
    except QuantityError as error:
        raise argparse.ArgumentTypeError(f"in {text!r}: {error}") from error
    if seconds < 0.0:
        raise argparse.ArgumentTypeError(f"in {text!r}: found {part!r}, allowed is a time of zero or more")
    return seconds


def strike(
    faults: Sequence[Fault],
    *,
    devices: Sequence[str],
    agents: Sequence[str],
    contactors: Sequence[str] = (),
    end_s: float | None,
    seed: int,
) -> tuple[Struck, ...]:
    """Return whom the faults come over; ConfigError for nobody, and for a fault that begins after the run's end."""
    struck = []
    for fault in faults:
        ids = {Mishap: agents, ContactorVice: contactors, Vice: devices}[type(fault.what)]
        if not ids:
            raise ConfigError(f"{fault.name}: found a site without a contactor, allowed is one with: --contactor")
        if end_s is not None and fault.at_s >= end_s:
            raise ConfigError(
                f"{fault.name}: found {fault.at_s:g} s, allowed is a time before the run's end, {end_s:g} s"
            )
        try:
            struck.append(Struck(fault=fault, ids=choose(fault.who, ids, seed), total=len(ids)))
        except ConfigError as error:
            raise ConfigError(f"{fault.name}: {error}") from error
    return tuple(struck)


def agents_struck(struck: Iterable[Struck]) -> frozenset[str]:
    """Return the agents that need a process of their own, since something happens to them alone."""
    return frozenset(id_ for each in struck if isinstance(each.fault.what, Mishap) for id_ in each.ids)


class FaultSchedule:
    """Begins and ends faults as time goes on, and says so among the events of the agents' processes."""

    def __init__(self, struck: Sequence[Struck], devices: ViceSwitch, agents: MishapSwitch) -> None:
        self._waiting = list(struck)
        self._running: list[Struck] = []
        self._devices = devices
        self._agents = agents

    def advance(self, t_s: float) -> None:
        """Do what is due at `t_s` after readiness."""
        for struck in [each for each in self._running if t_s >= each.fault.at_s + (each.fault.held_s or 0.0)]:
            self._running.remove(struck)
            self._switch(struck, on=False)
            self._agents.events.append(struck.ends())
        for struck in [each for each in self._waiting if t_s >= each.fault.at_s]:
            self._waiting.remove(struck)
            self._switch(struck, on=True)
            self._agents.events.append(struck.begins())
            if struck.fault.held_s is not None:
                self._running.append(struck)

    def _switch(self, struck: Struck, *, on: bool) -> None:
        match struck.fault.what:
            case Vice() as vice:
                self._devices.set_vice(struck.ids, vice, on=on)
                for device in struck.ids if on and vice is Vice.FORGETS else ():
                    self._devices.reboot(device)
            case ContactorVice() as vice:
                self._devices.set_contactor_vice(struck.ids, vice, on=on)
            case Mishap.HANG:
                for agent in struck.ids:
                    self._agents.hang(agent, on=on)
            case Mishap.DIE:
                for agent in struck.ids:
                    self._agents.keep_dead(agent, on=on)
            case Mishap.CLOCK_JUMPS:
                for agent in struck.ids:
                    self._agents.jump_clock(agent, on=on)
