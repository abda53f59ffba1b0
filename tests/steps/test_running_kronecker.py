"""Running factors against dense Gauss-Newton blocks."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.steps.running_kronecker import (
    EARLY,
    MEMORY,
    REFRESH,
    RunningFactors,
)
from tests import oracles
from tests.problems import LOSSES, network_cases
from tests.problems import case as draw_case

CASES = network_cases()


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("K", [1, 2, 3, 4])
def test_sampled_root_has_the_mean_of_the_hessian(name, K):
    """Over all 2^K sign patterns, exactly; also where a prediction is all but sure."""
    rng = np.random.default_rng(K)
    Z = rng.normal(size=(5, K)) * np.array([0.1, 1, 3, 10, 30])[:, None]
    if name == "multinomial":
        targets = np.arange(5) % K
    else:
        targets = (rng.uniform(size=(5, K)) < 0.5).astype(np.int8)
    at = LOSSES[name].pointwise(Z, targets)
    mean = np.zeros((5, K, K))
    for signs in product([-1.0, 1.0], repeat=K):
        signs = np.tile(signs, (5, 1))
        root = LOSSES[name].sampled_root(at, signs)
        mean += np.einsum("ij,ik->ijk", root, root) / 2**K
    expected = [oracles.loss_hessian(name, z) for z in Z]
    assert_allclose(mean, expected, rtol=1e-10, atol=1e-15)


class Signs:
    """A random state that deals out given signs."""

    def __init__(self, signs):
        self.signs = np.asarray(signs)

    def random_sample(self, shape):
        return np.where(self.signs < 0, 0.25, 0.75).reshape(shape)


@pytest.mark.parametrize("loss", list(LOSSES))
def test_sampled_output_factors_are_unbiased(loss):
    """Over all sign patterns of all rows the mean is the oracle's Γ, every layer."""
    case = draw_case(loss, ("tanh", "silu"), (3, 2), m=4, K=2)
    expected = oracles.output_factors(loss, *case.rows, case.weights)
    patterns = list(product([-1, 1], repeat=8))
    here = case.evaluation()
    mean = [0.0] * 3
    for signs in patterns:
        grams = here.sampled_output_grams(Signs(signs))
        mean = [a + g / len(patterns) for a, g in zip(mean, grams, strict=True)]
    for actual, gamma in zip(mean, expected, strict=True):
        assert_allclose(actual, gamma, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("depth", range(3))
@pytest.mark.parametrize("loss", ["bernoulli", "squared"])
def test_single_output_is_exact(loss, depth):
    """Whatever the signs."""
    hidden, names = (3, 4)[:depth], ("tanh", "silu")[:depth]
    case = draw_case(loss, names, hidden, K=1, seed=4)
    expected = oracles.output_factors(loss, *case.rows, case.weights)
    for seed in range(3):
        grams = case.evaluation().sampled_output_grams(np.random.RandomState(seed))
        for actual, gamma in zip(grams, expected, strict=True):
            assert_allclose(actual, gamma, rtol=1e-10, atol=1e-13)


def split_inverse(S, gamma, damping):
    """The dense inverse with split damping, well inside the bounds of the ratio."""
    pi = np.sqrt(np.trace(S) / len(S) / (np.trace(gamma) / len(gamma)))
    left = S + pi * np.sqrt(damping) * np.eye(len(S))
    right = gamma + np.sqrt(damping) / pi * np.eye(len(gamma))
    return np.kron(np.linalg.inv(left), np.linalg.inv(right))


@pytest.mark.parametrize("name", CASES)
def test_direction_is_minus_the_dense_inverse_times_the_gradient(name):
    """Block by block, and a descent direction; the same signs give the factors."""
    case = CASES[name]
    here = case.evaluation()
    factors = RunningFactors(case.input_factor(), 0.07)
    D = factors.direction(here, np.random.RandomState(3))
    S = oracles.input_factors(case.loss, *case.rows, case.weights)
    S[0] = case.input_factor().to_dense()  # rows count by w, whatever the depth
    gammas = case.evaluation().sampled_output_grams(np.random.RandomState(3))
    damping = 0.07 + case.objective().alpha
    start = 0
    for S_l, gamma in zip(S, gammas, strict=True):
        stop = start + len(S_l) * len(gamma)
        part = split_inverse(S_l, gamma, damping) @ here.gradient[start:stop]
        assert_allclose(D[start:stop], -part, rtol=1e-7, atol=1e-9)
        start = stop
    assert stop == len(D)
    assert D @ here.gradient < 0


def test_averages_follow_the_documented_shares():
    """Refreshes at the early steps and every twentieth; shares 1 - ρ_k of each batch."""
    cases = [draw_case(seed=seed) for seed in range(3)]
    evaluations = [case.evaluation() for case in cases]
    factors = RunningFactors(cases[0].input_factor(), 0.1)
    signs, shadow = np.random.RandomState(0), np.random.RandomState(0)
    expected_S, expected_gamma, k = None, None, 0
    for t in range(3 * REFRESH + 1):
        here = evaluations[t % 3]
        factors.direction(here, signs)
        if t in EARLY or t % REFRESH == 0:
            case = cases[t % 3]
            S = oracles.input_factors(case.loss, *case.rows, case.weights)[1]
            gamma = here.sampled_output_grams(shadow)
            rho = min(MEMORY, 1 - 2 / (k + 2))
            if k == 0:
                expected_S, expected_gamma = S, gamma
            else:
                expected_S = rho * expected_S + (1 - rho) * S
                expected_gamma = [
                    rho * a + (1 - rho) * b
                    for a, b in zip(expected_gamma, gamma, strict=True)
                ]
            k += 1
        assert_allclose(factors.input_grams[0], expected_S, rtol=1e-9, atol=1e-12)
        for actual, expected in zip(factors.output_grams, expected_gamma, strict=True):
            assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)
    assert factors.refreshes == k == len(EARLY) + 3


def test_another_input_factor_counts_at_once():
    """The next direction is a refresh with it."""
    case = draw_case()
    here = case.evaluation()
    factors = RunningFactors(case.input_factor(), 0.1)
    signs = np.random.RandomState(0)
    for _ in range(4):
        factors.direction(here, signs)
    other = case.input_factor().inverted(0.5)
    factors.replace_input_factor(other)
    before = factors.refreshes
    D = factors.direction(here, signs)
    assert factors.refreshes == before + 1
    gamma = factors.output_grams[0]
    stop = other.side * len(gamma)
    inverse = split_inverse(other.to_dense(), gamma, 0.1 + here.objective.alpha)
    assert_allclose(D[:stop], -inverse @ here.gradient[:stop], rtol=1e-8, atol=1e-10)


def test_gradients_that_are_not_finite_are_a_linear_algebra_error():
    """Curvature of weights without size."""
    case = draw_case("squared")
    theta = np.full(len(case.theta), np.nan)
    here = case.objective().evaluate(theta)
    factors = RunningFactors(case.input_factor(), 0.1)
    with pytest.raises(np.linalg.LinAlgError):
        factors.direction(here, np.random.RandomState(0))
