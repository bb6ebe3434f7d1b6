"""``surplusd agent run``: the agent of a file, over the drivers of its devices, until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

from controller.agent.equipment import Equipment, equipment_of, found_file
from controller.agent.kept import KeptFile
from controller.agent.model import AgentFile
from controller.agent.owned import owned
from controller.daemon.logs import configure
from controller.daemon.secret import read_secret
from drivers import names
from drivers.devices.found import FoundSettings
from drivers.fleet.agent.agent import Agent, Connect
from drivers.fleet.agent.store import Store
from drivers.fleet.keys import CONTROLLER, load_private, load_public
from drivers.fleet.link import BrokerTls, MqttLink
from drivers.notify import Notifier


def run(path: Path, *, level: str = "INFO", json_logs: bool = False) -> int:
    """Run the agent of a file, or after a crash what ran, until SIGTERM or SIGINT; return the exit status.

    Raises ConfigError where the file, a key or a file of TLS cannot be used, or another process has its devices.
    """
    kept = KeptFile(path, os.environ)
    logs = configure(level, json=json_logs)
    try:
        file = kept.begin()
        with owned(file):
            equipment = equipment_of(file, FoundSettings(found_file(file)))
            agent = agent_of(file, equipment)
            with kept.until_an_orderly_end():
                names.run(_serve(agent, equipment))
    finally:
        logs.stop()
    return 0


def agent_of(file: AgentFile, equipment: Equipment) -> Agent:
    """Return the agent of a file, not running; raises ConfigError for a key or a file of TLS that cannot be used."""
    keys = file.mqtt.keys
    return Agent(
        site=file.site,
        agent=file.agent,
        devices=equipment.leased,
        ports=equipment.ports,
        connect=_connect(file),
        key=load_private(keys / f"{file.agent}.key"),
        controller_keys={CONTROLLER: load_public(keys / f"{CONTROLLER}.pub")},
        store=Store(file.state / f"{file.agent}.json"),
        settle_s=file.settle_s,
        report_s=file.report_s,
        notifier=Notifier(),
    )


def _connect(file: AgentFile) -> Connect:
    mqtt, tls = file.mqtt, file.mqtt.tls
    connect: Connect = partial(
        MqttLink,
        host=mqtt.host,
        port=mqtt.port,
        protocol=mqtt.protocol,
        tls=BrokerTls(ca=tls.ca, certificate=tls.certificate, private_key=tls.private_key) if tls else None,
        username=mqtt.username,
        password=read_secret(mqtt.password_file) if mqtt.password_file else None,
    )
    return connect


async def _serve(agent: Agent, equipment: Equipment) -> None:
    """Run the agent; a signal has it bring its devices to min(applied, failsafe) and end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    try:
        await agent.run()
    finally:
        await equipment.close()
