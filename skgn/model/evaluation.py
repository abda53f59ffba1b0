"""What is known at a point: values at once, derivatives and curvature when asked for.

Steps ask for gradients, Grams and the effect of directions, and never for rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from skgn.linalg.products import add_scaled, gram, matmul, row_chunks, weighted_gram
from skgn.model.losses import Pointwise
from skgn.model.network import Trace
from skgn.typing import Array

if TYPE_CHECKING:
    from skgn.model.objective import Objective


@dataclass(frozen=True)
class Evaluation:
    """What is known at a point: values at once, derivatives when asked for."""

    objective: "Objective"
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
        moved = replace(self, objective=replace(self.objective, alpha=alpha))
        known = {"layers", "pointwise", "cost", "squared_norm"} & self.__dict__.keys()
        moved.__dict__.update({name: self.__dict__[name] for name in known})
        return moved

    @cached_property
    def gradient(self) -> Array:
        """Gradient of the objective, flat like theta."""
        delta = self.pointwise.residual * self.objective.row_weights[:, None]
        return self._pull_back(delta, self.theta)

    def bend(self, tangent: "Tangent", length: float) -> Array:
        """Return ``J' ω H Z̈_L``, flat, with the second change of ``Z_L`` along a line.

        By the outputs at a fraction `length` of the direction.
        """
        objective = self.objective
        unit = self.theta.dtype.type(length)
        step, Z1_dot = unit * tangent.direction, unit * tangent.Z1_dot
        there = objective.evaluate(self.theta + step, self, Z1_dot)
        change = (there.trace.Z[-1] - self.trace.Z[-1]) / unit
        objective.recycle(there)
        second = objective.loss.center(self.pointwise, change) - tangent.R
        second *= 2 / unit
        delta = objective.loss.hessian_product(self.pointwise, second)
        delta *= objective.row_weights[:, None]
        return self._pull_back(delta, np.zeros_like(self.theta))

    def _pull_back(self, delta: Array, penalised: Array) -> Array:
        """Return ``J' δ_L + alpha [0; W]``, flat, with W the weights in `penalised`."""
        objective, hidden = self.objective, self.trace.hidden
        network = objective.network
        result = np.empty_like(self.theta)
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
                    if not l:
                        continue
                    if rows.start:
                        parts[l] += matmul(hidden[l - 1][rows].T, delta_l)
                    else:
                        matmul(hidden[l - 1][rows].T, delta_l, out=parts[l])
            delta = delta_1
        objective.inputs.adjoint(delta, out=parts[0])
        for part, V in zip(parts, network.layers(penalised), strict=True):
            add_scaled(part[1:], objective.alpha, V[1:])
        return result

    # Curvature: the factors of the layers' Gauss-Newton blocks.

    @cached_property
    def curvature_weights(self) -> Array:
        """``ω_i h_i / Σ ω h`` with h the trace of each row's loss Hessian."""
        weights = self.objective.row_weights * self.objective.loss.trace(self.pointwise)
        total = weights.sum()
        return weights / total if total > 0 else self.objective.row_weights

    def first_input_gram(self) -> Array:
        """Return ``S_1`` under the curvature weights."""
        return self.objective.inputs.gram(self.curvature_weights)

    def input_grams(self) -> list[Array]:
        """Return ``S_2 .. S_L``."""
        hidden = self.trace.hidden
        return [weighted_gram(tilde, self.curvature_weights) for tilde in hidden]

    def output_grams(self) -> list[Array]:
        """Return ``Γ_1 .. Γ_L``."""
        widths = self.objective.network.widths[1:]
        grams = [np.zeros((n, n), self.theta.dtype) for n in widths]
        for _, _, deltas in self._roots_sent_back(max(widths)):
            for l, delta in deltas:
                grams[l] += gram(delta)
        return grams

    def sampled_output_grams(self, random_state: np.random.RandomState) -> list[Array]:
        """Return unbiased estimates of ``Γ_1 .. Γ_L`` by one backward pass."""
        objective = self.objective
        shape = self.pointwise.residual.shape
        signs = np.where(random_state.random_sample(shape) < 0.5, -1, 1)
        signs = signs.astype(self.theta.dtype)
        delta = objective.loss.sampled_root(self.pointwise, signs)
        delta *= np.sqrt(objective.row_weights)[:, None]
        deltas = objective.network.backward(self.layers, self.trace.slopes, delta)
        return [gram(delta_l) for _, delta_l in deltas][::-1]

    def unit_gram(self, along: "Tangent", other: "Tangent | None") -> Array:
        """Return the Gauss-Newton matrix of a step's columns, unit by unit, float64.

        `other` is a further direction, the last row and column; the penalty is left out.
        """
        network = self.objective.network
        D = network.layers(along.direction)
        starts = np.concatenate([[0], np.cumsum(network.widths[1:])])
        sides = int(starts[-1]) + (other is not None)
        total = np.zeros((sides, sides))
        for rows, B, deltas in self._roots_sent_back(sides):
            Q = np.empty((*B.shape[:2], sides), B.dtype)
            for l, delta in deltas:
                moved: Array = along.Z1_dot[rows]
                if l:
                    moved = matmul(self.trace.hidden[l - 1][rows], D[l])
                columns = slice(starts[l], starts[l + 1])
                np.multiply(delta.reshape(*B.shape[:2], -1), moved, out=Q[:, :, columns])
            if other is not None:
                np.einsum("cik,ik->ci", B, other.R[rows], out=Q[:, :, -1])
            total += gram(Q.reshape(-1, sides))
        return total

    def gauss_newton_matrix(self) -> Array:
        """Return the matrix of all weights, float64, without the penalty."""
        network, hidden = self.objective.network, self.trace.hidden
        tilde = [self.objective.first_rows, *hidden]
        ends = np.cumsum([rows * columns for rows, columns in network.shapes])
        total = np.zeros((network.size, network.size))
        for rows, B, deltas in self._roots_sent_back(network.size):
            Q = np.empty((*B.shape[:2], network.size))
            for l, delta in deltas:
                own = Q[:, :, ends[l] - np.prod(network.shapes[l]) : ends[l]]
                delta = delta.reshape(*B.shape[:2], 1, -1)
                part = tilde[l][rows][:, :, None] * delta
                own[:] = part.reshape(own.shape)
            total += gram(Q.reshape(-1, network.size))
        return total

    def _roots_sent_back(
        self, width: int
    ) -> Iterator[tuple[slice, Array, Iterator[tuple[int, Array]]]]:
        """Yield chunks of rows, their ``B`` with ``H = B B'``, and B sent back.

        B has shape (columns, rows, K), weighted by the roots of the row weights. What is
        made of each chunk has `width` columns.
        """
        objective = self.objective
        root = np.sqrt(objective.row_weights)[:, None]
        m, K = self.pointwise.residual.shape
        passes = objective.loss.root_columns(K)
        for rows in row_chunks(m, width, passes):
            slopes = [slope[rows] for slope in self.trace.slopes]
            B = objective.loss.hessian_sqrt(self.pointwise.rows(rows))
            B *= root[rows]
            deltas = objective.network.backward(self.layers, slopes, B.reshape(-1, K))
            yield rows, B, deltas

    # Directions.

    def first_change(self, direction: Array, out: Array | None = None) -> Array:
        """Return ``Ż_1``, shape (m, n_1), along a flat direction."""
        if out is None:
            out = np.empty_like(self.trace.Z[0])
        V = self.objective.network.layers(direction)[0]
        return self.objective.inputs.product(V, out=out)

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
