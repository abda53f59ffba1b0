r"""A fit that goes on as rows arrive: weights, factors and column statistics in between.

A chunk of rows first moves the statistics of the columns, then the weights. When a
column's centre or scale moves, the first layer is re-expressed in the new standardised
columns, so that the function of raw X does not change:

    x W_raw + b_raw = ((x - mean) / scale) W + b,      W = scale W_raw,
                                                       b = b_raw + mean W_raw.

The velocity, a difference of weights, is re-expressed in the same way.

Steps are those of :mod:`skgn.training.mini_batch`, of constant size after a short rise,
since there is no end to anneal to; the noise that annealing would take out is averaged
out instead: the weights that are handed on are a running mean ``θ̄`` of the iterates over
a window that grows with the stream (Polyak & Juditsky, SIAM J. Control Optim. 30, 1992),

    θ̄ <- θ̄ + (θ - θ̄) / min(max(t / 4, 1), WINDOW)      after step t.
"""

from dataclasses import dataclass, replace

import numpy as np

from skgn.model.inputs import Standardisation
from skgn.model.network import Network
from skgn.model.running_columns import RunningColumns
from skgn.steps.running_kronecker import REFRESH, RunningFactors
from skgn.training.evidence import TEMPERED, Evidence
from skgn.training.mini_batch import Descent
from skgn.typing import Array


def in_columns(V: Array, old: Standardisation, new: Standardisation) -> Array:
    """Return ``V_1`` given for columns standardised by `old` for those of `new`."""
    W = V[1:] / old.scale[:, None]
    moved = np.empty(V.shape)
    moved[0] = V[0] + (new.mean - old.mean) @ W
    moved[1:] = W * new.scale[:, None]
    return moved.astype(V.dtype, copy=False)


@dataclass(frozen=True)
class Stream:
    """What lasts from one chunk to the next.

    Attributes
    ----------
    statistics : RunningColumns
        Of all rows so far.
    columns : Standardisation
        The columns that the weights are for.
    descent : Descent
    random_state : RandomState
        Draws the batches and the signs of the output factors.
    alpha : float
        Penalty of the next chunk.
    mean_target : ndarray of shape (K,)
        Weighted mean prediction of a constant.
    """

    statistics: RunningColumns
    columns: Standardisation
    descent: Descent
    random_state: np.random.RandomState
    alpha: float
    mean_target: Array

    @classmethod
    def begin(
        cls,
        theta: Array,
        statistics: RunningColumns,
        columns: Standardisation,
        damping: float,
        random_state: np.random.RandomState,
        alpha: float,
        mean_target: Array,
    ) -> "Stream":
        """Begin a stream at weights for columns standardised so."""
        factors = RunningFactors(statistics.factor(columns, theta.dtype), damping)
        descent = Descent(theta, np.zeros_like(theta), factors, theta.copy())
        return cls(statistics, columns, descent, random_state, alpha, mean_target)

    def moved(
        self,
        network: Network,
        statistics: RunningColumns,
        columns: Standardisation,
        mean_target: Array,
    ) -> "Stream":
        """Take note of more rows: weights and factor are for `columns` from now on.

        `mean_target` is that of the new rows.
        """
        share = 1 - self.statistics.total / statistics.total
        mean_target = self.mean_target + share * (mean_target - self.mean_target)
        stream = self.in_columns(network, columns)
        stream = replace(stream, statistics=statistics, mean_target=mean_target)
        factor = statistics.factor(columns, self.descent.theta.dtype)
        stream.descent.factors.replace_input_factor(factor)
        return stream

    def with_evidence(
        self, network: Network, steps: int, cost: float, null_cost: float
    ) -> "Stream":
        """Move the penalty if the factors are new since `steps` steps of the stream.

        The costs are those of the latest rows.
        """
        if self.descent.steps // REFRESH == steps // REFRESH:
            return self
        theta = self.descent.theta
        rule = Evidence(self.statistics.total, null_cost, TEMPERED, wait=0)
        squared_norm = network.weight_inner(theta, theta)
        spectra = self.descent.factors.spectra
        alpha = rule.next(self.alpha, spectra, squared_norm, cost)
        return replace(self, alpha=alpha)

    def in_columns(self, network: Network, columns: Standardisation) -> "Stream":
        """Re-express weights, their mean and velocity for other columns, in place."""
        descent = self.descent
        for flat in (descent.theta, descent.velocity, descent.mean):
            if flat is None:
                continue
            V = network.layers(flat)[0]
            V[:] = in_columns(V, self.columns, columns)
        return replace(self, columns=columns)
