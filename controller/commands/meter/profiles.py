"""``surplusd meter profiles``: the meters that are known."""

from __future__ import annotations

import argparse

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.terminal.telling import tell


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("profiles", help="list the meters that are known")
    verb.add_argument("words", nargs="*", metavar="WORD", help="only those whose id, maker or model has all the words")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.meter.layout import table
    from drivers.meters.dlms.profiles import DlmsProfile, bundled_dlms_profiles, load_dlms_profile
    from drivers.meters.payloads.profiles import PayloadProfile, bundled_payloads, load_payload
    from drivers.meters.profiles import Profile, bundled_profiles, load_profile

    words = arguments.words
    rows = []
    profiles: list[Profile | DlmsProfile | PayloadProfile] = [load_profile(name) for name in bundled_profiles()]
    profiles += [load_dlms_profile(name) for name in bundled_dlms_profiles()]
    profiles += [load_payload(name) for name in bundled_payloads()]
    for profile in profiles:
        text = f"{profile.id} {profile.vendor} {profile.model}".lower()
        if all(word.lower() in text for word in words):
            rows.append((profile.id, profile.confidence, f"{profile.vendor} {profile.model}"))
    if not rows:
        tell(
            f"no profile has {' and '.join(words)}; `surplusd meter profiles` lists all, `surplusd meter new` adds one"
        )
        return NOT_GOOD
    tell(*table([("PROFILE", "CONFIDENCE", "METERS"), *rows]))
    return DONE
