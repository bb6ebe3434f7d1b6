"""The world link: how every simulator reads and drives the one physical world.

Newline-delimited JSON over TCP; every request is answered in order on its connection, by the reply that the request's
docstring names, or by `Failed` with the reason. Only the requests to one device or contactor (`simulators/messages.py`) carry an id
and are answered with it, in any order, so that a slow device delays no other. Watts are site-side, positive into the
site; ids are those of the site file. `t_s` counts seconds since `ready`, and is 0 before it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import BinaryIO, Final, TypeVar, cast

import msgspec

from drivers.errors import DriverLoss, Refused
from simulators import messages
from simulators.messages import Reply, Request
from simulators.world.report import RefereeReport
from simulators.world.vices import ContactorVice, Vice

#: Longest line that is read, in bytes: the ids of a few hundred thousand devices.
LINE_LIMIT: Final = 16 * 1024 * 1024


class GetTruth(Request, frozen=True, tag="truth"):
    """Ask for the true state of the world. Answer: `Truth`."""


class GetCurve(Request, frozen=True, tag="curve"):
    """Ask for the surplus that is to come. Answer: `CurveSamples`."""


class NoteOrder(Request, frozen=True, tag="note_order"):
    """Tell the referee that the order is being sent now; `limit_w` of None tells its release. Answer: `Ok`."""

    id: str
    node: str
    limit_w: float | None


class NoteContact(Request, frozen=True, tag="note_contact"):
    """Tell the referee that agents lose (`lost`) or regain contact with the controller now. Answer: `Ok`."""

    lost: bool


class Ready(Request, frozen=True):
    """Start the judged window and the surplus curve; the first one counts. Answer: `Ok`."""


class GetResult(Request, frozen=True, tag="result"):
    """End the judged window; the first one counts. Answer: `Result`."""


class Ok(Reply, frozen=True):
    """Done."""


class Failed(Reply, frozen=True):
    """Nothing was changed; the reason says why."""

    reason: str


class Truth(Reply, frozen=True):
    """The world as it is now.

    `site_w`, `node_w`: true power; `surplus_w`: S, never negative.
    `export_w` = S - P, the reading of an export meter; `feeder_load_w` = rating - S + P, of a feeder meter.
    `envelope_w`, `binding`: the true envelope of the site and the limit that binds it. `contactors`: by node, whether the
    contactor really is closed.
    """

    t_s: float
    ready: bool
    site_w: float
    node_w: dict[str, float]
    surplus_w: float
    export_w: float
    feeder_load_w: float
    frequency_hz: float
    devices_by_state: dict[str, int]
    envelope_w: float
    binding: str
    contactors: dict[str, bool] = msgspec.field(default_factory=dict)


class CurveSamples(Reply, frozen=True, tag="curve"):
    """The surplus: ``surplus_w[i]`` holds from ``t_s[i]`` until the next; `firm_w` comes on top of it."""

    t_s: list[float]
    surplus_w: list[float]
    firm_w: float


class Result(Reply, frozen=True):
    """The referee's report."""

    report: RefereeReport


AnyRelayRequest = messages.SwitchRelay | messages.ReadRelay
AnyDeviceRequest = messages.ReadDevice | messages.CommandDevice | messages.StopDevice | AnyRelayRequest
AnyContactorRequest = messages.SwitchContactor | messages.ReadContactor
AnyViceRequest = (
    messages.RebootDevice | messages.ReplaceDevice | messages.SetVice | messages.SetContactorVice | messages.GetVices
)
AnySiteRequest = GetTruth | GetCurve | NoteOrder | NoteContact | Ready | GetResult
AnyRequest = AnySiteRequest | AnyViceRequest | AnyDeviceRequest | AnyContactorRequest
AnyReply = (
    Ok
    | Failed
    | Truth
    | CurveSamples
    | Result
    | messages.Vices
    | messages.DeviceAnswer
    | messages.RelayAnswer
    | messages.ContactorAnswer
    | messages.Cut
)

#: From a request to its reply. That of a device or contactor may come later, from the loop's own thread, or never.
Answer = Callable[[AnyRequest], AnyReply | Future[AnyReply]]

encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(AnyRequest).decode
_decode_reply: Callable[[bytes], AnyReply] = msgspec.json.Decoder(AnyReply).decode

R = TypeVar("R", bound=Reply)


async def serve(host: str, port: int, answer: Answer) -> asyncio.Server:
    """Serve the world link; `answer` runs in the loop and raises Refused for what it does not accept."""
    return await asyncio.get_running_loop().create_server(lambda: _Conversation(answer), host, port)


class Lines(asyncio.Protocol):
    """One connection of either end, by lines; a line over the limit ends it."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio wants it."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand over the lines that are complete, as asyncio wants it."""
        self._pending += data
        *lines, rest = self._pending.split(b"\n")
        self._pending = rest
        for line in lines:
            self.take(bytes(line))
        if len(rest) > LINE_LIMIT:
            self.transport.abort()

    def take(self, line: bytes) -> None:
        """Deal with a line, which comes without its end."""
        raise NotImplementedError

    def send(self, message: Request | Reply) -> None:
        """Send a message as a line."""
        self.transport.write(encode(message) + b"\n")


