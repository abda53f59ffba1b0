"""Pictures of what a fit has left behind, by the conventions of scikit-learn's displays.

matplotlib is imported where something is drawn, and not before.
"""

from itertools import pairwise
from textwrap import fill
from typing import Any, Self

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skgn.estimators.base import BaseGaussNewtonMLP
from skgn.estimators.ensemble import GaussNewtonMLPEnsembleClassifier
from skgn.typing import Array

#: Why a fit ended, in words, by `stop_reason_`.
REASONS = {
    "converged": "converged",
    "cost_threshold": "training cost at its threshold",
    "validation": "no new minimum of validation",
    "max_iter": "max_iter reached",
    "schedule": "all epochs done",
    "partial_fit": "the latest call",
    "damping": "no step lowers the objective",
    "line_search": "no fraction of the step lowers it",
    "diverged": "diverged",
    "interrupted": "interrupted",
    "callback": "asked to stop",
    "single_class": "one class only, nothing to fit",
}

#: Curves of a history: column, label, style. All are mean losses.
CURVES = (
    ("objective", "objective (cost and penalty)", {"color": "#0072B2", "lw": 1.8}),
    ("cost", "training cost", {"color": "#56B4E9", "lw": 1.8, "ls": "--"}),
    ("validation_loss", "validation loss", {"color": "#D55E00", "lw": 1.8}),
)
CALL, EITHER = "call of partial_fit", "iteration or call of partial_fit"

#: What is said of a network that has not searched, by its stage.
LEFT_OUT = {"waiting": "no time to begin", "begun": "left out at the beginning"}

#: Points up to which each has a mark.
FEW_POINTS = 40

#: Ratio of the largest to the smallest value from which on an axis is logarithmic.
WIDE = 10.0

#: Letters of a line of a label of a member.
LABEL_WIDTH = 38


