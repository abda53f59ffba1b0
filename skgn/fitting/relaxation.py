r"""The penalty by the evidence, then relaxed on held-out rows.

The evidence (:mod:`skgn.training.evidence`) finds the right penalty where labels are
noisy, and one that is too strong where classes separate cleanly: there the log-loss can
be had several times lower. So some rows are held out, and from the evidence's alpha a
path leads on to weaker penalties:

1. train on the other rows with alpha by the evidence;
2. note the losses of the held-out rows; divide alpha by FACTOR; train on for a few
   iterations, or epochs; repeat while the held-out log-loss falls;
3. choose alpha; forget the path, and fit *all* rows at that alpha as if it were given.

The path leads downwards, and its weights are not kept.

**The choice** is not the lowest mean, which on few rows is mostly luck, but the largest
alpha that is not clearly worse: with ``d_i = ℓ_i(alpha) - ℓ_i(best)`` over the held-out
rows, the largest alpha whose mean d is at most half a standard error of itself. Since
both losses are those of the same row, most of their noise cancels in d. On clean data
nearly every row gains by a weaker penalty and d is certain, however small; on noisy data
some rows gain what others lose, and the evidence's alpha stays (Breiman et al.'s
one-standard-error rule, CART, 1984, on paired differences).

**Rows held out**: 15 %, but 300 at least, or a third if there are fewer, and 5,000 at
most. Below :data:`FEWEST_ROWS` rows nothing is held out and alpha is that of the tempered
evidence: hold-outs of 100 rows choose no better than it does, and a row of weight 2 stays
the same as a row repeated.
"""

from typing import Protocol

import numpy as np

from skgn.training.evidence import LEAST
from skgn.training.outcome import Observer, Progress
from skgn.typing import Array

#: Rows from which on some are held out.
FEWEST_ROWS = 400

#: Most rows that the path is trained on.
MOST_ROWS = 50_000

#: What alpha is divided by from point to point of the path.
FACTOR = 4.0

#: Standard errors by which a larger alpha may be worse than the best one.
TOLERATED = 0.5

#: Standard errors above the best point at which the path ends, and points beyond it.
CLEARLY, PATIENCE = 1.0, 2


def rows_held_out(m: int) -> int:
    """Return how many of `m` rows are held out."""
    return round(min(max(0.15 * m, min(m / 3, 300)), 5000))


class Path(Protocol):
    """A network that is trained along falling penalties."""

    def begin(self) -> float:
        """Train with alpha by the evidence, and return it."""

    def go_on(self, alpha: float) -> bool:
        """Train on at another alpha; return whether that was possible."""

    def losses(self) -> Array:
        """Return the losses of the held-out rows at the present weights, float64."""


@np.errstate(invalid="ignore")  # losses that are not finite are never chosen
def relaxed_alpha(
    path: Path,
    row_weights: Array,
    observer: Observer | None = None,
) -> tuple[float, Array]:
    """Choose alpha.

    Parameters
    ----------
    path : Path
    row_weights : ndarray of shape (m,), float64
        Of the held-out rows, of sum 1.
    observer : callable, optional
        Is told of each point; may ask to stop.

    Returns
    -------
    alpha : float
    points : ndarray of shape (k, 2)
        alpha and held-out log-loss of the points of the path.
    """
    alpha = path.begin()
    alphas: list[float] = []
    losses: list[Array] = []
    while True:
        alphas.append(alpha)
        losses.append(path.losses())
        means = [float(row_weights @ loss) for loss in losses]
        point = {"alpha": alpha, "held_out": means[-1]}
        here = Progress(point, len(means) - 1, 0, stage="search")
        stop = observer(here) if observer else False
        best = int(np.nanargmin(means)) if np.isfinite(means).any() else 0
        beyond = len(means) - 1 - best
        worse, error = _difference(losses[-1], losses[best], row_weights)
        if stop or (beyond and not worse <= CLEARLY * error):
            break
        if beyond >= PATIENCE or alpha / FACTOR < LEAST:
            break
        alpha /= FACTOR
        if not path.go_on(alpha):
            break
    for i in range(best + 1):
        worse, error = _difference(losses[i], losses[best], row_weights)
        if worse <= TOLERATED * error:
            break
    return alphas[i], np.column_stack([alphas, means])


def _difference(losses: Array, others: Array, weights: Array) -> tuple[float, float]:
    """Return the weighted mean of paired differences, and its standard error."""
    difference = losses - others
    mean = float(weights @ difference)
    deviation = weights * (difference - mean)
    return mean, float(np.sqrt(deviation @ deviation))
