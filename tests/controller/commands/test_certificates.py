"""`surplusd certificates`: what a person on site does with them, against a real server."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.cli import main
from drivers.meters.opcua.trust import thumbprint
from simulators.substation.opcua_server import Scada
from tests.drivers.meters.opcua.serving import Grid, endpoint, make

DEMO = Path(__file__).parents[3] / "configs/demo.yaml"
KEYS = "{certificate: keys/site.pem, private_key: keys/site-key.pem, trust: keys/trusted}"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    text = DEMO.read_text().replace("security: none  ", f"security: {KEYS}  ")
    assert KEYS in text
    (tmp_path / "site.yaml").write_text(text)
    return tmp_path / "site.yaml"


@contextmanager
def served(scada: Scada):
    """Serve in a thread of its own: the command has a loop for itself."""
    loop, started = asyncio.new_event_loop(), asyncio.Event()
    serving = loop.create_task(scada.run(Grid().read, 0.1, started))
    loop.run_until_complete(started.wait())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.wait([serving]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_made_shown_rotated_retired(site, capsys):
    assert main(["certificates", "make", str(site)]) == 0
    assert "made" in capsys.readouterr().out
    assert main(["certificates", "make", str(site)]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main(["certificates", "show", str(site)]) == 1
    assert "the trust list" in capsys.readouterr().out
    (site.parent / "keys/trusted").mkdir()
    assert main(["certificates", "rotate", str(site)]) == 0
    assert "site.old.pem serves where a server does not trust it yet" in capsys.readouterr().out
    assert main(["certificates", "show", str(site)]) == 0
    assert capsys.readouterr().out.count("own ") == 2
    assert main(["certificates", "rotate", str(site)]) == 1
    assert "first surplusd certificates retire" in capsys.readouterr().err
    assert main(["certificates", "retire", str(site)]) == 0
    assert "deleted" in capsys.readouterr().out


def the_site_of(site: Path, at: str, keys: str = KEYS) -> str:
    site.write_text(site.read_text().replace("opc.tcp://127.0.0.1:14840/", at).replace(KEYS, keys))
    return str(site)


@pytest.mark.parametrize("modes", [("SignAndEncrypt",), ("Sign",)])
@pytest.mark.parametrize(
    "kept", ["trust: keys/trusted", "server_certificate: keys/scada.der", "server_certificate: scada.pem"]
)
def test_the_first_use_needs_nothing_but_the_site_file(site, tmp_path, capsys, kept, modes):
    made, at = make(tmp_path, "server"), endpoint()
    keys = KEYS.replace("trust: keys/trusted", f"{kept}, mode: {modes[0]}")
    file = the_site_of(site, at, keys)
    with served(Scada(endpoint=at, certificate=made.path, private_key=made.key_path, modes=modes)):
        assert main(["certificates", "fetch", file]) == 1
        out = capsys.readouterr().out
        assert f"{thumbprint(made.certificate)}), valid until" in out
        assert "nothing is trusted yet" in out
        assert "surplusd certificates trust SITE.yaml THUMBPRINT" in out
        assert main(["certificates", "trust", file, thumbprint(made.certificate)]) == 0
        capsys.readouterr()
        assert main(["certificates", "fetch", file]) == 0
        assert "  trusted" in capsys.readouterr().out
        assert (main(["certificates", "trust", file, thumbprint(made.certificate)]) == 0) is ("keys/trusted" in kept)


def test_where_nothing_is_secured_there_is_nothing_to_fetch(site, capsys):
    site.write_text(site.read_text().replace(f"security: {KEYS}", "security: none"))
    assert main(["certificates", "fetch", str(site)]) == 1
    assert "found no opcua source with security" in capsys.readouterr().err


def test_a_server_is_trusted_by_the_thumbprint_that_its_owner_names(site, tmp_path, capsys):
    made, at = make(tmp_path, "scada"), endpoint()
    site.write_text(site.read_text().replace("opc.tcp://127.0.0.1:14840/", at))
    (site.parent / "keys/trusted").mkdir(parents=True)
    with served(Scada(endpoint=at, certificate=made.path, private_key=made.key_path)):
        assert main(["certificates", "fetch", str(site)]) == 1
        out = capsys.readouterr().out
        assert thumbprint(made.certificate) in out
        assert "is unknown" in out
        assert main(["certificates", "trust", str(site), "00" * 20]) == 1
        assert "found no server that presents 0000" in capsys.readouterr().err
        assert not list((site.parent / "keys/trusted").iterdir())
        spaced = thumbprint(made.certificate).lower()
        assert main(["certificates", "trust", str(site), f"{spaced[:8]}:{spaced[8:]}"]) == 0
        capsys.readouterr()
        assert main(["certificates", "fetch", str(site)]) == 0
        assert "trusted" in capsys.readouterr().out


def test_a_server_that_is_not_there_is_told(site, capsys):
    site.write_text(site.read_text().replace("opc.tcp://127.0.0.1:14840/", endpoint()))
    assert main(["certificates", "fetch", str(site)]) == 1
    assert "opc.tcp://127.0.0.1" in capsys.readouterr().out


def test_a_site_without_certificates_is_told(capsys):
    assert main(["certificates", "make", str(DEMO)]) == 1
    assert "found no opcua source with security" in capsys.readouterr().err
