"""In which coordinates the first layer is trained; what a fit asks of them."""

from typing import Any, Protocol

from skgn.data.columns import Standardisation
from skgn.data.inputs import Inputs
from skgn.linalg.kronecker import Factor
from skgn.typing import Array


class Coordinates(Protocol):
    """The training samples in the coordinates of the first layer.

    With all samples at a time :class:`skgn.data.first_layer.FirstLayer`, in mini-batches
    :class:`skgn.data.batched_first_layer.BatchedFirstLayer`.
    """

    @property
    def columns(self) -> Standardisation:
        """What is done to the columns of X before anything else."""

    @property
    def factor(self) -> Factor:
        """``S_1``, decomposed."""

    @property
    def width(self) -> int:
        """Number of coordinates."""

    def enter(self, V: Array) -> Array:
        """Return ``V_1`` given for standardised columns in these coordinates."""

    def leave(self, V: Array) -> Array:
        """Return ``V_1`` given in these coordinates for standardised columns."""

    def other_rows(self, X: Any) -> Inputs:
        """Return samples, (m', n), that the coordinates were not made of."""
