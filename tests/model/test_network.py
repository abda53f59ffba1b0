"""Forward pass, views and initial weights of a network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.model.activations import ACTIVATIONS
from skgn.model.network import Network
from tests import oracles
from tests.problems import network_cases

CASES = network_cases()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("chunks")
def test_forward_agrees_with_the_oracle(name):
    """Every Z_l and Ã_l of every row is that of the explicit loop."""
    case = CASES[name]
    trace = case.evaluation().trace
    for i, x in enumerate(case.X):
        z, tilde = oracles.forward_row(case.layers, case.activations, x)
        for Z_l, z_l in zip(trace.Z, z, strict=True):
            assert_allclose(Z_l[i], z_l, rtol=1e-12, atol=1e-13)
        for A_l, a_l in zip(trace.hidden, tilde[1:], strict=True):
            assert_allclose(A_l[i], a_l, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("chunks")
def test_backward_gives_the_output_jacobians(name):
    """Sending the unit vectors back gives the rows of J_l, also when stacked."""
    case = CASES[name]
    here = case.evaluation()
    m, K = here.trace.Z[-1].shape
    units = np.repeat(np.eye(K), m, axis=0)  # (K m, K): unit vector k for all rows
    network = here.objective.network
    jacobians = [oracles.output_jacobians(*case.rows[:2], x) for x in case.X]
    seen = []
    for l, delta in network.backward(here.layers, here.trace.slopes, units):
        seen.append(l)
        stacked = delta.reshape(K, m, -1)
        for i in range(m):
            assert_allclose(stacked[:, i], jacobians[i][l], rtol=1e-11, atol=1e-12)
    assert seen == list(range(len(case.layers)))[::-1]


def test_layers_are_views():
    """Writing to a layer writes to theta, and the sizes add up."""
    network = Network.of((3, 4, 2), ["tanh"])
    theta = np.zeros(network.size)
    layers = network.layers(theta)
    assert network.shapes == [(4, 4), (5, 2)]
    assert network.size == 26
    for V in layers:
        V += 1
    assert_array_equal(theta, 1)


def test_place_of_the_intercepts():
    """The first row of each layer."""
    network = Network.of((2, 3, 4, 1), ("tanh", "tanh"))
    theta = np.arange(float(network.size))
    rows = [V[0] for V in network.layers(theta)]
    for place, row in zip(network.intercepts, rows, strict=True):
        assert_array_equal(theta[place], row)


def test_initial_weights():
    """Normal weights of deviation gain / sqrt(fan in), zero hidden intercepts."""
    names = ["relu", "tanh"]
    network = Network.of((400, 300, 200, 2), names)
    intercepts = np.array([1.0, -1.0])
    layers = network.initial_weights(np.random.RandomState(0), intercepts)
    assert [V.shape for V in layers] == network.shapes
    assert_array_equal(layers[0][0], 0)
    assert_array_equal(layers[1][0], 0)
    assert_array_equal(layers[2][0], intercepts)
    gains = [1.0, *(ACTIVATIONS[name].gain for name in names)]
    for V, gain in zip(layers, gains, strict=True):
        fan_in = len(V) - 1
        assert V[1:].std() * np.sqrt(fan_in) == pytest.approx(gain, rel=0.15)
        assert abs(V[1:].mean()) < 0.2 * V[1:].std()


def test_spread_intercepts():
    """Hidden units within sqrt(2) deviations of the mean; the same weights otherwise."""
    network = Network.of((3, 2000, 500, 2), ["relu", "tanh"])
    draws = {
        spread: network.initial_weights(np.random.RandomState(0), np.ones(2), spread)
        for spread in (False, True)
    }
    for l, (plain, spread) in enumerate(zip(draws[False], draws[True], strict=True)):
        assert_array_equal(spread[1:], plain[1:])
        if l == 2:
            assert_array_equal(spread[0], plain[0])
            continue
        places = spread[0] / np.linalg.norm(spread[1:], axis=0)
        assert 1.35 < np.abs(places).max() <= 2**0.5
        assert places.std() == pytest.approx((2 / 3) ** 0.5, rel=0.1)


def test_initial_weights_depend_on_the_seed_alone():
    """The same seed draws the same weights; another one does not."""
    network = Network.of((3, 4, 2), ["tanh"])
    draws = [
        network.initial_weights(np.random.RandomState(seed), np.zeros(2))
        for seed in (0, 0, 1)
    ]
    for first, second, other in zip(*draws, strict=True):
        assert_array_equal(first, second)
        assert np.all(first[1:] != other[1:])


@pytest.mark.parametrize("m", [0, 1, 255, 256, 257, 5000])
def test_chunks_cover_every_row_once(m):
    """Slices follow each other without gap or overlap."""
    network = Network.of((3, 400, 2), ["tanh"])
    rows = np.arange(m)
    parts = [rows[part] for part in network.chunks(m)]
    assert_array_equal(np.concatenate([rows[:0], *parts]), rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precision_of_the_trace(dtype):
    """A forward pass stays in the precision of the inputs."""
    case = CASES["multinomial, three layers"]
    objective = case.objective(dtype)
    trace = objective.evaluate(case.theta.astype(dtype)).trace
    assert {A.dtype.name for A in (*trace.Z, *trace.hidden)} == {dtype}
    expected = oracles.outputs(*case.rows)
    assert_allclose(trace.Z[-1], expected, rtol=1e3 * np.finfo(dtype).eps, atol=1e-5)
