"""``surplusd meter probe`` and ``surplusd meter test`` of a meter that sends messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.candidates import agreements
from controller.commands.meter.findings import absent, doubts, look
from controller.commands.meter.layout import fold, note, one, table
from controller.commands.meter.message_reach import MessageReach
from controller.commands.meter.source import Source
from controller.commands.meter.source_table import report
from controller.commands.signals import run_until_signal
from controller.terminal.telling import tell
from drivers.clock import boottime_s
from drivers.errors import ConfigError
from drivers.meters.payloads.profiles import PayloadProfile, bundled_payloads, load_payload
from drivers.meters.profiles import REQUIRED
from drivers.readings import Loss, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A profile that shows a power. `wrong`: what speaks against it; `missing`: how many of its quantities are not there."""

    name: str
    profile: PayloadProfile
    sample: Sample
    wrong: Sequence[str]
    missing: int

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """The best is the largest: the first phase of three reads well as a meter of one phase, too."""
        parts = len(self.profile.fields[REQUIRED].spots)
        return (not self.wrong, parts, len(self.sample.values), -self.missing)


def probe(reach: MessageReach, own: Sequence[str], *, show_all: bool) -> int:
    """Read the meter by every profile and print the verdict; status 0 where one fits best."""
    profiles = {name: load_payload(name) for name in (*own, *bundled_payloads())}
    failed = {name: why for name, profile in profiles.items() if (why := reach.fits(profile))}
    asked = [name for name in profiles if name not in failed]
    seen = run_until_signal(reach.read(asked)) if asked else {}
    if asked and (alike := _alike(seen)):
        raise ConfigError(f"{reach.address}: {alike}")
    tried = []
    for name, item in seen.items():
        if isinstance(item, Sample) and REQUIRED in item.values:
            tried.append(_judged(name, profiles[name], item))
        else:
            failed[name] = item.reason if isinstance(item, Loss) else item.invalid.get(REQUIRED, "no power")
    tried.sort(key=lambda each: each.rank, reverse=True)
    tell(*_told(reach, tried, failed, show_all=show_all))
    clear = tried and not tried[0].wrong and (len(tried) == 1 or tried[1].rank < tried[0].rank)
    return DONE if clear else NOT_GOOD


def _alike(seen: Mapping[str, Sample | Loss]) -> str:
    """Return what is said of all alike, where no answer came that a profile could fit; empty else."""
    reasons = {item.reason if isinstance(item, Loss) else "" for item in seen.values()}
    return reasons.pop() if len(reasons) == 1 else ""


def _judged(name: str, profile: PayloadProfile, sample: Sample) -> Tried:
    values, invalid = dict(sample.values), dict(sample.invalid)
    return Tried(
        name=name,
        profile=profile,
        sample=sample,
        wrong=look(values, invalid),
        missing=len(absent(values, invalid)),
    )


def _told(reach: MessageReach, tried: Sequence[Tried], failed: Mapping[str, str], *, show_all: bool) -> Iterator[str]:
    yield f"{reach.address}: nothing is written to it"
    yield ""
    if tried:
        rows = [(each.name, "no" if each.wrong else "yes", _why(each)) for each in tried]
        head, *lines = table([("PROFILE", "FITS", "WHY"), *rows])
        yield head
        for line, each in zip(lines, tried, strict=True):
            yield line
            for text in each.wrong:
                yield from note("!", text)
        yield ""
    if show_all or not tried:
        yield from table([("NOT", "WHY"), *failed.items()])
    else:
        yield f"{len(failed)} other profiles do not fit; --all says why"
    yield from _advice(reach, tried)


def _why(each: Tried) -> str:
    missing = f"{each.missing} of its quantities are not there" if each.missing else ""
    power = one(REQUIRED, each.sample.values[REQUIRED])
    return "; ".join(filter(None, (power, *agreements(each.sample.values), missing)))


def _advice(reach: MessageReach, tried: Sequence[Tried]) -> Iterator[str]:
    good = [each for each in tried if not each.wrong]
    if not good:
        yield from fold(
            "None fits. `at: /POINTER` and `unit` in the site file read a power wherever it stands; a profile file, more."
        )
        return
    for text in doubts(good[0].profile):
        yield from note("?", text, indent=0)
    if reach.bare:
        yield from note("i", "nothing protects this connection: somebody has to vouch for that, word by word", indent=0)
    if reach.way == "mqtt" and good[0].profile.every_s > 1.0:
        every = f"it comes every {good[0].profile.every_s:g} s at best: control.suspect_after has to be longer"
        yield from note("i", every, indent=0)
    yield "For the site file:"
    yield f"    {reach.line(good[0].name)}"


def test(reach: MessageReach, name: str, rating_w: float | None) -> int:
    """Read the meter once by a profile, and print what it shows and what looks wrong."""
    profile = load_payload(name)
    if why := reach.fits(profile):
        raise ConfigError(f"profile: found {name!r}, which does not fit: {why}")
    item = run_until_signal(reach.read([name]))[name]
    if isinstance(item, Loss):
        raise ConfigError(item.reason)
    unread = Source(name=profile.id, where=reach.address, suspect_s=float("inf"), rating_w=rating_w, profile=profile)
    told = report({profile.id: unread.taken(item, ())}, boottime_s())
    tell(*told.lines)
    tell("look at the lines with !" if told.bad else "nothing looks wrong; compare with what the meter displays")
    return NOT_GOOD if told.bad else DONE
