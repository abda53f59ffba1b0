"""The penalty by the evidence."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

from skgn.steps.kronecker import KroneckerStep
from skgn.training.damping import GainRatioDamping
from skgn.training.evidence import (
    INITIAL,
    LEAST,
    MOST,
    Evidence,
    effective_parameters,
)
from skgn.training.full_batch import train
from skgn.training.stopping import Stopping
from tests import oracles
from tests.problems import LOSSES, Case, network_cases
from tests.problems import case as draw_case

CASES = network_cases()


def step_of(case):
    """Return the step of a case, its factors prepared."""
    K = case.widths[-1]
    step = KroneckerStep(case.input_factor(), LOSSES[case.loss].root_columns(K))
    step.propose(case.evaluation(), 0.1)
    return step


def without_intercepts(B, h):
    """Return the Schur complement of a layer's block in its h intercepts."""
    return B[h:, h:] - B[h:, :h] @ np.linalg.pinv(B[:h, :h], rcond=1e-12) @ B[:h, h:]


def determined(matrix, alpha):
    """Return ``tr H (H + alpha I)^-1``."""
    return np.trace(np.linalg.solve(matrix + alpha * np.eye(len(matrix)), matrix))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("alpha", [1e-3, 0.3])
def test_effective_parameters_of_the_dense_blocks(name, alpha):
    """γ is the sum over the dense blocks, the intercepts projected out."""
    case = CASES[name]
    S = oracles.input_factors(case.loss, *case.rows, case.weights)
    gammas = oracles.output_factors(case.loss, *case.rows, case.weights)
    expected = sum(
        determined(without_intercepts(np.kron(S_l, gamma), len(gamma)), alpha)
        for S_l, gamma in zip(S, gammas, strict=True)
    )
    actual = effective_parameters(step_of(case).spectra, alpha)
    assert actual == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("K", [1, 3])
def test_effective_parameters_are_exact_for_a_linear_model(K):
    """Of the squared error: γ of the dense Gauss-Newton matrix itself."""
    case = draw_case("squared", (), (), m=30, n=4, K=K)
    G = case.gauss_newton(alpha=0.0)
    expected = determined(without_intercepts(G, K), 0.2)
    assert effective_parameters(step_of(case).spectra, 0.2) == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["bernoulli", "multinomial"])
def test_effective_parameters_of_a_network(loss):
    """About those of the dense Gauss-Newton matrix of all layers together."""
    case = draw_case(loss, ("tanh",), (5,), m=60, n=4, K=3)
    G = case.gauss_newton(alpha=0.0)
    intercepts = np.concatenate(
        [np.arange(V.size) < V.shape[1] for V in case.layers]
    ).astype(bool)
    order = np.r_[np.flatnonzero(intercepts), np.flatnonzero(~intercepts)]
    G = without_intercepts(G[np.ix_(order, order)], intercepts.sum())
    for alpha in (1e-3, 1e-2, 1e-1):
        ratio = effective_parameters(step_of(case).spectra, alpha) / determined(G, alpha)
        assert 0.9 < ratio < 2  # the product spreads curvature


def test_fixed_point_maximises_the_evidence_of_ridge_regression():
    """With unit noise, where Laplace's method is exact, for weighted rows."""
    rng = np.random.default_rng(0)
    m, n = 50, 12
    X = rng.normal(size=(m, n)) * np.geomspace(0.1, 2, n)
    w = rng.integers(1, 4, m).astype(float)
    X -= np.average(X, axis=0, weights=w)
    y = X @ rng.normal(size=n) + rng.normal(size=m)
    y -= np.average(y, weights=w)
    V = np.r_[0.0, 0.01 * rng.normal(size=n)][:, None]
    case = Case("squared", (), [V], X, y[:, None], w, INITIAL)
    null_cost = 0.5 * np.average(y**2, weights=w)
    outcome = train(
        case.objective(),
        case.theta,
        KroneckerStep(case.input_factor(), 1),
        GainRatioDamping(1e-2),
        Stopping(max_iter=200, tol=0.0),
        evidence=Evidence(w.sum(), null_cost),
    )

    def minus_log_evidence(log_alpha):
        precision = w.sum() * np.exp(log_alpha)
        A = (X * w[:, None]).T @ X + precision * np.eye(n)
        best = np.linalg.solve(A, X.T @ (w * y))
        fit = 0.5 * w @ (y - X @ best) ** 2 + 0.5 * precision * best @ best
        return fit - 0.5 * n * np.log(precision) + 0.5 * np.linalg.slogdet(A)[1]

    best = minimize_scalar(minus_log_evidence, bounds=(-12, 2), method="bounded")
    assert outcome.alpha == pytest.approx(np.exp(best.x), rel=1e-3)
    assert 0 < outcome.effective_parameters < n


class Recorded(Evidence):
    """Keeps what it is told."""

    def next(self, alpha, spectra, squared_norm, cost):
        after = super().next(alpha, spectra, squared_norm, cost)
        self.__dict__.setdefault("record", []).append((alpha, after, squared_norm, cost))
        return after


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].alpha])
def test_objective_never_rises_at_the_present_penalty(name):
    """Each accepted step lowers it, under the penalty that the step was made for."""
    case = CASES[name]
    evidence = Recorded(case.weights.sum(), null_cost=3.0)
    outcome = train(
        case.objective(),
        case.theta,
        step_of(case),
        GainRatioDamping(0.1),
        Stopping(max_iter=25, tol=0.0),
        evidence=evidence,
    )
    record = evidence.record
    for (_, alpha, norm, cost), (same, _, next_norm, next_cost) in pairwise(record):
        assert same == alpha
        assert next_cost + alpha / 2 * next_norm < cost + alpha / 2 * norm
    assert outcome.alpha == record[-1][1] == outcome.history["alpha"][-1]
    assert len({alpha for alpha, *_ in record}) > 1


def test_update():
    """Half way in log to τ γ / (m ‖W‖²), after the first turns, within bounds."""
    spectra = step_of(draw_case()).spectra
    gamma = effective_parameters(spectra, 0.01)
    rule = Evidence(50.0, null_cost=1e3, share=0.4, wait=2)
    assert rule.next(0.01, spectra, 2.0, 0.5) == 0.01
    assert rule.next(0.01, spectra, 2.0, 0.5) == 0.01
    target = 0.4 * gamma / (50 * 2.0)
    assert_allclose(rule.next(0.01, spectra, 2.0, 0.5), np.sqrt(0.01 * target))
    assert_allclose(rule.next(0.01, spectra, 1e-12, 0.5), np.sqrt(0.01 * MOST))
    assert_allclose(rule.next(0.01, spectra, 1e12, 0.5), np.sqrt(0.01 * LEAST))
    assert rule.next(0.01, spectra, 0.0, 0.5) == 0.01


def test_objective_stays_below_the_constant_prediction():
    """The penalty is at most what has been learned."""
    spectra = step_of(draw_case()).spectra
    rule = Evidence(1.0, null_cost=0.7, wait=0)
    alpha = 1.0
    for _ in range(60):
        alpha = rule.next(alpha, spectra, 5.0, 0.6)
    assert alpha / 2 * 5.0 == pytest.approx(0.1)
    for _ in range(60):
        alpha = rule.next(alpha, spectra, 5.0, 0.8)
    assert alpha == pytest.approx(LEAST)
