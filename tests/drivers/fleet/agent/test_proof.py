import pytest

from drivers.fleet.agent.device import DeviceReading
from drivers.fleet.agent.proof import is_idle, measured_w, shown
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Activity, MeasuredBy, Proof

S21 = load_catalogue()["antminer-s21"]
S19K = load_catalogue()["antminer-s19k-pro"]
GPU = load_catalogue()["hgx-h100"]
PSU, PDU, GUESS, NOTHING = MeasuredBy.PSU, MeasuredBy.PDU, MeasuredBy.ESTIMATE, MeasuredBy.NOTHING


def reading(names: int | None, watts: float | None, by: MeasuredBy, activity=Activity.RUNNING) -> DeviceReading:
    return DeviceReading(setpoint_w=names, watts=watts, measured_by=by, activity=activity)


@pytest.mark.parametrize(
    ("model", "names", "watts", "by", "proof", "above"),
    [
        (S21, 2000, 2000, PSU, Proof.BOTH, False),
        (S21, 2000, None, NOTHING, Proof.READ_BACK, False),
        (S21, 2000, 1000, PSU, Proof.READ_BACK, False),  # it starts, or idles: not above is enough beside its word
        (S21, None, 2000, PSU, Proof.WATTS, False),
        (S21, None, 2000, PDU, Proof.WATTS, False),
        (S21, None, 1000, PSU, Proof.NONE, False),
        (S21, None, 2000, GUESS, Proof.NONE, False),
        (S21, 2000, 2000, GUESS, Proof.READ_BACK, False),
        (S21, 2000, 3500, GUESS, Proof.NONE, True),
        (S21, 2000, 3500, PSU, Proof.NONE, True),
        (S21, 2500, 2000, PSU, Proof.NONE, False),
        (S21, 1500, 2000, PSU, Proof.NONE, False),
        (S21, 2000, 3500, NOTHING, Proof.READ_BACK, False),  # nothing stands behind these watts
        (GPU, None, 8000, PSU, Proof.NONE, False),
        (GPU, 8000, 5000, PSU, Proof.READ_BACK, False),
    ],
)
def test_what_a_reading_shows_of_a_setpoint(model, names, watts, by, proof, above) -> None:
    sight = shown(reading(names, watts, by), 8000 if model is GPU else 2000, model)
    assert (sight.proof, sight.above) == (proof, above)


@pytest.mark.parametrize("model", [S21, GPU])
@pytest.mark.parametrize("named", [None, 0, 13])
def test_off_is_any_power_up_to_the_residual_watts(model, named) -> None:
    sight = shown(reading(named, model.off_w, PSU, Activity.OFF), model.off_w, model)
    assert sight.proof is (Proof.WATTS if named is None else Proof.BOTH)
    assert shown(reading(named, model.off_w + 0.1 * model.max_w, PSU), model.off_w, model).above


@pytest.mark.parametrize("activity", [Activity.STARTING, Activity.STOPPING])
def test_a_device_on_its_way_passes_every_power(activity) -> None:
    assert shown(reading(None, 2000, PSU, activity), 2000, S21).proof is Proof.NONE


def test_the_error_of_what_measures_is_allowed_for_and_no_more() -> None:
    for by, error in ((PDU, 0.02), (PSU, S21.estimate_error), (GUESS, S21.estimate_error)):
        most = 2000 * (1 + S21.tolerance) * (1 + error) + 0.01 * S21.max_w
        assert not shown(reading(2000, most - 1, by), 2000, S21).above
        assert shown(reading(2000, most + 1, by), 2000, S21).above
    least = 2000 * (1 - S21.tolerance) * 0.98 - 0.01 * S21.max_w
    assert shown(reading(None, least + 1, PDU), 2000, S21).proof is Proof.WATTS
    assert shown(reading(None, least - 1, PDU), 2000, S21).proof is Proof.NONE


@pytest.mark.parametrize("watts", [None, float("nan"), float("inf"), -1e12])
def test_watts_that_cannot_be_are_missing_and_not_zero(watts) -> None:
    assert measured_w(reading(25, watts, PSU)) is None
    assert shown(reading(None, watts, PSU), 25, S21).proof is Proof.NONE


@pytest.mark.parametrize(
    ("model", "setpoint_w", "watts", "idle"),
    [
        (S21, 2000, 25, True),
        (S21, 2000, 1000, False),
        (S21, 2000, None, False),
        (S21, 0, 25, False),
        (GPU, 8000, 150, False),
    ],
)
def test_what_is_to_run_and_draws_nothing_is_idle_unless_it_is_only_capped(model, setpoint_w, watts, idle) -> None:
    assert is_idle(reading(None, watts, PSU), setpoint_w, model) is idle
    assert not is_idle(None, setpoint_w, model)