class LossCurveDisplay:
    """Loss curves of a fit: objective, training cost, validation loss, and the end.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are
    stored as attributes.

    Parameters
    ----------
    history : dict of ndarray of shape (n_points,)
        "objective" and "cost"; "seconds" for ``x="seconds"``; "validation_loss", where
        there were validation samples: NaN elsewhere. As in `history_`.
    best_iter : int, default=None
        Which point is that of the weights that are kept. None marks none.
    stop_reason : str, default=None
        Why the fit ended, as in `stop_reason_`. None marks no end.
    cost_threshold : float, default=None
        Training cost at which the fit was to end.
    unit : str, default="iteration"
        What the points are: "iteration", "epoch", or "call of partial_fit", which has no
        point for the start.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains them.
    lines_ : list of matplotlib Line2D
        Objective, training cost and, where there is one, validation loss.
    kept_ : matplotlib Line2D or None
        Vertical line at the point that is kept.
    threshold_ : matplotlib Line2D or None
        Horizontal line at the cost threshold.
    end_ : matplotlib Line2D or None
        Mark of the end, with its reason as a label.

    See Also
    --------
    AlphaPathDisplay : The search for the penalty that came before.
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of samples.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skgn import GaussNewtonMLPClassifier
    >>> from skgn import LossCurveDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> net = GaussNewtonMLPClassifier((20,), random_state=0).fit(X, y)
    >>> LossCurveDisplay.from_estimator(net)  # doctest: +SKIP
    <...>
    """

    def __init__(
        self,
        *,
        history: dict[str, Array],
        best_iter: int | None = None,
        stop_reason: str | None = None,
        cost_threshold: float | None = None,
        unit: str = "iteration",
    ):
        self.history = history
        self.best_iter = best_iter
        self.stop_reason = stop_reason
        self.cost_threshold = cost_threshold
        self.unit = unit

    def plot(
        self,
        ax: Any = None,
        *,
        x: str = "iteration",
        scale: str = "auto",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        x : {"iteration", "seconds"}, default="iteration"
            What the curves are drawn against: iterations (or epochs, or calls of
            `partial_fit`), or seconds since the start of the fit, the search for a
            penalty included.
        scale : {"auto", "linear", "log"}, default="auto"
            Scale of the vertical axis. "auto" is logarithmic where all values are
            positive and the largest is ten times the smallest or more.
        line_kw : dict, default=None
            Keywords for the curves.

        Returns
        -------
        display : LossCurveDisplay
            The display, with the attributes of the picture.
        """
        _check_choice("x", x, ("iteration", "seconds"))
        _check_choice("scale", scale, ("auto", "linear", "log"))
        ax = _axes(ax, f"{type(self).__name__}.plot")
        at, label = self._points(x)
        mark = {"marker": "." if len(at) <= FEW_POINTS else ""}
        self.lines_ = []
        for name, text, style in CURVES:
            values = self.history.get(name)
            if values is None or np.isnan(values).all():
                continue
            own = {"label": text, **style, **mark, **(line_kw or {})}
            self.lines_ += ax.plot(at, values, **own)
        if scale == "auto":
            scale = "log" if self._is_wide() else "linear"
        ax.set_yscale(scale)
        self._draw_marks(ax, at)
        if x == "iteration":
            from matplotlib.ticker import MaxNLocator

            whole = MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True)
            ax.xaxis.set_major_locator(whole)
        ax.set(xlabel=label, ylabel="mean loss per sample")
        ax.legend(fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _points(self, x: str) -> tuple[Array, str]:
        """Return where the points are, and the label of the axis."""
        if x == "seconds":
            return self.history["seconds"], "seconds since the start of the fit"
        first = 1 if self.unit == CALL else 0
        return np.arange(len(self.history["objective"])) + float(first), self.unit

    def _is_wide(self) -> bool:
        """Return whether a logarithmic axis is of use."""
        drawn = [] if self.cost_threshold is None else [self.cost_threshold]
        for line in self.lines_:
            drawn += line.get_ydata().tolist()
        values = np.array(drawn)
        values = values[np.isfinite(values)]
        return bool(len(values) and 0 < WIDE * values.min() <= values.max())

    def _draw_marks(self, ax: Any, at: Array) -> None:
        """Mark the threshold, the point that is kept, and the end."""
        self.threshold_ = self.kept_ = self.end_ = None
        threshold, best = self.cost_threshold, self.best_iter
        if threshold is not None:
            text = f"cost threshold {threshold:.3g}"
            self.threshold_ = ax.axhline(threshold, color="0.3", lw=1, ls=":", label=text)
        if best is not None:
            number = best + (self.unit == CALL)
            text = f"weights kept: {self.unit} {number}"
            self.kept_ = ax.axvline(at[best], color="0.6", lw=1, ls="--", label=text)
        if self.stop_reason is not None:
            reason = REASONS.get(self.stop_reason, self.stop_reason)
            objective = self.history["objective"]
            finite = objective[np.isfinite(objective)]
            (self.end_,) = ax.plot(
                at[-1:],
                finite[-1:] if len(finite) else [np.nan],
                color="black",
                marker="X",
                ms=8,
                ls="",
                clip_on=False,
                zorder=3,
                label=f"end: {reason}",
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        x: str = "iteration",
        scale: str = "auto",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the loss curves of a fitted network.

        Parameters
        ----------
        estimator : GaussNewtonMLPClassifier
            The fitted network; of an ensemble, one of its `estimators_`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        x : {"iteration", "seconds"}, default="iteration"
            What the curves are drawn against; see :meth:`plot`.
        scale : {"auto", "linear", "log"}, default="auto"
            Scale of the vertical axis; see :meth:`plot`.
        line_kw : dict, default=None
            Keywords for the curves.

        Returns
        -------
        display : LossCurveDisplay
            The display, with the attributes of the picture.
        """
        _check_network(estimator, cls.__name__)
        display = cls(
            history=estimator.history_,
            best_iter=estimator.best_iter_,
            stop_reason=estimator.stop_reason_,
            cost_threshold=estimator.cost_threshold_,
            unit=_unit(estimator),
        )
        return display.plot(ax, x=x, scale=scale, line_kw=line_kw)


class AlphaPathDisplay:
    """The search for a penalty: the held-out loss along it, and the choice.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are
    stored as attributes.

    Parameters
    ----------
    alpha : ndarray of shape (n_points,)
        Penalties that were tried, that of the evidence first.
    loss : ndarray of shape (n_points,)
        Mean loss of the held-out samples.
    chosen : int, default=None
        Which of them was chosen. None marks none.
    fit_alpha : float, default=None
        The penalty of the fit of all samples: that chosen, times the share of the samples
        that the search was trained on. None draws no line.
    name : str, default="log-loss"
        What the loss is called.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the path.
    figure_ : matplotlib Figure
        Figure that contains it.
    line_ : matplotlib Line2D
        The path.
    evidence_ : matplotlib Line2D
        Mark of the first point, at the penalty of the evidence.
    chosen_ : matplotlib Line2D or None
        Mark of the point chosen.
    fit_alpha_ : matplotlib Line2D or None
        Vertical line at the penalty of the fit.

    See Also
    --------
    LossCurveDisplay : The fit that comes after.
    sklearn.model_selection.ValidationCurveDisplay : Scores of fits at given values of a
        parameter, by cross-validation.

    Notes
    -----
    The choice is the largest penalty that is not clearly worse than the best, by the
    paired differences of the held-out losses. It need not be the lowest point.
    """

    def __init__(
        self,
        *,
        alpha: Array,
        loss: Array,
        chosen: int | None = None,
        fit_alpha: float | None = None,
        name: str = "log-loss",
    ):
        self.alpha = alpha
        self.loss = loss
        self.chosen = chosen
        self.fit_alpha = fit_alpha
        self.name = name

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> Self:
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        line_kw : dict, default=None
            Keywords for the path.

        Returns
        -------
        display : AlphaPathDisplay
            The display, with the attributes of the picture.
        """
        ax = _axes(ax, f"{type(self).__name__}.plot")
        alpha, loss, at = self.alpha, self.loss, self.chosen
        label = f"held-out {self.name}"
        style = {"color": "#0072B2", "marker": ".", "ms": 9, "label": label}
        (self.line_,) = ax.plot(alpha, loss, **{**style, **(line_kw or {})})
        (self.evidence_,) = ax.plot(
            alpha[:1],
            loss[:1],
            color="#009E73",
            marker="s",
            ls="",
            label=f"by the evidence: {alpha[0]:.2g}",
        )
        self.chosen_ = self.fit_alpha_ = None
        if at is not None:
            (self.chosen_,) = ax.plot(
                alpha[at : at + 1],
                loss[at : at + 1],
                color="#D55E00",
                marker="o",
                ms=13,
                mfc="none",
                mew=2,
                ls="",
                label=f"chosen: {alpha[at]:.2g}",
            )
        if self.fit_alpha is not None:
            self.fit_alpha_ = ax.axvline(
                self.fit_alpha,
                color="0.6",
                lw=1,
                ls="--",
                label=f"for all samples: {self.fit_alpha:.2g}",
            )
        ax.set_xscale("log")
        ax.set(xlabel="alpha", ylabel=f"{self.name} of held-out samples")
        ax.legend(fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the search for the penalty of a fitted network.

        Parameters
        ----------
        estimator : GaussNewtonMLPClassifier or GaussNewtonMLPRegressor
            The network, fitted with ``alpha="auto"`` and enough samples for some to be
            held out; of an ensemble, one of its `estimators_`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        line_kw : dict, default=None
            Keywords for the path.

        Returns
        -------
        display : AlphaPathDisplay
            The display, with the attributes of the picture.

        Raises
        ------
        ValueError
            If there was no search; the message says why.
        """
        _check_network(estimator, cls.__name__)
        path = estimator.alpha_path_
        if path is None:
            raise ValueError(f"There is no path to draw: {_why_no_path(estimator)}")
        fit_alpha = float(estimator.history_["alpha"][0])  # a stream moves alpha_ later
        (key,) = path.keys() - {"alpha"}  # by what it is the loss of
        loss = path[key]
        display = cls(
            alpha=path["alpha"],
            loss=loss,
            chosen=_chosen(path["alpha"], loss, fit_alpha),
            fit_alpha=fit_alpha,
            name=key.replace("_", "-"),
        )
        return display.plot(ax, line_kw=line_kw)


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
        ax = _axes(ax, f"{type(self).__name__}.plot")
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
        _check_network(estimator, cls.__name__)
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


class MembersDisplay:
    """The networks of an ensemble: their weights, and their log-losses.

    It is recommended to use :meth:`from_estimator` to create it. All parameters are
    stored as attributes.

    Parameters
    ----------
    selection : dict of list
        A row per network that came into question: "parameters", "stage", "log_loss" and
        "weight", as in `selection_`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure that contains them.
    bars_ : matplotlib BarContainer
        A bar per network, the first one on top, of the length of its weight.
    texts_ : list of matplotlib Annotation
        Beside each bar: the log-loss on the held-out samples of the network alone, or how
        far it has come.

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
        ax = _axes(ax, f"{type(self).__name__}.plot")
        table, weights = self.selection, self.selection["weight"]
        places = range(len(weights))
        labels = [_label(i, own) for i, own in enumerate(table["parameters"])]
        style = {"color": "#56B4E9", **(bar_kw or {})}
        self.bars_ = ax.barh(places, weights, **style)
        told = zip(table["log_loss"], table["stage"], strict=True)
        texts = [_told(log_loss, stage) for log_loss, stage in told]
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
        estimator : GaussNewtonMLPEnsembleClassifier
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
        _check_matplotlib(f"{cls.__name__}.from_estimator")
        if not isinstance(estimator, GaussNewtonMLPEnsembleClassifier):
            what = " It is a single network." * isinstance(estimator, BaseGaussNewtonMLP)
            _refuse(cls.__name__, "an ensemble of skgn", estimator, what)
        check_is_fitted(estimator)
        return cls(selection=estimator.selection_).plot(ax, bar_kw=bar_kw)


# What the displays share.


def _check_matplotlib(caller: str) -> None:
    """Raise scikit-learn's error where there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib. You can install matplotlib with "
            "`pip install matplotlib`"
        ) from error


