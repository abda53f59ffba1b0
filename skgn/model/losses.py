r"""Losses with their canonical link, as functions of the last layer's ``Z``.

With the canonical link the derivative of the loss in ``Z`` is always *prediction minus
target*, ``P - Y``, and the Hessian ``H`` depends on the prediction alone:

=============  ===================  ==================  =======================
loss           prediction P         H of one row        targets
=============  ===================  ==================  =======================
Bernoulli      expit(Z)             diag(p (1 - p))     0 / 1, one column each
Multinomial    softmax(Z)           diag(p) - p p'      class numbers
Squared        Z                    I                   real, one column each
=============  ===================  ==================  =======================

Further losses of real targets are in :mod:`skgn.model.real_losses`.

A loss of several columns is the sum over them. Binary classification is Bernoulli with
one column, multilabel classification Bernoulli with one column per label.

**No cancellation.** A net that separates its training rows has ``1 - p`` of the true
class at 1e-12 and below, which ``1 - p`` itself cannot represent. For Bernoulli, with
``s = 1 - 2 y``: loss ``log1p(exp(s z))`` and residual ``s expit(s z)``. For the
multinomial, with ``e_k = exp(z_k - max z)`` and ``r`` the sum of all ``e_k`` but that of
the true class: loss ``(max z - z_y) + log1p((e_y - 1) + r)`` and residual of the true
class ``-r / (e_y + r)``.

**Square root of the Hessian.** ``H = B B'``. For the multinomial ``B`` is the lower
triangular factor of the covariance of a multinomial variable (Tanabe & Sagae, J. R.
Statist. Soc. B 54, 1992): with the tail sums ``q_k = p_k + ... + p_K``,

    B_kk = sqrt(p_k q_{k+1} / q_k),    B_jk = -p_j sqrt(p_k / (q_k q_{k+1})),  j > k,

whose last column is zero: K - 1 columns carry the K classes, none of them by a
difference of nearly equal numbers. Where an unbiased estimate of H will do, one column
``C ε`` of another root, ``C = diag(sqrt p) - p sqrt(p)'``, with random signs ε, has
``E[C ε ε' C'] = H``.

**Working residual.** The change E of ``Z`` that would remove the error to first order:
the solution of ``H E = P - Y`` of minimum norm, row by row. For Bernoulli it is
``(p - y) / (p (1 - p))``. For the multinomial, ``H E = p ∘ (E - p'E)``, so that
``E = (p - y) / p + c`` with any constant c, which is the null space of H; the norm is
least where the entries of E sum to zero:

    E = r - mean(r),      r = (p - y) / p  element by element.

Since H is not invertible where the net is sure of a row, the p that are divided by are
clipped to ``[2^-20, 1 - 2^-20]``. With K = 2 the difference of the two entries of E is
Bernoulli's working residual, clipped or not.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax

from skgn.typing import Array

#: Class frequencies below this start as if they were this frequent.
MEAN_FLOOR = 1e-3

#: Probabilities that a working residual is divided by stay this far from 0 and 1.
SATURATION = 2.0**-20


@dataclass(frozen=True)
class Pointwise:
    """A loss at given ``Z``, row by row.

    Attributes
    ----------
    loss : ndarray of shape (m,)
    residual : ndarray of shape (m, K)
        Derivative of the loss in Z, ``P - Y``, to full relative precision.
    spread : ndarray of shape (m, K)
        What determines H: p (1 - p) for Bernoulli, p for the multinomial.
    """

    loss: Array
    residual: Array
    spread: Array

    def rows(self, rows: slice) -> "Pointwise":
        """Return some of the rows."""
        return Pointwise(self.loss[rows], self.residual[rows], self.spread[rows])


class Loss(Protocol):
    """What the solver asks of a loss."""

    #: Name of the link's inverse, as in ``MLPClassifier.out_activation_``.
    out_activation: str

    #: Numerator of the estimate of the dispersion (:mod:`skgn.model.real_losses`); None
    #: where there is nothing to be estimated.
    dispersion: float | None

    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """Return loss, residual and spread of each row; `Z` has shape (m, K)."""

    def center(self, at: Pointwise, R: Array) -> Array:
        """Return `R` without its part in the null space of H, row by row.

        ``R' H R`` is then computed to full relative precision.
        """

    def hessian_product(self, at: Pointwise, R: Array) -> Array:
        """Return H R row by row, shape (m, K), as a new array."""

    def trace(self, at: Pointwise) -> Array:
        """Return the trace of H row by row, shape (m,)."""

    def hessian_sqrt(self, at: Pointwise) -> Array:
        """Return B with H = B B', shape (columns, m, K): ``[c, i]`` is column c."""

    def sampled_root(self, at: Pointwise, signs: Array) -> Array:
        """Return ``C ε`` with ``C C' = H`` row by row, for signs ε of shape (m, K).

        Over independent signs its outer product has the mean H.
        """

    def root_columns(self, K: int) -> int:
        """Return the number of columns of B for K outputs."""

    def working_residual(self, at: Pointwise) -> Array:
        """Return E of minimum norm with H E = P - Y, shape (m, K), as a new array.

        The probabilities that it divides by are clipped by SATURATION.
        """

    def prediction(self, Z: Array) -> Array:
        """Return P, shape (m, K)."""

    def log_prediction(self, Z: Array) -> Array:
        """Return log P, shape (m, K)."""

    def log_likelihood(self, Z: Array, targets: NDArray[Any]) -> Array:
        """Return the log-probability of each label, shape (m, labels of a row).

        Its sum over a row is minus the loss.
        """

    def mean_link(self, mean: Array) -> Array:
        """Return the constant Z, shape (K,), that predicts about `mean`."""

    def score(self, Z: Array, targets: NDArray[Any], weights: Array) -> float:
        """Return how good Z is under weights of sum 1, as scikit-learn's scores do.

        The accuracy (of all labels at once, where there are several), or R².
        """


