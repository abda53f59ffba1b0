"""Tridiagonal forms and the solves they give against dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.linalg.kronecker import LONG_RATIO, LONG_SIDE, Factor, KroneckerBlock
from skgn.linalg.tridiagonal import Tridiagonal


def semidefinite(n, rank=None, seed=0):
    """Return a random symmetric positive semi-definite matrix."""
    A = np.random.default_rng(seed).normal(size=(n, n if rank is None else rank))
    return A @ A.T


MATRICES = {
    "two": semidefinite(2),
    "complete": semidefinite(20),
    "singular": semidefinite(20, rank=3),
    "diagonal": np.diag(np.arange(20.0)),
    "zero": np.zeros((20, 20)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MATRICES)
def test_reduction_is_exact(name, dtype):
    """The parts give the matrix back, with its trace and largest eigenvalue."""
    matrix = MATRICES[name].astype(dtype)
    before = matrix.copy()
    reduced = Tridiagonal.reduce(matrix)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    size = np.linalg.norm(matrix)
    assert_allclose(reduced.to_dense(), matrix, rtol=0, atol=rtol * size)
    assert reduced.to_dense().dtype == dtype
    assert reduced.side == len(matrix)
    assert reduced.trace == pytest.approx(np.trace(matrix), rel=rtol)
    expected = np.linalg.eigvalsh(matrix)[-1]
    assert reduced.largest == pytest.approx(expected, rel=rtol)
    assert_array_equal(matrix, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("k", [1, 3])
def test_solve_agrees_with_dense_solves(name, k, dtype):
    """One shifted system per row, some of them of factor zero."""
    matrix = MATRICES[name].astype(dtype)
    rng = np.random.default_rng(1)
    G = rng.normal(size=(k, len(matrix))).astype(dtype)
    before = G.copy()
    factors = np.array([0.7, 0.0, 2.0], dtype)[:k]
    actual = Tridiagonal.reduce(matrix).solve(G, factors, 0.5)
    assert actual is not None
    assert actual.dtype == dtype
    eye = np.eye(len(matrix))
    expected = [
        np.linalg.solve(factor * MATRICES[name] + 0.5 * eye, g)
        for factor, g in zip(factors, G, strict=True)
    ]
    rtol = 1e-3 if dtype == "float32" else 1e-9
    assert_allclose(actual, expected, rtol=rtol, atol=rtol)
    assert_array_equal(G, before)


def test_an_indefinite_system_is_not_solved():
    """No solution is better than one of the wrong sign."""
    reduced = Tridiagonal.reduce(np.diag([1.0, -1.0, 2.0]))
    assert reduced.solve(np.ones((1, 3)), np.ones(1), 0.5) is None
    assert reduced.solve(np.ones((1, 3)), np.ones(1), 1.5) is not None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(bad):
    """A matrix that is not finite is an error of linear algebra."""
    matrix = np.eye(LONG_SIDE)
    matrix[-1, -1] = bad
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        Tridiagonal.reduce(matrix)
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        KroneckerBlock.of(np.eye(1), matrix)


SHORT = {
    "one": np.array([[2.5]]),
    "complete": semidefinite(4),
    "singular": semidefinite(4, rank=2),
    "factor": Factor(np.arange(4.0), None),
    "decomposed": Factor.decompose(semidefinite(4)),
}


@pytest.mark.parametrize("damping", [1e-16, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("rank", [None, 3])
@pytest.mark.parametrize(
    ("side", "name"),
    [("output", name) for name in SHORT]
    + [("input", name) for name, S in SHORT.items() if not isinstance(S, Factor)],
)
def test_block_with_a_long_side(side, name, rank, damping):
    """A reduced side changes nothing but the time, however small the damping."""
    short, long = SHORT[name], semidefinite(20, rank=rank)
    given = isinstance(short, Factor)
    factors = [short if given else Factor.decompose(short), Factor.decompose(long)]
    if side == "output":
        block = KroneckerBlock.of(short, long)
        assert isinstance(block.output, Tridiagonal)
    else:
        block = KroneckerBlock.of(long, short)
        assert isinstance(block.input, Tridiagonal)
        factors = factors[::-1]
    plain = KroneckerBlock(*factors)
    assert_allclose(block.to_dense(), plain.to_dense(), atol=1e-11)
    assert block.side == plain.side
    assert block.trace == pytest.approx(plain.trace)
    assert block.largest == pytest.approx(plain.largest, rel=1e-12)
    shape = block.input.side, block.output.side
    G = np.random.default_rng(3).normal(size=shape)
    before = G.copy()
    actual = block.solve(G, damping)
    assert actual.shape == shape
    if damping > 1e-6:
        dense = plain.to_dense() + damping * np.eye(plain.side)
        expected = np.linalg.solve(dense, G.ravel()).reshape(shape)
        assert_allclose(actual, expected, rtol=1e-8, atol=1e-10 / damping)
    else:  # lost in rounding: by eigenpairs, none of them negative
        assert np.all(np.isfinite(actual))
        assert np.vdot(G, actual) > 0
    assert_array_equal(G, before)


def test_sides_of_about_one_size_are_decomposed():
    """Only a long side is reduced, and none beside a truncated factor."""
    n = LONG_SIDE
    block = KroneckerBlock.of(semidefinite(n), semidefinite(n))
    assert isinstance(block.input, Factor)
    assert isinstance(block.output, Factor)
    few = KroneckerBlock.of(semidefinite(2), semidefinite(LONG_SIDE - 1))
    assert isinstance(few.output, Factor)
    near = KroneckerBlock.of(semidefinite(n), semidefinite(LONG_RATIO * n - 1))
    assert isinstance(near.output, Factor)
    truncated = Factor(np.ones(1), np.eye(4)[:, :1], rest=0.5)
    assert isinstance(KroneckerBlock.of(truncated, semidefinite(n)).output, Factor)
