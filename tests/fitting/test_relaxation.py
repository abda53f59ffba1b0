"""The choice of a penalty on held-out rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.fitting.relaxation import FACTOR, relaxed_alpha, rows_held_out
from skgn.training.evidence import LEAST

M = 200
EQUAL = np.full(M, 1 / M)


class Scripted:
    """A path whose losses are given, point by point."""

    def __init__(self, points, first=0.02, ends_after=99):
        self.points, self.first, self.ends_after = points, first, ends_after
        self.alphas = []

    def begin(self):
        self.alphas.append(self.first)
        return self.first

    def go_on(self, alpha):
        self.alphas.append(alpha)
        return len(self.alphas) <= self.ends_after

    def losses(self):
        return self.points[min(len(self.alphas), len(self.points)) - 1]


def noise(seed, scale):
    """Return losses that differ from row to row."""
    return np.random.default_rng(seed).exponential(scale, M)


def test_every_row_gains():
    """A certain gain counts, however small, down to the least penalty."""
    base = noise(0, 1.0)
    path = Scripted([base * 0.99**k for k in range(20)])
    alpha, points = relaxed_alpha(path, EQUAL)
    assert alpha == path.alphas[-1] == points[-1, 0]
    assert LEAST <= alpha < LEAST * FACTOR
    assert_allclose(points[:, 0], 0.02 / FACTOR ** np.arange(len(points)))
    assert_allclose(points[:, 1], [base.mean() * 0.99**k for k in range(len(points))])


def test_a_gain_by_luck_does_not_count():
    """Some rows gain what others lose: the evidence's penalty stays."""
    base = noise(0, 1.0)
    change = np.random.default_rng(1).normal(size=M)
    change -= change.mean() + 0.3 * change.std() / np.sqrt(M)
    path = Scripted([base, base + change, base + 3 + change])
    alpha, points = relaxed_alpha(path, EQUAL)
    assert points[1, 1] < points[0, 1]
    assert alpha == 0.02
    more = Scripted([base, base + change - change.std(), base + 3 + change])
    assert relaxed_alpha(more, EQUAL)[0] == 0.02 / FACTOR


def test_the_path_ends():
    """Where a point is clearly worse, or none of two is better, or it cannot go on."""
    base = noise(0, 1.0)
    assert len(relaxed_alpha(Scripted([base, base + 0.1]), EQUAL)[1]) == 2
    wobble = 0.01 * np.random.default_rng(1).normal(size=M)
    wobble -= wobble.mean() - 1e-5
    assert len(relaxed_alpha(Scripted([base, base + wobble]), EQUAL)[1]) == 3
    path = Scripted([base * 0.9**k for k in range(20)], ends_after=3)
    assert len(relaxed_alpha(path, EQUAL)[1]) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_not_finite(bad):
    """They are never chosen, and end the path."""
    base = noise(0, 1.0)
    alpha, points = relaxed_alpha(Scripted([base, base * 0.5, np.full(M, bad)]), EQUAL)
    assert alpha == 0.02 / FACTOR
    assert len(points) == 3
    alpha, _ = relaxed_alpha(Scripted([np.full(M, bad)]), EQUAL)
    assert alpha == 0.02


def test_weights_of_rows():
    """A row counts by its weight."""
    base = noise(0, 1.0)
    change = np.where(np.arange(M) < 100, -0.1, 0.2)
    first = np.where(np.arange(M) < 100, 1 / 100, 0)
    path = [base, base + change, base + 1]
    assert relaxed_alpha(Scripted(path), first)[0] == 0.02 / FACTOR
    assert relaxed_alpha(Scripted(path), first[::-1])[0] == 0.02


def test_an_observer_is_told_of_each_point():
    told = []
    base = noise(0, 1.0)
    relaxed_alpha(Scripted([base, base + 1]), EQUAL, told.append)
    assert [progress.values["alpha"] for progress in told] == [0.02, 0.02 / FACTOR]
    assert np.diff([progress.values["held_out"] for progress in told]) == pytest.approx(1)


def test_an_observer_may_end_the_search():
    path = [noise(0, 1.0) - i for i in range(9)]
    _, points = relaxed_alpha(Scripted(path), EQUAL, lambda point: point.number == 2)
    assert len(points) == 3


@pytest.mark.parametrize(
    ("m", "expected"),
    [(400, 133), (900, 300), (1500, 300), (10_000, 1500), (10**6, 5000)],
)
def test_rows_held_out(m, expected):
    """A third of few rows, 300, 15 %, 5,000."""
    assert rows_held_out(m) == expected
