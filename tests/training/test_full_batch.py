"""The accept-or-reject loop."""

from dataclasses import replace
from itertools import chain, repeat

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.steps.kronecker import KroneckerStep
from skgn.steps.proposal import Proposal
from skgn.thread.controls import LineSearch, Unguarded
from skgn.thread.joint import JointEquations
from skgn.thread.plain import PlainStep
from skgn.thread.sequential import SequentialEquations
from skgn.training.damping import CEILING, GainRatioDamping
from skgn.training.full_batch import train
from skgn.training.held_out import Validation
from skgn.training.stopping import Stopping
from tests.problems import LOSSES, network_cases
from tests.problems import case as draw_case

CASES = network_cases()


class Faulty:
    """A Kronecker step whose proposals fail as told, one fault per turn."""

    def __init__(self, case, faults=()):
        passes = LOSSES[case.loss].root_columns(case.widths[-1])
        self.step = KroneckerStep(case.input_factor(), passes)
        self.faults = chain(faults, repeat(None))

    @property
    def spectra(self):
        return self.step.spectra

    def propose(self, here, damping):
        fault = next(self.faults)
        if fault == "error":
            raise np.linalg.LinAlgError("no step")
        proposal = self.step.propose(here, damping)
        if fault is None:
            return proposal
        if fault == "not a number":
            return replace(proposal, slope=np.nan)
        if fault == "infinite":
            return replace(proposal, curvature=np.inf)
        if fault == "ascent":
            return replace(proposal, slope=-proposal.slope)
        factor = {"far": 1e3, "overflow": 1e200, "nan": np.nan}[fault]
        return replace(
            proposal, step=factor * proposal.step, Z1_dot=factor * proposal.Z1_dot
        )

    def accept(self, proposal):
        self.step.accept(proposal)

    @property
    def largest_curvature(self):
        return self.step.largest_curvature


FAULTS = ["error", "not a number", "infinite", "ascent", "far", "overflow", "nan"]


def run(case, faults=(), damping=0.1, validate=None, observer=None, **stopping):
    """Train a case."""
    stopping = Stopping(**{"max_iter": 20, "tol": 0.0, **stopping})
    return train(
        case.objective(),
        case.theta,
        Faulty(case, faults),
        GainRatioDamping(damping),
        stopping,
        validate,
        observer,
    )


def rejected_turns(outcome):
    """Return which rows of the history are rejected turns."""
    rejected = outcome.history["step_length"] == 0
    rejected[0] = False
    return rejected


@pytest.mark.parametrize("damping", [1e-6, 1e-2, 1e3])
@pytest.mark.parametrize("name", CASES)
def test_objective_never_rises(name, damping):
    """Turn by turn the objective falls or stays; the end is what was promised."""
    case = CASES[name]
    outcome = run(case, damping=damping)
    objective = outcome.history["objective"]
    assert np.all(np.diff(objective) <= 0)
    assert objective[-1] < objective[0]
    assert objective[-1] == outcome.objective
    assert outcome.objective == pytest.approx(case.value_at(outcome.theta), rel=1e-9)
    assert outcome.history["cost"][-1] == outcome.cost


def test_reaches_a_stationary_point():
    """With a penalty the gradient falls to rounding, and the fit has converged."""
    case = draw_case("multinomial", ("tanh",), (4,), m=30, alpha=0.05)
    outcome = run(case, max_iter=500, tol=1e-12)
    assert outcome.reason == "converged"
    assert outcome.history["gradient_norm"][-1] < 1e-6


def test_history_has_one_row_per_turn():
    """n turns and the start, in every column."""
    outcome = run(draw_case(m=30, alpha=1e-3), max_iter=7)
    assert outcome.reason == "max_iter"
    assert {len(column) for column in outcome.history.values()} == {8}
    seconds = outcome.history["seconds"]
    assert np.all(np.diff(seconds) >= 0)
    assert outcome.history["step_length"][0] == 0
    assert np.isnan(outcome.history["gain_ratio"][0])


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_turns_are_rejected_and_the_fit_goes_on(fault):
    """Failing proposals and trials leave the weights, double the damping, end nothing."""
    case = draw_case("multinomial", ("silu",), (4,), m=30, alpha=1e-3)
    outcome = run(case, [fault, fault, None, fault], max_iter=15)
    history = outcome.history
    assert outcome.reason == "max_iter"
    rejected = rejected_turns(outcome)
    assert_array_equal(rejected[:5], [False, True, True, False, True])
    for turn in np.flatnonzero(rejected):
        assert history["objective"][turn] == history["objective"][turn - 1]
        assert history["damping"][turn] >= 2 * history["damping"][turn - 1]
    assert_allclose(history["damping"][:3], [0.1, 0.2, 0.8])
    assert np.all(np.diff(history["objective"]) <= 0)
    assert np.all(np.isfinite(outcome.theta))
    assert history["objective"][-1] < 0.5 * history["objective"][0]


