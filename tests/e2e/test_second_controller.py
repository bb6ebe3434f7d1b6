"""A clone of the controller comes up beside it, with the same keys: the two are named, nothing rises, and one leads when one is left.

`make verify ARGS=controllers` has both live for a minute, before a real Prometheus.
"""

from __future__ import annotations

from pathlib import Path

from tests.brokers import mosquitto_broker
from tests.e2e.two_controllers import live_together, two_over


def test_f45_two_controllers_with_one_certificate_are_named_and_the_last_one_leads_within_a_lease(
    tmp_path: Path,
) -> None:
    with mosquitto_broker(tmp_path) as broker, two_over(broker, tmp_path) as yard:
        live_together(yard, 10.0, {})
