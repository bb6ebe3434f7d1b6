"""The bytes of DLMS/COSEM: what is written is what the standards' own examples have, and what is read is bounded."""

from __future__ import annotations

import pytest

from drivers.errors import DriverLoss
from drivers.meters.dlms import acse, hdlc, wrapper, xdlms
from drivers.meters.dlms.cursor import ByteCursor, Malformed, length_of
from drivers.meters.dlms.data import data
from drivers.meters.dlms.hdlc import Frame
from drivers.meters.dlms.obis import is_obis, obis, shown
from drivers.meters.dlms.place import Station
from drivers.meters.dlms.protection import Keys, NotGenuine, Protection
from drivers.meters.dlms.xdlms import AnswerPart, Attribute, Denied, Values

POWER = Attribute(3, bytes([1, 0, 1, 7, 0, 255]), 2)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("00", None),
        ("0301", True),
        ("05fffffff6", -10),
        ("06fffffff6", 4294967286),
        ("0ff6", -10),
        ("10fff6", -10),
        ("11f6", 246),
        ("12fff6", 65526),
        ("14fffffffffffffff6", -10),
        ("15fffffffffffffff6", 2**64 - 10),
        ("161b", 27),
        ("1742c90000", 100.5),
        ("184059200000000000", 100.5),
        ("0903616263", b"abc"),
        ("0a03616263", "abc"),
        ("02020ffe161b", (-2, 27)),
        ("01020201110102011102", ((1,), (2,))),
    ],
)
def test_a_value_is_what_its_bytes_are(written: str, value: object) -> None:
    cursor = ByteCursor(bytes.fromhex(written))
    assert data(cursor) == value
    assert cursor.left == 0


@pytest.mark.parametrize(
    "written", ["", "05", "0984ffffffff", "02ff", "0284ffffffff00", "13", "ff", "0101" * 9 + "00", "0980", "098500"]
)
def test_what_is_no_value_is_refused_before_it_takes_memory(written: str) -> None:
    with pytest.raises(Malformed):
        data(ByteCursor(bytes.fromhex(written)))


@pytest.mark.parametrize(("count", "written"), [(0, "00"), (127, "7f"), (128, "8180"), (256, "820100")])
def test_a_length_is_written_as_it_is_read(count: int, written: str) -> None:
    assert length_of(count).hex() == written
    assert ByteCursor(length_of(count)).length() == count


def test_obis_codes() -> None:
    assert obis("1-0:16.7.0") == bytes([1, 0, 16, 7, 0, 255])
    assert shown(bytes([1, 0, 99, 1, 0, 12])) == "1-0:99.1.0.12"
    assert not any(map(is_obis, ("1-0:16.7", "1-0:256.7.0", "1.0.16.7.0", 7)))


def test_a_request_for_one_attribute() -> None:
    assert xdlms.get_request(1, [POWER]).hex() == "c001c100030100010700ff0200"
    assert xdlms.initiate_request(0x007E1F).hex() == "01000000065f1f0400007e1fffff"


def test_a_request_for_an_association_is_that_of_the_standard() -> None:
    # IEC 62056-5-3, annex with encoding examples: an AARQ with low level security and the password 12345678
    made = acse.request(acse.LOW, b"12345678", b"", bytes.fromhex("01000000065f1f0400007e1f04b0"))
    assert made.hex() == (
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738"
        "be10040e01000000065f1f0400007e1f04b0"
    )


def test_an_association_that_is_refused_says_why() -> None:
    refused = "6129a109060760857405080101a203020101a305a10302010dbe10040e0800065f1f040000501f01f40007"
    with pytest.raises(acse.AssociationRefused, match="wrong password or key"):
        acse.answer(bytes.fromhex(refused))


def test_what_a_meter_grants_is_read() -> None:
    accepted = "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007"
    granted = xdlms.initiate_response(acse.answer(bytes.fromhex(accepted)).user)
    assert (granted.conformance, granted.most_bytes) == (0x00501F, 500)


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("c401c10006000004d2", Values(1, (1234,))),
        ("c403c202001105001106", Values(2, (5, 6))),
        ("c402c1000000000100020102", AnswerPart(1, last=False, number=1, raw=b"\x01\x02")),
    ],
)
def test_an_answer_is_read(apdu: str, answer: object) -> None:
    assert xdlms.response(bytes.fromhex(apdu)) == answer


@pytest.mark.parametrize(
    ("code", "for_good"), [(1, False), (2, False), (3, True), (4, True), (9, True), (11, True), (250, False)]
)
def test_a_value_that_is_refused_says_why_and_whether_for_good(code: int, for_good: bool) -> None:
    answer = xdlms.response(bytes([0xC4, 1, 0xC1, 1, code]))
    assert isinstance(answer, Values)
    (denied,) = answer.values
    assert isinstance(denied, Denied)
    assert denied.for_good is for_good
    assert f"(access result {code})" in denied


