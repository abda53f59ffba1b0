"""Tables with categories, read into a matrix of codes and numbers."""

import pickle
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import OrdinalEncoder

from skgn.estimators import tables
from skgn.estimators.tables import UNKNOWN, Reader

NAN = np.nan
WORDS = ["b", None, "a", "c", "a"]
CODES = [1, NAN, 0, 2, 0]

#: Types of pandas that are categories, and how WORDS are made to be of them.
STRINGS = ["category", "object", "str", "string", "string[python]"]


def same(read, expected):
    """Check values, NaN where it is due, and that they are floats of an array."""
    assert type(read) is np.ndarray
    assert read.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(read, np.asarray(expected, dtype=float))


def column(values):
    return np.reshape(np.asarray(values, dtype=float), (-1, 1))


def objects(*columns):
    """Return an array of objects with these columns."""
    X = np.empty((len(columns[0]), len(columns)), dtype=object)
    for j, cells in enumerate(columns):
        for i, cell in enumerate(cells):
            X[i, j] = cell
    return X


def frame(pandas, **columns):
    """Return a frame in which lists are columns of objects."""
    return pandas.DataFrame(
        {
            name: pandas.Series(cells, dtype=object) if type(cells) is list else cells
            for name, cells in columns.items()
        }
    )


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


@pytest.fixture
def polars():
    return pytest.importorskip("polars")


@pytest.fixture
def pyarrow():
    return pytest.importorskip("pyarrow")


# Types of pandas.


@pytest.mark.parametrize("dtype", STRINGS)
def test_strings_and_categories(pandas, dtype):
    """They have codes in the order of the sorted categories."""
    cells = pandas.Series(WORDS, dtype=object).astype(dtype)
    if dtype == "str":  # before version 3, that of pandas was str()
        cells = cells.where(cells != "None")
    X = pandas.DataFrame({"n": [1.5, 2, 3, 4, NAN], "c": cells})
    reader = Reader.of(X, "from_dtype")
    assert list(reader.categories) == [1]
    assert reader.categories[1].dtype.kind == "U"
    assert reader.categories[1].tolist() == ["a", "b", "c"]
    same(reader.read(X), np.column_stack([[1.5, 2, 3, 4, NAN], CODES]))


@pytest.mark.parametrize("name", ["string", "large_string", "dictionary"])
def test_strings_of_pyarrow_in_pandas(pandas, pyarrow, name):
    kinds = {
        "string": pyarrow.string(),
        "large_string": pyarrow.large_string(),
        "dictionary": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
    }
    X = pandas.DataFrame(
        {"c": pandas.Series(WORDS, dtype=pandas.ArrowDtype(kinds[name]))}
    )
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].tolist() == ["a", "b", "c"]
    same(reader.read(X), column(CODES))


@pytest.mark.parametrize("numbers", [[3, 1, 3, None], [2.5, -1.0, 2.5, NAN]])
def test_categories_that_are_numbers(pandas, numbers):
    X = pandas.DataFrame({"c": pandas.Categorical(numbers)})
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].dtype.kind in "if"
    assert reader.categories[0].tolist() == sorted(numbers[:2])
    same(reader.read(X), column([1, 0, 1, NAN]))


def test_categories_without_a_row_are_not_seen(pandas):
    """As after the rows of a frame have been split."""
    X = pandas.DataFrame({"c": pandas.Categorical(["b", "a", "c"])})
    reader = Reader.of(X.iloc[:1], "from_dtype")
    assert reader.categories[0].tolist() == ["b"]
    same(reader.read(X), column([0, UNKNOWN, UNKNOWN]))


def test_dates_as_categories(pandas):
    """They are no points in time then; they go by their text."""
    days = pandas.to_datetime(["2026-02-01", "2026-01-01", None])
    X = pandas.DataFrame({"c": pandas.Categorical(days)})
    reader = Reader.of(X, "from_dtype")
    same(reader.read(X), column([1, 0, NAN]))
    assert b"pandas" not in pickle.dumps(reader)
    with pytest.raises(TypeError, match="column 'c', dates"):
        reader.read(pandas.DataFrame({"c": days}))


