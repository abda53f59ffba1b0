"""The search for a penalty."""

from typing import Any, Self

import numpy as np

from skgn.displays.shared import check_network, new_axes
from skgn.typing import Array


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
        ax = new_axes(ax, f"{type(self).__name__}.plot")
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
        check_network(estimator, cls.__name__)
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
    if estimator.solver in ("sequential", "joint"):
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
