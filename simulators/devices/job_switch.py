"""Programs that take the jobs off simulated GPUs and give them back, as a site's own would: they say so on the simulated machine's port."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

#: Begins quickly, for each is a process of its own: nothing of the environment is imported.
_SAY: Final = (
    "import socket,sys; s=socket.create_connection(('127.0.0.1',int(sys.argv[1])),5); s.sendall(sys.argv[2].encode()+bytes.fromhex(sys.argv[3]));"
    "a=s.recv(16); sys.exit(not a.startswith((b'0',b'HTTP/1.1 204')))"
)


def job_programs(family: str, port: int, place: int) -> Mapping[str, list[str]]:
    """Return `drain` and `resume` of the jobs on the GPU at `place` of the machine that listens there."""
    return {verb: [sys.executable, "-I", "-S", "-c", _SAY, str(port), *_words(family, word, place)]
            for verb, word in (("drain", "no"), ("resume", "yes"))}  # fmt: skip


def _words(family: str, word: str, place: int) -> tuple[str, str]:
    """Return what is sent, and what ends it, in hexadecimal."""
    if family == "nvml":
        return f"jobs {word} {place}", b"\n".hex()
    return f"PUT /simulated/jobs/{word} HTTP/1.1", b"\r\n\r\n".hex()
