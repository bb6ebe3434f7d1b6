"""What one source has shown: fast and slow polls together, losses, and what time tells about it."""

from __future__ import annotations

from controller.commands.meter.source import Source
from controller.commands.meter.source_table import findings, report, rows
from drivers.meters.profiles import load_profile
from drivers.readings import Loss, Quality, Sample
from tests.controller.commands.substation import SOUND

EMPTY = Source(name="main", where="there", suspect_s=6.0, rating_w=1.2e6, profile=load_profile("schneider_pm5xxx"))


def sample(at_s: float, values: dict[str, float], **changes) -> Sample:
    return Sample(
        meter="main", values=values, taken_at_s=at_s, arrived_at_s=at_s, **{"quality": Quality.GOOD} | changes
    )


def test_a_fast_poll_leaves_the_energies_of_the_slow_one_with_their_own_age() -> None:
    source = EMPTY.taken(sample(100.0, SOUND)).taken(sample(104.0, {"active_power_w": 900_000.0, "frequency_hz": 50.1}))
    ages = {row[1]: row[3] for row in rows(source, 105.0)}
    assert (ages["active power"], ages["import counter"]) == ("1.0 s", "5.0 s")
    assert source.plain["energy_import_wh"] == SOUND["energy_import_wh"]
    assert findings(source, 105.0) == []


def test_it_is_complete_when_all_of_the_profile_has_been_said_or_refused() -> None:
    some = {name: value for name, value in SOUND.items() if name != "energy_export_wh"}
    partly = EMPTY.taken(sample(1.0, some))
    assert not EMPTY.complete
    assert not partly.complete
    assert partly.taken(sample(2.0, {}, invalid={"energy_export_wh": "exception 2"})).complete


def test_a_value_that_becomes_invalid_is_not_shown_any_longer() -> None:
    source = EMPTY.taken(sample(1.0, SOUND)).taken(
        sample(2.0, {}, invalid={"frequency_hz": "NaN"}, quality=Quality.UNCERTAIN)
    )
    assert "frequency_hz" not in source.values
    assert "frequency: NaN" in findings(source, 2.0)
    assert "frequency_hz" in source.taken(sample(3.0, {"frequency_hz": 50.0})).values


def test_a_loss_is_said_and_what_was_read_before_is_marked() -> None:
    lost = EMPTY.taken(sample(1.0, SOUND)).taken(Loss(meter="main", reason="no answer", at_s=2.0))
    assert findings(lost, 2.0) == ["not read: no answer"]
    assert {row[4] for row in rows(lost, 2.0)} == {"lost"}
    assert report({"main": lost}, 2.0).bad == ["main"]


def test_an_old_reading_and_an_uncertain_one_are_said() -> None:
    assert findings(EMPTY.taken(sample(1.0, SOUND)), 8.0) == ["7.0 s old; above 6.0 s nothing may rise on it"]
    uncertain = EMPTY.taken(sample(1.0, SOUND, quality=Quality.UNCERTAIN))
    assert findings(uncertain, 1.0) == ["its quality is uncertain: nothing may rise on it"]


def test_counters_that_run_the_other_way_are_found_while_it_is_watched() -> None:
    source = EMPTY
    for second in range(120):
        counted_wh = 12_345_600.0 - 225.0 * second
        source = source.taken(
            sample(
                float(second),
                SOUND
                | {
                    "energy_import_wh": 12_345_600.0,
                    "energy_export_wh": 12_345_600.0 - counted_wh,
                    "frequency_hz": 50.0 + 0.001 * (second % 7),
                },
            )
        )
    assert any("counts energy in the other direction" in text for text in findings(source, 119.0))


def test_a_reading_that_stands_still_is_found_while_it_is_watched() -> None:
    source = EMPTY
    for second in range(400):
        moving = min(second, 60)
        source = source.taken(
            sample(float(second), {"active_power_w": 800_000.0, "frequency_hz": 50.0 + 0.001 * (moving % 7)})
        )
    assert any("stood still" in text for text in findings(source, 399.0))
