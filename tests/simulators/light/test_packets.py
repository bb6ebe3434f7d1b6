"""The packets of a load, read back as a broker reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Refused
from simulators.light import packets


@given(
    st.text(max_size=30),
    st.binary(max_size=40_000),
    st.one_of(st.none(), st.integers(1, 65_535)),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 2**32 - 1)),
)
def test_a_message_comes_back_as_it_was(topic, payload, number, retain, expiry_s):
    sent = packets.publish(topic, payload, number=number, retain=retain, expiry_s=expiry_s)
    (packet,) = packets.Stream().feed(sent)
    assert packet.kind == packets.PUBLISH
    assert packets.published(packet) == packets.LightMessage(topic, payload, number, retain)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_packets_are_whole_however_their_bytes_come(step):
    sent = [packets.publish("a/b", b"x" * size, number=k + 1) for k, size in enumerate((0, 1, 127, 128, 20_000))]
    data, stream = b"".join(sent), packets.Stream()
    came = [packet for begin in range(0, len(data), step) for packet in stream.feed(data[begin : begin + step])]
    assert [packets.published(packet).number for packet in came] == [1, 2, 3, 4, 5]
    assert len(packets.published(came[-1]).payload) == 20_000


def test_a_length_that_is_none_is_refused():
    with pytest.raises(Refused, match="more than four bytes"):
        list(packets.Stream().feed(b"\x30" + b"\xff" * 6))


def test_the_first_words_of_a_client_are_those_of_the_standard():
    # OASIS MQTT 5.0, sections 3.1.2 and 3.1.3: protocol name and version, flags, keep alive, no properties, client id.
    assert packets.connect("ab", keepalive_s=10) == b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x02ab"
    with_will = packets.connect("ab", keepalive_s=10, will=("w", b"gone"))
    assert with_will[9] == 0x02 | 0x04 | 0x08 | 0x20
    assert with_will.endswith(b"\x00\x00\x01w\x00\x04gone")
    assert packets.subscribe(7, "a/#", qos=1) == b"\x82\x09\x00\x07\x00\x00\x03a/#\x01"
    assert packets.connect("ab", version=4)[8:] == b"\x04\x02\x00\x1e\x00\x02ab"
    assert packets.subscribe(7, "a/#", version=4) == b"\x82\x08\x00\x07\x00\x03a/#\x01"
    assert packets.publish("a", b"x", version=4) == b"\x30\x04\x00\x01ax"
    # Section 3.3.2.3.3: the message expiry interval is property 2, four bytes.
    assert packets.publish("a", b"x", expiry_s=3) == b"\x30\x0a\x00\x01a\x05\x02\x00\x00\x00\x03x"
    assert packets.puback(258) == b"\x40\x02\x01\x02"