def test_a_rejected_trial_shows_its_gain_ratio():
    """A trial that raised the objective has a negative gain ratio and no length."""
    outcome = run(draw_case(m=30), ["far"], max_iter=3)
    assert outcome.history["gain_ratio"][1] < 0
    assert outcome.history["step_length"][1] == 0


@pytest.mark.parametrize("fault", ["error", "ascent", "nan"])
def test_damping_ceiling_ends_the_fit(fault):
    """Where no step helps, the fit ends with its best weights and says so."""
    case = draw_case("multinomial", ("tanh",), (4,), m=30)
    outcome = run(case, chain([None, None], repeat(fault)), max_iter=1000)
    assert outcome.reason == "damping"
    assert len(outcome.history["objective"]) < 50
    objective = outcome.history["objective"]
    assert objective[2] < objective[1] < objective[0]
    assert_array_equal(objective[2:], objective[2])
    assert outcome.objective == pytest.approx(case.value_at(outcome.theta), rel=1e-12)


def test_damping_ceiling_is_the_damping_that_ends_it():
    """Without a single proposal the damping grows to just past the ceiling."""
    case = draw_case(m=30)
    outcome = run(case, repeat("error"), max_iter=1000)
    assert outcome.damping > CEILING
    assert outcome.history["damping"][-2] <= CEILING
    assert_array_equal(outcome.theta, case.theta)


@pytest.mark.parametrize("damping", [1e3, 1e6, 1e9])
def test_an_overdamped_start_is_not_convergence(damping):
    """Short steps because of a large damping do not end the fit."""
    case = draw_case("multinomial", ("tanh",), (4,), m=30, alpha=1e-3)
    expected = run(case, max_iter=300, tol=1e-3)
    outcome = run(case, damping=damping, max_iter=300, tol=1e-3)
    assert expected.reason == outcome.reason == "converged"
    start = case.value_at(case.theta)
    assert expected.objective < 0.5 * start
    assert outcome.objective < 0.5 * start


def test_stationary_start_is_converged():
    """A zero gradient ends the fit before any proposal."""
    case = draw_case("squared", (), (), alpha=0.0)
    targets = np.zeros_like(case.targets)
    layers = [np.zeros_like(case.layers[0])]
    case = replace(case, targets=targets, layers=layers)
    outcome = run(case, repeat("error"))
    assert outcome.reason == "converged"
    assert len(outcome.history["objective"]) == 1
    assert outcome.cost == 0


def test_not_finite_at_the_start():
    """An objective that is infinite at the start cannot be minimised."""
    case = draw_case("squared", ("identity",), (3,))
    case = replace(case, layers=[V * 1e180 for V in case.layers])
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="initial"):
        run(case)


def test_cost_threshold():
    """The fit ends at the first turn whose cost is below the threshold."""
    outcome = run(draw_case(m=30, alpha=1e-4), cost_threshold=0.3, max_iter=200)
    assert outcome.reason == "cost_threshold"
    cost = outcome.history["cost"]
    assert cost[-1] <= 0.3 < cost[-2]


def test_validation_returns_the_best_weights():
    """Weights, objective and cost are those of the lowest validation loss."""
    case = draw_case("multinomial", ("tanh",), (6,), m=30, alpha=1e-6)
    other = draw_case("multinomial", ("tanh",), (6,), m=25, alpha=0.0, seed=9)
    seen = []

    def validate(theta):
        seen.append((other.value_at(theta), theta.copy()))
        return Validation(seen[-1][0], 0.5)

    outcome = run(case, validate=validate, max_iter=200, n_iter_no_change=4)
    assert outcome.reason == "validation"
    values = np.array([value for value, _ in seen])
    accepted = ~rejected_turns(outcome)
    assert_array_equal(outcome.history["validation_loss"][accepted], values)
    best = values.argmin()
    assert len(values) - 1 - best == 4
    assert_array_equal(outcome.theta, seen[best][1])
    assert outcome.objective == pytest.approx(case.value_at(outcome.theta), rel=1e-10)
    assert outcome.objective in outcome.history["objective"]


def test_observer():
    """It is told of each iteration and of the start, by the names of the history."""
    told = []
    outcome = run(draw_case(m=30), observer=told.append, max_iter=4)
    assert [progress.number for progress in told] == [0, 1, 2, 3, 4]
    assert {progress.most for progress in told} == {4}
    for name, column in outcome.history.items():
        assert_array_equal([progress.values[name] for progress in told], column)


