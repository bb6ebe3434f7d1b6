"""What an agent must do, one function a rule of the contract, in the sequence in which they are tried.

Each gets the bench and leaves the agent led or not, as it likes: the next one does not care.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from controller.commands.agent.bench import Bench, CheckFailed
from drivers.clock import boottime_s
from drivers.fleet import wire
from drivers.fleet.keys import SIGNATURE_BYTES, PrivateKey
from drivers.fleet.wire import CONTACTOR, Echo, Follow, InventoryDevice, Leaf, Presence, Report, spread_ms

#: Lease of the checks that wait for its end.
_SHORT_MS: Final = 4_000
#: By how much an agent may be late or early at the end of a lease, its report and the broker included.
_SLACK_MS: Final = 400
#: From the end of a device's own time to a report that shows it.
_MARGIN_S: Final = 5.0
#: In which every device is told what it is to run on.
_TOLD_S: Final = 15.0
#: Of these devices what is applied may still change without another set.
_UNDER_WAY: Final = frozenset({Follow.GRANTED, Follow.COMMANDED, Follow.UNKNOWN})


_INTRODUCTION: Final = "it introduces itself: inventory and status kept by the broker, a report every second"
_LEASE_END: Final = "at the end of a lease every device goes to min(applied, failsafe) by itself, one after the other"
_WILL: Final = "when it is killed the broker tells its will: offline, retained"
#: Tries one rule; CheckFailed where the agent does otherwise.
Check: TypeAlias = Callable[[Bench], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a check; `why` is empty where it passed."""

    name: str
    why: str

    @property
    def passed(self) -> bool:
        """Whether the agent did as it must."""
        return not self.why

    @property
    def line(self) -> str:
        """The outcome in a line."""
        return f"passed  {self.name}" if self.passed else f"FAILED  {self.name}: {self.why}"


def run_checks(bench: Bench, *, settle_ms: int, kill: int | None = None, only: str = "") -> Iterator[Verdict]:
    """Try one rule after the other; nothing but the first can be tried of an agent that does not introduce itself.

    `settle_ms`: of the site; `kill`: the process of the agent, to be ended at last. `only`: those whose name has these words.
    """
    first = _tried(_INTRODUCTION, _introduces_itself, bench)
    yield first
    if not first.passed:
        return
    checks = [*_CHECKS, (_LEASE_END, lambda bench: _lease_ends_by_itself(bench, settle_ms))]
    if kill is not None:
        checks.append((_WILL, lambda bench: _its_will_is_told(bench, kill)))
    for name, check in checks:
        if only in name:
            yield _tried(name, check, bench)


def _tried(name: str, check: Check, bench: Bench) -> Verdict:
    try:
        check(bench)
    except CheckFailed as failure:
        return Verdict(name=name, why=str(failure))
    return Verdict(name=name, why="")


def _devices(bench: Bench) -> list[InventoryDevice]:
    if bench.inventory is None:
        raise CheckFailed("expected an inventory, seen none")
    return bench.inventory.devices


def fitted(device: InventoryDevice, watts: int) -> int:
    """Return what a device is set to within so many watts."""
    most = min(watts, device.max_w)
    return max([device.off_w, *(min(most, one.to_w) for one in device.ranges if one.from_w <= most)])


def _full(bench: Bench) -> list[int]:
    return [fitted(device, device.max_w) for device in _devices(bench)]


def _off(bench: Bench) -> list[int]:
    return [device.off_w for device in _devices(bench)]


def _failsafe(bench: Bench) -> list[int]:
    return [fitted(device, device.failsafe_w) for device in _devices(bench)]


def _reach(bench: Bench, watts: list[int]) -> Report:
    """Wait until every device runs on these watts, by the agent's word."""
    slowest_ms = max((max(device.up_ms, device.down_ms) for device in _devices(bench)), default=0)
    return bench.until(
        lambda report: report.applied_w == watts, f"applied_w {watts[:5]}", slowest_ms / 1000 + _MARGIN_S
    )


def _led_at_full(bench: Bench) -> Report:
    """Have every device at its maximum under a long lease."""
    bench.accepted(bench.state(echo=None, setpoints_w=_zero(bench)))
    bench.accepted(bench.state(setpoints_w=_full(bench)))
    return _reach(bench, _full(bench))


def _zero(bench: Bench) -> list[int]:
    return [0] * len(_devices(bench))


