"""The page `json-meters.md` is true: its commands are typed, its lines are checked, its profile is read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from controller.cli import main
from drivers.errors import ConfigError
from drivers.meters.payloads import profiles
from drivers.meters.payloads.profiles import parse_payload
from simulators.substation.gateway import GatewayLogin
from tests.brokers import mosquitto_broker
from tests.controller.commands.gateways import TOPIC, gateway, over_http, over_mqtt
from tests.controller.commands.substation import Substation, site_file

TEXT = (Path(__file__).parents[3] / "docs/json-meters.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ surplusd (.*)$", TEXT, re.MULTILINE)
LINES = re.findall(r"`((?:http|mqtt): \{.*?\})`", TEXT)


def typed(command: str, address: str, folder: Path) -> int:
    """Run a command of the page against another address."""
    words = [address if "://" in word else word for word in shlex.split(command)]
    return main([str(folder / word) if word.endswith(".token") else word for word in words])


def test_the_commands_find_the_gateways_that_they_are_for(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelly, entity, listened = COMMANDS
    (tmp_path / "ha.token").write_text("s3cret\n")
    assert typed(shelly, over_http(substation, tmp_path, gateway("shelly_em_gen2"), {}).address, tmp_path) == 0
    login = GatewayLogin(way="bearer", secret="s3cret")
    assert (
        typed(entity, over_http(substation, tmp_path, gateway("home_assistant", login=login), {}).address, tmp_path)
        == 0
    )
    with (
        mosquitto_broker(tmp_path) as broker,
        over_mqtt(substation, tmp_path, gateway("shelly_3em_gen1_mqtt"), broker.port, {}) as way,
    ):
        assert typed(listened, way.address, tmp_path) == 0
    out = capsys.readouterr().out
    for profile in ("shelly_em_gen2", "home_assistant", "shelly_3em_gen1_mqtt"):
        assert f"profile: {profile}}}" in out
    assert f'topic: "{TOPIC}"' in out


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_taken_by_check(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = line.partition(": ")[2]
    site = site_file(tmp_path, {"main": mapping}, "{host: 127.0.0.1, profile: schneider_pm5xxx}")
    assert main(["check", str(site)]) == 0, capsys.readouterr()


def test_the_page_has_a_line_for_each_kind_of_gateway() -> None:
    assert len(LINES) == 9


def test_the_example_profile_is_a_profile() -> None:
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if block.startswith("id:"))
    profile = parse_payload(example, "page")
    assert profile.quantities == {"active_power_w", "frequency_hz", "energy_import_wh"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("ways: [http]", "ways: [ftp]", "page:7: profile.ways: found ['ftp'], allowed is a list of http, mqtt"),
        ("form: json ", "form: xml ", "profile.form: found 'xml'"),
        ("at: /f,", "at: /f~,", "frequency_hz.at: found '/f~'"),
        ("form: iso8601", "form: rfc", "stamp.form: found 'rfc', allowed is iso8601, iso8601_utc, unix_s, unix_ms"),
        ("unit: Hz", "unit: rpm", "frequency_hz.unit: found 'rpm', allowed is Hz, mHz"),
        ("active_power_w", "power", "the unknown key 'power'"),
        ("[/l1/p, /l2/p, /l3/p]", "[/l1/p, /l2/p, /l1/p]", "active_power_w.at: found ['/l1/p', '/l2/p', '/l1/p']"),
        (
            "form: iso8601}",
            "form: iso8601, of: change}",
            "stamp: found of: change, max_age inf, allowed is max_age beside",
        ),
        ("form: iso8601}", "form: iso8601, max_age: 5}", "stamp: found of: measurement, max_age 5, allowed is max_age"),
    ],
)
def test_a_mistake_in_a_profile_is_told_with_its_line(before: str, after: str, told: str) -> None:
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if block.startswith("id:"))
    with pytest.raises(ConfigError, match=r"page:\d+") as raised:
        parse_payload(example.replace(before, after), "page")
    assert told in str(raised.value)


def test_every_key_of_a_profile_is_explained() -> None:
    keys = {*profiles._PROFILE, *profiles._FIELD, *profiles._STAMP, "unit"}
    assert {key for key in keys if f"`{key}`" not in TEXT and f"\n{key}:" not in TEXT} == set()
