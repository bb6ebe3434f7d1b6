"""The units that the simulated SCADA may show power in; apart, so that whoever only names them loads no OPC UA."""

from __future__ import annotations

from typing import Final

#: Unit -> watts and UnitId (UNECE).
UNITS: Final = {"W": (1.0, 5723220), "kW": (1e3, 4937556), "MW": (1e6, 5062999)}