def _axes(ax: Any, caller: str) -> Any:
    """Return the axes given, or new ones."""
    _check_matplotlib(caller)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
    return ax


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be among {list(choices)}; got {value!r}.")


def _check_network(estimator: Any, display: str) -> None:
    """Refuse what is not a fitted network."""
    _check_matplotlib(f"{display}.from_estimator")
    if not isinstance(estimator, BaseGaussNewtonMLP):
        what = ""
        if isinstance(estimator, GaussNewtonMLPEnsembleClassifier):
            what = " Give one of its networks, estimators_[0] for instance."
        _refuse(display, "a single network of skgn", estimator, what)
    check_is_fitted(estimator)


def _refuse(display: str, wanted: str, estimator: Any, what: str) -> None:
    """Raise a TypeError that says what can be given instead."""
    if isinstance(estimator, Pipeline):
        what = " Give the step of the pipeline: its [-1], if it is the last one."
    elif hasattr(estimator, "best_estimator_"):
        what = " Give its best_estimator_."
    elif isinstance(estimator, type):
        raise TypeError(f"{display} draws {wanted}; got the class {estimator.__name__}.")
    raise TypeError(f"{display} draws {wanted}; got {type(estimator).__name__}.{what}")


def _unit(estimator: Any) -> str:
    """Return what the points of the history are."""
    history = estimator.history_
    points = len(history["objective"])
    if estimator.stop_reason_ == "partial_fit":
        return CALL if points == estimator.n_iter_ else EITHER
    # iterations have a gain ratio, but for those in which nothing could be tried
    without = points > 1 and bool(np.isnan(history["gain_ratio"]).all())
    in_batches = without and estimator.solver == "kronecker"
    return "epoch" if in_batches or estimator.stop_reason_ == "schedule" else "iteration"


