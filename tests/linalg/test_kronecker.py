"""Factors and damped solves of Kronecker products against dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.linalg.kronecker import Factor, KroneckerBlock


def semidefinite(n, rank=None, seed=0):
    """Return a random symmetric positive semi-definite matrix."""
    A = np.random.default_rng(seed).normal(size=(n, n if rank is None else rank))
    return A @ A.T


def diagonal(n):
    """Return a diagonal factor."""
    return Factor(np.arange(1.0, n + 1), None)


def truncated(n, k, sweeps=3, seed=0):
    """Return a truncated factor of a matrix with decaying eigenvalues, and the matrix."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    S = (Q * np.geomspace(10, 1e-3, n)) @ Q.T
    start = rng.normal(size=(n, k))
    return Factor.truncated(lambda V: S @ V, np.trace(S), start, sweeps), S


FACTORS = {
    "one": lambda: Factor.decompose(np.array([[2.5]])),
    "complete": lambda: Factor.decompose(semidefinite(5)),
    "singular": lambda: Factor.decompose(semidefinite(5, rank=2)),
    "zero": lambda: Factor.decompose(np.zeros((3, 3))),
    "diagonal": lambda: diagonal(4),
    "truncated": lambda: truncated(7, 3)[0],
}


@pytest.mark.parametrize("matrix", [semidefinite(6), semidefinite(6, rank=2), np.eye(1)])
def test_decomposition_is_exact(matrix):
    """The eigenpairs give the matrix back; no eigenvalue is negative."""
    factor = Factor.decompose(matrix)
    assert_allclose(factor.to_dense(), matrix, atol=1e-12)
    assert np.all(factor.values >= 0)
    assert factor.side == len(matrix)
    assert factor.rest is None
    assert factor.trace == pytest.approx(np.trace(matrix))


def test_null_space_is_left_out():
    """With a tolerance, a solve stays in the range of the matrix and is right there."""
    S = semidefinite(6, rank=2)
    factor = Factor.decompose(S, rank_tolerance=1e-12)
    assert factor.values.shape == (2,)
    assert factor.side == 6
    assert_allclose(factor.to_dense(), S, atol=1e-12)
    block = KroneckerBlock(factor, Factor(np.array([2.0]), None))
    in_range, outside = S[:, :1], np.linalg.svd(S)[0][:, 5:]
    expected = np.linalg.solve(2 * S + 0.1 * np.eye(6), in_range)
    assert_allclose(block.solve(in_range + outside, 0.1), expected, atol=1e-10)


def test_rounding_below_zero_is_lifted():
    """A slightly indefinite matrix is taken for a semi-definite one."""
    factor = Factor.decompose(np.diag([1.0, -1e-17]))
    assert_array_equal(np.sort(factor.values), [0, 1])
    assert_array_equal(Factor.decompose(np.array([[-1e-17]])).values, [0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 3])
def test_not_finite(n, bad):
    """A matrix that is not finite is an error of linear algebra."""
    matrix = np.eye(n)
    matrix[-1, -1] = bad
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        Factor.decompose(matrix)