def test_observer_sees_where_the_fit_stands_and_may_stop_it():
    """What it sees at its request is what the fit then returns."""
    case, seen = draw_case(m=30), []

    def observer(progress):
        seen.append(progress.outcome())
        return progress.number == 3

    outcome = run(case, observer=observer, max_iter=50)
    assert outcome.reason == "callback"
    assert [state.reason for state in seen] == [None] * 4
    assert len(outcome.history["objective"]) == 4
    assert_array_equal(seen[-1].theta, outcome.theta)
    assert seen[-1].objective == outcome.objective == outcome.history["objective"][-1]


def test_what_the_fit_finds_goes_before_a_request():
    outcome = run(draw_case(m=30), observer=lambda _: True, cost_threshold=1e9)
    assert outcome.reason == "cost_threshold"


def test_initial_weights_are_not_written_to():
    """The caller's theta stays."""
    case = draw_case(m=30)
    theta = case.theta
    before = theta.copy()
    step = Faulty(case)
    train(case.objective(), theta, step, GainRatioDamping(), Stopping(5, 0.0))
    assert_array_equal(theta, before)


def test_deterministic():
    """Two runs give the same bits."""
    case = draw_case("multinomial", ("relu", "tanh"), (5, 4), m=30)
    one, two = run(case), run(case)
    assert_array_equal(one.theta, two.theta)
    assert_array_equal(one.history["objective"], two.history["objective"])


# Steps that do not follow the model


def thread_step(case, solver):
    """Return the plain step of one of the thread's equations."""
    if solver == "joint":
        return PlainStep(JointEquations(case.input_factor(), 1 / case.weights.sum()))
    return PlainStep(SequentialEquations(case.input_factor()))


def run_thread(case, solver, control, step=None, **stopping):
    """Train a case by the thread's equations."""
    stopping = Stopping(**{"max_iter": 15, "tol": 0.0, **stopping})
    step = step or thread_step(case, solver)
    return train(case.objective(), case.theta, step, control, stopping)


@pytest.mark.parametrize("solver", ["sequential", "joint"])
@pytest.mark.parametrize("name", CASES)
def test_line_search_never_rises(name, solver):
    """Turn by turn the objective falls or stays; the end is what was promised."""
    case = CASES[name]
    outcome = run_thread(case, solver, LineSearch(0.1, 0.7))
    history = outcome.history
    assert np.all(np.diff(history["objective"]) <= 0)
    accepted = history["step_length"][1:] > 0
    assert_array_equal(np.diff(history["objective"]) < 0, accepted)
    assert outcome.reason in {"max_iter", "line_search", "converged"}
    assert outcome.objective == history["objective"][-1] == min(history["objective"])
    assert outcome.objective == pytest.approx(case.value_at(outcome.theta), rel=1e-9)
    assert_array_equal(history["damping"], 0.1)


@pytest.mark.parametrize("solver", ["sequential", "joint"])
@pytest.mark.parametrize("name", CASES)
def test_unguarded_keeps_the_best_weights(name, solver):
    """Whatever the steps do: nothing is NaN, and the lowest objective is returned."""
    case = CASES[name]
    outcome = run_thread(case, solver, Unguarded(0.1))
    for column in ("objective", "cost", "gradient_norm", "step_length"):
        assert np.isfinite(outcome.history[column]).all()
    assert np.isfinite(outcome.theta).all()
    objective = outcome.history["objective"]
    assert outcome.objective == objective.min()
    cost = outcome.history["cost"][objective.argmin()]
    assert outcome.cost == pytest.approx(cost, rel=1e-9)
    assert outcome.objective == pytest.approx(case.value_at(outcome.theta), rel=1e-9)
    if outcome.reason == "max_iter":
        assert objective[-1] <= objective[0]
    else:
        assert outcome.reason in {"diverged", "converged"}


def test_unguarded_steps_rise():
    """The tests above see a history that rises."""
    risen = [
        np.any(
            np.diff(run_thread(case, "sequential", Unguarded(0.1)).history["cost"]) > 0
        )
        for case in list(CASES.values())[::3]
    ]
    assert np.mean(risen) > 0.5


class Along:
    """A step along a given direction, at any point."""

    largest_curvature = 0.0
    spectra = ()

    def __init__(self, direction):
        self.direction = direction

    def propose(self, here, damping):
        direction = self.direction(here)
        D = here.objective.network.layers(direction)
        Z1_dot = np.empty_like(here.trace.Z[0])
        here.objective.inputs.product(D[0], out=Z1_dot)
        return Proposal(direction, Z1_dot, float(here.gradient @ direction), 1.0, 1.0)

    def accept(self, proposal):
        pass


