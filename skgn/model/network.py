r"""A multi-layer perceptron as pure functions of its weights.

Layers ``l = 1..L`` map ``A_0 = X`` (m rows) to ``Z_L``:

    Z_l = [1 A_{l-1}] V_l,     A_l = g_l(Z_l),

with ``V_l`` of shape ``(1 + n_{l-1}, n_l)``, the intercepts in its row 0; ``W_l`` is
``V_l`` without that row. Activations are kept with their column of ones in front,
``Ã_l = [1 A_l]``, so that every product below is one matrix product.

All ``V_l`` are views of one flat vector ``theta``; so are the parts of any direction.

Derivatives, with ``δ_l`` the derivative of a scalar in ``Z_l`` and ``Ż_l`` the change of
``Z_l`` along a direction ``D``:

    backward    ∂/∂V_l = Ã_{l-1}' δ_l,      δ_{l-1} = (δ_l W_l') ∘ g'_{l-1}
    forward     Ż_l = Ã_{l-1} D_l + (g'_{l-1} ∘ Ż_{l-1}) W_l,      Ż_1 = Ã_0 D_1

``Z_1`` is linear in ``V_1``: a change of the weights by ``t D`` moves it by ``t Ż_1``.
The product with ``Ã_0``, the widest matrix of all, is thus paid once per direction and
never again for the trial points along it, nor for a combination of directions.

All passes are independent from row to row and run over chunks of rows that fit into the
processor's cache; what they leave behind goes into the arrays of a :class:`Trace`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skgn.data.inputs import Inputs
from skgn.linalg.products import matmul, row_chunks
from skgn.linalg.scratch import scratch
from skgn.model.activations import ACTIVATIONS, Activation
from skgn.typing import Array


@dataclass(frozen=True)
class Trace:
    """What a forward pass leaves behind.

    Attributes
    ----------
    Z : list of ndarray of shape (m, n_l)
        ``Z_1 .. Z_L``.
    hidden : list of ndarray of shape (m, 1 + n_l)
        ``Ã_1 .. Ã_{L-1}``; the first column of each is one.
    slopes : list of ndarray of shape (m, n_l)
        ``g'_1 .. g'_{L-1}``; empty where no derivatives will be asked for.
    """

    Z: list[Array]
    hidden: list[Array]
    slopes: list[Array]


@dataclass(frozen=True)
class Network:
    """Shapes and activations of a multi-layer perceptron.

    Parameters
    ----------
    widths : tuple of int
        ``n_0 .. n_L``: columns of X, units of each hidden layer, outputs.
    activations : tuple of Activation
        One per hidden layer.
    """

    widths: tuple[int, ...]
    activations: tuple[Activation, ...]

    @classmethod
    def of(cls, widths: Sequence[int], activations: Sequence[str]) -> "Network":
        """Build a network from layer widths and names of activations."""
        return cls(tuple(widths), tuple(ACTIVATIONS[name] for name in activations))

    @cached_property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes of ``V_1 .. V_L``."""
        pairs = zip(self.widths[:-1], self.widths[1:], strict=True)
        return [(1 + fan_in, fan_out) for fan_in, fan_out in pairs]

    @cached_property
    def size(self) -> int:
        """Number of parameters."""
        return sum(rows * columns for rows, columns in self.shapes)

    @cached_property
    def intercepts(self) -> list[slice]:
        """Where the intercepts of each layer are in a flat vector."""
        starts = np.cumsum([0, *(rows * columns for rows, columns in self.shapes)])
        pairs = zip(starts.tolist(), self.widths[1:], strict=False)
        return [slice(start, start + columns) for start, columns in pairs]

    def layers(self, theta: Array) -> list[Array]:
        """Return views ``V_1 .. V_L`` of a flat vector of `size` entries."""
        views, start = [], 0
        for rows, columns in self.shapes:
            stop = start + rows * columns
            views.append(theta[start:stop].reshape(rows, columns))
            start = stop
        return views

    def weight_inner(self, a: Array, b: Array) -> float:
        """Return the inner product of two flat vectors without intercepts."""
        intercepts = sum(float(a[row] @ b[row]) for row in self.intercepts)
        return float(a @ b) - intercepts

    def initial_weights(
        self,
        random_state: np.random.RandomState,
        intercepts: Array,
        spread: bool = False,
    ) -> list[Array]:
        """Draw normal weights in float64, of standard deviation gain / sqrt(n_{l-1}).

        Output intercepts start at `intercepts`, hidden ones at zero, or, if they are to
        be spread, where the units are at their centres within sqrt(2) deviations of their
        input: evenly within ``± sqrt(2) ‖w‖`` for a unit of weights w.
        """
        gains = [1.0, *(activation.gain for activation in self.activations)]
        layers: list[Array] = []
        for (rows, columns), gain in zip(self.shapes, gains, strict=True):
            V = np.zeros((rows, columns))
            V[1:] = random_state.standard_normal((rows - 1, columns))
            V[1:] *= gain / np.sqrt(rows - 1)
            layers.append(V)
        if spread:
            for layer in layers[:-1]:
                reach = np.sqrt(2 * np.sum(layer[1:] ** 2, axis=0))
                layer[0] = reach * random_state.uniform(-1, 1, len(reach))
        layers[-1][0] = intercepts
        return layers

    def new_trace(
        self, m: int, dtype: Any, slopes: bool = False, passing: bool = False
    ) -> Trace:
        """Allocate the arrays of a forward pass over `m` rows.

        Those of a `passing` one are good until the next passing one is asked for.
        """

        def empty(name: str, l: int, n: int) -> Array:
            shape = m, n
            return (
                scratch(f"{name}{l}", shape, dtype) if passing else np.empty(shape, dtype)
            )

        widths = list(enumerate(self.widths[1:]))
        Z = [empty("Z", l, n) for l, n in widths]
        hidden = [empty("hidden", l, 1 + n) for l, n in widths[:-1]]
        for tilde in hidden:
            tilde[:, 0] = 1
        own = [empty("slope", l, n) for l, n in widths[:-1]] if slopes else []
        return Trace(Z, hidden, own)

    def chunks(self, m: int) -> Iterator[slice]:
        """Yield slices of rows to work on at a time."""
        return row_chunks(m, max(self.widths[1:]))

    def forward(
        self,
        V: Sequence[Array],
        trace: Trace,
        Z1: Array | None = None,
        Z1_dot: Array | None = None,
    ) -> None:
        """Fill `trace`, from its own ``Z_1`` or from ``Z1 + Z1_dot``."""
        for rows in self.chunks(len(trace.Z[0])):
            if Z1 is not None and Z1_dot is not None:
                np.add(Z1[rows], Z1_dot[rows], out=trace.Z[0][rows])
            for l, activation in enumerate(self.activations):
                Z, tilde = trace.Z[l][rows], trace.hidden[l][rows]
                activation.value(Z, tilde[:, 1:])
                if trace.slopes:
                    activation.derivative(Z, tilde[:, 1:], trace.slopes[l][rows])
                matmul(tilde, V[l + 1], out=trace.Z[l + 1][rows])

    def outputs(self, V: Sequence[Array], inputs: Inputs, trace: Trace) -> Array:
        """Fill `trace` from the inputs and return its ``Z_L``, shape (m, K)."""
        inputs.product(V[0], out=trace.Z[0])
        self.forward(V, trace)
        return trace.Z[-1]

    def backward(
        self,
        V: Sequence[Array],
        slopes: Sequence[Array],
        delta: Array,
        first: Array | None = None,
    ) -> Iterator[tuple[int, Array]]:
        """Yield ``(l, δ_l)``, layers numbered from 0 and the last one first.

        `delta` is ``δ_L`` of shape (m, K), or several of them stacked to (c m, K), for
        `slopes` of m rows. Where `first` is given, ``δ_1`` is written to it. All but
        ``δ_L`` and `first` are good until the next backward pass.
        """
        last = len(V) - 1
        yield last, delta
        for l in range(last, 0, -1):
            W, out = V[l][1:], first if l == 1 else None
            if out is None:
                shape = len(delta), len(W)
                out = scratch(f"backward{l}", shape, delta.dtype)
            if W.shape[1] == 1:  # BLAS is slow here
                delta = np.multiply(delta, W.T, out=out)
            else:
                delta = matmul(delta, W.T, out=out)
            stacked = delta.reshape(-1, *slopes[l - 1].shape)
            stacked *= slopes[l - 1]
            yield l - 1, delta

    def jacobian_products(
        self,
        V: Sequence[Array],
        trace: Trace,
        directions: Sequence[Sequence[Array]],
        Z1_dots: Sequence[Array],
    ) -> list[Array]:
        """Return ``Ż_L``, shape (m, K), along each direction, whose ``Ż_1`` is given."""
        results = [np.empty_like(trace.Z[-1]) for _ in directions]
        # side by side: one product with Ã_{l-1} for all directions
        D = [np.concatenate(parts, axis=1) for parts in zip(*directions, strict=True)]
        for rows in self.chunks(len(trace.Z[-1])):
            Z_dots = [Z1_dot[rows] for Z1_dot in Z1_dots]
            for l in range(1, len(V)):
                slope, W = trace.slopes[l - 1][rows], V[l][1:]
                moved = matmul(trace.hidden[l - 1][rows], D[l])
                n = self.widths[l + 1]
                for i, Z_dot in enumerate(Z_dots):
                    moved_on = scratch("jacobian", Z_dot.shape, Z_dot.dtype)
                    np.multiply(slope, Z_dot, out=moved_on)
                    Z_dots[i] = matmul(moved_on, W)
                    Z_dots[i] += moved[:, i * n : (i + 1) * n]
            for result, Z_dot in zip(results, Z_dots, strict=True):
                result[rows] = Z_dot
        return results
