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

    def each(self, function: Callable[..., Any], own: Sequence[Any] = ()) -> list[Any]:
        """Return what a function makes of each part.

        Where `own` is given, it gets one of these for each part, as a second argument.
        """

    def become(self, function: Callable[..., Any], own: Sequence[Any] = ()) -> "Spread":
        """Return the parts that a function makes of these, where they are."""

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
    """

    parts: Sequence[Any]

    def each(self, function: Callable[..., Any], own: Sequence[Any] = ()) -> list[Any]:
        """See :class:`Spread`."""
        if own:
            return [function(*pair) for pair in zip(self.parts, own, strict=True)]
        return [function(part) for part in self.parts]

    def become(
        self, function: Callable[..., Any], own: Sequence[Any] = ()
    ) -> "InProcess":
        """See :class:`Spread`."""
        return InProcess(self.each(function, own))

    def sum(self, function: Callable[[Any], Sums]) -> Sums:
        """See :class:`Spread`."""
        return added(self.each(function))


def added(several: Sequence[Sums]) -> Sums:
    """Return the sum of several sums, which do not change."""
    total: Sums = {}
    for own in several:
        add(total, own if total else {name: np.copy(x) for name, x in own.items()})
    return total
