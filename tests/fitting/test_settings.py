"""What the parameters of a fit stand for."""

import numpy as np
import pytest

from skgn.data.first_layer import FirstLayer
from skgn.fitting.settings import Settings
from skgn.model.losses import Multinomial
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.levenberg_marquardt import (
    FLOOR_SHARE,
    MOST_WEIGHTS,
    LevenbergMarquardtStep,
)
from skgn.thread.controls import LineSearch, Unguarded
from skgn.thread.joint import JointEquations
from skgn.thread.plain import PlainStep
from skgn.thread.sequential import SequentialEquations
from skgn.thread.signed import SignedStep
from skgn.training.damping import GainRatioDamping

THREAD = ["sequential", "joint"]


def settings(**parameters):
    """Return the settings of a small network."""
    return Settings((4,), ("tanh",), **parameters)


@pytest.mark.parametrize(
    ("m", "n", "expected"),
    [
        (2999, 5, None),  # few rows
        (3000, 5, 128),  # a hundredth, 128 at least
        (20_000, 5, 200),
        (10**6, 5, 256),
        (3000, 1500, 128),  # two rows per column
        (3000, 1501, None),
        (9999, 5000, None),
        (10_000, 5000, 128),
    ],
)
def test_automatic_batch_size(m, n, expected):
    """As documented; never with the thread's solvers."""
    assert settings().batch_size_for(m, n) == expected
    for solver in THREAD:
        assert settings(solver=solver).batch_size_for(m, n) is None


@pytest.mark.parametrize(
    ("given", "m", "expected"),
    [(None, 10**6, None), (50, 10**6, 50), (50, 20, 20), (1, 20, 1), (50, 50, 50)],
)
def test_given_batch_size(given, m, expected):
    """Whatever the shape of X, but no more rows than there are."""
    assert settings(batch_size=given).batch_size_for(m, 5) == expected
    assert settings(batch_size=given).batch_size_for(m, 10**6) == expected


@pytest.mark.parametrize(
    ("given", "m", "expected"),
    [("auto", 1000, 128), ("auto", 90, 90), (None, 500, 128), (30, 1000, 30), (30, 7, 7)],
)
def test_stream_batch_size(given, m, expected):
    """A stream has batches always."""
    assert settings(batch_size=given).stream_batch_size(m) == expected


@pytest.mark.parametrize("batched", [False, True])
def test_most_iterations(batched):
    """100 iterations, 20 epochs, or what is given."""
    assert settings().most_iterations(batched) == (20 if batched else 100)
    assert settings(max_iter=7).most_iterations(batched) == 7
    assert settings(max_iter=7).stopping(batched).max_iter == 7
    assert settings().stopping(batched).max_iter == (20 if batched else 100)


def test_stopping_takes_the_parameters():
    """By their names."""
    parameters = {"tol": 0.3, "cost_threshold": 0.2, "n_iter_no_change": 9}
    stopping = settings(**parameters).stopping(False)
    assert {name: getattr(stopping, name) for name in parameters} == parameters


def test_initial_damping_is_of_the_mean_cost():
    """Of 0.01 by default, whatever the weights sum to."""
    for total in (1.0, 250.0):
        assert settings().initial_damping(total) == 0.01
        assert settings(damping=3).initial_damping(total) == 3.0


@pytest.mark.parametrize("solver", THREAD)
def test_initial_damping_of_the_thread_is_of_the_summed_cost(solver):
    """The identity matrix by default: divided by the weights' sum, a mean's unit."""
    for total in (1.0, 250.0):
        default = settings(solver=solver).initial_damping(total)
        assert default == pytest.approx(1 / total)
        given = settings(solver=solver, damping=3.0).initial_damping(total)
        assert given == pytest.approx(3 / total)


@pytest.mark.parametrize(
    ("n", "expected"), [(1, 0.03), (256, 0.03), (512, 0.06), (10_000, 0.1)]
)
def test_damping_of_batches(n, expected):
    """Grows with columns beyond 256, to 0.1; what is given does not."""
    assert settings().batch_damping(n) == pytest.approx(expected)
    assert settings(damping=2).batch_damping(n) == 2.0


def test_initial_alpha():
    """What is given, zero too; else where the search, or a thread's fit, begins."""
    assert settings().initial_alpha == 1e-3
    assert settings().searches_alpha
    for solver in ("kronecker", *THREAD):
        for alpha in (0, 0.5):
            given = settings(solver=solver, alpha=alpha)
            assert given.initial_alpha == alpha
            assert isinstance(given.initial_alpha, float)
            assert not given.searches_alpha
    for solver in THREAD:
        assert settings(solver=solver).initial_alpha == 1e-4
        assert not settings(solver=solver).searches_alpha


SAFEGUARDS = {"sign": GainRatioDamping, "line_search": LineSearch, None: Unguarded}


def test_the_default_step():
    """Kronecker blocks under a damping that adapts."""
    assert isinstance(step_of(settings()), KroneckerStep)
    assert settings().control(0.5) == GainRatioDamping(0.5)


def test_the_step_of_the_complete_matrix():
    """With a lower floor of the damping, which its factorisations allow."""
    given = settings(solver="levenberg-marquardt")
    assert isinstance(step_of(given), LevenbergMarquardtStep)
    assert given.control(0.5) == GainRatioDamping(0.5, floor_share=FLOOR_SHARE)
    assert given.searches_alpha
    assert given.batch_size_for(10**6, 5) is None
    assert given.initial_damping(7.0) == settings().initial_damping(7.0)


def test_spread_intercepts():
    """With the complete matrix, and with a single column; never in the thread's."""
    assert all(
        settings(solver="levenberg-marquardt").spreads_intercepts(n) for n in (1, 2)
    )
    assert settings().spreads_intercepts(1)
    assert not settings().spreads_intercepts(2)
    assert not any(settings(solver=solver).spreads_intercepts(1) for solver in THREAD)


def test_most_weights():
    """Of the complete matrix alone."""
    given = settings(solver="levenberg-marquardt")
    given.check_size(MOST_WEIGHTS, (9, 1))
    settings().check_size(MOST_WEIGHTS + 1, (9, 1))
    with pytest.raises(ValueError, match="9 x 1 units have 4,097"):
        given.check_size(MOST_WEIGHTS + 1, (9, 1))


@pytest.mark.parametrize("solver", THREAD)
@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=str)
def test_steps_of_the_thread(solver, safeguard):
    """Which equations, with signs or as they are, and how they are judged."""
    given = settings(solver=solver, safeguard=safeguard, step_size=0.5)
    step = step_of(given)
    assert isinstance(step, SignedStep if safeguard == "sign" else PlainStep)
    equations = JointEquations if solver == "joint" else SequentialEquations
    assert isinstance(step.equations, equations)
    control = given.control(0.25)
    assert isinstance(control, SAFEGUARDS[safeguard])
    assert (control.value, control.fraction) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("order", "step_size", "updated"),
    [("jacobi", 0.5, 0), ("gauss_seidel", 0.5, 0.5), ("gauss_seidel", 1.0, 1.0)],
)
def test_gauss_seidel_passes_down_by_the_step_tried_first(order, step_size, updated):
    """In Jacobi order by the weights before it."""
    given = settings(solver="sequential", order=order, step_size=step_size)
    assert step_of(given).equations.updated == updated


def step_of(given):
    """Return the step on a few rows."""
    X = np.random.default_rng(0).normal(size=(9, 3))
    state = np.random.RandomState(0)
    first = FirstLayer.of(X, np.full(9, 1 / 9), True, state)
    return given.step(first, Multinomial(), 3, 0.25)
