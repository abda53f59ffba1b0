"""Tables with categories, read into a matrix of floats.

**What is read.** Frames of pandas, polars and pyarrow, and arrays. None of the libraries
is imported. A column of numbers holds its values, a column of categories their codes
0..K-1, in the order of the sorted categories. A cell is NaN where it is missing (None,
NaN, NA, NaT), and UNKNOWN where it holds a category that the reader has not seen.

**Which columns are categories.** By default those that their type says so of: categories,
strings, and objects among which is a string. Objects that are numbers, booleans or
missing are numbers. An array has no such types. A mask, positions or names say so of any
column.

**Equal categories.** Categories are compared by value, whatever the type of the column:
1, 1.0 and True are the same, "1" is another. Strings and numbers are kept; whatever else
(dates, intervals, tuples, bytes) goes by its text, so that a reader needs no library that
it was not made for. Categories of a type that no row has are not seen.

**Tables without categories** are left to scikit-learn as they are, but for columns and
arrays of objects, since it does not know NA and NaT among these.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Number
from typing import Any

import numpy as np
from scipy import sparse

from skgn.estimators.kinds import Column, frame_columns, is_missing, refuse_kinds
from skgn.typing import Array

#: The code of a category that the reader has not seen.
UNKNOWN = -1.0

#: Beginnings of the names of types of categories and strings, in lower case.
CATEGORIES = ("categor", "enum", "dictionary", "string", "large_string", "utf8")

#: Names of the types of float32 of numpy, pandas, polars and pyarrow, in lower case.
FLOAT32 = ("float32", "float", "float[pyarrow]")

#: Names of the types of missing cells that numpy does not turn into NaN.
MISSING = ("NAType", "NaTType", "datetime64", "timedelta64")

#: Most characters of an array of strings, all of which take the room of the longest.
MOST_CHARACTERS = 2**24

#: What is said of sparse X.
SPARSE = (
    "Sparse X takes no categories. Encode them, with OneHotEncoder for instance, or pass "
    "a dense X."
)


@dataclass(frozen=True, eq=False)
class Reader:
    """Which columns of a table are categories, and which categories there are.

    Attributes
    ----------
    categories : dict of int to ndarray of shape (K,)
        By the position of the column; sorted, missing not among them. Arrays of strings
        or of numbers, of objects where there are both.
    """

    categories: dict[int, Array]

    @property
    def counts(self) -> dict[int, int]:
        """How many categories there are, by the position of the column."""
        return {number: len(known) for number, known in self.categories.items()}

    @classmethod
    def of(
        cls, X: Any, categorical_features: Any, feature_names: Iterable[Any] | None = None
    ) -> "Reader":
        """Return the reader of tables such as `X`.

        Parameters
        ----------
        X : frame, array-like or sparse matrix of shape (m, n)
        categorical_features : None, "from_dtype", or array-like of bool, int or str
            No categories; those that the types say; a mask, positions or names.
        feature_names : iterable, optional
            Names of the columns, in place of those that a frame has.

        Raises
        ------
        TypeError
            If a column has dates, durations, categories that are not to be read as such,
            or cells that cannot be categories; the message names it.
        ValueError
            If `categorical_features` does not fit `X`.
        """
        refuse_kinds(X)
        columns = frame_columns(X)
        if columns is None and not _by_type_or_none(categorical_features):
            columns = _array_columns(X)
        if columns is None:
            return cls({})
        chosen = _chosen(columns, categorical_features, feature_names)
        if chosen and sparse.issparse(X):
            raise ValueError(SPARSE)
        for column in columns:
            if column.number not in chosen:
                _refuse_categories(column)
        return cls({number: _categories(columns[number]) for number in sorted(chosen)})

    @classmethod
    def merged(cls, readers: Sequence["Reader"]) -> "Reader":
        """Return the reader of the tables of several, which have the same columns."""
        return cls(
            {
                number: _in_order(
                    value for own in readers for value in own.categories[number].tolist()
                )
                for number in readers[0].categories
            }
        )

    def read(self, X: Any) -> Any:
        """Return a matrix of numbers and codes, or `X` where there is nothing to read.

        Parameters
        ----------
        X : frame, array-like or sparse matrix of shape (m, n)

        Returns
        -------
        read : ndarray of shape (m, n), or X
            float32 if there are columns of numbers, all of which are float32; else
            float64. Without categories, `X` for scikit-learn to validate.

        Raises
        ------
        TypeError
            If a column has dates, durations, or cells that are no numbers and cannot be
            categories; the message names it.
        ValueError
            If there are strings in a column that was one of numbers.
        """
        refuse_kinds(X)
        columns = frame_columns(X)
        if columns is None:
            if not self.categories:
                return _with_nan(X) if _is_object_array(X) else X
            if sparse.issparse(X):
                raise ValueError(SPARSE)
            columns = _array_columns(X)
        elif not self.categories and not any(map(may_hold_categories, columns)):
            return X
        if not columns:
            return X
        arrays = [self._read_column(column) for column in columns]
        numbers = [array for j, array in enumerate(arrays) if j not in self.categories]
        narrow = numbers and all(array.dtype == np.float32 for array in numbers)
        read = np.empty((len(arrays[0]), len(arrays)), np.float32 if narrow else float)
        for j, array in enumerate(arrays):
            read[:, j] = array
        return read

    def _read_column(self, column: Column) -> Array:
        """Return the codes or the numbers of a column."""
        if column.number in self.categories:
            return _codes(column, self.categories[column.number])
        return _numbers(column)


# Which columns are categories.


def _array_columns(X: Any) -> list[Column] | None:
    """Return the columns of an array or of lists; None if it has not two dimensions."""
    if sparse.issparse(X):
        return [Column(X, number, "sparse") for number in range(X.shape[1])]
    # numpy would turn the numbers of a list into strings if there is one string
    array = np.asarray(X, dtype=object if isinstance(X, list | tuple) else None)
    if array.ndim != 2:
        return None
    kind = str(array.dtype).lower()
    return [Column(array, number, kind) for number in range(array.shape[1])]


def _by_type_or_none(categorical_features: Any) -> bool:
    """Return whether it is left to the types of a frame, or to nothing."""
    if isinstance(categorical_features, str):
        return categorical_features == "from_dtype"
    return categorical_features is None


def _chosen(
    columns: list[Column], categorical_features: Any, feature_names: Iterable[Any] | None
) -> set[int]:
    """Return positions of the columns that are to be categories."""
    if categorical_features is None:
        return set()
    if _by_type_or_none(categorical_features):
        return {column.number for column in columns if _holds_categories(column)}
    if feature_names is None and columns and not _in_array(columns[0]):
        feature_names = [column.name for column in columns]
    return _stated(categorical_features, len(columns), feature_names)


def _stated(
    categorical_features: Any, n_features: int, feature_names: Iterable[Any] | None
) -> set[int]:
    """Return positions of the columns that a user says are categories.

    Checks and messages are those of scikit-learn's HistGradientBoostingClassifier.
    """
    features = np.asarray(categorical_features)
    if features.size == 0:
        return set()
    wrong = None
    if features.dtype.kind not in "ibUO":
        wrong = features.dtype.name
    elif features.dtype.kind == "O":
        types = set(map(type, features.flat))
        if types != {str}:
            wrong = ", ".join(sorted(t.__name__ for t in types))
    if wrong is not None:
        raise ValueError(
            "categorical_features must be an array-like of bool, int or "
            f"str, got: {wrong}."
        )
    if features.dtype.kind in "UO":
        return _named(features, feature_names)
    if features.dtype.kind == "i":
        if features.max() >= n_features or features.min() < 0:
            raise ValueError(
                "categorical_features set as integer "
                "indices must be in [0, n_features - 1]"
            )
        return set(features.ravel().tolist())
    if features.shape != (n_features,):
        raise ValueError(
            "categorical_features set as a boolean mask "
            f"must have shape (n_features,), got: {features.shape}"
        )
    return set(np.flatnonzero(features).tolist())


def _named(features: Any, feature_names: Iterable[Any] | None) -> set[int]:
    """Return positions of the columns of these names."""
    if feature_names is None:
        raise ValueError(
            "categorical_features should be passed as an array of "
            "integers or as a boolean mask when the model is fitted "
            "on data without feature names."
        )
    names = list(feature_names)
    for feature in features.flat:
        if feature not in names:
            raise ValueError(
                f"categorical_features has an item value '{feature}' "
                "which is not a valid feature name of the training "
                f"data. Observed feature names: {names}"
            )
    return {names.index(feature) for feature in features.flat}


def _in_array(column: Column) -> bool:
    """Return whether a column is that of an array, sparse or not, and has no name."""
    return isinstance(column.table, np.ndarray) or sparse.issparse(column.table)


def may_hold_categories(column: Column) -> bool:
    """Return whether the type of a column is that of categories, strings or objects."""
    return column.type in ("object", "str") or column.type.startswith(CATEGORIES)


def _holds_categories(column: Column) -> bool:
    """Return whether a column is of categories, or has strings that are no numbers."""
    if column.type == "object":
        return _has_strings(np.asarray(column.cells, dtype=object))
    if isinstance(column.table, np.ndarray) and column.table.dtype.kind in "US":
        return not _are_numbers(column.cells)
    return may_hold_categories(column)


def _has_strings(cells: Any) -> bool:
    """Return whether a string is in an array of objects."""
    return any(issubclass(cell, str) for cell in set(map(type, cells.flat)))


def _are_numbers(strings: Any) -> bool:
    """Return whether all strings of an array can be read as numbers."""
    try:
        strings.astype(float)
    except ValueError:
        return False
    return True


def _refuse_categories(column: Column) -> None:
    """Refuse a column of categories that is not to be read as such."""
    if _holds_categories(column):
        remedy = "Name it in categorical_features"
        if not _in_array(column):
            remedy = 'Use categorical_features="from_dtype", or name the column there'
        raise TypeError(
            f"{column.place} categories or strings, which are no numbers. {remedy}, or "
            "encode it, with OneHotEncoder for instance."
        )


# Categories and their codes.


def _categories(column: Column) -> Array:
    """Return the categories of a column, sorted."""
    values, _ = _distinct(column)
    return _in_order(_plain(value) for value in values if not is_missing(value))


def _in_order(values: Iterable[Any]) -> Array:
    """Return distinct categories, sorted."""
    plain = dict.fromkeys(values)
    ordered = sorted(plain, key=lambda value: (isinstance(value, str), value))
    strings = [value for value in ordered if isinstance(value, str)]
    if not strings or len(strings) == len(ordered):
        longest = max(map(len, strings), default=0)
        if longest * len(strings) <= MOST_CHARACTERS:
            array = np.array(ordered)
            if array.tolist() == ordered:  # numpy has them all as they are
                return array
    array = np.empty(len(ordered), dtype=object)
    array[:] = ordered
    return array


def _codes(column: Column, categories: Array) -> Array:
    """Return the code of each cell, NaN where it is missing."""
    known = {value: float(code) for code, value in enumerate(categories.tolist())}
    values, index = _distinct(column)
    codes = [
        np.nan if is_missing(value) else known.get(_plain(value), UNKNOWN)
        for value in values
    ]
    return np.array(codes, dtype=float)[index]


def _distinct(column: Column) -> tuple[list[Any], Any]:
    """Return the distinct cells of a column, and which of them each cell is."""
    objects = column.type == "object"
    if hasattr(column.table, "iloc") and not objects and may_hold_categories(column):
        values, index = _pandas_factors(column)
    else:
        values, index = _factors(column)
    if any(isinstance(value, complex | np.complexfloating) for value in values):
        raise TypeError(f"{column.place} complex numbers, which cannot be categories.")
    return values, index


def _factors(column: Column) -> tuple[list[Any], Any]:
    """Return the distinct cells and the position of each, by sorting or hashing them."""
    array = np.asarray(column.cells)
    if array.dtype.kind in "biuf":
        numbers, index = np.unique(array, return_inverse=True)
        return numbers.tolist(), index
    if array.dtype.kind in "mM":  # categories that are dates: as Python has them
        array = array.astype(f"{array.dtype.kind}8[us]")
    seen: dict[Any, int] = {}
    try:
        codes = [seen.setdefault(cell, len(seen)) for cell in array.tolist()]
    except TypeError as error:
        what = "cells that cannot be categories"
        raise TypeError(f"{column.place} {what}: {error}.") from error
    return list(seen), np.array(codes, dtype=np.intp)


def _pandas_factors(column: Column) -> tuple[list[Any], Any]:
    """Return the same of categories and strings of pandas, which keeps or finds them.

    Its position of a missing cell is -1, which is the last here.
    """
    if column.type != "category":
        index, strings = column.cells.factorize()
        return [*strings.tolist(), None], index
    index = np.asarray(column.cells.cat.codes)
    categories = column.cells.cat.categories.tolist()
    used = np.zeros(len(categories) + 1, dtype=bool)
    used[index] = True
    return [
        x if used[code] else None for code, x in enumerate([*categories, None])
    ], index


def _plain(value: Any) -> Any:
    """Return a category as a string or as a number of Python."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Number) else str(value)


