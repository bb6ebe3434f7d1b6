"""What the types of single values of an agent's file cannot say: references, and what a family and a model make of a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.agent.model import AgentDevice, AgentFile
from controller.site.check_access import mqtt_problems
from controller.site.problems import Loc, Problem, kw, path_text, repeated, unless_known, unless_one
from controller.site.unknown import UNKNOWN
from drivers.devices.families import ControlKind, Family, LoginKind
from drivers.fleet.catalogue import Model
from drivers.fleet.keys import CONTROLLER


def agent_problems(
    file: AgentFile, families: Mapping[str, Family], catalogue: Mapping[str, Model]
) -> Iterator[Problem]:
    """Report everything that is wrong between the values of an agent's file."""
    if file.agent == CONTROLLER:
        yield Problem(loc=("agent",), allowed="another name: the controller's key has this one")
    if not file.devices and file.devices is not UNKNOWN:
        yield Problem(loc=("devices",), found="no device", allowed="at least one")
    yield from mqtt_problems(file.mqtt)
    placed = [(("devices", index), device) for index, device in enumerate(file.devices)]
    yield from repeated(((*loc, "id"), device.id) for loc, device in placed)
    yield from repeated((("relays", index, "id"), relay.id) for index, relay in enumerate(file.relays))
    for loc, device in placed:
        yield from unless_one(loc, {"serial": device.serial, "mac": device.mac})
        yield from unless_known((*loc, "model"), device.model, catalogue, "models", complete=file.models is not UNKNOWN)
        family, model = families.get(device.family), catalogue.get(device.model)
        if family is not None:
            yield from _login_problems(loc, device, family)
        if family is not None and model is not None:
            yield from _model_problems(loc, device, family, model)
        if model is not None:
            yield from _watts_problems(loc, device, model)
    yield from _address_problems(file, families)
    yield from _relay_problems(file)


def _login_problems(loc: Loc, device: AgentDevice, family: Family) -> Iterator[Problem]:
    if device.login is UNKNOWN:
        return
    if family.login is LoginKind.NONE and device.login is not None:
        yield Problem(loc=(*loc, "login"), allowed=f"no login: {family.title} has none", at_key=True)
    if family.login is not LoginKind.NONE and device.login is None:
        allowed = f"a file with the login that {family.title} asks for"
        yield Problem(loc=loc, found="no login", allowed=allowed, at_key=True)


def _model_problems(loc: Loc, device: AgentDevice, family: Family, model: Model) -> Iterator[Problem]:
    if family.kind is not model.kind:
        allowed = f"a model of the kind {family.kind.value}, which {family.title} drives"
        yield Problem(loc=(*loc, "model"), allowed=allowed)
    elif family.control is not ControlKind.WATTS and any(mode.continuous for mode in model.modes):
        yield Problem(loc=(*loc, "model"), allowed=f"a model with modes: {family.title} takes no watts between them")
    elif family.control is ControlKind.ON_OFF and len(model.modes) > 2:
        yield Problem(loc=(*loc, "model"), allowed=f"a model with one mode beside off: {family.title} only switches")
    if device.untuned is True and not family.untuned:
        yield Problem(loc=(*loc, "untuned"), allowed=f"no `untuned`: {family.title} tunes nothing", at_key=True)


def _watts_problems(loc: Loc, device: AgentDevice, model: Model) -> Iterator[Problem]:
    low, high = kw(model.off_w), kw(model.max_w)
    watts = device.failsafe
    if watts is not UNKNOWN and watts != "off" and not model.off_w <= float(watts) <= model.max_w:
        yield Problem(loc=(*loc, "failsafe"), allowed=f"off, or {low} to {high} for {model.id}")
    most_w = device.max_w
    if most_w is not None and most_w is not UNKNOWN and model.at_most(most_w) <= model.off_w:
        yield Problem(loc=(*loc, "max"), allowed=f"at least the lowest mode of {model.id}, and {high} at most")


def _address_problems(file: AgentFile, families: Mapping[str, Family]) -> Iterator[Problem]:
    """Report two devices at one address, and two of one name."""
    first: dict[object, Loc] = {}
    for index, device in enumerate(file.devices):
        family = families.get(device.family)
        names: dict[str, object] = {"serial": device.serial, "mac": device.mac}
        if family is not None and UNKNOWN not in (device.host, device.port):
            names["host"] = (device.host, device.port or family.port)
        for name, value in names.items():
            if value is None or value is UNKNOWN:
                continue
            loc: Loc = ("devices", index, name)
            before = first.setdefault((name, value), loc)
            if before != loc:
                yield Problem(loc=loc, found=f"{_written(value)}, as {path_text(before)}", allowed="a place of its own")


def _written(value: object) -> str:
    return f"{value[0]}:{value[1]}" if isinstance(value, tuple) else repr(value)


def _relay_problems(file: AgentFile) -> Iterator[Problem]:
    relays = [relay.id for relay in file.relays]
    complete = file.relays is not UNKNOWN and UNKNOWN not in relays
    used = [
        (("devices", index, "relay"), device.relay)
        for index, device in enumerate(file.devices)
        if device.relay is not None and device.relay is not UNKNOWN
    ]
    for loc, name in used:
        yield from unless_known(loc, name, relays, "relays", complete=complete)
    yield from repeated(used)
    for index, relay in enumerate(file.relays):
        kinds = {"modbus": relay.modbus, "shelly": relay.shelly, "tasmota": relay.tasmota}
        given = [name for name, part in kinds.items() if part is not None]
        if len(given) != 1 and UNKNOWN not in kinds.values():
            found = " and ".join(given) or "none of them"
            yield Problem(loc=("relays", index), found=found, allowed=f"exactly one of {', '.join(kinds)}", at_key=True)
        known = relay.id is not UNKNOWN and file.devices is not UNKNOWN
        if known and relay.id not in {name for _, name in used} and not any(d.relay is UNKNOWN for d in file.devices):
            yield Problem(loc=("relays", index, "id"), allowed="the relay of a device")
