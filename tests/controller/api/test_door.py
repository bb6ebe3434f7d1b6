"""The door of the HTTP interface: its rules by themselves, and over real sockets."""

import hashlib
import itertools
import resource
import select
import socket
import threading
import time
from contextlib import ExitStack

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api import turns, visitor
from controller.api.door import FOLLOWERS_EACH, PROBINGS, SCRAPES, TRIES, Allowance, Doorkeeper
from controller.api.serve import most_connections
from controller.daemon.access import Principal, Role, Token
from tests.waiting import DEADLINE_S, until

TOKEN = Token(name="grid", role=Role.AUTHORITY, sha256=hashlib.sha256(b"secret").hexdigest())
ORDER = {"id": "cut-1", "limit_w": 20e3}


def holder(name, role=Role.VIEWER):
    return Principal(name=name, role=role)


GRID = holder("grid", Role.AUTHORITY)


class Guest:
    def __init__(self, door, peer="10.0.0.1", *, waiting=True, by=None):
        self.peer, self.is_waiting, self.by, self.gone = peer, waiting, by, False
        door.enter(self)

    def leave(self):
        self.gone = True

    def overstays(self, now_s):
        return now_s > 5.0


def make_door(most=8, proxies=()):
    refused = []
    return Doorkeeper([TOKEN], proxies, refused.append, most=most), refused


def test_when_it_is_full_the_one_goes_that_has_waited_longest():
    door, _ = make_door()
    guests = [Guest(door, f"10.0.0.{k}") for k in range(8)]
    door.served(guests[0])
    late = Guest(door, "10.0.1.1")
    assert [guest.gone for guest in guests] == [False, True] + [False] * 6
    assert not late.gone
    assert len(door) == 8


def test_one_that_is_being_answered_goes_only_where_nobody_waits_and_it_has_no_valid_token():
    door, _ = make_door()
    busy = [Guest(door, f"10.0.0.{k}", waiting=False, by=GRID if k != 5 else None) for k in range(7)]
    waits = Guest(door, "10.0.1.1")
    Guest(door, "10.0.1.2", waiting=False, by=GRID)
    assert [guest.gone for guest in (*busy, waits)] == [False] * 7 + [True]
    Guest(door, "10.0.1.3", waiting=False, by=GRID)
    assert [guest.gone for guest in busy] == [k == 5 for k in range(7)]
    Guest(door, "10.0.1.4", waiting=False, by=GRID)
    assert sum(guest.gone for guest in busy) == 1, "whoever has a valid token is answered"


def busy(door, by, count):
    """Return so many guests of a token whose requests do not end."""
    return [Guest(door, f"10.0.2.{k}", waiting=False, by=by) for k in range(count)]


def test_no_token_but_an_authority_s_takes_all_the_room():
    door, _ = make_door(most=8)
    grid, ops, walls = busy(door, GRID, 2), busy(door, holder("ops", Role.OPERATOR), 2), busy(door, holder("walls"), 50)
    assert len(door) == 8
    assert [sum(guest.gone for guest in each) for each in (grid, ops, walls)] == [0, 0, 46]
    late = busy(door, holder("halls"), 1)
    assert [guest.gone for guest in (*late, *walls)].count(False) == 4, "who has fewer is let in"
    assert not late[0].gone
    assert not any(guest.gone for guest in busy(door, GRID, 12))
    assert len(door) == 14, "an authority is answered, whoever else has to go"


def test_out_of_file_descriptors_the_token_goes_back_that_has_the_most():
    door, _ = make_door(most=8)
    flood, other = busy(door, GRID, 12), busy(door, holder("other", Role.AUTHORITY), 3)
    door.make_room(9)
    assert [sum(guest.gone for guest in each) for each in (flood, other)] == [9, 0]


def test_whoever_reads_no_answer_is_sent_away(running, monkeypatch):
    """Metrics are asked for until no answer fits on its way any more, and then nothing is done but to wait."""
    monkeypatch.setattr(visitor, "ANSWER_S", 0.2)
    monkeypatch.setattr(Allowance, "take", lambda *_: True)
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 5000
    with ExitStack() as stack:
        guest = connect(running, stack)
        guest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        guest.settimeout(DEADLINE_S)
        guest.sendall(request)
        until(lambda: is_away(guest), "it is sent away")
    obeys(running)


def is_away(guest: socket.socket) -> bool:
    """Whether its other end is gone; what the kernel said of that may not have fitted on the full way, so that it is asked again."""
    try:
        return guest.send(b"x") == 0
    except ConnectionError:
        return True


