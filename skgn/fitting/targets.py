"""What a fit asks of its targets, whatever they are."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skgn.data.samples import Samples
from skgn.model.losses import Loss
from skgn.typing import Array


class Targets(Protocol):
    """The form of the targets of some samples: which there are, and what they cost.

    Attributes
    ----------
    classes : ndarray
        Labels, or the numbers of the labels of multilabel targets.
    loss : Loss
    n_outputs : int
        Outputs of the network.
    """

    classes: NDArray[Any]

    @property
    def loss(self) -> Loss:
        """The loss of encoded targets."""

    @property
    def n_outputs(self) -> int:
        """Outputs of the network."""

    @property
    def nothing_to_fit(self) -> bool:
        """Whether there is only one class."""

    def mean(self, samples: Samples) -> Array:
        """Return the weighted mean prediction of a constant, shape (n_outputs,)."""

    def split(
        self, samples: Samples, n_held_out: int, random_state: np.random.RandomState
    ) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Return where training and held-out samples are; None if there are too few."""
