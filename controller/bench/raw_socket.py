"""The baseline: one raw socket pushes single QoS 1 messages through the broker, made beforehand, to one that subscribes to all."""

from __future__ import annotations

import socket
import threading
import time
from typing import Final

from controller.bench.load_site import HOST
from drivers.errors import DriverLoss
from simulators.light import packets

_PAYLOAD: Final = b'{"setpoint_w":3500,"seq":1}'
_CHUNK: Final = 1 << 18
_TIMEOUT_S: Final = 60.0
_NUMBERS: Final = 65_535
#: MQTT 3.1.1: it knows no limit of what may wait for its acknowledgement, so that all can be pushed at once.
_VERSION: Final = 4


def push_s(port: int, messages: int) -> float:
    """Return the seconds from the first byte until the last message is with the subscriber.

    All messages are of one size, and the broker numbers them from 1: so whoever reads them counts bytes, and is not what is slow.
    """
    made = b"".join(
        packets.publish(f"raw/{k:06d}/set", _PAYLOAD, number=k % _NUMBERS + 1, version=_VERSION)
        for k in range(messages)
    )
    with _connected(port, "raw-reader") as reader, _connected(port, "raw-writer") as writer:
        reader.sendall(packets.subscribe(1, "raw/#", version=_VERSION))
        _until(reader, packets.SUBACK, 1)
        ended: list[float] = []
        reading = threading.Thread(target=lambda: ended.append(_take(reader, len(made) // messages, messages)))
        acknowledged = threading.Thread(target=lambda: _read(writer, messages * len(packets.puback(1))))
        reading.start()
        acknowledged.start()
        begun_s = time.monotonic()
        writer.sendall(made)
        reading.join()
        acknowledged.join()
    if not ended:
        raise DriverLoss("the broker lost messages of the raw socket")
    return ended[0] - begun_s


def _connected(port: int, name: str) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(packets.connect(name, version=_VERSION))
    _until(connection, packets.CONNACK, 1)
    return connection


def _until(connection: socket.socket, kind: int, count: int) -> None:
    stream = packets.Stream()
    while count > 0:
        count -= sum(packet.kind == kind for packet in stream.feed(_received(connection)))


def _read(connection: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(_received(connection))


def _take(connection: socket.socket, size: int, messages: int) -> float:
    """Acknowledge so many messages of one size, all of what came together at once; return when the last came."""
    acknowledgements = [packets.puback(k % _NUMBERS + 1) for k in range(messages)]
    came = done = 0
    while done < messages:
        came += len(_received(connection))
        whole = came // size
        ended_s = time.monotonic()
        connection.sendall(b"".join(acknowledgements[done:whole]))
        done = whole
    return ended_s


def _received(connection: socket.socket) -> bytes:
    if data := connection.recv(_CHUNK):
        return data
    raise DriverLoss("the broker closed the connection of a raw socket")
