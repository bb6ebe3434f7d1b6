"""Simulated meters on DLMS/COSEM on a free port, and the same meter as the driver knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drivers.meters.dlms.meter import DlmsMeter
from drivers.meters.dlms.place import DlmsPlace, Station
from drivers.meters.dlms.profiles import load_dlms_profile
from simulators.substation.dlms_server import DlmsUnit, serve_dlms

VALUES = {"active_power_w": 1_000.0, "frequency_hz": 50.0, "energy_import_wh": 5_000.0, "energy_export_wh": 7.0}
BOTH = load_dlms_profile("dlms_electricity")


@asynccontextmanager
async def served(
    units: dict[int, DlmsUnit], *, physical: int | None = None, **options: Any
) -> AsyncIterator[DlmsMeter]:
    """Serve `units`, and yield the meter of the one with this physical address, in the wrapper where there is none."""
    framing = "wrapper" if physical is None else "hdlc"
    server = await serve_dlms("127.0.0.1", 0, units, framing=framing, **options)  # type: ignore[arg-type]
    try:
        yield DlmsMeter(
            id="m",
            place=DlmsPlace(
                transport="wrapper" if physical is None else "hdlc_over_tcp",
                host="127.0.0.1",
                port=server.sockets[0].getsockname()[1],
            ),
            address=Station(client=1, server=1, physical=physical),
            profile=BOTH,
            poll_s=0.02,
            poll_slow_s=0.04,
            timeout_s=0.2,
        )
    finally:
        server.close()
