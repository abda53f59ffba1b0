r"""Damped solves with a Kronecker product of two symmetric factors.

For symmetric positive semi-definite ``S`` (input side) and ``Γ`` (output side) with
eigendecompositions ``S = Q diag(s) Q'`` and ``Γ = U diag(g) U'``,

    (S ⊗ Γ + λ I)^-1 G  =  Q [ (Q' G U) / (s g' + λ) ] U'

where ``G`` has the shape (rows of S, rows of Γ) and the division is element by element.
A factor is decomposed once and solved with for as many λ as are asked for.

**Truncated factors.** Where ``S`` is too large to decompose, its k leading eigenpairs
are kept and the rest is replaced by its mean eigenvalue τ,

    S ≈ Q diag(s) Q' + τ (I - Q Q').

The part of ``G`` outside the span of ``Q`` is then divided by ``τ g' + λ``. The leading
pairs come from a randomised subspace iteration (Halko, Martinsson & Tropp, SIAM
Review 53, 2011), which needs products with ``S`` alone.

**A long side and a short one.** Where ``Γ`` is much larger than ``S``, it is not
decomposed but reduced to tridiagonal form (:mod:`skgn.linalg.tridiagonal`), which takes a
third of the time: in the eigenbasis of ``S`` the block falls apart into the systems
``s_i Γ + λ I``, one per row of ``Q' G``. Each solve takes somewhat longer. With a
long ``S`` it is the other way round.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from skgn.linalg.products import eigh, matmul
from skgn.linalg.tridiagonal import Tridiagonal
from skgn.typing import Array

#: A side is long where it is at least this large, and this many times the other one:
#: about where ten solves lose what the reduction wins.
LONG_SIDE, LONG_RATIO = 16, 3


@dataclass(frozen=True)
class Factor:
    """A symmetric positive semi-definite matrix by its eigenpairs.

    Attributes
    ----------
    values : ndarray of shape (k,)
        Eigenvalues, not negative.
    vectors : ndarray of shape (n, k) or None
        Orthonormal eigenvectors in columns; None for a diagonal matrix.
    rest : float or None
        Eigenvalue of everything outside the span of `vectors`. None where there is
        nothing: k = n, or the matrix and all it is applied to live in that span.
    """

    values: Array
    vectors: Array | None
    rest: float | None = None

    @classmethod
    def decompose(
        cls, matrix: Array, rank_tolerance: float | None = None, unit: float = 0.0
    ) -> "Factor":
        """Decompose a symmetric matrix.

        Eigenpairs of at most `rank_tolerance` times the largest eigenvalue, or times
        `unit` if that is larger, are left out.

        Raises
        ------
        LinAlgError
            If the matrix is not finite.
        """
        if not np.isfinite(matrix).all():
            raise np.linalg.LinAlgError("a curvature factor is not finite")
        if len(matrix) == 1:
            return cls(np.maximum(matrix[0], 0), None)
        values, vectors = eigh(matrix)
        values = np.maximum(values, 0)
        if rank_tolerance is not None:
            keep = values > rank_tolerance * max(values[-1], unit)
            values, vectors = values[keep], vectors[:, keep]
        return cls(values, vectors)

    def bordered(self, corner: float) -> "Factor":
        """Return the factor of the matrix with a row and column in front.

        They are zero but for the corner.
        """
        values = np.concatenate([[corner], self.values]).astype(self.values.dtype)
        if self.vectors is None:
            return Factor(values, None, self.rest)
        vectors = linalg.block_diag(np.ones((1, 1)), self.vectors)
        vectors = vectors.astype(self.vectors.dtype, copy=False)
        return Factor(values, vectors, self.rest)

    def astype(self, dtype: Any) -> "Factor":
        """Return the factor in another precision."""
        vectors = self.vectors
        if vectors is not None:
            vectors = vectors.astype(dtype, copy=False)
        return Factor(self.values.astype(dtype, copy=False), vectors, self.rest)

    @classmethod
    def truncated(
        cls,
        multiply: Callable[[Array], Array],
        trace: float,
        start: Array,
        sweeps: int = 3,
    ) -> "Factor":
        """Find leading eigenpairs by subspace iteration from `start`, (n, k).

        `multiply` is the product of the matrix with an (n, k) array and `trace` its
        trace, of which the pairs' share is taken to find the mean of the rest.
        """
        basis = start
        for _ in range(sweeps):
            basis = linalg.qr(multiply(basis), mode="economic")[0]
        image = multiply(basis)
        values, turn = eigh(matmul(basis.T, image))
        values = np.maximum(values, 0)
        n, k = basis.shape
        rest = max(trace - float(values.sum()), 0.0) / max(n - k, 1)
        return cls(values, matmul(basis, turn), rest)

    @property
    def side(self) -> int:
        """Number of rows and columns."""
        return len(self.values if self.vectors is None else self.vectors)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision."""
        return self.values.dtype

    @property
    def largest(self) -> float:
        """Largest eigenvalue."""
        return float(self.values.max())

    @property
    def trace(self) -> float:
        """Sum of all eigenvalues."""
        outside = (self.rest or 0.0) * (self.side - len(self.values))
        return float(self.values.sum()) + outside

    def into_basis(self, G: Array) -> Array:
        """Return ``Q' G``."""
        return G if self.vectors is None else matmul(self.vectors.T, G)

    def out_of_basis(self, G: Array) -> Array:
        """Return ``Q G``."""
        return G if self.vectors is None else matmul(self.vectors, G)

    def solve(self, G: Array, damping: float) -> Array:
        """Return ``(S + damping I)^-1 G``, or ``pinv(S) G`` where damping is 0.

        Of a truncated factor these are the inverses of its approximation.
        """
        inner = self.into_basis(G)
        shifted = self.values + self.values.dtype.type(damping)
        smallest = np.finfo(shifted.dtype).eps * len(shifted) * shifted.max()
        known = shifted > smallest
        inverse = np.where(known, 1 / np.where(known, shifted, 1), 0)
        result = self.out_of_basis(inverse[:, None] * inner)
        if self.rest is not None and self.rest + damping > smallest:
            result += (G - self.out_of_basis(inner)) / (self.rest + damping)
        return result

    def inverted(self, damping: float) -> "Factor":
        """Return the factor of ``(S + damping I)^-1``, damping positive."""
        one = self.values.dtype.type(1)
        values = one / (self.values + self.values.dtype.type(damping))
        rest = None if self.rest is None else 1 / (self.rest + damping)
        return Factor(values, self.vectors, rest)

    def product(self, G: Array) -> Array:
        """Return ``S G``."""
        if self.vectors is None:
            return self.values[:, None] * G
        rest = self.values.dtype.type(self.rest or 0.0)
        inner = self.into_basis(G)
        inner *= (self.values - rest)[:, None]
        result = self.out_of_basis(inner)
        if self.rest is not None:
            result += rest * G
        return result

    def to_dense(self) -> Array:
        """Return the matrix."""
        if self.vectors is None:
            return np.diag(self.values)
        Q = self.vectors
        rest = self.rest or 0.0
        return (Q * (self.values - rest)) @ Q.T + rest * np.eye(len(Q))


