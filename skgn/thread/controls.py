"""Two rules of acceptance for the thread's steps, which follow no quadratic model.

A line search begins anew at the whole fraction that the user asked for after each
accepted trial, since one step says little about the length of the next.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from skgn.training.control import lowers

#: A line search gives up at this fraction of the first one tried.
SHORTEST = 2.0**-40


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
    floor_share: ClassVar[float] = 0.0

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
    floor_share: ClassVar[float] = 0.0

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
