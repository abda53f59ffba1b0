"""Weights of networks, against an optimiser and in closed form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from skgn.fitting import mixture
from skgn.fitting.mixture import LEAST, PRIOR, mixture_weights

SEEDS = range(3)


@pytest.fixture
def all_stay(monkeypatch):
    """Let no network go."""
    monkeypatch.setattr(mixture, "LEAST", 0.0)


def draw(k, m, seed=0, spread=1.0):
    """Return log-probabilities of samples by networks of different worth, and counts."""
    rng = np.random.default_rng(seed)
    hard = rng.exponential(1.0, m)  # for all networks
    own = rng.exponential(spread, (k, m)) + np.linspace(0, 0.3, k)[:, None]
    return -(hard + own), rng.uniform(0.2, 3, m)


def objective(weights, log_likelihood, counts):
    """Return the log-likelihood of the average, times the prior."""
    with np.errstate(divide="ignore"):
        average = np.log(weights @ np.exp(log_likelihood))
        return counts @ average + PRIOR * np.log(weights).sum()


def likeliest(log_likelihood, counts):
    """Return the weights of the largest objective, by an optimiser."""
    k = len(log_likelihood)
    best = minimize(
        lambda weights: -objective(weights, log_likelihood, counts),
        np.full(k, 1 / k),
        method="SLSQP",
        bounds=[(1e-9, 1)] * k,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-13, "maxiter": 1000},
    )
    assert best.success
    return best.x


def decisive(*samples):
    """Return log-probabilities of samples that one network alone predicts.

    The weights are known then: ``(n_j + a) / (Σ n + k a)``.
    """
    who = np.repeat(np.arange(len(samples)), samples)
    own = who == np.arange(len(samples))[:, None]
    return np.where(own, -0.5, -np.inf), np.ones(len(who))


def shares(*samples):
    """Return the weights by these samples in closed form."""
    seen = np.array(samples) + PRIOR
    return seen / seen.sum()


# The maximum


@pytest.mark.parametrize("k", [2, 3, 5, 9])
@pytest.mark.parametrize("m", [7, 300])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_weights_are_those_of_an_optimiser(all_stay, k, m, seed):
    """They reach its objective, and lie where it lies."""
    given = draw(k, m, seed)
    weights, expected = mixture_weights(*given), likeliest(*given)
    assert objective(weights, *given) >= objective(expected, *given) - 1e-4
    assert_allclose(weights, expected, atol=3e-3)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert np.ptp(weights) > 0.01


@pytest.mark.parametrize("k", [2, 4, 7])
@pytest.mark.parametrize("seed", SEEDS)
def test_condition_of_the_maximum(all_stay, k, seed):
    """Each weight is its share of the samples and of the prior."""
    log_likelihood, counts = draw(k, 100, seed, spread=0.5)
    weights = mixture_weights(log_likelihood, counts)
    likelihood = np.exp(log_likelihood)
    responsibilities = weights[:, None] * likelihood / (weights @ likelihood)
    expected = (responsibilities @ counts + PRIOR) / (counts.sum() + k * PRIOR)
    assert_allclose(weights, expected, atol=2e-5)


@pytest.mark.parametrize(
    "samples", [(1, 0), (3, 1), (40, 20, 10), (0, 0, 1), (5, 6, 7, 8)]
)
def test_samples_that_one_network_alone_predicts(samples):
    """The weights are known in closed form."""
    assert_allclose(mixture_weights(*decisive(*samples)), shares(*samples), atol=1e-6)


def test_only_ratios_of_probabilities_count():
    """What is hard for all networks alike says nothing of any of them."""
    log_likelihood, counts = draw(3, 80)
    hard = np.random.default_rng(1).normal(-2000, 500, 80)
    expected = mixture_weights(log_likelihood, counts)
    assert_allclose(mixture_weights(log_likelihood + hard, counts), expected, atol=1e-7)


def test_the_order_of_networks_and_samples_does_not_matter():
    log_likelihood, counts = draw(4, 60)
    rng = np.random.default_rng(0)
    networks, samples = rng.permutation(4), rng.permutation(60)
    weights = mixture_weights(log_likelihood[networks][:, samples], counts[samples])
    assert_allclose(weights, mixture_weights(log_likelihood, counts)[networks], atol=1e-9)


def test_arguments_stay_as_they_are():
    log_likelihood, counts = decisive(100, 100, 0)
    copies = log_likelihood.copy(), counts.copy()
    mixture_weights(log_likelihood, counts)
    assert_array_equal(log_likelihood, copies[0])
    assert_array_equal(counts, copies[1])


# Networks that are as good as each other, and better ones


@pytest.mark.parametrize("k", [1, 2, 3, 21])
@pytest.mark.parametrize("m", [0, 1, 500])
def test_equal_networks_have_equal_weights(k, m):
    """Even where there is no sample; more than twenty of them do not all go."""
    log_likelihood = np.repeat(draw(1, m)[0], k, axis=0)
    weights = mixture_weights(log_likelihood, np.ones(m))
    assert_allclose(weights, 1 / k, rtol=1e-12)


def test_a_network_alone():
    """It has all weight, whatever it predicts."""
    for log_likelihood in (np.zeros((1, 3)), np.full((1, 3), -np.inf)):
        assert_array_equal(mixture_weights(log_likelihood, np.ones(3)), [1])


def test_a_clearly_better_network_wins_by_many_samples():
    """It has all the weight then; by few, the prior keeps the others."""
    log_likelihood = -np.random.default_rng(0).exponential(1.0, (3, 2000))
    log_likelihood[1] += 1.5
    assert_array_equal(mixture_weights(log_likelihood, np.ones(2000)), [0, 1, 0])
    few = mixture_weights(log_likelihood[:, :2], np.ones(2))
    assert np.all(few > LEAST)
    assert few.argmax() == 1


@pytest.mark.parametrize("m", [1, 2, 4])
def test_by_few_samples_weights_are_nearly_equal(m):
    """Within what the prior leaves, however certain the samples are."""
    k = 4
    weights = mixture_weights(draw(k, m, spread=50.0)[0], np.ones(m))
    total = m + k * PRIOR
    assert weights.min() >= PRIOR / total - 1e-6
    assert weights.max() <= (m + PRIOR) / total + 1e-6


def test_a_copy_shares_the_weight_of_its_original():
    """What they have together is about what one of them has alone."""
    rng = np.random.default_rng(0)
    first, second = -rng.exponential(1.0, (2, 2000))
    weights = mixture_weights(np.array([first, second, second]), np.ones(2000))
    alone = mixture_weights(np.array([first, second]), np.ones(2000))
    assert weights[1] == pytest.approx(weights[2], abs=1e-12)
    assert weights[0] == pytest.approx(alone[0], abs=0.01)


# Counts


def test_a_count_of_two_is_a_sample_repeated():
    log_likelihood, _ = draw(3, 40)
    counts = np.resize([2.0, 1.0, 3.0], 40)
    repeated = np.repeat(log_likelihood, counts.astype(int), axis=1)
    expected = mixture_weights(repeated, np.ones(repeated.shape[1]))
    assert_allclose(mixture_weights(log_likelihood, counts), expected, atol=1e-9)
    assert np.any(np.abs(mixture_weights(log_likelihood, np.ones(40)) - expected) > 1e-3)


def test_a_count_of_zero_is_no_sample():
    log_likelihood, counts = draw(3, 40)
    counts[10:] = 0
    expected = mixture_weights(log_likelihood[:, :10], counts[:10])
    assert_allclose(mixture_weights(log_likelihood, counts), expected, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_counts_of_any_size(scale):
    """Tiny ones leave the prior alone, huge ones the samples."""
    log_likelihood, counts = decisive(6, 3, 1)
    weights = mixture_weights(log_likelihood, scale * counts)
    assert_allclose(weights, [1 / 3] * 3 if scale < 1 else [0.6, 0.3, 0.1], atol=1e-6)


# Networks that go


def test_networks_of_small_weight_go():
    """The others have the weights that they would have had without them."""
    log_likelihood, counts = decisive(60, 1, 39, 2)
    assert np.all(shares(60, 1, 39, 2)[[1, 3]] < LEAST)
    weights = mixture_weights(log_likelihood, counts)
    assert_array_equal(weights[[1, 3]], 0)
    # what these alone have predicted now says nothing
    assert_allclose(weights[[0, 2]], shares(60, 39), atol=1e-6)
    others = mixture_weights(log_likelihood[[0, 2]], counts)
    assert_array_equal(weights[[0, 2]], others)


@pytest.mark.parametrize("seed", range(5))
def test_the_weights_of_those_that_stay_are_those_of_an_optimiser(seed):
    """Of these alone; by that of all, the others were below LEAST."""
    log_likelihood, counts = draw(6, 400, seed)
    log_likelihood[[1, 4]] -= 0.7
    weights = mixture_weights(log_likelihood, counts)
    stays = weights > 0
    assert 1 < stays.sum() < 6
    assert_allclose(weights[stays], likeliest(log_likelihood[stays], counts), atol=3e-3)
    assert np.all(likeliest(log_likelihood, counts)[~stays] < LEAST)


@pytest.mark.parametrize(("seen", "stays"), [(4, False), (5, True)])
def test_the_least_weight(seen, stays):
    """LEAST, of few networks: 4.5 and 5.5 of 101 samples are below it and above."""
    weights = mixture_weights(*decisive(100 - seen, seen))
    assert (weights[1] > 0) == stays
    assert (shares(100 - seen, seen)[1] > LEAST) == stays


@pytest.mark.parametrize(("seen", "stays"), [(8, False), (10, True)])
def test_of_many_networks_the_least_weight_is_half_an_equal_share(seen, stays):
    """Of 20, 8.5 and 10.5 of 400 samples are below it and above; each below LEAST."""
    others = (390 - seen) // 19
    expected = shares(*[others] * 19, seen)
    assert expected[-1] < LEAST
    assert (expected[-1] > 0.5 / 20) == stays
    weights = mixture_weights(*decisive(*[others] * 19, seen))
    assert np.all(weights[:-1] > 0)
    assert (weights[-1] > 0) == stays


@pytest.mark.parametrize("k", [21, 40])
def test_many_networks_do_not_all_go(k):
    """Of nearly equal ones, each has a weight below LEAST."""
    log_likelihood = decisive(*[5] * (k - 1), 6)[0]
    weights = mixture_weights(log_likelihood, np.ones(log_likelihood.shape[1]))
    assert_allclose(weights, shares(*[5] * (k - 1), 6), atol=1e-6)
    assert weights.max() < LEAST + 0.01
    assert np.all(weights[:-1] < LEAST)


# Probabilities of zero


def test_a_sample_that_no_network_can_predict_says_nothing():
    """As if it were not there."""
    log_likelihood, counts = draw(3, 50)
    expected = mixture_weights(log_likelihood[:, 1:], counts[1:])
    log_likelihood[:, 0] = -np.inf
    assert_allclose(mixture_weights(log_likelihood, counts), expected, atol=1e-4)


def test_samples_that_some_networks_cannot_predict():
    """These lose by them, as by any small probability."""
    log_likelihood, counts = draw(3, 50)
    log_likelihood[0, :5] = -np.inf
    log_likelihood[1:, 7] = -np.inf
    weights = mixture_weights(log_likelihood, counts)
    almost = np.maximum(log_likelihood, -1e4)
    assert_allclose(weights, mixture_weights(almost, counts), atol=1e-9)
    assert np.isfinite(weights).all()
    assert np.all(weights > 0)


def test_a_network_that_predicts_nothing_goes():
    log_likelihood, counts = draw(3, 100)
    log_likelihood[1] = -np.inf
    weights = mixture_weights(log_likelihood, counts)
    assert weights[1] == 0
    assert_array_equal(weights[[0, 2]], mixture_weights(log_likelihood[[0, 2]], counts))


def test_networks_that_predict_nothing_at_all():
    """Nothing is known of any of them."""
    weights = mixture_weights(np.full((3, 20), -np.inf), np.ones(20))
    assert_allclose(weights, 1 / 3)


@pytest.mark.parametrize("lowest", [-1e5, -1e300, np.finfo(float).min])
def test_absurd_log_probabilities(lowest):
    """Neither overflow nor NaN."""
    log_likelihood = np.array([[lowest, -1.0, lowest], [-1.0, lowest, lowest]])
    assert_allclose(mixture_weights(log_likelihood, np.ones(3)), 0.5)
