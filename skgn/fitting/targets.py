"""What a fit asks of its targets, whatever they are."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skgn.data.samples import Samples
from skgn.fitting.mixture import Mixture
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
    def mixture(self) -> Mixture:
        """What networks of an ensemble are averaged by."""

    @property
    def n_outputs(self) -> int:
        """Outputs of the network."""

    @property
    def nothing_to_fit(self) -> bool:
        """Whether there is only one class."""

    def mean(self, samples: Samples) -> Array:
        """Return the weighted mean prediction of a constant, shape (n_outputs,)."""

    @property
    def has_means(self) -> bool:
        """Whether :meth:`means_of` has something to tell."""

    def means_of(
        self,
        index: NDArray[np.intp],
        count: int,
        samples: Samples,
        random_state: np.random.RandomState,
    ) -> tuple[Array, Array]:
        """Return mean targets by category.

        Parameters
        ----------
        index : ndarray of shape (m,)
            Categories of the samples, of which there may be `count`.

        Returns
        -------
        own : ndarray of shape (m, q)
            Of each sample's category, by other samples.
        table : ndarray of shape (count, q)
            Of each category, by all samples.
        """

    def split(
        self, samples: Samples, n_held_out: int, random_state: np.random.RandomState
    ) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Return where training and held-out samples are; None if there are too few."""
