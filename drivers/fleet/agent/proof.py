"""What a reading shows of a setpoint. Pure.

Watts are held against the setpoint with the model's tolerance and the error of what measures them. What the device's own
firmware works out is an estimate: it can contradict a setpoint, and never proves one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from drivers.fleet.agent.device import DeviceReading
from drivers.fleet.catalogue import MAX_W, Model
from drivers.fleet.wire import Activity, MeasuredBy, Proof

#: Error of an instrument outside the device, as a share. The device's own figures have the error of the catalogue.
_OUTSIDE_ERROR: Final = 0.02
#: Room for noise, and for the residual watts of fans and the like, as a share of the model's most watts.
_NOISE: Final = 0.01
_OUTSIDE: Final = frozenset({MeasuredBy.PDU, MeasuredBy.METER})
_MOVING: Final = frozenset({Activity.STARTING, Activity.STOPPING})
#: By whether the device names the setpoint, and whether its watts show it.
_PROOF: Final = {
    (False, False): Proof.NONE,
    (True, False): Proof.READ_BACK,
    (False, True): Proof.WATTS,
    (True, True): Proof.BOTH,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a reading shows of one setpoint.

    `named`: the device says that it runs on it; None: it does not say on what. `above`: its watts are more than the
    setpoint can explain. `proof`: what stands for it, with nothing against it. `measured`: something that measures
    has shown that it is not above. `moving`: the device says that it is on its way.
    """

    named: bool | None
    above: bool
    proof: Proof
    measured: bool
    moving: bool


def measured_w(reading: DeviceReading) -> float | None:
    """Return the watts of a reading where they are a number that can be true, and something stands behind them."""
    watts = reading.watts
    if watts is None or reading.measured_by is MeasuredBy.NOTHING or not math.isfinite(watts) or abs(watts) > MAX_W:
        return None
    return watts


def shown(reading: DeviceReading, setpoint_w: int, model: Model) -> Sight:
    """Return what a reading shows of a setpoint in W."""
    off = setpoint_w <= model.off_w
    watts = measured_w(reading)
    above = watts is not None and watts > most_w(setpoint_w, model, reading.measured_by)
    named = None if reading.setpoint_w is None else same_setpoint(reading.setpoint_w, setpoint_w, model)
    measured = watts is not None and not above and reading.measured_by is not MeasuredBy.ESTIMATE
    # What only caps a draw is not shown by a draw below it; and a device on its way passes every power.
    moving = reading.activity in _MOVING
    tells = measured and (model.steady or off) and not moving
    in_band = tells and watts is not None and watts >= _least_w(setpoint_w, model, reading.measured_by)
    proof = Proof.NONE if above or named is False else _PROOF[bool(named), in_band]
    return Sight(named=named, above=above, proof=proof, measured=measured, moving=moving)


def most_w(setpoint_w: int, model: Model, by: MeasuredBy) -> float:
    """Return the most that may be read of a device that runs on a setpoint."""
    return max(setpoint_w, model.off_w) * (1 + model.tolerance) * (1 + _error(model, by)) + _NOISE * model.max_w


def is_idle(reading: DeviceReading | None, setpoint_w: int, model: Model) -> bool:
    """Return whether a device that is to run is seen to draw no more than when off; one that is only capped may."""
    watts = None if reading is None or setpoint_w <= model.off_w or not model.steady else measured_w(reading)
    return watts is not None and reading is not None and watts <= most_w(model.off_w, model, reading.measured_by)


def same_setpoint(named_w: int, setpoint_w: int, model: Model) -> bool:
    """Return whether both are the same to the device: off is any power up to its residual watts."""
    return max(named_w, model.off_w) == max(setpoint_w, model.off_w)


def _least_w(setpoint_w: int, model: Model, by: MeasuredBy) -> float:
    if setpoint_w <= model.off_w:
        return -math.inf
    return setpoint_w * (1 - model.tolerance) * (1 - _error(model, by)) - _NOISE * model.max_w


def _error(model: Model, by: MeasuredBy) -> float:
    return _OUTSIDE_ERROR if by in _OUTSIDE else model.estimate_error
