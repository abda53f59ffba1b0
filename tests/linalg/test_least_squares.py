"""Weighted ridge regression against pseudo-inverses and dense normal equations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.linalg import least_squares
from skgn.linalg.least_squares import ridge, solve_positive

SHAPES = {"tall": (12, 5), "square": (6, 6), "wide": (5, 12), "one row": (1, 4)}


def draw(m, n, k=3, seed=0):
    """Return A, weights and B."""
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(m, n)), rng.normal(size=(m, k))
    return A, rng.uniform(0.2, 3, size=m), B


def by_pseudo_inverse(A, weights, B):
    """Return the least-squares solution of minimum norm."""
    root = np.sqrt(weights)[:, None]
    return np.linalg.pinv(root * A, rcond=1e-12) @ (root * B)


def by_normal_equations(A, weights, B, damping):
    """Return ``(A'WA + λ I)^-1 A'W B``."""
    W = np.diag(weights)
    return np.linalg.solve(A.T @ W @ A + damping * np.eye(A.shape[1]), A.T @ W @ B)


def without_cholesky(monkeypatch):
    """Leave the singular value decomposition alone to solve."""
    monkeypatch.setattr(least_squares, "solve_positive", lambda *args: None)


@pytest.mark.parametrize("shape", SHAPES)
def test_least_squares_of_minimum_norm(shape):
    """Without damping: the pseudo-inverse of the weighted rows."""
    A, weights, B = draw(*SHAPES[shape])
    D = ridge(A, weights, B, 0.0)
    assert_allclose(D, by_pseudo_inverse(A, weights, B), rtol=1e-9, atol=1e-11)
    if shape == "tall":
        plain = ridge(A, np.ones(len(A)), B, 0.0)
        assert np.abs(D - plain).max() > 1e-3  # weights matter


@pytest.mark.parametrize("decomposition", ["chosen", "singular values"])
@pytest.mark.parametrize("damping", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES)
def test_ridge(shape, damping, decomposition, monkeypatch):
    """With damping: the normal equations, in whichever form it is solved."""
    if decomposition == "singular values":
        without_cholesky(monkeypatch)
    A, weights, B = draw(*SHAPES[shape])
    expected = by_normal_equations(A, weights, B, damping)
    actual = ridge(A, weights, B, damping)
    assert_allclose(actual, expected, rtol=1e-8, atol=1e-10 / damping)


def test_smaller_system_is_solved(monkeypatch):
    """n x n where rows are many, m x m where columns are; both give the same."""
    sides = []

    def spy(K, *args):
        sides.append(len(K))
        return solve_positive(K, *args)

    monkeypatch.setattr(least_squares, "solve_positive", spy)
    tall, wide = draw(12, 5), draw(5, 12)
    ridge(*tall, 0.5)
    ridge(*wide, 0.5)
    assert sides == [5, 5]


def test_primal_and_dual_agree():
    """The forms of both sides give the same solution: A as it is, and with zero rows."""
    A, weights, B = draw(5, 12)
    padded = np.vstack([A, np.ones((20, 12))]), np.r_[weights, np.zeros(20)]
    one = ridge(A, weights, B, 0.3)
    two = ridge(*padded, np.vstack([B, np.ones((20, 3))]), 0.3)
    assert_allclose(one, two, rtol=1e-9, atol=1e-12)


def deficient(kind):
    """Return a rank-deficient problem."""
    A, weights, B = draw(14, 5)
    if kind == "duplicate columns":
        A = np.hstack([A, A[:, :2]])
    elif kind == "zero columns":
        A[:, [1, 3]] = 0
    elif kind == "zero":
        A[:] = 0
    elif kind == "wide, duplicate rows":
        A, weights, B = draw(6, 9)
        A[3:] = A[:3]
    else:
        weights[3:] = 0
    return A, weights, B


DEFICIENT = ["duplicate columns", "zero columns", "zero", "wide, duplicate rows"]


@pytest.mark.parametrize("kind", [*DEFICIENT, "zero weights"])
def test_rank_deficient_rows(kind):
    """The solution of minimum norm, and close to it with a little damping."""
    A, weights, B = deficient(kind)
    expected = by_pseudo_inverse(A, weights, B)
    assert_allclose(ridge(A, weights, B, 0.0), expected, rtol=1e-9, atol=1e-11)
    assert_allclose(ridge(A, weights, B, 1e-9), expected, atol=1e-6)
    damped = by_normal_equations(A, weights, B, 0.7)
    assert_allclose(ridge(A, weights, B, 0.7), damped, rtol=1e-9, atol=1e-11)


def test_duplicate_columns_share():
    """Of the solutions, the one that gives equal columns equal weights."""
    A, weights, B = draw(14, 3)
    D = ridge(np.hstack([A, A]), weights, B, 0.0)
    assert_allclose(D[:3], D[3:], rtol=1e-9)
    assert_allclose(2 * D[:3], ridge(A, weights, B, 0.0), rtol=1e-9)


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_ill_conditioned_rows_keep_their_digits(shape):
    """At a condition number of 1e7 the normal equations lose what the SVD keeps."""
    rng = np.random.default_rng(0)
    U = np.linalg.qr(rng.normal(size=(30, 6)))[0]
    Q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    s = np.geomspace(1, 1e-7, 6)
    if shape == "tall":
        A, exact = (U * s) @ Q.T, rng.normal(size=(6, 2))
        B = A @ exact
        by_gram = np.linalg.solve(A.T @ A, A.T @ B)
    else:
        A, B = (Q * s) @ U.T, rng.normal(size=(6, 2))
        exact = (U / s) @ (Q.T @ B)
        by_gram = A.T @ np.linalg.solve(A @ A.T, B)
    size = np.abs(exact).max()
    error = np.abs(ridge(A, np.ones(len(A)), B, 0.0) - exact).max()
    assert error < 1e-7 * size
    assert error < 1e-3 * np.abs(by_gram - exact).max()


@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_float32(shape, damping):
    """The precision of the rows is kept."""
    A, weights, B = draw(*SHAPES[shape])
    single = ridge(*(part.astype(np.float32) for part in (A, weights, B)), damping)
    assert single.dtype == np.float32
    assert_allclose(single, ridge(A, weights, B, damping), rtol=1e-3, atol=1e-4)


def test_float32_by_singular_values():
    """Also where Cholesky does not do: duplicate columns."""
    A, weights, B = deficient("duplicate columns")
    single = ridge(*(part.astype(np.float32) for part in (A, weights, B)), 0.0)
    assert single.dtype == np.float32
    assert_allclose(single, by_pseudo_inverse(A, weights, B), atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["A", "B", "weights"])
def test_not_finite(where, bad):
    """What is not finite is an error of linear algebra."""
    A, weights, B = draw(7, 3)
    {"A": A[2], "B": B[2], "weights": weights}[where][1] = bad
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        ridge(A, weights, B, 1.0)


def test_arguments_are_not_written_to():
    """A, weights and B stay."""
    problem = draw(7, 3)
    copies = [part.copy() for part in problem]
    ridge(*problem, 0.5)
    for part, copy in zip(problem, copies, strict=True):
        assert_array_equal(part, copy)


# solve_positive


def positive(n, condition, seed=0):
    """Return a symmetric positive definite matrix."""
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    return (Q * np.geomspace(1, 1 / condition, n)) @ Q.T


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("damping", [0.0, 2.0])
def test_solve_positive(n, damping):
    """Right where the matrix is well-conditioned, and K stays as it was."""
    K = positive(n, 100.0)
    before, B = K.copy(), np.random.default_rng(1).normal(size=(n, 2))
    expected = np.linalg.solve(K + damping * np.eye(n), B)
    assert_allclose(solve_positive(K, B, damping), expected, rtol=1e-9)
    assert_array_equal(K, before)


def test_solve_positive_does_not_trust_ill_conditioned_matrices():
    """None for singular, indefinite and ill-conditioned ones; damping cures them."""
    B = np.ones((4, 1))
    singular = np.ones((4, 4))
    ill = positive(4, 1e12)
    for K in (singular, np.zeros((4, 4)), ill, np.diag([1.0, 1, 1, -1e-3])):
        assert solve_positive(K, B) is None
        expected = np.linalg.solve(K + np.eye(4), B)
        assert_allclose(solve_positive(K, B, 1.0), expected, rtol=1e-9)
    assert solve_positive(positive(4, 1e5), B) is not None


def test_solve_positive_knows_the_precision():
    """A matrix that float64 solves is too much for float32."""
    K, B = positive(4, 1e5), np.ones((4, 1))
    assert solve_positive(K, B) is not None
    assert solve_positive(K.astype(np.float32), B.astype(np.float32)) is None
    D = solve_positive(positive(4, 10).astype(np.float32), B.astype(np.float32))
    assert D.dtype == np.float32


@pytest.mark.parametrize("unit", [1e20, 1e-20])
@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_float32_rows_of_extreme_size(unit, damping):
    """Squares that leave the range of float32 lose nothing but what they must."""
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    A, B = (unit * A).astype(np.float32), B.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        D = ridge(A, np.ones(7, np.float32), B, damping * unit)
    A64 = A.astype(float)
    expected = np.linalg.solve(A64.T @ A64 + damping * unit * np.eye(3), A64.T @ B)
    assert_allclose(D, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
