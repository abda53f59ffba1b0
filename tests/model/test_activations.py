"""Hidden activations against independent formulas and finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.model.activations import ACTIVATIONS
from tests import oracles

# away from the kink at zero
Z = np.concatenate([-np.geomspace(0.01, 30, 40), np.geomspace(0.01, 30, 40)])


def value_of(name, Z):
    A = np.empty_like(Z)
    ACTIVATIONS[name].value(Z, A)
    return A


def derivative_of(name, Z):
    slope = np.empty_like(Z)
    ACTIVATIONS[name].derivative(Z, value_of(name, Z), slope)
    return slope


def test_every_activation_has_an_oracle():
    """No activation escapes the tests."""
    assert set(ACTIVATIONS) == set(oracles.ACTIVATIONS)
    assert all(name == ACTIVATIONS[name].name for name in ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value(name):
    """g(Z) is the textbook function."""
    value, _ = oracles.ACTIVATIONS[name]
    assert_allclose(value_of(name, Z), value(Z), rtol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_the_slope_of_the_value(name):
    """g'(Z) agrees with central differences of the package's own g."""
    h = 1e-5
    expected = (value_of(name, Z + h) - value_of(name, Z - h)) / (2 * h)
    assert_allclose(derivative_of(name, Z), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_reads_its_arguments_only(name):
    """Neither Z nor A is written to, and what stood in `out` does not matter."""
    Z_given, A = Z.copy(), value_of(name, Z)
    A_before = A.copy()
    slope = np.full_like(Z, np.nan)
    ACTIVATIONS[name].derivative(Z_given, A, slope)
    assert_array_equal(slope, derivative_of(name, Z))
    assert_array_equal(A, A_before)
    assert_array_equal(Z_given, Z)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_precision_is_kept_and_extremes_are_finite(name, dtype):
    """float32 stays float32; no overflow at |Z| = 1e4."""
    Z = np.array([[-1e4, -100, -1, 0, 1, 100, 1e4]], dtype=dtype)
    A, slope = value_of(name, Z), derivative_of(name, Z)
    assert A.dtype == slope.dtype == dtype
    assert np.isfinite(A).all() and np.isfinite(slope).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_results_may_be_written_next_to_a_column_of_ones(name):
    """`out` need not be contiguous."""
    tilde = np.ones((4, 6))
    Z = np.random.default_rng(0).normal(size=(4, 5))
    ACTIVATIONS[name].value(Z, tilde[:, 1:])
    assert_allclose(tilde[:, 1:], value_of(name, Z))
    assert_array_equal(tilde[:, 0], 1)
    slopes = np.ones((4, 6))
    ACTIVATIONS[name].derivative(Z, tilde[:, 1:], slopes[:, 1:])
    assert_allclose(slopes[:, 1:], derivative_of(name, Z))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gain_keeps_the_mean_square(name):
    """With weights of this gain, activations have a mean square near one."""
    z = np.random.default_rng(0).standard_normal(200_000)
    mean_square = np.mean(value_of(name, z) ** 2)
    assert ACTIVATIONS[name].gain ** 2 * mean_square == pytest.approx(1, abs=0.03)
