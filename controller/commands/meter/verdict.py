"""``surplusd meter probe``: ask a meter, print what it may be."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.candidates import Candidate, Probed, apart, probe
from controller.commands.meter.capture import refuse_existing, write_capture
from controller.commands.meter.findings import doubts
from controller.commands.meter.identification import identify
from controller.commands.meter.layout import fold, note, table
from controller.commands.meter.meter_line import Address, opened
from controller.commands.meter.second_look import other_way
from controller.commands.signals import run_until_signal
from controller.terminal.telling import tell
from drivers.errors import ConfigError, DriverLoss
from drivers.meters.profiles import Profile, bundled_profiles, load_profile

#: From how many others the best is told apart at most.
_MOST_PAIRS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """How to probe.

    `pause_s`: between requests. `own`: profiles to try besides the bundled ones. `show_all`: also those that do not fit.
    `capture`: to write. `patient`: a meter that is silent at first may only be so where it has no register.
    """

    pause_s: float
    own: Sequence[str] = ()
    show_all: bool = False
    capture: Path | None = None
    patient: bool = False


def run(address: Address, options: ProbeOptions) -> int:
    """Probe the meter and print the verdict; status 0 where one profile fits or several that agree."""
    refuse_existing(options.capture)
    if sys.stderr.isatty():
        tell(f"asking {address}, one question every {options.pause_s:g} s; nothing is written to it", out=sys.stderr)
    mine = [replace(load_profile(name), id=name) for name in options.own]  # called as the site file calls it
    profiles = [*mine, *(load_profile(name) for name in bundled_profiles())]
    try:
        requests, probed = run_until_signal(_ask(address, options, profiles))
    except DriverLoss as loss:
        raise ConfigError(f"{address}: {loss}" if str(address) not in str(loss) else str(loss)) from loss
    tell(*told(address, requests, probed, show_all=options.show_all))
    return DONE if _clear(probed.candidates) else NOT_GOOD


def _clear(candidates: Sequence[Candidate]) -> bool:
    """Whether one profile fits, or several fit equally well that read the same."""
    if not candidates or candidates[0].fits != "yes":
        return False
    rivals = [each for each in candidates[1:] if each.rank == candidates[0].rank]
    return not any(apart(candidates[0], each) for each in rivals)


async def _ask(address: Address, options: ProbeOptions, profiles: Sequence[Profile]) -> tuple[int, Probed]:
    identity = await identify(address)
    await asyncio.sleep(options.pause_s)  # the meter may have one connection only, and be slow to give it back
    heard = False
    try:
        async with opened(address, options.pause_s) as line:
            if identity:
                line.log.append(f"fc 43 = {' | '.join(identity)}")
            try:
                probed = await probe(line, identity, profiles, thorough=options.show_all, patient=options.patient)
            finally:
                heard = line.answers > 0
                if options.capture is not None:
                    write_capture(options.capture, line.log)
    except DriverLoss as loss:
        way = "" if heard else await other_way(address)
        raise DriverLoss(f"{loss}. It answers with {way}" if way else str(loss)) from loss
    return line.requests, probed


def told(address: Address, requests: int, probed: Probed, *, show_all: bool) -> Iterator[str]:
    """Yield the verdict line by line."""
    yield f"{address}: {requests} requests, all of them reads"
    yield f"calls itself  {' '.join(probed.identity) or 'nothing (no function 43)'}"
    chain = f"models {', '.join(map(str, probed.chain))} {probed.maker}".strip() if probed.chain else "none"
    yield f"SunSpec       {chain}"
    yield ""
    if probed.candidates:
        yield from _table(probed.candidates)
        yield ""
    if show_all:
        yield from table([("NOT", "WHY"), *probed.failed.items()])
    else:
        yield f"{len(probed.failed)} other profiles do not fit; --all says why"
    yield from _advice(address, probed)


def _table(candidates: Sequence[Candidate]) -> Iterator[str]:
    rows = [(each.profile.id, each.fits, _why(each)) for each in candidates]
    head, *lines = table([("PROFILE", "FITS", "WHY"), *rows])
    yield head
    for line, each in zip(lines, candidates, strict=True):
        yield line
        for text in each.wrong:
            yield from note("!", text)


def _why(candidate: Candidate) -> str:
    missing = f"{candidate.missing} of its quantities are not there" if candidate.missing else ""
    return "; ".join(text for text in (candidate.identified, *candidate.agree, missing) if text)


def _advice(address: Address, probed: Probed) -> Iterator[str]:
    candidates = probed.candidates
    best = [each for each in candidates if each.rank[:2] == candidates[0].rank[:2] and not each.wrong]
    if not best:
        yield "None fits. Is it the right unit id? `surplusd meter new FILE` describes a meter that is not known yet."
        return
    for other in best[1 : 1 + _MOST_PAIRS]:
        same = f"{best[0].profile.id} and {other.profile.id} read the same here: see the type plate, or take either"
        yield from note("?", apart(best[0], other) or same, indent=0)
    for text in (*_needs(best[0].profile), *doubts(best[0].shown)):
        yield from note("?", text, indent=0)
    if best[0].settled:
        yield from note("i", "volts times amperes confirm its power, which the profile is not sure of", indent=0)
    elif best[0].profile.power_doubt:
        text = "ask again under load: volts times amperes then settle the power, or its display does (confirmed: true)"
        yield from note("?", text, indent=0)
    if best[0].turned:
        yield from note("i", f"{best[0].turned} counts power out of the site as positive: sign -1 turns it", indent=0)
    others = f", or with {', '.join(each.profile.id for each in best[1:])} instead" if best[1:] else ""
    more = [each for each in probed.further if each.profile.id == best[0].profile.id]
    yield from fold(f"For the site file{others}:")
    for each in (best[0], *more):
        yield f"    modbus: {{{_keys(address)}, {_of_profile(each, alone=not more)}}}"


def _of_profile(candidate: Candidate, *, alone: bool) -> str:
    """Return the keys that say how the meter is read."""
    place, keys = candidate.place, f"profile: {candidate.profile.id}"
    if not alone:
        keys += f", model: {place.model}, nth: {place.nth}"
    if candidate.settled:
        keys += ", confirmed: true"
    return f"{keys}, sign: -1, swap_counters: false" if candidate.turned else keys


def _needs(profile: Profile) -> Iterator[str]:
    if profile.secondary:
        yield "it shows what its transformers put out: the site file must give ct_ratio, too"
    if profile.needs_full_scale:
        yield "its numbers are shares of a full scale that is set in the meter: the site file must give full_scale, too"


def _keys(address: Address) -> str:
    """Return the keys of the site file that lead to this meter."""
    place = address.place
    if place.serial is not None:
        serial = place.serial
        port = f"device: {serial.device}, baud: {serial.baud}, parity: {serial.parity}, stop_bits: {serial.stop_bits}"
        return f"transport: rtu, serial: {{{port}}}, unit: {address.unit}"
    keys = f"host: {place.host}, port: {place.port}, unit: {'any' if address.any_unit else address.unit}"
    if place.ignore_transaction:
        keys += ", ignore_transaction: true"
    if place.tls is not None:
        files = {"ca": place.tls.ca, "certificate": place.tls.certificate, "private_key": place.tls.private_key}
        keys += f", tls: {{{', '.join(f'{name}: {path}' for name, path in files.items() if path)}}}"
    return keys if place.transport == "tcp" else f"transport: {place.transport}, {keys}"
