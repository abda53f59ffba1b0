"""Parts on the workers of a dask cluster.

Every part is an ordinary future: made by a task from the parts before it, and in the end
from the user's collection. What is lost with a worker, the scheduler makes again. A
question to many is a task, too, whose result workers fetch from each other; nothing is
scattered, nothing is pinned to a worker, and no worker has a state. Of a round the client
gets one answer, or :data:`FAN_IN` of them; where there are more parts, workers add up in
between.

The logger "skgn.cluster" tells of each round (DEBUG), and of their sum at the end (INFO).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import uuid4

import dask
import numpy as np
from distributed import Client, Future

from skgn._threads import one_thread
from skgn.cluster.share import Sums
from skgn.cluster.spread import added

#: Answers that are added at a time.
FAN_IN = 16

#: Parts that get a question each with their own task, at most. A task for the question
#: takes another 10 to 20 ms.
FEW = 8

#: What is sent is as large as the weights of a network, which is no mistake of the user.
UNWARNED = {"distributed.admin.large-graph-warning-threshold": "10 GiB"}

log = logging.getLogger("skgn.cluster")


@dataclass
class Traffic:
    """Rounds of a fit so far, and what went over the network between client and workers.

    Attributes
    ----------
    rounds : int
    sent, received : int
        Bytes of arrays.
    seconds : float
        In which the client has waited.
    """

    rounds: int = 0
    sent: int = 0
    received: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class OnWorkers:
    """Parts that are futures; see :class:`skgn.cluster.spread.Spread`.

    Attributes
    ----------
    client : distributed.Client
    futures : list of Future
    traffic : Traffic
        Of the fit that they are part of.
    """

    client: Client
    futures: list[Future[Any]]
    traffic: Traffic = field(default_factory=Traffic)

    def each(self, function: Callable[..., Any], own: Sequence[Any] = ()) -> list[Any]:
        """See :class:`Spread`."""
        answers = self._asked_of(self.futures, function, own)
        return self._gathered(answers, function)

    def become(
        self, function: Callable[..., Any], own: Sequence[Any] = ()
    ) -> "OnWorkers":
        """See :class:`Spread`."""
        return OnWorkers(
            self.client, self._asked_of(self.futures, function, own), self.traffic
        )

    def joined(
        self,
        function: Callable[..., Any],
        groups: Sequence[Sequence[int]],
        own: Sequence[Any],
    ) -> "OnWorkers":
        """See :class:`Spread`."""
        several = [[self.futures[i] for i in group] for group in groups]
        futures = self._asked_of(several, function, own)
        return OnWorkers(self.client, futures, self.traffic)

    def release(self) -> None:
        """See :class:`Spread`."""
        for future in self.futures:
            release: Callable[[], None] = future.release
            release()

    def report(self) -> None:
        """See :class:`Spread`; in the log."""
        own = self.traffic
        log.info(
            "%d rounds, %.1f MB to the workers, %.1f MB back, %.1f s of waiting",
            own.rounds,
            own.sent / 1e6,
            own.received / 1e6,
            own.seconds,
        )

    @property
    def threads(self) -> int:
        """See :class:`Spread`."""
        nthreads: Callable[[], dict[str, int]] = self.client.nthreads
        return sum(nthreads().values())

    def sum(self, function: Callable[[Any], Sums]) -> Sums:
        """See :class:`Spread`."""
        answers = self._asked_of(self.futures, function, ())
        while len(answers) > FAN_IN:
            groups = [answers[i : i + FAN_IN] for i in range(0, len(answers), FAN_IN)]
            answers = self.client.map(added, groups, pure=False, key=_name("add"))
        return added(self._gathered(answers, function))

    def _asked_of(
        self, parts: Sequence[Any], function: Callable[..., Any], own: Sequence[Any]
    ) -> list[Future[Any]]:
        """Return a future for each part."""
        name = type(function).__name__.lower()
        question: Any = function
        copies = len(parts) if len(parts) <= FEW else 1
        self.traffic.sent += copies * _bytes(vars(function))
        with dask.config.set(UNWARNED):
            if len(parts) > FEW:  # each worker gets it once
                key = _name(name)
                question = self.client.submit(_as_it_is, function, pure=False, key=key)
            several = [list(parts), [question] * len(parts)]
            if own:
                several.append(list(own))
            futures: list[Future[Any]] = self.client.map(
                _answer, *several, pure=False, key=_name(f"{name}-of-part")
            )
        return futures

    def _gathered(
        self, answers: list[Future[Any]], function: Callable[..., Any]
    ) -> list[Any]:
        """Return the results of futures, and take note."""
        start = perf_counter()
        gather: Callable[..., list[Any]] = self.client.gather
        results = gather(answers)
        own = self.traffic
        seconds = perf_counter() - start
        own.rounds += 1
        own.received += _bytes(results)
        own.seconds += seconds
        name = type(function).__name__
        log.debug("round %d, %s: %.3f s", own.rounds, name, seconds)
        return results


def _name(what: str) -> str:
    """Return a key that no other task has."""
    return f"skgn-{what}-{uuid4().hex}"


def _as_it_is(function: Any) -> Any:
    return function


def _answer(part: Any, function: Callable[..., Any], *own: Any) -> Any:
    """Call a function with a part, as a fit does."""
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        return function(part, *own)


def _bytes(value: Any) -> int:
    """Return the bytes of all arrays in lists, tuples and dicts."""
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    return int(getattr(value, "nbytes", 0))
