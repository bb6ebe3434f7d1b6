"""The contactors of nodes over the one physics: an open one takes the power from all that hangs below it.

A contactor says that it is as it was told to be. One that is welded says so too, and does not open; it follows once the
vice is taken from it. One that is silent does nothing and never answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future

from drivers.errors import Refused
from simulators import messages
from simulators.world.devices import WorldDevices
from simulators.world.physics import Physics
from simulators.world.vices import ContactorVice
from simulators.worldlink import AnyContactorRequest, AnyReply, Ok


class WorldContactors:
    """The contactors that the site of a physics names; all are closed at first."""

    def __init__(self, physics: Physics, devices: WorldDevices) -> None:
        self._physics, self._devices = physics, devices
        self._told = dict.fromkeys(physics.site.contactors, True)
        self._closed = dict(self._told)
        self._vices: dict[ContactorVice, set[str]] = {vice: set() for vice in ContactorVice}

    def answer(self, request: AnyContactorRequest) -> AnyReply | Future[AnyReply]:
        """Answer one contactor's request, perhaps never; raises Refused for a node without one."""
        self._known([request.node])
        if request.node in self._vices[ContactorVice.SILENT]:
            return Future()
        if isinstance(request, messages.ReadContactor):
            return messages.ContactorAnswer(closed=self._told[request.node])
        self._told[request.node] = request.closed
        self._move()
        return Ok()

    def closed(self) -> dict[str, bool]:
        """Return by node whether its contactor really is closed."""
        return dict(self._closed)

    def set_vice(self, nodes: Iterable[str], vice: ContactorVice, *, on: bool) -> None:
        """Give the contactors of nodes a vice or take it; raises Refused, and changes nothing, for a node without one."""
        meant = self._known(nodes)
        (self._vices[vice].update if on else self._vices[vice].difference_update)(meant)
        self._move()

    def _known(self, nodes: Iterable[str]) -> list[str]:
        nodes = list(nodes)
        if unknown := sorted(set(nodes) - self._told.keys()):
            raise Refused(f"no contactor: {', '.join(unknown[:5])}")
        return nodes

    def _move(self) -> None:
        welded = self._vices[ContactorVice.WELDED]
        self._closed = {node: told or (node in welded and self._closed[node]) for node, told in self._told.items()}
        ids = self._physics.site.node_ids
        self._physics.feed(ids.index(node) for node, closed in self._closed.items() if not closed)
        self._devices.feed()
