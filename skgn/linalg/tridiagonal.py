r"""Symmetric matrices reduced to tridiagonal form.

A symmetric matrix of side n is ``A = H T H'`` with T tridiagonal and H orthogonal, after
n - 2 Householder reflections: the first stage of an eigendecomposition, at a third of its
time, H included. It goes as far with shifted systems, since

    (s A + λ I)^-1  =  H (s T + λ I)^-1 H'

and a tridiagonal system takes O(n). Those of many s and a right-hand side each are one
tridiagonal system, with blocks that do not touch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skgn.linalg.lapack import lapack
from skgn.linalg.products import matmul
from skgn.typing import Array


@dataclass(frozen=True)
class Tridiagonal:
    """A symmetric positive semi-definite matrix ``H T H'``.

    Attributes
    ----------
    diagonal : ndarray of shape (n,)
        Of T.
    beside : ndarray of shape (n - 1,)
        Entries of T beside its diagonal.
    vectors : ndarray of shape (n, n)
        H.
    """

    diagonal: Array
    beside: Array
    vectors: Array

    @classmethod
    def reduce(cls, matrix: Array) -> "Tridiagonal":
        """Reduce a symmetric matrix of side 2 at least.

        Raises
        ------
        LinAlgError
            If the matrix is not finite.
        """
        if not np.isfinite(matrix).all():
            raise np.linalg.LinAlgError("a curvature factor is not finite")
        n, dtype = len(matrix), matrix.dtype
        work = 16 * n  # room for LAPACK's blocks of columns
        packed, diagonal, beside, scales, _ = lapack("sytrd", dtype)(
            matrix.T, lower=1, lwork=work
        )
        H = np.zeros((n, n), dtype, order="F")
        H[0, 0] = 1  # no reflection touches the first coordinate
        H[1:, 1:] = lapack("orgqr", dtype)(packed[1:, :-1], scales, lwork=work)[0]
        return cls(diagonal, beside, H)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision."""
        return self.diagonal.dtype

    @property
    def side(self) -> int:
        """Number of rows and columns."""
        return len(self.diagonal)

    @property
    def trace(self) -> float:
        """Sum of all eigenvalues."""
        return float(self.diagonal.sum())

    @cached_property
    def largest(self) -> float:
        """Largest eigenvalue, not negative."""
        n = self.side
        stebz = lapack("stebz", self.dtype)
        by_index = 2, 0.0, 0.0, n, n, 0.0, "E"
        _, values, _, _, info = stebz(self.diagonal, self.beside, *by_index)
        if info:
            raise np.linalg.LinAlgError("the largest eigenvalue was not found")
        return max(float(values[0]), 0.0)

    def solve(self, G: Array, factors: Array, shift: float) -> Array | None:
        """Return ``(s_i A + shift I)^-1 g_i`` for each row ``g_i`` of `G`.

        Parameters
        ----------
        G : ndarray of shape (k, n)
        factors : ndarray of shape (k,)
            ``s_i``, not negative.
        shift : float
            Positive.

        Returns
        -------
        ndarray of shape (k, n), or None where a system is not positive definite
        """
        inner = matmul(G, self.vectors)
        diagonal = np.multiply.outer(factors, self.diagonal)
        diagonal += diagonal.dtype.type(shift)
        beside = np.zeros_like(diagonal)
        np.multiply.outer(factors, self.beside, out=beside[:, :-1])
        ptsv = lapack("ptsv", self.dtype)
        _, _, solution, info = ptsv(
            diagonal.reshape(-1),
            beside.reshape(-1)[:-1],
            inner.reshape(-1),
            overwrite_d=1,
            overwrite_e=1,
            overwrite_b=1,
        )
        if info:
            return None
        return matmul(solution.reshape(inner.shape), self.vectors.T)

    def to_dense(self) -> Array:
        """Return the matrix."""
        T = np.diag(self.diagonal)
        T += np.diag(self.beside, 1) + np.diag(self.beside, -1)
        dense: Array = self.vectors @ T @ self.vectors.T
        return dense
