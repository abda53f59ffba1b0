"""What a fit leaves behind."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skgn.data.columns import Standardisation, in_columns
from skgn.data.coordinates import Coordinates
from skgn.model.network import Network
from skgn.model.prediction import Predictor
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.mini_batch import Descent
from skgn.training.outcome import Outcome
from skgn.typing import Array

if TYPE_CHECKING:
    from skgn.fitting.stream import Stream


@dataclass(frozen=True)
class Fitted:
    """A fitted network, and how the fit went.

    Attributes
    ----------
    predictor : Predictor
    outcome : Outcome
    alpha_path : dict of ndarray or None
        Penalties tried on held-out samples, and their log-losses.
    stream : Stream or None
        What a stream goes on with.
    descent : Descent or None
        What a fit in mini-batches goes on with, in standardised columns; kept for a warm
        start.
    penalty_prevails : bool
        Whether the penalty keeps the network from telling more than the mean target.
    encoding : tuple
        What was asked of the encoding.
    cost_threshold : float or None
        Training cost at which the fit was to end: given, or found.
    threshold : float or None
        That found.
    """

    predictor: Predictor
    outcome: Outcome
    alpha_path: dict[str, Array] | None = None
    stream: "Stream | None" = None
    descent: Descent | None = None
    penalty_prevails: bool = False
    encoding: tuple[str | None, int | str] = (None, "auto")
    cost_threshold: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        """Let go of factors that are found anew before anything goes on."""
        if self.stream is not None:
            self.stream.descent.factors.rest()
        if self.descent is not None:
            self.descent.factors.rest()

    def layers_for(self, network: Network, columns: Standardisation) -> list[Array]:
        """Return the weights, float64, for columns standardised anew.

        The function of raw X that they express does not change, unless columns have grown
        or gone far away (:mod:`skgn.data.columns`).

        Raises
        ------
        ValueError
            If they are those of another network.
        """
        if self.predictor.network != network:
            raise ValueError(
                "warm_start can only be used with the features, hidden_layer_sizes "
                "and activation of the previous call to fit. Previously got a network "
                f"of widths {self.predictor.network.widths}, now {network.widths}."
            )
        layers = [V.copy() for V in self.predictor.standardised_layers]
        layers[0] = in_columns(layers[0], self.predictor.columns, columns)
        return layers

    def descent_for(
        self,
        theta: Array,
        enter: Callable[[list[Array]], Array],
        first: Coordinates,
        damping: float,
    ) -> Descent:
        """Return what a fit in mini-batches goes on with; a new one, where none was kept.

        Parameters
        ----------
        theta : ndarray
            The weights in the coordinates of the first layer, flat.
        enter : callable
            Takes layers for standardised columns there.
        first : Coordinates
        damping : float
        """
        old = self.descent
        if old is None or old.theta.dtype != theta.dtype:
            factors = RunningFactors(first.factor, damping)
            return Descent(theta, np.zeros_like(theta), factors, theta.copy())
        network, columns = self.predictor.network, self.predictor.columns

        def carry(flat: Array) -> Array:
            V, *deeper = network.layers(flat)
            return enter([in_columns(V, columns, first.columns), *deeper])

        own = deepcopy(old).carried(carry)
        own.factors.damping = damping
        own.factors.replace_input_factor(first.factor)
        return own
