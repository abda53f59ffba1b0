r"""The weights of several networks whose predictions are averaged.

They are those of the best average, not of the best networks.

**Probabilities.** The average of the probabilities of k networks is a mixture,

    p(y | x) = Σ_j w_j p_j(y | x),    w_j >= 0,    Σ_j w_j = 1.

The weights are those of the largest likelihood of held-out samples, times a prior,

    Σ_i c_i log Σ_j w_j p_j(y_i | x_i) + a Σ_j log w_j,

with the weights c_i of the samples. This is concave in w: there is one maximum. With
responsibilities ``r_ij = w_j p_ij / Σ_l w_l p_il`` its condition is

    w_j = (Σ_i c_i r_ij + a) / (Σ_i c_i + k a),

which is iterated (EM, Dempster, Laird & Rubin, J. R. Statist. Soc. B 39, 1977): each
iteration raises the objective. Of several labels the probability of each is averaged, and
counts on its own.

**The prior** has each network seen as often as `a` samples. With few held-out samples the
weights are nearly equal, with many they are what these call for. Greedy selection with
replacement (Caruana et al., ICML 2004) maximises the likelihood alone, in steps of 1/20.
On 25 tables of fewer than 3,000 samples, two splits of each, the log-loss is .980 of a
single network's by greedy selection, .976 by equal weights, and .960 by these. On 19
larger tables it is .880, .909 and .883.

**Means.** Real targets have predictions f_j(x), behind the inverse link. The weights make
the loss ℓ of their average small,

    Σ_i c_i ℓ(Σ_j w_j f_j(x_i), y_i) - a φ Σ_j log w_j,

which is minus the logarithm of likelihood and prior, times the dispersion φ. That is the
one of the best network alone: ``κ Σ_i c_i ℓ_i / (K Σ_i c_i)``, with K targets of a sample
and κ as in :mod:`skgn.model.real_losses`. The objective is convex for the squared, the
absolute and the Poisson loss. For the gamma loss it need not be, where predictions are
more than twice the target; from equal weights it only falls.

It is minimised by Newton's method, with the curvature that the loss has in a step of the
network. With ``g`` and ``h`` the derivatives of ℓ in the average, D the predictions less
their mean over the networks, and ``W = diag(w)``, the relative changes e of the weights
have

    (W D diag(c h) D' W + a φ I) e + ν w = -W (D diag(c) g - a φ / w),      w'e = 0.

D stands for the predictions since the change has the sum 0; nothing cancels then. A step
ends before a weight would be zero, and is halved until the objective falls.

Networks of small weight cost as much as others, and add little: they go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skgn.model.losses import Pointwise
from skgn.training.held_out import HeldOut
from skgn.typing import Array

#: Samples that each network is seen as often as, beforehand.
PRIOR = 0.5

#: Least weight of a network that stays; half an equal share, where that is less.
LEAST = 0.05

#: Change of a weight, and iterations, at which it is enough.
CHANGE, MOST_ITERATIONS = 1e-5, 1000

#: Share of the way to a weight of zero that a step may go; share of the decrease promised
#: that it has to reach; and the shortest step.
INSIDE, SUFFICIENT, SHORTEST = 0.99, 1e-4, 1e-10

#: How much larger than that of the best network the loss of one may be that is averaged
#: with it: in squares, a weight of LEAST would still be worse by thousands.
HOPELESS = 1e6


class MeanLoss(Protocol):
    """A loss of real targets, as a function of the mean that is predicted."""

    dispersion: float

    def of_mean(self, P: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`skgn.model.real_losses.RealLoss`."""


class Mixture(Protocol):
    """What networks are averaged by."""

    def of(self, held_out: HeldOut, theta: Array) -> Array:
        """Return what is averaged of held-out samples, shape (m, q)."""

    def losses(self, table: Array, targets: NDArray[Any]) -> Array:
        """Return the loss of each sample by what is averaged, shape (m,)."""

    def weights(self, tables: Array, targets: NDArray[Any], counts: Array) -> Array:
        """Return the weights of networks; 0 for those that go.

        Parameters
        ----------
        tables : ndarray of shape (k, m, q)
            Of each network.
        targets : ndarray
            Of the samples, in the form that the loss takes.
        counts : ndarray of shape (m,)
            How many samples each one stands for.

        Returns
        -------
        weights : ndarray of shape (k,)
            Of sum 1.
        """


class Probabilities:
    """The probabilities of labels are averaged; a table holds their logarithms."""

    def of(self, held_out: HeldOut, theta: Array) -> Array:
        """See :class:`Mixture`; what is not finite is a probability of zero."""
        table = held_out.log_likelihood(theta)
        return np.where(np.isfinite(table), table, -np.inf)

    def losses(self, table: Array, targets: NDArray[Any]) -> Array:
        """See :class:`Mixture`."""
        return -table.sum(axis=1)

    def weights(self, tables: Array, targets: NDArray[Any], counts: Array) -> Array:
        """See :class:`Mixture`; each label of a sample counts on its own."""
        k, _, q = tables.shape
        return mixture_weights(tables.reshape(k, -1), np.repeat(counts, q))


