"""The record of a fit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skgn.training.history import COLUMNS, History, line


def test_columns_of_equal_length():
    """One float64 entry per row in every column; what is not given has a blank."""
    history = History()
    history.append(objective=2.0, cost=1.0)
    history.append(objective=1.0, damping=0.5, step_length=3.0)
    table = history.to_dict()
    assert set(table) == {name for name, *_ in COLUMNS}
    assert {column.dtype.name for column in table.values()} == {"float64"}
    assert_array_equal(table["objective"], [2, 1])
    assert_array_equal(table["cost"], [1, np.nan])
    assert_array_equal(table["step_length"], [0, 3])


def test_unknown_column():
    """A misspelt column is an error."""
    with pytest.raises(TypeError, match="objectve"):
        History().append(objectve=1.0)


def test_lines_are_aligned():
    """Headings come with the first line, and every line has the same width."""
    history = History()
    lines = []
    for number, value in enumerate((1.0, 1e-12, 1e12)):
        history.append(objective=value, cost=value, gain_ratio=0.5)
        lines += line(history.last, number, first=number == 0).split("\n")
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert "Objective" in lines[0] and "Validation" in lines[0]
    assert lines[1].split()[0] == "0" and lines[3].split()[0] == "2"