def test_intervals(pandas):
    X = pandas.DataFrame({"c": pandas.cut([1, 5, 2], [0, 3, 6])})
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].tolist() == ["(0, 3]", "(3, 6]"]
    same(reader.read(X), column([0, 1, 0]))


@pytest.mark.parametrize(
    ("dtype", "cells"),
    [
        ("bool", [True, False, True]),
        ("boolean", [True, None, False]),
        ("Int64", [1, None, 3]),
        ("UInt8", [1, 2, 3]),
        ("Float64", [1.5, None, 3]),
        ("Float32", [1.5, None, 3]),
        ("int8", [1, 2, 3]),
        ("float16", [1, NAN, 3]),
        ("object", [True, None, False]),
        ("object", [1, NAN, 2.5]),
        ("object", [np.int8(1), np.float32(2.5), np.True_]),
        ("object", [Decimal("1.5"), None, 2]),
        ("object", [None, None, None]),
    ],
)
@pytest.mark.parametrize("words", [False, True])
def test_types_that_are_numbers(pandas, dtype, cells, words):
    """With categories at their side, and without, where scikit-learn may read them."""
    X = pandas.DataFrame({"n": pandas.Series(cells, dtype=object).astype(dtype)})
    expected = column([NAN if cell is None else float(cell) for cell in cells])
    if words:
        X["c"] = ["a", "b", "a"]
        expected = np.column_stack([expected, [0, 1, 0]])
    reader = Reader.of(X, "from_dtype")
    assert list(reader.categories) == [1] * words
    read = reader.read(X)
    assert (read is X) == (not words and dtype != "object")
    if read is not X:
        same(read, expected)


@pytest.mark.parametrize("categorical_features", [None, "from_dtype"])
def test_every_kind_of_missing_cell(pandas, categorical_features):
    missing = [None, NAN, np.float64("nan"), pandas.NA, pandas.NaT, np.datetime64("NaT")]
    X = frame(pandas, n=[1.5, *missing, True])
    reader = Reader.of(X, categorical_features)
    same(reader.read(X), column([1.5, *[NAN] * 6, 1]))
    X = frame(pandas, c=["b", *missing, "a"])
    reader = Reader.of(X, "from_dtype")
    same(reader.read(X), column([1, *[NAN] * 6, 0]))
    same(Reader.of(X.to_numpy(), [0]).read(X), column([1, *[NAN] * 6, 0]))


def test_strings_among_numbers(pandas):
    """They are categories together, numbers first; "1" is not 1."""
    X = frame(pandas, c=["b", 2, "1", 1, None, "a", 1.0, 10])
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].dtype == object
    assert reader.categories[0].tolist() == [1, 2, 10, "1", "a", "b"]
    same(reader.read(X), column([5, 1, 3, 0, NAN, 4, 0, 2]))


def test_digits_are_categories(pandas):
    X = pandas.DataFrame({"c": ["10", "9", "1"]})
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].tolist() == ["1", "10", "9"]
    same(reader.read(X), column([1, 2, 0]))
    same(reader.read(pandas.DataFrame({"c": [10, 9, 1]})), column([UNKNOWN] * 3))


@pytest.mark.parametrize("cells", [["", "a"], ["a\0", "a"], ["ä", "a" * 300], ["\ud800"]])
def test_strings_that_numpy_might_change(pandas, cells):
    X = frame(pandas, c=cells)
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].tolist() == sorted(cells)
    same(reader.read(X), column([sorted(cells).index(cell) for cell in cells]))


@pytest.mark.parametrize("cells", [[2**53, 2**53 + 1, 0.5], [2**63, -1], [10**400, 1.5]])
def test_numbers_that_numpy_might_change(cells):
    X = objects(cells)
    reader = Reader.of(X, [0])
    assert reader.categories[0].tolist() == sorted(cells)
    same(reader.read(X), column([sorted(cells).index(cell) for cell in cells]))


def test_long_texts_take_their_own_room(pandas, monkeypatch):
    """An array of strings would give all of them that of the longest."""
    monkeypatch.setattr(tables, "MOST_CHARACTERS", 100)
    X = pandas.DataFrame({"c": ["a", "b" * 60]})
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].dtype == object
    same(reader.read(X), column([0, 1]))


