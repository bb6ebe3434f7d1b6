import numpy as np
import pytest

from controller.core.masks import either, every, some

COLUMNS = [[], [False], [True], [False, True], [True, True], [0.0, 0.5], [0.0, 0.0], [np.nan]]


@pytest.mark.parametrize("column", COLUMNS)
def test_they_answer_as_any_and_all_do(column):
    values = np.array(column, dtype=np.float64 if column and isinstance(column[0], float) else np.bool_)
    assert (some(values), every(values)) == (bool(values.any()), bool(values.all()))


@pytest.mark.parametrize(("which", "whole"), [([True] * 3, 0), ([False] * 3, 1), ([True, False, True], None)])
def test_of_two_columns_each_entry_is_that_which_was_said_and_where_it_is_the_same_of_all_the_column_itself(
    which, whole
):
    columns = np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0, -3.0])
    found = either(np.array(which), *columns)
    assert found.tolist() == np.where(which, *columns).tolist()
    assert [found is column for column in columns] == [whole == 0, whole == 1]