def test_those_who_follow_take_the_room_of_nobody_and_nobody_takes_theirs():
    door, _ = make_door(most=8)
    following = [Guest(door, waiting=False, by=GRID) for _ in range(2)]
    assert [door.stay(guest, GRID) for guest in following] == [True, True]
    assert len(door) == 0
    others = [Guest(door, f"10.0.0.{k}") for k in range(8)]
    assert not any(guest.gone for guest in (*following, *others))
    door.make_room(99)
    assert not any(guest.gone for guest in following)
    assert not door.stay(Guest(door, waiting=False, by=GRID), GRID), "a quarter of all that fit"


def test_a_token_has_so_many_streams_and_each_that_ends_makes_room():
    door, _ = make_door(most=512)
    following = [Guest(door, by=GRID) for _ in range(FOLLOWERS_EACH)]
    assert all(door.stay(guest, GRID) for guest in following)
    late, other = Guest(door, by=GRID), Guest(door, by=GRID)
    assert not door.stay(late, GRID)
    assert door.stay(other, holder("ops", Role.OPERATOR))
    door.left(following[0])
    assert door.stay(late, GRID)


def followers(door, of, count):
    """Return so many guests of a token that wanted to follow, each with whether it may."""
    guests = [Guest(door, by=GRID) for _ in range(count)]
    return [(guest, door.stay(guest, of)) for guest in guests]


def test_viewers_leave_room_for_operators_and_both_for_the_authority():
    door, _ = make_door(most=512)
    walls, halls = followers(door, holder("walls"), 64), followers(door, holder("halls"), 40)
    assert [sum(may for _, may in each) for each in (walls, halls)] == [64, 40]
    assert sum(guest.gone for guest, _ in walls) == 8, "viewers have 96 places"
    ops = followers(door, holder("ops", Role.OPERATOR), 17)
    assert sum(may for _, may in ops) == 17, "the last of them takes a viewer's place"
    grid = followers(door, GRID, 17)
    assert sum(may for _, may in grid) == 17
    assert sum(guest.gone for guest, _ in walls) == 10
    assert not any(guest.gone for guest, _ in (*ops, *grid))


def test_whoever_has_fewer_streams_gets_a_place_of_who_has_the_most():
    door, _ = make_door(most=512)
    walls, halls = followers(door, holder("walls"), 64), followers(door, holder("halls"), 32)
    late = followers(door, holder("late"), 64)
    assert sum(may for _, may in late) == 32, "a third of what viewers may have"
    assert [guest.gone for guest, _ in walls] == [False] * 32 + [True] * 32, "the newest go"
    assert not any(guest.gone for guest, _ in halls)


def test_no_viewer_takes_a_place_of_an_operator():
    door, _ = make_door(most=512)
    ops = followers(door, holder("ops", Role.OPERATOR), 64)
    followers(door, holder("walls"), 32)
    assert sum(may for _, may in followers(door, holder("late"), 64)) == 16
    assert not any(guest.gone for guest, _ in ops)


def test_those_who_follow_go_when_they_take_too_long_and_at_the_end():
    door, _ = make_door(most=16)
    slow, other = Guest(door), Guest(door)
    assert door.stay(slow, GRID)
    door.sweep(5.1)
    assert slow.gone
    other = Guest(door)
    assert door.stay(other, GRID)
    door.close()
    assert other.gone


def test_one_peer_does_not_take_all_the_room():
    door, _ = make_door()
    other = Guest(door, "10.0.0.2")
    mine = [Guest(door) for _ in range(20)]
    assert not other.gone
    assert sum(not guest.gone for guest in mine) == 4


def test_a_proxy_that_is_trusted_may_hold_more():
    door, _ = make_door(proxies=["10.0.0.1"])
    mine = [Guest(door) for _ in range(20)]
    assert sum(not guest.gone for guest in mine) == 8


def test_whoever_dawdles_goes():
    door, _ = make_door()
    guest = Guest(door)
    door.sweep(5.0)
    assert not guest.gone
    door.sweep(5.1)
    assert guest.gone
    assert len(door) == 0


