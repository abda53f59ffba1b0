"""Weights of networks by their predictions of real targets, against brute force."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.fitting import mixture
from skgn.fitting.mixture import LEAST, PRIOR, Means, mean_weights
from skgn.model.losses import Squared
from skgn.model.real_losses import Absolute, Gamma, Poisson

LOSSES = {
    "squared": Squared(),
    "absolute": Absolute(),
    "poisson": Poisson(),
    "gamma": Gamma(),
}
KINDS = [("squared", 1), ("squared", 3), ("absolute", 1), ("poisson", 1), ("gamma", 1)]


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def kind(request):
    return request.param


@pytest.fixture
def all_stay(monkeypatch):
    """Let no network go."""
    monkeypatch.setattr(mixture, "LEAST", 0.0)


def draw(name, K=1, k=3, m=200, seed=0):
    """Return a loss, predictions of networks of different worth, targets and counts."""
    rng = np.random.default_rng(seed)
    mean = np.exp(0.5 * rng.normal(size=(m, K)))
    draws = {
        "squared": mean + 0.3 * rng.normal(size=(m, K)),
        "absolute": mean + 0.2 * rng.standard_t(2, size=(m, K)),
        "poisson": rng.poisson(mean).astype(float),
        "gamma": mean * rng.gamma(4.0, 0.25, size=(m, K)),
    }
    worth = np.linspace(0.1, 0.25, k)[:, None, None]
    predictions = mean * np.exp(worth * rng.normal(size=(k, m, K)))
    return LOSSES[name], predictions, draws[name], rng.uniform(0.2, 3, m)


def dispersion(loss, predictions, targets, counts):
    """Return that of the best network."""
    costs = [counts @ loss.pointwise(_Z(loss, P), targets).loss for P in predictions]
    scale = 1 if isinstance(loss, Absolute) else 2
    return scale * min(costs) / (counts.sum() * targets.shape[1])


def objective(weights, loss, predictions, targets, counts):
    """Return what is to be small."""
    phi = dispersion(loss, predictions, targets, counts)
    average = sum(w * P for w, P in zip(weights, predictions, strict=True))
    losses = loss.pointwise(_Z(loss, average), targets).loss
    return counts @ losses - PRIOR * phi * np.log(weights).sum()


def _Z(loss, P):
    return np.log(P) if loss.out_activation == "exponential" else P


@pytest.mark.parametrize("seed", range(3))
def test_no_point_of_the_simplex_is_better(kind, seed, all_stay):
    """Of a fine grid; nor, nearby, of one that is a hundred times finer."""
    name, K = kind
    given = draw(name, K, seed=seed)
    weights = mean_weights(*given)
    assert weights.sum() == pytest.approx(1)
    least = objective(weights, *given)
    grid = [(a, b) for a, b in product(np.arange(1, 50) / 50, repeat=2) if a + b < 0.999]
    values = [objective((a, b, 1 - a - b), *given) for a, b in grid]
    assert least <= min(values) + 1e-9
    a, b = grid[int(np.argmin(values))]
    assert_allclose(weights[:2], (a, b), atol=0.03)
    for x, y in product(np.linspace(-1e-2, 1e-2, 11), repeat=2):
        near = weights + np.array([x, y, -x - y])
        if near.min() > 0:
            assert least <= objective(near, *given) + 1e-6


def test_weights_without_noise_in_closed_form(all_stay):
    """Those of least squares, where the best average is right and the prior nothing."""
    rng = np.random.default_rng(0)
    predictions = rng.normal(size=(3, 500, 2))
    truth = np.array([0.2, 0.5, 0.3])
    y = np.tensordot(truth, predictions, 1)
    weights = mean_weights(Squared(), predictions, y, np.full(500, 1e6))
    assert_allclose(weights, truth, atol=1e-6)


def test_order_of_networks_and_samples_does_not_matter(kind):
    loss, predictions, targets, counts = draw(*kind)
    rng = np.random.default_rng(0)
    networks, rows = rng.permutation(3), rng.permutation(200)
    weights = mean_weights(
        loss, predictions[networks][:, rows], targets[rows], counts[rows]
    )
    expected = mean_weights(loss, predictions, targets, counts)
    assert_allclose(weights, expected[networks], atol=1e-5)


def test_a_count_of_two_is_a_sample_repeated(kind):
    loss, predictions, targets, _ = draw(*kind)
    counts = np.resize([2, 1, 0], 200)
    weights = mean_weights(
        loss,
        np.repeat(predictions, counts, axis=1),
        np.repeat(targets, counts, axis=0),
        np.ones(counts.sum()),
    )
    own = mean_weights(loss, predictions, targets, counts.astype(float))
    assert_allclose(own, weights, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-100, 1e3, 1e100])
def test_the_unit_of_targets_does_not_matter(unit):
    """Where the loss has none."""
    loss, predictions, targets, counts = draw("squared")
    weights = mean_weights(loss, unit * predictions, unit * targets, counts)
    assert_allclose(weights, mean_weights(loss, predictions, targets, counts), atol=1e-9)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_counts_of_any_size(scale):
    """Few samples leave the prior alone, many the samples."""
    loss, predictions, targets, counts = draw("squared", k=4)
    weights = mean_weights(loss, predictions, targets, scale * counts)
    if scale < 1:
        assert_allclose(weights, 0.25, atol=1e-6)
    else:
        assert weights[0] > 0.4 > weights[-1]


def test_arguments_stay_as_they_are(kind):
    _, *arrays = given = draw(*kind)
    copies = [array.copy() for array in arrays]
    mean_weights(*given)
    for array, copy in zip(arrays, copies, strict=True):
        assert_array_equal(array, copy)


@pytest.mark.parametrize("m", [0, 1, 200])
def test_equal_networks_have_equal_weights(kind, m):
    """Even where there is no sample."""
    loss, predictions, targets, counts = draw(*kind)
    same = np.repeat(predictions[:1, :m], 21, axis=0)
    weights = mean_weights(loss, same, targets[:m], counts[:m])
    assert_allclose(weights, 1 / 21, rtol=1e-9)


def test_errors_that_cancel_have_both_networks_stay():
    """The average counts: two bad networks may be better than a good one."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(500, 1))
    good = y + 0.5 * rng.normal(size=y.shape)
    weights = mean_weights(Squared(), np.array([good, y + 1, y - 1]), y, np.ones(500))
    assert_allclose(weights, [0, 0.5, 0.5], atol=0.01)


