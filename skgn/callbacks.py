"""Callbacks that end a fit, for `set_callbacks` of scikit-learn 1.9 and later.

They follow scikit-learn's protocol of callbacks, and are told of the tasks in
:mod:`skgn.estimators.tasks`.
"""

from collections.abc import Callable
from numbers import Integral, Real
from time import perf_counter
from typing import Any

from skgn._compat import has_callbacks

__all__ = ["ScoreStopping", "TimeLimit"]

#: Parts of a fit whose tasks hold the training and the validation samples.
TRAINING, VALIDATION = "iterations", "validation"


class TimeLimit:
    """End a fit after a time; it keeps its best weights.

    The clock is looked at after each iteration or epoch, and after each point of the
    search for `alpha`. So a fit takes a little longer, and has one iteration at least.
    `stop_reason_` is then "callback".

    Parameters
    ----------
    seconds : float
        Wall time from the beginning of the fit.

    Raises
    ------
    ImportError
        With scikit-learn before 1.9, which has no callbacks.
    ValueError
        If `seconds` is not positive.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgn import GaussNewtonMLPClassifier
    >>> from skgn.callbacks import TimeLimit
    >>> X, y = load_digits(return_X_y=True)
    >>> net = GaussNewtonMLPClassifier(alpha=1e-3, encoding=None, random_state=0)
    >>> net.set_callbacks(TimeLimit(1e-3)).fit(X, y).stop_reason_
    'callback'
    """

    def __init__(self, seconds: float):
        _check_callbacks(type(self).__name__)
        if not isinstance(seconds, Real) or not seconds > 0:
            raise ValueError(f"seconds must be a positive number; got {seconds!r}.")
        self.seconds: float = float(seconds)
        self._begun: dict[int, float] = {}

    def setup(self, estimator: Any, context: Any) -> None:
        """Note when a fit begins."""
        self._begun[id(estimator)] = perf_counter()

    def teardown(self, estimator: Any, context: Any) -> None:
        """Forget it."""
        self._begun.pop(id(estimator), None)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Return whether the time is over."""
        return perf_counter() - self._begun[id(estimator)] >= self.seconds


class ScoreStopping:
    """End a fit when a score no longer rises; keep a copy of the best network.

    The score is that of the validation samples given to `fit`, of the training samples if
    there are none. It is looked at after each iteration or epoch. `stop_reason_` is then
    "callback". The estimator has the weights that it would have had without this
    callback: with ``early_stopping=True``, those of the lowest validation log-loss.
    `best_estimator_` has those of the best score.

    A callback is one object, also where the estimator is cloned. Its attributes are those
    of the fit that ended last. They do not come back from another process.

    Parameters
    ----------
    scoring : str, callable or None, default=None
        A scorer of scikit-learn; None is the `score` of the estimator.
    n_iter_no_change : int, default=10
        Iterations, or epochs, in a row whose scores are no better than the best one.
    tol : float, default=0.0
        By so much a score must be better.

    Attributes
    ----------
    scores_ : list of float
        After each iteration or epoch.
    best_score_ : float
    best_iter_ : int
        Iteration or epoch of that score, counted from 1.
    best_estimator_ : estimator
        The network of that iteration, fitted.

    Raises
    ------
    ImportError
        With scikit-learn before 1.9, which has no callbacks.
    ValueError
        If a parameter is not in its range.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgn import GaussNewtonMLPClassifier
    >>> from skgn.callbacks import ScoreStopping
    >>> X, y = load_digits(return_X_y=True)
    >>> given = {"X_val": X[1200:], "y_val": y[1200:]}
    >>> stopping = ScoreStopping("balanced_accuracy", n_iter_no_change=3)
    >>> net = GaussNewtonMLPClassifier((20,), early_stopping=True, random_state=0)
    >>> net = net.set_callbacks(stopping).fit(X[:1200], y[:1200], **given)
    >>> stopping.best_score_ > 0.9
    True
    """

    def __init__(
        self,
        scoring: str | Callable[..., float] | None = None,
        *,
        n_iter_no_change: int = 10,
        tol: float = 0.0,
    ):
        _check_callbacks(type(self).__name__)
        if not isinstance(n_iter_no_change, Integral) or n_iter_no_change < 1:
            raise ValueError(
                "n_iter_no_change must be an integer of 1 or more; got "
                f"{n_iter_no_change!r}."
            )
        if not isinstance(tol, Real) or not tol >= 0:
            raise ValueError(f"tol must be a number of 0 or more; got {tol!r}.")
        self.scoring: Any = scoring
        self.n_iter_no_change: int = int(n_iter_no_change)
        self.tol: float = float(tol)
        self._scorers: dict[int, Any] = {}
        self._validated: dict[int, bool] = {}

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin anew."""
        from sklearn.metrics import check_scoring  # only here: it takes long to import

        self._scorers[id(estimator)] = check_scoring(estimator, self.scoring)
        self._validated[id(estimator)] = False
        self.scores_: list[float] = []
        self.best_score_ = float("-inf")
        self.best_iter_ = 0
        self.best_estimator_: Any = None

    def teardown(self, estimator: Any, context: Any) -> None:
        """Forget the estimator."""
        self._scorers.pop(id(estimator), None)
        self._validated.pop(id(estimator), None)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Take note of validation samples."""
        if context.task_name == VALIDATION:
            self._validated[id(estimator)] = True

    def on_fit_task_end(
        self,
        estimator: Any,
        context: Any,
        *,
        X: Any = None,
        y: Any = None,
        metadata: Any = None,
        fitted_estimator: Any = None,
    ) -> bool:
        """Look at the score; return whether it has not risen for long enough."""
        part = VALIDATION if self._validated[id(estimator)] else TRAINING
        own = context.parent is not None and context.parent.task_name == part
        if not own or X is None or fitted_estimator is None:
            return False
        scorer = self._scorers[id(estimator)]
        score = float(scorer(fitted_estimator, X, y, **(metadata or {})))
        self.scores_.append(score)
        if score > self.best_score_ + self.tol or self.best_estimator_ is None:
            self.best_score_, self.best_iter_ = score, len(self.scores_)
            self.best_estimator_ = fitted_estimator
        return len(self.scores_) - self.best_iter_ >= self.n_iter_no_change


def _check_callbacks(name: str) -> None:
    """Refuse a scikit-learn without callbacks."""
    if not has_callbacks:
        import sklearn

        raise ImportError(
            f"{name} needs the callbacks of scikit-learn 1.9 or later; this is "
            f"{sklearn.__version__}. Install one with pip install -U scikit-learn."
        )
