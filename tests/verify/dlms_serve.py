"""A meter by the library pydlms, in an environment of its own: ``python dlms_serve.py wrapper|hdlc none|low|high``.

Prints its port, and serves until it is ended. What it shows is fixed: `tests.verify.dlms` knows it.
"""

from __future__ import annotations

import sys
import threading

from pydlms.simulator import ClientProfile, DataType, DlmsData, Mechanism, MeterSimulator, serve

#: By OBIS code: class, the number as it is sent, scaler, unit.
NUMBERS = {
    "1.0.1.7.0.255": (3, DlmsData.uint32(0), 0, 27),
    "1.0.2.7.0.255": (3, DlmsData.uint32(8125), 2, 27),
    "1.0.14.7.0.255": (3, DlmsData.uint16(5001), -2, 44),
    "1.0.1.8.0.255": (4, DlmsData.uint32(12_345), 3, 30),
    "1.0.2.8.0.255": (3, DlmsData(DataType.LONG64_UNSIGNED, 2**40), -3, 30),
    "1.0.32.7.0.255": (3, DlmsData.uint16(2305), -1, 35),
    "1.0.31.7.0.255": (3, DlmsData(DataType.FLOAT32, 1200.5), 0, 33),
    "1.0.52.7.0.255": (3, DlmsData.uint16(2305), -1, 31),
}
MECHANISMS = {"none": Mechanism(0), "low": Mechanism(1), "high": Mechanism(5)}


def main(framing: str, authentication: str) -> None:
    high = authentication == "high"
    meter = MeterSimulator(
        encryption_key=bytes(range(16)) if high else None,
        authentication_key=bytes(range(16, 32)) if high else None,
    )
    meter.clients[1] = ClientProfile(MECHANISMS[authentication], secret=b"right", ciphered=high)
    for code, (class_id, number, scaler, unit) in NUMBERS.items():
        scaler_unit = DlmsData.structure([DlmsData.int8(scaler), DlmsData.enum(unit)])
        meter.add_object(class_id, code, {2: number, 3: scaler_unit})
    server = serve(meter, hdlc=framing == "hdlc")
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Event().wait()


main(*sys.argv[1:])
