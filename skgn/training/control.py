r"""What decides over a trial: whether it is accepted, and what is tried next.

Three controls share the loop of :mod:`skgn.training.full_batch`:

==========================  ======================  ==================================
control                     accepts                 after a rejected trial
==========================  ======================  ==================================
GainRatioDamping            a lower objective       more damping; the step is found
                                                    anew (:mod:`skgn.training.damping`)
LineSearch                  a lower objective       half the fraction of the same step
Unguarded                   a finite objective      nothing: the fit has diverged
==========================  ======================  ==================================

A lower objective means, from the point θ with step s and gradient ∇f,

    f(θ + s) < f(θ)   and   f(θ + s) <= f(θ) + 1e-4 ⟨∇f(θ), s⟩    (Armijo).

A line search begins anew at the whole fraction that the user asked for after each
accepted trial, since one step says little about the length of the next.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

#: Share of the decrease promised by the slope that a step must keep.
ARMIJO = 1e-4

#: A line search gives up at this fraction of the first one tried.
SHORTEST = 2.0**-40


def lowers(decrease: float, slope: float) -> bool:
    """Return whether an objective that fell by `decrease` is low enough."""
    return decrease > 0 and decrease >= -ARMIJO * slope


class Control(Protocol):
    """The rule by which trials are accepted and new ones chosen; immutable."""

    #: Why a fit ends that this control cannot carry on.
    reason: ClassVar[str]

    #: Whether the objective never rises.
    guarded: ClassVar[bool]

    #: Whether steps minimise the quadratic model, so that its promise means something.
    follows_model: ClassVar[bool]

    @property
    def value(self) -> float:
        """Damping λ of the next proposal."""

    @property
    def fraction(self) -> float:
        """Fraction of the proposed step that is tried."""

    @property
    def was_rejected(self) -> bool:
        """Whether the last trial was rejected."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to try."""

    def accepts(self, decrease: float, slope: float) -> bool:
        """Return whether a trial counts, by its decrease (NaN for none) and slope."""

    def accepted(self, gain_ratio: float, floor: float) -> "Control":
        """Return the control after an accepted trial.

        `floor` is the smallest damping that has an effect.
        """

    def rejected(self) -> "Control":
        """Return the control after a rejected trial."""


@dataclass(frozen=True)
class LineSearch:
    """Halve the fraction of a step until the objective falls.

    Attributes
    ----------
    value : float
        Damping, which stays what it is.
    first : float
        Fraction tried first.
    share : float
        Of `first`, that is tried next.
    """

    value: float
    first: float = 1.0
    share: float = 1.0
    reason: ClassVar[str] = "line_search"
    guarded: ClassVar[bool] = True
    follows_model: ClassVar[bool] = False

    @property
    def fraction(self) -> float:
        """Fraction of the proposed step that is tried."""
        return self.first * self.share

    @property
    def was_rejected(self) -> bool:
        """Whether the last trial was rejected."""
        return self.share < 1

    @property
    def exhausted(self) -> bool:
        """Whether the fraction has become too short to go on."""
        return self.share < SHORTEST

    def accepts(self, decrease: float, slope: float) -> bool:
        """Return whether the objective is low enough."""
        return lowers(decrease, slope)

    def accepted(self, gain_ratio: float, floor: float) -> "LineSearch":
        """Return to the fraction tried first."""
        return replace(self, share=1.0)

    def rejected(self) -> "LineSearch":
        """Halve the fraction."""
        return replace(self, share=self.share / 2)


@dataclass(frozen=True)
class Unguarded:
    """Accept every finite trial.

    Attributes
    ----------
    value : float
        Damping, which stays what it is.
    fraction : float
        Of the proposed step, that is taken.
    was_rejected : bool
        Whether there was no finite trial.
    """

    value: float
    fraction: float = 1.0
    was_rejected: bool = False
    reason: ClassVar[str] = "diverged"
    guarded: ClassVar[bool] = False
    follows_model: ClassVar[bool] = False

    @property
    def exhausted(self) -> bool:
        """Whether there was no finite trial: a second would not differ."""
        return self.was_rejected

    def accepts(self, decrease: float, slope: float) -> bool:
        """Return whether the objective is finite."""
        return bool(np.isfinite(decrease))

    def accepted(self, gain_ratio: float, floor: float) -> "Unguarded":
        """Go on."""
        return self

    def rejected(self) -> "Unguarded":
        """Give up."""
        return replace(self, was_rejected=True)
