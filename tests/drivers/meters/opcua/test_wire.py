"""The decoder against asyncua's encoder, which is another implementation, and against nonsense."""

from __future__ import annotations

import datetime as dt
import math
import struct
from contextlib import suppress

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import UaError
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverLoss
from drivers.meters.opcua import wire
from tests.examples import examples

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
KINDS = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.SByte: st.integers(-(2**7), 2**7 - 1),
    ua.VariantType.Byte: st.integers(0, 2**8 - 1),
    ua.VariantType.Int16: st.integers(-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: st.integers(0, 2**16 - 1),
    ua.VariantType.Int32: st.integers(-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: st.integers(0, 2**32 - 1),
    ua.VariantType.Int64: st.integers(-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: st.integers(0, 2**64 - 1),
    ua.VariantType.Float: st.floats(width=32),
    ua.VariantType.Double: st.floats(),
    ua.VariantType.String: st.text(st.characters(codec="utf-8"), max_size=9),
}
VARIANTS = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.one_of(
        KINDS[kind].map(lambda value: ua.Variant(value, kind)),
        st.lists(KINDS[kind], max_size=3).map(lambda values: ua.Variant(values, kind, is_array=True)),
    )
)
STAMPS = st.none() | st.integers(0, 4 * 10**15).map(lambda us: EPOCH + dt.timedelta(microseconds=us))
DATA_VALUES = st.builds(
    lambda variant, status, source, server: ua.DataValue(
        variant, StatusCode=ua.StatusCode(status), SourceTimestamp=source, ServerTimestamp=server
    ),
    st.none() | VARIANTS,
    st.integers(0, 2**32 - 1),
    STAMPS,
    STAMPS,
)


def same(decoded: wire.Value, sent: ua.DataValue) -> None:
    raw = None if sent.Value is None else sent.Value.Value
    assert (
        decoded.raw == raw
        or (isinstance(raw, float) and math.isnan(raw) and math.isnan(decoded.raw))
        or "nan" in str(raw)
    )
    assert decoded.status == sent.StatusCode.value
    stamp = sent.SourceTimestamp
    assert decoded.source_s == (None if stamp is None else pytest.approx((stamp - EPOCH).total_seconds(), abs=2e-6))


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), DATA_VALUES), max_size=5), st.integers(0, 2**32 - 1))
def test_published_changes_are_those_that_were_sent(changes, sequence):
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 77
    response.Parameters.AvailableSequenceNumbers = [1, 2, 3]
    response.Parameters.NotificationMessage.SequenceNumber = sequence
    sent = [ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle, value in changes]
    response.Parameters.NotificationMessage.NotificationData = [
        ua.EventNotificationList(),
        ua.DataChangeNotification(MonitoredItems=sent),
    ]
    told = wire.published(Buffer(struct_to_binary(response)))
    assert (told.subscription, told.sequence, told.ended) == (77, sequence, None)
    assert [handle for handle, _ in told.changes] == [handle for handle, _ in changes]
    for (_, decoded), (_, value) in zip(told.changes, changes, strict=True):
        same(decoded, value)


@given(st.lists(DATA_VALUES, max_size=5))
def test_read_values_are_those_that_were_sent(values):
    response = ua.ReadResponse()
    response.Results = values
    for decoded, sent in zip(wire.read(Buffer(struct_to_binary(response)), len(values)), values, strict=True):
        same(decoded, sent)


def test_a_subscription_that_the_server_ends_says_why():
    response = ua.PublishResponse()
    ended = ua.StatusChangeNotification(Status=ua.StatusCode(StatusCodes.BadTimeout))
    response.Parameters.NotificationMessage.NotificationData = [ended]
    assert wire.published(Buffer(struct_to_binary(response))).ended == StatusCodes.BadTimeout


def test_a_keep_alive_has_no_changes():
    assert wire.published(Buffer(struct_to_binary(ua.PublishResponse()))).changes == []


