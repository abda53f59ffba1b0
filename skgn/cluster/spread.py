"""Rows in parts, wherever these are: what a fit asks of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from skgn.cluster.share import Sums, add


class Spread(Protocol):
    """Parts that lie on workers; what goes there, and what comes back, is pickled.

    A function that is called with a part has no state, and does not change the part: it
    may be called again, elsewhere, after a worker was lost.
    """

    @property
    def threads(self) -> int:
        """How many parts can be worked on at a time."""

    def each(self, function: Callable[..., Any], own: Sequence[Any] = ()) -> list[Any]:
        """Return what a function makes of each part.

        Where `own` is given, it gets one of these for each part, as a second argument.
        """

    def become(self, function: Callable[..., Any], own: Sequence[Any] = ()) -> "Spread":
        """Return the parts that a function makes of these, where they are."""

    def joined(
        self,
        function: Callable[..., Any],
        groups: Sequence[Sequence[int]],
        own: Sequence[Any],
    ) -> "Spread":
        """Return the parts that a function makes of groups of these, by their numbers."""

    def release(self) -> None:
        """Let go of the parts; what was made of them stays."""

    def report(self) -> None:
        """Note down what a fit has asked of its parts."""

    def sum(self, function: Callable[[Any], Sums]) -> Sums:
        """Return the sum of what a function makes of the parts.

        The order in which they are added depends on their number alone.
        """


@dataclass(frozen=True)
class InProcess:
    """Parts in this process.

    Attributes
    ----------
    parts : sequence
    threads : int
        As if there were so many.
    """

    parts: Sequence[Any]
    threads: int = 1

    def each(self, function: Callable[..., Any], own: Sequence[Any] = ()) -> list[Any]:
        """See :class:`Spread`."""
        if own:
            return [function(*pair) for pair in zip(self.parts, own, strict=True)]
        return [function(part) for part in self.parts]

    def become(
        self, function: Callable[..., Any], own: Sequence[Any] = ()
    ) -> "InProcess":
        """See :class:`Spread`."""
        return InProcess(self.each(function, own), self.threads)

    def joined(
        self,
        function: Callable[..., Any],
        groups: Sequence[Sequence[int]],
        own: Sequence[Any],
    ) -> "InProcess":
        """See :class:`Spread`."""
        several = [[self.parts[i] for i in group] for group in groups]
        made = [function(*pair) for pair in zip(several, own, strict=True)]
        return InProcess(made, self.threads)

    def release(self) -> None:
        """There is nothing to be done."""

    def report(self) -> None:
        """There is nothing to be noted."""

    def sum(self, function: Callable[[Any], Sums]) -> Sums:
        """See :class:`Spread`."""
        return added(self.each(function))


def added(several: Sequence[Sums]) -> Sums:
    """Return the sum of several sums, which do not change."""
    total: Sums = {}
    for own in several:
        new = {name: np.copy(x) for name, x in own.items() if name not in total}
        add(total, {**own, **new})
    return total
