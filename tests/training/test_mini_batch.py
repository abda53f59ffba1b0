"""The mini-batch loop: batches, schedule, trust region."""

import numpy as np
import pytest

from skgn.data.batches import DenseRows
from skgn.linalg.kronecker import Factor
from skgn.model.losses import Multinomial
from skgn.model.network import Network
from skgn.model.objective import BatchedObjective
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.held_out import Validation
from skgn.training.mini_batch import (
    LARGEST_STEP,
    STREAM_RISE,
    STREAM_STEP,
    TRUST,
    Descent,
    Schedule,
    automatic_batch_size,
    shuffled_batches,
    train_in_batches,
)
from skgn.training.stopping import Stopping


@pytest.mark.parametrize("block", [1, 3, 16])
@pytest.mark.parametrize(
    ("m", "size"),
    [(1, 1), (7, 1), (7, 7), (7, 100), (100, 30), (1000, 64), (101, 2), (50, 16)],
)
def test_batches_cover_the_rows(m, size, block):
    """Equal length near `size`, no row twice, fewer rows left out than batches."""
    batches = list(shuffled_batches(m, size, np.random.RandomState(0), block))
    lengths = {len(index) for index in batches}
    assert len(lengths) == 1
    rows = np.concatenate(batches)
    assert len(np.unique(rows)) == len(rows)
    assert rows.min() >= 0
    assert rows.max() < m
    assert m - len(rows) < len(batches)
    assert len(batches) == max(round(m / size), 1)
    if size <= m:
        assert 2 / 3 * size <= lengths.pop() <= 1.5 * size


def test_rows_left_out_change():
    """Over passes every row is seen."""
    random_state = np.random.RandomState(0)
    seen = set()
    for _ in range(30):
        seen |= set(np.concatenate(list(shuffled_batches(101, 25, random_state))))
    assert seen == set(range(101))


def test_blocks_keep_neighbours_together():
    """All but the cut ones are runs from a multiple of the block."""
    (order,) = shuffled_batches(160, 160, np.random.RandomState(0), 16)
    runs = order.reshape(10, 16)
    assert np.all(np.diff(runs, axis=1) == 1)
    assert np.all(runs[:, 0] % 16 == 0)
    assert not np.all(np.diff(runs[:, 0]) > 0)


@pytest.mark.parametrize(
    ("m", "size"),
    [(1, 1), (100, 100), (3000, 128), (10_000, 128), (20_000, 200), (10**6, 256)],
)
def test_automatic_batch_size(m, size):
    """A hundredth of the rows, between 128 and 256, and no more than there are."""
    assert automatic_batch_size(m) == size


@pytest.mark.parametrize("total", [1, 5, 40, 1000])
def test_schedule_rises_and_falls_to_zero(total):
    """Within bounds; one peak, at the end of the warm-up."""
    steps = np.array([Schedule(total).step(t) for t in range(total)])
    assert np.all(steps > 0)
    assert np.all(steps <= LARGEST_STEP)
    peak = steps.argmax()
    assert peak <= max(0.05 * total, 0)
    assert np.all(np.diff(steps[: peak + 1]) > 0)
    assert np.all(np.diff(steps[peak:]) < 0)
    assert Schedule(total).step(total) == 0
    if total == 1000:
        assert steps.max() > 0.9 * LARGEST_STEP
        assert steps[-1] < 0.002 * LARGEST_STEP


def test_schedule_of_a_stream_rises_and_stays():
    """No end to fall to."""
    steps = [Schedule(None).step(t) for t in range(3 * STREAM_RISE)]
    assert steps[0] == pytest.approx(STREAM_STEP / STREAM_RISE)
    assert np.all(np.diff(steps[:STREAM_RISE]) > 0)
    assert set(steps[STREAM_RISE - 1 :]) == {STREAM_STEP}


