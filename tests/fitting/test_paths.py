"""Paths: each part is a short fit that goes on from where the last one ended."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.data.batches import DenseRows
from skgn.data.columns import Standardisation
from skgn.data.inputs import DenseInputs
from skgn.fitting.paths import (
    FIRST_EPOCHS,
    FIRST_ITERATIONS,
    FURTHER_RISE,
    FURTHER_STEP,
    MORE_EPOCHS,
    MORE_ITERATIONS,
    BatchedPath,
    FullBatchPath,
)
from skgn.linalg.kronecker import Factor
from skgn.model.network import Network
from skgn.model.objective import BatchedObjective
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.damping import GainRatioDamping
from skgn.training.evidence import Evidence
from skgn.training.held_out import HeldOut
from skgn.training.mini_batch import TRUST
from tests import oracles
from tests.problems import LOSSES
from tests.problems import case as draw_case

ROWS = 60

#: Of the fit, which a part of a path does not look at.
TOL = 1e9


class RecordedStep(KroneckerStep):
    """Notes where it is asked for steps, and with which damping; may find none."""

    fails = False

    def propose(self, here, damping):
        self.asked.append((here.theta.copy(), here.objective.alpha, damping))
        if self.fails:
            raise np.linalg.LinAlgError
        return super().propose(here, damping)


class RecordedFactors(RunningFactors):
    """Notes where it is asked for directions, and what it answers; may find none."""

    fails = False

    def direction(self, here, random_state):
        if self.fails:
            raise np.linalg.LinAlgError
        D = super().direction(here, random_state)
        self.asked.append((here.theta.copy(), here.objective.alpha, D.copy()))
        self.slopes.append(D @ here.gradient)
        return D


def rows(seed):
    """Return a case of many rows; the weights are those of seed 0."""
    return draw_case("multinomial", ("tanh",), (5,), m=ROWS, alpha=0.02, seed=seed)


def held_out(case):
    """Return the rows of a case as held-out ones."""
    return HeldOut(
        Network.of(case.widths, case.activations),
        LOSSES[case.loss],
        DenseInputs.standardised(case.X, Standardisation.none(case.X.shape[1])),
        case.targets,
        case.weights / case.weights.sum(),
    )


def full_batch(most=100):
    """Return a path with all rows, and its step."""
    case = rows(0)
    step = RecordedStep(case.input_factor(), LOSSES[case.loss].root_columns(3))
    step.asked = []
    control, evidence = GainRatioDamping(0.1), Evidence(ROWS, np.log(3))
    objective = case.objective()
    path = FullBatchPath(
        objective,
        case.theta,
        lambda: step,
        control,
        held_out(rows(1)),
        evidence,
        most,
        TOL,
    )
    return path, step


def batched(passes=10):
    """Return a path in batches of ten rows, and its factors."""
    case = rows(0)
    T = np.hstack([np.ones((ROWS, 1)), case.X])
    network = Network.of(case.widths, case.activations)
    loss = LOSSES[case.loss]
    objective = BatchedObjective(network, loss, DenseRows(T), case.targets, None, 0.02)
    factors = RecordedFactors(Factor.decompose(T.T @ T / ROWS), 0.03)
    factors.asked, factors.slopes = [], []
    path = BatchedPath(
        objective,
        case.theta,
        factors,
        10,
        np.random.RandomState(0),
        1,
        held_out(rows(1)),
        Evidence(ROWS, np.log(3), wait=0),
        passes,
    )
    return path, factors


@pytest.fixture(params=[full_batch, batched], ids=["all rows", "batches"])
def made(request):
    return request.param


def test_begins_by_the_evidence(made):
    """alpha moves from that of the objective; the last one is returned."""
    path, recorder = made()
    path.begin()
    alpha = path.alpha
    alphas = [alpha for _, alpha, _ in recorder.asked]
    assert alphas[0] == 0.02
    assert len(set(alphas)) > 3
    assert 0.5 < alpha / alphas[-1] < 2
    assert not 0.9 < alpha / 0.02 < 1.1


def test_goes_on_at_the_alpha_that_is_given(made):
    """From the weights of the last part, time and again; alpha stays."""
    path, recorder = made()
    path.begin()
    for alpha in (0.01, 0.0025):
        before, start = path.theta.copy(), len(recorder.asked)
        assert path.go_on(alpha) is True
        assert_array_equal(recorder.asked[start][0], before)
        assert {alpha for _, alpha, _ in recorder.asked[start:]} == {alpha}
        assert np.abs(path.theta - before).max() > 1e-4


def test_losses_are_those_of_the_present_weights(made):
    """Of the held-out rows, without the penalty, by the oracle."""
    path, _ = made()
    other = rows(1)

    def expected():
        layers = oracles.unflatten(path.theta, other.shapes)
        Z = oracles.outputs(layers, other.activations, other.X)
        pairs = zip(Z, other.targets, strict=True)
        return [oracles.loss_row(other.loss, *pair) for pair in pairs]

    first = path.losses()
    assert_allclose(first, expected(), rtol=1e-10)
    path.begin()
    assert_allclose(path.losses(), expected(), rtol=1e-10)
    assert np.abs(path.losses() - first).max() > 1e-2


@pytest.mark.parametrize("most", [100, FIRST_ITERATIONS - 1, MORE_ITERATIONS - 1, 1])
def test_iterations_with_all_rows(most):
    """Many at first and then some, but no more than the fit itself may take."""
    first, more = min(FIRST_ITERATIONS, most), min(MORE_ITERATIONS, most)
    assert first > more or most < FIRST_ITERATIONS
    path, step = full_batch(most)
    path.begin()
    assert len(step.asked) == first
    path.go_on(0.01)
    path.go_on(0.005)
    assert len(step.asked) == first + 2 * more


@pytest.mark.parametrize("passes", [20, 15, 2, 1])
def test_passes_in_batches(passes):
    """Shares of the passes of the fit, one at least, of six batches each."""
    first = max(round(FIRST_EPOCHS * passes), 1)
    more = max(round(MORE_EPOCHS * passes), 1)
    assert first > more or passes < 15
    path, factors = batched(passes)
    path.begin()
    assert factors.steps == 6 * first
    path.go_on(0.01)
    path.go_on(0.005)
    assert factors.steps == 6 * (first + 2 * more)


def test_damping_goes_on():
    """A part begins with the damping that the last one ended with."""
    path, step = full_batch()
    path.begin()
    ended, start = path.control.value, len(step.asked)
    path.go_on(0.01)
    assert step.asked[start][2] == ended != 0.1


def test_a_part_that_found_no_step_leaves_damping_and_weights():
    """The next part does not begin at the ceiling."""
    path, step = full_batch()
    theta = path.theta.copy()
    path.control = GainRatioDamping(1e9)  # past the ceiling after three failures
    step.fails = True
    path.go_on(0.01)
    assert len(step.asked) == 3
    assert path.control.value == 1e9
    assert_array_equal(path.theta, theta)


def test_a_part_that_diverged_says_so_and_leaves_the_weights():
    path, factors = batched()
    path.begin()
    theta = path.theta.copy()
    factors.fails = True
    assert path.go_on(0.01) is False
    assert_array_equal(path.theta, theta)
    factors.fails = False
    assert path.go_on(0.01) is True


def test_parts_in_batches_begin_at_rest_with_a_step_of_their_own():
    """Of the schedule: a tenth after 5 % of all steps; then less of it, and later."""
    path, factors = batched(passes=10)
    path.begin()
    path.go_on(0.01)
    first, more = (6 * round(share * 10) for share in (FIRST_EPOCHS, MORE_EPOCHS))
    parts = [(0, 0.1, 0.05 * first), (first, FURTHER_STEP, FURTHER_RISE * more)]
    for start, largest, rise in parts:
        (here, _, D), (after, _, _) = factors.asked[start : start + 2]
        rate = min(largest / rise, np.sqrt(TRUST / -factors.slopes[start]))
        assert_allclose(after - here, rate * D, rtol=1e-9, atol=1e-14)
