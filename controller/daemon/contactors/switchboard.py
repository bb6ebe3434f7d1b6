"""All contactors of a site in the order of its columns, whoever switches them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from controller.core.decision import Decision
from controller.core.site import Site
from controller.core.snapshot import ContactorNow, Position
from controller.daemon.contactors.keeper import ContactorKeeper, Switched
from controller.daemon.meters.supervision import Driver, run_drivers
from controller.site.contactor_parts import ContactorCoil
from controller.site.contactors import NodeContactor
from drivers.contactors.modbus import CoilContactor
from drivers.readings import Loss, Sample


class Switchboard:
    """Hands what is wanted of each contactor to what switches it, and what is known of it back; both at once.

    `of_agents`: what is known of those that agents have, by place; these are told by the fleet's statements.
    """

    def __init__(
        self,
        site: Site,
        keepers: Mapping[int, ContactorKeeper],
        of_agents: Callable[[], Mapping[int, ContactorNow]],
    ) -> None:
        self._count, self._keepers, self._of_agents = len(site.contactors.node), keepers, of_agents

    def now(self) -> tuple[ContactorNow, ...]:
        """Return what is known of every contactor (C,)."""
        of_agents = self._of_agents() if self._count > len(self._keepers) else {}
        nobody = ContactorNow(position=Position.UNKNOWN, fault="nobody has it")
        return tuple(
            self._keepers[k].now if k in self._keepers else of_agents.get(k, nobody) for k in range(self._count)
        )

    def tell(self, decision: Decision) -> None:
        """Have each as it is wanted."""
        for k, keeper in self._keepers.items():
            keeper.want(decision.contactors[k].wanted)

    async def run(self) -> None:
        """Keep those that the daemon itself switches, until cancelled; what keeps one is started anew when it ends."""
        if not self._keepers:
            await asyncio.Event().wait()
        by_name = {f"contactor {keeper.node}": keeper for keeper in self._keepers.values()}

        def lost(item: Sample | Loss) -> None:
            if isinstance(item, Loss):
                by_name[item.meter].lose(item.reason)

        await run_drivers([Driver(sources=(name,), run=keeper.run) for name, keeper in by_name.items()], lost)


def keepers_of(found: Sequence[NodeContactor], make: Callable[[ContactorCoil], Switched]) -> dict[int, ContactorKeeper]:
    """Return what keeps each contactor that hangs on a coil, by its place; `make` gives its port."""
    return {
        k: ContactorKeeper(one.node.id, make(one.entry.modbus), shows_contact=one.entry.modbus.position is not None)
        for k, one in enumerate(found)
        if one.entry.modbus is not None
    }


def coil_port(coil: ContactorCoil) -> Switched:
    """Return the port of a coil of the site file."""
    return CoilContactor(
        host=coil.host,
        port=coil.port,
        unit=coil.unit,
        coil=coil.coil,
        closed_on=coil.closed == "on",
        position_input=None if coil.position is None else coil.position.input,
        timeout_s=coil.timeout_s,
    )
