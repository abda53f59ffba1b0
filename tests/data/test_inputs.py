"""Standardisation, and the products of dense and sparse inputs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgn.data.columns import REACH, Standardisation
from skgn.data.first_layer import FirstLayer
from skgn.data.inputs import (
    DenseInputs,
    SparseInputs,
    make_inputs,
)

pytestmark = pytest.mark.usefixtures("chunks")


def sum_to_one(m, seed=0):
    """Return random row weights of sum 1."""
    weights = np.random.default_rng(seed).uniform(0.1, 3, size=m)
    return weights / weights.sum()


def standardised(X, columns):
    """Return the standardised columns of X."""
    return DenseInputs.standardised(X, columns).tilde[:, 1:]


def sparse_matrix(m=40, n=7, seed=0):
    """Return a dense array with many zeros and columns of different size."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, n)) * np.geomspace(0.01, 100, n)
    X[rng.uniform(size=(m, n)) < 0.7] = 0
    return X


# Standardisation


def test_weighted_mean_and_scale():
    """Without outliers, columns get weighted mean 0 and weighted variance 1."""
    X = np.random.default_rng(0).normal(3, 5, size=(50, 4))
    weights = sum_to_one(50)
    columns = Standardisation.of(X, weights)
    Z = standardised(X, columns)
    assert_allclose(columns.mean, weights @ X, rtol=1e-13)
    assert_allclose(columns.scale**2, weights @ (X - weights @ X) ** 2, rtol=1e-12)
    assert_allclose(weights @ Z, 0, atol=1e-14)
    assert_allclose(weights @ Z**2, 1, rtol=1e-12)


def test_integer_weights_are_repetition():
    """The statistics of weighted rows are those of repeated rows."""
    X = np.random.default_rng(0).normal(size=(20, 3)) ** 3
    repeats = np.arange(20) % 3 + 1
    one = Standardisation.of(X, repeats / repeats.sum())
    m = repeats.sum()
    two = Standardisation.of(np.repeat(X, repeats, axis=0), np.full(m, 1 / m))
    assert_allclose(one.mean, two.mean, rtol=1e-12, atol=1e-14)
    assert_allclose(one.scale, two.scale, rtol=1e-12)


def test_reach_bounds_a_rare_column():
    """A column that is zero in all but one row of many stays below REACH."""
    X = np.zeros((5000, 2))
    X[0, 0] = 7.0
    X[:, 1] = np.random.default_rng(0).standard_t(1.5, size=5000)
    columns = Standardisation.of(X, np.full(5000, 1 / 5000))
    Z = standardised(X, columns)
    assert_allclose(np.abs(Z).max(axis=0), REACH, rtol=1e-12)
    deviation = np.abs(X - X.mean(axis=0)).max(axis=0)
    assert_allclose(columns.scale, deviation / REACH, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e-3, 1e6, 1e12, 1e200])
def test_standardised_values_do_not_depend_on_the_unit(unit):
    """Columns in another unit become the same values, heavy tails included."""
    X = np.random.default_rng(0).standard_t(2, size=(300, 5)) + 1
    weights = sum_to_one(300)
    expected = standardised(X, Standardisation.of(X, weights))
    columns = Standardisation.of(X * unit, weights)
    assert_allclose(standardised(X * unit, columns), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("unit", [1e-20, 1e-12, 1e12, 1e20])
def test_standardised_values_do_not_depend_on_the_unit_in_float32(unit):
    """Nothing over- or underflows at scales that float32 can hold."""
    X = np.random.default_rng(0).normal(1, 1, size=(300, 5)).astype(np.float32)
    weights = sum_to_one(300)
    expected = standardised(X, Standardisation.of(X, weights))
    scaled = (X.astype(np.float64) * unit).astype(np.float32)
    actual = standardised(scaled, Standardisation.of(scaled, weights))
    assert actual.dtype == np.float32
    assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e-12, 1e12, 12345.678])
def test_constant_columns_become_zero(value, dtype):
    """A constant column has scale 1 and standardises to exact zeros."""
    X = np.full((37, 2), value, dtype=dtype)
    X[:, 1] = np.arange(37)
    columns = Standardisation.of(X, sum_to_one(37))
    assert columns.scale[0] == 1
    assert_array_equal(standardised(X, columns)[:, 0], 0)
    assert columns.scale[1] > 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1.7e9, 1e12, 1e25])