def _chosen(alpha: Array, log_loss: Array, fit_alpha: float) -> int | None:
    """Return which penalty of a path was chosen, by that of the fit of all samples.

    That is the one chosen, times the share of samples of the search; the path falls by
    factors of 4. So it is the least that is not below it, as long as a quarter of the
    samples was trained on. It is never beyond the lowest log-loss.
    """
    lowest = int(np.nanargmin(log_loss)) if np.isfinite(log_loss).any() else 0
    not_below = alpha[: lowest + 1] >= fit_alpha * (1 - 1e-9)
    return int(np.flatnonzero(not_below)[-1]) if not_below.any() else None


def _why_no_path(estimator: Any) -> str:
    """Return why no samples were held out to find a penalty, and what can be done."""
    reason = estimator.stop_reason_
    if not isinstance(estimator.alpha, str):
        return f"alpha={estimator.alpha!r} was given. Fit with alpha='auto'."
    if estimator.solver != "kronecker":
        return (
            f"solver={estimator.solver!r} does not search for a penalty. "
            "Fit with solver='kronecker'."
        )
    if reason == "partial_fit":
        return "partial_fit holds no samples out. Use fit."
    if reason == "single_class":
        return "there was one class only, and nothing to fit."
    if reason == "interrupted":
        return "the fit was interrupted, perhaps before the search had ended."
    return (
        "no samples were held out, and alpha follows the evidence alone; "
        "history_['alpha'] has its course. Samples are held out from 150 samples on."
    )


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


def _label(i: int, parameters: dict[str, Any]) -> str:
    """Return what tells a network from others: its number and its parameters."""
    own = [f"{name}={x!r}" for name, x in parameters.items() if name != "random_state"]
    return fill(f"{i + 1}: {', '.join(own) or 'default'}", LABEL_WIDTH)


def _told(log_loss: float, stage: str) -> str:
    """Return what is written beside the bar of a network."""
    if stage in LEFT_OUT:
        return LEFT_OUT[stage]
    return "" if np.isnan(log_loss) else f"log-loss {log_loss:.3g}"
