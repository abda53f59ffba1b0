r"""The penalty by the evidence, then relaxed on held-out rows.

The evidence (:mod:`skgn.training.evidence`) finds the right penalty where labels are
noisy, and one that is too strong where classes separate cleanly: there the log-loss can
be had several times lower. So some rows are held out, and from the evidence's alpha a
path leads on to weaker penalties:

1. train on the other rows with alpha by the evidence;
2. note the losses of the held-out rows; divide alpha by FACTOR; train on for a few
   iterations, or epochs; repeat while the held-out log-loss falls;
3. choose alpha.

The path leads downwards.

**The choice** is not the lowest mean, which on few rows is mostly luck, but the largest
alpha that is not clearly worse: with ``d_i = ℓ_i(alpha) - ℓ_i(best)`` over the held-out
rows, the largest alpha whose mean d is at most so many standard errors of itself: half a
one with all rows at a time, one in mini-batches, where the losses also have the noise of
the batches. (A path in mini-batches is not gone on with. Along it, later points gain by
their epochs, too, and half an error let weak penalties win by these: over twelve tables
the log-loss of the fits was higher by 4 %.) Since
both losses are those of the same row, most of their noise cancels in d. On clean data
nearly every row gains by a weaker penalty and d is certain, however small; on noisy data
some rows gain what others lose, and the evidence's alpha stays (Breiman et al.'s
one-standard-error rule, CART, 1984, on paired differences).

**Rows held out**: 15 %, but 300 at least, or a third if there are fewer, and 5,000 at
most. Below :data:`FEWEST_ROWS` rows nothing is held out, unless there are as many columns
as rows, and alpha is that of the tempered evidence. (With a network that is trained on,
and columns that may have steps, a search is worth its third of the rows early: on 21 to
23 tables cut to 390, 300, 200, 150 and 100 rows the log-loss of the fits is .87, .88,
.87, .85 and .89 of what the evidence alone gives. At 100 rows one table, of rare classes,
loses a half.)

**As many columns as rows.** Then almost any labels can be fitted, right or wrong. What
the rows say of their own labels is nothing, and the evidence rests on the Gaussian prior
and on the parabola alone, which do not fit. With 120 rows of 5,748 columns and no hidden
layer it calls for alpha = 3, by γ and determinant of the exact Gauss-Newton matrix,
which are those of the Kronecker product but for a tenth of γ; leave-one-out and test
log-loss are lowest at .001 or below. So some are held out here from
:data:`FEWEST_WIDE_ROWS` rows on. (Leave-one-out by leverages would do without: it follows
the test log-loss without hidden layers, and is useless with one. What a first layer has
learned of a row by heart leaves it far beyond the reach of its tangent.)

A row of weight 2 stays the same as a row repeated, as long as there are fewer than
:data:`DISTINCT_ROWS` rows: equal rows are one sample, on one side of the split.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from skgn.training.outcome import Observer, Progress
from skgn.typing import Array

#: Rows from which on some are held out; where there are as many columns, from fewer on: a
#: hold-out of fewer than 20 is luck.
FEWEST_ROWS, FEWEST_WIDE_ROWS = 150, 60

#: Rows from which on it is not looked for equal ones.
DISTINCT_ROWS = 400

#: Rows that the path is trained on, at most: half of them, within these bounds.
MOST_ROWS = 5_000, 50_000

#: What alpha is divided by from point to point of the path.
FACTOR = 4.0

#: Standard errors above the best point at which the path ends, and points beyond it.
CLEARLY, PATIENCE = 1.0, 2


def rows_held_out(m: int) -> int:
    """Return how many of `m` rows are held out."""
    return round(min(max(0.15 * m, min(m / 3, 300)), 5000))


def are_enough(m: int, n: int) -> bool:
    """Return whether some of `m` rows of `n` columns can be spared."""
    return m >= FEWEST_ROWS or FEWEST_WIDE_ROWS <= m <= n


def most_rows(m: int) -> int:
    """Return on how many of `m` rows the path is trained at most."""
    fewest, most = MOST_ROWS
    return min(max(m // 2, fewest), most)


class Path(Protocol):
    """A network that is trained along falling penalties.

    Attributes
    ----------
    theta : ndarray
        Its present weights, flat; they are never written to.
    alpha : float
        Penalty that they were trained with.
    """

    theta: Array
    alpha: float

    @property
    def tolerated(self) -> float:
        """Standard errors by which a larger alpha may be worse than the best one."""

    @property
    def least(self) -> float:
        """Smallest alpha that is tried."""

    def begin(self) -> None:
        """Train with alpha by the evidence."""

    def go_on(self, alpha: float) -> bool:
        """Train on at another alpha; return whether that was possible."""

    def losses(self) -> Array:
        """Return the losses of the held-out rows at the present weights, float64."""


@dataclass(frozen=True)
class Relaxed:
    """The penalty chosen.

    Attributes
    ----------
    alpha : float
    points : ndarray of shape (k, 2)
        alpha and held-out log-loss of the points of the path.
    theta : ndarray
        Weights of the path at that alpha.
    """

    alpha: float
    points: Array
    theta: Array


@np.errstate(invalid="ignore")  # losses that are not finite are never chosen
def relaxed_alpha(
    path: Path, row_weights: Array, observer: Observer | None = None
) -> Relaxed:
    """Choose alpha.

    Parameters
    ----------
    path : Path
        That has begun.
    row_weights : ndarray of shape (m,), float64
        Of the held-out rows, of sum 1.
    observer : callable, optional
        Is told of each point; may ask to stop.
    """
    alpha = path.alpha
    alphas: list[float] = []
    losses: list[Array] = []
    weights: list[Array] = []
    while True:
        alphas.append(alpha)
        losses.append(path.losses())
        weights.append(path.theta)
        means = [float(row_weights @ loss) for loss in losses]
        point = {"alpha": alpha, "held_out": means[-1]}
        here = Progress(point, len(means) - 1, 0, stage="search")
        stop = observer(here) if observer else False
        best = int(np.nanargmin(means)) if np.isfinite(means).any() else 0
        beyond = len(means) - 1 - best
        worse, error = difference(losses[-1], losses[best], row_weights)
        if stop or (beyond and not worse <= CLEARLY * error):
            break
        if beyond >= PATIENCE or alpha / FACTOR < path.least:
            break
        alpha /= FACTOR
        if not path.go_on(alpha):
            break
    for i in range(best + 1):
        worse, error = difference(losses[i], losses[best], row_weights)
        if worse <= path.tolerated * error:
            break
    return Relaxed(alphas[i], np.column_stack([alphas, means]), weights[i])


@np.errstate(invalid="ignore")  # losses that are not finite
def difference(losses: Array, others: Array, weights: Array) -> tuple[float, float]:
    """Return the weighted mean of paired differences, and its standard error."""
    difference = losses - others
    mean = float(weights @ difference)
    deviation = weights * (difference - mean)
    return mean, float(np.sqrt(deviation @ deviation))