@pytest.mark.parametrize("fraction", [0.25, 1.0])
@pytest.mark.parametrize("control", [LineSearch, Unguarded])
def test_fraction_of_the_step(control, fraction):
    """The first trial is that fraction of the step."""
    case = draw_case("squared", ("tanh",), (4,), m=30)
    downhill = Along(lambda here: -0.1 * here.gradient)
    outcome = run_thread(case, None, control(0.1, fraction), downhill, max_iter=1)
    expected = -0.1 * fraction * case.evaluation().gradient
    assert_allclose(outcome.theta - case.theta, expected, rtol=1e-9, atol=1e-12)
    length = outcome.history["step_length"][1]
    assert length == pytest.approx(np.linalg.norm(expected), rel=1e-12)


def test_line_search_gives_up():
    """Up the gradient no fraction lowers the objective: one turn per halving."""
    case = draw_case("multinomial", ("tanh",), (4,), m=30)
    uphill = Along(lambda here: here.gradient.copy())
    outcome = run_thread(case, None, LineSearch(0.1, 0.5), uphill, max_iter=100)
    assert outcome.reason == "line_search"
    assert len(outcome.history["objective"]) == 1 + 41
    assert_array_equal(outcome.theta, case.theta)
    assert_array_equal(outcome.history["objective"], outcome.objective)


def test_line_search_finds_the_fraction():
    """Down the gradient, a thousand times too far: halved until it falls, each time."""
    case = draw_case("multinomial", ("tanh",), (4,), m=30)
    downhill = Along(lambda here: -1000 * here.gradient)
    outcome = run_thread(case, None, LineSearch(0.1), downhill, max_iter=60)
    objective = outcome.history["objective"]
    rejected = rejected_turns(outcome)
    assert 2 * rejected.sum() > 60 and np.sum(~rejected) > 3
    assert np.all(np.diff(objective) <= 0) and objective[-1] < 0.9 * objective[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
@pytest.mark.parametrize("turns", [0, 2])
def test_unguarded_steps_that_overflow_end_the_fit(bad, turns):
    """Weights that are not finite end it as diverged, with the best weights so far."""
    case = draw_case("squared", ("identity",), (4,), m=30)
    points = []

    def direction(here):
        points.append(here.value)
        if len(points) > turns:
            return np.full_like(here.theta, bad)
        return -1e-3 * here.gradient

    outcome = run_thread(case, None, Unguarded(0.1), Along(direction))
    assert outcome.reason == "diverged"
    assert len(outcome.history["objective"]) == turns + 2
    assert np.isfinite(outcome.theta).all()
    assert outcome.objective == min(points) == points[-1]
    assert outcome.objective == pytest.approx(case.value_at(outcome.theta), rel=1e-9)


def test_unguarded_fit_that_ends_above_its_start_has_diverged():
    """At the last turn too; one that ends below has not."""
    case = draw_case("squared", ("tanh",), (4,), m=30)
    uphill = Along(lambda here: 1e-3 * here.gradient)
    outcome = run_thread(case, None, Unguarded(0.1), uphill, max_iter=3)
    assert outcome.reason == "diverged"
    assert_array_equal(outcome.theta, case.theta)
    downhill = Along(lambda here: -1e-3 * here.gradient)
    outcome = run_thread(case, None, Unguarded(0.1), downhill, max_iter=3)
    assert outcome.reason == "max_iter"
    assert outcome.objective == outcome.history["objective"][-1]


def test_unguarded_steps_back_from_the_best_point():
    """The best weights are those of the turn of the lowest objective, in the middle."""
    case = draw_case("squared", ("tanh",), (4,), m=30)
    thetas = []

    def there_and_back(here):
        thetas.append(here.theta.copy())
        sign = -1e-2 if len(thetas) <= 3 else 1e-2
        return sign * here.gradient

    outcome = run_thread(case, None, Unguarded(0.1), Along(there_and_back), max_iter=6)
    assert outcome.history["objective"].argmin() == 3
    assert_array_equal(outcome.theta, thetas[3])


def test_validation_of_unguarded_steps():
    """The weights of the best validation loss are returned, not of the best objective."""
    case = draw_case("squared", ("tanh",), (4,), m=30)
    other = draw_case("squared", ("tanh",), (4,), m=25, alpha=0.0, seed=9)
    seen = []

    def validate(theta):
        seen.append((other.value_at(theta), theta.copy()))
        return Validation(seen[-1][0], 0.5)

    stopping = Stopping(max_iter=60, tol=0.0, n_iter_no_change=4)
    step = thread_step(case, "joint")
    control = Unguarded(0.1, 0.5)
    outcome = train(case.objective(), case.theta, step, control, stopping, validate)
    values = np.array([value for value, _ in seen])
    objective = outcome.history["objective"]
    assert objective[-1] > objective[0]
    assert outcome.reason == "diverged"
    assert_array_equal(outcome.theta, seen[values.argmin()][1])
    assert len(values) - 1 - values.argmin() == 4