def test_names_that_repeat(pandas):
    X = pandas.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0], "c": ["z", "x"]})
    X.columns = ["a", "a", "a"]
    reader = Reader.of(X, "from_dtype")
    assert list(reader.categories) == [0, 2]
    same(reader.read(X), [[0, 1, 1], [1, 2, 0]])
    X = frame(pandas, a=[1.0, 2.0], b=[date(2026, 1, 1), None])
    X.columns = ["a", "a"]
    with pytest.raises(TypeError, match="column 'a', dates"):
        Reader.of(X, "from_dtype")


def test_names_like_attributes(pandas):
    """Columns and rows of these names do not confuse frames of the libraries."""
    names = ["schema", "column_names", "cat", "type", "dtype", "cells"]
    X = pandas.DataFrame({name: ["b", "a"] for name in names}, index=["type", "dtype"])
    X["n"] = [1, 2]
    expected = np.column_stack([[[1] * 6, [0] * 6], [1, 2]])
    same(Reader.of(X, "from_dtype").read(X), expected)


@pytest.mark.parametrize("dtype", ["category", "string", "string[python]"])
@pytest.mark.parametrize("m", [0, 1])
def test_hardly_any_rows(pandas, dtype, m):
    X = pandas.DataFrame({"n": [1.5], "c": pandas.Series(["a"], dtype=dtype)})
    reader = Reader.of(X.iloc[:m], "from_dtype")
    assert reader.categories[1].tolist() == ["a"][:m]
    same(reader.read(X.iloc[:m]), np.empty((m, 2)) * 0 + [1.5, 0])
    same(reader.read(X), [[1.5, 0 if m else UNKNOWN]])


def test_arrays_without_rows():
    for X in (np.empty((0, 2)), np.empty((0, 2), dtype=object)):
        reader = Reader.of(X, [1])
        assert reader.categories[1].size == 0
        assert reader.read(X).shape == (0, 2)


@pytest.mark.parametrize("dtype", ["category", "string"])
def test_columns_all_of_whose_cells_are_missing(pandas, dtype):
    X = pandas.DataFrame({"c": pandas.Series([None, None], dtype=dtype)})
    reader = Reader.of(X, "from_dtype")
    assert reader.categories[0].size == 0
    same(reader.read(X), column([NAN, NAN]))
    same(reader.read(pandas.DataFrame({"c": ["a", None]})), column([UNKNOWN, NAN]))


# Rows that come later.


def later_tables(pandas):
    """Return other tables with the values b, missing, a, unknown."""
    words = ["b", None, "a", "z"]
    X = pandas.DataFrame({"c": pandas.Series(words, dtype="string")})
    return {
        "string": X,
        "object": X.astype(object),
        "other order": X.assign(c=pandas.Categorical(words, ["z", "b", "a"])),
        "other name": X.rename(columns={"c": "d"}),
        "array": objects(words),
        "lists": [[word] for word in words],
    }


@pytest.mark.parametrize(
    "name", ["string", "object", "other order", "other name", "array", "lists"]
)
@pytest.mark.parametrize("dtype", ["category", "object", "string"])
def test_categories_by_value(pandas, dtype, name):
    """Whatever they were of when the reader was made, and however they come later."""
    first = pandas.DataFrame({"c": pandas.Series(WORDS, dtype=object).astype(dtype)})
    reader = Reader.of(first, "from_dtype")
    same(reader.read(later_tables(pandas)[name]), column([1, NAN, 0, UNKNOWN]))


