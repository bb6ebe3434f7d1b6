"""Every small fault that a source file can get, by its syntax tree: one changed operator, number, condition or function."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_COMPARISONS: Final = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
_FUNCTIONS: Final = {
    "minimum": "maximum",
    "maximum": "minimum",
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "isinf": "isfinite",
    "isfinite": "isinf",
    "floor": "ceil",
    "zeros": "ones",
    "ones": "zeros",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A fault that a file can get: `path` from the project's root, the number of the node and of its change, the line.

    `name`: what it is called in a list. It says which function is changed, and how; so it stays the same whatever is edited
    elsewhere.
    """

    path: str
    node: int
    change: int
    line: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A file with one fault, as a whole source."""

    path: str
    line: int
    name: str
    source: str


def places(path: str, source: str) -> Iterator[Place]:
    """Yield every fault of a file, in the sequence of its lines.

    Texts, annotations, errors, and what only asks for an error (``zip(strict=True)``) are left alone.
    """
    seen = Counter[str]()
    for number, (scope, node) in enumerate(_nodes(ast.parse(source))):
        for change in range(_count(node)):
            name = f"{path}{scope}: {_described(node)} -> {_described(_mutated(copy.deepcopy(node), change))}"
            seen[name] += 1
            yield Place(
                path=path,
                node=number,
                change=change,
                line=getattr(node, "lineno", 0),
                name=name if seen[name] == 1 else f"{name} #{seen[name]}",
            )


def mutant(place: Place, source: str) -> Mutant:
    """Return the file with that fault."""
    tree = ast.parse(source)
    target = next(node for number, (_, node) in enumerate(_nodes(tree)) if number == place.node)
    # The change is made in a copy: the place of the old node must still be found.
    changed = _Swap(target, _mutated(copy.deepcopy(target), place.change)).visit(tree)
    return Mutant(path=place.path, line=place.line, name=place.name, source=ast.unparse(changed))


class _Swap(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def _described(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.IfExp):
        return f"if {ast.unparse(node.test)}"
    return ast.unparse(node)


def _nodes(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the nodes that may be mutated, each after the classes and functions that it is in, always in the same sequence."""
    for field, value in ast.iter_fields(tree):
        if field in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_let_alone(child):
                continue
            if _count(child):
                yield scope, child
            named = isinstance(child, ast.ClassDef | ast.FunctionDef)
            yield from _nodes(child, f"{scope} {child.name}" if named else scope)


def _is_let_alone(node: ast.AST) -> bool:
    strict = isinstance(node, ast.keyword) and node.arg == "strict"
    return strict or _is_text(node) or isinstance(node, ast.Assert | ast.Raise)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _count(node: ast.AST) -> int:
    """Return in how many ways a node may be mutated."""
    match node:
        case ast.If() | ast.IfExp():
            return 2
        case ast.BinOp() if _of_types(node) or _worded(node.left):
            return 0
        case ast.Compare(ops=[op]):
            return int(type(op) in _COMPARISONS)
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            return int(type(op) in _ARITHMETIC)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return int(name in _FUNCTIONS)
    removable = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub)
    number = isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float)
    return int(removable or number or isinstance(node, ast.BoolOp))


def _worded(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _of_types(node: ast.BinOp) -> bool:
    """Return whether this is ``A | B`` of types, which nothing ever computes."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    return isinstance(node.op, ast.BitOr) and bool(names) and all(name.id[:1].isupper() for name in names)


def _mutated(node: ast.AST, change: int) -> ast.AST:
    """Return what stands in the node's place after its change of that number."""
    match node:
        case ast.Compare(ops=[op]):
            node.ops = [_COMPARISONS[type(op)]()]
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            node.op = _ARITHMETIC[type(op)]()
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.UnaryOp(operand=operand):
            return operand
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=value):
            node.value = value + 1 if isinstance(value, int) else value * 2.0 + 1.0
        case ast.Call(func=ast.Attribute() as function):
            function.attr = _FUNCTIONS[function.attr]
        case ast.Call(func=ast.Name() as function):
            function.id = _FUNCTIONS[function.id]
        case ast.If() | ast.IfExp():
            node.test = ast.Constant(value=bool(change))
    return node
