"""Settings that hold for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.examples import THOROUGH, examples

# A shared machine may stop for a moment; what a property says does not depend on it.
settings.register_profile(
    "default", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=examples(100))
# A mutant is judged by the same examples whenever it is run, and leaves none behind.
settings.register_profile("mutation", parent=settings.get_profile("default"), derandomize=True, database=None)
_WANTED = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.load_profile("thorough" if THOROUGH else _WANTED if _WANTED == "mutation" else "default")
