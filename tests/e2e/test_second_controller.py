"""A clone of the controller comes up beside it, with the same keys: the two are named, nothing rises, and one leads when one is left.

`make verify ARGS=controllers` has both live for a minute, before a real Prometheus.
"""

from __future__ import annotations

import pytest

from tests.e2e.two_controllers import live_together
from tests.e2e.yard import Yard

pytestmark = pytest.mark.parametrize("yard", ["real"], indirect=True, scope="module")


def test_f63_two_controllers_with_one_certificate_are_named_and_the_last_one_leads_within_a_lease(yard: Yard) -> None:
    live_together(yard, 10.0, {})
