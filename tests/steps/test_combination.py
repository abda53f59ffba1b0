"""The damped quadratic model on the span of some directions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.steps.combination import Model
from skgn.thread.layerwise import tangent_of
from tests.problems import network_cases

CASES = network_cases()


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def directions(case, k=3, seed=0):
    """Return random flat directions, in rows."""
    return np.random.default_rng(seed).normal(size=(k, case.theta.size))


def model_of(case, D):
    """Return the package's model over directions."""
    here = case.evaluation()
    return Model.of(here, [tangent_of(here, d) for d in D])


def random_model(k, rank, seed=0):
    """Return a model whose curvature has a given rank, over dependent directions."""
    rng = np.random.default_rng(seed)
    R = rng.normal(size=(rank, k))
    return Model(R.T @ rng.normal(size=rank), R.T @ R, R.T @ R)


def test_entries(case):
    """Slopes, curvatures and products by the dense Gauss-Newton matrix."""
    D, G = directions(case), case.gauss_newton()
    model = model_of(case, D)
    assert_allclose(model.slopes, D @ case.evaluation().gradient, rtol=1e-9, atol=1e-12)
    assert_allclose(model.curvatures, D @ G @ D.T, rtol=1e-8, atol=1e-10)
    assert_allclose(model.products, D @ D.T, rtol=1e-10)


@pytest.mark.parametrize("damping", [1e-3, 1.0, 1e4])
def test_best_coefficients(case, damping):
    """They solve the dense damped model on the span, which then descends."""
    D, G = directions(case), case.gauss_newton()
    gradient = case.evaluation().gradient
    M = D @ (G + damping * np.eye(len(G))) @ D.T
    model = model_of(case, D)
    c = model.best(damping)
    assert_allclose(c, -np.linalg.solve(M, D @ gradient), rtol=1e-6, atol=1e-9)
    assert model.slopes @ c < 0


def test_potential(case):
    """What the minimum promises, at a damping of at most the given one."""
    D, G = directions(case), case.gauss_newton()
    slopes = D @ case.evaluation().gradient
    model = model_of(case, D)
    for damping, largest, used in ((0.1, 5.0, 0.1), (1e6, 5.0, 5.0), (0.1, 0.0, 0.0)):
        M = D @ (G + used * np.eye(len(G))) @ D.T
        expected = 0.5 * slopes @ np.linalg.pinv(M, rcond=1e-12) @ slopes
        if used:
            actual = model.potential(damping, largest)
            assert actual == pytest.approx(expected, rel=1e-6)
        else:
            assert model.potential(damping, largest) >= 0


def test_largest_curvature(case):
    """The largest curvature along one of the directions, per squared length."""
    D, G = directions(case), case.gauss_newton()
    expected = max(d @ G @ d / (d @ d) for d in D)
    assert model_of(case, D).largest == pytest.approx(expected, rel=1e-8)


def test_directions_of_length_zero():
    """They have no curvature, and no say."""
    model = Model(np.array([0.0, -1.0]), np.diag([0.0, 2.0]), np.diag([0.0, 4.0]))
    assert model.largest == 0.5
    for damping in (0.0, 1.0):
        c = model.best(damping)
        assert np.isfinite(c).all()
        assert c[1] == pytest.approx(1 / (2 + 4 * damping))
    nothing = Model(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)))
    assert nothing.largest == 0
    assert nothing.potential(1.0, 1.0) == 0


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("damping", [0.0, 0.1])
@pytest.mark.parametrize(("k", "rank"), [(4, 2), (6, 5), (3, 1)])
def test_dependent_directions(k, rank, damping, scale):
    """A singular model has a finite minimiser that is as low as any, in any unit."""
    model = random_model(k, rank)
    units = scale ** np.linspace(0, 1, k)
    model = Model(
        model.slopes * units,
        model.curvatures * units * units[:, None],
        model.products * units * units[:, None],
    )
    c = model.best(damping)
    M = model.curvatures + damping * model.products
    assert_allclose(M @ c / units, -model.slopes / units, atol=1e-6)
    assert model.potential(damping, 1e9) == pytest.approx(-0.5 * model.slopes @ c)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_not_a_model(bad):
    """A curvature that is not finite, or negative, is an error of linear algebra."""
    curvatures = np.diag([1.0, bad])
    model = Model(np.ones(2), curvatures, np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match="not positive and finite"):
        model.best(0.5)
    with pytest.raises(np.linalg.LinAlgError, match="not positive and finite"):
        model.potential(0.5, 1.0)
