"""Encoded rows in batches, and as the inputs of products that are needed once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.data import inputs as inputs_module
from skgn.data.batched_first_layer import BatchedFirstLayer
from skgn.data.batches import EncodedBatches
from skgn.data.columns import Standardisation
from skgn.data.encoding import EncodedRows, Encoder
from skgn.data.inputs import DenseInputs, EncodedInputs

M = 300


@pytest.fixture
def rows():
    """Return encoded rows with numbers, gaps, categories and means of targets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(M, 5))
    X[:, 0] = rng.integers(0, 30, M)
    X[::7, 2] = np.nan
    X[3, 1] = 1e5
    encoder = Encoder.of(X, np.ones(M), {0: 30})
    encoder = encoder.with_steps(X, np.ones(M), np.random.RandomState(0), 6)
    return EncodedRows(X, encoder)


def weights():
    return np.random.default_rng(1).dirichlet(np.ones(M))


def test_a_batch_is_made_of_standardised_columns(rows):
    """Also of rows that are some of those that belong to the fit."""
    columns = Standardisation.of(rows, weights())
    expected = DenseInputs.standardised(rows[:], columns).tilde
    index = np.array([5, 1, 250, 7])
    assert_allclose(EncodedBatches(rows, columns).batch(index).tilde, expected[index])
    kept = np.arange(0, M, 2)
    batch = EncodedBatches(rows, columns, kept).batch(index[:2])
    assert_allclose(batch.tilde, expected[kept[index[:2]]])


def test_products_in_parts(rows, monkeypatch):
    """Those of the whole, whatever the parts."""
    monkeypatch.setattr(inputs_module, "PART", 70)
    columns, w = Standardisation.of(rows, weights()), weights()
    whole = DenseInputs.standardised(rows[:], columns)
    parts = EncodedInputs(rows, columns)
    rng = np.random.default_rng(2)
    V, delta = rng.normal(size=(1 + rows.shape[1], 3)), rng.normal(size=(M, 3))
    out = np.empty((M, 3))
    assert_allclose(parts.product(V, out), whole.product(V, np.empty((M, 3))))
    assert_allclose(parts.adjoint(delta), whole.adjoint(delta), atol=1e-10)
    assert_allclose(parts.gram(w), whole.gram(w), atol=1e-12)
    assert parts.gram_trace(w) == pytest.approx(whole.gram_trace(w))
    assert_allclose(parts.row_gram(), whole.row_gram(), atol=1e-8)


def test_statistics_of_rows_that_are_not_copied(rows, monkeypatch):
    """Numbers by all rows, outliers included; all else by some."""
    first = BatchedFirstLayer.of(
        rows, weights(), True, np.random.RandomState(0), copy=False
    )
    expected = Standardisation.of(rows, weights())
    assert_allclose(first.columns.mean, expected.mean)
    assert_allclose(first.columns.scale, expected.scale)
    monkeypatch.setattr("skgn.data.batched_first_layer.SAMPLE_ROWS", 100)
    some = BatchedFirstLayer.of(
        rows, weights(), True, np.random.RandomState(0), copy=False
    )
    n = len(rows.encoder.numbers)
    assert_allclose(some.columns.mean[:n], expected.mean[:n])
    assert_allclose(some.columns.scale[:n], expected.scale[:n])
    assert not np.allclose(some.columns.mean[n:], expected.mean[n:])
    assert np.abs(some.columns.mean - expected.mean)[n:].max() < 0.3
