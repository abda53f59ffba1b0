"""Kinds of columns: which can be taken as numbers."""

from datetime import date, timedelta
from typing import Any

import numpy as np

#: Kinds of columns whose values are numbers to the machine alone: what they are, and what
#: can be done.
NOT_NUMBERS = {
    "category": ("categories", "Encode them, with OneHotEncoder for instance"),
    "date": ("dates", "Turn them into numbers, such as days since a first one"),
    "duration": ("durations", "Turn them into numbers, such as days"),
}

#: Kinds by the beginnings of the names of types, in lower case.
NAMES = {
    "category": ("category", "categorical", "enum", "dictionary"),
    "duration": ("duration", "timedelta"),
    "date": ("date", "time", "period"),
}


def refuse_kinds(X: Any) -> None:
    """Refuse columns whose numbers are names, points in time or durations.

    Raises
    ------
    TypeError
        Naming the first such column, and what to do.
    """
    for name, kind in _columns(X):
        if kind is not None:
            what, remedy = NOT_NUMBERS[kind]
            place = "X holds" if name is None else f"X has, in its column {name!r},"
            raise TypeError(f"{place} {what}, which would be taken as numbers. {remedy}.")


def _columns(X: Any) -> list[tuple[Any, str | None]]:
    """Return names and kinds of the columns; one without a name for an array."""
    types = getattr(X, "dtypes", None)
    if types is not None and hasattr(X, "columns"):  # pandas or polars
        kinds = zip(X.columns, types, strict=True)
        return [(name, _kind(dtype, X, name)) for name, dtype in kinds]
    schema = getattr(X, "schema", None)
    if schema is not None and hasattr(X, "column_names"):  # pyarrow
        return list(zip(X.column_names, map(_kind, schema.types), strict=True))
    if isinstance(X, np.ndarray):
        return [(None, _kind(X.dtype) or _kind_of_objects(X))]
    return []


def _kind(dtype: Any, frame: Any = None, name: Any = None) -> str | None:
    """Return the kind of a type, by the cells where it is that of any object."""
    text = str(dtype).lower()
    for kind, beginnings in NAMES.items():
        if text.startswith(beginnings):
            return kind
    if text == "object" and frame is not None:
        return _kind_of_objects(np.asarray(frame[name], dtype=object))
    return None


def _kind_of_objects(cells: Any) -> str | None:
    """Return "date" or "duration" if a cell of an array of objects is one."""
    if cells.dtype != object:
        return None
    for cell in cells.flat:
        if isinstance(cell, date | np.datetime64):
            return "date"
        if isinstance(cell, timedelta | np.timedelta64):
            return "duration"
    return None
