r"""The first layer: in which coordinates it is trained, and its input factor ``S_1``.

The factor is decomposed once per fit, in one of three ways:

=======================  ===================  ====================================
data                     coordinates          factor
=======================  ===================  ====================================
n <= m, n <= 2048        columns of X         complete, side 1 + n
n > m, m <= 2048         row space of X       diagonal, r <= m
m and n > 2048           columns of X         128 leading eigenpairs and the mean
                                              of the other eigenvalues
=======================  ===================  ====================================

so that no square matrix exceeds min(m, n) + 1 or 2049 on a side. The first two give the
same fit: both keep ``W_1`` in the span of the rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skgn.data.columns import Standardisation
from skgn.data.inputs import RANK_TOLERANCE, Inputs, make_inputs
from skgn.data.row_space import RowSpace
from skgn.linalg.kronecker import Factor
from skgn.typing import Array

#: Largest side of a matrix that is decomposed completely, the column of ones aside.
LARGEST_SIDE = 2048

#: Leading eigenpairs that are kept of a larger one.
TRUNCATED_RANK = 128


@dataclass(frozen=True)
class FirstLayer:
    """The training rows in the coordinates of the first layer.

    Attributes
    ----------
    columns : Standardisation
        What is done to the columns of X before anything else.
    inputs : Inputs of shape (m, n) or (m, r)
        The rows in the coordinates of training.
    factor : Factor
        ``S_1``, decomposed.
    row_space : RowSpace or None
        The coordinates, where they are not the columns.
    span : Factor or None
        Of the second moments of the columns, where they are the coordinates: its vectors
        span the rows, in which ``W_1`` is kept. None where no complete basis is known.
    """

    columns: Standardisation
    inputs: Inputs
    factor: Factor
    row_space: RowSpace | None = None
    span: Factor | None = None

    @classmethod
    def of(
        cls,
        X: Any,
        row_weights: Array,
        standardize: bool,
        random_state: np.random.RandomState,
    ) -> "FirstLayer":
        """Choose coordinates for `X`, (m, n), and decompose ``S_1``.

        Parameters
        ----------
        X : ndarray or csr_array of shape (m, n)
        row_weights : ndarray of shape (m,), float64
            Positive, of sum 1.
        standardize : bool
            Whether to centre and scale the columns.
        random_state : RandomState
            Draws the start of a truncated decomposition.
        """
        m, n = X.shape
        columns = Standardisation.none(n)
        if standardize:
            columns = Standardisation.of(X, row_weights)
        inputs: Inputs = make_inputs(X, columns)
        weights = row_weights.astype(inputs.dtype)
        # that of standardised columns: sparse constant ones have a variance of rounding
        unit = 1.0 if standardize else 0.0
        if min(m, n) > LARGEST_SIDE:
            factor = truncated_factor(inputs, weights, random_state)
            return cls(columns, inputs, factor)
        if n <= m:
            return cls.in_columns(columns, inputs, inputs.gram(row_weights), standardize)
        row_space = RowSpace.of(inputs, row_weights, unit)
        inputs = row_space.inputs
        if standardize:
            # centred columns: S_1 is diagonal in the row space
            variances = row_space.variances
            factor = Factor(variances, None).bordered(1.0)
        else:
            factor = Factor.decompose(inputs.gram(weights))
        return cls(columns, inputs, factor, row_space)

    @classmethod
    def in_columns(
        cls, columns: Standardisation, inputs: Inputs, S: Array, standardize: bool
    ) -> "FirstLayer":
        """Take the columns as coordinates, and decompose their ``S_1``."""
        unit = 1.0 if standardize else 0.0
        span = Factor.decompose(S[1:, 1:], RANK_TOLERANCE, unit).astype(inputs.dtype)
        if standardize:
            # centred columns: S_1 is the span and the column of ones apart
            factor = span.bordered(1.0)
        else:
            factor = Factor.decompose(S).astype(inputs.dtype)
        return cls(columns, inputs, factor, span=span)

    @property
    def width(self) -> int:
        """Number of coordinates."""
        return self.inputs.shape[1]

    def enter(self, V: Array) -> Array:
        """Return ``V_1`` given for standardised columns in the training coordinates.

        Its part outside the span of the rows, which no output on them depends on, is
        dropped.
        """
        if self.row_space is not None:
            return self.row_space.project(V)
        if self.span is None:
            return V
        W = self.span.out_of_basis(self.span.into_basis(V[1:]))
        return np.concatenate([V[:1], W])

    def leave(self, V: Array) -> Array:
        """Return ``V_1`` given in the training coordinates for standardised columns."""
        return V if self.row_space is None else self.row_space.lift(V)

    def other_rows(self, X: Any) -> Inputs:
        """Return rows, (m', n), that the coordinates were not made of."""
        inputs = make_inputs(X, self.columns)
        return inputs if self.row_space is None else self.row_space.coordinates(inputs)


def truncated_factor(
    inputs: Inputs,
    row_weights: Array,
    random_state: np.random.RandomState,
    rank: int | None = None,
) -> Factor:
    """Find the leading eigenpairs of ``S_1`` and the mean of its other eigenvalues."""
    side = 1 + inputs.shape[1]
    shape = side, min(TRUNCATED_RANK if rank is None else rank, side)
    start = random_state.standard_normal(shape).astype(inputs.dtype)

    def multiply(V: Array) -> Array:
        Z = np.empty((inputs.shape[0], V.shape[1]), dtype=V.dtype)
        inputs.product(V, out=Z)
        Z *= row_weights[:, None]
        return inputs.adjoint(Z)

    return Factor.truncated(multiply, inputs.gram_trace(row_weights), start)
