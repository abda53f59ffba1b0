"""A fitted network as a function of raw X, against a forward pass row by row."""

import pickle
from copy import copy, deepcopy
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgn.data.columns import Standardisation
from skgn.model.network import Network
from skgn.model.prediction import Predictor
from tests import oracles

NETS = {
    "none": (),
    **{name: (name,) for name in oracles.ACTIVATIONS},
    "two": ("silu", "tanh"),
    "three": ("relu", "logistic", "leaky_relu"),
}
MEAN, SCALE = np.array([3.0, -0.2, 0.0]), np.array([2.0, 0.1, 5.0])

pytestmark = pytest.mark.usefixtures("chunks")


def standardised(activations, dtype=np.float64):
    """Return random weights for standardised columns."""
    rng = np.random.default_rng(0)
    widths = (3, *(5, 4, 6)[: len(activations)], 2)
    return [
        rng.normal(size=(1 + rows, columns)).astype(dtype)
        for rows, columns in pairwise(widths)
    ]


def predictor(activations, dtype=np.float64, mean=MEAN, scale=SCALE):
    """Return the predictor of these weights, for columns of a mean and a scale."""
    layers = standardised(activations, dtype)
    widths = (len(layers[0]) - 1, *(V.shape[1] for V in layers))
    columns = Standardisation(np.array(mean), np.array(scale))
    return Predictor.of(Network.of(widths, activations), layers, columns)


def raw(m=20, mean=MEAN, scale=SCALE):
    """Return rows of columns of a mean and a scale, some of the entries zero."""
    rng = np.random.default_rng(1)
    X = mean + scale * rng.normal(size=(m, 3))
    X[rng.uniform(size=X.shape) < 0.3] = 0
    return X


@pytest.fixture(params=NETS)
def activations(request):
    return NETS[request.param]


def test_outputs_by_raw_weights(activations):
    """Those of coefs and intercepts, and of the weights it was built from."""
    model, X = predictor(activations), raw()
    pairs = zip(model.intercepts, model.coefs, strict=True)
    layers = [np.vstack([b, W]) for b, W in pairs]
    Z = model.outputs(X)
    assert Z.dtype == np.float64
    assert_allclose(Z, oracles.outputs(layers, activations, X), rtol=1e-10, atol=1e-12)
    given = standardised(activations)
    expected = oracles.outputs(given, activations, (X - MEAN) / SCALE)
    assert_allclose(Z, expected, rtol=1e-10, atol=1e-12)


def test_float32_predicts_in_its_precision(activations):
    """Every output is a float32, given as a float64; X of either type counts as one."""
    model, X = predictor(activations, np.float32), raw()
    assert model.dtype == np.float32
    assert {array.dtype for array in (*model.coefs, *model.intercepts)} == {model.dtype}
    Z = model.outputs(X)
    assert Z.dtype == np.float64
    assert_array_equal(Z, Z.astype(np.float32))
    assert_array_equal(model.outputs(X.astype(np.float32)), Z)
    given = standardised(activations, np.float32)
    expected = oracles.outputs(given, activations, (X - MEAN) / SCALE)
    assert_allclose(Z, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "distance", "tolerance"),
    [(np.float64, 1e8, 1e-12), (np.float32, 1e4, 1e-5)],
    ids=["float64", "float32"],
)
def test_a_column_far_from_zero_keeps_its_digits(dtype, distance, tolerance):
    """With the mean in the intercept `distance` roundings of the fit were lost."""
    mean = distance * SCALE * np.array([1, 0.3, -1])
    model = predictor(("tanh",), dtype, mean)
    X = (mean + SCALE * np.random.default_rng(1).normal(size=(20, 3))).astype(dtype)
    given = standardised(("tanh",), dtype)
    expected = oracles.outputs(given, ("tanh",), (X.astype(float) - mean) / SCALE)
    assert np.abs(model.outputs(X) - expected).max() < tolerance
    # a plain sum, which this test is to tell apart
    first = np.vstack([model.intercepts[0], model.coefs[0]])
    plain = (np.hstack([np.ones((20, 1)), X]).astype(dtype) @ first).astype(dtype)
    Z_1 = np.hstack([np.ones((20, 1)), (X.astype(float) - mean) / SCALE]) @ given[0]
    assert np.abs(plain - Z_1).max() > 10 * tolerance