def test_numbers_are_the_same_in_every_type(pandas):
    first = pandas.DataFrame({"c": pandas.Categorical([3, 1, 0])})
    reader = Reader.of(first, "from_dtype")
    cells = [1, 0, 3, 7]
    expected = column([1, 0, 2, UNKNOWN])
    for dtype in ("int8", "uint64", "float32", "Int64", "Float64", "category", object):
        same(reader.read(pandas.DataFrame({"c": cells}).astype(dtype)), expected)
    same(reader.read(column(cells)), expected)
    same(reader.read(pandas.DataFrame({"c": [True, False]})), column([1, 0]))
    same(reader.read(np.array([["1"], ["a"]])), column([UNKNOWN, UNKNOWN]))


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("dtype", ["category", "object", "string"])
@pytest.mark.parametrize("words", [False, True])
def test_strings_in_a_column_of_numbers(pandas, words, dtype, array):
    """The column is named, or numbered; digits are strings, too."""
    X = pandas.DataFrame({"c": ["a", "b"], "n": [1.0, 2.0]})
    X = X if words else X[["n"]]
    reader = Reader.of(X, "from_dtype")
    X = X.assign(n=pandas.Series(["1", "2"], dtype=dtype))
    place = "'n'"
    if array and words:
        X, place = X.to_numpy(), "1"
    message = f"column {place}, strings, but it was a column of numbers in fit"
    with pytest.raises(ValueError, match=message):
        reader.read(X)


def test_categories_in_a_column_of_numbers(pandas):
    """Their numbers are taken, and missing cells; dates are none."""
    reader = Reader.of(pandas.DataFrame({"n": [1.0, 2.0]}), "from_dtype")
    for cells in ([3, 1], [3, None], [True, None]):
        X = pandas.DataFrame({"n": pandas.Categorical(cells)})
        same(reader.read(X), column([NAN if x is None else x for x in cells]))
    days = pandas.Categorical(pandas.to_datetime(["2026-01-01"]))
    with pytest.raises(TypeError, match=r"column 'n', datetime64.*no numbers"):
        reader.read(pandas.DataFrame({"n": days}))


# What a user says.


def mixed():
    """Return an array of objects of which columns 0 and 2 are categories."""
    return objects(["x", "y", "x"], [1.5, None, True], [7, 3, NAN])


@pytest.mark.parametrize(
    "said",
    [
        [True, False, True],
        np.array([True, False, True]),
        [0, 2],
        (2, 0),
        [2, 0, 2],
        np.array([0, 2], dtype=np.int8),
    ],
)
def test_masks_and_positions(said):
    X = mixed()
    reader = Reader.of(X, said)
    assert list(reader.categories) == [0, 2]
    assert reader.categories[0].tolist() == ["x", "y"]
    assert reader.categories[2].tolist() == [3, 7]
    expected = [[0, 1.5, 1], [1, NAN, 0], [0, 1, NAN]]
    same(reader.read(X), expected)
    same(Reader.of(X.tolist(), said).read(X.tolist()), expected)


@pytest.mark.parametrize("kind", ["list", "array", "objects", "index", "given"])
def test_names(pandas, kind):
    names = {
        "list": ["c", "a"],
        "array": np.array(["c", "a"]),
        "objects": np.array(["c", "a"], dtype=object),
        "index": pandas.Index(["c", "a"]),
        "given": ["c", "a"],
    }
    X = pandas.DataFrame(mixed(), columns=["a", "b", "c"])
    given = ["a", "b", "c"] if kind == "given" else None
    table = X.to_numpy() if kind == "given" else X
    reader = Reader.of(table, names[kind], given)
    assert list(reader.categories) == [0, 2]
    same(reader.read(X), [[0, 1.5, 1], [1, NAN, 0], [0, 1, NAN]])


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64, np.float32, bool])
def test_arrays_of_numbers(dtype):
    X = np.array([[1, 0], [0, 1], [1, 1]], dtype=dtype)
    reader = Reader.of(X, [0])
    assert reader.categories[0].dtype.kind == np.dtype(dtype).kind.replace("u", "i")
    same(reader.read(X), X)
    X = X.astype(float) * 5
    X[1, 0] = NAN
    same(reader.read(X), [[UNKNOWN, 0], [NAN, 5], [UNKNOWN, 5]])


def test_infinity_can_be_a_category():
    X = column([np.inf, 1, -np.inf, NAN])
    same(Reader.of(X, [0]).read(X), column([2, 1, 0, NAN]))


def test_arrays_of_strings():
    """As numpy makes one of numbers and words; numbers are read where they are due."""
    X = np.array([[1.5, "b"], [NAN, "a"]])
    assert X.dtype.kind == "U"
    reader = Reader.of(X, [1])
    same(reader.read(X), [[1.5, 1], [NAN, 0]])
    with pytest.raises(ValueError, match="column 0, strings"):
        reader.read(X[:, ::-1])
    with pytest.raises(TypeError, match=r"column 1, categories or strings.*Name it"):
        Reader.of(X, [0])


