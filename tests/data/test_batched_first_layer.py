"""The first layer's coordinates in mini-batches: the network stays what it is."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgn.data import batched_first_layer
from skgn.data.batched_first_layer import BatchedFirstLayer
from skgn.data.batches import DenseRows, MappedRows, SparseRows
from skgn.data.columns import Standardisation
from tests import oracles

KINDS = ["dense", "wide", "mapped", "mapped, kept", "sparse", "wide sparse"]


def build(kind, standardize, monkeypatch, m=40, n=5, weighted=True):
    """Return raw dense X of the rows of the fit, their shares and the first layer."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(m, n)) * np.array([1, 10, 0.1, 1, 3]) + rng.normal(size=n)
    X[:, 4] = X[:, 0] + 0.1 * X[:, 4]
    share = rng.uniform(0.2, 2, m) if weighted else np.ones(m)
    kept = None
    if kind == "mapped, kept":
        kept = np.flatnonzero(rng.uniform(size=m) < 0.6)
        share[np.setdiff1d(np.arange(m), kept)] = 0
    share /= share.sum()
    if "wide" in kind:
        monkeypatch.setattr(batched_first_layer, "MOST_ROTATED", 3)
    given = X
    if "sparse" in kind:
        X[rng.uniform(size=X.shape) < 0.5] = 0
        given = sparse.csr_array(X)
    first = BatchedFirstLayer.of(
        given,
        share,
        standardize,
        np.random.RandomState(0),
        kept,
        copy="mapped" not in kind,
    )
    if kept is not None:
        X, share = X[kept], share[kept]
    return X, share, first


def product(inputs, V):
    return inputs.product(V, np.empty((inputs.shape[0], V.shape[1])))


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_do_not_change(kind, standardize, monkeypatch):
    """Z_1 of training rows and of others, and the weights there and back."""
    X, _, first = build(kind, standardize, monkeypatch)
    rng = np.random.default_rng(1)
    V = rng.normal(size=(6, 3))
    entered = first.enter(V)
    Z = np.hstack([np.ones((len(X), 1)), (X - first.columns.mean) / first.columns.scale])
    index = rng.permutation(len(X))[:9]
    assert first.rows.shape == X.shape
    assert_allclose(product(first.rows.batch(index), entered), Z[index] @ V, atol=1e-10)
    others = sparse.csr_array(X[:4]) if "sparse" in kind else X[:4]
    assert_allclose(product(first.other_rows(others), entered), Z[:4] @ V, atol=1e-10)
    assert_allclose(first.leave(entered), V, atol=1e-12)
    rotated = kind == "dense" and standardize
    assert (first.basis is not None) == rotated
    expected = DenseRows
    if "sparse" in kind:
        expected = SparseRows
    elif "mapped" in kind:
        expected = MappedRows
    assert isinstance(first.rows, expected)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_factor_is_that_of_the_rows_in_these_coordinates(kind, standardize, monkeypatch):
    """S_1 by a loop over rows; with as many pairs as columns nothing is left out."""
    X, share, first = build(kind, standardize, monkeypatch)
    expected = Standardisation.none(5)
    if standardize:
        expected = Standardisation.of(X, share)
    assert_allclose(first.columns.mean, expected.mean, atol=1e-12)
    assert_allclose(first.columns.scale, expected.scale, rtol=1e-12)
    m = len(X)
    T = product(first.rows.batch(np.arange(m)), np.eye(6))
    S = oracles.input_factors("squared", [np.zeros((6, 1))], (), T[:, 1:], share)[0]
    assert_allclose(first.factor.to_dense(), S, rtol=1e-7, atol=1e-8 * np.trace(S))


@pytest.mark.parametrize("kind", ["dense", "mapped", "mapped, kept", "sparse"])
def test_factor_of_a_sample(kind, monkeypatch):
    """Of a part of the rows, all within the fit, as likely as others."""
    monkeypatch.setattr(batched_first_layer, "SAMPLE_ROWS", 300)
    X, share, first = build(kind, True, monkeypatch, m=1200, weighted=False)
    T = product(first.rows.batch(np.arange(len(X))), np.eye(6))
    S = oracles.input_factors("squared", [np.zeros((6, 1))], (), T[:, 1:], share)[0]
    assert_allclose(first.factor.trace, np.trace(S), rtol=0.2)
    assert not np.allclose(first.factor.trace, np.trace(S), rtol=1e-9)
