r"""The penalised objective of a network on weighted rows.

    cost(θ)      = Σ_i ω_i ℓ(Z_L[i], y_i),         ω_i = w_i / Σ w
    objective(θ) = cost(θ) + (alpha / 2) Σ_l ‖W_l‖²

Intercepts are not penalised. Its Gauss-Newton matrix along directions ``D_i``, with
``R_i`` the change of ``Z_L`` along ``D_i``:

    D_i' G D_j = Σ_r ω_r R_i[r]' H_r R_j[r] + alpha Σ_l ⟨W-part of D_i, W-part of D_j⟩
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgn.linalg.products import matmul
from skgn.model.inputs import Inputs
from skgn.model.losses import Loss, Pointwise
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
class Evaluation:
    """What is known at a point: values at once, derivatives when asked for."""

    objective: Objective
    theta: Array
    trace: Trace

    @cached_property
    def layers(self) -> list[Array]:
        """Views ``V_1 .. V_L`` of theta."""
        return self.objective.network.layers(self.theta)

    @cached_property
    def pointwise(self) -> Pointwise:
        """The loss row by row."""
        return self.objective.loss.pointwise(self.trace.Z[-1], self.objective.targets)

    @cached_property
    def cost(self) -> float:
        """Mean loss, summed in float64."""
        return float(np.dot(self.pointwise.loss, self.objective.row_weights_64))

    @cached_property
    def value(self) -> float:
        """The penalised objective."""
        return self.cost + 0.5 * self.objective.alpha * self.squared_norm

    @cached_property
    def squared_norm(self) -> float:
        """``Σ_l ‖W_l‖²``."""
        return self.objective.network.weight_inner(self.theta, self.theta)

    def with_alpha(self, alpha: float) -> "Evaluation":
        """Return the same point under another penalty."""
        moved = Evaluation(replace(self.objective, alpha=alpha), self.theta, self.trace)
        known = {"layers", "pointwise", "cost", "squared_norm"} & self.__dict__.keys()
        moved.__dict__.update({name: self.__dict__[name] for name in known})
        return moved

    @cached_property
    def gradient(self) -> Array:
        """Gradient of the objective, flat like theta."""
        delta = self.pointwise.residual * self.objective.row_weights[:, None]
        return self._pull_back(delta, self.theta)

    def _pull_back(self, delta: Array, penalised: Array) -> Array:
        """Return ``J' δ_L + alpha [0; W]``, flat, with W the weights in `penalised`."""
        objective, hidden = self.objective, self.trace.hidden
        network = objective.network
        result = np.zeros_like(self.theta)
        parts = network.layers(result)
        if hidden:
            delta_1 = objective.delta_array
            for rows in network.chunks(objective.rows):
                deltas = network.backward(
                    self.layers,
                    [slope[rows] for slope in self.trace.slopes],
                    delta[rows],
                    first=delta_1[rows],
                )
                for l, delta_l in deltas:
                    if l:
                        parts[l] += matmul(hidden[l - 1][rows].T, delta_l)
            delta = delta_1
        parts[0][:] = objective.inputs.adjoint(delta)
        for part, V in zip(parts, network.layers(penalised), strict=True):
            part[1:] += objective.alpha * V[1:]
        return result

    def tangents(
        self, directions: Sequence[Array], Z1_dots: Sequence[Array]
    ) -> list["Tangent"]:
        """Return what flat directions with given ``Ż_1`` do to the outputs."""
        layers = [self.objective.network.layers(D) for D in directions]
        Z_dots = self.objective.network.jacobian_products(
            self.layers, self.trace, layers, Z1_dots
        )
        R = [self.objective.loss.center(self.pointwise, Z_dot) for Z_dot in Z_dots]
        return [Tangent(*parts) for parts in zip(directions, Z1_dots, R, strict=True)]

    def gauss_newton(self, tangents: Sequence["Tangent"]) -> Array:
        """Return the matrix ``D_i' G D_j``, float64, of directions by their tangents."""
        objective = self.objective
        M = np.empty((len(tangents), len(tangents)))
        for i, tangent in enumerate(tangents):
            HR = objective.loss.hessian_product(self.pointwise, tangent.R)
            HR *= objective.row_weights[:, None]
            for j, other in enumerate(tangents[: i + 1]):
                weights = objective.network.weight_inner(
                    tangent.direction, other.direction
                )
                M[i, j] = M[j, i] = np.vdot(HR, other.R) + objective.alpha * weights
        return M

    def gauss_newton_product(self, tangent: "Tangent") -> Array:
        """Return ``G D``, flat, for one direction by its tangent."""
        HR = self.objective.loss.hessian_product(self.pointwise, tangent.R)
        HR *= self.objective.row_weights[:, None]
        return self._pull_back(HR, tangent.direction)


@dataclass(frozen=True)
class Tangent:
    """A direction and what it does to the network's layers, to first order.

    Attributes
    ----------
    direction : ndarray
        Flat, like theta.
    Z1_dot : ndarray of shape (m, n_1)
        Change of ``Z_1``.
    R : ndarray of shape (m, K)
        Change of ``Z_L`` without its part in the null space of the loss Hessian.
    """

    direction: Array
    Z1_dot: Array
    R: Array
