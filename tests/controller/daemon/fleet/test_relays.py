"""A contactor behind an agent: what each statement says of it, and what its reports say of where it is."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.limits.contactors import ContactorState, Phase, Wanted
from controller.core.reasons import Code
from controller.core.snapshot import Followed, Position
from controller.daemon.fleet.relays import AgentRelay, relay_now, relay_w
from controller.daemon.fleet.statements import Statements
from drivers.fleet.wire import LEAVE_W, Follow, InventoryDevice, MeasuredBy, Proof, Range
from tests.controller.daemon.fleet.loop import make_site
from tests.controller.daemon.fleet.test_fleet import AGENTS, Rig
from tests.waiting import until

CLOSED_W = 60_000.0
RELAY = AgentRelay(contactor=0, device="hall-main", closed_w=CLOSED_W)


def contactor(**changes) -> InventoryDevice:
    """Return what an agent says of its contactor; the end of a lease never moves it."""
    watts = int(CLOSED_W)
    fields = {
        "id": "hall-main", "model": "contactor", "max_w": watts, "off_w": 0, "ranges": [Range(from_w=watts, to_w=watts)],
        "up_ms": 1000, "down_ms": 1000, "failsafe_w": watts, "proof": Proof.READ_BACK,
        "measured_by": MeasuredBy.NOTHING, "dead_man": None,
    }  # fmt: skip
    return InventoryDevice(**(fields | changes))


class Hall(Rig):
    """The first agent has a contactor besides its devices."""

    def __init__(self) -> None:
        super().__init__(make_site(AGENTS), {AGENTS[0]: [RELAY]})
        self.fleet.start()
        self.listed = sorted([*self.devices(0), contactor()], key=lambda device: device.id)
        self.place = [device.id for device in self.listed].index("hall-main")
        self.connect()
        self.introduce(0, self.listed)

    def says(self, applied_w, follow="p", **more) -> None:
        """The agent reports, with its contactor at these watts."""
        states = [Follow.PROVEN.value] * len(self.listed)
        states[self.place] = follow
        applied = {device.id: device.off_w for device in self.listed} | {"hall-main": applied_w}
        self.now_s += 1.0
        self.report(0, listed=self.listed, applied=applied, state="".join(states), **more)

    def wants(self, phase: Phase) -> None:
        self.decide(contactors=(ContactorState(node=0, phase=phase, since_s=0.0),))

    def told(self, since: int, *expected: object) -> None:
        """Wait until a set since then says this of the contactor: its watts, and whether it may raise."""

        def found() -> list[tuple[int, bool]]:
            mine = [one for one in self.sets(since)[since:] if one.agent == AGENTS[0] and one.setpoints_w is not None]
            return [(one.setpoints_w[self.place], one.echo is not None) for one in mine]

        until(lambda: expected in found(), f"{expected}", tell=found)


@pytest.fixture
def hall():
    made = Hall()
    yield made
    made.fleet.stop()


@pytest.mark.parametrize(
    ("wanted", "watts"), [(Wanted.OPEN, 0.0), (Wanted.CLOSE, CLOSED_W), (Wanted.LEAVE, float(LEAVE_W))]
)
def test_a_contactor_is_told_what_is_wanted_now_and_nothing_of_the_past(wanted, watts):
    assert relay_w(RELAY, wanted) == watts


@pytest.mark.parametrize(
    ("granted_w", "applied_w", "held"),
    [
        (CLOSED_W, CLOSED_W, Position.CLOSED),
        (0.0, CLOSED_W, Position.OPEN),
        (float(LEAVE_W), CLOSED_W, Position.UNKNOWN),
        (None, CLOSED_W, Position.UNKNOWN),
        (CLOSED_W, 0.0, Position.UNKNOWN),
    ],
    ids=["told to close", "told to open", "left", "not known", "told to close, and read to be open"],
)
def test_a_yes_of_one_that_cannot_say_where_it_is_is_an_order_that_is_held_and_no_position(granted_w, applied_w, held):
    now = relay_now("hall-a", silent=False, applied_w=applied_w, follow=Followed.ACCEPTED, granted_w=granted_w)
    assert (now.position, now.held, now.fault) == (Position.UNKNOWN, held, "")


@pytest.mark.parametrize(
    ("applied_w", "follow", "position", "faulty"),
    [
        (CLOSED_W, Followed.PROVEN, Position.CLOSED, False),
        (0.0, Followed.PROVEN, Position.OPEN, False),
        (CLOSED_W, Followed.DEFIANT, Position.CLOSED, False),
        (CLOSED_W, Followed.SETTLING, Position.UNKNOWN, False),
        (CLOSED_W, Followed.LOST, Position.UNKNOWN, True),
        (CLOSED_W, Followed.REFUSED, Position.UNKNOWN, True),
    ],
)
def test_what_a_report_says_of_it(applied_w, follow, position, faulty):
    now = relay_now("hall-a", silent=False, applied_w=applied_w, follow=int(follow))
    assert (now.position, bool(now.fault)) == (position, faulty)
    silent = relay_now("hall-a", silent=True, applied_w=applied_w, follow=int(follow))
    assert (silent.position, silent.fault) == (Position.UNKNOWN, "agent hall-a is silent")


def test_it_is_no_stranger_and_the_devices_columns_are_those_of_the_site(hall):
    hall.says(int(CLOSED_W))
    assert hall.fleet.findings() == ()
    columns = hall.fleet.columns()
    assert columns.applied_w.shape == hall.site.devices.max_w.shape
    assert np.all(columns.applied_w == hall.site.devices.off_w)
    assert hall.fleet.contactors()[0].position is Position.CLOSED


@pytest.mark.parametrize(
    ("changes", "fact"),
    [({"failsafe_w": 0}, "failsafe_w"), ({"max_w": 50_000}, "max_w"), ({"model": "relay-1"}, "model")],
    ids=["opens with a lease", "less", "no contactor"],
)
def test_one_that_is_not_as_the_site_file_has_it_is_told(hall, changes, fact):
    listed = [contactor(**changes) if device.id == "hall-main" else device for device in hall.listed]
    hall.introduce(0, listed, boot="b2")
    (finding,) = (one for one in hall.fleet.findings() if one.parameters["fact"] == fact)
    assert (finding.code, finding.parameters["devices"]) == (Code.DEVICES_DIFFER, "hall-main")


@pytest.mark.parametrize(("applied_w", "follow"), [(CLOSED_W, "p"), (0, "p"), (CLOSED_W, "l"), (CLOSED_W, "g")])
def test_wherever_it_is_and_whoever_put_it_there_it_is_left_and_the_agents_devices_are_led(hall, applied_w, follow):
    begun = len(hall.link.published)
    hall.says(int(applied_w), follow)
    hall.wants(Phase.CLOSED)
    hall.told(begun, LEAVE_W, True)
    given = [one for one in hall.sets(begun)[begun:] if one.agent == AGENTS[0] and one.setpoints_w]
    assert {one.setpoints_w[hall.place] for one in given} == {LEAVE_W}


def test_one_that_does_not_answer_its_agent_is_named(hall):
    hall.says(int(CLOSED_W), "l")
    assert hall.fleet.contactors()[0].fault == f"agent {AGENTS[0]} gets no answer of it"


def test_tripped_it_is_told_to_open_and_reset_to_close_and_then_it_is_left(hall):
    hall.says(int(CLOSED_W))
    hall.wants(Phase.CLOSED)
    begun = len(hall.sets(len(hall.link.published)))
    hall.wants(Phase.TRIPPED)
    hall.told(begun, 0, True)
    hall.says(0)
    begun = len(hall.link.published)
    hall.wants(Phase.RECLOSING)
    hall.told(begun, int(CLOSED_W), True)
    hall.says(int(CLOSED_W), "a", accepted_seq=hall.fleet.reports.sent_seq[0])
    assert hall.fleet.contactors()[0].seems_closed
    begun = len(hall.link.published)
    hall.wants(Phase.STARTING)
    hall.told(begun, LEAVE_W, True)


def test_a_reset_that_was_void_before_its_agent_came_back_closes_nothing(hall):
    """It was silent when it was to close it, and is told now what is wanted now."""
    hall.says(0)
    hall.wants(Phase.TRIPPED)
    hall.wants(Phase.RECLOSING)
    lost: list[bool] = []
    hall.fleet.on_lost = lambda: lost.append(True)
    hall.fleet._on_connection(False)
    begun = len(hall.link.published)
    hall.wants(Phase.TRIPPED)
    hall.fleet._on_connection(True)
    assert lost == [True], "told when it is gone, and not when it is back"
    hall.introduce(0, hall.listed, boot="b2")
    hall.says(0, boot="b2")
    hall.wants(Phase.TRIPPED)

    def given() -> list[int]:
        """What it was told since; what was still on its way when the link went is of the agent's boot before."""
        new = [one for one in hall.sets(begun)[begun:] if one.setpoints_w and one.echo and one.echo.boot == "b2"]
        return [one.setpoints_w[hall.place] for one in new]

    until(given, "a set by the clock of the new boot")
    assert set(given()) == {0}


