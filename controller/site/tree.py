"""The limit tree as the site file gives it: the way up from a node, and the mistakes in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from controller.site.model import NodeEntry
from controller.site.problems import Problem, one_of, repeated
from controller.site.unknown import UNKNOWN

#: Node id to the id of its parent, None at the root.
Parents = Mapping[str, str | None]


def nodes_by_id(nodes: Sequence[NodeEntry]) -> dict[str, NodeEntry]:
    """Return the nodes whose id is known; where an id stands twice, the first."""
    by_id: dict[str, NodeEntry] = {}
    for node in nodes:
        if node.id is not UNKNOWN:
            by_id.setdefault(node.id, node)
    return by_id


def all_named(nodes: Sequence[NodeEntry]) -> bool:
    """Return whether every id is known, so that a name that no node has is a mistake."""
    return nodes is not UNKNOWN and all(node.id is not UNKNOWN for node in nodes)


def parents_of(nodes: Sequence[NodeEntry]) -> dict[str, str | None]:
    """Return the parent of each node whose id is known."""
    return {name: node.parent for name, node in nodes_by_id(nodes).items()}


def way_up(start: str, parents: Parents) -> list[str]:
    """Return the nodes from `start` to the root; the way ends early at an unknown parent or where it meets itself."""
    way: dict[str, None] = {}
    step: str | None = start
    while step is not None and step in parents and step not in way:
        way[step] = None
        step = parents[step]
    return list(way)


def root_of(nodes: Sequence[NodeEntry]) -> str | None:
    """Return the node without a parent; None where there is not exactly one."""
    roots = [node.id for node in nodes if node.parent is None]
    return roots[0] if len(roots) == 1 and roots[0] is not UNKNOWN else None


def tree_problems(nodes: Sequence[NodeEntry]) -> Iterator[Problem]:
    """Report repeated ids, unknown parents, loops, and anything but one root."""
    yield from repeated((("nodes", index, "id"), node.id) for index, node in enumerate(nodes))
    yield from _parent_problems(nodes)
    yield from _root_problems(nodes)


def _parent_problems(nodes: Sequence[NodeEntry]) -> Iterator[Problem]:
    parents = parents_of(nodes)
    complete = all_named(nodes)
    seen: set[str] = set()
    for index, node in enumerate(nodes):
        if node.parent is None or node.parent is UNKNOWN or node.id is UNKNOWN:
            continue
        loc = ("nodes", index, "parent")
        if node.parent not in parents:
            if complete:
                yield Problem(loc=loc, allowed=f"one of the nodes {one_of(parents, node.parent)}")
            continue
        way = way_up(node.id, parents)
        if parents[way[-1]] == node.id and not seen & set(way):
            yield Problem(
                loc=loc, found=f"the loop {' → '.join([*way, node.id])}", allowed="a way up that ends at the root"
            )
            seen.update(way)


def _root_problems(nodes: Sequence[NodeEntry]) -> Iterator[Problem]:
    roots = [index for index, node in enumerate(nodes) if node.parent is None]
    if not nodes and nodes is not UNKNOWN:
        yield Problem(loc=("nodes",), found="no node", allowed="at least one, the site's connection to the grid")
    for index in roots[1:]:
        yield Problem(
            loc=("nodes", index, "id"),
            found=f"{nodes[index].id!r} without a parent, as {nodes[roots[0]].id!r} is already",
            allowed="exactly one node without a parent; all others name theirs",
        )
