"""OPC UA servers of another maker: node-opcua, in a process of its own."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.drivers.meters.opcua.serving import Made, make
from tests.ports import free_port

HERE = Path(__file__).parent / "node_opcua"
STATION = "nsu=urn:another:station"


@dataclass(frozen=True, kw_only=True)
class Another:
    """Two servers with the same nodes, and the certificate of both.

    `open`: everybody may read it, in every way. `narrow`: signed only, for users with a certificate alone, without
    subscriptions. `few`: as the open one, with room for one monitored item. `user`: who may log in.
    """

    open: str
    narrow: str
    few: str
    certificate: Made
    user: Made


@contextmanager
def another_maker(folder: Path) -> Iterator[Another]:
    """Run the servers; skips where node or its packages are missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (HERE / "node_modules").is_dir():
        pytest.skip("node-opcua is not installed: npm ci --prefix tests/drivers/meters/opcua/node_opcua")
    made, user = make(folder, "scada", uri="urn:another:server"), make(folder, "user", uri="urn:user")
    pem = folder / "scada.pem"
    pem.write_bytes(made.certificate.public_bytes(Encoding.PEM))
    ports = [free_port() for _ in range(3)]
    everything = {
        "policies": ["None", "Basic256Sha256"],
        "modes": ["None", "Sign", "SignAndEncrypt"],
        "anonymous": True,
    }
    narrow = {
        "policies": ["Basic256Sha256"],
        "modes": ["Sign"],
        "anonymous": False,
        "users": [base64.b64encode(user.path.read_bytes()).decode()],
        "subscriptions": 0,
    }
    kinds = (everything, narrow, everything | {"items": 1})
    wanted = {
        "folder": str(folder / "node"),
        "certificate": str(pem),
        "key": str(made.key_path),
        "applicationUri": "urn:another:server",
        "servers": [{"port": port, **kind} for port, kind in zip(ports, kinds, strict=True)],
    }
    with (
        (folder / "node.log").open("w") as log,
        subprocess.Popen(
            [node, str(HERE / "server.cjs"), json.dumps(wanted)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert any(line == b"ready\n" for line in process.stdout), (folder / "node.log").read_text()
            at = [f"opc.tcp://127.0.0.1:{port}/" for port in ports]
            yield Another(open=at[0], narrow=at[1], few=at[2], certificate=made, user=user)
        finally:
            process.stdin.close()
            process.wait(timeout=20)