def _introduces_itself(bench: Bench) -> None:
    bench.wait(lambda: bench.inventory, 5.0, "a signed inventory")
    bench.wait(lambda: True if bench.presence is Presence.ONLINE else None, 5.0, "the status online")
    for leaf in (Leaf.INVENTORY, Leaf.STATUS):
        if not bench.kept.get(leaf):
            raise CheckFailed(f"expected a retained {leaf}, seen one that is not")
    first = bench.wait(lambda: bench.report, 5.0, "a signed report")
    _nobody_leads_it(bench, first)
    bench.epoch = bench.after(boottime_s()).epoch + 1
    count = len(bench.reports)
    bench.wait(lambda: True if len(bench.reports) >= count + 2 else None, 3.0, "two more reports")


def _nobody_leads_it(bench: Bench, first: Report) -> None:
    """Wait for the end of a lease that runs, so that all that follows is our own doing."""
    bench.until(
        lambda report: not report.lease_left_ms,
        "the lease that ran to end, and nobody to renew it",
        first.lease_left_ms / 1000 + _MARGIN_S,
    )


def _columns_are_those_of_the_inventory(bench: Bench) -> None:
    report = bench.after(boottime_s())
    if (report.inventory, len(report.applied_w)) != (bench.statement().inventory, len(_devices(bench))):
        raise CheckFailed(
            f"expected {len(_devices(bench))} devices of the inventory, seen {len(report.applied_w)} of {report.inventory}"
        )
    for device, measured, by in zip(_devices(bench), report.measured_w, report.measured_by, strict=True):
        if (measured is None) != (by == wire.MeasuredBy.NOTHING):
            raise CheckFailed(f"expected measured_w with what measures it, seen {device.id}: {measured} by {by!r}")
    for device, state, rests in zip(_devices(bench), report.state, report.rests, strict=False):
        if rests == wire.Resting.YES and state != Follow.STOPPED:
            raise CheckFailed(f"expected nothing to rest but what is stopped, seen {device.id} in state {state!r}")
    if set(bench.complaints):
        raise CheckFailed(f"expected nothing but messages by the contract, seen {bench.complaints[-1]}")


def _nothing_is_raised_without_an_echo(bench: Bench) -> None:
    before = bench.after(boottime_s()).applied_w
    report = bench.accepted(bench.state(echo=None, setpoints_w=_full(bench)))
    later = bench.after(boottime_s())
    if any(now > then for now, then in zip(later.applied_w, before, strict=True)) or report.lease_left_ms:
        raise CheckFailed(
            f"expected {before[:5]} and no lease, seen {later.applied_w[:5]}, {report.lease_left_ms} ms left"
        )


def _a_set_grants(bench: Bench) -> None:
    bench.accepted(bench.state(echo=None))
    body = bench.state(setpoints_w=_full(bench))
    report = bench.accepted(body)
    _lease_runs_from_the_echo(report, body)
    _reach(bench, _full(bench))
    done = Follow.PROVEN + Follow.SETTLING + Follow.ACCEPTED + Follow.STOPPED
    bench.until(
        lambda report: set(report.state) <= set(done) and not report.lapsed and report.applied_seq == body.seq,
        "every device to follow, applied_seq to say so, and lapsed to be false",
        _MARGIN_S,
    )


def _lease_runs_from_the_echo(report: Report, body: wire.Set) -> None:
    if body.echo is None:
        raise CheckFailed("expected an echo, seen none")
    end_ms = body.echo.boottime_ms + body.ttl_ms
    found_ms = report.echo.boottime_ms + report.lease_left_ms
    if abs(found_ms - end_ms) > _SLACK_MS:
        raise CheckFailed(f"expected the lease to end at {end_ms}, echo and time to live, seen {found_ms}")


def _a_head_is_given_back(bench: Bench) -> None:
    body = bench.state(setpoints_w=_full(bench))
    bench.accepted(body)
    bench.until(
        lambda report: (report.head_seen, report.head_stored) == (body.head, body.head),
        "head_seen and head_stored to be that of the set",
        2.0,
    )
    report = bench.accepted(bench.state(setpoints_w=_full(bench), head=None))
    if report.head_seen != body.head:
        raise CheckFailed(f"expected the head of before, seen {report.head_seen}")


def _watts_are_fitted(bench: Bench) -> None:
    _led_at_full(bench)
    # Of a contactor watts between open and closed mean something else.
    asked = [
        device.off_w
        if device.model == CONTACTOR
        else max((one.to_w for one in device.ranges), default=device.max_w) - 1
        for device in _devices(bench)
    ]
    bench.accepted(bench.state(setpoints_w=asked))
    _reach(bench, [fitted(device, watts) for device, watts in zip(_devices(bench), asked, strict=True)])