def test_columns_constant_to_rounding_stay_small(size, dtype):
    """One rounding of a constant column, of whatever unit, is no information."""
    X = np.full((40, 1), size, dtype=dtype)
    X[::2] = np.nextafter(X[::2], X.dtype.type(np.inf))
    columns = Standardisation.of(X, np.full(40, 1 / 40))
    assert np.abs(standardised(X, columns)).max() <= 1


def test_a_column_far_from_zero_keeps_its_digits():
    """A mean of 1e5 deviations does not spoil the scale, float32 included."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(500, 1)) + 1e5).astype(np.float32)
    weights = sum_to_one(500)
    columns = Standardisation.of(X, weights)
    X64 = X.astype(np.float64)
    mean = weights @ X64
    assert_allclose(columns.mean, mean, rtol=1e-12)
    assert_allclose(columns.scale**2, weights @ (X64 - mean) ** 2, rtol=1e-6)


def test_no_standardisation():
    """`none` leaves every value as it is."""
    X = sparse_matrix()
    assert_array_equal(standardised(X, Standardisation.none(7)), X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_absurd_values_of_other_rows_are_clipped(dtype, as_sparse):
    """Values far beyond the training rows give finite products."""
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(dtype)
    columns = Standardisation.of(X, np.full(30, 1 / 30))
    largest = np.finfo(dtype).max
    other = np.array([[largest, -largest, 0], [1, 2, 3]], dtype=dtype)
    inputs = make_inputs(sparse.csr_array(other) if as_sparse else other, columns)
    V = np.ones((4, 2), dtype=dtype)
    Z = inputs.product(V, out=np.empty((2, 2), dtype=dtype))
    assert np.isfinite(Z).all()
    expected = 1 + ((other[1].astype(np.float64) - columns.mean) / columns.scale).sum()
    assert_allclose(Z[1], expected, rtol=1e-5)


# Products


@pytest.fixture(params=["float32", "float64"])
def pair(request):
    """Return dense and sparse inputs of the same standardised rows, and a tolerance."""
    X = sparse_matrix().astype(request.param)
    columns = Standardisation.of(X, sum_to_one(len(X)))
    dense = make_inputs(X, columns)
    implicit = make_inputs(sparse.csr_array(X), columns)
    assert isinstance(dense, DenseInputs) and isinstance(implicit, SparseInputs)
    return dense, implicit, 100 * np.finfo(request.param).eps


def test_sparse_product_equals_dense(pair):
    """Ã_0 V."""
    dense, implicit, tolerance = pair
    V = np.random.default_rng(1).normal(size=(8, 3)).astype(dense.dtype)
    out = [np.empty((40, 3), dtype=dense.dtype) for _ in range(2)]
    expected = dense.tilde.astype(np.float64) @ V
    assert_allclose(dense.product(V, out[0]), expected, atol=tolerance)
    assert_allclose(implicit.product(V, out[1]), expected, atol=tolerance)


def test_sparse_adjoint_equals_dense(pair):
    """Ã_0' δ."""
    dense, implicit, tolerance = pair
    delta = np.random.default_rng(1).normal(size=(40, 3)).astype(dense.dtype)
    expected = dense.tilde.astype(np.float64).T @ delta
    for inputs in (dense, implicit):
        actual = inputs.adjoint(delta)
        assert actual.dtype == dense.dtype
        assert_allclose(actual, expected, atol=10 * tolerance)


def test_sparse_gram_equals_dense(pair):
    """S_1 and its trace."""
    dense, implicit, tolerance = pair
    weights = sum_to_one(40, seed=3).astype(dense.dtype)
    A = dense.tilde.astype(np.float64)
    expected = A.T @ np.diag(weights.astype(np.float64)) @ A
    for inputs in (dense, implicit):
        S = inputs.gram(weights)
        assert S.dtype == dense.dtype
        assert_allclose(S, expected, atol=tolerance)
        assert inputs.gram_trace(weights) == pytest.approx(np.trace(expected), rel=1e-5)