def test_an_answer_to_something_else_is_a_loss():
    response = ua.ReadResponse()
    response.Results = [ua.DataValue(ua.Variant(1.0))]
    with pytest.raises(DriverLoss, match="answers 1 values to a read of 2"):
        wire.read(Buffer(struct_to_binary(response)), 2)


def test_a_service_that_failed_says_so():
    response = ua.ReadResponse()
    response.ResponseHeader.ServiceResult = ua.StatusCode(StatusCodes.BadTooManyOperations)
    with pytest.raises(UaError, match="BadTooManyOperations"):
        wire.read(Buffer(struct_to_binary(response)), 0)


def _whole() -> bytes:
    response = ua.PublishResponse()
    value = ua.DataValue(ua.Variant([1.0, 2.0]), SourceTimestamp=EPOCH)
    item = ua.MonitoredItemNotification(ClientHandle=1, Value=value)
    response.Parameters.NotificationMessage.NotificationData = [ua.DataChangeNotification(MonitoredItems=[item] * 3)]
    return struct_to_binary(response)


WHOLE = _whole()


@settings(max_examples=examples(300))
@given(st.integers(0, len(WHOLE)), st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6))
def test_nonsense_is_a_loss_or_a_refusal_and_never_anything_else(cut, changed):
    data = bytearray(WHOLE)
    for at, byte in changed:
        data[at] = byte
    for decode in (wire.published, lambda answer: wire.read(answer, 3)):
        with suppress(DriverLoss, UaError):
            decode(Buffer(bytes(data[:cut])))


def answered(variant: bytes) -> Buffer:
    """A ReadResponse with one value, which these bytes are."""
    response = ua.ReadResponse()
    response.Results = [ua.DataValue(ua.Variant(812.5))]
    whole, sent = struct_to_binary(response), b"\x0b" + struct.pack("<d", 812.5)
    assert whole.count(sent) == 1
    return Buffer(whole.replace(sent, variant))


@pytest.mark.parametrize(
    "variant",
    [
        b"\x80\xff\xff\xff\x7f",  # two thousand million elements that take no room
        b"\x98\x01\x00\x00\x00\x80\xff\xff\xff\x7f",
        b"\x97\x01\x00\x00\x00\x01\x80\xff\xff\xff\x7f",
        b"\x98\x01\x00\x00\x00" * 20,  # values in values
        b"\x19" + b"\x40" * 90,  # diagnostics in diagnostics
        b"\x8c\xff\xff\xff\x7f",
        b"\x1a\x00",
        b"\x0c\xff\xff\xff\x7fabc",
        b"\x16\x06\x00",
    ],
)
def test_no_count_keeps_the_driver_busy_for_longer_than_the_answer_is(variant):
    with pytest.raises(DriverLoss, match="nonsense to a read"):
        wire.read(answered(variant), 1)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (ua.Variant(ua.StatusCode(ua.UInt32(7))), "a value of type StatusCode"),
        (ua.Variant(ua.NodeId(ua.Int32(7))), "a value of type NodeId"),
        (ua.Variant(b"7"), "a value of type ByteString"),
        (ua.Variant(ua.QualifiedName("7", ua.UInt16(1))), "a value of type QualifiedName"),
        (ua.Variant(ua.Range(1.0, 2.0)), "a value of type ExtensionObject"),
        (ua.Variant([ua.Variant(7)], ua.VariantType.Variant, is_array=True), "[a value of type Variant]"),
        (ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int32), "[1, 2, 3, 4]"),
        (ua.Variant(None, ua.VariantType.Null), "None"),
        (ua.Variant(ua.LocalizedText("7")), "LocalizedText(Locale=None, Text='7')"),
    ],
)
def test_a_value_that_no_point_can_use_is_passed_over_and_the_next_is_read(sent, shown):
    response = ua.ReadResponse()
    response.Results = [ua.DataValue(sent), ua.DataValue(ua.Variant(812.5))]
    first, second = wire.read(Buffer(struct_to_binary(response)), 2)
    assert repr(first.raw) == shown
    assert second.raw == 812.5