@pytest.mark.parametrize(
    ("address", "forwarded", "peer"),
    [
        ("10.0.0.9", b"", "10.0.0.9"),
        ("10.0.0.9", b"1.1.1.1, 2.2.2.2", "2.2.2.2"),
        ("10.0.0.8", b"1.1.1.1", "10.0.0.8"),
    ],
)
def test_only_a_proxy_that_is_trusted_names_whom_it_speaks_for(address, forwarded, peer):
    assert make_door(proxies=["10.0.0.9"])[0].peer_of(address, forwarded) == peer


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_nobody_asks_more_often_than_is_allowed(pauses_s):
    allowance, now_s, taken_s = Allowance(5.0, 2.0), 0.0, []
    for pause_s in pauses_s:
        now_s += pause_s
        spent = allowance.is_spent("a", now_s)
        assert allowance.take("a", now_s) is not spent
        taken_s += [] if spent else [now_s]
    for first, last in itertools.combinations(range(len(taken_s)), 2):
        assert last - first + 1 <= 5.0 + 2.0 * (taken_s[last] - taken_s[first]) + 1e-6
    assert allowance.take("b", now_s), "what one peer does costs no other"


def test_it_forgets_no_peer_that_it_still_needs():
    allowance = Allowance(1.0, 0.0)
    assert allowance.take("mine", 0.0)
    for k in range(4000):
        allowance.take(str(k), 0.0)
    assert allowance.is_spent("mine", 0.0)