# Numbers.


def _numbers(column: Column) -> Array:
    """Return the numbers of a column, NaN where one is missing."""
    dtype = np.float32 if column.type in FLOAT32 else np.float64
    cells = column.cells
    kind = getattr(cells, "dtype", None)
    if hasattr(kind, "na_value") and kind.kind in "biuf":  # pandas' own
        return cells.to_numpy(dtype=dtype, na_value=np.nan)
    array = np.asarray(cells)
    if array.dtype == object:
        return _objects_as_numbers(column, array).astype(dtype)
    if array.dtype.kind in "biuf":
        return array.astype(dtype)
    if array.dtype.kind in "US":
        if _are_numbers(array):
            return array.astype(dtype)
        raise ValueError(_strings(column))
    raise TypeError(f"{column.place} {array.dtype.name}, which are no numbers.")


def _objects_as_numbers(column: Column, cells: Any) -> Any:
    """Return an array of objects if all are numbers, with NaN where one is missing."""
    if _has_strings(cells):
        raise ValueError(_strings(column))
    cells = _with_nan(cells)
    for cell in set(map(type, cells)) - {type(None)}:
        number = issubclass(cell, Number | np.bool_)
        if not number or issubclass(cell, complex | np.complexfloating):
            raise TypeError(
                f"{column.place} cells of type {cell.__name__}, which are neither "
                "numbers nor strings."
            )
    return cells


def _strings(column: Column) -> str:
    """Return what is said of strings among numbers."""
    return f"{column.place} strings, but it was a column of numbers in fit."


def _is_object_array(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.dtype == object


def _with_nan(cells: Any) -> Any:
    """Return an array of objects, with NaN in place of cells that numpy knows not."""
    types = {cell for cell in set(map(type, cells.flat)) if cell.__name__ in MISSING}
    if not types:
        return cells
    missing = [type(cell) in types and is_missing(cell) for cell in cells.flat]
    cells = cells.copy()
    cells[np.reshape(missing, cells.shape)] = np.nan
    return cells
