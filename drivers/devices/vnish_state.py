"""What a device with VNish says of itself: what it does, on which preset, and which presets there are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from drivers.devices import answers
from drivers.devices.driver import least_mode_over
from drivers.errors import DriverLoss
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Activity, MeasuredBy

#: Moves the preset by the temperature.
SWITCHER: Final = "preset_switcher"
_ACTIVITIES: Final = {
    "mining": Activity.RUNNING,
    "auto-tuning": Activity.STARTING,
    "initializing": Activity.STARTING,
    "starting": Activity.STARTING,
    "restarting": Activity.STARTING,
    "shutting-down": Activity.STOPPING,
    "stopped": Activity.OFF,
    "failure": Activity.OFF,
}
#: It may begin to mine again by itself after any other.
_STOPPED: Final = frozenset({"stopped", "shutting-down"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VnishState:
    """What it does by its own word; `preset`: the name of the one it runs, `watts`: what it draws, None where it does not say.

    `switches`: its preset switcher is on, and may go as far as `top_w`. `metered`: its PSU measures.
    """

    stopped: bool
    activity: Activity
    preset: str | None
    switches: bool
    top_w: int | None
    watts: float | None
    metered: bool

    @classmethod
    def of(cls, summary: Any, perf: Any) -> Self:
        """Return what the two answers say; raises DriverLoss for a state that is not known."""
        miner, switcher = answers.at(summary, "miner"), answers.mapping(perf, SWITCHER)
        word = answers.text(miner, "miner_status", "miner_state")
        if word not in _ACTIVITIES:
            raise DriverLoss(f"it is in a state {word!r} that is not known")
        return cls(
            stopped=word in _STOPPED,
            activity=_ACTIVITIES[word],
            preset=answers.text(perf, "current_preset", "name"),
            switches=bool(switcher.get("enabled")),
            top_w=answers.digits(switcher, "top_preset"),
            watts=answers.watts(miner, "power_consumption"),
            metered=answers.at(miner, "psu", "psu_power_metering") is True,
        )

    @property
    def preset_w(self) -> int | None:
        """The watts that its preset is named after."""
        return answers.digits([self.preset], 0)

    @property
    def measured_by(self) -> MeasuredBy:
        """What stands behind its watts."""
        if self.watts is None:
            return MeasuredBy.NOTHING
        return MeasuredBy.PSU if self.metered else MeasuredBy.ESTIMATE

    def setpoint_w(self, model: Model) -> int | None:
        """Return what it runs on, or may go to by itself; None where a preset is not named after watts."""
        if self.stopped:
            return model.off_w
        goes_w = self.top_w if self.switches else 0
        return None if self.preset_w is None or goes_w is None else least_mode_over(model, max(self.preset_w, goes_w))


def usable_presets(listed: Any, *, untuned: bool) -> dict[int, str]:
    """Return the names of the presets that may be set, by their watts; raises DriverLoss where none are listed."""
    if not isinstance(listed, list):
        raise DriverLoss("it lists no presets")
    return {
        preset_w: str(preset["name"])
        for preset in listed
        if (preset_w := answers.digits(preset, "name")) is not None
        and (answers.at(preset, "status") == "tuned" or untuned)
        and answers.at(preset, "modded_psu_required") is False
    }