@pytest.mark.parametrize(
    ("head", "passes"),
    [
        (b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n", True),
        (b"POST /api/v1/orders HTTP/1.1\r\nAUTHORIZATION:bearer  secret \r\n\r\n", True),
        (b"POST /api/v1/orders HTTP/1.1\r\nAuthorization: Bearer wrong\r\n\r\n", False),
        (b"POST /api/v1/orders HTTP/1.1\r\nAuthorization: Basic secret\r\n\r\n", False),
        (b"POST /api/v1/orders HTTP/1.1\r\nX-Authorization: Bearer secret\r\n\r\n", False),
        (b"GET /healthz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET /healthz/../api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"\xff\x00 nonsense\r\n\r\n", False),
    ],
)
def test_of_a_peer_that_is_barred_only_valid_tokens_and_probes_pass(head, passes):
    door, refused = make_door()
    assert door.passes(head) is passes
    assert bool(refused) is not passes


def test_at_most_half_of_what_may_be_open_is_for_connections():
    assert most_connections() <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2


def connect(running, stack, source="127.0.0.1"):
    host, port = running.url.removeprefix("http://").split(":")
    return stack.enter_context(socket.create_connection((host, int(port)), DEADLINE_S, source_address=(source, 0)))


def obeys(running):
    """Return how long the authority waits for the answer to a new order."""
    begun_s = time.monotonic()
    with running.client() as http:
        answer = http.post("/api/v1/orders", json=ORDER | {"id": f"cut-{time.monotonic_ns()}"})
    assert answer.status_code == 200, answer.text
    return time.monotonic() - begun_s


@pytest.mark.parametrize(
    "sent", [b"", b"GET /api/v1/sta", b"POST /api/v1/orders HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"]
)
def test_connections_that_say_nothing_or_half_keep_no_authority_out(running, sent):
    """As many as fit, and once more, from the authority's own address too."""
    with ExitStack() as stack:
        for k in range(600):
            guest = connect(running, stack, f"127.0.0.{1 + k % 2}")
            guest.sendall(sent)
        obeys(running)
        with httpx.Client(base_url=running.url, timeout=DEADLINE_S) as http:
            assert http.get("/healthz").status_code == 200


def test_requests_of_its_own_token_that_are_never_finished_keep_no_authority_waiting(running, monkeypatch):
    """Each would have a turn of the token for as long as it may, and the order has come before any of them is given up."""
    monkeypatch.setattr(turns, "LONG_S", 3600.0)
    half = b"POST /api/v1/orders HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer authority-secret\r\nContent-Length: 9\r\n\r\n{"
    with ExitStack() as stack:
        guests = [connect(running, stack) for _ in range(40)]
        for guest in guests:
            guest.sendall(half)
        obeys(running)
        assert select.select(guests, [], [], 0.0)[0] == []


def test_requests_of_a_viewer_that_are_never_finished_keep_no_authority_out(running, monkeypatch):
    """Without a bound they would take file descriptors without end, and with these the authority's way in."""
    monkeypatch.setattr("controller.api.heard.BODY_TIMEOUT_S", 3600.0)
    monkeypatch.setattr(visitor, "BODY_S", 3600.0)
    half = (
        b"POST /api/v1/orders HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer viewer-secret\r\nContent-Length: 9\r\n\r\n{"
    )
    with ExitStack() as stack:
        guests = [connect(running, stack, f"127.0.0.{1 + k % 3}") for k in range(most_connections())]
        for guest in guests:
            guest.sendall(half)
        for _ in range(20):
            # One that is not heard yet when the next one comes goes first, as if it said nothing.
            connect(running, stack).sendall(half)
            obeys(running)
        guests[0].setblocking(False)
        with pytest.raises(ConnectionResetError):
            guests[0].recv(1)


def test_an_authority_s_body_that_comes_too_slowly_is_answered_so(running, monkeypatch):
    monkeypatch.setattr("controller.api.heard.BODY_TIMEOUT_S", 0.1)
    head = b"POST /api/v1/orders HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer authority-secret\r\nContent-Length: 9\r\n\r\n{"
    with ExitStack() as stack:
        guest = connect(running, stack)
        guest.sendall(head)
        answer = b""
        while b"too_late" not in answer:
            answer += (more := guest.recv(4096))
            assert more, answer
    assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("sent", [b"", b"GET /api/v1/sta", b"GET /healthz HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
def test_whoever_does_not_finish_a_request_is_sent_away(running, monkeypatch, sent):
    monkeypatch.setattr(visitor, "HEAD_S", 0.2)
    monkeypatch.setattr(visitor, "BODY_S", 0.2)
    with ExitStack() as stack:
        guest = connect(running, stack)
        guest.sendall(sent)
        assert _is_closed(guest)


def _is_closed(guest):
    """Read until the other side closes, in whatever way; a time-out is none."""
    try:
        while guest.recv(4096):
            pass
    except ConnectionResetError:
        return True
    return True


def test_wrong_tokens_are_refused_ever_more_cheaply_and_a_valid_one_never(running):
    with running.client("wrong") as http:
        statuses = [http.get("/api/v1/status").status_code for _ in range(int(TRIES[0]) + 15)]
    assert set(statuses[: int(TRIES[0])]) == {401}
    assert statuses.count(429) >= 10
    obeys(running)
    assert running.world.refused.count("too_many_tries") == statuses.count(429)
    with httpx.Client(base_url=running.url, timeout=DEADLINE_S) as http:
        assert http.get("/healthz").status_code == 200


def test_a_barred_peer_s_valid_request_passes_in_pieces(running):
    with running.client("wrong") as http:
        for _ in range(int(TRIES[0]) + 2):
            last = http.get("/api/v1/status")
    assert last.json()["error"]["reason"] == "too_many_tries"
    assert last.headers["Retry-After"]
    request = (
        b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer viewer-secret\r\nConnection: close\r\n\r\n"
    )
    with ExitStack() as stack:
        guest = connect(running, stack)
        for k in range(0, len(request), 11):
            guest.sendall(request[k : k + 11])
        assert guest.recv(4096).startswith(b"HTTP/1.1 200")


def test_probes_have_an_allowance_of_their_own(running):
    with httpx.Client(base_url=running.url, timeout=DEADLINE_S) as http:
        statuses = [http.get("/healthz").status_code for _ in range(int(PROBINGS[0]))]
        assert set(statuses) == {200}


def test_who_asks_for_metrics_all_the_time_is_turned_away_and_still_hears_that_all_is_well():
    door, refused = make_door()
    asked = [door.may_ask("10.0.0.1", "/metrics", 0.01 * k) for k in range(1000)]
    assert sum(asked) <= SCRAPES[0] + 10.0 * SCRAPES[1]
    assert refused.count("too_many_tries") == asked.count(False)
    assert door.may_ask("10.0.0.1", "/healthz", 10.0)
    assert door.may_ask("10.0.0.2", "/metrics", 10.0)


def test_out_of_file_descriptors_those_that_wait_make_room(running):
    """The last of many clients is answered, though the server can take a few at once and the first ones say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    host, port = running.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        guests = [stack.enter_context(socket.socket()) for _ in range(8)]
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (guests[-1].fileno() + 4, hard))
        for guest in guests:
            guest.settimeout(DEADLINE_S)
            guest.connect((host, int(port)))
        guests[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert guests[-1].recv(4096).startswith(b"HTTP/1.1 200")


def test_a_405_names_what_is_allowed(running):
    with running.client() as http:
        refused = http.delete("/api/v1/orders")
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) <= {"GET", "POST"}
    assert refused.headers["Allow"]


def test_a_flood_of_nonsense_fills_no_log(running, caplog):
    def flood():
        with ExitStack() as stack:
            for _ in range(50):
                connect(running, stack).sendall(b"\x00\xff nonsense\r\n\r\n")

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    obeys(running)
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]
