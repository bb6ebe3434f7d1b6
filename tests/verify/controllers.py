"""Two controllers with one certificate for a minute, before a real Prometheus, and then one: it leads again within a lease, and nothing has risen."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from tests.brokers import mosquitto_broker
from tests.deploy.prometheus import firing, prometheus
from tests.e2e.two_controllers import live_together, two_over

LASTS_S: Final = 60.0
ALERT: Final = "SurplusdSecondController"
RULES: Final = Path(__file__).parents[2] / "deploy/prometheus/surplusd-rules.yml"


def live_and_leave(out: Path, lasts_s: float = LASTS_S) -> dict[str, str]:
    """Have both live, with what was seen in ``OUT/controllers.json``."""
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name, mosquitto_broker(Path(name)) as broker:
        try:
            with (
                two_over(broker, Path(name)) as yard,
                prometheus(yard.setup.url.removeprefix("http://"), RULES) as api,
            ):
                live_together(yard, lasts_s, figures, lambda: any(alert == ALERT for alert, _ in firing(api)))
        except AssertionError as error:
            figures["wrong"] = str(error)
    (out / "controllers.json").write_text(json.dumps(figures, indent=2) + "\n")
    return {"controllers": "failed" if "wrong" in figures else "passed"}
