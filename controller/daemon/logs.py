"""Structured logs: one JSON object a line, or text for people; written by a thread of their own.

Fields come with a record's ``extra``. A log line never waits for the reader of the stream: where too many wait, lines
are dropped and counted.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading
from logging.handlers import QueueHandler
from typing import Final, TextIO

import msgspec

from controller.daemon.utc import written
from controller.terminal.escaped import escaped

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_SECRET: Final = ("token", "password", "secret", "authorization", "private_key")


class JsonFormatter(logging.Formatter):
    """One JSON object: at, level, logger, message, the record's extra fields, and the exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        line: dict[str, object] = {
            "at": written(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= fields(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextFormatter(logging.Formatter):
    """``time level logger: message field=value``; that is one line, and only says something, whatever others have typed in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the exception where there is one."""
        extra = "".join(f" {name}={value!s}" for name, value in fields(record).items())
        line = f"{written(record.created)} {record.levelname:7} {record.name}: {escaped(record.getMessage() + extra)}"
        return (
            line
            if not record.exc_info
            else "\n".join([line, *map(escaped, self.formatException(record.exc_info).split("\n"))])
        )


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the extra fields of a record, without what a field's name calls a secret."""
    return {
        name: "***" if any(word in name.lower() for word in _SECRET) else value
        for name, value in vars(record).items()
        if name not in _STANDARD
    }


class _Handler(QueueHandler):
    """Hands records to the writing thread and never waits."""

    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # The arguments may change before the other thread looks at them.
        record.msg, record.args = record.getMessage(), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class Logs:
    """The running log."""

    def __init__(self, waiting: queue.Queue[logging.LogRecord | None], writer: logging.Handler, level: str) -> None:
        """See `configure`."""
        self._waiting = waiting
        self._former_level = logging.getLogger().level
        logging.getLogger().setLevel(level)
        self._writer = writer
        self._handler = _Handler(waiting)
        self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
        self._thread.start()
        logging.getLogger().addHandler(self._handler)

    @property
    def dropped(self) -> int:
        """Lines lost because their reader was too slow."""
        return self._handler.dropped

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what waits, unless the reader sleeps for longer than `timeout_s`, and end the log."""
        logging.getLogger().removeHandler(self._handler)
        logging.getLogger().setLevel(self._former_level)
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=timeout_s)
        self._thread.join(timeout_s)

    def _write(self) -> None:
        while (record := self._waiting.get()) is not None:
            self._writer.handle(record)


def configure(level: str = "INFO", *, json: bool, stream: TextIO | None = None, max_waiting: int = 10_000) -> Logs:
    """Send all logs of `level` and above to `stream`, by default standard error; ValueError for an unknown level."""
    writer = logging.StreamHandler(stream or sys.stderr)
    writer.setFormatter(JsonFormatter() if json else TextFormatter())
    return Logs(queue.Queue(max_waiting), writer, level.upper())