@pytest.mark.parametrize("damping", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("output", FACTORS)
@pytest.mark.parametrize("input", FACTORS)
def test_solve_agrees_with_a_dense_solve(input, output, damping):
    """(S ⊗ Γ + λ I)^-1 G; the order of entries is that of G.ravel()."""
    if output == "truncated":
        output = "complete"  # output factors are complete by contract
    block = KroneckerBlock(FACTORS[input](), FACTORS[output]())
    dense = np.kron(block.input.to_dense(), block.output.to_dense())
    assert_allclose(block.to_dense(), dense)
    assert block.side == len(dense)
    assert block.trace == pytest.approx(np.trace(dense))
    G = np.random.default_rng(3).normal(size=(block.input.side, block.output.side))
    before = G.copy()
    damped = dense + damping * np.eye(len(dense))
    expected = np.linalg.solve(damped, G.ravel()).reshape(G.shape)
    assert_allclose(block.solve(G, damping), expected, rtol=1e-8, atol=1e-10 / damping)
    assert_array_equal(G, before)


@pytest.mark.parametrize("damping", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("name", FACTORS)
def test_factor_solves(name, damping):
    """(S + λ I)^-1 G for every kind of factor."""
    factor = FACTORS[name]()
    G = np.random.default_rng(3).normal(size=(factor.side, 4))
    before = G.copy()
    expected = np.linalg.solve(factor.to_dense() + damping * np.eye(factor.side), G)
    assert_allclose(factor.solve(G, damping), expected, rtol=1e-8, atol=1e-10 / damping)
    assert_array_equal(G, before)


@pytest.mark.parametrize("name", FACTORS)
def test_factor_solves_without_damping(name):
    """The pseudo-inverse: what S does not see is left out."""
    factor = FACTORS[name]()
    G = np.random.default_rng(3).normal(size=(factor.side, 4))
    expected = np.linalg.pinv(factor.to_dense(), rcond=1e-12) @ G
    assert_allclose(factor.solve(G, 0.0), expected, rtol=1e-7, atol=1e-9)


def test_factor_of_the_range_solves_in_the_range():
    """With the null space left out, so is the part of G in it, at any damping."""
    S = semidefinite(6, rank=2)
    factor = Factor.decompose(S, rank_tolerance=1e-12)
    in_range, outside = S[:, :1], np.linalg.svd(S)[0][:, 5:]
    for damping in (0.0, 0.3):
        expected = np.linalg.pinv(S + damping * np.eye(6), rcond=1e-12) @ in_range
        assert_allclose(factor.solve(in_range + outside, damping), expected, atol=1e-10)


def test_factor_solves_in_float32():
    """The precision of the fit is kept, truncated or not."""
    G = np.ones((7, 2), dtype=np.float32)
    for factor in (Factor.decompose(semidefinite(7)), truncated(7, 3)[0]):
        single = factor.astype(np.float32)
        for damping in (0.0, 0.1):
            D = single.solve(G, damping)
            assert D.dtype == np.float32
            assert np.isfinite(D).all()


def test_truncated_factor_keeps_the_trace():
    """Leading eigenpairs, the mean of the others, the trace of all."""
    factor, S = truncated(30, 10, sweeps=60)
    values = np.linalg.eigvalsh(S)
    assert_allclose(factor.values, values[-10:], rtol=1e-6)
    assert factor.rest == pytest.approx(values[:-10].mean(), rel=1e-6)
    assert factor.trace == pytest.approx(np.trace(S))
    Q = factor.vectors
    assert_allclose(Q.T @ Q, np.eye(10), atol=1e-12)
    dense = factor.to_dense()
    assert_allclose(np.linalg.eigvalsh(dense)[-10:], values[-10:], rtol=1e-6)
    assert_allclose(np.linalg.eigvalsh(dense)[:-10], factor.rest, rtol=1e-9)


def test_truncated_factor_of_full_rank_is_exact():
    """With as many pairs as rows nothing is left out."""
    factor, S = truncated(6, 6)
    assert len(factor.values) == factor.side
    assert_allclose(factor.to_dense(), S, atol=1e-10)


def test_truncated_factor_of_low_rank_has_no_rest():
    """A matrix of lower rank than the number of pairs is found exactly."""
    S = semidefinite(12, rank=3)
    start = np.random.default_rng(0).normal(size=(12, 5))
    factor = Factor.truncated(lambda V: S @ V, np.trace(S), start)
    assert_allclose(factor.to_dense(), S, atol=1e-9)
    assert 0 <= factor.rest < 1e-9


def test_float32_stays_float32():
    """Decomposition and solve keep the precision of the fit."""
    S = semidefinite(4).astype(np.float32)
    block = KroneckerBlock(Factor.decompose(S), Factor.decompose(S[:2, :2].copy()))
    G = np.ones((4, 2), dtype=np.float32)
    assert block.solve(G, 0.1).dtype == np.float32


@pytest.mark.parametrize("diagonal", [True, False])
def test_bordered(diagonal):
    """One more row and column in front, zero but for the corner."""
    matrix = np.diag([3.0, 1.0, 2.0])
    factor = Factor(np.diag(matrix), None)
    if not diagonal:
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
        matrix = turn @ matrix @ turn.T
        factor = Factor.decompose(matrix)
    expected = np.zeros((4, 4))
    expected[0, 0], expected[1:, 1:] = 5, matrix
    assert_allclose(factor.bordered(5.0).to_dense(), expected, atol=1e-12)
    assert factor.astype(np.float32).bordered(5.0).values.dtype == np.float32
