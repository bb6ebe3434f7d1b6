"""Every behaviour of the simulated SCADA can be asked for on the command line."""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from simulators.substation.opcua_server import Behaviour, Scada
from simulators.substation.scada_options import add_scada_options, scada_of

EVERY = (
    "--endpoint opc.tcp://127.0.0.1:1/ --certificate c.der --private-key k.pem --status BadSensorFailure --stamp-age 1 "
    "--utc-offset 2 --on-change --frozen --stuck --deadband 3 --overflow --waiting 4 --unit MW --stated-unit W --counts 10 "
    "--publishing 5 --sampling 6 --max-sessions 7 --max-items 8 --no-subscriptions BadServiceUnsupported "
    "--mute-subscriptions --sign-only --unit-name KW --unit-id 9 --clock 11 --namespace urn:a --namespace urn:b"
)


def parsed(words: str) -> Scada:
    parser = argparse.ArgumentParser()
    add_scada_options(parser)
    return scada_of(parser.parse_args(words.split()))


def test_by_default_it_behaves():
    scada = parsed("")
    assert scada.behaviour == Behaviour()
    assert (scada.unit, scada.stated_unit, scada.max_sessions, scada.namespaces_before) == ("kW", None, None, ())


def test_every_option_arrives():
    scada = parsed(EVERY)
    assert scada.behaviour == Behaviour(
        status="BadSensorFailure",
        frozen=True,
        stuck=True,
        stamp_age_s=1.0,
        utc_offset_s=2.0,
        on_change=True,
        deadband_w=3.0,
        overflow=True,
        waiting_s=4.0,
        clock_refresh_s=11.0,
    )
    assert all(getattr(scada.behaviour, each.name) != each.default for each in fields(Behaviour))
    assert (scada.certificate, scada.private_key) == (Path("c.der"), Path("k.pem"))
    assert (scada.unit, scada.stated_unit, scada.counts) == ("MW", "W", 10.0)
    assert (scada.fastest_publishing_s, scada.fastest_sampling_s, scada.max_sessions) == (5.0, 6.0, 7)
    assert (scada.unit_name, scada.unit_id, scada.max_items, scada.modes) == ("KW", 9, 8, ("Sign",))
    assert (scada.no_subscriptions, scada.mute_subscriptions) == ("BadServiceUnsupported", True)
    assert scada.users is None
    assert scada.namespaces_before == ("urn:a", "urn:b")


def test_the_certificates_of_users_are_read(tmp_path):
    (tmp_path / "user.der").write_bytes(b"0")
    assert parsed(f"--user {tmp_path / 'user.der'}").users == {b"0"}


def test_a_status_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit):
        parsed("--status Excellent")
    assert "Excellent" in capsys.readouterr().err


def test_a_process_of_meters_loads_no_opcua():
    """It knows these options too, and would take twice as long to start."""
    asks = (
        "import sys; from simulators.substation import __main__ as m; m._parser(); sys.exit('asyncua' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", asks], check=True, cwd=Path(__file__).parents[3])
