r"""How far to train: what the held-out rows say of going on at the penalty chosen.

A path of short fits (:mod:`skgn.fitting.relaxation`) judges networks that have not
converged. Where labels are noisy, a weak penalty may look well there and be ruinous at
convergence; where they are clean, the log-loss falls until the very end. So the network
of the path is trained on, and the held-out losses tell which it is:

- at convergence they are not worse than anywhere before, by half a standard error of the
  paired differences: the fit of all rows converges, too;
- else, or where they have become clearly worse for PATIENCE iterations in a row, the
  training cost of the best point is a threshold. The fit of all rows ends when its cost
  has fallen that far.

That fit begins with the weights so found. What has been judged is what is fitted.
"""

from dataclasses import dataclass

import numpy as np

from skgn.fitting.relaxation import CLEARLY, difference
from skgn.training.held_out import HeldOut, Validation
from skgn.training.outcome import Progress
from skgn.typing import Array

#: Standard errors by which the end may be worse than the best point.
TOLERATED = 0.5

#: Iterations in a row that must be clearly worse than the best one.
PATIENCE = 8


@dataclass(frozen=True)
class Watched:
    """A point of a fit, as the held-out rows see it.

    Attributes
    ----------
    theta : ndarray
    losses : ndarray
        Of each of them.
    mean : float
    """

    theta: Array
    losses: Array
    mean: float


class Watch:
    """Held-out rows that watch a fit."""

    def __init__(self, held_out: HeldOut):
        self.held_out = held_out
        self.best: Watched | None = None
        self.latest: Watched | None = None
        self.worse_in_a_row = 0

    def __call__(self, theta: Array) -> Validation:
        """Look at weights, which are those of an accepted iteration."""
        losses = self.held_out.losses(theta)
        mean = float(self.held_out.row_weights @ losses)
        self.latest = Watched(theta, losses, mean)
        if self.best is None or mean < self.best.mean:
            self.best = self.latest
        worse = self._is_worse(CLEARLY)
        self.worse_in_a_row = self.worse_in_a_row + 1 if worse else 0
        return Validation(mean, np.nan)

    def has_seen_enough(self, progress: Progress) -> bool:
        """Return whether there is no use in going on."""
        return self.worse_in_a_row >= PATIENCE

    @property
    def ended_well(self) -> bool:
        """Whether the latest point is as good as any."""
        return self.worse_in_a_row < PATIENCE and not self._is_worse(TOLERATED)

    def _is_worse(self, errors: float) -> bool:
        """Return whether the latest point is worse by so many standard errors."""
        assert self.latest is not None and self.best is not None
        if self.latest is self.best:
            return False
        weights = self.held_out.row_weights
        worse, error = difference(self.latest.losses, self.best.losses, weights)
        return not worse <= errors * error
