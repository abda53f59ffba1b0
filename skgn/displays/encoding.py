"""The steps of a feature."""

from itertools import pairwise
from typing import Any, Self

from skgn.displays.shared import check_network, new_axes
from skgn.typing import Array


class EncodingDisplay:
    """The steps of a numeric feature: its knots, and the columns that they make of it.

    Between two knots one column rises from 0 to 1 in proportion to the feature. So what a
    network without hidden layers makes of the feature is linear from knot to knot.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are
    stored as attributes.

    Parameters
    ----------
    knots : ndarray of shape (n_knots,)
        Ascending values of the feature.
    feature_name : str, default=None
        Name of the feature.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the steps.
    figure_ : matplotlib Figure
        Figure that contains them.
    knots_ : matplotlib LineCollection
        Vertical lines at the knots.
    lines_ : list of matplotlib Line2D or None
        The columns, from the least to the largest knot; None with ``steps=False``.

    See Also
    --------
    sklearn.inspection.PartialDependenceDisplay : What a model makes of a feature. Draw
        the knots over it with ``steps=False``.
    """

    def __init__(self, *, knots: Array, feature_name: str | None = None):
        self.knots = knots
        self.feature_name = feature_name

    def plot(
        self,
        ax: Any = None,
        *,
        steps: bool = True,
        line_kw: dict[str, Any] | None = None,
        knots_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the steps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        steps : bool, default=True
            Whether to draw the columns. If not, there are knots alone, on an axes whose
            limits and labels stay as they are.
        line_kw : dict, default=None
            Keywords for the columns.
        knots_kw : dict, default=None
            Keywords for the vertical lines at the knots.

        Returns
        -------
        display : EncodingDisplay
            The display, with the attributes of the picture.
        """
        given = ax is not None
        ax = new_axes(ax, f"{type(self).__name__}.plot")
        knots = self.knots
        limits = ax.get_xlim() if given and not steps else (knots[0], knots[-1])
        self.knots_ = ax.vlines(
            knots,
            0,
            1,
            transform=ax.get_xaxis_transform(),
            **{"color": "0.8", "lw": 0.8, "zorder": 0, **(knots_kw or {})},
        )
        ax.set_xlim(limits)
        self.lines_ = None
        if steps:
            self.lines_ = []
            for low, high in pairwise(knots):
                x = [knots[0], low, high, knots[-1]]
                self.lines_ += ax.plot(x, [0, 0, 1, 1], **(line_kw or {}))
            ax.set_ylabel("encoded columns")
        if self.feature_name is not None and (steps or not given):
            ax.set_xlabel(self.feature_name)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        feature: int | str,
        *,
        ax: Any = None,
        steps: bool = True,
        line_kw: dict[str, Any] | None = None,
        knots_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the steps of a feature of a fitted network.

        Parameters
        ----------
        estimator : GaussNewtonMLPClassifier
            The fitted network; of an ensemble, one of its `estimators_`.
        feature : int or str
            Position of the feature, or its name, where `X` had names.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        steps : bool, default=True
            Whether to draw the columns, or knots alone; see :meth:`plot`.
        line_kw : dict, default=None
            Keywords for the columns.
        knots_kw : dict, default=None
            Keywords for the vertical lines at the knots.

        Returns
        -------
        display : EncodingDisplay
            The display, with the attributes of the picture.

        Raises
        ------
        ValueError
            If there is no such feature, or it has no steps; the message says why.
        """
        check_network(estimator, cls.__name__)
        j, name = _feature(estimator, feature)
        encoder = estimator.encoder_
        if encoder is None or not encoder.has_steps:
            raise ValueError(
                "There are no knots to draw: no feature has steps. Fit with "
                f"encoding='piecewise'; encoding={estimator.encoding!r} has left numbers "
                "as they are."
                if estimator.encoding != "piecewise"
                else "There are no knots to draw: no feature has steps. Dense numeric "
                "features of more than three values have them."
            )
        if not len(encoder.knots[j]):
            what = "it has too few values"
            if estimator.categories_[j] is not None:
                what = "it is a category"
            having = sum(len(own) > 0 for own in encoder.knots)
            raise ValueError(
                f"There are no knots of feature {feature!r} to draw: {what}. "
                f"{having} of {len(encoder.knots)} features have steps; "
                "encoder_.knots tells which."
            )
        display = cls(knots=encoder.knots[j], feature_name=name)
        return display.plot(ax, steps=steps, line_kw=line_kw, knots_kw=knots_kw)


def _feature(estimator: Any, feature: Any) -> tuple[int, str]:
    """Return position and name of a feature."""
    n = estimator.n_features_in_
    known = getattr(estimator, "feature_names_in_", None)
    names = [f"x{j}" for j in range(n)] if known is None else [str(own) for own in known]
    if isinstance(feature, str):
        if known is None:
            raise ValueError(
                f"feature={feature!r} is a name, but the network was fitted to an X "
                "without names. Give its position."
            )
        if feature not in names:
            raise ValueError(f"feature={feature!r} is none of the features: {names}.")
        feature = names.index(feature)
    if not -n <= feature < n:
        raise ValueError(f"feature={feature!r} is not the position of one of {n}.")
    j = int(feature) % n
    return j, names[j]