def test_a_mean_that_float32_cannot_hold_is_not_rounded():
    """What a float32 leaves of it is small against the mean, not against a deviation."""
    mean = 1e4 * SCALE * np.array([1, 1 / 3, -np.sqrt(2)])
    model = predictor(("tanh",), np.float32, mean)
    X = mean + SCALE * np.random.default_rng(1).normal(size=(20, 3))
    X = X.astype(np.float32)
    given = standardised(("tanh",), np.float32)
    expected = oracles.outputs(given, ("tanh",), (X.astype(float) - mean) / SCALE)
    assert np.abs(model.outputs(X) - expected).max() < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_equals_dense(activations, dtype):
    """Implicitly centred."""
    model, X = predictor(activations, dtype), raw().astype(dtype)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    Z = model.outputs(sparse.csr_array(X))
    assert Z.dtype == np.float64
    assert_allclose(Z, model.outputs(X), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_overflow_give_finite_outputs(activations, dtype, as_sparse):
    """Of the largest numbers there are, of either sign; other rows do not suffer."""
    model, X = predictor(activations, dtype), raw().astype(dtype)
    expected = model.outputs(X)
    X[3], X[7], X[8] = [np.finfo(dtype).max * np.array(s) for s in
                        ((1, 1, 1), (-1, 1, -1), (1, 0, 0))]  # fmt: skip
    Z = model.outputs(sparse.csr_array(X) if as_sparse else X)
    assert np.isfinite(Z).all()
    others = np.delete(np.arange(len(X)), [3, 7, 8])
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    assert_allclose(Z[others], expected[others], rtol=tolerance, atol=tolerance)


def test_signs_survive_an_overflow():
    """Without hidden layers an output far out has the sign of its column's weight."""
    model = predictor(())
    X = np.tile(MEAN, (3, 1))
    X[np.arange(3), np.arange(3)] = 1e308
    assert_array_equal(np.sign(model.outputs(X)), np.sign(model.coefs[0]))


def test_no_rows():
    """An empty array of outputs."""
    assert predictor(("tanh",)).outputs(np.zeros((0, 3))).shape == (0, 2)


COPIES = {
    "itself": lambda model: model,
    "pickled": lambda model: pickle.loads(pickle.dumps(model)),
    "copied": copy,
    "copied deeply": deepcopy,
}


@pytest.mark.parametrize("copied", COPIES)
def test_arrays_cannot_be_written_to(copied):
    """Nor can those that come back from a pickle; their outputs are the same."""
    model, X = predictor(("silu", "tanh")), raw()
    expected = model.outputs(X)
    model = COPIES[copied](model)
    columns = model.columns.mean, model.columns.scale
    for array in (*model.layers, *model.coefs, *model.intercepts, *columns):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert_array_equal(model.outputs(X), expected)


def test_weights_are_its_own():
    """Those it was built from stay free, and changing them changes nothing."""
    layers = standardised(("tanh",))
    network = Network.of((3, 5, 2), ("tanh",))
    model = Predictor.of(network, layers, Standardisation(MEAN.copy(), SCALE.copy()))
    expected = model.outputs(raw())
    for V in layers:
        V[:] = 0
    assert_array_equal(model.outputs(raw()), expected)


def test_a_pickle_does_not_grow_by_predictions():
    """What follows from the weights is not stored."""
    model = predictor(("tanh",))
    size = len(pickle.dumps(model))
    model.outputs(raw())
    model.outputs(sparse.csr_array(raw()))
    assert len(pickle.dumps(model)) == size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardised_layers(activations, dtype):
    """The weights it was built from, in float64."""
    layers = predictor(activations, dtype).standardised_layers
    assert {V.dtype.name for V in layers} == {"float64"}
    for V, given in zip(layers, standardised(activations, dtype), strict=True):
        assert_allclose(V, given, rtol=2 * np.finfo(dtype).eps)


def test_largest_product():
    """Rows times the largest matrix, its intercepts included."""
    assert predictor(("silu", "tanh")).largest_product(7) == 7 * 6 * 4