@pytest.mark.parametrize("nothing", [[], [False, False, False]])
def test_no_category_at_all(nothing):
    X = np.ones((4, 3))
    reader = Reader.of(X, nothing)
    assert reader.categories == {}
    assert reader.read(X) is X


SAID_WRONGLY = {
    "floats": [0.5],
    "objects": np.array([0, "a"], dtype=object),
    "unsigned": np.array([0], dtype=np.uint8),
    "short mask": [True, False],
    "two masks": [[True, False, True]],
    "too large": [0, 3],
    "negative": [-1],
    "unknown name": ["a", "nobody"],
}


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("name", SAID_WRONGLY)
def test_said_wrongly(pandas, name, framed):
    """The messages are those of scikit-learn; names need a frame."""
    X = np.arange(30.0).reshape(10, 3)
    if framed:
        X = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = HistGradientBoostingClassifier(categorical_features=SAID_WRONGLY[name])
    with pytest.raises(ValueError) as theirs:
        model.fit(X, [0, 1] * 5)
    with pytest.raises(ValueError) as ours:
        Reader.of(X, SAID_WRONGLY[name])
    # "a item" before version 1.9
    assert str(ours.value) == str(theirs.value).replace(" a item", " an item")


@pytest.mark.parametrize("dtype", STRINGS)
@pytest.mark.parametrize("said", [None, ["n"], [True, False], [0], []])
def test_categories_that_are_not_to_be_read(pandas, dtype, said):
    """A message names the column, and the parameter."""
    X = pandas.DataFrame({"n": [1, 2], "c": pandas.Series(["a", "b"], dtype=dtype)})
    message = "column 'c', categories or strings.*categorical_features=\"from_dtype\""
    with pytest.raises(TypeError, match=message):
        Reader.of(X, said)


def test_categories_of_numbers_that_are_not_to_be_read(pandas):
    X = pandas.DataFrame({"c": pandas.Categorical([1, 2])})
    with pytest.raises(TypeError, match="column 'c', categories"):
        Reader.of(X, None)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.coo_matrix])
def test_sparse_tables(kind):
    X = kind(np.eye(3))
    for said in (None, "from_dtype", [], [False] * 3):
        reader = Reader.of(X, said)
        assert reader.categories == {}
        assert reader.read(X) is X
    with pytest.raises(ValueError, match="Sparse X takes no categories"):
        Reader.of(X, [0])
    with pytest.raises(ValueError, match="Sparse X takes no categories"):
        Reader.of(np.eye(3), [0]).read(X)


# Cells that can be neither.


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([1], "cannot be categories: .*list"),
        ({}, "cannot be categories: .*dict"),
        (np.ones(2), "cannot be categories: .*ndarray"),
        (1j, "complex numbers, which cannot be categories"),
        (np.complex64(1j), "complex numbers, which cannot be categories"),
    ],
)
def test_cells_that_cannot_be_categories(pandas, cell, message):
    X = frame(pandas, n=[1.0, 2.0], c=["a", cell])
    with pytest.raises(TypeError, match=f"column 'c',.*{message}"):
        Reader.of(X, "from_dtype")
    with pytest.raises(TypeError, match=f"column 1,.*{message}"):
        Reader.of(X.to_numpy(), [1])
    reader = Reader.of(X.iloc[:1], "from_dtype")
    with pytest.raises(TypeError, match=f"column 'c',.*{message}"):
        reader.read(X)


@pytest.mark.parametrize("cell", [[1], {}, np.ones(2), (1, 2), 1j, b"1", object()])
def test_cells_that_cannot_be_numbers(pandas, cell):
    name = type(cell).__name__
    X = frame(pandas, n=[1.0, cell], c=["a", "b"])
    message = f"column 'n', cells of type {name}, which are neither"
    for table in (X, X[["n"]]):
        reader = Reader.of(table, "from_dtype")
        with pytest.raises(TypeError, match=message):
            reader.read(table)
    message = message.replace("'n'", "0")
    with pytest.raises(TypeError, match=message):
        Reader.of(X.to_numpy(), [1]).read(X.to_numpy())


