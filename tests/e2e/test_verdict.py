"""What the world says of demos on a recorded surplus, and of a small site whose profiles are right or wrong."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.demos import WHOLE, running
from tests.recordings import LIANDER

pytestmark = pytest.mark.timeout(400)


def small_site(spoil: str) -> tuple[str, ...]:
    """A run of the small site that is at its envelope after a few seconds."""
    return ("tests.e2e.spoiled_demo", spoil, "--for=15s", "--seed=7", "--scale=60 %")


def test_a_recorded_surplus_is_followed_as_well(tmp_path: Path) -> None:
    recorded = f"--surplus-csv={LIANDER / 'WWF.csv'}"
    with running(tmp_path, *WHOLE, recorded, "--column=-total_substation") as demo:
        status, outcome = demo.ended(), demo.outcome()
    assert (status, outcome.passed, outcome.referee.reasons) == (0, True, ()), demo.text()
    assert outcome.surplus.startswith("WWF.csv -total_substation from 2021-")


def test_the_small_site_passes_with_its_right_profiles(tmp_path: Path) -> None:
    with running(tmp_path, *small_site("none")) as demo:
        assert demo.ended() == 0, demo.text()
        assert demo.outcome().passed


@pytest.mark.parametrize(
    "spoils", [("main:times1000", "both:flipped"), pytest.param(("both:by1000",), marks=pytest.mark.slow)]
)
def test_a_profile_that_is_wrong_makes_it_fail(tmp_path: Path, spoils: tuple[str, ...]) -> None:
    """The daemon does not believe such a meter: it takes hardly anything, and nothing beyond the envelope."""
    with ExitStack() as stack:
        # Beside each other: they fail however busy the machine is.
        demos = {}
        for spoil in spoils:
            (folder := tmp_path / spoil.replace(":", "-")).mkdir()
            demos[spoil] = stack.enter_context(running(folder, *small_site(spoil)))
        for spoil, demo in demos.items():
            status, outcome = demo.ended(), demo.outcome()
            assert status == 1, (spoil, demo.text())
            assert not outcome.passed, spoil
            reasons = "\n".join(outcome.referee.reasons)
            assert re.fullmatch("utilisation is .*, at least 90% is wanted", reasons), spoil
            assert outcome.daemon.mode != "normal", spoil
