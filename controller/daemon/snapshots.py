"""The snapshot of a tick, out of the newest columns of all that the daemon hears."""

from __future__ import annotations

from controller.core.site import Site
from controller.core.snapshot import Snapshot
from controller.daemon.contactors.resets import ResetDesk
from controller.daemon.contactors.switchboard import Switchboard
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.mailbox import Mailbox
from controller.daemon.orders.book import OrderBook
from controller.daemon.people.locks import LockDesk
from controller.daemon.people.stop import StopDesk
from controller.daemon.utc import Utc, UtcJudge
from drivers.clock import Clock, boottime_s


class Snapshots:
    """Makes them, for the tick alone; `utc` is the newest look at the wall clock."""

    def __init__(
        self,
        site: Site,
        mailbox: Mailbox,
        fleet: Fleet,
        book: OrderBook,
        switchboard: Switchboard,
        desk: ResetDesk,
        locks: LockDesk,
        stops: StopDesk,
        clock: Clock = boottime_s,
    ) -> None:
        self._mailbox, self._fleet, self._book, self._clock = mailbox, fleet, book, clock
        self._switchboard, self._desk, self._locks, self._stops = switchboard, desk, locks, stops
        self._judge = UtcJudge(site.tree.ids[0], clock=clock)
        self.utc: Utc = self._judge.look()

    def take(self) -> Snapshot:
        """Return all that the core is to know now; what the sources have said is in one snapshot only."""
        self.utc = self._judge.look()
        heard = self._mailbox.take()
        return Snapshot(
            now_s=self._clock(),
            utc_s=self.utc.utc_s,
            utc_trusted=self.utc.trusted,
            heard=heard,
            fleet=self._fleet.columns(),
            link_lost_s=self._fleet.link_lost_s,
            orders=self._book.limits(),
            orders_unsure=self._book.unsure,
            contactors=self._switchboard.now(),
            resets=self._desk.pending,
            locks=self._locks.locks,
            stopped=self._stops.reason,
            second_controller=self._fleet.second_controller(),
        )
