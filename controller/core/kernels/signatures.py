"""The types that a kernel is compiled for, from its annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import numpy as np
from numba import from_dtype, types

_SCALARS: Final[dict[Any, Any]] = {
    bool: types.boolean,
    int: types.int64,
    float: types.float64,
    np.uint64: types.uint64,
    type(None): types.void,
}


def signature_of(function: Callable[..., Any]) -> Any:
    """Return numba's signature of a function all of whose parameters are annotated.

    A column is ``NDArray[kind]`` with one dimension, or ``Annotated[NDArray[kind], dimensions]``, and contiguous; a named
    tuple is a type of its own, whatever its fields are, and ``Annotated[tuple[Any, ...], Named]`` its fields without it.
    """
    hints = get_type_hints(function, include_extras=True)
    returned = _type_of(hints.pop("return"))
    return returned(*(_type_of(hint) for hint in hints.values()))


def _type_of(hint: Any) -> Any:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if get_origin(hint) is Annotated:
        column, more = get_args(hint)
        return _array(column, more) if isinstance(more, int) else _bare(more)
    if get_origin(hint) is tuple:
        return _tuple([_type_of(part) for part in get_args(hint)])
    if _is_named(hint):
        return _tuple([_type_of(field) for field in _fields(hint)], hint)
    return _array(hint, 1)


def _is_named(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple)


def _fields(named: Any) -> list[Any]:
    return list(get_type_hints(named, include_extras=True).values())


def _bare(named: Any) -> Any:
    return _tuple([_bare(field) if _is_named(field) else _type_of(field) for field in _fields(named)])


def _tuple(parts: list[Any], named: type[tuple[Any, ...]] | None = None) -> Any:
    return types.BaseTuple.from_types(parts, named)  # type: ignore[no-untyped-call]


def _array(hint: Any, dimensions: int) -> types.Array:
    (kind,) = get_args(get_args(hint)[1])
    return types.Array(from_dtype(np.dtype(kind)), dimensions, "C")
