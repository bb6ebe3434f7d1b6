"""What a log line looks like, and that writing it holds nobody up."""

import io
import json
import logging
import os

import pytest

from controller.daemon import logs

log = logging.getLogger("surplusd.test")


@pytest.fixture
def lines():
    """Log with `lines(...)` and get the written lines back."""
    root = logging.getLogger()
    level = root.level

    def write(act, *, json=True, level="INFO"):
        stream = io.StringIO()
        running = logs.configure(level, json=json, stream=stream)
        try:
            act()
        finally:
            running.stop()
        return stream.getvalue().splitlines()

    yield write
    root.setLevel(level)


def test_a_json_line_has_its_fields(lines):
    def act():
        log.warning("meter %s is %s", "main", "lost", extra={"event": "meter_lost", "age_s": 3.5, "nan": float("nan")})

    (line,) = map(json.loads, lines(act))
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "warning", "logger": "surplusd.test", "message": "meter main is lost", "event": "meter_lost", "age_s": 3.5, "nan": None,
    }  # fmt: skip


def test_a_text_line_is_one_line(lines):
    (line,) = lines(lambda: log.info("order %s", "a\nFORGED\r", extra={"event": "x"}), json=False)
    assert line.endswith("INFO    surplusd.test: order a\\nFORGED\\r event=x")


def test_a_line_of_text_only_says_what_others_have_typed(lines):
    typed = "\x1b[2J\x1b]0;owned\x07\u202e\nFORGED"

    def act():
        try:
            int(typed)
        except ValueError:
            log.exception("order %s", typed, extra={"event": "x", "order": typed})

    written = lines(act, json=False)
    assert not [line for line in written if not line.isprintable()]
    assert "FORGED" not in [line[:6] for line in written]


@pytest.mark.parametrize("json_lines", [True, False])
def test_an_exception_is_told(lines, json_lines):
    def act():
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            log.exception("failed")

    text = "\n".join(lines(act, json=json_lines))
    assert "ZeroDivisionError" in text
    assert "Traceback" in text


@pytest.mark.parametrize("json_lines", [True, False])
def test_secrets_never_reach_a_log(lines, json_lines):
    def act():
        log.info("connect", extra={"bearer_token": "hunter2", "Password": "hunter2", "host": "here"})

    (line,) = lines(act, json=json_lines)
    assert "hunter2" not in line
    assert "here" in line


def test_levels_and_odd_values(lines):
    def act():
        log.debug("hidden")
        log.info("shown", extra={"path": logs, "numbers": (1, 2)})

    (line,) = map(json.loads, lines(act))
    assert line["numbers"] == [1, 2]
    with pytest.raises(ValueError):
        logs.configure("LOUD", json=True)
    assert not any(isinstance(handler, logs._Handler) for handler in logging.getLogger().handlers)


def test_arguments_are_taken_when_the_line_is_written(lines):
    def act():
        devices = ["a"]
        log.info("lost %s", devices)
        devices.append("b")

    (line,) = map(json.loads, lines(act))
    assert line["message"] == "lost ['a']"


def test_a_reader_that_sleeps_holds_nobody_up():
    read_fd, write_fd = os.pipe()
    level = logging.getLogger().level
    running = logs.configure("INFO", json=True, stream=os.fdopen(write_fd, "w"), max_waiting=100)
    for _ in range(5000):
        log.info("x" * 100)
    assert running.dropped > 0
    running.stop(timeout_s=0.05)
    text = b""
    while text.count(b"\n") < 5000 - running.dropped:
        text += os.read(read_fd, 65536)
    running._thread.join(0.05)
    if running._thread.is_alive():  # it gave up telling the writer to end, since its queue was full
        running.stop()
    assert not running._thread.is_alive()
    running._writer.stream.close()
    os.close(read_fd)
    logging.getLogger().setLevel(level)
