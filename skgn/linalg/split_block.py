r"""A Kronecker block inverted with split damping.

The damping c of ``S ⊗ Γ + c I`` is shared out between the factors (Martens & Grosse,
ICML 2015),

    (S + π sqrt(c) I) ⊗ (Γ + sqrt(c)/π I),      π² = (tr S / side S) / (tr Γ / side Γ),

whose inverse is one product with the inverse of each side. It exceeds ``S ⊗ Γ + c I`` by
``π sqrt(c) I ⊗ Γ + sqrt(c)/π S ⊗ I``: directions in which one factor is small are damped
more. A refresh takes two inverses, where the exact damping takes two eigendecompositions,
of some eight times the work, and a solve takes two products in place of four.
"""

from dataclasses import dataclass

import numpy as np

from skgn.linalg.kronecker import Factor
from skgn.linalg.products import inverse, matmul
from skgn.typing import Array

#: The share of the damping that a side takes stays between this and its inverse.
LEAST_RATIO = 1e-3


@dataclass(frozen=True)
class SplitBlock:
    """The inverse of a block ``S ⊗ Γ`` with split damping.

    Attributes
    ----------
    input : Array or Factor
        Inverse of the damped S: the matrix, or by its eigenpairs.
    output : ndarray of shape (h, h)
        Inverse of the damped Γ.
    """

    input: "Array | Factor"
    output: Array

    @classmethod
    def of(cls, S: "Array | Factor", gamma: Array, damping: float) -> "SplitBlock":
        """Invert the block of a matrix or factor `S` and a matrix `gamma`.

        Raises
        ------
        LinAlgError
            If a factor is not finite.
        """
        mean_S = mean_eigenvalue(S)
        mean_gamma = mean_eigenvalue(gamma)
        if not np.isfinite(mean_S * mean_gamma):
            raise np.linalg.LinAlgError("a curvature factor is not finite")
        tiny = float(np.finfo(gamma.dtype).tiny)
        ratio = np.sqrt(max(mean_S, tiny) / max(mean_gamma, tiny))
        # a factor that is all but zero must not take the whole damping with it
        ratio = min(max(float(ratio), LEAST_RATIO), 1 / LEAST_RATIO)
        root = float(np.sqrt(damping))
        output = _damped_inverse(gamma, root / ratio)
        if isinstance(S, Factor):
            return cls(S.inverted(root * ratio), output)
        return cls(_damped_inverse(S, root * ratio), output)

    def solve(self, G: Array) -> Array:
        """Return the inverse times `G`, of shape (side S, side Γ)."""
        if isinstance(self.input, Factor):
            return self.input.product(matmul(G, self.output))
        return matmul(self.input, matmul(G, self.output))


def mean_eigenvalue(S: "Array | Factor") -> float:
    """Return the mean eigenvalue of a matrix or factor."""
    if isinstance(S, Factor):
        return S.trace / S.side
    return float(np.trace(S)) / len(S)


def _damped_inverse(S: Array, damping: float) -> Array:
    if not np.all(np.isfinite(S)):
        raise np.linalg.LinAlgError("a curvature factor is not finite")
    damped = S.copy()
    damped.reshape(-1)[:: len(S) + 1] += S.dtype.type(damping)
    return inverse(damped)
