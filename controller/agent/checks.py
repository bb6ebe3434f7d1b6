"""What the types of single values of an agent's file cannot say: references, and what a family and a model make of a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.agent.model import AgentDevice, AgentFile, RelayEntry
from controller.site.check_access import mqtt_problems
from controller.site.own_models import are_all_read, mistakes_of
from controller.site.problems import Loc, Problem, kw, path_text, repeated, unless_known, unless_one
from controller.site.unknown import UNKNOWN
from drivers.devices.families import ControlKind, Family, LoginKind
from drivers.fleet.catalogue import DeviceKind, Model
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
    yield from mistakes_of(file.models)
    placed = [(("devices", index), device) for index, device in enumerate(file.devices)]
    yield from repeated(((*loc, "id"), device.id) for loc, device in placed)
    yield from repeated((("relays", index, "id"), relay.id) for index, relay in enumerate(file.relays))
    for loc, device in placed:
        yield from _name_problems(loc, device, families.get(device.family))
        yield from unless_known((*loc, "model"), device.model, catalogue, "models", complete=are_all_read(file.models))
        family, model = families.get(device.family), catalogue.get(device.model)
        if family is not None:
            yield from _login_problems(loc, device, family)
            yield from _off_problems(loc, device, family)
            yield from _tls_problems(loc, device, family)
        if family is not None and model is not None:
            yield from _model_problems(loc, device, family, model)
        if model is not None:
            yield from _watts_problems(loc, device, model)
    yield from _address_problems(file, families)
    yield from _relay_problems(file)
    for index, relay in enumerate(file.relays):
        yield from _outlet_problems(("relays", index), relay, families)


def _name_problems(loc: Loc, device: AgentDevice, family: Family | None) -> Iterator[Problem]:
    """Report a device that is not named as its family names one."""
    if family is None:
        return
    if family.is_local:
        strange = {"host": device.host, "port": device.port, "serial": device.serial, "mac": device.mac}
        for name in (name for name, value in strange.items() if value is not None and value is not UNKNOWN):
            allowed = f"no {name}: {family.title} are of this machine, and named by `gpus`"
            yield Problem(loc=(*loc, name), allowed=allowed, at_key=True)
        if not device.gpus and device.gpus is not UNKNOWN:
            yield Problem(loc=loc, found="no gpus", allowed="the UUIDs that `nvidia-smi -L` lists", at_key=True)
        return
    yield from unless_one(loc, {"serial": device.serial, "mac": device.mac})
    if device.host is None:
        yield Problem(loc=loc, found="no host", allowed=f"the address at which {family.title} answers", at_key=True)
    if device.gpus and device.gpus is not UNKNOWN:
        yield Problem(loc=(*loc, "gpus"), allowed=f"no gpus: {family.title} has an address", at_key=True)


def _tls_problems(loc: Loc, device: AgentDevice, family: Family) -> Iterator[Problem]:
    """Report TLS of what has none, and a login that would go over an open connection without anybody's word."""
    if device.tls is UNKNOWN:
        return
    if not family.tls and device.tls is not None:
        yield Problem(loc=(*loc, "tls"), allowed=f"no tls: {family.title} has none", at_key=True)
    if family.tls and device.tls is None:
        allowed = "`tls` with its `ca`, or the `sha256` of its certificate, or `plain: true`"
        yield Problem(loc=loc, found="no tls", allowed=allowed, at_key=True)
    if family.tls and device.tls is not None:
        pins = {"ca": device.tls.ca, "sha256": device.tls.sha256}
        if device.tls.plain is None:
            yield from unless_one((*loc, "tls"), pins)
        elif any(pins.values()):
            yield Problem(loc=(*loc, "tls", "plain"), allowed="no `plain` beside what it is known by", at_key=True)


def _off_problems(loc: Loc, device: AgentDevice, family: Family) -> Iterator[Problem]:
    """Report jobs of what has none, and a fall back to off of what cannot be switched off."""
    has_gpus = family.kind is DeviceKind.GPU
    if device.jobs is not None and not has_gpus and device.jobs is not UNKNOWN:
        yield Problem(loc=(*loc, "jobs"), allowed=f"no jobs: {family.title} has none", at_key=True)
    if device.jobs is not None and device.jobs is not UNKNOWN:
        programs = {"drain": device.jobs.drain, "resume": device.jobs.resume, "stop": device.jobs.stop}
        for name in (name for name, program in programs.items() if program == ()):
            yield Problem(loc=(*loc, "jobs", name), found="nothing", allowed="a program and its arguments")
    if has_gpus and device.jobs is None and device.relay is None and device.failsafe == "off":
        allowed = "a failsafe of at least its lowest mode, or `jobs`, or a relay: a limit brings no GPU to rest"
        yield Problem(loc=loc, found="failsafe off", allowed=allowed, at_key=True)


def _login_problems(loc: Loc, device: AgentDevice, family: Family) -> Iterator[Problem]:
    if device.login is UNKNOWN:
        return
    if family.login is LoginKind.NONE and device.login is not None:
        yield Problem(loc=(*loc, "login"), allowed=f"no login: {family.title} has none", at_key=True)
    if family.login not in {LoginKind.NONE, LoginKind.OPTIONAL} and device.login is None:
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
        names |= {"gpus": device.gpus[0]} if device.gpus and device.gpus is not UNKNOWN else {}
        if (
            family is not None
            and not family.is_local
            and device.host is not None
            and UNKNOWN not in (device.host, device.port)
        ):
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


def _outlet_problems(loc: Loc, relay: RelayEntry, families: Mapping[str, Family]) -> Iterator[Problem]:
    """Report a relay that is none, is not known, or cannot open by itself although the file says so."""
    yield from unless_one(loc, {"modbus": relay.modbus, "outlet": relay.outlet})
    outlet, loc = relay.outlet, (*loc, "outlet")
    if outlet is None or outlet is UNKNOWN:
        return
    yield from unless_one(loc, {"serial": outlet.serial, "mac": outlet.mac})
    family = families.get(outlet.family)
    if family is None:
        return
    if family.kind is not DeviceKind.RELAY:
        switching = [name for name, one in families.items() if one.kind is DeviceKind.RELAY]
        yield Problem(loc=(*loc, "family"), allowed=f"a family that only switches: {', '.join(switching)}")
        return
    if family.login not in {LoginKind.NONE, LoginKind.OPTIONAL} and outlet.login is None:
        yield Problem(loc=loc, found="no login", allowed=f"a file with what {family.title} asks for", at_key=True)
    if not family.holds and outlet.hold_s is not None:
        yield Problem(loc=(*loc, "hold"), allowed=f"no hold: {family.title} does not open by itself", at_key=True)


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
        known = relay.id is not UNKNOWN and file.devices is not UNKNOWN
        if known and relay.id not in {name for _, name in used} and not any(d.relay is UNKNOWN for d in file.devices):
            yield Problem(loc=("relays", index, "id"), allowed="the relay of a device")
