"""The networks of an ensemble."""

from textwrap import fill
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgn._compat import check_matplotlib_support
from skgn.displays.shared import new_axes, refuse
from skgn.estimators.base import BaseGaussNewtonMLP
from skgn.estimators.ensemble import BaseEnsemble

#: What is said of a network that has not searched, by its stage.
LEFT_OUT = {"waiting": "no time to begin", "begun": "left out at the beginning"}

#: Letters of a line of a label of a member.
LABEL_WIDTH = 38


class MembersDisplay:
    """The networks of an ensemble: their weights, and their held-out losses.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are
    stored as attributes.

    Parameters
    ----------
    selection : dict of list
        A row per network that came into question: "parameters", "stage", "log_loss" (or
        "loss") and "weight", as in `selection_`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure that contains them.
    bars_ : matplotlib BarContainer
        A bar per network, the first one on top, of the length of its weight.
    texts_ : list of matplotlib Annotation
        Beside each bar: the loss of the network alone on the held-out samples, or how far
        it has come.

    See Also
    --------
    LossCurveDisplay : The fit of one of them.
    """

    def __init__(self, *, selection: dict[str, list[Any]]):
        self.selection = selection

    def plot(self, ax: Any = None, *, bar_kw: dict[str, Any] | None = None) -> Self:
        """Draw the networks.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        bar_kw : dict, default=None
            Keywords for the bars.

        Returns
        -------
        display : MembersDisplay
            The display, with the attributes of the picture.
        """
        ax = new_axes(ax, f"{type(self).__name__}.plot")
        table, weights = self.selection, self.selection["weight"]
        places = range(len(weights))
        labels = [_label(i, own) for i, own in enumerate(table["parameters"])]
        style = {"color": "#56B4E9", **(bar_kw or {})}
        self.bars_ = ax.barh(places, weights, **style)
        name = "log_loss" if "log_loss" in table else "loss"
        told = zip(table[name], table["stage"], strict=True)
        what = name.replace("_", "-")
        texts = [_told(what, loss, stage) for loss, stage in told]
        self.texts_ = ax.bar_label(self.bars_, texts, padding=4, fontsize="small")
        ax.set_yticks(places, labels, fontsize="small")
        ax.invert_yaxis()
        ax.set(xlabel="weight", xlim=(0, 1.35 * max(weights, default=1) or 1))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, bar_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the networks of a fitted ensemble.

        Parameters
        ----------
        estimator : estimator
            The fitted ensemble.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        bar_kw : dict, default=None
            Keywords for the bars.

        Returns
        -------
        display : MembersDisplay
            The display, with the attributes of the picture.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        if not isinstance(estimator, BaseEnsemble):
            what = " It is a single network." * isinstance(estimator, BaseGaussNewtonMLP)
            refuse(cls.__name__, "an ensemble of skgn", estimator, what)
        check_is_fitted(estimator)
        return cls(selection=estimator.selection_).plot(ax, bar_kw=bar_kw)


def _label(i: int, parameters: dict[str, Any]) -> str:
    """Return what tells a network from others: its number and its parameters."""
    own = [f"{name}={x!r}" for name, x in parameters.items() if name != "random_state"]
    return fill(f"{i + 1}: {', '.join(own) or 'default'}", LABEL_WIDTH)


def _told(what: str, loss: float, stage: str) -> str:
    """Return what is written beside the bar of a network."""
    if stage in LEFT_OUT:
        return LEFT_OUT[stage]
    return "" if np.isnan(loss) else f"{what} {loss:.3g}"
