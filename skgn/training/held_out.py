"""Rows that a fit does not see: their losses at given weights."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skgn.data.inputs import Inputs
from skgn.model.losses import Loss
from skgn.model.network import Network, Trace
from skgn.typing import Array


class Validation(NamedTuple):
    """What rows that a fit does not see say of its weights.

    Attributes
    ----------
    loss : float
        Mean of the losses: less is better.
    score : float
        Of the loss (see :class:`skgn.model.losses.Loss`): more is better.
    """

    loss: float
    score: float


#: Of a fit without such rows.
NONE = Validation(np.nan, np.nan)


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows in the coordinates of the first layer.

    Attributes
    ----------
    network : Network
    loss : Loss
    inputs : Inputs of shape (m, n)
    targets : ndarray
        In the form the loss takes.
    row_weights : ndarray of shape (m,), float64
        Of sum 1.
    """

    network: Network
    loss: Loss
    inputs: Inputs
    targets: NDArray[Any]
    row_weights: Array

    @cached_property
    def _trace(self) -> Trace:
        return self.network.new_trace(self.inputs.shape[0], self.inputs.dtype)

    def _outputs(self, theta: Array) -> Array:
        layers = self.network.layers(theta)
        Z = self.network.outputs(layers, self.inputs, self._trace)
        return Z.astype(np.float64)

    def losses(self, theta: Array) -> Array:
        """Return the loss of each row, shape (m,), float64."""
        losses: Array = self.loss.pointwise(self._outputs(theta), self.targets).loss
        return losses

    def log_likelihood(self, theta: Array) -> Array:
        """Return the log-probability of each target; see :class:`Loss`."""
        return self.loss.log_likelihood(self._outputs(theta), self.targets)

    def predictions(self, theta: Array) -> Array:
        """Return the prediction of each target, shape (m, K); see :class:`Loss`."""
        return self.loss.prediction(self._outputs(theta))

    def judge(self, theta: Array) -> Validation:
        """Return what the rows say of weights."""
        Z, weights = self._outputs(theta), self.row_weights
        losses = self.loss.pointwise(Z, self.targets).loss
        score = self.loss.score(Z, self.targets, weights)
        return Validation(float(weights @ losses), score)
