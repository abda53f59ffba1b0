"""Wide data in the coordinates of its own rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgn.data.columns import Standardisation
from skgn.data.inputs import make_inputs
from skgn.data.row_space import RowSpace

M, N = 9, 25


@pytest.fixture(params=["dense", "sparse"])
def space(request):
    """Return the row space of random rows and their dense standardised matrix."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(M, N)) * np.geomspace(0.1, 10, N)
    weights = rng.uniform(0.2, 2, size=M)
    weights /= weights.sum()
    columns = Standardisation.of(X, weights)
    data = sparse.csr_array(X) if request.param == "sparse" else X
    dense = make_inputs(X, columns).tilde[:, 1:]
    return RowSpace.of(make_inputs(data, columns), weights), dense, weights


def basis(dense, weights):
    """Return Q, the right singular vectors of the weighted rows, and σ²."""
    _, sigma, Qt = np.linalg.svd(np.sqrt(weights)[:, None] * dense, full_matrices=False)
    keep = sigma > 1e-9 * sigma[0]
    return Qt[keep].T, sigma[keep] ** 2


def test_rank_and_variances(space):
    """Centred rows span one dimension less than their number."""
    rows, dense, weights = space
    _, variances = basis(dense, weights)
    assert rows.inputs.shape == (M, M - 1)
    assert_allclose(rows.variances, variances, rtol=1e-9)


def test_coordinates_have_a_diagonal_gram(space):
    """Σ ω t t' = diag(σ²), and distances between rows are kept."""
    rows, dense, weights = space
    T = rows.inputs.tilde[:, 1:]
    assert_allclose(T.T @ (weights[:, None] * T), np.diag(rows.variances), atol=1e-10)
    assert_allclose(T @ T.T, dense @ dense.T, atol=1e-9)


def test_projection_and_lift(space):
    """Projection is Q'W; lifting it back gives Q Q'W, of the same norm and outputs."""
    rows, dense, weights = space
    Q, _ = basis(dense, weights)
    V = np.random.default_rng(1).normal(size=(1 + N, 3))
    projected = rows.project(V)
    assert projected.shape == (M, 3)
    lifted = rows.lift(projected)
    assert_allclose(lifted[0], V[0], atol=1e-12)
    assert_allclose(lifted[1:], Q @ Q.T @ V[1:], atol=1e-9)
    assert_allclose(np.linalg.norm(projected[1:]), np.linalg.norm(lifted[1:]), rtol=1e-10)
    assert_allclose(rows.inputs.tilde @ projected, V[0] + dense @ V[1:], atol=1e-9)


@pytest.mark.usefixtures("chunks")
def test_coordinates_of_other_rows(space):
    """Other rows give the outputs that the lifted weights give on them."""
    rows, _, _ = space
    other = np.random.default_rng(2).normal(size=(6, N))
    inputs = make_inputs(other, Standardisation.none(N))
    V = rows.project(np.random.default_rng(3).normal(size=(1 + N, 2)))
    expected = inputs.tilde @ rows.lift(V)
    assert_allclose(rows.coordinates(inputs).tilde @ V, expected, atol=1e-9)


def test_training_rows_have_their_own_coordinates(space):
    """The coordinates of the training rows, asked for as other rows, are T."""
    rows, _, _ = space
    T = rows.coordinates(rows.original).tilde
    assert_allclose(T, rows.inputs.tilde, atol=1e-9)


def test_equal_rows_span_nothing():
    """All-equal rows leave no coordinate but the column of ones."""
    X = np.tile(np.arange(8.0), (3, 1))
    weights = np.full(3, 1 / 3)
    original = make_inputs(X, Standardisation.of(X, weights))
    rows = RowSpace.of(original, weights)
    assert rows.inputs.shape == (3, 0)
    V = np.random.default_rng(0).normal(size=(9, 2))
    assert_allclose(rows.project(V), V[:1])
    assert_allclose(rows.lift(V[:1]), np.vstack([V[:1], np.zeros((8, 2))]))


def test_repeated_rows_do_not_add_dimensions():
    """Row weights and repeated rows span the same space with the same variances."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 20))
    repeats = np.array([1, 2, 3, 1, 1])
    columns = Standardisation.none(20)
    one = RowSpace.of(make_inputs(X, columns), repeats / 8)
    index = np.repeat(np.arange(5), repeats)
    two = RowSpace.of(make_inputs(X[index], columns), np.full(8, 1 / 8))
    assert_allclose(one.variances, two.variances, rtol=1e-9)


def test_rows_of_next_to_no_weight_have_coordinates():
    """The rows of U that are theirs hold nothing but rounding."""
    X = np.random.default_rng(0).normal(size=(6, 20))
    weights = np.array([1.0, 1e-60, 0.5, 1e-100, 1.0, 1e-12])
    weights /= weights.sum()
    inputs = make_inputs(X, Standardisation.none(20))
    space = RowSpace.of(inputs, weights)
    V = space.project(np.vstack([np.ones((1, 3)), X[:3].T]))
    expected = 1 + X @ X[:3].T
    heavy = weights > 1e-3
    actual = space.inputs.product(V, np.empty((6, 3)))
    assert_allclose(actual[heavy], expected[heavy], rtol=1e-10)
    assert np.abs(space.inputs.tilde).max() < 10