def problem(scale=1.0, m=60):
    """A small classifier on random rows, and its factor S_1."""
    rng = np.random.default_rng(0)
    T = np.hstack([np.ones((m, 1)), scale * rng.normal(size=(m, 3))])
    y = (T[:, 1] > 0).astype(int) + (T[:, 2] > 0)
    network = Network.of((3, 4, 3), ("tanh",))
    objective = BatchedObjective(network, Multinomial(), DenseRows(T), y, None, 1e-3)
    theta = rng.normal(size=network.size) / 2
    factor = Factor.decompose(T.T @ T / m)
    return objective, theta, factor


def stopping(max_iter, **changes):
    options = {"tol": 0.0, "cost_threshold": None, "n_iter_no_change": 3, **changes}
    return Stopping(max_iter=max_iter, **options)


def test_first_step_is_the_bounded_direction():
    """s D with s the rate, or what the trust region leaves of it."""
    objective, theta, factor = problem()
    index = np.arange(20)
    here = objective.batch(index).evaluate(theta)
    signs = np.random.RandomState(0)
    D = RunningFactors(factor, 0.03).direction(here, signs)
    slope = D @ here.gradient
    bound = np.sqrt(TRUST / -slope)
    for rate in (0.5 * bound, 4 * bound):
        descent = Descent(
            theta.copy(), np.zeros_like(theta), RunningFactors(factor, 0.03)
        )
        means = descent.run(
            objective, iter([index]), iter([rate]), np.random.RandomState(0)
        )
        expected = min(rate, bound) * D
        np.testing.assert_allclose(descent.theta - theta, expected, rtol=1e-9, atol=1e-14)
        assert means["step_length"] == pytest.approx(np.linalg.norm(expected))
        assert means["cost"] == pytest.approx(here.cost)
        # the second step goes on with nine tenths of the first
        descent.run(objective, iter([index]), iter([0.0]), np.random.RandomState(0))
        np.testing.assert_allclose(
            descent.theta - theta, 1.9 * expected, rtol=1e-9, atol=1e-14
        )


def test_fit_lowers_the_objective_of_all_rows():
    """And its history is one row per pass, and one before."""
    objective, theta, factor = problem()
    everything = np.arange(60)
    before = objective.batch(everything).evaluate(theta).value
    lines = []
    outcome = train_in_batches(
        objective,
        theta,
        RunningFactors(factor, 0.03),
        10,
        stopping(30),
        np.random.RandomState(0),
        observer=lines.append,
    )
    assert outcome.reason == "schedule"
    after = objective.batch(everything).evaluate(outcome.theta).value
    assert after < 0.5 * before
    assert len(outcome.history["objective"]) == 31 == len(lines)


def test_validation_keeps_the_best_pass():
    """Of a made-up validation loss that rises from the fourth pass on."""
    objective, theta, factor = problem()
    seen = []

    def validate(theta):
        seen.append(theta.copy())
        return Validation(abs(len(seen) - 4.0), 0.5)

    outcome = train_in_batches(
        objective,
        theta,
        RunningFactors(factor, 0.03),
        10,
        stopping(30, n_iter_no_change=3),
        np.random.RandomState(0),
        validate=validate,
    )
    assert outcome.reason == "validation"
    assert len(seen) == 7
    assert np.array_equal(outcome.theta, seen[3])


def test_an_outcome_on_the_way_stays_what_it_was():
    """The weights that an observer is given do not move with the fit."""
    objective, theta, factor = problem()
    seen = []

    def watch(progress):
        outcome = progress.outcome()
        seen.append((outcome.theta, outcome.theta.copy()))

    train_in_batches(
        objective,
        theta,
        RunningFactors(factor, 0.03),
        10,
        stopping(3),
        np.random.RandomState(0),
        observer=watch,
    )
    assert len(seen) == 4
    for later, then in seen:
        assert np.array_equal(later, then)


def test_weights_without_a_finite_objective_are_refused():
    objective, theta, factor = problem()
    with pytest.raises(FloatingPointError):
        train_in_batches(
            objective,
            np.full_like(theta, np.nan),
            RunningFactors(factor, 0.03),
            10,
            stopping(3),
            np.random.RandomState(0),
        )
