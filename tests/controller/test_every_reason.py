"""Every code is one that the real core or daemon gives, about something of the site, and as the metrics count it."""

from __future__ import annotations

from string import Formatter

import pytest

from controller.core.reasons import ANSWERS, OF_AGENTS, REFUSALS, STATES, Code
from controller.daemon.orders.causes import OF_NODES
from controller.texts.english import TEXTS, text
from tests.controller.reasons import of_the_core, of_the_daemon
from tests.controller.reasons.produced import Way

SCENARIOS = of_the_core.SCENARIOS | of_the_daemon.SCENARIOS
#: An answer names what stands in the way, too.
WAYS = {Way.HELD: STATES, Way.REFUSED: REFUSALS, Way.ANSWERED: ANSWERS | OF_AGENTS | OF_NODES}


def placeholders(code: Code) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(TEXTS[code]) if name}


def test_every_code_has_one_scenario():
    assert set(SCENARIOS) == set(Code)
    assert not set(of_the_core.SCENARIOS) & set(of_the_daemon.SCENARIOS)


@pytest.mark.parametrize("code", Code)
def test_the_real_core_or_daemon_gives_it(code, tmp_path):
    produced = SCENARIOS[code](tmp_path)
    mine = [reason for reason in produced.reasons if reason.code is code]
    assert mine, f"only {[reason.code.value for reason in produced.reasons]}"
    for reason in produced.reasons:
        assert reason.code in WAYS[produced.way], f"{reason.code} is no {produced.way.name.lower()} one"
        assert reason.subject in produced.subjects, reason
        assert set(reason.parameters) == placeholders(reason.code) - {"subject"}, reason
        assert text(reason)
    if produced.way is Way.HELD:
        assert produced.series == {(reason.code.value, reason.subject) for reason in produced.reasons}
