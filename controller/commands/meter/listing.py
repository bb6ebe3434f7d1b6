"""``surplusd meter profiles``: the meters that are known."""

from __future__ import annotations

from collections.abc import Sequence

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.layout import table
from drivers.meters.profiles import bundled_profiles, load_profile

# ruff: noqa: T201


def run(words: Sequence[str]) -> int:
    """Print the bundled profiles that have all the words; status 1 where there is none."""
    rows = []
    for name in bundled_profiles():
        profile = load_profile(name)
        text = f"{profile.id} {profile.vendor} {profile.model}".lower()
        if all(word.lower() in text for word in words):
            rows.append((profile.id, profile.confidence, f"{profile.vendor} {profile.model}"))
    if not rows:
        print(
            f"no profile has {' and '.join(words)}; `surplusd meter profiles` lists all, `surplusd meter new` adds one"
        )
        return NOT_GOOD
    print(*table([("PROFILE", "CONFIDENCE", "METERS"), *rows]), sep="\n")
    return DONE
