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

from skgn.linalg.gram import row_chunks
from skgn.model.activations import ACTIVATIONS, Activation
from skgn.typing import Array


@dataclass(frozen=True)
class Trace:
    """What a forward pass leaves behind: ``Z_1 .. Z_L`` and ``Ã_1 .. Ã_{L-1}``.

    Attributes
    ----------
    Z : list of ndarray of shape (m, n_l)
    hidden : list of ndarray of shape (m, 1 + n_l)
        The first column of each is one.
    """

    Z: list[Array]
    hidden: list[Array]


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

    @property
    def activation_names(self) -> list[str]:
        """Names of the hidden layers' activations."""
        return [activation.name for activation in self.activations]

    @cached_property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes of ``V_1 .. V_L``."""
        pairs = zip(self.widths[:-1], self.widths[1:], strict=True)
        return [(1 + fan_in, fan_out) for fan_in, fan_out in pairs]

    @cached_property
    def size(self) -> int:
        """Number of parameters."""
        return sum(rows * columns for rows, columns in self.shapes)

    def layers(self, theta: Array) -> list[Array]:
        """Return views ``V_1 .. V_L`` of a flat vector of `size` entries."""
        views, start = [], 0
        for rows, columns in self.shapes:
            stop = start + rows * columns
            views.append(theta[start:stop].reshape(rows, columns))
            start = stop
        return views

    def initial_weights(
        self, random_state: np.random.RandomState, intercepts: Array
    ) -> list[Array]:
        """Draw normal weights in float64, of standard deviation gain / sqrt(n_{l-1}).

        Hidden intercepts start at zero, those of the output at `intercepts`.
        """
        gains = [1.0, *(activation.gain for activation in self.activations)]
        layers: list[Array] = []
        for (rows, columns), gain in zip(self.shapes, gains, strict=True):
            V = np.zeros((rows, columns))
            V[1:] = random_state.standard_normal((rows - 1, columns))
            V[1:] *= gain / np.sqrt(rows - 1)
            layers.append(V)
        layers[-1][0] = intercepts
        return layers

    def new_trace(self, m: int, dtype: Any) -> Trace:
        """Allocate the arrays of a forward pass over `m` rows."""
        Z = [np.empty((m, n), dtype) for n in self.widths[1:]]
        hidden = [np.empty((m, 1 + n), dtype) for n in self.widths[1:-1]]
        for tilde in hidden:
            tilde[:, 0] = 1
        return Trace(Z, hidden)

    def chunks(self, m: int) -> Iterator[slice]:
        """Yield slices of rows to work on at a time."""
        return row_chunks(m, max(self.widths[1:]))

    def forward(self, V: Sequence[Array], trace: Trace) -> None:
        """Fill `trace` from its ``Z_1``, which the caller has set."""
        for rows in self.chunks(len(trace.Z[0])):
            for l, activation in enumerate(self.activations):
                tilde = trace.hidden[l][rows]
                activation.value(trace.Z[l][rows], tilde[:, 1:])
                np.matmul(tilde, V[l + 1], out=trace.Z[l + 1][rows])

    def slopes(self, trace: Trace, out: Sequence[Array]) -> None:
        """Write ``g'_1 .. g'_{L-1}`` at a forward pass to `out`."""
        for l, activation in enumerate(self.activations):
            for rows in self.chunks(len(trace.Z[0])):
                A = trace.hidden[l][rows, 1:]
                activation.derivative(trace.Z[l][rows], A, out[l][rows])

    def backward(
        self,
        V: Sequence[Array],
        slopes: Sequence[Array],
        delta: Array,
        first: Array | None = None,
    ) -> Iterator[tuple[int, Array]]:
        """Yield ``(l, δ_l)``, layers numbered from 0 and the last one first.

        `delta` is ``δ_L`` of shape (m, K), or several of them stacked to (c m, K), for
        `slopes` of m rows. Where `first` is given, ``δ_1`` is written to it.
        """
        last = len(V) - 1
        yield last, delta
        for l in range(last, 0, -1):
            delta = np.matmul(delta, V[l][1:].T, out=first if l == 1 else None)
            stacked = delta.reshape(-1, *slopes[l - 1].shape)
            stacked *= slopes[l - 1]
            yield l - 1, delta

    def jacobian_product(
        self,
        V: Sequence[Array],
        trace: Trace,
        slopes: Sequence[Array],
        direction: Sequence[Array],
        Z1_dot: Array,
    ) -> Array:
        """Return ``Ż_L``, shape (m, K), along `direction`, whose ``Ż_1`` is given."""
        result = np.empty_like(trace.Z[-1])
        for rows in self.chunks(len(result)):
            Z_dot = Z1_dot[rows]
            for l in range(1, len(V)):
                Z_dot = (slopes[l - 1][rows] * Z_dot) @ V[l][1:]
                Z_dot += trace.hidden[l - 1][rows] @ direction[l]
            result[rows] = Z_dot
        return result