def _a_cut_is_taken(bench: Bench) -> None:
    _led_at_full(bench)
    bench.accepted(bench.state())
    _reach(bench, _off(bench))


def _a_renewal_lengthens(bench: Bench) -> None:
    _led_at_full(bench)
    spelled = bench.state(setpoints_w=_full(bench), ttl_ms=20_000)
    bench.accepted(spelled)
    for _ in range(2):
        body = bench.state(same_as=spelled.seq)
        report = bench.accepted(body)
        _lease_runs_from_the_echo(report, body)
        if report.applied_w != _full(bench):
            raise CheckFailed(f"expected {_full(bench)[:5]} to go on, seen {report.applied_w[:5]}")


def _a_new_epoch_begins_anew(bench: Bench) -> None:
    _led_at_full(bench)
    bench.epoch, bench.seq = bench.epoch + 1, 0
    bench.accepted(bench.state(setpoints_w=_full(bench)))
    _refuses(bench, bench.statement(epoch=bench.epoch - 1, seq=10**9))


def _is_at_rest(report: wire.Report) -> bool:
    """Return whether no command is due or under way, so that what is applied changes by a set alone."""
    return not _UNDER_WAY & set(report.state)


def _refuses(bench: Bench, body: wire.Set, *, payload: bytes | None = None, retain: bool = False) -> None:
    """Send what must be refused, which would switch everything off, and look at what the agent then holds."""
    before = bench.until(_is_at_rest, "every device to have been told", _TOLD_S)
    sent_s = bench.send(payload or wire.sign(body, bench.key), retain=retain)
    after = bench.after(sent_s)
    held, now = ((r.epoch, r.accepted_seq, r.applied_w, r.lapsed) for r in (before, after))
    if held != now:
        raise CheckFailed(f"expected it to be refused and {held[:2]} to stay, seen {now[:2]}, applied {now[2][:5]}")
    if payload is None and not retain and after.refused is None:
        raise CheckFailed("expected refused to say why, seen null")


def _refusal(changes: Callable[[Bench], dict[str, object]]) -> Check:
    """Return a check that a statement changed so is refused."""

    def check(bench: Bench) -> None:
        _led_at_full(bench)
        _refuses(bench, bench.statement(**changes(bench)))

    return check


def _refuses_an_echo_ahead(bench: Bench) -> None:
    """Its clock has gone back, as far as it can see: it refuses, and may begin anew, which raises nothing."""
    before = _led_at_full(bench)
    now = bench.after(boottime_s()).echo
    body = bench.state(echo=Echo(boot=now.boot, boottime_ms=now.boottime_ms + 60_000))
    after = bench.until(lambda report: report.refused is not None, "refused to say why")
    if (after.epoch, after.accepted_seq) >= (body.epoch, body.seq):
        raise CheckFailed(f"expected {body.epoch}/{body.seq} to be refused, seen it accepted")
    raised = any(now > then for now, then in zip(after.applied_w, before.applied_w, strict=True))
    anew, went_on = after.echo.boot != now.boot and after.lapsed, after.echo.boot == now.boot and not after.lapsed
    if raised or not (anew or went_on):
        raise CheckFailed(f"expected all to stay, or a new boot that is lapsed, seen {bench.seen()}")
    if anew:
        _reach(bench, [min(low, full) for low, full in zip(_failsafe(bench), _full(bench), strict=True)])


def _refuses_what_is_not_authentic(bench: Bench) -> None:
    _led_at_full(bench)
    good = wire.sign(bench.statement(), bench.key)
    for payload in (
        wire.sign(bench.statement(), PrivateKey.generate()),
        good[:-3] + bytes([good[-3] ^ 1]) + good[-2:],
        bytes([good[0] ^ 1]) + good[1:],
        good[SIGNATURE_BYTES:],
        b"x",
    ):
        _refuses(bench, bench.statement(), payload=payload)


def _refuses_a_replay(bench: Bench) -> None:
    _led_at_full(bench)
    cut = bench.statement()
    bench.send(wire.sign(cut, bench.key))
    bench.accepted(cut)
    bench.accepted(bench.state(setpoints_w=_full(bench)))
    _reach(bench, _full(bench))
    _refuses(bench, cut)


def _refuses_a_retained_set(bench: Bench) -> None:
    _led_at_full(bench)
    try:
        _refuses(bench, bench.statement(), retain=True)
    finally:
        bench.send(b"", retain=True)


