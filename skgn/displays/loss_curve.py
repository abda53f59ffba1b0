"""The loss curves of a fit, and its end."""

from typing import Any, Self

import numpy as np

from skgn.displays.shared import check_network, new_axes
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

#: Points up to which each has a mark.
FEW_POINTS = 40

#: Ratio of the largest to the smallest value from which on an axis is logarithmic.
WIDE = 10.0


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
        ax = new_axes(ax, f"{type(self).__name__}.plot")
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
        check_network(estimator, cls.__name__)
        display = cls(
            history=estimator.history_,
            best_iter=estimator.best_iter_,
            stop_reason=estimator.stop_reason_,
            cost_threshold=estimator.cost_threshold_,
            unit=_unit(estimator),
        )
        return display.plot(ax, x=x, scale=scale, line_kw=line_kw)


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be among {list(choices)}; got {value!r}.")


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
