"""Plain values, and what they stand for."""

import numpy as np
import pytest

from skgn.fitting.plain import FITTED, KIND, plain, rebuilt
from skgn.model.network import Network
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.mini_batch import Descent


def round_trip(value):
    return rebuilt(plain(value, FITTED), FITTED)


def test_plain_values_stay():
    """In containers of their own; arrays are the same ones."""
    array = np.arange(3.0)
    value = {"a": [1, 2.5, None], 3: (True, "text"), "array": array}
    again = round_trip(value)
    assert again == value
    assert again is not value
    assert again["array"] is array


def test_numbers_of_numpy_become_those_of_python():
    for value in (np.float64(0.1), np.float32(0.5), np.int64(3), np.bool_(True)):
        again = plain([value], FITTED)[0]
        assert type(again) in (float, int, bool)
        assert again == value


def test_a_generator_goes_on():
    state = np.random.RandomState(3)
    state.standard_normal(3)  # of which numpy keeps a fourth
    again = round_trip(state)
    assert np.array_equal(again.standard_normal(9), state.standard_normal(9))


def test_what_follows_from_the_rest_is_left_out():
    network = Network.of((3, 2, 1), ["tanh"])
    assert network.size == 11
    state = plain(network, FITTED)
    assert state == {
        KIND: "Network",
        "widths": (3, 2, 1),
        "activations": ({KIND: "Activation", "name": "tanh"},),
    }
    assert rebuilt(state, FITTED) == network


def test_arrays_that_are_shared_stay_so():
    theta = np.ones(3)
    again = round_trip(Descent(theta, np.zeros(3), RunningFactors(None, 0.1), theta))
    assert again.theta is again.mean is theta


def test_foreign_classes_are_not_written():
    """Nor those of the same name."""

    class Network:
        pass

    for value in (object(), {1, 2}, Network(), np.random.default_rng(0), len):
        with pytest.raises(TypeError, match="is not among what is saved"):
            plain(value, FITTED)


@pytest.mark.parametrize("kind", ["Popen", "posix.system", "Settings", "", None, 3, []])
def test_unknown_kinds(kind):
    with pytest.raises(ValueError, match="unknown kind"):
        rebuilt({KIND: kind, "args": "true"}, FITTED)


@pytest.mark.parametrize("value", [object(), {1}, len, Network.of((1, 1), [])])
def test_values_that_are_not_plain(value):
    with pytest.raises(ValueError, match="holds the type"):
        rebuilt([value], FITTED)


@pytest.mark.parametrize(
    "state",
    [
        {KIND: "Network", "widths": (1, 1)},
        {KIND: "Network", "widths": (1, 1), "activations": (), "more": 1},
        {KIND: "Network", 3: 4},
        {KIND: "Activation", "name": "none"},
        {KIND: "Activation"},
        {KIND: "Predictor"},
        {KIND: "RunningFactors", "damping": 0.1},
        {**plain(RunningFactors(None, 0.1), FITTED), "more": 1},
        {KIND: "ColumnStatistics", "triangle": np.zeros(2)},
        {KIND: "ColumnStatistics", "triangle": None},
        {KIND: "RandomState", "state": ("MT19937", np.zeros(3), 0)},
        {KIND: "RandomState"},
    ],
)
def test_broken_states(state):
    with pytest.raises(ValueError, match=f"state of a {state[KIND]} is broken"):
        rebuilt(state, FITTED)
