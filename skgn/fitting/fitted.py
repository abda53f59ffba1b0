"""What a fit leaves behind."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skgn.data.columns import Standardisation, in_columns
from skgn.model.network import Network
from skgn.model.prediction import Predictor
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
    """

    predictor: Predictor
    outcome: Outcome
    alpha_path: dict[str, Array] | None = None
    stream: "Stream | None" = None

    def layers_for(self, network: Network, columns: Standardisation) -> list[Array]:
        """Return the weights, float64, for columns standardised anew.

        The function of raw X that they express does not change.

        Raises
        ------
        ValueError
            If they are those of another network.
        """
        if self.predictor.network != network:
            raise ValueError(
                "warm_start=True can only be used with the features, hidden_layer_sizes "
                "and activation of the previous call to fit. Previously got a network "
                f"of widths {self.predictor.network.widths}, now {network.widths}."
            )
        layers = [V.copy() for V in self.predictor.standardised_layers]
        layers[0] = in_columns(layers[0], self.predictor.columns, columns)
        return layers
