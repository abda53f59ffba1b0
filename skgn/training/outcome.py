"""What a loop tells: while it runs, to an observer, and at its end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skgn.training.history import History
from skgn.training.stopping import Stopping
from skgn.typing import Array

if TYPE_CHECKING:
    from skgn.training.mini_batch import Descent


@dataclass(frozen=True)
class Outcome:
    """The end of a fit, or where it stands.

    Attributes
    ----------
    theta : ndarray
        Weights: those of the best validation log-loss; without validation, those that
        met the cost threshold, or those of the lowest objective, which are the last ones
        where it never rises.
    objective, cost : float
        At these weights.
    history : dict of ndarray of shape (iterations + 1,)
        See :class:`skgn.training.history.History`.
    damping : float
        Damping that the next proposal would have used.
    reason : str or None
        Why the fit ended; see :mod:`skgn.training.stopping`. None if it goes on.
    alpha : float
        Penalty of `objective`.
    effective_parameters : float
        Number of well-determined parameters, by the curvature last seen; NaN where the
        step knows none.
    best : int
        Where in the history these weights are.
    iterations : int
        Number of iterations or epochs.
    descent : Descent or None
        What a fit in mini-batches may go on with, where its end is that of `theta`.
    """

    theta: Array
    objective: float
    cost: float
    history: dict[str, Array]
    damping: float
    reason: str | None
    alpha: float
    effective_parameters: float
    best: int = 0
    iterations: int = 0
    descent: "Descent | None" = None

    @classmethod
    def nothing_to_fit(
        cls, damping: float, alpha: float, reason: str, validated: bool
    ) -> "Outcome":
        """Return the outcome of a fit without iterations, at cost zero."""
        history = History()
        values = {"gradient_norm": 0.0, "damping": damping, "alpha": alpha}
        if validated:
            values |= {"validation_loss": 0.0, "validation_score": 1.0}
        history.append(objective=0.0, cost=0.0, **values)
        table = history.to_dict()
        return cls(np.zeros(0), 0.0, 0.0, table, damping, reason, alpha, 0.0)


class Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt of a fit that has come some way.

    Attributes
    ----------
    outcome : Outcome
        With the best weights of the iterations before.
    original : KeyboardInterrupt
        The one that came.
    """

    def __init__(self, outcome: Outcome, original: KeyboardInterrupt):
        super().__init__()
        self.outcome, self.original = outcome, original


@dataclass(frozen=True)
class Progress:
    """What an observer is told after an iteration or epoch.

    Attributes
    ----------
    values : dict of float
        The row of the history; in the search for a penalty "alpha" and "held_out", at its
        end "alpha".
    number, most : int
        Of this iteration or epoch, 0 for the start, and of the last one possible; of this
        point of a search, or call of a stream, and 0.
    outcome : callable or None
        Returns the outcome if the fit ended here. None in the search for a penalty.
    stage : {"search", "found", "kept", "fit", "stream"}
        A penalty is kept if an earlier fit has found it.
    first : bool
        Whether it is the first of a fit or stream.
    """

    values: dict[str, float]
    number: int
    most: int
    outcome: Callable[[], Outcome] | None = None
    stage: str = "fit"
    first: bool = False


#: Called after each iteration or epoch; returns True to end the fit.
Observer = Callable[[Progress], bool | None]


def tell(
    observer: Observer | None,
    history: History,
    stopping: Stopping,
    outcome: Callable[[], Outcome],
) -> None:
    """Tell an observer of the last row of the history; stop if it asks for that."""
    if observer is None:
        return
    number, most = len(history.rows) - 1, stopping.max_iter
    if observer(Progress(history.last, number, most, outcome, first=number == 0)):
        stopping.asked()