@dataclass(frozen=True)
class KroneckerBlock:
    """The matrix ``S ⊗ Γ``, acting on arrays of shape (rows of S, rows of Γ).

    At most one side is tridiagonal.
    """

    input: Factor | Tridiagonal
    output: Factor | Tridiagonal

    @classmethod
    def of(cls, S: Array | Factor, gamma: Array) -> "KroneckerBlock":
        """Decompose or reduce the sides, whichever is faster.

        Raises
        ------
        LinAlgError
            If a side is not finite.
        """
        if isinstance(S, Factor):
            if S.rest is None and _is_long(len(gamma), S.side):
                return cls(S, Tridiagonal.reduce(gamma))
            return cls(S, Factor.decompose(gamma))
        if _is_long(len(S), len(gamma)):
            return cls(Tridiagonal.reduce(S), Factor.decompose(gamma))
        return cls.of(Factor.decompose(S), gamma)

    @property
    def side(self) -> int:
        """Number of rows and columns of the matrix."""
        return self.input.side * self.output.side

    @property
    def trace(self) -> float:
        """Sum of all eigenvalues."""
        return self.input.trace * self.output.trace

    @cached_property
    def largest(self) -> float:
        """Largest eigenvalue."""
        return self.input.largest * self.output.largest

    def solve(self, G: Array, damping: float) -> Array:
        """Return ``(S ⊗ Γ + damping I)^-1 G``."""
        S, gamma = self.input, self.output
        solution = None
        if damping > self._rounding:  # else no eigenvalue may be negative by rounding
            if isinstance(gamma, Tridiagonal) and isinstance(S, Factor):
                solution = _solve_long(S, gamma, G, damping)
            elif isinstance(S, Tridiagonal) and isinstance(gamma, Factor):
                turned = _solve_long(gamma, S, G.T, damping)
                solution = None if turned is None else turned.T
        return _solve(*self._decomposed, G, damping) if solution is None else solution

    @cached_property
    def _rounding(self) -> float:
        """Bound on the rounding errors of the eigenvalues."""
        eps = float(np.finfo(self.output.dtype).eps)
        return eps * max(self.input.side, self.output.side) * self.largest

    @cached_property
    def _decomposed(self) -> tuple[Factor, Factor]:
        """Both sides by their eigenpairs."""
        S, gamma = (
            side if isinstance(side, Factor) else Factor.decompose(side.to_dense())
            for side in (self.input, self.output)
        )
        return S, gamma

    def to_dense(self) -> Array:
        """Return the matrix, of side rows(S) · rows(Γ), in the order of ``G.ravel()``."""
        return np.kron(self.input.to_dense(), self.output.to_dense())


def _is_long(side: int, other: int) -> bool:
    return side >= max(LONG_SIDE, LONG_RATIO * other)


def _solve_long(short: Factor, long: Tridiagonal, G: Array, damping: float) -> Any:
    """Return ``(short ⊗ long + damping I)^-1 G``, or None if that is not positive."""
    inner = long.solve(short.into_basis(G), short.values, damping)
    return None if inner is None else short.out_of_basis(inner)


def _solve(S: Factor, gamma: Factor, G: Array, damping: float) -> Array:
    """Return ``(S ⊗ Γ + damping I)^-1 G`` by the eigenpairs of both sides."""
    GU = gamma.into_basis(G.T).T
    inner = S.into_basis(GU)
    eigenvalues = np.multiply.outer(S.values, gamma.values)
    result = S.out_of_basis(inner / (eigenvalues + damping))
    if S.rest is not None:
        outside = GU - S.out_of_basis(inner)
        result += outside / (S.rest * gamma.values + damping)
    return gamma.out_of_basis(result.T).T
