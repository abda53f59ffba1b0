r"""Levenberg-Marquardt damping, steered by the gain ratio.

The gain ratio of a trial is ``ρ = actual decrease / decrease predicted`` by the undamped
quadratic model. An accepted trial multiplies the damping by

    max(1/3, min(2, 1 - (2 ρ - 1)^3)),

which is 1 at ρ = 1/2, falls to 1/3 where the model is right (ρ near 1 or above) and rises
where it promises too much (Nielsen, Damping parameter in Marquardt's method, 1999). Each
rejected trial in a row multiplies it by 2, 4, 8, ...

A damping below the penalty has next to no effect, nor has one far below the largest
curvature, but it would take many rejected trials to come back from there: hence a floor.
Close to a minimum the floor falls with the promised decrease, so that the damping does
not slow the last steps (Levenberg-Marquardt needs a damping of the order of the gradient
for its quadratic convergence).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from skgn.training.control import lowers

#: Initial damping where the user gives none.
DEFAULT_DAMPING = 1e-2

#: A fit whose damping passes this can make no further progress.
CEILING = 1e10

#: Least floor of the damping, as a share of the largest curvature.
CURVATURE_SHARE = 1e-10

#: Promised relative decrease of the objective from which on the floor falls.
SMALL_PROMISE = 1e-2


@dataclass(frozen=True)
class GainRatioDamping:
    """The damping and how it moves.

    Attributes
    ----------
    value : float
        Damping λ of the next proposal.
    growth : float
        Factor of the next rejection.
    fraction : float
        Of the proposed step, that is tried.
    floor_share : float
        Of the largest curvature, that the damping is at least.
    """

    value: float = DEFAULT_DAMPING
    growth: float = 2.0
    fraction: float = 1.0
    floor_share: float = CURVATURE_SHARE
    reason: ClassVar[str] = "damping"
    guarded: ClassVar[bool] = True
    follows_model: ClassVar[bool] = True

    def accepts(self, decrease: float, slope: float) -> bool:
        """Return whether the objective is low enough."""
        return lowers(decrease, slope)

    def accepted(self, gain_ratio: float, floor: float) -> "GainRatioDamping":
        """Return the damping after an accepted trial."""
        overshoot = min(max(2 * gain_ratio - 1, -1.0), 1.0)
        factor = max(1 / 3, min(2.0, 1 - overshoot**3))
        return replace(self, value=max(self.value * factor, floor), growth=2.0)

    def at(self, value: float) -> "GainRatioDamping":
        """Return the same rule at a damping, as after an accepted trial."""
        return replace(self, value=value, growth=2.0)

    def rejected(self) -> "GainRatioDamping":
        """Return the damping after a rejected trial."""
        return replace(self, value=self.value * self.growth, growth=2 * self.growth)

    @property
    def was_rejected(self) -> bool:
        """Whether the last trial was rejected."""
        return self.growth > 2.0

    @property
    def exhausted(self) -> bool:
        """Whether more damping would help no more."""
        return not self.value <= CEILING


def damping_floor(
    alpha: float,
    largest_curvature: float,
    promise: float,
    share: float = CURVATURE_SHARE,
) -> float:
    """Return the smallest damping that has an effect.

    Parameters
    ----------
    alpha : float
        Penalty.
    largest_curvature : float
        Largest eigenvalue of the curvature.
    promise : float
        Decrease of the objective, relative to it, that the model promised of late.
    share : float
        Of the largest curvature, that a damping is at least.
    """
    useful = min(alpha, largest_curvature) * min(1.0, promise / SMALL_PROMISE)
    return max(useful, share * largest_curvature)
