"""Columns of a table, and the kinds of them that are no numbers.

A table is a frame of pandas, polars or pyarrow. None of them is imported: a frame is
known by its attributes, a type by its name. Columns go by position, as names may repeat.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

#: Kinds of columns whose values are numbers to the machine alone: what they are, and what
#: can be done.
NOT_NUMBERS = {
    "date": ("dates", "Turn them into numbers, such as days since a first one"),
    "duration": ("durations", "Turn them into numbers, such as days"),
}

#: Kinds by the beginnings of the names of types, in lower case.
NAMES = {
    "duration": ("duration", "timedelta"),
    "date": ("date", "time", "period"),
}

#: Kinds by the types of cells.
CELLS = {
    "duration": (timedelta, np.timedelta64),
    "date": (date, np.datetime64),
}


@dataclass(frozen=True)
class Column:
    """A column of a frame or of an array.

    Attributes
    ----------
    table : frame or ndarray of shape (m, n)
    number : int
        Its position.
    type : str
        The name of its type, in lower case.
    name : object
        Its name; None in an array.
    """

    table: Any
    number: int
    type: str
    name: Any = None

    @property
    def cells(self) -> Any:
        """The column as its library has it."""
        if hasattr(self.table, "iloc"):
            return self.table.iloc[:, self.number]
        if not hasattr(self.table, "column_names"):  # polars, or an array
            return self.table[:, self.number]
        cells = self.table.column(self.number)
        if self.type.startswith("dictionary"):
            # numpy would get the first of the categories in place of missing cells
            return cells.cast(cells.type.value_type)
        return cells

    @property
    def place(self) -> str:
        """The beginning of a message about it."""
        name = self.number if self.name is None else self.name
        return f"X has, in its column {name!r},"


def frame_columns(X: Any) -> list[Column] | None:
    """Return the columns of a frame; None if `X` is no frame."""
    if hasattr(X, "dtypes") and hasattr(X, "columns"):  # pandas or polars
        names, types = X.columns, X.dtypes
    elif hasattr(X, "schema") and hasattr(X, "column_names"):  # pyarrow
        names, types = X.column_names, X.schema.types
    else:
        return None
    return [
        Column(X, number, str(dtype).lower(), name)
        for number, (name, dtype) in enumerate(zip(names, types, strict=True))
    ]


def is_missing(cell: Any) -> bool:
    """Return whether a cell is None, NaN, or the NA or NaT of pandas."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return bool(cell != cell)


def refuse_kinds(X: Any) -> None:
    """Refuse columns whose numbers are points in time or durations.

    Raises
    ------
    TypeError
        Naming the first such column, and what to do.
    """
    columns = frame_columns(X)
    if columns is not None:
        for column in columns:
            kind = _kind(column.type)
            if column.type == "object":
                kind = _kind_of_objects(np.asarray(column.cells, dtype=object))
            _refuse(kind, column.place)
    elif isinstance(X, np.ndarray):
        kind = _kind_of_objects(X) if X.dtype == object else _kind(str(X.dtype))
        _refuse(kind, "X holds")


def _refuse(kind: str | None, place: str) -> None:
    """Raise if a kind is not that of numbers or categories."""
    if kind is not None:
        what, remedy = NOT_NUMBERS[kind]
        raise TypeError(f"{place} {what}, which would be taken as numbers. {remedy}.")


def _kind(name: str) -> str | None:
    """Return the kind of a type of this name."""
    for kind, beginnings in NAMES.items():
        if name.startswith(beginnings):
            return kind
    return None


def _kind_of_objects(cells: Any) -> str | None:
    """Return "date" or "duration" if a cell of an array of objects is one."""
    types = set(map(type, cells.flat))
    for kind, bases in CELLS.items():
        if any(issubclass(cell, bases) for cell in types):
            for cell in cells.flat:
                if isinstance(cell, bases) and not is_missing(cell):
                    return kind
    return None