class _Conversation(Lines):
    """One connection of the server."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def take(self, line: bytes) -> None:
        reply: AnyReply | Future[AnyReply]
        request: AnyRequest | None = None
        try:
            request = _decode_request(line)
            reply = self._answer(request)
        except (msgspec.DecodeError, Refused) as error:
            reply = Failed(reason=str(error))
        number = request.id if isinstance(request, messages.NumberedRequest) else None
        if isinstance(reply, Future):
            reply.add_done_callback(lambda done: self._reply(done.result(), number))
        else:
            self._reply(reply, number)

    def _reply(self, reply: AnyReply, number: int | None) -> None:
        self.send(msgspec.structs.replace(reply, id=number))


def decode_reply(line: bytes, peer: str) -> AnyReply:
    """Return the reply in `line`; raises DriverLoss for nonsense."""
    try:
        return _decode_reply(line)
    except msgspec.DecodeError as error:
        raise DriverLoss(f"the world at {peer} answered nonsense: {error}") from error


def expect(reply: AnyReply, wanted: type[R], peer: str) -> R:
    """Return `reply`; raises Refused for `Failed`, DriverLoss for anything else that is not `wanted`."""
    if isinstance(reply, Failed):
        raise Refused(reply.reason)
    if not isinstance(reply, wanted):
        raise DriverLoss(f"the world at {peer} answered {type(reply).__name__}, not {wanted.__name__}")
    return reply


def _expect(line: bytes, wanted: type[R], peer: str) -> R:
    if not line.endswith(b"\n"):
        raise DriverLoss(f"the world at {peer} closed the connection")
    return expect(decode_reply(line, peer), wanted, peer)


class WorldClient:
    """Blocking client; connects on the first call and again after a loss. Safe to share between threads.

    Every method raises DriverLoss where the world does not answer within `timeout_s`, Refused where it says no.
    """

    def __init__(self, host: str, port: int, *, timeout_s: float = 2.0) -> None:
        self._peer = f"{host}:{port}"
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._connection: tuple[socket.socket, BinaryIO] | None = None

    def truth(self) -> Truth:
        """Return the true state of the world."""
        return self._ask(GetTruth(), Truth)

    def curve(self) -> CurveSamples:
        """Return the surplus that is to come."""
        return self._ask(GetCurve(), CurveSamples)

    def note_order(self, order_id: str, *, node: str, limit_w: float | None) -> None:
        """Tell the referee of an order that is being sent now, or (limit_w of None) of its release."""
        self._ask(NoteOrder(id=order_id, node=node, limit_w=limit_w), Ok)

    def note_contact(self, *, lost: bool) -> None:
        """Tell the referee that agents lost or regained contact with the controller."""
        self._ask(NoteContact(lost=lost), Ok)

    def ready(self) -> None:
        """Start the judged window."""
        self._ask(Ready(), Ok)

    def set_vice(self, devices: Iterable[str], vice: Vice, *, on: bool) -> None:
        """Give the devices a vice, or take it."""
        self._ask(messages.SetVice(devices=list(devices), vice=vice, on=on), Ok)

    def set_contactor_vice(self, nodes: Iterable[str], vice: ContactorVice, *, on: bool) -> None:
        """Give the contactors of nodes a vice, or take it."""
        self._ask(messages.SetContactorVice(nodes=list(nodes), vice=vice, on=on), Ok)

    def vices(self) -> dict[Vice, list[str]]:
        """Return the devices with each vice."""
        return self._ask(messages.GetVices(), messages.Vices).devices

    def reboot(self, device: str) -> None:
        """Have a device reboot now."""
        self._ask(messages.RebootDevice(device=device), Ok)

    def replace(self, device: str) -> None:
        """Put other hardware at a device's address."""
        self._ask(messages.ReplaceDevice(device=device), Ok)

    def result(self) -> RefereeReport:
        """End the judged window and return the referee's report."""
        return self._ask(GetResult(), Result).report

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            self._drop()

    def _ask(self, request: AnyRequest, wanted: type[R]) -> R:
        with self._lock:
            try:
                connection, lines = self._connection or self._connect()
                connection.sendall(encode(request) + b"\n")
                return _expect(lines.readline(), wanted, self._peer)
            except OSError as error:
                self._drop()
                raise DriverLoss(f"the world at {self._peer} does not answer: {error}") from error
            except (DriverLoss, KeyboardInterrupt):
                self._drop()  # a reply that nobody read must not answer the next request
                raise

    def _connect(self) -> tuple[socket.socket, BinaryIO]:
        connection = socket.create_connection(self._address, self._timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection, connection.makefile("rb")
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            for part in reversed(self._connection):
                part.close()
            self._connection = None


class AsyncWorldClient:
    """The same for asyncio: only what a meter needs, the truth. Share one between the tasks of a loop."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 2.0) -> None:
        self._peer = f"{host}:{port}"
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def truth(self) -> Truth:
        """Return the true state of the world; raises DriverLoss after `timeout_s`."""
        async with self._lock:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._ask(GetTruth(), Truth)
            except (OSError, ValueError) as error:
                self._drop()
                raise DriverLoss(f"the world at {self._peer} does not answer: {error!r}") from error
            except (DriverLoss, asyncio.CancelledError):
                self._drop()  # a reply that nobody read must not answer the next request
                raise

    async def close(self) -> None:
        """Close the connection; the next call opens another."""
        async with self._lock:
            self._drop()

    async def _ask(self, request: AnyRequest, wanted: type[R]) -> R:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=LINE_LIMIT)
        reader, writer = self._streams
        writer.write(encode(request) + b"\n")
        return _expect(await reader.readline(), wanted, self._peer)

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