def _lease_ends_by_itself(bench: Bench, settle_ms: int) -> None:
    _led_at_full(bench)
    body = bench.state(setpoints_w=_full(bench), ttl_ms=_SHORT_MS)
    bench.accepted(body)
    if body.echo is None:
        raise CheckFailed("expected an echo, seen none")
    end_ms, goal = body.echo.boottime_ms + _SHORT_MS, _failsafe(bench)
    goal = [min(low, full) for low, full in zip(goal, _full(bench), strict=True)]
    begun = len(bench.reports)
    bench.until(
        lambda report: report.applied_w == goal and report.lapsed,
        f"applied_w {goal[:5]} and lapsed",
        _SHORT_MS / 1000 + _MARGIN_S,
    )
    falls = [report for _, report in bench.reports[begun:] if report.applied_w != _full(bench)]
    if goal == _full(bench):  # a contactor, which nothing but a set moves, or a failsafe that is the maximum
        if falls:
            raise CheckFailed(f"expected {goal[:5]} to stay, seen {falls[0].applied_w[:5]}")
        return
    first_ms, last_ms = falls[0].echo.boottime_ms, next(r for r in falls if r.applied_w == goal).echo.boottime_ms
    earliest_ms = end_ms - spread_ms(_SHORT_MS, settle_ms)
    if first_ms < earliest_ms - _SLACK_MS:
        raise CheckFailed(f"expected no device to fall before {earliest_ms}, seen one at {first_ms}")
    slowest_ms = max((device.down_ms for device in _devices(bench)), default=0)
    if last_ms > end_ms + slowest_ms + _SLACK_MS:
        raise CheckFailed(f"expected every device to have fallen by {end_ms}, seen {last_ms}")
    falling = sum(low != full for low, full in zip(goal, _full(bench), strict=True))
    if falling > 1 and len({tuple(report.applied_w) for report in falls}) < min(falling, 2):
        raise CheckFailed("expected the devices to fall one after the other with a report of each, seen all at once")


def _a_lapse_is_undone_by_who_knows_of_it(bench: Bench) -> None:
    report = _led_at_full(bench)
    bench.accepted(bench.state(setpoints_w=_full(bench), ttl_ms=_SHORT_MS))
    bench.until(
        lambda report: report.lapsed and not report.lease_left_ms, "the lease to end", _SHORT_MS / 1000 + _MARGIN_S
    )
    fallen = bench.after(boottime_s()).applied_w
    bench.accepted(bench.state(setpoints_w=_full(bench), echo=report.echo, ttl_ms=wire.MAX_TTL_MS))
    later = bench.after(boottime_s())
    if later.applied_w != fallen or not later.lapsed:
        raise CheckFailed(f"expected {fallen[:5]} and lapsed, seen {later.applied_w[:5]}, lapsed {later.lapsed}")
    bench.accepted(bench.state(setpoints_w=_full(bench)))
    _reach(bench, _full(bench))


def _its_will_is_told(bench: Bench, process: int) -> None:
    os.kill(process, signal.SIGKILL)
    bench.wait(lambda: True if bench.presence is Presence.OFFLINE else None, 30.0, "the status offline")


_CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("its reports have the columns of its inventory", _columns_are_those_of_the_inventory),
    ("a set without an echo is accepted and raises nothing", _nothing_is_raised_without_an_echo),
    ("a set with its echo is accepted at once, applied, and proven", _a_set_grants),
    ("the head of a set is given back, and a set without one changes nothing", _a_head_is_given_back),
    ("watts that no device can be set to are the next lower ones", _watts_are_fitted),
    ("a cut is taken and applied", _a_cut_is_taken),
    (
        "a renewal lengthens the lease and changes no setpoint; a later one names the same sequence",
        _a_renewal_lengthens,
    ),
    ("a later epoch counts whatever its sequence, and an earlier one never", _a_new_epoch_begins_anew),
    ("it refuses a foreign signature, a flipped bit, and bytes that are no set", _refuses_what_is_not_authentic),
    ("it refuses the same bytes again", _refuses_a_replay),
    ("it refuses a retained set, also one that arrives live: it asks for retain as published", _refuses_a_retained_set),
    ("it refuses an older sequence", _refusal(lambda bench: {"seq": bench.seq - 1})),
    ("it refuses an echo that is ahead of its clock", _refuses_an_echo_ahead),
    ("it refuses another inventory", _refusal(lambda _: {"inventory": "0" * 32})),
    ("it refuses too many setpoints", _refusal(lambda bench: {"setpoints_w": [*_zero(bench), 0]})),
    ("it refuses a renewal of what it does not hold", _refusal(lambda bench: {"same_as": bench.seq + 1000})),
    (
        "after a lapse a set with an echo from before raises nothing, and one with an echo from after does",
        _a_lapse_is_undone_by_who_knows_of_it,
    ),
)
