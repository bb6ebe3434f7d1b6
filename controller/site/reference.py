"""What is generated from the types of a kind of file: the schema for editors and the tables of the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from controller.site.problems import Loc, path_text
from controller.site.schema import allowed_at, schema_at


def schema_text(whole: Mapping[str, Any]) -> str:
    """Return the file for editors; `whole`: the schema."""
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def tables(whole: Mapping[str, Any]) -> str:
    """Return a table for each mapping of a file, in Markdown; mappings of the same shape share one. `whole`: its schema."""
    titles = dict[str, list[str]]()
    for loc in _mappings(whole, ()):
        titles.setdefault(_table(whole, loc), []).append(_title(loc))
    return "\n\n".join(f"### {', '.join(names)}\n\n{table}" for table, names in titles.items())


def _mappings(whole: Mapping[str, Any], loc: Loc) -> Iterator[Loc]:
    part = schema_at(whole, loc)
    if "items" in part:
        yield from _mappings(whole, (*loc, 0))
    if "properties" in part:
        yield loc
        for key in part["properties"]:
            yield from _mappings(whole, (*loc, key))


def _title(loc: Loc) -> str:
    return f"`{path_text(loc).replace('[0]', '[]')}`" if loc else "The file"


def _table(whole: Mapping[str, Any], loc: Loc) -> str:
    part = schema_at(whole, loc)
    rows = [_row(whole, (*loc, key), key in part.get("required", ())) for key in part["properties"]]
    return "\n".join(["| key | what it may be | default | meaning |", "|---|---|---|---|", *rows])


def _row(whole: Mapping[str, Any], loc: Loc, required: bool) -> str:
    part = schema_at(whole, loc)
    default = "**needed**" if required else f"`{part['default']}`" if "default" in part else "-"
    return f"| `{loc[-1]}` | {allowed_at(whole, loc)} | {default} | {part['description']} |"
