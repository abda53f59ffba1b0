"""Columns whose numbers are points in time, or durations."""

import numpy as np
import pytest

from skgn import GaussNewtonMLPClassifier
from tests.problems import iris

MESSAGES = {
    "date": "dates.*days since",
    "date and zone": "dates.*days since",
    "objects": "dates.*days since",
    "difference": "durations.*such as days",
    "period": "dates.*days since",
}
METHODS = ["predict", "predict_proba", "decision_function"]


def table(pandas):
    """Return iris as a frame, and its labels."""
    X, y = iris()
    return pandas.DataFrame(X, columns=["a", "b", "c", "d"]), y


def columns(pandas, m):
    """Return columns of kinds that are to be refused, by name."""
    days = pandas.date_range("2026-01-01", periods=m)
    return {
        "date": days,
        "date and zone": days.tz_localize("UTC"),
        "difference": days - days[0],
        "objects": days.astype(object),
        "period": days.to_period("D"),
    }


def small(**parameters):
    return GaussNewtonMLPClassifier((4,), random_state=0, **parameters)


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_frame_with_such_a_column(kind):
    """The column is named, with what to do; nothing is lost."""
    pandas = pytest.importorskip("pandas")
    X, y = table(pandas)
    odd = X.assign(b=columns(pandas, len(y))[kind])
    message = f"X has, in its column 'b', {MESSAGES[kind]}"
    model = small()
    with pytest.raises(TypeError, match=message):
        model.fit(odd, y)
    with pytest.raises(TypeError, match=message):
        model.partial_fit(odd, y, classes=[0, 1, 2])
    model = small(early_stopping=True).fit(X, y)
    before = dict(vars(model))
    for method in METHODS:
        with pytest.raises(TypeError, match=message):
            getattr(model, method)(odd)
    with pytest.raises(TypeError, match=f"X_val.*{message}"):
        model.fit(X, y, X_val=odd, y_val=y)
    assert vars(model) == before


@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize(
    ("dtype", "what"), [("datetime64[D]", "dates"), ("timedelta64[s]", "durations")]
)
def test_arrays_of_dates(dtype, what, objects):
    """numpy would turn them into numbers without a word."""
    X, y = iris()
    X = (10 * X).astype(int).astype(dtype)
    if objects:
        cells = X
        X = np.empty(cells.shape, dtype=object)
        X[:] = 0.5
        X[:, 2] = list(cells[:, 2])
    with pytest.raises(TypeError, match=f"X holds {what}"):
        small().fit(X, y)


def test_columns_that_are_numbers():
    """Integers, booleans, both precisions, and pandas' own numbers."""
    pandas = pytest.importorskip("pandas")
    X, y = table(pandas)
    expected = small().fit(X.round(), y).predict_proba(X.round())
    X = X.round().astype({"a": "float32", "b": "Int64", "c": "int8", "d": "Float64"})
    assert np.allclose(small().fit(X, y).predict_proba(X), expected, atol=1e-6)
    small().fit(X.assign(a=X["a"] > 5), y)


def test_a_polars_frame():
    """Where polars is installed."""
    polars = pytest.importorskip("polars")
    X, y = iris()
    frame = polars.DataFrame(X, schema=["a", "b", "c", "d"])
    small().fit(frame, y)
    for dtype in (polars.Date, polars.Datetime, polars.Duration):
        values = polars.Series((X[:, 1] * 10).astype(int))
        with pytest.raises(TypeError, match="column 'b'"):
            small().fit(frame.with_columns(b=values.cast(dtype)), y)
