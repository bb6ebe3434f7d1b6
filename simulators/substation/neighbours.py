"""Registers that real meters have beside those of their profile, and that drivers in the field have read by mistake.

Simulated meters show them, so that a driver that touches one is found out. Rows are written as in a profile.
Sources: the profiles' own, and the drivers that read them (mbmd for the EM24's partial counter, OpenEMS for the UMG806's
counters of L1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Rows = Mapping[str, Mapping[str, Any]]

_GAVAZZI_PF: Final = {"fc": 4, "type": "int16", "scale": 0.001, "unit": "1", "encoding": "ieee"}
_SCHNEIDER_PF: Final = {"fc": 3, "address": 3083, "type": "float32", "unit": "1", "encoding": "four_quadrant"}
_JANITZA: Final = {
    "energy_import_l1_wh": {"fc": 3, "address": 19062, "type": "float32", "unit": "Wh"},
    "energy_export_l1_wh": {"fc": 3, "address": 19070, "type": "float32", "unit": "Wh"},
    "power_factor": {"fc": 3, "address": 19044, "type": "float32", "unit": "1", "encoding": "iec"},
}
_SUNSPEC_PF: Final = {
    "fc": 3,
    "address": 33,
    "type": "int16",
    "scale": 0.1,
    "unit": "1",
    "encoding": "percent",
}

#: Profile id to quantity to row. `encoding`: how the power factor is written, see `traps.PowerFactor`.
NEIGHBOURS: Final[Mapping[str, Rows]] = {
    "carlo_gavazzi_em24": {
        "energy_import_partial_wh": {"fc": 4, "address": 66, "type": "int32", "scale": 0.1, "unit": "kWh"},
        "power_factor": {**_GAVAZZI_PF, "address": 53},
    },
    "carlo_gavazzi_em340_em530_em24e1": {
        "energy_import_partial_wh": {"fc": 4, "address": 60, "type": "int32", "scale": 0.1, "unit": "kWh"},
        "power_factor": {**_GAVAZZI_PF, "address": 49},
    },
    "janitza_umg96rm": _JANITZA,
    "janitza_b23": _JANITZA,
    **{id_: {"power_factor": _SCHNEIDER_PF} for id_ in ("schneider_pm5xxx", "schneider_pm8000", "schneider_iem3000")},
    "socomec_diris_a14_countis_e": {
        "power_factor": {"fc": 3, "address": 50542, "type": "int32", "scale": 0.001, "unit": "1", "encoding": "ieee"}
    },
    "satec_pm180": {
        "power_factor": {"fc": 3, "address": 274, "type": "uint16", "lin3": [-1, 1], "unit": "1", "encoding": "iec"}
    },
    "dzg_dvh4013": {
        "power_factor": {"fc": 3, "address": 16, "type": "uint32", "scale": 0.001, "unit": "1", "encoding": "iec"}
    },
    "sunspec_203": {"power_factor": _SUNSPEC_PF},
    "sunspec_213": {
        "power_factor": {"fc": 3, "address": 52, "type": "float32", "unit": "1", "encoding": "iec"},
    },
}
