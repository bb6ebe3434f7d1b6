from collections.abc import Callable
from pathlib import Path

import pytest

from controller.site.load import load
from controller.site.model import SiteFile
from drivers.errors import ConfigError

SMALL = """\
version: 1
site: small
tick: 1 s
grid:
  contract: 100 kW
  firm: 10 kW
  failsafe: 40 kW
  ramp_up: 2 kW/s
  ramp_down: 6 MW/min
  emergency_ramp: 30 kW/s
nodes:
  - {id: pcc, house_load: 3 kW}
  - {id: hall, parent: pcc, limit: 60 kW, house_load: 2 kW}
  - {id: annex, parent: pcc}
  - {id: row, parent: hall, limit: 50 kW}
meters:
  - id: main
    node: pcc
    rating: 120 kW
    class: 0.5 %
    modbus: {host: 10.0.0.1, profile: schneider_pm5xxx}
  - id: hall-meter
    node: hall
    rating: 60 kW
    class: 1 %
    opcua: {endpoint: "opc.tcp://127.0.0.1:4840", node: ns=2;s=P, unit: kW, security: none}
surplus:
  model: headroom
  rating: 5 MW
  modbus: {host: 10.0.0.3, profile: profiles/own.yaml, sign: -1, ct_ratio: 200}
economics:
  tariff: 0.05 USD/kWh
  hashprice: 48 USD/PH/day
  gpu: {low: 0.10 USD/kWh, high: 900 USD/MWh}
fleet:
  lease: 20 s
  groups:
    - {id: s21, model: antminer-s21, count: 2, agent: a-two, node: row, failsafe: 2 kW}
    - {id: gpu, model: hgx-h100, count: 1, agent: a-one, node: annex, priority: high}
  devices:
    - {id: lone, model: antminer-s19-xp, agent: a-one, node: hall, failsafe: 1800 W}
orders:
  tokens:
    - {name: authority, role: authority, token_file: authority.token}
mqtt: {host: broker.example, tls: {ca: ca.crt, certificate: c.crt, private_key: c.key}}
"""


@pytest.fixture
def small() -> str:
    """The text of a small site that is sound."""
    return SMALL


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[[str], SiteFile]:
    """Loads a text as `site.yaml`, with a profile of its own beside it."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/own.yaml").write_text("id: own\n")

    def loaded(text: str) -> SiteFile:
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        return load(tmp_path / "site.yaml")

    return loaded


@pytest.fixture
def complaints(load_text: Callable[[str], SiteFile], tmp_path: Path) -> Callable[[str], list[str]]:
    """The complaints about a text, a line each, without the path of the file."""

    def lines(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(text)
        return [line.removeprefix(f"{tmp_path}/site.yaml:") for line in str(caught.value).splitlines()]

    return lines
