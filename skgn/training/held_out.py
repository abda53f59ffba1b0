"""Rows that a fit does not see: their losses at given weights."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgn.data.inputs import Inputs
from skgn.model.losses import Loss
from skgn.model.network import Network, Trace
from skgn.typing import Array


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

    def losses(self, theta: Array) -> Array:
        """Return the loss of each row, shape (m,), float64."""
        layers = self.network.layers(theta)
        Z = self.network.outputs(layers, self.inputs, self._trace).astype(np.float64)
        losses: Array = self.loss.pointwise(Z, self.targets).loss
        return losses

    def log_loss(self, theta: Array) -> float:
        """Return the weighted mean of the losses."""
        return float(self.row_weights @ self.losses(theta))
