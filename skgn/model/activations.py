r"""Hidden activations: value, derivative and the gain of their initial weights.

An activation acts element by element, ``A = g(Z)``. The derivative is asked for at a
point where the value is already known, so it is a function of both ``Z`` and ``A``:

============  ===========================  ==============================
name          value                        derivative
============  ===========================  ==============================
identity      Z                            1
logistic      s(Z) = 1 / (1 + exp(-Z))     A (1 - A)
tanh          tanh(Z)                      1 - A^2
relu          max(Z, 0)                    1 where Z > 0, else 0
leaky_relu    max(Z, Z / 100)              1 where Z > 0, else 1 / 100
silu          Z s(Z)                       s(Z) + A (1 - s(Z))
============  ===========================  ==============================

At the kink of the two rectifiers the derivative is the one from the left.
Nothing in the default solver divides by a derivative.

The gain is the factor by which the standard deviation of initial weights exceeds
``1 / sqrt(fan_in)``. It is about ``1 / sqrt(E[g(z)^2])`` for a standard normal z, so
that the activations of every layer start with mean square near one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from skgn.typing import Array

LEAK = 0.01


@dataclass(frozen=True)
class Activation:
    """One element-wise function of a hidden layer.

    Attributes
    ----------
    name : str
        The name users give.
    value : callable
        ``value(Z, out)`` writes g(Z) into `out`; shapes agree.
    derivative : callable
        ``derivative(Z, A, out)`` writes g'(Z) into `out`, given ``A = g(Z)``.
    gain : float
        Factor of the initial weights' standard deviation.
    """

    name: str
    value: Callable[[Array, Array], object]
    derivative: Callable[[Array, Array, Array], object]
    gain: float

    def __getstate__(self) -> dict[str, str]:
        """Return the name alone: saved models do not depend on the functions' names."""
        return {"name": self.name}

    def __setstate__(self, state: dict[str, str]) -> None:
        """Look the functions up."""
        self.__dict__.update(ACTIVATIONS[state["name"]].__dict__)


def _identity(Z: Array, out: Array) -> None:
    out[:] = Z


def _identity_derivative(Z: Array, A: Array, out: Array) -> None:
    out[:] = 1


def _logistic(Z: Array, out: Array) -> None:
    expit(Z, out=out)


def _logistic_derivative(Z: Array, A: Array, out: Array) -> None:
    np.subtract(1, A, out=out)
    out *= A


def _tanh(Z: Array, out: Array) -> None:
    np.tanh(Z, out=out)


def _tanh_derivative(Z: Array, A: Array, out: Array) -> None:
    np.multiply(A, A, out=out)
    np.subtract(1, out, out=out)


def _relu(Z: Array, out: Array) -> None:
    np.maximum(Z, 0, out=out)


def _relu_derivative(Z: Array, A: Array, out: Array) -> None:
    np.greater(Z, 0, out=out)


def _leaky_relu(Z: Array, out: Array) -> None:
    np.multiply(Z, Z.dtype.type(LEAK), out=out)
    np.maximum(Z, out, out=out)


def _leaky_relu_derivative(Z: Array, A: Array, out: Array) -> None:
    np.greater(Z, 0, out=out)
    out *= 1 - LEAK  # in three passes far faster than by np.where
    out += LEAK


def _silu(Z: Array, out: Array) -> None:
    expit(Z, out=out)
    out *= Z


def _silu_derivative(Z: Array, A: Array, out: Array) -> None:
    expit(Z, out=out)
    out += A * (1 - out)


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", _identity, _identity_derivative, 1.0),
        Activation("logistic", _logistic, _logistic_derivative, 1.85),
        Activation("tanh", _tanh, _tanh_derivative, 1.59),
        Activation("relu", _relu, _relu_derivative, 2**0.5),
        Activation("leaky_relu", _leaky_relu, _leaky_relu_derivative, 2**0.5),
        Activation("silu", _silu, _silu_derivative, 1.68),
    )
}
