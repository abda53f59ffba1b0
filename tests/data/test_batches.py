"""Batches of rows in the coordinates of the first layer; objectives on them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgn.data.batches import DenseRows, MappedRows, SparseRows, make_rows
from skgn.data.columns import Standardisation
from skgn.model.losses import Multinomial
from skgn.model.network import Network
from skgn.model.objective import BatchedObjective
from tests import oracles

M, N = 30, 4


def data(dtype="float64"):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(M, N)) * [1, 100, 0.01, 1]
    X[rng.uniform(size=X.shape) < 0.4] = 0
    X = X.astype(dtype)
    return X, Standardisation.of(X, np.full(M, 1 / M))


def tilde(inputs):
    """``[1 T]`` of a batch."""
    one = np.eye(1 + inputs.shape[1], dtype=inputs.dtype)
    out = np.empty((inputs.shape[0], len(one)), inputs.dtype)
    return inputs.product(one, out)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["dense", "streamed", "kept", "sparse", "rotated"])
def test_batches_are_rows_of_the_standardised_whole(kind, dtype):
    """In any order, of changing size, buffers used again."""
    X, columns = data(dtype)
    expected = np.hstack([np.ones((M, 1)), (X - columns.mean) / columns.scale])
    kept = None
    if kind == "dense":
        rows = make_rows(X, columns)
        assert isinstance(rows, DenseRows)
    elif kind == "streamed":
        rows = MappedRows(X, columns)
    elif kind == "kept":
        kept = np.array([3, 5, 8, 9, 12, 20, 21, 22, 29])
        rows, expected = MappedRows(X, columns, kept), expected[kept]
    elif kind == "sparse":
        rows = make_rows(sparse.csr_array(X), columns)
        assert isinstance(rows, SparseRows)
    else:
        basis = np.linalg.qr(np.random.default_rng(1).normal(size=(N, N)))[0]
        basis = basis.astype(dtype)
        rows = make_rows(X, columns)
        rows.rotate(basis)
        expected = np.hstack([expected[:, :1], expected[:, 1:] @ basis])
    before = X.copy()
    assert rows.shape == (len(expected), expected.shape[1] - 1)
    assert rows.dtype == dtype
    rng = np.random.default_rng(2)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for size in (4, 7, 7, 2):
        index = rng.permutation(len(expected))[:size]
        batch = rows.batch(index)
        assert batch.shape == (size, rows.shape[1])
        assert_allclose(tilde(batch), expected[index], rtol=0, atol=tolerance)
    assert np.array_equal(X, before)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_over_batches_is_the_whole(weighted):
    """Value and gradient, against the oracle; weights of mean 1 over all rows."""
    X, columns = data()
    rng = np.random.default_rng(1)
    y = np.arange(M) % 3
    weights = rng.uniform(0.2, 3, M) if weighted else np.ones(M)
    weights /= weights.mean()
    network = Network.of((N, 5, 3), ("tanh",))
    theta = rng.normal(size=network.size) / 2
    rows = make_rows(X, columns)
    given = weights if weighted else None
    objective = BatchedObjective(network, Multinomial(), rows, y, given, 0.1)
    layers = oracles.unflatten(theta, network.shapes)
    Z = (X - columns.mean) / columns.scale

    def whole(theta):
        layers = oracles.unflatten(theta, network.shapes)
        return oracles.objective("multinomial", layers, ("tanh",), Z, y, weights, 0.1)

    values, gradients = [], []
    for index in rng.permutation(M).reshape(5, 6):
        part = objective.batch(index)
        here = part.evaluate(theta)
        w = weights[index]
        # a batch's weights keep their size: they need not sum to one
        cost = oracles.cost("multinomial", layers, ("tanh",), Z[index], y[index], w)
        assert here.cost == pytest.approx(cost * w.mean(), rel=1e-12)
        values.append(here.value)
        gradients.append(here.gradient)
        part.recycle(here)
    assert np.mean(values) == pytest.approx(whole(theta), rel=1e-12)
    expected = oracles.numerical_gradient(whole, theta)
    assert_allclose(np.mean(gradients, axis=0), expected, atol=1e-7)
    # another size after the arrays were kept
    everything = objective.batch(np.arange(M)).evaluate(theta)
    assert everything.value == pytest.approx(whole(theta), rel=1e-12)
    assert_allclose(everything.gradient, expected, atol=1e-7)