def test_complex_numbers(pandas):
    X = np.ones((3, 2)) * 1j
    assert Reader.of(X, "from_dtype").read(X) is X
    with pytest.raises(TypeError, match="column 0, complex numbers"):
        Reader.of(X, [0])
    X = pandas.DataFrame({"n": X[:, 0], "c": pandas.Categorical(X[:, 1])})
    with pytest.raises(TypeError, match="column 'c', complex numbers"):
        Reader.of(X, "from_dtype")
    X["c"] = "a"
    with pytest.raises(TypeError, match="column 'n', complex128, which are no numbers"):
        Reader.of(X, "from_dtype").read(X)


def test_bytes_and_tuples_as_categories(pandas):
    X = objects([b"b", b"a", None], [(1, "x"), (0, "y"), (1, "x")])
    reader = Reader.of(X, [0, 1])
    same(reader.read(X), [[1, 1], [0, 0], [NAN, 1]])
    same(reader.read(pandas.DataFrame(X)), [[1, 1], [0, 0], [NAN, 1]])


@pytest.mark.parametrize("said", ["from_dtype", [0], None])
def test_dates_are_refused(pandas, said):
    X = pandas.DataFrame({"c": pandas.Categorical([1, 2])})
    X["d"] = pandas.date_range("2026-01-01", periods=2)
    with pytest.raises(TypeError, match="column 'd', dates"):
        Reader.of(X, said)
    reader = Reader.of(X[["c"]], "from_dtype")
    with pytest.raises(TypeError, match="column 'd', dates"):
        reader.read(X)
    X["d"] = X["d"] - X["d"][0]
    with pytest.raises(TypeError, match="column 'd', durations"):
        reader.read(X.astype({"d": object}))


# Tables without categories, and the precision of others.


@pytest.mark.parametrize("said", [None, "from_dtype"])
def test_what_is_left_to_scikit_learn(pandas, said):
    X = np.ones((3, 2))
    reader = Reader.of(X, said)
    assert reader.categories == {}
    for table in (
        X,
        X.astype(np.float32),
        X.tolist(),
        mixed(),
        np.array([["a", "b"]]),
        np.array([{"foo": "bar"}, None], dtype=object),
        X[0],
        X[None],
        pandas.DataFrame(X),
        pandas.DataFrame(X).astype("Int64"),
        pandas.Series([1.0]),
        None,
        "text",
    ):
        assert Reader.of(table, said).read(table) is table
        assert reader.read(table) is table


@pytest.mark.parametrize(
    "X", [np.ones(3), np.ones((2, 2, 2)), [1.0], [[1], [1, 2]], None]
)
def test_tables_that_are_none_are_left_to_scikit_learn(X):
    """It says what is wrong with them."""
    assert Reader.of(X, [0]).read(X) is X
    assert Reader.of(np.ones((3, 2)), [0]).read(X) is X


