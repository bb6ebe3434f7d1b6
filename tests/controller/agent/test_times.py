"""What an agent says of its devices' models and times, and what the controller says of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from controller.agent.equipment import equipment_of
from controller.agent.load import load_agent
from controller.core.reasons import Code
from controller.daemon.fleet.inventories import hold_against
from controller.site.compile import compile_site
from controller.site.devices import models_by_device
from controller.site.load import load
from drivers.devices.families import load_families
from drivers.devices.found import FoundSettings
from drivers.fleet.agent.inventory import inventory_of
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Echo, Inventory, InventoryDevice, inventory_id
from tests.controller.site.conftest import SMALL as SITE
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN

GROUPS = SITE[SITE.index("  groups:") : SITE.index("orders:")]
DEVICE = "    - {{id: one, model: {model}, agent: hall-a, node: row, failsafe: off}}\n"


@pytest.fixture
def agent(tmp_path: Path) -> Callable[[str, str], list[InventoryDevice]]:
    """Returns the devices of an agent with one device of that family and model, as its inventory says them."""

    def said(family: str, model: str) -> list[InventoryDevice]:
        login = "" if family == "luxos" else ", login: none.login"
        (tmp_path / "agent.yaml").write_text(
            "version: 1\nsite: small\nagent: hall-a\nmqtt: {host: 127.0.0.1, tls: none}\nmodels: own.yaml\ndevices:\n"
            f"  - {{id: one, family: {family}, host: 10.0.0.1, serial: S1, model: {model}{login}}}\n"
        )
        file = load_agent(tmp_path / "agent.yaml")
        return inventory_of(equipment_of(file, FoundSettings(tmp_path / "found.json")).leased)

    (tmp_path / "own.yaml").write_text(EXAMPLE)
    return said


def differences(folder: Path, model: str, devices: list[InventoryDevice]) -> dict[str, tuple[str, str]]:
    """Return the facts in which a site with that device and an agent's inventory differ: found, allowed."""
    (folder / "profiles").mkdir()
    (folder / "profiles/own.yaml").write_text("id: own\n")
    path = folder / "site.yaml"
    text = SITE.replace(GROUPS, "  devices:\n" + DEVICE.format(model=model))
    path.write_text(text.replace("orders:\n", "models: of-the-site.yaml\norders:\n"))
    file = load(path)
    site = compile_site(file)
    models = models_by_device(file.fleet)
    inventory = Inventory(
        v=2, site="small", agent="hall-a", key="hall-a", echo=Echo(boot="b", boottime_ms=1),
        inventory=inventory_id(devices), devices=devices,
    )  # fmt: skip
    held = hold_against(site, [models[id_] for id_ in site.devices.ids], np.arange(1), inventory)
    assert {reason.code for reason in held.differences} <= {Code.DEVICES_DIFFER}
    return {
        str(reason.parameters["fact"]): (str(reason.parameters["found"]), str(reason.parameters["allowed"]))
        for reason in held.differences
    }


Agent = Callable[[str, str], list[InventoryDevice]]


def test_where_both_have_the_same_file_of_models_nothing_differs(tmp_path: Path, agent: Agent) -> None:
    (tmp_path / "of-the-site.yaml").write_text(EXAMPLE)
    assert differences(tmp_path, OWN, agent("luxos", OWN)) == {}


def test_where_the_files_of_models_differ_the_controller_says_in_what(tmp_path: Path, agent: Agent) -> None:
    (tmp_path / "of-the-site.yaml").write_text(
        EXAMPLE.replace("down: 6 s", "down: 7 s").replace("watts: 2192", "watts: 2100")
    )
    assert differences(tmp_path, OWN, agent("luxos", OWN)) == {
        "down_ms": ("6000", "7000"),
        "max_w": ("2192", "2100"),
        "ranges": ("1080 1657 2192", "1080 1657 2100"),
    }


def test_the_larger_time_of_model_and_family_is_the_device_s_and_a_site_that_counts_less_is_told(
    tmp_path: Path, agent: Agent
) -> None:
    model, family = load_catalogue()["antminer-s21-pro"], load_families()["antminer-stock"]
    assert model.down_s < family.down_s
    assert model.up_s < family.up_s
    (one,) = devices = agent("antminer-stock", model.id)
    assert (one.down_ms, one.up_ms) == (1000 * family.down_s, 1000 * family.up_s)
    (tmp_path / "of-the-site.yaml").write_text(EXAMPLE)
    assert differences(tmp_path, model.id, devices) == {"down_ms": ("20000", "5000"), "up_ms": ("300000", "10000")}


def test_a_model_that_is_slower_than_its_family_keeps_its_times(agent: Agent) -> None:
    (one,) = agent("luxos", OWN)
    assert load_families()["luxos"].down_s < 6.0
    assert (one.down_ms, one.up_ms) == (6000, 14_000)
