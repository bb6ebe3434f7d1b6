import numpy as np
import pytest

from controller.core.masks import every, some

COLUMNS = [[], [False], [True], [False, True], [True, True], [0.0, 0.5], [0.0, 0.0], [np.nan]]


@pytest.mark.parametrize("column", COLUMNS)
def test_they_answer_as_any_and_all_do(column):
    values = np.array(column, dtype=np.float64 if column and isinstance(column[0], float) else np.bool_)
    assert (some(values), every(values)) == (bool(values.any()), bool(values.all()))
