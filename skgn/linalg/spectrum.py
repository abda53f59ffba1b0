r"""Eigenvalues of Kronecker blocks, the first input coordinate projected out.

A block ``S ⊗ Γ`` has the products of the eigenvalues of its sides. Where the first input
coordinate is one that the others are to be seen without (a column of ones, whose
coefficients are free), the block of the others is the Schur complement

    C ⊗ Γ,      [0 0; 0 C] = S - S e_0 e_0' S / S_00,

so that C is the covariance of the other inputs where S holds their second moments. In the
eigenbasis of S that is a diagonal matrix minus a rank-one matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from skgn.linalg.kronecker import Factor
from skgn.linalg.tridiagonal import Tridiagonal
from skgn.typing import Array


@dataclass(frozen=True)
class BlockSpectrum:
    """Eigenvalues ``c_p g_q`` of a block ``C ⊗ Γ``.

    Attributes
    ----------
    input : ndarray of shape (k,), float64
        Eigenvalues of C.
    output : ndarray of shape (h,), float64
        Eigenvalues of Γ.
    rest : float
        Eigenvalue of C in the directions that a truncated factor leaves out.
    others : int
        Number of those directions.
    """

    input: Array
    output: Array
    rest: float = 0.0
    others: int = 0

    @classmethod
    def of(
        cls, S: "Array | Factor", gamma: "Array | Factor | Tridiagonal"
    ) -> "BlockSpectrum":
        """Return the spectrum of ``S ⊗ Γ`` without the first input coordinate."""
        rest, others = 0.0, 0
        if isinstance(S, Factor):
            rest, others = S.rest or 0.0, S.side - len(S.values)
        return cls(without_first(S), eigenvalues(gamma), rest, others)

    def shrunk_sum(self, alpha: float) -> float:
        """Return ``Σ e / (e + alpha)`` over all eigenvalues e."""
        total = _shrunk(np.multiply.outer(self.input, self.output), alpha)
        if self.others:
            total += self.others * _shrunk(self.rest * self.output, alpha)
        return total


def spectra_of(
    pairs: "Sequence[tuple[Array | Factor, Array | Factor | Tridiagonal]]",
) -> list[BlockSpectrum]:
    """Return the spectra of several blocks; none of them if one is not finite."""
    if not pairs:
        return []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            spectra = [BlockSpectrum.of(*pair) for pair in pairs]
        except (np.linalg.LinAlgError, ValueError):  # numpy's and scipy's, of such input
            return []
    known = all(
        np.isfinite(s.input).all() and np.isfinite(s.output).all() for s in spectra
    )
    return spectra if known else []


def shrunk_sum(spectra: Sequence[BlockSpectrum], alpha: float) -> float:
    """Return ``Σ e / (e + alpha)`` over the eigenvalues of several blocks."""
    return sum(spectrum.shrunk_sum(alpha) for spectrum in spectra)


def eigenvalues(matrix: "Array | Factor | Tridiagonal") -> Array:
    """Return the eigenvalues of a positive semi-definite matrix, float64."""
    if isinstance(matrix, Factor):
        values = matrix.values
    elif isinstance(matrix, Tridiagonal):
        values = linalg.eigvalsh_tridiagonal(matrix.diagonal, matrix.beside)
    else:
        values = np.linalg.eigvalsh(matrix)
    return np.maximum(values, 0).astype(np.float64)


def without_first(S: "Array | Factor") -> Array:
    """Return the eigenvalues of C, float64; a zero may be among them.

    Of a truncated factor, those within its span.
    """
    if not isinstance(S, Factor):
        if S[0, 0] <= 0:
            return eigenvalues(S[1:, 1:])
        return eigenvalues(S[1:, 1:] - np.outer(S[1:, 0] / S[0, 0], S[0, 1:]))
    values = S.values.astype(np.float64)
    if S.vectors is None:
        return values[1:]
    first = S.vectors[0].astype(np.float64)
    j = int(np.abs(first).argmax())
    if 1 - abs(first[j]) < np.sqrt(np.finfo(S.dtype).eps):  # e_0 is an eigenvector
        return np.delete(values, j)
    outside = max(1 - float(first @ first), 0.0)
    corner = float(values @ first**2) + (S.rest or 0.0) * outside
    column = values * first
    return eigenvalues(np.diag(values) - np.outer(column, column / corner))


def _shrunk(values: Array, alpha: float) -> float:
    if alpha == 0:
        return float(np.count_nonzero(values))
    return float((values / (values + alpha)).sum())
