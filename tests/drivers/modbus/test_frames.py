"""What is the answer to the request that waits, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.answers import Refusal
from drivers.modbus.frames import NumberlessFraming, RtuFraming, TcpFraming
from drivers.modbus.owed import LATEST_ANSWER_S
from drivers.modbus.requests import ReadRequest
from simulators.substation.frames import crc

REQUEST = ReadRequest(unit=7, fc=3, address=0x0BF3, count=2)
WORDS = [0x1234, 0x5678]
PDU = bytes.fromhex("0304 12345678")


def tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    return transaction.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu


def rtu(unit: int, pdu: bytes) -> bytes:
    frame = bytes([unit]) + pdu
    return frame + crc(frame)


def registers(fc: int, words: list[int]) -> bytes:
    return bytes([fc, 2 * len(words)]) + b"".join(word.to_bytes(2, "big") for word in words)


def test_a_tcp_request_as_bytes_and_every_one_with_a_transaction_of_its_own():
    framing = TcpFraming()
    assert framing.ask(REQUEST) == bytes.fromhex("0001 0000 0006 07 03 0bf3 0002")
    asked = {framing.ask(REQUEST)[:2] for _ in range(65535)}
    assert len(asked) == 65535
    assert b"\0\0" not in asked


def test_an_rtu_request_as_bytes():
    assert RtuFraming().ask(REQUEST) == rtu(7, bytes.fromhex("03 0bf3 0002"))
    assert RtuFraming().ask(ReadRequest(unit=1, fc=3, address=0, count=10)) == bytes.fromhex("01 03 0000 000a c5cd")


@pytest.mark.parametrize(("framing", "frame"), [(TcpFraming(), tcp(1, 7, PDU)), (RtuFraming(), rtu(7, PDU))])
def test_an_answer_that_comes_byte_by_byte(framing, frame):
    framing.ask(REQUEST)
    assert [framing.receive(frame[at : at + 1]) for at in range(len(frame))] == [None] * (len(frame) - 1) + [WORDS]


@pytest.mark.parametrize(
    "other",
    [
        tcp(9, 7, PDU),  # a late one
        tcp(1, 8, PDU),  # another unit
        tcp(1, 7, b"\x04" + PDU[1:]),  # another function
        tcp(1, 7, registers(3, [1])),  # too short
        tcp(1, 7, registers(3, [1, 2, 3])),  # too long
        tcp(1, 7, b"\x03\x06" + PDU[2:]),  # another length than it says
        tcp(1, 7, b"\x84\x02"),  # another function's exception
        tcp(1, 7, b"\x83"),  # an exception without its code
    ],
)
def test_what_is_no_answer_over_tcp_is_dropped_and_the_answer_after_it_is_found(other):
    framing = TcpFraming()
    framing.ask(REQUEST)
    assert framing.receive(other) is None
    assert framing.dropped
    framing.begin()
    assert framing.receive(other + tcp(1, 7, PDU)) == WORDS
    assert framing.receive(tcp(1, 7, PDU)) is None, "the same answer again"


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 400",
        b"Welcome to the device server\r\n",
        *(bytes(count) for count in range(1, 9)),
        bytes.fromhex("0001 0000 0001 07 03"),  # a length that cannot be
        bytes.fromhex("0001 0000 0100 07 03"),
        rtu(7, PDU),
    ],
)
@pytest.mark.parametrize("framing", [TcpFraming, NumberlessFraming])
def test_the_answer_is_found_behind_whatever_stands_before_it_over_tcp(framing, before):
    for number in (1, 5, 0x0203, 0xFFFF):
        one = framing()
        one._transaction = number - 1
        one.ask(REQUEST)
        assert one.receive(before) is None
        assert one.dropped
        assert one.receive(tcp(number, 7, PDU)) == WORDS


def test_a_checksum_behind_a_tcp_frame_is_passed_over_whether_the_length_counts_it_or_not():
    behind = crc(b"\x07" + PDU)
    for framing in (TcpFraming(), NumberlessFraming()):
        for number in (1, 3):
            framing.ask(REQUEST)
            assert framing.receive(tcp(number, 7, PDU + behind)) == WORDS
            framing.ask(REQUEST)
            assert framing.receive(tcp(number + 1, 7, PDU) + behind) == WORDS
            framing.receive(behind)
        framing.ask(REQUEST)
        assert framing.receive(tcp(5, 7, PDU + b"\0\0")) is None, "no checksum of it"


def test_an_answer_as_another_unit_is_taken_where_any_will_do():
    anybody = ReadRequest(unit=1, fc=3, address=0, count=2, any_unit=True)
    for framing in (TcpFraming(), NumberlessFraming()):
        for number, unit in enumerate((0, 1, 255), start=1):
            framing.ask(anybody)
            assert framing.receive(tcp(number, unit, PDU)) == WORDS


@pytest.mark.parametrize(
    ("framing", "came", "said"),
    [
        (TcpFraming(), tcp(1, 0, PDU), "6 bytes of function 3 of unit 0: with `unit: any` they are taken"),
        (TcpFraming(), tcp(0, 7, PDU), "the transaction number 0 instead of 1: with `ignore_transaction: true`"),
        (TcpFraming(), rtu(7, PDU), "an RTU frame: with `transport: rtu_over_tcp` it is read"),
        (TcpFraming(), b"220 ready\r\n", "11 bytes that are not Modbus TCP: 0x3232302072656164790d0a"),
        (RtuFraming(), tcp(1, 7, PDU), "a frame of Modbus TCP: with `transport: tcp` it is read"),
        (RtuFraming(), rtu(8, PDU), "9 bytes that are none of unit 7"),
    ],
)
def test_what_is_strange_is_said_with_the_line_by_which_it_is_read(framing, came, said):
    framing.ask(REQUEST)
    assert framing.receive(came) is None
    assert said in framing.dropped


def test_an_answer_that_nobody_waits_for_any_longer_is_late_and_no_strange_number():
    framing = TcpFraming()
    framing.ask(REQUEST)
    framing.give_up(0.0)
    framing.ask(REQUEST)
    assert framing.receive(tcp(1, 7, PDU)) is None
    assert framing.dropped == "a late one of unit 7"


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\x00\xff\x07",  # noise
        b"\x07\x03\x04",  # the beginning of an answer that was cut off
        rtu(7, bytes.fromhex("03 0bf3 0002")),  # the echo of a two-wire adapter
        rtu(8, PDU),  # another unit
        rtu(7, b"\x04" + PDU[1:]),  # another function
        rtu(7, registers(3, [1, 2, 3])),  # another length
        rtu(7, PDU)[:-1] + b"\x00",  # a wrong checksum
    ],
)
def test_the_answer_is_found_behind_whatever_stands_before_it_on_a_serial_line(before):
    framing = RtuFraming()
    framing.ask(REQUEST)
    assert framing.receive(before) is None
    assert framing.receive(rtu(7, PDU)) == WORDS


def test_an_exception_is_told_with_its_code():
    for framing, frame in ((TcpFraming(), tcp(1, 7, b"\x83\x02")), (RtuFraming(), rtu(7, b"\x83\x02"))):
        framing.ask(REQUEST)
        answer = framing.receive(frame)
        assert isinstance(answer, Refusal)
        assert answer.code == 2
        assert answer == "exception 2 (illegal data address) for 2 registers at 3059"


def test_a_unit_that_owes_an_answer_is_asked_for_another_length_first():
    framing = RtuFraming()
    framing.ask(REQUEST)
    framing.give_up(0.0)
    fence = framing.fence(REQUEST, 0.0)
    assert fence == ReadRequest(unit=7, fc=3, address=REQUEST.address, count=1)
    assert framing.fence(ReadRequest(8, 3, 0, 2), 0.0) is None, "another unit owes nothing"
    assert framing.fence(ReadRequest(7, 3, 0, 5), 0.0) is None, "this length is not owed"
    framing.ask(fence)
    assert framing.receive(rtu(7, registers(3, [66, 67]))) is None, "the late answer"
    assert framing.receive(rtu(7, registers(3, [68]))) == [68]
    assert framing.fence(REQUEST, 0.0) is None


def test_an_unanswered_fence_is_owed_too_until_it_is_too_old():
    framing = RtuFraming()
    for count in (2, 1, 3):
        framing.ask(ReadRequest(7, 3, 0, count))
        framing.give_up(count)
    assert framing.fence(REQUEST, 3.0).count == 4
    assert framing.fence(REQUEST, 2.0 + LATEST_ANSWER_S - 0.1) is not None
    assert framing.fence(REQUEST, 2.0 + LATEST_ANSWER_S) is None
    assert framing.fence(ReadRequest(7, 3, 0, 3), 2.0 + LATEST_ANSWER_S) is not None


def test_an_exception_is_no_answer_while_another_one_is_owed():
    framing = RtuFraming()
    framing.ask(REQUEST)
    framing.give_up(0.0)
    framing.ask(framing.fence(REQUEST, 0.0))
    assert framing.receive(rtu(7, b"\x83\x06")) is None
    framing.give_up(0.0)
    assert framing.fence(REQUEST, 0.0).count == 3, "the fence is owed as well"
    assert framing.fence(REQUEST, LATEST_ANSWER_S) is None
    framing.ask(REQUEST)
    assert framing.receive(rtu(7, b"\x83\x06")) is not None


@pytest.mark.parametrize(
    ("kind", "frame"), [(RtuFraming, rtu), (NumberlessFraming, lambda unit, pdu: tcp(0, unit, pdu))]
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([1, 2, 3]), st.booleans(), st.integers(0, 3), st.integers(0, 3)), max_size=40
    )
)
def test_a_unit_that_answers_in_order_but_late_is_never_misunderstood(kind, frame, steps):
    """Each request asks a unit that answers every one of them, in order, at any later time, with the request's number."""
    framing, due = kind(), []
    for asked, (count, refuses, until_given_up, after) in enumerate(steps):
        wanted = ReadRequest(7, 3, 0, count)
        request = framing.fence(wanted, 0.0) or wanted
        framing.ask(request)
        due.append((asked, frame(7, b"\x83\x06" if refuses else registers(3, [asked] * request.count))))
        answer = None
        for _ in range(min(until_given_up, len(due))):
            _, sent = due.pop(0)
            answer = framing.receive(sent)
            if answer is not None:
                break
        if isinstance(answer, list):
            assert answer == [asked] * request.count
        if answer is None:
            framing.give_up(0.0)
        for _ in range(min(after, len(due))):
            assert framing.receive(due.pop(0)[1]) is None, "nobody waits"