def test_arrays_of_objects_with_missing_cells(pandas):
    """Cells that scikit-learn cannot read are NaN; X keeps what it has."""
    X = objects([1, pandas.NA, 2.5], [None, pandas.NaT, "text"])
    read = Reader.of(X, "from_dtype").read(X)
    assert read.dtype == object
    assert X[1, 0] is pandas.NA
    assert read[:, 0].tolist() == pytest.approx([1, NAN, 2.5], nan_ok=True)
    assert (read[0, 1], read[2, 1]) == (None, "text")
    assert np.isnan(read[1, 1])


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["float32", "float32"], np.float32),
        (["float32", "Float32"], np.float32),
        (["float32", "float64"], np.float64),
        (["float32", "int8"], np.float64),
        (["float32", "object"], np.float64),
        ([], np.float64),
    ],
)
def test_precision(pandas, types, expected):
    columns = {f"n{j}": pandas.Series([0.5, 2]) for j in range(len(types))}
    X = pandas.DataFrame({**columns, "c": ["a", "b"]})
    for name, dtype in zip(columns, types, strict=True):
        X[name] = (X[name] // 1).astype(dtype)
    assert Reader.of(X, "from_dtype").read(X).dtype == expected


def test_precision_of_arrays():
    for dtype in (np.float32, np.float64, np.int32):
        X = np.ones((3, 2), dtype=dtype)
        narrow = dtype == np.float32
        expected = np.float32 if narrow else np.float64
        assert Reader.of(X, [0]).read(X).dtype == expected


# Other libraries.


def test_polars(polars):
    X = polars.DataFrame(
        {"s": WORDS, "n": [1, None, 3, 4, 5], "b": [1, None, 1, None, 1]}
    )
    X = X.with_columns(
        b=X["b"].cast(polars.Boolean),
        c=X["s"].cast(polars.Categorical),
        e=X["s"].cast(polars.Enum(["z", "c", "b", "a"])),
        d=polars.Series([1, 2, 3, 4, 5]).cast(polars.Decimal(10, 2)),
        nothing=polars.Series([None] * 5),
    )
    reader = Reader.of(X, "from_dtype")
    assert list(reader.categories) == [0, 3, 4]
    numbers = [1, NAN, 3, 4, 5], [1, NAN, 1, NAN, 1]
    expected = [CODES, *numbers, CODES, CODES, [1, 2, 3, 4, 5], [NAN] * 5]
    same(reader.read(X), np.transpose(expected))
    same(Reader.of(X, ["e", "s", "n", "c"]).read(X)[:, 1:2], column([0, NAN, 1, 2, 3]))
    with pytest.raises(TypeError, match="column 's', categories or strings"):
        Reader.of(X, None)
    reader = Reader.of(X[["n"]], "from_dtype")
    assert reader.read(X[["n"]]) is not None
    with pytest.raises(ValueError, match="column 's', strings"):
        reader.read(X[["s"]])
    assert reader.read(X[["n", "b", "d"]]).shape == (5, 3)


def test_polars_without_rows_or_in_single_precision(polars):
    X = polars.DataFrame({"s": ["b", None], "n": [0.5, None]})
    X = X.with_columns(X["n"].cast(polars.Float32))
    reader = Reader.of(X, "from_dtype")
    assert reader.read(X).dtype == np.float32
    same(reader.read(X), [[0, 0.5], [NAN, NAN]])
    assert Reader.of(X[:0], "from_dtype").read(X[:0]).shape == (0, 2)


def pyarrow_table(pyarrow):
    """Return a table with WORDS of every type, and numbers, and names of the words'."""
    words = {
        "string": pyarrow.array(WORDS),
        "large_string": pyarrow.array(WORDS, pyarrow.large_string()),
        "dictionary": pyarrow.array(WORDS).dictionary_encode(),
        "with null": pyarrow.array(WORDS).dictionary_encode(null_encoding="encode"),
    }
    numbers = {
        "int": pyarrow.array([1, None, 3, 4, 5]),
        "bool": pyarrow.array([True, None, False, True, True]),
        "float": pyarrow.array([1.5, NAN, None, 4, 5], pyarrow.float32()),
        "null": pyarrow.nulls(5),
    }
    return pyarrow.table({**words, **numbers}), list(words)


@pytest.mark.parametrize("batch", [False, True])
def test_pyarrow(pyarrow, batch):
    """Missing cells of a dictionary, too, which numpy gets wrong from pyarrow."""
    X, words = pyarrow_table(pyarrow)
    if batch:
        X = X.to_batches()[0]
    reader = Reader.of(X, "from_dtype")
    assert list(reader.categories) == list(range(len(words)))
    assert reader.categories[2].tolist() == ["a", "b", "c"]
    numbers = [1, NAN, 3, 4, 5], [1, NAN, 0, 1, 1], [1.5, NAN, NAN, 4, 5], [NAN] * 5
    same(reader.read(X), np.transpose([*[CODES] * 4, *numbers]))
    named = Reader.of(X.select(["int", "string"]), ["int", "string"])
    assert named.categories[0].tolist() == [1, 3, 4, 5]
    with pytest.raises(TypeError, match="column 'string', categories or strings"):
        Reader.of(X, None)


def test_pyarrow_left_alone(pyarrow):
    X = pyarrow_table(pyarrow)[0].select(["int", "bool", "float"])
    assert Reader.of(X, "from_dtype").read(X) is X


def test_pyarrow_of_several_chunks(pyarrow):
    """Each of which has a dictionary of its own."""
    chunks = [pyarrow.array(x).dictionary_encode() for x in (["b", None], ["a", "b"])]
    X = pyarrow.table({"c": pyarrow.chunked_array(chunks)})
    same(Reader.of(X, "from_dtype").read(X), column([1, NAN, 0, 1]))


def test_dictionaries_of_numbers_and_dates(pyarrow, pandas):
    days = [datetime(2026, 2, 1), None, datetime(2026, 1, 1)]
    X = pyarrow.table(
        {
            "n": pyarrow.array([7, None, 3]).dictionary_encode(),
            "d": pyarrow.array(days).dictionary_encode(),
        }
    )
    reader = Reader.of(X, "from_dtype")
    expected = [[1, 1], [NAN, NAN], [0, 0]]
    same(reader.read(X), expected)
    X = pandas.DataFrame({"n": [7, None, 3], "d": pandas.Categorical(days)})
    same(reader.read(X), expected)


def test_one_reader_for_all_libraries(pandas, polars, pyarrow):
    words = ["b", None, "a", "z"]
    X = pandas.DataFrame({"c": WORDS})
    reader = Reader.of(X, "from_dtype")
    for table in (polars.DataFrame({"c": words}), pyarrow.table({"c": words})):
        same(reader.read(table), column([1, NAN, 0, UNKNOWN]))


# scikit-learn's encoder as an oracle.


def draw(random, kind, m, missing):
    """Return m cells of a kind, some of them missing."""
    codes = random.integers(0, 12, m)
    cells = {
        "words": np.array([f"w{x}" for x in range(12)], dtype=object)[codes],
        "floats": (codes / 7).astype(object),
        "integers": (codes**5 - 7).astype(object),
    }[kind]
    cells[random.random(m) < 0.2] = missing
    return cells


@pytest.mark.parametrize("kind", ["words", "floats", "integers"])
@pytest.mark.parametrize("missing", [None, NAN], ids=str)
@pytest.mark.parametrize("container", ["objects", "frame", "category"])
def test_against_ordinal_encoder(pandas, kind, missing, container):
    random = np.random.default_rng(0)
    X = objects(*[draw(random, kind, 60, missing) for _ in range(3)])
    later = objects(*[draw(random, kind, 200, missing) for _ in range(3)])
    # a few categories that the first table has not
    X[np.isin(X, [X[0, 0], X[1, 1]])] = missing
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    # to which None is a category like another
    encoder.fit(np.where(X == None, NAN, X))  # noqa: E711
    expected = encoder.transform(np.where(later == None, NAN, later))  # noqa: E711
    if container != "objects":
        X, later = pandas.DataFrame(X), pandas.DataFrame(later)
    if container == "category":
        X, later = X.astype("category"), later.astype("category")
    reader = Reader.of(X, [0, 1, 2])
    read = reader.read(later)
    assert (read == UNKNOWN).any()
    assert np.isnan(read).any()
    same(read, expected)


# The reader.


def test_pickle(pandas):
    """It is plain, and the same when it comes back."""
    X = pandas.DataFrame({"c": pandas.Categorical(WORDS), "n": [1, 2, 3, 4, 5]})
    X["d"] = pandas.cut(X["n"], 2)
    reader = Reader.of(X, "from_dtype")
    text = pickle.dumps(reader)
    assert b"pandas" not in text
    assert all(type(values) is np.ndarray for values in reader.categories.values())
    assert all(type(number) is int for number in reader.categories)
    same(pickle.loads(text).read(X), reader.read(X))


def test_tables_stay_as_they_are(pandas):
    X = frame(pandas, c=["a", pandas.NA], n=[pandas.NA, 1])
    copy = X.copy()
    Reader.of(X, "from_dtype").read(X)
    pandas.testing.assert_frame_equal(X, copy)
    X = np.array([[1.0, 2.0], [NAN, 1.0]])
    X.setflags(write=False)
    same(Reader.of(X, [0]).read(X), [[0, 2], [NAN, 1]])
