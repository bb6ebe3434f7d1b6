"""What is generated from the facts of the families: the tables of the documentation."""

from __future__ import annotations

from drivers.devices.families import Family, load_families


def table() -> str:
    """Return what each family can do, and where that is known from, in Markdown."""
    head = ["family", "speaks", "control", "login", "down, up", "restarts", "a start", "names", "watts by", "dead-man"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(_row(family))} |" for family in load_families().values()]
    return "\n".join([*lines, *(line for family in load_families().values() for line in _sources(family))])


def _row(family: Family) -> list[str]:
    return [
        f"`{family.name}`: {family.title}",
        f"{family.transport}, port {family.port}",
        family.control.replace("_", " "),
        family.login.value,
        f"{family.down_s:g} s, {family.up_s:g} s",
        "yes" if family.restarts else "no",
        f"{family.boot_s:g} s, then {family.wakes.replace('_', ' ')}",
        family.read_back.value,
        family.measured_by.value,
        family.dead_man,
    ]


def _sources(family: Family) -> list[str]:
    return [
        "",
        f"Sources for `{family.name}`:",
        "",
        *(f"- {fact}: {source}" for fact, source in family.sources.items()),
    ]
