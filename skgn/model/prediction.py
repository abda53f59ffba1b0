"""Outputs of a fitted network for new rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skgn.model.inputs import Standardisation, make_inputs
from skgn.model.network import Network
from skgn.typing import Array


@dataclass(frozen=True)
class Predictor:
    """A network with its weights for standardised columns, in float64.

    Attributes
    ----------
    network : Network
    layers : sequence of ndarray
        ``V_1 .. V_L``.
    columns : Standardisation
    """

    network: Network
    layers: Sequence[Array]
    columns: Standardisation

    def largest_product(self, m: int) -> int:
        """Return the multiplications of the largest product for `m` rows."""
        return m * max(rows * columns for rows, columns in self.network.shapes)

    def outputs(self, X: Any) -> Array:
        """Return ``Z_L``, shape (m, K), float64, for dense or CSR `X`, (m, n).

        Rows pass through in chunks, so that no activation of all of them is held.
        """
        m = X.shape[0]
        Z = np.empty((m, self.network.widths[-1]))
        for rows in self.network.chunks(m):
            inputs = make_inputs(X[rows].astype(np.float64), self.columns)
            trace = self.network.new_trace(inputs.shape[0], np.float64)
            Z[rows] = self.network.outputs(self.layers, inputs, trace)
        return Z
