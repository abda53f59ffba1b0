r"""Wide data: training the first layer in the row space of X.

With more columns than rows, every gradient of the cost in ``W_1`` is a combination of
the rows of X, and so is the penalty's once ``W_1`` starts as one. With the thin singular
value decomposition of the weighted rows, ``diag(sqrt(ω)) X = U diag(σ) Q'``, nothing is
lost by training in the r coordinates ``T = X Q``, r at most the number of rows:

    X W = T (Q'W),      Σ_i ω_i t_i t_i' = diag(σ²),      ‖Q W̃‖ = ‖W̃‖,

so that outputs, input factor (diagonal now) and penalty are what they were. The initial
``W_1`` is drawn in the n columns, so that it does not depend on the rows, and projected;
the trained one is lifted back by ``Q``. The decomposition comes from the m × m matrix
``diag(sqrt(ω)) X X' diag(sqrt(ω))`` in float64, and ``Q = X' M`` with
``M = diag(sqrt(ω)) U diag(1/σ)`` is never formed: projection and lift are products
with X.
"""

from dataclasses import dataclass

import numpy as np

from skgn.data.columns import smallest_scale
from skgn.data.inputs import RANK_TOLERANCE, DenseInputs, Inputs
from skgn.linalg.products import eigh, matmul, row_chunks
from skgn.typing import Array

#: Rows of less weight than this share of the largest have no digits in ``U``: T is then
#: ``X X' M``, else ``diag(1 / sqrt(ω)) U diag(σ)``.
LIGHT = 1e-8


@dataclass(frozen=True)
class RowSpace:
    """Coordinates of X in its own row space.

    Attributes
    ----------
    original : Inputs of shape (m, n)
        X in its columns.
    inputs : DenseInputs of shape (m, r)
        T.
    variances : ndarray of shape (r,)
        ``σ²``, in descending order.
    combination : ndarray of shape (m, r)
        M.
    """

    original: Inputs
    inputs: DenseInputs
    variances: Array
    combination: Array

    @classmethod
    def of(cls, original: Inputs, row_weights: Array, unit: float = 0.0) -> "RowSpace":
        """Decompose X under positive weights of sum 1.

        Variances of at most RANK_TOLERANCE times the largest, or `unit`, are rounding.
        Those whose deviations the precision cannot divide by are left out, too.
        """
        root = np.sqrt(row_weights.astype(np.float64))[:, None]
        products = original.row_gram()
        variances, U = eigh(products * root * root.T)
        smallest = RANK_TOLERANCE * max(variances[-1], unit)
        smallest = max(smallest, smallest_scale(original.dtype) ** 2)
        keep = np.flatnonzero(variances > smallest)[::-1]
        variances, U = variances[keep], U[:, keep]
        sigma = np.sqrt(variances)
        dtype = original.dtype
        tilde = np.ones((len(root), 1 + len(keep)), dtype=dtype)
        M = root * U / sigma
        if row_weights.min() < LIGHT * row_weights.max():
            tilde[:, 1:] = matmul(products, M)
        else:
            tilde[:, 1:] = U * sigma / root
        M = M.astype(dtype, copy=False)
        return cls(original, DenseInputs(tilde), variances.astype(dtype), M)

    def project(self, V: Array) -> Array:
        """Return ``V_1`` of the n columns, shape (1 + n, h), in the r coordinates."""
        Z = np.empty((self.original.shape[0], V.shape[1]), dtype=V.dtype)
        self.original.product(V, out=Z)
        Z -= V[0]
        return np.concatenate([V[:1], matmul(self.combination.T, Z)])

    def coordinates(self, other: Inputs) -> DenseInputs:
        """Return other rows, given in the n columns, in the r coordinates."""
        r = len(self.variances)
        tilde = np.ones((other.shape[0], 1 + r), dtype=other.dtype)
        for part in row_chunks(r, 1 + other.shape[1]):  # of the columns of Q
            Q = self.original.adjoint(self.combination[:, part])
            Q[0] = 0
            other.product(Q, out=tilde[:, 1:][:, part])
        return DenseInputs(tilde)

    def lift(self, V: Array) -> Array:
        """Return ``V_1`` of the r coordinates, shape (1 + r, h), in the n columns."""
        lifted = self.original.adjoint(matmul(self.combination, V[1:]))
        lifted[0] = V[0]
        return lifted
