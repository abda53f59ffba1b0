r"""The best combination of some directions under the damped quadratic model.

With the directions ``D_i``, the Gauss-Newton matrix G of the objective and damping λ,

    M_ij = D_i' G D_j + λ ⟨D_i, D_j⟩,       M c = -⟨∇, D_i⟩ .

Since M is positive definite the combination ``Σ c_i D_i`` descends: its slope is
``-c' M c < 0``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skgn.linalg.least_squares import solve_positive
from skgn.linalg.products import add_scaled
from skgn.model.evaluation import Evaluation, Tangent
from skgn.steps.proposal import Proposal
from skgn.typing import Array


@dataclass(frozen=True)
class Model:
    """The quadratic model on the span of k directions.

    Attributes
    ----------
    slopes : ndarray of shape (k,)
        ``⟨∇, D_i⟩``.
    curvatures : ndarray of shape (k, k)
        ``D_i' G D_j``.
    products : ndarray of shape (k, k)
        ``⟨D_i, D_j⟩``.
    """

    slopes: Array
    curvatures: Array
    products: Array

    @classmethod
    def of(cls, here: Evaluation, tangents: Sequence[Tangent]) -> "Model":
        """Return the model at an evaluation over directions given by their tangents."""
        directions = [tangent.direction for tangent in tangents]
        return cls(
            slopes=np.array([float(here.gradient @ D) for D in directions]),
            curvatures=here.gauss_newton(tangents),
            products=np.array([[float(D @ E) for E in directions] for D in directions]),
        )

    @property
    def largest(self) -> float:
        """Largest curvature along any one of the directions."""
        squares = np.diag(self.products)
        known = squares > 0
        ratios = np.diag(self.curvatures)[known] / squares[known]
        return float(ratios.max(initial=0.0))

    def best(self, damping: float) -> Array:
        """Return the coefficients c of the minimum, shape (k,).

        Raises
        ------
        LinAlgError
            If the model is not finite.
        """
        M = self.curvatures + damping * self.products
        _check(M)
        return _minimiser(M, self.slopes)

    def potential(self, damping: float, largest: float) -> float:
        """Return the decrease promised at a damping of at most `largest`."""
        M = self.curvatures + min(damping, largest) * self.products
        _check(M)
        return float(-0.5 * self.slopes @ _minimiser(M, self.slopes))


def best_combination(
    here: Evaluation, tangents: list[Tangent], damping: float, largest: float
) -> Proposal:
    """Minimise the damped Gauss-Newton model over the span of some directions.

    The first direction becomes the step, in place. `largest` is the largest curvature.
    """
    model = Model.of(here, tangents)
    c = model.best(damping)
    # the minimum at this damping, unless it is larger than any curvature
    potential = float(-0.5 * model.slopes @ c)
    if damping > largest:
        potential = model.potential(damping, largest)
    step, Z1_dot = tangents[0].direction, tangents[0].Z1_dot
    step *= step.dtype.type(c[0])
    Z1_dot *= Z1_dot.dtype.type(c[0])
    for factor, tangent in zip(c[1:], tangents[1:], strict=True):
        add_scaled(step, float(factor), tangent.direction)
        add_scaled(Z1_dot, float(factor), tangent.Z1_dot)
    return Proposal(
        step=step,
        Z1_dot=Z1_dot,
        slope=float(model.slopes @ c),
        curvature=float(c @ model.curvatures @ c),
        potential=potential,
    )


def _check(M: Array) -> None:
    if not (np.isfinite(M).all() and (M.diagonal() >= 0).all()):
        raise np.linalg.LinAlgError("the quadratic model is not positive and finite")


def _minimiser(M: Array, slopes: Array) -> Array:
    """Return the minimiser c of ``slopes'c + c'Mc / 2``, M positive semi-definite."""
    # directions of unit length: M may be near singular
    scale = 1 / np.sqrt(np.maximum(M.diagonal(), np.finfo(M.dtype).tiny))
    unit = M * scale * scale[:, None]
    target = (slopes * scale)[:, None]
    c = solve_positive(unit, target)
    if c is None:
        c = np.linalg.lstsq(unit, target, rcond=1e-10)[0]
    result: Array = -scale * c[:, 0]
    return result
