"""The snapshot of a tick, out of the newest columns of all that the daemon hears."""

from __future__ import annotations

from controller.core.snapshot import Snapshot
from controller.daemon.clock.wall_clock import WallClock
from controller.daemon.contactors.switchboard import Switchboard
from controller.daemon.desks import Desks
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.mailbox import Mailbox
from controller.daemon.orders.book import OrderBook
from drivers.clock import Clock, boottime_s


class Snapshots:
    """Makes them, for the tick alone."""

    def __init__(
        self,
        mailbox: Mailbox,
        fleet: Fleet,
        book: OrderBook,
        switchboard: Switchboard,
        desks: Desks,
        wall_clock: WallClock,
        clock: Clock = boottime_s,
    ) -> None:
        self._mailbox, self._fleet, self._book, self._clock = mailbox, fleet, book, clock
        self._switchboard, self._desks, self._wall_clock = switchboard, desks, wall_clock

    def take(self) -> Snapshot:
        """Return all that the core is to know now; what the sources have said is in one snapshot only."""
        utc = self._wall_clock.look()
        heard = self._mailbox.take()
        return Snapshot(
            now_s=self._clock(),
            utc_s=utc.utc_s,
            utc_trusted=utc.trusted,
            utc_latest_s=utc.latest_s,
            heard=heard,
            fleet=self._fleet.columns(),
            link_lost_s=self._fleet.link_lost_s,
            orders=self._book.limits(),
            orders_unsure=self._book.unsure,
            contactors=self._switchboard.now(),
            resets=self._desks.resets.pending,
            locks=self._desks.locks.locks,
            locks_unsure=self._desks.locks.unsure,
            confirmed=self._desks.meters.held,
            stopped=self._desks.stops.reason,
            second_controller=self._fleet.second_controller(),
        )