@dataclass(frozen=True)
class Means:
    """The predictions of real targets are averaged.

    Attributes
    ----------
    loss : MeanLoss
    """

    loss: MeanLoss

    def of(self, held_out: HeldOut, theta: Array) -> Array:
        """See :class:`Mixture`."""
        return held_out.predictions(theta)

    def losses(self, table: Array, targets: NDArray[Any]) -> Array:
        """See :class:`Mixture`; infinite where a prediction is not finite."""
        losses = self.loss.of_mean(table, targets).loss
        return np.where(np.isfinite(losses), losses, np.inf)

    def weights(self, tables: Array, targets: NDArray[Any], counts: Array) -> Array:
        """See :class:`Mixture`."""
        return mean_weights(self.loss, tables, targets, counts)


def mixture_weights(log_likelihood: Array, counts: Array) -> Array:
    """Return the weights of networks whose probabilities are averaged.

    Parameters
    ----------
    log_likelihood : ndarray of shape (k, m)
        Log-probability of each held-out target by each network; minus infinity where it
        is not finite.
    counts : ndarray of shape (m,)
        How many samples each one stands for.

    Returns
    -------
    weights : ndarray of shape (k,)
        Of sum 1; 0 for those that go.
    """
    return _of_some_weight(lambda own: _likeliest(own, counts), log_likelihood)


@np.errstate(over="ignore", invalid="ignore")  # of predictions that are not finite
def mean_weights(
    loss: MeanLoss, predictions: Array, targets: NDArray[Any], counts: Array
) -> Array:
    """Return the weights of networks whose predictions of real targets are averaged.

    Parameters
    ----------
    loss : MeanLoss
    predictions : ndarray of shape (k, m, K)
        Of held-out samples. A network whose loss is :data:`HOPELESS` times that of the
        best one goes; one of a loss that is not finite, if another's is.
    targets : ndarray of shape (m, K)
    counts : ndarray of shape (m,)
        How many samples each one stands for.

    Returns
    -------
    weights : ndarray of shape (k,)
        Of sum 1; 0 for those that go.
    """
    k, _, K = predictions.shape
    costs = np.array([counts @ loss.of_mean(P, targets).loss for P in predictions])
    costs[~np.isfinite(predictions).all(axis=(1, 2)) | np.isnan(costs)] = np.inf
    best = costs.min()
    if not np.isfinite(best) or not counts.any():
        return np.full(k, 1 / k)
    known = costs <= HOPELESS * best
    phi = loss.dispersion * best / (K * counts.sum())
    weights = np.zeros(k)
    weights[known] = _of_some_weight(
        lambda own: _closest(loss, own, targets, counts, phi), predictions[known]
    )
    return weights


def _of_some_weight(find: Callable[[Array], Array], tables: Array) -> Array:
    """Return the weights that are found for networks, without those of small weight."""
    k = len(tables)
    weights = find(tables)
    stays = weights >= min(LEAST, 0.5 / k)
    if not stays.all():
        weights[~stays] = 0
        weights[stays] = find(tables[stays])
    return weights


def _likeliest(log_likelihood: Array, counts: Array) -> Array:
    k = len(log_likelihood)
    best = np.maximum(log_likelihood.max(axis=0), np.finfo(float).min)
    likelihood = np.exp(log_likelihood - best)
    likelihood[:, ~likelihood.any(axis=0)] = 1  # says nothing of any network
    total = counts.sum() + k * PRIOR
    weights = np.full(k, 1 / k)
    for _ in range(MOST_ITERATIONS):
        shares = weights @ likelihood
        new = (weights * (likelihood @ (counts / shares)) + PRIOR) / total
        change = np.abs(new - weights).max()
        weights = new
        if change < CHANGE:
            break
    return weights / weights.sum()


def _closest(
    loss: MeanLoss,
    predictions: Array,
    targets: NDArray[Any],
    counts: Array,
    phi: float,
) -> Array:
    k = len(predictions)
    D = (predictions - predictions.mean(axis=0)).reshape(k, -1)
    counts = counts[:, None]

    def at(weights: Array) -> tuple[float, Pointwise]:
        here = loss.of_mean(np.tensordot(weights, predictions, 1), targets)
        barrier = prior * np.log(weights).sum()
        return float(counts[:, 0] @ here.loss - barrier), here

    weights, prior = np.full(k, 1 / k), PRIOR * phi
    if prior == 0:  # all are perfect
        return weights
    value, here = at(weights)
    for _ in range(MOST_ITERATIONS):
        slope = weights * (D @ (counts * here.residual).ravel()) - prior
        curvature = (D * (counts * here.spread).ravel()) @ D.T
        system = np.outer(weights, weights) * curvature + prior * np.eye(k)
        free, along = np.linalg.solve(system, np.column_stack([-slope, weights])).T
        change = free - (weights @ free) / (weights @ along) * along
        length = min(1.0, INSIDE / max(-change.min(), INSIDE))
        promised = float(slope @ change)
        while True:
            new = weights * (1 + length * change)
            new_value, new_here = at(new)
            if new_value <= value + SUFFICIENT * length * promised:
                break
            length /= 2
            if length < SHORTEST:  # the rounding of the objective
                return weights / weights.sum()
        moved = np.abs(new - weights).max()
        weights, value, here = new, new_value, new_here
        if moved < CHANGE:
            break
    return weights / weights.sum()