@pytest.mark.parametrize(
    ("address", "written"),
    [
        (Station(client=16, server=1), "03"),
        (Station(client=16, server=1, physical=17), "0223"),
        (Station(client=16, server=1, physical=300), "00020459"),
        (Station(client=16, server=1, physical=17, length=4), "00020023"),
    ],
)
def test_addresses_on_hdlc(address: Station, written: str) -> None:
    assert hdlc.server_address(address).hex() == written
    assert hdlc.client_address(address).hex() == "21"


def test_the_frame_that_sets_a_link_up() -> None:
    assert hdlc.framed(b"\x03", b"\x21", hdlc.SNRM).hex() == "7ea0070321930f017e"


def test_a_frame_is_found_behind_noise_and_behind_one_that_is_spoilt() -> None:
    good = hdlc.framed(b"\x21", b"\x03", 0x30, b"\xe6\xe7\x00\xc4")
    spoilt = good[:9] + bytes([good[9] ^ 1]) + good[10:]
    received = bytearray(b"\x00\x7e\x7e" + spoilt + good)
    assert hdlc.take(received) == Frame(b"\x21", b"\x03", 0x30, b"\xe6\xe7\x00\xc4", segmented=False)


def test_half_a_frame_is_waited_for() -> None:
    frame = hdlc.framed(b"\x21", b"\x03", 0x73)
    received = bytearray(frame[:5])
    assert hdlc.take(received) is None
    received += frame[5:]
    assert hdlc.take(received) is not None


def test_the_largest_frame_that_the_meter_takes() -> None:
    assert hdlc.largest_to_meter(bytes.fromhex("8180120501800601f8070400000001080400000001")) == 248
    assert hdlc.largest_to_meter(b"") == 128
    assert hdlc.largest_to_meter(bytes.fromhex("8180050601")) >= 32


@pytest.mark.parametrize(
    ("take", "content", "told"),
    [
        (wrapper.take, hdlc.framed(b"\x21", b"\x03", 0x73), "transport: hdlc_over_tcp"),
        (wrapper.take, b"HTTP/1.1", "not DLMS: 0x485454502f312e31"),
        (hdlc.take, wrapper.wrapped(1, 16, b"\xc4"), "transport: wrapper"),
    ],
)
def test_bytes_of_another_transport_are_told(take: object, content: bytes, told: str) -> None:
    with pytest.raises(DriverLoss, match=told):
        take(bytearray(content))  # type: ignore[operator]


KEYS = Keys(
    encryption=bytes.fromhex("000102030405060708090a0b0c0d0e0f"),
    authentication=bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"),
)


def test_a_message_is_sealed_as_in_the_standard() -> None:
    # IEC 62056-5-3, example of a ciphered GET of the clock's time: system title 4D4D4D0000BC614E, counter 01234567
    sealed = Protection(KEYS, 0x01234567, bytes.fromhex("4d4d4d0000bc614e")).seal(
        bytes.fromhex("c0010000080000010000ff0200")
    )
    assert sealed.hex() == "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"


@pytest.mark.parametrize("spoil", ["bit", "replay", "clear", "other keys", "control"])
def test_what_is_not_genuine_is_not_opened(spoil: str) -> None:
    ours, theirs = Protection(KEYS, 1, b"OURSOURS"), Protection(KEYS, 1, b"THEIRS!!")
    ours.meet(b"THEIRS!!")
    sealed = bytearray(theirs.seal(bytes.fromhex("c001c100030100010700ff0200")))
    sealed[0] = 0xCC
    if spoil == "bit":
        sealed[-20] ^= 1
    if spoil == "clear":
        sealed = bytearray(bytes.fromhex("c401c10006000004d2"))
    if spoil == "other keys":
        ours = Protection(Keys(encryption=bytes(16), authentication=bytes(16)), 1, b"OURSOURS")
        ours.meet(b"THEIRS!!")
    if spoil == "control":
        sealed[2] = 0x20
    if spoil == "replay":
        with pytest.raises(Malformed):  # genuine, and a request where an answer belongs
            ours.open(bytes(sealed))
    with pytest.raises(NotGenuine):
        ours.open(bytes(sealed))


def test_no_title_comes_twice_and_no_counter_either() -> None:
    titles = {Protection(KEYS, 1, b"").title for _ in range(50)}
    assert len(titles) == 50
    protection = Protection(KEYS, 2**32 - 1, b"")
    first = protection.seal(b"\xc0")
    with pytest.raises(DriverLoss, match="the meter needs new keys"):
        protection.seal(b"\xc0")
    assert first


def test_a_meter_that_reflects_our_challenge_is_refused() -> None:
    ours = Protection(KEYS, 1, b"OURSOURS")
    with pytest.raises(NotGenuine, match="our own system title"):
        ours.meet(b"OURSOURS")
    ours.meet(b"THEIRS!!")
    with pytest.raises(NotGenuine, match="does not know our keys"):
        ours.check(ours.answer(b"challenge"), b"challenge")


def test_keys_are_not_shown() -> None:
    assert "d0d1" not in repr(KEYS)
    assert "authentication=" not in repr(KEYS)
