"""The model over each unit's column of a step, against the dense matrix."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.linalg import products
from skgn.model.network import Network
from skgn.thread.layerwise import tangent_of
from skgn.thread.unit_lengths import scale_units, unit_model
from tests import oracles
from tests.problems import case as draw_case
from tests.problems import network_cases

CASES = network_cases()


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def draw(case, k=2, seed=0):
    """Return random flat directions."""
    return np.random.default_rng(seed).normal(size=(k, case.theta.size))


@pytest.mark.parametrize("further", [False, True])
@pytest.mark.usefixtures("chunks")
def test_unit_model(case, further):
    """D_u' G D_v, slopes and products; penalty and a further direction included."""
    here = case.evaluation()
    direction, P = draw(case)
    columns, other = oracles.unit_columns(case.shapes, direction), None
    if further:
        columns, other = np.vstack([columns, P]), tangent_of(here, P)
    model = unit_model(here, tangent_of(here, direction), other)
    expected = columns @ case.gauss_newton() @ columns.T
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected))).max()
    assert_allclose(model.curvatures, expected, rtol=1e-8, atol=1e-11 * size)
    assert_allclose(model.slopes, columns @ here.gradient, rtol=1e-8, atol=1e-12)
    assert_allclose(model.products, columns @ columns.T, rtol=1e-9, atol=1e-13)
    assert_array_equal(model.curvatures, model.curvatures.T)


def test_whole_step_is_the_sum_of_the_units(case):
    """All lengths one give the curvature and the slope along the step itself."""
    here = case.evaluation()
    direction = draw(case, 1)[0]
    model = unit_model(here, tangent_of(here, direction), None)
    one = np.ones(len(model.slopes))
    assert len(one) == sum(case.widths[1:])
    along = direction @ case.gauss_newton() @ direction
    assert one @ model.curvatures @ one == pytest.approx(along, rel=1e-9)
    assert one @ model.slopes == pytest.approx(here.gradient @ direction, rel=1e-9)


@pytest.mark.parametrize("loss", ["bernoulli", "multinomial", "squared"])
def test_many_rows_in_chunks(loss, monkeypatch):
    """Chunks that do not divide the rows make no difference."""
    case = draw_case(loss, ("tanh", "silu"), (5, 4), m=61, K=4)
    here = case.evaluation()
    tangents = [tangent_of(here, D) for D in draw(case)]
    whole = unit_model(here, *tangents)
    for rows in (1, 7, 60, 61):
        monkeypatch.setattr(products, "CHUNK_ROWS", rows)
        monkeypatch.setattr(products, "CHUNK_SIZE", 1)
        part = unit_model(here, *tangents)
        assert_allclose(part.curvatures, whole.curvatures, rtol=1e-9, atol=1e-13)


def test_float32():
    """The model of a float32 fit is near that in float64, and is held in float64."""
    case = draw_case("multinomial", ("tanh",), (4,), m=40)
    D = draw(case)
    models = []
    for dtype in (np.float32, np.float64):
        here = case.objective(dtype).evaluate(case.theta.astype(dtype))
        tangents = [tangent_of(here, d.astype(dtype)) for d in D]
        models.append(unit_model(here, *tangents))
    for name in ("slopes", "curvatures", "products"):
        single, double = (getattr(model, name) for model in models)
        assert single.dtype == np.float64
        assert_allclose(single, double, rtol=1e-4, atol=1e-5 * np.abs(double).max())


def test_scale_units():
    """Each column by its own number, and that of layer 1 in the change of Z_1 too."""
    network = Network.of((2, 3, 2), ("tanh",))
    step = np.ones(network.size)
    Z1_dot = np.ones((4, 3))
    scale_units(network, step, Z1_dot, np.array([2.0, 3, 4, 5, 6, 99]))
    first, last = network.layers(step)
    assert_array_equal(first, np.tile([2.0, 3, 4], (3, 1)))
    assert_array_equal(last, np.tile([5.0, 6], (4, 1)))
    assert_array_equal(Z1_dot, np.tile([2.0, 3, 4], (4, 1)))
