"""Column statistics of chunks against those of all rows at once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgn.data import columns as columns_module
from skgn.data.columns import ColumnStatistics, Standardisation


def rows(kind, dtype="float64", m=40, seed=0):
    """Rows with columns of very different size, a constant and a near-constant one."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 6)) * [1, 1e4, 1e-3, 1, 1, 1]
    X[:, 3] = np.where(rng.uniform(size=m) < 0.1, 50, 0)
    X[:, 4] = 7
    if kind == "dense":
        X[:, 1] += 1e5
        X[:, 5] += 100
    else:
        X[rng.uniform(size=X.shape) < 0.6] = 0
    X = X.astype(dtype)
    return X if kind == "dense" else sparse.csr_array(X)


def statistics(X, weights):
    """Statistics in the unit of the columns themselves."""
    return ColumnStatistics.of(X, weights, np.ones(X.shape[1]), products=True)


def merged(X, weights, cuts):
    total = None
    for part in np.split(np.arange(X.shape[0]), cuts):
        chunk = statistics(X[part], weights[part])
        total = chunk if total is None else total.merged(chunk)
    return total


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_chunks_merge_to_the_statistics_of_all_rows(kind, dtype, weighted, seed):
    """Any split, rows one by one included: mean, range, moments and standardisation."""
    X = rows(kind, dtype, seed=seed)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 3, 40) if weighted else np.ones(40)
    cuts = [np.arange(1, 40), np.sort(rng.choice(39, 4, replace=False) + 1), [1]][seed]
    actual, whole = merged(X, weights, cuts), statistics(X, weights)
    D = X.toarray() if kind == "sparse" else X
    mean = np.average(D.astype("float64"), axis=0, weights=weights)
    centred = D - mean
    moments = centred.T @ (weights[:, None] * centred)
    size = np.abs(D).max(axis=0).astype("float64")
    tolerance = 1e-12 * weights.sum() * np.outer(size, size)
    for columns in (actual, whole):
        assert columns.count == 40
        assert columns.total == pytest.approx(weights.sum())
        assert columns.mean_weight == pytest.approx(weights.mean())
        assert np.array_equal(columns.lowest, D.min(axis=0))
        assert np.array_equal(columns.highest, D.max(axis=0))
        assert np.all(np.abs(columns.mean - mean) <= 1e-12 * size)
        assert np.all(np.abs(columns.moments - moments) <= tolerance)
    expected = Standardisation.of(X, weights / weights.sum())
    columns = actual.standardisation(dtype)
    assert np.all(np.abs(columns.mean - expected.mean) <= 1e-12 * size)
    assert_allclose(columns.scale, expected.scale, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_column_keeps_scale_one_until_it_moves(dtype):
    """And takes the scale of all rows when it does."""
    X = np.full((10, 1), 3, dtype)
    first = statistics(X, np.ones(10))
    assert first.standardisation(dtype).scale == 1
    other = np.linspace(0, 8, 10, dtype=dtype)[:, None]
    both = first.merged(statistics(other, np.ones(10)))
    std = np.concatenate([X, other]).std()
    assert_allclose(both.standardisation(dtype).scale, std, rtol=1e-5)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("standardised", ["now", "earlier", "not"])
def test_factor_is_the_gram_of_all_rows(kind, standardised):
    """In columns standardised by all rows, by earlier ones only, or not at all."""
    X = rows(kind)
    weights = np.random.default_rng(0).uniform(0.1, 3, 40)
    total = merged(X, weights, [7, 9, 30])
    columns = Standardisation.none(6)
    if standardised == "now":
        columns = total.standardisation("float64")
    elif standardised == "earlier":
        columns = Standardisation.of(X[:20], np.full(20, 1 / 20))
    D = X.toarray() if kind == "sparse" else X
    Z = np.hstack([np.ones((40, 1)), (D - columns.mean) / columns.scale])
    gram = Z.T @ (weights[:, None] * Z) / weights.sum()
    factor = total.factor(columns, np.float64)
    size = np.sqrt(np.diag(gram))
    error = np.abs(factor.to_dense() - gram) / np.outer(size, size).max()
    assert error.max() < 1e-9
    assert total.factor(columns, np.float32).values.dtype == np.float32


def test_dense_and_sparse_chunks_mix():
    """They have the same statistics."""
    X, ones = rows("sparse"), np.ones(20)
    dense = statistics(X[:20].toarray(), ones)
    thin = statistics(X[20:], ones)
    expected = statistics(X, np.ones(40))
    for both in (dense.merged(thin), thin.merged(dense)):
        assert both.moments.shape == (6, 6)
        assert_allclose(both.moments, expected.moments, rtol=1e-9, atol=1e-9)


def test_many_columns_keep_the_diagonal(monkeypatch):
    """Beyond LARGEST_MOMENTS."""
    X, ones = rows("dense"), np.ones(40)
    complete = statistics(X, ones)
    monkeypatch.setattr(columns_module, "LARGEST_MOMENTS", 5)
    diagonal = merged(X, ones, [3, 20])
    assert diagonal.moments.shape == (6,)
    size = np.abs(X).max(axis=0) ** 2 * 40
    error = np.abs(diagonal.moments - np.diag(complete.moments))
    assert np.all(error <= 1e-12 * size)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_columns_of_any_size_have_their_statistics(size):
    """Squares neither overflow nor underflow, in later chunks either."""
    X = rows("dense")[:, :1]
    weights = np.ones(len(X))
    one = ColumnStatistics.of(X[:20], weights[:20], products=True)
    one = one.with_rows(X[20:], weights[20:])
    other = ColumnStatistics.of(X[:20] * size, weights[:20], products=True)
    other = other.with_rows(X[20:] * size, weights[20:])
    columns, scaled = one.standardisation("float64"), other.standardisation("float64")
    assert_allclose(scaled.scale, columns.scale * size, rtol=1e-12)
    assert_allclose(scaled.mean, columns.mean * size, rtol=1e-12)
    expected = one.factor(columns, "float64").to_dense()
    assert_allclose(other.factor(scaled, "float64").to_dense(), expected, rtol=1e-12)


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize("sizes", [(1e-200, 1.0), (1e-100, 1e200), (1e-290, 1e20)])
def test_columns_that_outgrow_their_unit(sizes, products):
    """What was tiny at first has no say in what follows, and nothing overflows."""
    X, ones = rows("dense"), np.ones(20)
    small, large = X[:20].copy(), X[20:].copy()
    small[:, 1] *= sizes[0]
    large[:, 1] *= sizes[1]
    first = ColumnStatistics.of(small, ones, products=products)
    both = first.with_rows(large, ones).standardisation("float64")
    whole = np.vstack([small, large])
    expected = Standardisation.of(whole, np.full(40, 1 / 40))
    assert_allclose(both.scale, expected.scale, rtol=1e-9)
    assert_allclose(both.mean, expected.mean, rtol=1e-9)


@pytest.mark.parametrize("products", [False, True])
def test_a_past_that_hides_a_column_is_forgotten(products):
    """Its columns take centre and deviation from the bounds, and the others stay."""
    X, ones = rows("dense"), np.ones(40)
    lowest, highest = np.full(6, -np.inf), np.full(6, np.inf)
    lowest[0], highest[0] = -10.0, 10.0
    clean = ColumnStatistics.of(X, ones, products=products)
    assert not clean.hidden(lowest, highest).any()
    absurd = X.copy()
    absurd[3, 0] = 1e6
    hidden = ColumnStatistics.of(absurd, ones, products=products)
    which = hidden.hidden(lowest, highest)
    assert which.tolist() == [True, *[False] * 5]
    actual = hidden.forgetting(which, lowest, highest).standardisation("float64")
    assert -10 <= actual.mean[0] <= 10
    assert 1 <= actual.scale[0] <= 4
    expected = clean.standardisation("float64")
    assert_allclose(actual.scale[1:], expected.scale[1:], rtol=1e-12)
    assert_allclose(actual.mean[1:], expected.mean[1:], rtol=1e-12)