def test_to_leave_it_as_it_is_lowers_nobody(hall):
    """Those that lower go out first, and after a loss of the link by the agent's last clock."""
    hall.says(int(CLOSED_W))
    view = hall.fleet.reports.newest[0]
    statements = Statements(site=hall.site.id, agent=AGENTS[0], epoch=1, ttl_s=30.0, relays=1)
    off_w = hall.site.devices.off_w[hall.fleet.reports.devices[0]]
    lowers = [statements.lowers(np.append(off_w, watts), view) for watts in (0.0, LEAVE_W, CLOSED_W)]
    assert lowers == [True, False, False]


def test_a_contactor_that_the_site_file_lacks_is_named_and_left_as_it_is(hall):
    """It may feed half of the site: opening it is a wish that nobody has."""
    listed = sorted([*hall.listed, contactor(id="yard-main")], key=lambda device: device.id)
    hall.introduce(0, listed, boot="b2")
    assert (Code.DEVICES_UNDECLARED, "yard-main") in {
        (one.code, one.parameters.get("devices")) for one in hall.fleet.findings()
    }
    inventory = hall.fleet.reports.newest[0].inventory
    told = inventory.setpoints_w(np.zeros(len(inventory.row)))
    assert told[[device.id for device in listed].index("yard-main")] == LEAVE_W
    assert sum(told) == LEAVE_W


def test_one_that_the_agent_does_not_have_is_named_and_keeps_nobody_from_being_led(hall):
    hall.introduce(0, hall.devices(0), boot="b2")
    hall.now_s += 1.0
    hall.report(0, boot="b2")
    assert (Code.DEVICES_MISSING, "hall-main") in {
        (one.code, one.parameters.get("devices")) for one in hall.fleet.findings()
    }
    begun = len(hall.link.published)
    hall.wants(Phase.CLOSED)
    until(
        lambda: [one for one in hall.sets(begun)[begun:] if one.agent == AGENTS[0] and one.echo is not None],
        "a set with the agent's clock",
    )
    assert hall.fleet.contactors()[0].fault
