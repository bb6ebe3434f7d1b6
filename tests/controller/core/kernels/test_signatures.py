import numpy as np
import pytest
from numba import types

from controller.core.kernels.columns import I32, U8, U64, F64x2, F64x3, F64x4, I32x2, I64x2, PathsUp, U64x2, U64x3
from controller.core.kernels.signatures import signature_of
from controller.core.site import F64, I64, Bool


@pytest.mark.parametrize(
    ("column", "of", "dimensions"),
    [
        (F64, types.float64, 1),
        (I64, types.int64, 1),
        (Bool, types.boolean, 1),
        (I32, types.int32, 1),
        (U8, types.uint8, 1),
        (U64, types.uint64, 1),
        (F64x2, types.float64, 2),
        (F64x3, types.float64, 3),
        (F64x4, types.float64, 4),
        (I64x2, types.int64, 2),
        (I32x2, types.int32, 2),
        (U64x2, types.uint64, 2),
        (U64x3, types.uint64, 3),
    ],
)
def test_a_column_has_a_type_and_dimensions_and_is_contiguous(column, of, dimensions):
    def takes(column): ...

    takes.__annotations__ = {"column": column, "return": None}
    assert signature_of(takes) == types.void(types.Array(of, dimensions, "C"))


def test_single_values_and_tuples_have_types_too():
    def gives(count: int, watts: float, known: bool, item: np.uint64) -> tuple[float, int]: ...

    pair = types.Tuple((types.float64, types.int64))
    assert signature_of(gives) == pair(types.int64, types.float64, types.boolean, types.uint64)


def test_a_named_tuple_is_a_type_of_its_own():
    def takes(paths: PathsUp) -> int: ...

    (argument,) = signature_of(takes).args
    assert argument.instance_class is PathsUp
    assert argument.fields == ("parent", "node")