def test_networks_of_small_weight_go():
    """The others have the weights that they would have had without them."""
    loss, predictions, targets, counts = draw("squared", m=2000)
    bad = predictions + np.random.default_rng(1).normal(size=predictions.shape)
    both = np.concatenate([predictions, bad])
    weights = mean_weights(loss, both, targets, counts)
    assert_array_equal(weights[3:], 0)
    assert np.all(weights[:3] >= LEAST)
    expected = mean_weights(loss, predictions, targets, counts)
    assert_allclose(weights[:3], expected, atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_predictions_that_are_not_finite(kind, bad):
    """Or whose loss is not: the network goes, as long as there is another one."""
    loss, predictions, targets, counts = draw(*kind)
    expected = mean_weights(loss, predictions[1:], targets, counts)
    predictions[0, 3] = bad
    weights = mean_weights(loss, predictions, targets, counts)
    assert weights[0] == 0
    assert_allclose(weights[1:], expected, atol=1e-6)


def test_networks_none_of_which_is_finite():
    """Nothing is known of any of them."""
    loss, predictions, targets, counts = draw("squared")
    predictions[:, 0] = np.nan
    assert_allclose(mean_weights(loss, predictions, targets, counts), 1 / 3)


def test_perfect_networks_share_the_weight():
    """The others go."""
    y = np.random.default_rng(0).normal(size=(50, 2))
    weights = mean_weights(Squared(), np.array([y, y + 1, y]), y, np.ones(50))
    assert_allclose(weights, [0.5, 0, 0.5], atol=1e-6)


def test_counts_that_no_mean_can_meet():
    """Means of zero where there were some, and of some where there were none."""
    y = np.array([[0.0], [3.0], [0.0], [1.0]])
    predictions = np.array([np.zeros_like(y), y + 0.5, y + 1])
    weights = mean_weights(Poisson(), predictions, y, np.ones(4))
    assert np.isfinite(weights).all()
    assert weights.argmax() == 1


def test_losses_of_predictions_that_are_not_finite():
    """They are infinite, so that the network is the last to search on."""
    P = np.array([[1.0], [np.nan], [np.inf]])
    losses = Means(Squared()).losses(P, np.zeros((3, 1)))
    assert_array_equal(losses, [0.5, np.inf, np.inf])
