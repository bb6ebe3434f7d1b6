"""Which records are told, and with what."""

from controller.daemon.events.event import EventName
from controller.daemon.events.recorded import TOLD_KINDS, event_of
from controller.daemon.journal.journal import RecordKind

#: What is told otherwise, tick by tick, or nobody has to be told.
#: What a reload and the clock change is told by limits and reasons.
UNTOLD = {RecordKind.DECISION, RecordKind.REFUSED, RecordKind.OVER_ENVELOPE, RecordKind.CLOCK, RecordKind.RELOAD}


def test_every_kind_of_record_is_told_or_named_here():
    assert set(TOLD_KINDS) | UNTOLD == set(RecordKind)
    assert not set(TOLD_KINDS) & UNTOLD
    for kind in UNTOLD:
        assert event_of(kind, {}, utc_s=0.0, seq=1) is None


def test_a_record_is_told_by_the_names_of_the_interface_and_without_what_is_of_the_journal():
    body = {
        "id": "a",
        "issuer": "grid",
        "starts_utc_s": 0.5,
        "ends_utc_s": None,
        "ramp_w_s": 9.0,
        "content": "hash",
        "begun": True,
    }
    name, data = event_of(RecordKind.ORDER, body, utc_s=1.0, seq=3)
    assert name is EventName.ORDER
    assert data["starts_at"] == "1970-01-01T00:00:00.500Z"
    assert (data["ends_at"], data["ramp_w_per_s"], data["what"], data["seq"]) == (None, 9.0, "accepted", 3)
    assert not {"content", "begun", "role", "starts_utc_s"} & data.keys()


def test_the_token_of_a_lock_is_not_told():
    _, data = event_of(
        RecordKind.LOCK, {"subject": "m-001", "by": "Ali", "token": "ops", "reason": "fan"}, utc_s=0.0, seq=1
    )
    assert "token" not in data
