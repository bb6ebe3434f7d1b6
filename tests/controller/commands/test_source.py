"""What one source has shown: fast and slow polls together, losses, and what time tells about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.commands.meter.site_sources import Judge
from controller.commands.meter.source import Source
from controller.commands.meter.source_table import findings, report, rows
from drivers.meters.profiles import load_profile
from drivers.readings import Loss, Quality, Sample
from tests.controller.commands.substation import SOUND
from tests.controller.core.world import site

PROFILE = load_profile("schneider_pm5xxx")
EMPTY = Source(
    name="main", where="there", suspect_s=6.0, rating_w=1.2e6, profile=PROFILE, expects=len(PROFILE.registers)
)


SITE = site()
SITE = replace(SITE, meters=replace(SITE.meters, rating_w=np.full(2, 1.2e6)))


def told(*items: Sample | Loss, source: Source = EMPTY) -> Source:
    """Return the source after its driver has said this, judged at the time of each."""
    now_s = 0.0
    judge = Judge(SITE, clock=lambda: now_s)
    for item in items:
        now_s = item.at_s if isinstance(item, Loss) else item.taken_at_s
        source = source.taken(item, judge.hear(item).reasons["main"])
    return source


def sample(at_s: float, values: dict[str, float], **changes) -> Sample:
    return Sample(
        meter="main", values=values, taken_at_s=at_s, arrived_at_s=at_s, **{"quality": Quality.GOOD} | changes
    )


def test_a_fast_poll_leaves_the_energies_of_the_slow_one_with_their_own_age() -> None:
    source = told(sample(100.0, SOUND), sample(104.0, {"active_power_w": 900_000.0, "frequency_hz": 50.1}))
    ages = {row[1]: row[3] for row in rows(source, 105.0)}
    assert (ages["active power"], ages["import counter"]) == ("1.0 s", "5.0 s")
    assert source.plain["energy_import_wh"] == SOUND["energy_import_wh"]
    assert findings(source, 105.0) == []


def test_it_is_complete_when_all_of_the_profile_has_been_said_or_refused() -> None:
    some = {name: value for name, value in SOUND.items() if name != "energy_export_wh"}
    partly = told(sample(1.0, some))
    assert not EMPTY.complete
    assert not partly.complete
    assert told(sample(2.0, {}, invalid={"energy_export_wh": "exception 2"}), source=partly).complete


def test_a_value_that_becomes_invalid_is_not_shown_any_longer() -> None:
    source = told(sample(1.0, SOUND), sample(2.0, {}, invalid={"frequency_hz": "NaN"}, quality=Quality.UNCERTAIN))
    assert "frequency_hz" not in source.values
    assert "frequency: NaN" in findings(source, 2.0)
    assert "frequency_hz" in told(sample(3.0, {"frequency_hz": 50.0}), source=source).values


def test_a_loss_is_said_and_what_was_read_before_is_marked() -> None:
    lost = told(sample(1.0, SOUND), Loss(meter="main", reason="no answer", at_s=2.0))
    assert findings(lost, 2.0) == ["not read: no answer"]
    assert {row[4] for row in rows(lost, 2.0)} == {"lost"}
    assert report({"main": lost}, 2.0).bad == ["main"]


def test_an_old_reading_and_an_uncertain_one_are_said() -> None:
    assert findings(told(sample(1.0, SOUND)), 8.0) == ["7.0 s old; above 6.0 s nothing may rise on it"]
    uncertain = told(sample(1.0, SOUND, quality=Quality.UNCERTAIN))
    assert findings(uncertain, 1.0) == ["its quality is uncertain: nothing may rise on it"]


def test_counters_that_run_the_other_way_are_found_while_it_is_watched() -> None:
    course = [
        sample(
            float(second),
            SOUND
            | {
                "energy_import_wh": 12_345_600.0,
                "energy_export_wh": 225.0 * second,
                "frequency_hz": 50.0 + 0.001 * (second % 7),
            },
        )
        for second in range(120)
    ]
    assert any("counts energy in the other direction" in text for text in findings(told(*course), 119.0))


def test_a_reading_that_stands_still_is_found_while_it_is_watched() -> None:
    course = [
        sample(float(second), {"active_power_w": 800_000.0, "frequency_hz": 50.0 + 0.001 * (min(second, 60) % 7)})
        for second in range(400)
    ]
    assert any("stood still" in text for text in findings(told(*course), 399.0))


def test_nothing_that_the_daemon_doubts_is_left_out() -> None:
    """Whatever a look at one sample finds, what the daemon would say of the source stands there too."""
    found = findings(told(sample(1.0, {"active_power_w": 2e6})), 1.0)
    assert found == ["2 MW is above 120% of the rating, 1.2 MW (1000 times less would fit: kW taken for W?)"]
    bare = replace(EMPTY, rating_w=None)
    assert findings(told(sample(1.0, {"active_power_w": 2e6}), source=bare), 1.0) == [
        "shows more than 120% of its rating: is its profile the right one?"
    ]


def test_what_a_person_has_forced_is_said_and_is_not_wrong() -> None:
    forced = told(sample(1.0, SOUND, notes={"active_power_w": "a person has forced this value"}))
    table = report({"main": forced}, 1.0)
    assert "  i active_power_w: a person has forced this value" in table.lines
    assert table.bad == []
