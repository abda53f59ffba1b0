"""What the displays share: axes, and the refusal of what they cannot draw."""

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skgn._compat import check_matplotlib_support
from skgn.estimators.base import BaseGaussNewtonMLP
from skgn.estimators.ensemble import BaseEnsemble


def new_axes(ax: Any, caller: str) -> Any:
    """Return the axes given, or new ones."""
    check_matplotlib_support(caller)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
    return ax


def check_network(estimator: Any, display: str) -> None:
    """Refuse what is not a fitted network."""
    check_matplotlib_support(f"{display}.from_estimator")
    if not isinstance(estimator, BaseGaussNewtonMLP):
        what = ""
        if isinstance(estimator, BaseEnsemble):
            what = " Give one of its networks, estimators_[0] for instance."
        refuse(display, "a single network of skgn", estimator, what)
    check_is_fitted(estimator)


def refuse(display: str, wanted: str, estimator: Any, what: str) -> None:
    """Raise a TypeError that says what can be given instead."""
    if isinstance(estimator, Pipeline):
        what = " Give the step of the pipeline: its [-1], if it is the last one."
    elif hasattr(estimator, "best_estimator_"):
        what = " Give its best_estimator_."
    elif isinstance(estimator, type):
        raise TypeError(f"{display} draws {wanted}; got the class {estimator.__name__}.")
    raise TypeError(f"{display} draws {wanted}; got {type(estimator).__name__}.{what}")
