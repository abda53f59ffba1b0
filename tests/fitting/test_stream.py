"""A stream: the function of raw X stays when the statistics of its columns move."""

from copy import deepcopy

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.data.columns import ColumnStatistics, Standardisation
from skgn.fitting.stream import Stream, in_columns
from skgn.model.network import Network
from tests import oracles


def columns(seed):
    rng = np.random.default_rng(seed)
    return Standardisation(rng.normal(size=3) * 5, rng.uniform(1, 2, 3))


def outputs(V, by, X):
    return np.hstack([np.ones((len(X), 1)), (X - by.mean) / by.scale]) @ V


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_columns_keeps_the_function_of_raw_columns(dtype):
    rng = np.random.default_rng(0)
    V, X = rng.normal(size=(4, 2)).astype(dtype), rng.normal(size=(9, 3))
    old, new = columns(1), columns(2)
    before = V.copy()
    moved = in_columns(V, old, new)
    assert moved.dtype == dtype
    assert np.array_equal(V, before)
    tolerance = 1e-3 if dtype == "float32" else 1e-10
    assert_allclose(outputs(moved, new, X), outputs(V, old, X), atol=tolerance)
    assert_allclose(in_columns(moved, new, old), V, atol=tolerance)


def test_in_columns_bounds_what_was_not_learned():
    """Columns that grow more than twice, or go far away, do not carry weights along."""
    V = np.array([[0.5], [1.0], [1.0], [1.0]])
    old = Standardisation(np.zeros(3), np.ones(3))
    new = Standardisation(np.array([0, 0, 1e9]), np.array([1.5, 1e6, 1.0]))
    assert_allclose(in_columns(V, old, new), [[20.5], [1.5], [2.0], [1.0]])
    back = in_columns(V, new, Standardisation(np.zeros(3), np.array([1.5, 1.0, 1e-6])))
    assert_allclose(back, [[-19.5], [1.0], [1e-6], [1e-6]])


def test_moved_re_expresses_weights_mean_and_velocity():
    """The network's outputs at θ and θ̄, and at θ + v: velocity is a difference."""
    rng = np.random.default_rng(0)
    network = Network.of((3, 4, 2), ("tanh",))
    X = rng.normal(size=(20, 3))
    first = ColumnStatistics.of(X, np.ones(20), products=True)
    old = first.standardisation("float64")
    theta = rng.normal(size=network.size)
    signs = np.random.RandomState(0)
    stream = Stream.begin(theta, first, old, 0.1, signs, 0.01, np.array([0.2, 0.8]))
    stream.descent.velocity[:] = rng.normal(size=network.size)
    stream.descent.mean[:] = rng.normal(size=network.size)
    before = deepcopy(stream)
    more = first.merged(
        ColumnStatistics.of(
            1 + 1.2 * rng.normal(size=(30, 3)), np.ones(30), products=True
        )
    )
    new = more.standardisation("float64")
    moved = stream.moved(network, more, new, np.array([0.7, 0.3]), np.zeros(3, bool))
    assert_allclose(moved.mean_target, [0.5, 0.5])  # 20 rows and 30
    assert moved.columns is new
    assert moved.statistics is more

    def function(flat, by):
        layers = oracles.unflatten(flat, network.shapes)
        return oracles.outputs(layers, ("tanh",), (X - by.mean) / by.scale)

    a, b = before.descent, moved.descent
    assert not np.allclose(a.theta, b.theta)
    pairs = [
        (a.theta, b.theta),
        (a.mean, b.mean),
        (a.theta + a.velocity, b.theta + b.velocity),
    ]
    for one, other in pairs:
        assert_allclose(function(other, new), function(one, old), rtol=1e-9, atol=1e-9)
    expected = more.factor(new, np.float64).to_dense()
    assert_allclose(b.factors.input_factor.to_dense(), expected)


def test_begin_copies_the_weights_into_their_mean():
    """The mean is an array of its own."""
    network = Network.of((3, 2), ())
    statistics = ColumnStatistics.of(np.eye(3), np.ones(3), products=True)
    theta = np.ones(network.size)
    by = statistics.standardisation("float64")
    signs = np.random.RandomState(0)
    stream = Stream.begin(theta, statistics, by, 0.1, signs, 0.01, np.ones(2))
    assert np.array_equal(stream.descent.mean, theta)
    assert not np.shares_memory(stream.descent.mean, stream.descent.theta)
    assert not stream.descent.velocity.any()
