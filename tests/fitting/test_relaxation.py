"""The choice of a penalty on held-out rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.fitting.paths import BatchedPath, FullBatchPath
from skgn.fitting.relaxation import (
    FACTOR,
    MOST_ROWS,
    most_rows,
    relaxed_alpha,
    rows_held_out,
)
from skgn.training.evidence import LEAST

M = 200
EQUAL = np.full(M, 1 / M)


class Scripted:
    """A path whose losses are given, point by point."""

    least = LEAST

    def __init__(self, points, first=0.02, ends_after=99, tolerated=0.5):
        self.points, self.first, self.ends_after = points, first, ends_after
        self.tolerated = tolerated
        self.alphas = []

    @property
    def theta(self):
        """Weights that tell at which point the path is."""
        return np.array([float(len(self.alphas))])

    @property
    def alpha(self):
        """The present one, the first before it begins."""
        return self.alphas[-1] if self.alphas else self.first

    def begin(self):
        self.alphas.append(self.first)

    def go_on(self, alpha):
        self.alphas.append(alpha)
        return len(self.alphas) <= self.ends_after

    def losses(self):
        return self.points[min(len(self.alphas), len(self.points)) - 1]


def relax(path, row_weights=EQUAL, observer=None):
    """Choose alpha on a path that has begun."""
    path.begin()
    return relaxed_alpha(path, row_weights, observer)


def noise(seed, scale):
    """Return losses that differ from row to row."""
    return np.random.default_rng(seed).exponential(scale, M)


def test_every_row_gains():
    """A certain gain counts, however small, down to the least penalty."""
    base = noise(0, 1.0)
    path = Scripted([base * 0.99**k for k in range(20)])
    relaxed = relax(path)
    alpha, points = relaxed.alpha, relaxed.points
    assert alpha == path.alphas[-1] == points[-1, 0]
    assert LEAST <= alpha < LEAST * FACTOR
    assert_allclose(points[:, 0], 0.02 / FACTOR ** np.arange(len(points)))
    assert_allclose(points[:, 1], [base.mean() * 0.99**k for k in range(len(points))])


def test_the_weights_are_those_at_the_penalty_chosen():
    """Not those of the best point, nor of the last one."""
    base, luck = noise(0, 1.0), np.random.default_rng(1).normal(size=M)
    luck -= luck.mean() + 0.3 * luck.std() / np.sqrt(M)
    points = [base, base - 0.1, base - 0.1 + luck, base + 3]
    path = Scripted(points)
    relaxed = relax(path)
    assert relaxed.points[:, 1].argmin() == 2
    assert len(relaxed.points) == 4
    assert relaxed.alpha == path.alphas[1]
    assert_array_equal(relaxed.theta, [2.0])


def test_a_path_that_has_begun_begins_no_more():
    """Its first penalty is given; it is trained on from the second point only."""
    path = Scripted([noise(0, 1.0), noise(0, 1.0) + 1])
    path.alphas.append(0.3)
    relaxed = relaxed_alpha(path, EQUAL)
    assert_allclose(relaxed.points[:, 0], [0.3, 0.3 / FACTOR])
    assert path.alphas == [0.3, 0.3 / FACTOR]


def test_a_gain_by_luck_does_not_count():
    """Some rows gain what others lose: the evidence's penalty stays."""
    base = noise(0, 1.0)
    change = np.random.default_rng(1).normal(size=M)
    change -= change.mean() + 0.3 * change.std() / np.sqrt(M)
    path = Scripted([base, base + change, base + 3 + change])
    relaxed = relax(path)
    alpha, points = relaxed.alpha, relaxed.points
    assert points[1, 1] < points[0, 1]
    assert alpha == 0.02
    more = Scripted([base, base + change - change.std(), base + 3 + change])
    assert relax(more).alpha == 0.02 / FACTOR


@pytest.mark.parametrize("tolerated", [0.5, 1.0])
def test_the_path_says_what_is_tolerated(tolerated):
    """In standard errors by which a larger penalty may be worse than the best one."""
    base = noise(0, 1.0)
    error = np.resize([-1.0, 1.0], M) * np.sqrt(M)  # of the mean: 1
    for errors, chosen in [(0.9 * tolerated, 0.02), (1.1 * tolerated, 0.02 / FACTOR)]:
        better = base - 1e-3 * (error + errors)
        path = Scripted([base, better, better + 1], tolerated=tolerated)
        assert relax(path).alpha == chosen


def test_what_paths_tolerate():
    """In mini-batches more: the losses have the noise of the batches, too."""
    assert FullBatchPath.tolerated == 0.5
    assert BatchedPath.tolerated == 1.0


def test_the_path_ends():
    """Where a point is clearly worse, or none of two is better, or it cannot go on."""
    base = noise(0, 1.0)
    assert len(relax(Scripted([base, base + 0.1])).points) == 2
    wobble = 0.01 * np.random.default_rng(1).normal(size=M)
    wobble -= wobble.mean() - 1e-5
    assert len(relax(Scripted([base, base + wobble])).points) == 3
    path = Scripted([base * 0.9**k for k in range(20)], ends_after=3)
    assert len(relax(path).points) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_not_finite(bad):
    """They are never chosen, and end the path."""
    base = noise(0, 1.0)
    relaxed = relax(Scripted([base, base * 0.5, np.full(M, bad)]))
    assert relaxed.alpha == 0.02 / FACTOR
    assert relaxed.theta == 2
    assert len(relaxed.points) == 3
    relaxed = relax(Scripted([np.full(M, bad)]))
    assert relaxed.alpha == 0.02
    assert relaxed.theta == 1


def test_weights_of_rows():
    """A row counts by its weight."""
    base = noise(0, 1.0)
    change = np.where(np.arange(M) < 100, -0.1, 0.2)
    first = np.where(np.arange(M) < 100, 1 / 100, 0)
    path = [base, base + change, base + 1]
    assert relax(Scripted(path), first).alpha == 0.02 / FACTOR
    assert relax(Scripted(path), first[::-1]).alpha == 0.02


def test_an_observer_is_told_of_each_point():
    told = []
    base = noise(0, 1.0)
    relax(Scripted([base, base + 1]), EQUAL, told.append)
    assert [progress.values["alpha"] for progress in told] == [0.02, 0.02 / FACTOR]
    assert np.diff([progress.values["held_out"] for progress in told]) == pytest.approx(1)


def test_an_observer_may_end_the_search():
    path = [noise(0, 1.0) - i for i in range(9)]
    relaxed = relax(Scripted(path), EQUAL, lambda point: point.number == 2)
    assert len(relaxed.points) == 3


@pytest.mark.parametrize(
    ("m", "expected"),
    [(400, 133), (900, 300), (1500, 300), (10_000, 1500), (10**6, 5000)],
)
def test_rows_held_out(m, expected):
    """A third of few rows, 300, 15 %, 5,000."""
    assert rows_held_out(m) == expected


def test_most_rows():
    """Half of them, within bounds."""
    fewest, most = MOST_ROWS
    assert most_rows(400) == most_rows(fewest) == most_rows(2 * fewest) == fewest
    assert most_rows(4 * fewest) == 2 * fewest
    assert most_rows(2 * most) == most_rows(10**7) == most
