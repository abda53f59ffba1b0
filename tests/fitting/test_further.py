"""How far to train: what held-out rows say of it."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.fitting.further import PATIENCE, TOLERATED, Watch
from skgn.fitting.paths import FullBatchPath
from skgn.fitting.relaxation import CLEARLY, difference
from skgn.model.network import Network
from skgn.steps.kronecker import KroneckerStep
from skgn.training.damping import GainRatioDamping
from skgn.training.full_batch import Walk
from skgn.training.outcome import Interrupted
from tests.fitting.test_paths import held_out, rows
from tests.problems import LOSSES

M = 100
BASE = np.random.default_rng(0).exponential(1.0, M)

#: Of mean 0, and a standard error of the mean of 1.
ERROR = np.resize([-1.0, 1.0], M) * np.sqrt(M)


@dataclass
class Scripted:
    """Held-out rows whose losses are given, point by point."""

    points: list
    row_weights: np.ndarray = field(default_factory=lambda: np.full(M, 1 / M))
    asked: list = field(default_factory=list)

    def losses(self, theta):
        self.asked.append(theta)
        return self.points[min(len(self.asked), len(self.points)) - 1]


def watched(points, row_weights=None):
    """Return a watch that has seen all points; their number is their weights."""
    rows = Scripted(points)
    if row_weights is not None:
        rows.row_weights = row_weights
    watch = Watch(rows)
    for i in range(len(points)):
        watch(np.array([float(i)]))
    return watch


def worse_by(errors):
    """Return losses that are worse than BASE by so many standard errors."""
    return BASE + 1e-3 * (ERROR + errors)


# The watch


def test_the_error_is_that_of_the_script():
    """Or the other tests would not test limits."""
    worse, error = difference(worse_by(0.7), BASE, np.full(M, 1 / M))
    assert worse / error == pytest.approx(0.7)


def test_best_and_latest():
    """The best one is the first of the lowest mean."""
    watch = watched([BASE, BASE - 1, BASE - 1, BASE - 0.5])
    assert watch.best.theta == 1
    assert watch.latest.theta == 3
    assert_array_equal(watch.best.losses, BASE - 1)
    assert watch.best.mean == pytest.approx(BASE.mean() - 1)
    assert watch.latest.mean == pytest.approx(BASE.mean() - 0.5)


def test_it_answers_with_the_mean():
    """Weighted; a score is not asked for."""
    weights = np.arange(M) / np.arange(M).sum()
    watch = Watch(Scripted([BASE], weights))
    loss, score = watch(np.zeros(1))
    assert loss == pytest.approx(np.average(BASE, weights=weights))
    assert np.isnan(score)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [(0.9 * TOLERATED, True), (1.1 * TOLERATED, False), (1.1 * CLEARLY, False)],
)
def test_ended_well(errors, expected):
    """Where the last point is worse by no more than TOLERATED standard errors."""
    assert watched([BASE, worse_by(errors)]).ended_well is expected
    assert watched([BASE, BASE + 1, BASE - 1]).ended_well
    assert watched([BASE]).ended_well
    later = watched([BASE + 1, BASE, worse_by(3), worse_by(errors)])
    assert later.ended_well is expected


def test_a_certain_loss_is_no_good_end():
    """However small it is: every row has it."""
    assert not watched([BASE, BASE + 1e-9]).ended_well


@pytest.mark.parametrize("errors", [0.9 * CLEARLY, 1.1 * CLEARLY])
def test_has_seen_enough(errors):
    """After PATIENCE points in a row that are clearly worse than the best one."""
    clearly = errors > CLEARLY
    points = [BASE, *[worse_by(errors)] * (PATIENCE - 1)]
    assert not watched(points).has_seen_enough(None)
    points.append(worse_by(errors))
    watch = watched(points)
    assert watch.has_seen_enough(None) is clearly
    assert watch.best.theta == 0
    points[3] = worse_by(0.5 * CLEARLY)
    assert not watched(points).has_seen_enough(None)
    points[3] = BASE - 1e-12
    assert not watched(points).has_seen_enough(None)


def test_what_is_seen_is_seen_in_a_row():
    """A point that is not clearly worse is a new beginning."""
    worse, good = [worse_by(2)] * (PATIENCE - 1), [worse_by(0.5 * CLEARLY)]
    points = [BASE, *worse, *good, *worse]
    assert not watched(points).has_seen_enough(None)
    assert watched([*points, worse_by(2)]).has_seen_enough(None)


def test_enough_has_been_seen_where_the_end_is_not_good():
    """Also if the last point is as good as any again: it does not come to that."""
    watch = watched([BASE, *[worse_by(2)] * PATIENCE])
    assert not watch.ended_well


def test_weights_of_rows():
    """A row counts by its weight."""
    first = np.where(np.arange(M) < M // 2, 2 / M, 0)
    change = np.where(np.arange(M) < M // 2, -0.1, 0.2)
    assert watched([BASE, BASE + change], first).best.theta == 1
    other = watched([BASE, BASE + change], first[::-1])
    assert other.best.theta == 0
    assert not other.ended_well


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_not_finite_are_never_best(bad):
    """But for those of the only point."""
    worst = np.where(np.arange(M) == 3, bad, BASE)
    with np.errstate(invalid="ignore"):  # as in a fit
        watch = watched([BASE, *[worst] * PATIENCE])
        assert watch.has_seen_enough(None)
        assert not watch.ended_well
    assert watch.best.theta == 0


# The path, trained on


def path(points=None, most=100, tol=1e-3, alpha=0.02):
    """Return a path with all rows."""
    case = rows(0)
    network = Network.of(case.widths, case.activations)
    roots = LOSSES[case.loss].root_columns(network.widths[-1])
    others = held_out(rows(1))
    if points is not None:
        others = Scripted(points)

    def step():
        return KroneckerStep(case.input_factor(), roots)

    return FullBatchPath(
        replace(case.objective(), alpha=alpha),
        case.theta,
        step,
        GainRatioDamping(0.1),
        others,
        None,
        most,
        tol,
    )


def falling(points):
    """Return losses that fall at every point."""
    return [BASE * 0.99**k for k in range(points)]


def test_goes_on_to_convergence():
    """At the penalty that is given, from the weights that are given."""
    own = path(falling(200), tol=1e-6)
    begin = own.theta + 0.1
    theta, threshold = own.further(0.05, begin)
    assert threshold is None
    assert_array_equal(own.held_out.asked[0], begin)
    assert own.objective.alpha == 0.05
    assert_array_equal(theta, own.held_out.asked[-1])
    assert len(own.held_out.asked) < 100
    here = own.objective.evaluate(theta)
    assert np.linalg.norm(here.gradient) < 1e-3


def test_a_good_end_is_gone_on_with():
    """At convergence, though a point before was better by luck."""
    own = path(falling(200))
    own.further(0.02, own.theta)
    n = len(own.held_out.asked)
    lucky = falling(n - 2)[-1] - 1e-6 * (ERROR + 0.9 * TOLERATED)
    other = path([*falling(n - 2), lucky, falling(n - 2)[-1]])
    theta, threshold = other.further(0.02, other.theta)
    assert threshold is None
    assert_array_equal(theta, other.held_out.asked[-1])


@pytest.mark.parametrize("most", [1, 3])
def test_takes_no_more_iterations_than_the_fit(most):
    own = path(falling(200), most=most, tol=0.0)
    own.further(0.02, own.theta)
    assert len(own.held_out.asked) <= most + 1


def test_tolerance_is_that_of_the_fit():
    """A loose one ends it sooner."""
    loose, tight = path(falling(200), tol=0.5), path(falling(200), tol=1e-8)
    for own in (loose, tight):
        own.further(0.02, own.theta)
    assert len(loose.held_out.asked) < len(tight.held_out.asked)


def test_ends_where_enough_has_been_seen():
    """At the best point; its cost, without the penalty, is the threshold."""
    points = [BASE + 1, BASE, *[BASE + 1 + 0.1 * i for i in range(200)]]
    own = path(points, tol=0.0)
    theta, threshold = own.further(0.02, own.theta)
    asked = own.held_out.asked
    assert len(asked) == 2 + PATIENCE
    assert_array_equal(theta, asked[1])
    assert_allclose(threshold, own.objective.evaluate(theta).cost, rtol=1e-12)
    first, last = (own.objective.evaluate(asked[i]).cost for i in (0, -1))
    assert first > threshold > last


def test_ends_badly_at_convergence():
    """Clearly worse there, though not for long: the best point is the threshold."""
    own = path(falling(200))
    own.further(0.02, own.theta)
    n = len(own.held_out.asked)
    assert n > 4
    other = path([*falling(n - 2), BASE + 1, BASE + 1])
    theta, threshold = other.further(0.02, other.theta)
    assert len(other.held_out.asked) == n
    assert_array_equal(theta, other.held_out.asked[n - 3])
    assert threshold is not None


def test_overfitted_labels_are_seen():
    """Random labels of the held-out rows: any fit is worse than none."""
    own = path(alpha=1e-6)
    means = []
    judge = own.held_out.losses

    class Recorded:
        row_weights = own.held_out.row_weights

        def losses(self, theta):
            means.append(self.row_weights @ judge(theta))
            return judge(theta)

    own.held_out = Recorded()
    theta, threshold = own.further(1e-6, np.zeros_like(own.theta) + 1e-3 * own.theta)
    assert threshold is not None
    assert own.held_out.row_weights @ judge(theta) == pytest.approx(min(means))
    assert min(means) < means[-1]


def test_the_weights_given_are_not_written_to():
    own = path(falling(200))
    theta = own.theta
    before = theta.copy()
    own.further(0.02, theta)
    assert_array_equal(theta, before)


def test_steps_begin_anew(monkeypatch):
    """There is no momentum from another point of the path."""
    own = path(falling(200), most=3, tol=0.0)
    own.begin()
    step = own.step
    own.further(0.02, own.theta)
    assert own.step is not step


def test_an_interrupt_has_what_was_reached(monkeypatch):
    """The best of the held-out losses so far."""
    points = [BASE, BASE - 1, BASE + 1, BASE - 2, BASE + 1]
    own = path(points, tol=0.0)
    record = Walk.record

    def interrupted(self):
        record(self)
        if len(own.held_out.asked) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Walk, "record", interrupted)
    with pytest.raises(Interrupted) as caught:
        own.further(0.02, own.theta)
    assert_array_equal(caught.value.outcome.theta, own.held_out.asked[1])
