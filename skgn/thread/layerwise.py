r"""Layer by layer from the output's error down: what the thread's solvers share.

The equations of :mod:`skgn.thread.sequential` and :mod:`skgn.thread.joint` ask each layer
for the change of its weights that removes an error ``E_l`` of its ``Z_l``, and pass an
error ``ΔA_{l-1}`` to the layer below:

    E_L = working residual of the loss: H E_L = P - Y, of minimum norm
    D_l = argmin  Σ_i w_i ‖ã_i' D + e_i‖² + λ ‖D‖²
    E_{l-1} = ΔA_{l-1} / g'_{l-1},    l = L .. 2.

They differ in λ and in what is passed down. The size of g' is floored at 2^-20, its sign
kept (that of zero is +), so that a saturated or inactive unit does not divide by zero.
The least-squares problem of the first layer uses the decomposition of ``S_1`` that is
made once per fit; with raw row weights w of sum Σw,
``Ã'WÃ + λ I = Σw (S_1 + (λ/Σw) I)``. Where ``S_1`` is truncated, so is that problem.

The equations know neither the weights H of the loss nor the penalty, and nothing bounds
``1/g'`` and the pseudo-inverse of ``W``: their direction is often hardly one of descent,
of a length that grows from layer to layer. What is done with it is the matter of
:mod:`skgn.thread.plain` and :mod:`skgn.thread.signed`.
"""

from abc import ABC, abstractmethod

import numpy as np

from skgn.linalg.kronecker import Factor
from skgn.linalg.least_squares import ridge
from skgn.model.evaluation import Evaluation, Tangent
from skgn.typing import Array

#: Derivatives that are divided by have at least this size.
SLOPE_FLOOR = 2.0**-20


def divide_by_slope(change: Array, slope: Array) -> Array:
    """Return ``change / slope`` with the size of the slope floored, its sign kept."""
    floored = np.maximum(np.abs(slope), slope.dtype.type(SLOPE_FLOOR))
    return change / np.copysign(floored, slope + 0.0)


def pseudo_inverse(W: Array) -> Array:
    """Return ``pinv(W)``, singular values of W at rounding left out."""
    cut = max(W.shape) * np.finfo(W.dtype).eps
    inverse: Array = np.linalg.pinv(W, rcond=cut)
    return inverse


class LayerEquations(ABC):
    """Equations for the layers' steps.

    Parameters
    ----------
    input_factor : Factor
        Of ``S_1``, decomposed once per fit.
    """

    #: λ/Σw of the layers' equations; zero takes pseudo-inverses.
    damping = 0.0

    def __init__(self, input_factor: Factor):
        self.input_factor = input_factor

    @abstractmethod
    def pass_down(self, E: Array, tilde: Array, V: Array, D: Array) -> Array:
        """Return ``ΔA_{l-1}``, shape (m, n_{l-1}).

        Parameters
        ----------
        E : ndarray of shape (m, n_l)
            Error of the layer.
        tilde : ndarray of shape (m, 1 + n_{l-1})
            Its input ``Ã_{l-1}``.
        V, D : ndarray of shape (1 + n_{l-1}, n_l)
            Its weights before its step, and the step.
        """

    def direction(self, here: Evaluation) -> Array:
        """Return the layers' steps ``D_1 .. D_L``, flat.

        Raises
        ------
        LinAlgError
            If they are not finite.
        """
        objective = here.objective
        weights = objective.row_weights
        direction = np.empty_like(here.theta)
        D = objective.network.layers(direction)
        E = objective.loss.working_residual(here.pointwise)
        for l in range(len(D) - 1, 0, -1):
            tilde = here.trace.hidden[l - 1]
            np.negative(ridge(tilde, weights, E, self.damping), out=D[l])
            change = self.pass_down(E, tilde, here.layers[l], D[l])
            E = divide_by_slope(change, here.trace.slopes[l - 1])
        right = objective.inputs.adjoint(weights[:, None] * E)
        np.negative(self.input_factor.solve(right, self.damping), out=D[0])
        if not np.all(np.isfinite(direction)):
            raise np.linalg.LinAlgError("a direction is not finite")
        return direction


def tangent_of(here: Evaluation, direction: Array) -> Tangent:
    """Return the tangent of a flat direction, product with the inputs included."""
    return here.tangents([direction], [here.first_change(direction)])[0]
