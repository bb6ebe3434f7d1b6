"""Faults by name that fast tests must find: each is a piece of a source file and what stands there instead."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.verify.mutation.mutants import Mutant

#: What it is, the file, what stands there (once), and what is put there.
_FAULTS: Final = (
    (
        "the room after a cut without the tolerance",
        "controller/core/limits/usable.py",
        "current_w - cut_w / (1.0 - tolerance)",
        "current_w - cut_w",
    ),
    (
        "what was never heard is stuck too",
        "controller/core/fleet/trouble.py",
        "np.where(trouble.led | ~leases.known,",
        "np.where(trouble.led,",
    ),
    (
        "the ramp never saves",
        "controller/core/limits/ramps.py",
        "min(left_w + gained_w, max(gained_w, most_w))",
        "gained_w",
    ),
    (
        "devices that are not in step are raised",
        "controller/core/fleet/trouble.py",
        " & in_step(leases, now_s) & obeys",
        " & obeys",
    ),
    (
        "the step test without the other load",
        "controller/core/trust/step_test.py",
        "other_w = _OTHER * site.tree.house_w[site.meters.node]",
        "other_w = 0.0 * site.tree.house_w[site.meters.node]",
    ),
    (
        "staleness without decay",
        "controller/core/trust/staleness.py",
        "max(at_s - rhythm.restless_s, _KEPT * pause_s)",
        "max(at_s - rhythm.restless_s, pause_s)",
    ),
    (
        "the link is lost after ten leases",
        "controller/core/fleet/leases.py",
        "now_s - link_lost_s > rules.lease_s",
        "now_s - link_lost_s > 10.0 * rules.lease_s",
    ),
)


def named_mutants(root: Path) -> list[Mutant]:
    """Return them; AssertionError where a source file no longer has what one of them replaces."""
    found = []
    for name, path, was, now in _FAULTS:
        source = (root / path).read_text(encoding="utf-8")
        assert source.count(was) == 1, f"{name}: {path} has {source.count(was)} times {was!r}"
        line = source[: source.index(was)].count("\n") + 1
        found.append(Mutant(path=path, line=line, name=f"{path}: {name}", source=source.replace(was, now)))
    return found
