"""Split damping against dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.linalg.kronecker import Factor
from skgn.linalg.split_block import LEAST_RATIO, SplitBlock


def covariance(n, seed, rank=None):
    A = np.random.default_rng(seed).normal(size=(n, rank or n + 2))
    return A @ A.T


def truncated(n, k, rest):
    Q = np.linalg.eigh(covariance(n, 5))[1][:, :k]
    return Factor(np.linspace(1, 4, k), Q, rest)


FACTORS = {
    "complete": Factor.decompose(covariance(5, 0)),
    "singular": Factor.decompose(covariance(5, 1, rank=2)),
    "diagonal": Factor(np.array([0.0, 0.3, 2.0, 7.0]), None),
    "truncated": truncated(6, 2, 0.25),
    "truncated, no rest": truncated(6, 2, 0.0),
    "bordered": truncated(5, 2, 0.25).bordered(1.0),
    "one": Factor.decompose(np.array([[3.0]])),
}


def dense_inverse(S, gamma, damping):
    """The documented inverse, by numpy."""
    pi = np.sqrt(np.trace(S) / len(S) / (np.trace(gamma) / len(gamma)))
    left = S + pi * np.sqrt(damping) * np.eye(len(S))
    right = gamma + np.sqrt(damping) / pi * np.eye(len(gamma))
    return np.kron(np.linalg.inv(left), np.linalg.inv(right))


@pytest.mark.parametrize("name", FACTORS)
def test_inverted_and_product_of_a_factor(name):
    """Against the dense matrix."""
    factor = FACTORS[name]
    S, G = factor.to_dense(), np.random.default_rng(0).normal(size=(factor.side, 3))
    before = G.copy()
    assert_allclose(factor.product(G), S @ G, atol=1e-12)
    expected = np.linalg.inv(S + 0.3 * np.eye(len(S)))
    assert_allclose(factor.inverted(0.3).to_dense(), expected, atol=1e-12)
    assert_allclose(factor.inverted(0.3).product(G), expected @ G, atol=1e-12)
    assert np.array_equal(G, before)


@pytest.mark.parametrize("damping", [1e-4, 0.03, 10.0])
@pytest.mark.parametrize("h", [1, 4])
@pytest.mark.parametrize("name", [*FACTORS, "matrix"])
def test_solve_is_the_dense_inverse(name, h, damping):
    """Matrices and factors of every kind."""
    gamma = covariance(h, 3) / 50
    given = covariance(5, 0) if name == "matrix" else FACTORS[name]
    S = given if name == "matrix" else given.to_dense()
    G = np.random.default_rng(1).normal(size=(len(S), h))
    kept = S.copy(), gamma.copy(), G.copy()
    actual = SplitBlock.of(given, gamma, damping).solve(G)
    expected = dense_inverse(S, gamma, damping) @ G.ravel()
    assert_allclose(actual.ravel(), expected, rtol=1e-8, atol=1e-9)
    for array, old in zip((S, gamma, G), kept, strict=True):
        assert np.array_equal(array, old)


def test_split_damping_exceeds_the_exact_one():
    """By a positive semi-definite matrix: steps are never larger in the damped norm."""
    S, gamma, damping = covariance(4, 0), covariance(3, 1), 0.5
    inverse = dense_inverse(S, gamma, damping)
    exact = np.linalg.inv(np.kron(S, gamma) + damping * np.eye(12))
    block = SplitBlock.of(S, gamma, damping)
    actual = np.array([block.solve(e.reshape(4, 3)).ravel() for e in np.eye(12)])
    assert_allclose(actual, inverse, atol=1e-10)
    assert np.linalg.eigvalsh(exact - actual).min() > -1e-12


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["input", "input off the diagonal", "output", "factor"])
def test_factors_that_are_not_finite(where, bad):
    """A LinAlgError, which the training loop expects."""
    S, gamma = np.eye(3), np.eye(2)
    if where == "input":
        S[1, 1] = bad
    elif where == "input off the diagonal":
        S[0, 1] = S[1, 0] = bad
    elif where == "output":
        gamma[0, 1] = gamma[1, 0] = bad
    else:
        S = Factor(np.array([1.0, bad, 1.0]), None)
    with pytest.raises(np.linalg.LinAlgError):
        SplitBlock.of(S, gamma, 0.1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("factor", [False, True])
def test_factors_of_zeros_stay_finite(dtype, factor):
    """No curvature at all: bounded by the share of the damping that each side keeps."""
    S = np.eye(3, dtype=dtype)
    given = Factor.decompose(S) if factor else S
    G = np.ones((3, 2), dtype)
    solved = SplitBlock.of(given, np.zeros((2, 2), dtype), 0.04).solve(G)
    ratio = 1 / LEAST_RATIO
    expected = 1 / (1 + 0.2 * ratio) / (0.2 / ratio)
    assert solved.dtype == dtype
    assert_allclose(solved, expected, rtol=1e-5)
    zero = Factor(np.zeros(3, dtype), None) if factor else 0 * S
    both = SplitBlock.of(zero, np.zeros((2, 2), dtype), 0.04).solve(G)
    assert_allclose(both, 1 / 0.04, rtol=1e-5)
