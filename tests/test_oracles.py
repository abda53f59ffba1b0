"""The oracles themselves: the chain rule against finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests import oracles
from tests.problems import network_cases

CASES = network_cases()


@pytest.mark.parametrize("name", CASES)
def test_parameter_jacobian_is_the_derivative_of_the_outputs(name):
    """∂z_L/∂θ by the chain rule agrees with central differences."""
    case = CASES[name]
    x = case.X[0]
    for k in range(case.widths[-1]):

        def output(theta, k=k):
            layers = oracles.unflatten(theta, case.shapes)
            return oracles.outputs(layers, case.activations, x[None])[0, k]

        expected = oracles.numerical_gradient(output, case.theta)
        actual = oracles.parameter_jacobian(case.layers, case.activations, x)[k]
        assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", ["bernoulli", "multinomial", "squared"])
def test_loss_hessian_is_the_second_derivative_of_the_loss(loss):
    """The dense Hessian agrees with differences of differences."""
    z = np.array([0.3, -1.2, 0.8])
    y = 1 if loss == "multinomial" else np.array([1, 0, 1])

    def gradient(z):
        return oracles.numerical_gradient(
            lambda z: oracles.loss_row(loss, z, y), z, h=1e-4
        )

    h = 1e-4
    H = [(gradient(z + h * e) - gradient(z - h * e)) / (2 * h) for e in np.eye(3)]
    assert_allclose(oracles.loss_hessian(loss, z), H, atol=1e-6)
