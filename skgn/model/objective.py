r"""The penalised objective of a network on weighted rows.

    cost(θ)      = Σ_i ω_i ℓ(Z_L[i], y_i),         ω_i = w_i / Σ w
    objective(θ) = cost(θ) + (alpha / 2) Σ_l ‖W_l‖²

Intercepts are not penalised. Its Gauss-Newton matrix along directions ``D_i``, with
``R_i`` the change of ``Z_L`` along ``D_i``:

    D_i' G D_j = Σ_r ω_r R_i[r]' H_r R_j[r] + alpha Σ_l ⟨W-part of D_i, W-part of D_j⟩
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgn.data.batches import BatchRows
from skgn.data.inputs import Inputs
from skgn.model.evaluation import Evaluation
from skgn.model.losses import Loss
from skgn.model.network import Network, Trace
from skgn.typing import Array


@dataclass(frozen=True)
class Objective:
    """A network, a loss and the rows they are fitted to.

    Parameters
    ----------
    network : Network
    loss : Loss
    inputs : Inputs of shape (m, n)
    targets : ndarray
        In the form the loss takes.
    row_weights : ndarray of shape (m,)
        Positive, of sum 1, in the precision of the inputs.
    alpha : float
        L2 penalty.
    """

    network: Network
    loss: Loss
    inputs: Inputs
    targets: NDArray[Any]
    row_weights: Array
    alpha: float
    _spare: list[Trace] = field(default_factory=list, repr=False, compare=False)
    _buffers: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def row_weights_64(self) -> Array:
        """Row weights in float64, for sums that decide over a step."""
        return self.row_weights.astype(np.float64)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.inputs.shape[0]

    @property
    def first_rows(self) -> Array:
        """``Ã_0`` as a matrix, shape (m, 1 + n)."""
        if "first" not in self._buffers:
            side = 1 + self.inputs.shape[1]
            rows = np.empty((self.rows, side), self.inputs.dtype)
            self.inputs.product(np.eye(side, dtype=rows.dtype), out=rows)
            self._buffers["first"] = rows
        return self._buffers["first"]

    def evaluate(
        self, theta: Array, base: "Evaluation | None" = None, Z1_dot: Array | None = None
    ) -> "Evaluation":
        """Evaluate at `theta`.

        Where `theta` differs from that of `base` by a step whose change of ``Z_1`` is
        `Z1_dot`, the product with the inputs is saved.
        """
        V = self.network.layers(theta)
        if self._spare:
            trace = self._spare.pop()
        else:
            trace = self.network.new_trace(self.rows, self.inputs.dtype, slopes=True)
        if base is None or Z1_dot is None:
            self.network.outputs(V, self.inputs, trace)
        else:
            self.network.forward(V, trace, base.trace.Z[0], Z1_dot)
        return Evaluation(self, theta, trace)

    def recycle(self, evaluation: "Evaluation") -> None:
        """Take back the arrays of an evaluation that will not be used again."""
        self._spare.append(evaluation.trace)

    @property
    def delta_array(self) -> Array:
        """Array for ``δ_1``, shape (m, n_1)."""
        if "delta" not in self._buffers:
            shape = self.rows, self.network.widths[1]
            self._buffers["delta"] = np.empty(shape, self.inputs.dtype)
        return self._buffers["delta"]


@dataclass(frozen=True)
class BatchedObjective:
    """A network, a loss and rows of which a few at a time are looked at.

    Parameters
    ----------
    network : Network
    loss : Loss
    rows : BatchRows of shape (m, n)
    targets : ndarray
        Of all rows, in the form the loss takes.
    row_weights : ndarray of shape (m,) or None
        Positive, of mean 1; None for equal weights.
    alpha : float
        L2 penalty.
    """

    network: Network
    loss: Loss
    rows: BatchRows
    targets: NDArray[Any]
    row_weights: Array | None
    alpha: float
    _spare: list[Trace] = field(default_factory=list, repr=False, compare=False)
    _buffers: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)

    def batch(self, index: NDArray[Any]) -> Objective:
        """Return the objective on a batch; over all batches its mean is the whole's."""
        size, dtype = len(index), self.rows.dtype
        if self.row_weights is None:
            weights = np.full(size, 1 / size, dtype)
        else:
            weights = self.row_weights[index] / dtype.type(size)
        if self._spare and len(self._spare[0].Z[0]) != size:
            self._spare.clear()
            self._buffers.clear()
        return Objective(
            self.network,
            self.loss,
            self.rows.batch(index),
            self.targets[index],
            weights,
            self.alpha,
            self._spare,
            self._buffers,
        )
