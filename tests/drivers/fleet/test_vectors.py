"""The vectors of the contract: what they say is what an agent by its rules, and the controller, do."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.keys import PrivateKey, PublicKey
from tests.drivers.fleet.small_agent import SmallAgent

FILE = json.loads(Path("docs/contract/vectors.json").read_text())
ABOUT = FILE["agent"]
DEVICES = msgspec.convert(ABOUT["devices"], list[wire.InventoryDevice])
CONTROLLER = PublicKey(bytes.fromhex(FILE["keys"]["controller"]))
AGENT = PublicKey(bytes.fromhex(FILE["keys"]["agent"]))


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"].replace(" ", "-")) for vector in vectors]


def fresh() -> SmallAgent:
    return SmallAgent(
        site=ABOUT["site"], agent=ABOUT["agent"], devices=DEVICES, boot=ABOUT["boot"], now_ms=ABOUT["started_ms"],
        settle_ms=ABOUT["settle_ms"],
    )  # fmt: skip


def state_of(agent: SmallAgent, now_ms: int) -> dict[str, Any]:
    end_ms = agent.end_ms if agent.end_ms > now_ms else None
    return {"setpoints_w": agent.granted, "lease_end_ms": end_ms, "lapsed": agent.lapsed}


@pytest.mark.parametrize("vector", named(FILE["for_agents"]))
def test_an_agent_by_the_rules_does_what_the_vector_says(vector: dict[str, Any]) -> None:
    agent = fresh()
    for step in vector["steps"]:
        accepted = None
        if step["payload"] is not None:
            assert wire.parse_topic(step["topic"], ABOUT["site"]) == (ABOUT["agent"], wire.Leaf.SET)
            payload = base64.b64decode(step["payload"])
            accepted = agent.arrive(payload, {"controller": CONTROLLER}, step["at_ms"], retained=step["retained"])
        agent.advance(step["at_ms"])
        agent.follow()
        assert accepted == step["accepted"], agent.refused
        assert state_of(agent, step["at_ms"]) == {key: step[key] for key in ("setpoints_w", "lease_end_ms", "lapsed")}


@pytest.mark.parametrize("vector", named(FILE["for_controllers"]))
def test_what_agents_say_is_taken_as_the_vector_says(vector: dict[str, Any]) -> None:
    agent, leaf = wire.parse_topic(vector["topic"], ABOUT["site"])
    payload, keys = base64.b64decode(vector["payload"]), {agent: AGENT}
    try:
        if leaf is wire.Leaf.REPORT:
            report = wire.open_report(payload, keys, site=ABOUT["site"], agent=agent)
            taken = report.inventory == ABOUT["inventory"]
        elif leaf is wire.Leaf.INVENTORY:
            taken = wire.open_inventory(payload, keys, site=ABOUT["site"], agent=agent).inventory == ABOUT["inventory"]
        else:
            taken = wire.open_status(payload, site=ABOUT["site"], agent=agent).state is wire.Presence.ONLINE
    except Refused:
        taken = False
    assert taken == vector["taken"]


def test_there_are_enough_of_both_kinds_and_every_rule_refuses_something() -> None:
    steps = [step for vector in FILE["for_agents"] for step in vector["steps"]]
    assert len(FILE["for_agents"]) + len(FILE["for_controllers"]) >= 30
    assert {step["rule"] for step in steps} == {None, 1, 2, 3, 4, 5, 6}
    assert {vector["taken"] for vector in FILE["for_controllers"]} == {True, False}
    assert len({vector["name"] for vector in FILE["for_agents"]}) == len(FILE["for_agents"])


def test_the_keys_belong_together() -> None:
    private = PrivateKey(bytes.fromhex(FILE["keys"]["agent_private"]))
    assert private.public_key() == AGENT
    assert wire.inventory_id(DEVICES) == ABOUT["inventory"]
