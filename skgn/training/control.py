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
"""

from typing import ClassVar, Protocol

#: Share of the decrease promised by the slope that a step must keep.
ARMIJO = 1e-4


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
    def floor_share(self) -> float:
        """Share of the largest curvature that the damping is at least."""

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
