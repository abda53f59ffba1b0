r"""A fitted network as a function of raw X, in the precision of its fit.

The scales of the columns go into the weights of the first layer, and so do the means
where they are small,

    Z_1 = (X - mean) (W_1 / scale) + b_1.

Of a column whose mean is many deviations, ``b_1 - (mean / scale)' W_1`` would lose the
digits: where a column is that far from zero, X is centred first. In float32 ``x - mean``
is rounded only once if the mean is a float32 too; what that leaves goes into ``b_1``.

Where this overflows, and for sparse X, columns are standardised as in a fit, in float64,
and values that are not of this world are clipped.

Where columns are encoded (:mod:`skgn.data.encoding`), X stands for the encoded columns
here. Rows are encoded chunk by chunk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from skgn.data.columns import Standardisation
from skgn.data.encoding import Encoder
from skgn.data.inputs import make_inputs
from skgn.linalg.products import matmul
from skgn.model.network import Network, Trace
from skgn.typing import Array

#: Outputs beyond this are certain in any case.
LARGEST_OUTPUT = 1e300


@dataclass(frozen=True)
class Predictor:
    """A network and its weights, which cannot be written to.

    Attributes
    ----------
    network : Network
    layers : tuple of ndarray
        ``V_1 .. V_L``, with ``W_1 / scale`` in ``V_1``.
    columns : Standardisation
    intercept : ndarray of shape (n_1,)
        Of the first layer, for raw X.
    encoder : Encoder or None
        What raw columns become first; None for sparse rows.
    """

    network: Network
    layers: tuple[Array, ...]
    columns: Standardisation
    intercept: Array
    encoder: Encoder | None = None

    @classmethod
    def of(
        cls,
        network: Network,
        layers: Sequence[Array],
        columns: Standardisation,
        encoder: Encoder | None = None,
    ) -> "Predictor":
        """Build the predictor from weights for standardised columns."""
        own = tuple(V.copy() for V in layers)
        W = layers[0][1:] / columns.scale[:, None]
        own[0][1:] = W
        intercept = layers[0][0].astype(np.float64) - columns.mean @ W
        intercept = intercept.astype(own[0].dtype)
        return cls(network, own, columns, intercept, encoder)

    def __post_init__(self) -> None:
        """Lock the arrays: nothing else would take note of a change."""
        columns = self.columns.mean, self.columns.scale
        for array in (*self.layers, self.intercept, *columns):
            array.setflags(write=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without what follows from them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the attributes; arrays come back unlocked."""
        Predictor.__init__(self, **state)

    @property
    def n_features(self) -> int:
        """Columns of raw X."""
        own = self.encoder
        return self.network.widths[0] if own is None else own.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the fit."""
        return self.layers[0].dtype

    @property
    def coefs(self) -> tuple[Array, ...]:
        """Weights ``W_1 .. W_L`` for raw X."""
        return tuple(V[1:] for V in self.layers)

    @property
    def intercepts(self) -> tuple[Array, ...]:
        """Intercepts for raw X."""
        return (self.intercept, *(V[0] for V in self.layers[1:]))

    @cached_property
    def standardised_layers(self) -> list[Array]:
        """``V_1 .. V_L`` for standardised columns, float64."""
        layers: list[Array] = [V.astype(np.float64) for V in self.layers]
        layers[0][1:] *= self.columns.scale[:, None]
        for V in layers:
            V.setflags(write=False)
        return layers

    @cached_property
    def _centre(self) -> tuple[Array | None, Array]:
        """What X is centred by, None for nothing, and the intercepts that go with it."""
        if not self.columns.far.any():
            return None, self.intercept
        mean = self.columns.mean.astype(self.dtype)
        rest = self.columns.mean - mean
        b, W = self.layers[0][0], self.layers[0][1:]
        return mean, (b - rest @ W).astype(self.dtype) if rest.any() else b

    def largest_product(self, m: int) -> int:
        """Return the multiplications of the largest product for `m` rows."""
        return m * max(rows * columns for rows, columns in self.network.shapes)

    def outputs(self, X: Any) -> Array:
        """Return ``Z_L``, shape (m, K), float64, for dense or CSR `X`, (m, n).

        Rows pass through in chunks, so that no activation of all of them is held.
        """
        Z = self._in_chunks(X, self.network.widths[-1], lambda trace: trace.Z[-1])
        # so that differences of outputs are finite, too
        return np.clip(Z, -LARGEST_OUTPUT, LARGEST_OUTPUT, out=Z)

    def hidden(self, X: Any, l: int) -> Array:
        """Return the activations of hidden layer `l`, from 0 on, for rows like those."""
        width = self.network.widths[l + 1]
        return self._in_chunks(X, width, lambda trace: trace.hidden[l][:, 1:])

    def _in_chunks(self, X: Any, width: int, of: Callable[[Trace], Array]) -> Array:
        """Return what of each forward pass is asked for, (m, width), float64."""
        m = X.shape[0]
        Z = np.empty((m, width))
        is_sparse = sparse.issparse(X)
        is_plain = self.encoder is None or self.encoder.is_plain
        for rows in self.network.chunks(m):
            part = X[rows]
            if is_sparse and not is_plain:
                part = part.toarray()
            elif is_sparse:
                Z[rows] = of(self._standardised(part))
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                if not is_plain:
                    part = self.encoded(part.astype(self.dtype, copy=False))
                Z[rows] = of(self._centred(part))
            if not np.isfinite(Z[rows]).all():  # or cells are missing
                part = self.encoded(X[rows]) if is_plain else part
                Z[rows] = of(self._standardised(part))
        return Z

    def encoded(self, X: Array) -> Array:
        """Return the columns that the network takes, without missing cells."""
        if self.encoder is not None:
            own = np.result_type(X.dtype, self.dtype)  # which has the means
            return self.encoder.encode(X.astype(own, copy=False))
        return np.where(np.isnan(X), self.columns.mean, X)

    def _centred(self, X: Array) -> Trace:
        mean, b = self._centre
        if X.dtype != self.dtype:
            X = X.astype(self.dtype)
        trace = self.network.new_trace(len(X), self.dtype)
        centred = X if mean is None else X - mean
        matmul(centred, self.layers[0][1:], out=trace.Z[0])
        trace.Z[0][:] += b
        self.network.forward(self.layers, trace)
        return trace

    def _standardised(self, X: Any) -> Trace:
        inputs = make_inputs(X.astype(np.float64), self.columns)
        trace = self.network.new_trace(X.shape[0], np.float64)
        self.network.outputs(self.standardised_layers, inputs, trace)
        return trace
