"""Mistakes of a person who does not know yet what the meter speaks: the answer names the way, and says one thing once."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.cli import main
from tests.ports import free_port

HOST = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shelly_em_gen2", "--host", HOST], "shelly_em_gen2 is read over http: allowed is --host http://HOST"),
        (["evcc_mqtt", "--host", HOST], "evcc_mqtt is read over mqtt: allowed is --host mqtt://BROKER/TOPIC"),
        (["dlms_electricity", "--host", HOST], "dlms_electricity is read over dlms: allowed is --transport wrapper"),
        (["schneider_pm5xxx", "--host", f"http://{HOST}"], "read over modbus: allowed is --host HOST[:PORT]"),
        (["evcc", "--host", HOST, "--transport", "wrapper"], "evcc is read over http: allowed is --host http://HOST"),
    ],
)
def test_a_profile_of_another_way_is_told_by_its_way(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["meter", "test", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("scheme", ["http://127.0.0.1:{}", "mqtt://127.0.0.1:{}/shelly"])
def test_where_nobody_answers_a_probe_says_so_once(
    scheme: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    address = scheme.format(free_port())
    assert main(["meter", "probe", address, "--listen", "1 s"]) == 1
    out, err = capfd.readouterr()
    assert (out, err.count("refused") + err.count("Connect call failed")) == ("", 1)
    assert err.startswith(f"{address}: ")


def test_a_probe_does_not_put_another_unit_over_a_profile_that_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "test", "shelly_em_gen2", "--host", f"http://{HOST}", "--power-unit", "kW"]) == 1
    assert "it says W itself" in capsys.readouterr().err


def test_a_password_file_that_is_missing_is_told_with_what_it_has_to_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "gone"
    words = ["--username", "admin", "--password-file", str(missing)]
    assert main(["meter", "test", "shelly_em_gen2", "--host", f"http://{HOST}", *words]) == 1
    told = f"{missing}: No such file or directory; allowed is a file that holds one password, token or key alone"
    assert told in capsys.readouterr().err
