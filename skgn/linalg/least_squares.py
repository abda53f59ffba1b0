r"""Weighted ridge regression, and least squares as its limit.

For rows ``a_i`` with weights ``w_i >= 0``,

    D = argmin  Σ_i w_i ‖a_i' D - b_i‖² + λ ‖D‖²,

of minimum norm where λ = 0 leaves a choice: the pseudo-inverse. With ``R = sqrt(w) A``
and ``T = sqrt(w) B`` (rows scaled), the push-through identity gives it in two forms,

    D = (R'R + λ I)^-1 R' T  =  R' (R R' + λ I)^-1 T,

of which the one with the smaller matrix is solved, by Cholesky. Forming ``R'R`` squares
the condition number, so that a matrix whose reciprocal condition number is below the
root of machine epsilon is not trusted: the singular value decomposition ``R = U S Q'``
takes over,

    D = Q diag(1 / (s + λ/s)) U' T,

without the singular values that are zero to rounding.
"""

import numpy as np

from skgn.linalg.lapack import lapack
from skgn.linalg.products import gram, matmul
from skgn.typing import Array


def ridge(A: Array, row_weights: Array, B: Array, damping: float) -> Array:
    """Solve a weighted ridge regression.

    Parameters
    ----------
    A : ndarray of shape (m, n)
    row_weights : ndarray of shape (m,)
        Not negative.
    B : ndarray of shape (m, k)
    damping : float
        λ, not negative; zero gives the least-squares solution of minimum norm.

    Returns
    -------
    ndarray of shape (n, k)

    Raises
    ------
    LinAlgError
        If the problem is not finite.
    """
    root = np.sqrt(row_weights)[:, None]
    R, T = root * A, root * B
    if not (np.all(np.isfinite(R)) and np.all(np.isfinite(T))):
        raise np.linalg.LinAlgError("a least-squares problem is not finite")
    m, n = R.shape
    if n <= m:
        D = solve_positive(gram(R), matmul(R.T, T), damping)
    else:
        D = solve_positive(gram(R.T), T, damping)
        D = None if D is None else matmul(R.T, D)
    return _by_singular_values(R, T, damping) if D is None else D


def solve_positive(K: Array, B: Array, damping: float = 0.0) -> Array | None:
    """Return ``(K + damping I)^-1 B`` by Cholesky, or None where it is ill-conditioned.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Symmetric, positive semi-definite and finite.
    B : ndarray of shape (n, k)
    damping : float
        Not negative.
    """
    K = K.copy()
    K.reshape(-1)[:: len(K) + 1] += K.dtype.type(damping)
    dtype = np.result_type(K, B)
    potrf, pocon, potrs = (lapack(name, dtype) for name in ("potrf", "pocon", "potrs"))
    norm = np.abs(K).sum(axis=0).max()
    factor, info = potrf(K, lower=True)
    if info:
        return None
    reciprocal_condition, info = pocon(factor, norm, uplo="L")
    if info or not reciprocal_condition > np.sqrt(np.finfo(K.dtype).eps):
        return None
    D, info = potrs(factor, B, lower=True)
    return None if info else D


def _by_singular_values(R: Array, T: Array, damping: float) -> Array:
    U, s, Qt = np.linalg.svd(R, full_matrices=False)
    known = s > np.finfo(s.dtype).eps * max(R.shape) * s[0]
    s, U, Qt = s[known], U[:, known], Qt[known]
    solution: Array = Qt.T @ ((U.T @ T) / (s + s.dtype.type(damping) / s)[:, None])
    return solution
