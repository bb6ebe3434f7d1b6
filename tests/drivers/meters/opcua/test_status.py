"""What status codes let us do."""

from __future__ import annotations

import pytest
from asyncua.ua.status_codes import StatusCodes

from drivers.meters.opcua.status import meaning
from drivers.readings import Quality


@pytest.mark.parametrize(
    ("status", "quality", "said"),
    [
        (0x00000000, Quality.GOOD, None),
        (0x00960000, Quality.GOOD, "a person has forced this value (GoodLocalOverride)"),
        (0x00000480, Quality.GOOD, "the server's queue overflowed: changes in between are lost"),
        (0x00000080, Quality.GOOD, None),  # the flag of something that is no data value
        (0x00960480, Quality.GOOD, "a person has forced this value"),
        (0x00000600, Quality.UNCERTAIN, "the value stands at its limit (high)"),
        (0x00000700, Quality.UNCERTAIN, "the value stands at its limit (constant)"),
        (0x40000000, Quality.UNCERTAIN, "the server says Uncertain"),
        (0x40900480, Quality.UNCERTAIN, "the server says UncertainLastUsableValue"),
        (0x40910000, Quality.BAD, "UncertainSubstituteValue: the value is not measured"),
        (0x80000000, Quality.BAD, "the server says Bad"),
        (0x80050000, Quality.BAD, "BadCommunicationError"),
        (0x80310000, Quality.BAD, "BadNoCommunication"),
        (0x80320000, Quality.BAD, "BadWaitingForInitialData"),
        (0x80890000, Quality.BAD, "BadConfigurationError"),
        (0x808A0000, Quality.BAD, "BadNotConnected"),
        (0x808B0000, Quality.BAD, "BadDeviceFailure"),
        (0x808C0480, Quality.BAD, "BadSensorFailure"),
        (0x808D0000, Quality.BAD, "BadOutOfService"),
        (0xC0000000, Quality.BAD, "the server says"),  # reserved severity
    ],
)
def test_every_status_of_the_table(status, quality, said):
    meant = meaning(status)
    assert meant.quality is quality
    assert (meant.why is None) is (quality is not Quality.BAD)
    assert said is None or said in (meant.why or meant.note)
    assert said is not None or (meant.why, meant.note) == (None, None)


@pytest.mark.parametrize("name", [name for name in dir(StatusCodes) if name.startswith(("Good", "Uncertain", "Bad"))])
def test_the_name_of_every_code_tells_its_quality(name):
    quality = meaning(getattr(StatusCodes, name)).quality
    allowed = {"Good": {Quality.GOOD}, "Uncertain": {Quality.UNCERTAIN, Quality.BAD}, "Bad": {Quality.BAD}}
    assert quality in next(allowed[prefix] for prefix in allowed if name.startswith(prefix))
