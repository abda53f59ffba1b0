"""Losses of held-out rows against the oracle."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score, r2_score

from skgn.data.columns import Standardisation
from skgn.data.inputs import DenseInputs
from skgn.model.network import Network
from skgn.training.held_out import HeldOut
from tests import oracles
from tests.problems import LOSSES, network_cases
from tests.problems import case as draw_case

CASES = network_cases()
pytestmark = pytest.mark.usefixtures("chunks")


def held_out(case, dtype=np.float64):
    """Return the rows of a case as held-out ones."""
    columns = Standardisation.none(case.X.shape[1])
    return HeldOut(
        Network.of(case.widths, case.activations),
        LOSSES[case.loss],
        DenseInputs.standardised(case.X.astype(dtype), columns),
        case.targets,
        case.weights / case.weights.sum(),
    )


def expected_losses(case):
    """Return the loss of each row, by the oracle."""
    Z = oracles.outputs(*case.rows)
    pairs = zip(Z, case.targets, strict=True)
    return np.array([oracles.loss_row(case.loss, *pair) for pair in pairs])


def expected_score(case):
    """Return scikit-learn's score of the rows."""
    Z, weights = oracles.outputs(*case.rows), {"sample_weight": case.weights}
    if case.loss == "squared":
        return r2_score(case.targets, Z, **weights)
    labels = Z.argmax(axis=1) if case.loss == "multinomial" else (Z > 0).astype(int)
    return accuracy_score(case.targets, labels, **weights)


@pytest.mark.parametrize("name", CASES)
def test_losses(name):
    """Row by row, and their mean under weights."""
    case = CASES[name]
    expected = expected_losses(case)
    rows = held_out(case)
    assert_allclose(rows.losses(case.theta), expected, rtol=1e-10, atol=1e-14)
    mean = case.weights @ expected / case.weights.sum()
    loss, score = rows.judge(case.theta)
    assert loss == pytest.approx(mean, rel=1e-12)
    assert score == pytest.approx(expected_score(case), rel=1e-12)
    if len(expected) > 1:
        assert abs(mean - expected.mean()) > 1e-6 * mean


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_weights_give_float64_losses(loss):
    """The network in float32, the losses of its outputs in float64."""
    case = draw_case(loss, ("tanh", "silu"), (5, 4), m=30)
    losses = held_out(case, np.float32).losses(case.theta.astype(np.float32))
    assert losses.dtype == np.float64
    assert_allclose(losses, expected_losses(case), rtol=1e-4, atol=1e-5)
    assert not np.array_equal(losses, losses.astype(np.float32))


def test_float32_losses_of_sure_predictions_keep_their_digits():
    """Of outputs ±30 the loss is e^-30 or 30, not zero or less than exact."""
    case = draw_case("bernoulli", (), (), n=1, K=1, m=4)
    theta = np.array([0, 30], np.float32)
    rows = HeldOut(
        Network.of((1, 1), ()),
        LOSSES["bernoulli"],
        DenseInputs(np.array([[1, 1], [1, -1], [1, 1], [1, -1]], np.float32)),
        np.array([[1], [0], [0], [1]], np.int8),
        np.full(len(case.X), 0.25),
    )
    small, large = np.exp(-30), 30 + np.exp(-30)
    assert_allclose(rows.losses(theta), [small, small, large, large], rtol=1e-12)


def test_losses_at_other_weights_leave_the_earlier_ones():
    """The arrays of a pass are used again; what was returned is not among them."""
    case = draw_case("multinomial", ("tanh",), (4,))
    rows = held_out(case)
    one = rows.losses(case.theta)
    copy = one.copy()
    other = rows.losses(case.theta + 1)
    assert np.abs(other - copy).max() > 1e-2
    assert_array_equal(one, copy)
    assert_array_equal(rows.losses(case.theta), copy)
