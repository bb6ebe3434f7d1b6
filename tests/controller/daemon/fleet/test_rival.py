"""A second controller with the same key, by what agents say that they have taken."""

import logging

import pytest
from msgspec import structs

from controller.core.reasons import Code
from controller.daemon.fleet.rival import Rival
from drivers.fleet.head import seal
from tests.controller.daemon.fleet.loop import HEAD, SITE, make_site
from tests.controller.daemon.fleet.test_fleet import AGENTS, CONTROLLER_KEY, Rig

OURS = {"ours": 5, "sent_seq": 10}


class Watch:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.rival = Rival("pcc", lasting_s=60.0, clock=lambda: self.now_s)

    def code(self) -> Code | None:
        reason = self.rival.reason()
        return reason.code if reason else None


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_what_an_agent_holds_when_it_is_first_heard_is_no_sign(watch):
    assert not watch.rival.hear("hall-a", epoch=9, seq=3, **OURS)
    assert watch.code() is None


def test_a_former_epoch_of_ours_is_no_sign(watch):
    watch.rival.hear("hall-a", epoch=5, seq=10, **OURS)
    watch.rival.hear("hall-a", epoch=5, seq=10, ours=7, sent_seq=0)
    assert watch.code() is None


@pytest.mark.parametrize(("taken", "same_epoch"), [((6, 1), False), ((5, 11), True)])
def test_a_statement_after_ours_that_we_did_not_make_is_another_controllers(watch, taken, same_epoch):
    watch.rival.hear("hall-a", epoch=5, seq=10, **OURS)
    assert watch.rival.hear("hall-a", epoch=taken[0], seq=taken[1], **OURS) is same_epoch
    assert watch.code() is Code.SECOND_CONTROLLER
    assert watch.rival.reason().parameters == {"agent": "hall-a"}


def test_it_is_told_once_and_its_end_once_when_it_has_not_been_seen_for_long_enough(watch, caplog):
    caplog.set_level(logging.INFO)
    watch.rival.hear("hall-a", epoch=5, seq=10, **OURS)
    for watch.now_s in (0.0, 20.0, 40.0):
        watch.rival.hear("hall-a", epoch=6, seq=1, **OURS)
        assert watch.code() is Code.SECOND_CONTROLLER
    watch.now_s = 99.9
    assert watch.code() is Code.SECOND_CONTROLLER
    for watch.now_s in (100.0, 101.0):
        assert watch.code() is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_a_fleet_that_two_controllers_lead_names_the_other_and_goes_on_above_it():
    rig, heads, overtaken = Rig(make_site(AGENTS)), [], []
    rig.fleet.on_head = lambda _who, head: heads.append(head)
    rig.fleet.on_overtaken = lambda: overtaken.append(rig.now_s)
    rig.connect()
    theirs = structs.replace(HEAD, journal="ef" * 8, epoch=6)
    rig.report(0, epoch=5)
    assert rig.fleet.second_controller() is None
    rig.now_s += 1.0
    rig.report(0, epoch=6, accepted_seq=1, head_seen=seal(theirs, site=SITE, key=CONTROLLER_KEY))
    assert rig.fleet.second_controller().code is Code.SECOND_CONTROLLER
    assert (heads, overtaken) == ([theirs], [])
    rig.now_s += 1.0
    rig.report(0, epoch=5, accepted_seq=7)
    assert overtaken == [rig.now_s], "in our own epoch, with a number that we have not come to"