def test_sparse_row_gram_equals_dense(pair):
    """X X' without the column of ones, in float64."""
    dense, implicit, tolerance = pair
    A = dense.tilde[:, 1:].astype(np.float64)
    for inputs in (dense, implicit):
        gram = inputs.row_gram()
        assert gram.dtype == np.float64
        assert_allclose(gram, A @ A.T, atol=100 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_standardisation_equals_dense(dtype):
    """Implicit zeros count like explicit ones."""
    X = sparse_matrix().astype(dtype)
    X[:, 2] = 0  # an empty column
    X[:, 3] = 0.1  # a constant one
    weights = sum_to_one(len(X))
    expected = Standardisation.of(X, weights)
    actual = Standardisation.of(sparse.csr_array(X), weights)
    assert_allclose(actual.mean, expected.mean, rtol=1e-12, atol=1e-15)
    assert_allclose(actual.scale, expected.scale, rtol=1e-12)


def test_explicit_zeros_of_sparse_rows_change_nothing():
    """A stored zero is a zero."""
    X = sparse_matrix()
    stored = sparse.csr_array(X + 1)
    stored.data -= 1
    assert stored.nnz == X.size
    weights = sum_to_one(len(X))
    expected = Standardisation.of(X, weights)
    actual = Standardisation.of(stored, weights)
    assert_allclose(actual.mean, expected.mean, rtol=1e-10, atol=1e-14)
    assert_allclose(actual.scale, expected.scale, rtol=1e-10)


def test_products_do_not_change_sparse_rows():
    """Clipping absurd values works on a copy."""
    X = sparse.csr_array(np.array([[1e300, 0.0], [0.0, 1.0]]))
    before = X.data.copy()
    make_inputs(X, Standardisation.none(2))
    assert_array_equal(X.data, before)


# First layer: coordinates and factor


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("shape", [(40, 7), (7, 40)], ids=["tall", "wide"])
@pytest.mark.parametrize("standardize", [False, True])
def test_factor_is_the_gram_of_the_training_coordinates(shape, standardize, as_sparse):
    """S_1 in the coordinates of training, diagonal in the row space included."""
    X = sparse_matrix(*shape)
    weights = sum_to_one(shape[0])
    data = sparse.csr_array(X) if as_sparse else X
    first = FirstLayer.of(data, weights, standardize, np.random.RandomState(0))
    expected = first.inputs.gram(weights)
    assert_allclose(first.factor.to_dense(), expected, atol=1e-9 * expected.max())
    assert first.factor.side <= min(shape) + 1


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)], ids=["tall", "wide"])
def test_entering_and_leaving_keeps_the_outputs(shape):
    """V_1 in the training coordinates and back gives the same Z_1, also on new rows."""
    X = sparse_matrix(*shape)
    rng = np.random.default_rng(1)
    first = FirstLayer.of(X, sum_to_one(len(X)), True, np.random.RandomState(0))
    V = rng.normal(size=(1 + shape[1], 3))
    original = make_inputs(X, first.columns).tilde
    inside = first.enter(V)
    assert_allclose(first.inputs.tilde @ inside, original @ V, atol=1e-9)
    back = first.leave(inside)
    assert back.shape == V.shape
    assert_allclose(original @ back, original @ V, atol=1e-9)
    new = rng.normal(size=(5, shape[1]))
    expected = make_inputs(new, first.columns).tilde @ back
    assert_allclose(first.other_rows(new).tilde @ inside, expected, rtol=1e-8, atol=1e-8)
    assert_allclose(first.enter(back), inside, atol=1e-9)


def test_entering_drops_what_no_row_sees():
    """With duplicate columns the difference of their weights is dropped."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))[:, [0, 1, 0]]
    first = FirstLayer.of(X, np.full(30, 1 / 30), True, np.random.RandomState(0))
    V = first.enter(rng.normal(size=(4, 2)))
    assert_allclose(V[1], V[3], atol=1e-12)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_large_sides_get_a_truncated_factor(as_sparse, monkeypatch):
    """Past the limit, leading eigenpairs and the mean of the rest, at the true trace."""
    monkeypatch.setattr("skgn.data.first_layer.LARGEST_SIDE", 20)
    monkeypatch.setattr("skgn.data.first_layer.TRUNCATED_RANK", 8)
    X = np.random.default_rng(0).normal(size=(60, 30)) * np.geomspace(1, 1e-3, 30)
    weights = sum_to_one(60)
    data = sparse.csr_array(X) if as_sparse else X
    first = FirstLayer.of(data, weights, False, np.random.RandomState(0))
    S = make_inputs(X, first.columns).gram(weights)
    assert first.row_space is None
    assert len(first.factor.values) == 8
    assert first.factor.trace == pytest.approx(np.trace(S), rel=1e-10)
    leading = np.linalg.eigvalsh(S)[::-1]
    assert_allclose(first.factor.values[::-1][:4], leading[:4], rtol=1e-3)