class ElementWise:
    """What losses share whose H is diagonal: sums over the outputs of a row.

    `spread` is the diagonal.
    """

    def center(self, at: Pointwise, R: Array) -> Array:
        """See :class:`Loss`; H has no null space."""
        return R

    def hessian_product(self, at: Pointwise, R: Array) -> Array:
        """See :class:`Loss`."""
        return at.spread * R

    def trace(self, at: Pointwise) -> Array:
        """See :class:`Loss`."""
        return at.spread.sum(axis=1)

    def hessian_sqrt(self, at: Pointwise) -> Array:
        """See :class:`Loss`."""
        return _diagonal_columns(np.sqrt(at.spread))

    def sampled_root(self, at: Pointwise, signs: Array) -> Array:
        """See :class:`Loss`."""
        return np.sqrt(at.spread) * signs

    def root_columns(self, K: int) -> int:
        """See :class:`Loss`."""
        return K


class Bernoulli(ElementWise):
    """Element-wise log loss with a sigmoid; targets of shape (m, K), 0 or 1."""

    out_activation = "logistic"
    dispersion = None

    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`Loss`."""
        sign = 1 - 2 * targets
        margin = sign * Z
        wrong = expit(margin)  # probability given to the other value
        # log_expit(-t) = -log(1 + exp(t)) without overflow
        loss = -log_expit(-margin).sum(axis=1)
        return Pointwise(loss, sign * wrong, wrong * (1 - wrong))

    def working_residual(self, at: Pointwise) -> Array:
        """See :class:`Loss`."""
        wrong = np.clip(np.abs(at.residual), SATURATION, 1 - SATURATION)
        return at.residual / (wrong * (1 - wrong))

    def prediction(self, Z: Array) -> Array:
        """See :class:`Loss`."""
        return expit(Z)

    def log_prediction(self, Z: Array) -> Array:
        """See :class:`Loss`."""
        return log_expit(Z)

    def log_likelihood(self, Z: Array, targets: NDArray[Any]) -> Array:
        """See :class:`Loss`."""
        return log_expit((2 * targets - 1) * Z)

    def mean_link(self, mean: Array) -> Array:
        """See :class:`Loss`."""
        mean = np.clip(mean, MEAN_FLOOR, 1 - MEAN_FLOOR)
        return np.log(mean) - np.log1p(-mean)

    def score(self, Z: Array, targets: NDArray[Any], weights: Array) -> float:
        """See :class:`Loss`."""
        return float(np.average(np.all((Z > 0) == targets, axis=1), weights=weights))


class Multinomial:
    """Log loss with a softmax; targets are class numbers, shape (m,)."""

    out_activation = "softmax"
    dispersion = None

    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`Loss`."""
        true = np.arange(len(Z)), targets
        shift = Z.max(axis=1)
        p = np.exp(Z - shift[:, None])
        e_true = p[true]
        p[true] = 0
        others = p.sum(axis=1)
        total = e_true + others
        loss = (shift - Z[true]) + np.log1p((e_true - 1) + others)
        p /= total[:, None]
        residual = p.copy()
        residual[true] = -others / total
        p[true] = e_true / total
        return Pointwise(loss, residual, p)

    def center(self, at: Pointwise, R: Array) -> Array:
        """See :class:`Loss`; H does not see a constant added to a row."""
        return R - np.einsum("ik,ik->i", at.spread, R)[:, None]

    def hessian_product(self, at: Pointwise, R: Array) -> Array:
        """See :class:`Loss`."""
        return at.spread * self.center(at, R)

    def trace(self, at: Pointwise) -> Array:
        """See :class:`Loss`."""
        # sum of p (1 - p), where 1 - p of the largest p is the sum of the others
        others = at.spread.copy()
        largest = np.arange(len(others)), others.argmax(axis=1)
        p = others[largest]
        others[largest] = 0
        return p * others.sum(axis=1) + np.einsum("ik,ik->i", others, 1 - others)

    def hessian_sqrt(self, at: Pointwise) -> Array:
        """See :class:`Loss`."""
        p = at.spread
        K = p.shape[1]
        tails = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]  # q_k
        tiny = np.finfo(p.dtype).tiny
        # p_k / q_k and q_{k+1}; where a tail is zero, so is all that is divided by it
        share = np.sqrt(p[:, :-1] / np.maximum(tails[:, :-1], tiny))
        after = np.sqrt(tails[:, 1:])
        B = -(share / np.maximum(after, tiny)).T[:, :, None] * p
        for k in range(K - 1):
            B[k, :, :k] = 0
            B[k, :, k] = share[:, k] * after[:, k]
        return B

    def sampled_root(self, at: Pointwise, signs: Array) -> Array:
        """See :class:`Loss`; C = diag(sqrt p) - p sqrt(p)', for which C C' = H."""
        root = np.sqrt(at.spread) * signs
        root -= at.spread * root.sum(axis=1, keepdims=True)
        return root

    def root_columns(self, K: int) -> int:
        """See :class:`Loss`."""
        return K - 1

    def working_residual(self, at: Pointwise) -> Array:
        """See :class:`Loss`."""
        E = at.residual / np.clip(at.spread, SATURATION, 1 - SATURATION)
        E -= E.mean(axis=1, keepdims=True)
        return E

    def prediction(self, Z: Array) -> Array:
        """See :class:`Loss`; twice as fast as scipy's."""
        p = np.exp(Z - Z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p

    def log_prediction(self, Z: Array) -> Array:
        """See :class:`Loss`."""
        return log_softmax(Z, axis=1)

    def log_likelihood(self, Z: Array, targets: NDArray[Any]) -> Array:
        """See :class:`Loss`."""
        return -self.pointwise(Z, targets).loss[:, None]

    def mean_link(self, mean: Array) -> Array:
        """See :class:`Loss`."""
        log_mean = np.log(np.maximum(mean, MEAN_FLOOR))
        return log_mean - log_mean.mean()

    def score(self, Z: Array, targets: NDArray[Any], weights: Array) -> float:
        """See :class:`Loss`."""
        return float(np.average(Z.argmax(axis=1) == targets, weights=weights))


class Squared(ElementWise):
    """Half the squared error with the identity; targets of shape (m, K), real."""

    out_activation = "identity"
    dispersion = 2.0

    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`Loss`."""
        residual = Z - targets
        loss = 0.5 * np.einsum("ik,ik->i", residual, residual)
        return Pointwise(loss, residual, np.ones_like(residual))

    def working_residual(self, at: Pointwise) -> Array:
        """See :class:`Loss`; nothing is divided by."""
        return at.residual.copy()

    def prediction(self, Z: Array) -> Array:
        """See :class:`Loss`."""
        return Z

    def log_prediction(self, Z: Array) -> Array:
        """Not defined: a squared error predicts no probability."""
        raise TypeError("the squared error predicts no probabilities")

    def log_likelihood(self, Z: Array, targets: NDArray[Any]) -> Array:
        """Not defined either."""
        raise TypeError("the squared error predicts no probabilities")

    def of_mean(self, P: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`skgn.model.real_losses.RealLoss`."""
        return self.pointwise(P, targets)

    def mean_link(self, mean: Array) -> Array:
        """See :class:`Loss`."""
        return mean

    def score(self, Z: Array, targets: NDArray[Any], weights: Array) -> float:
        """See :class:`Loss`."""
        return r_squared(Z, targets, weights)


def r_squared(predictions: Array, targets: NDArray[Any], weights: Array) -> float:
    """Return R² under weights of sum 1, the mean over the columns.

    As in scikit-learn, a constant column counts 1 if it is met, else 0.
    """
    unexplained = weights @ (predictions - targets) ** 2
    total = weights @ (targets - weights @ targets) ** 2
    total = np.where(targets.min(axis=0) == targets.max(axis=0), 0, total)
    share = np.divide(unexplained, total, out=np.ones_like(total), where=total > 0)
    share[(total == 0) & (unexplained == 0)] = 0
    return float(np.mean(1 - share))


def _diagonal_columns(root: Array) -> Array:
    """Return the columns of the diagonal matrices diag(root[i]), one per row i."""
    m, K = root.shape
    B = np.zeros((K, m, K), dtype=root.dtype)
    for k in range(K):
        B[k, :, k] = root[:, k]
    return B
