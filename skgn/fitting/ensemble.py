r"""Several different networks of the same samples, weighted by what held-out ones say.

1. The samples are split once, as for the search of one network
   (:mod:`skgn.fitting.search`). Each network begins, with alpha by the evidence.
2. Those that are clearly worse than the best one, by :data:`CLEARLY` standard errors of
   the paired differences of the held-out losses, go; but :data:`FEWEST` stay. (So early a
   network that will be worth some weight is rarely clearly worse: on 20 tables of fewer
   than 3,000 samples the log-loss is .991 of a single network's, with all .994; on 18
   larger ones .873, with all .866; a fifth of the time is saved.)
3. The others search on. What the search ends with is a network, which predicts the
   held-out samples: the probabilities of their labels, or real targets.
4. By these the networks are weighted (:mod:`skgn.fitting.mixture`).
5. Those of some weight are fitted to all samples, with what the search has found.

Where there are too few samples to hold some out, all are fitted, and weigh the same.

**What is shared.** Encoders, encoded columns and the decomposition or standardisation of
the first layer depend on the samples alone: networks that agree in them have them made
once, for the search and for the fit of all samples. No more than one encoding of all
samples is in memory at a time. Networks of one shape are not stepped together: a stacked
product of four takes .9 to 1.1 of the time of four products, from 128 to 2,000 rows.

**Within a time.** Networks begin in the first quarter of the time allowed, and search in
the first half; one of them always does. Then they are fitted in the order of their
weights. In mini-batches the schedule has as many epochs as there is time for, by the time
that those of the search took. One whose fit does not come to its end in time, or would
have fewer than :data:`FEWEST_EPOCHS`, remains what the search has made of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from skgn.data.encoding import Encoder
from skgn.data.samples import Samples
from skgn.fitting.encoders import encoders_for
from skgn.fitting.fit import (
    FitInterrupted,
    Shared,
    Start,
    as_found,
    fit,
    overflow,
)
from skgn.fitting.fitted import Fitted
from skgn.fitting.paths import BatchedPath
from skgn.fitting.pose import Prepared, prepare
from skgn.fitting.relaxation import difference
from skgn.fitting.search import Found, Parts, Search
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.training.outcome import Progress
from skgn.typing import Array

#: Standard errors by which a network is clearly worse than the best one, and networks
#: that search on in any case.
CLEARLY, FEWEST = 2.0, 4

#: Shares of the time allowed in which networks begin, and search.
BEGINNING, SEARCHING = 0.25, 0.5

#: Fewest epochs of a schedule, and share of the time left that they may take.
FEWEST_EPOCHS, PLANNED = 4, 0.8


@dataclass(frozen=True)
class Candidate:
    """A network that may be one of the ensemble.

    Attributes
    ----------
    settings : Settings
    seed : int
        Of what it draws.
    """

    settings: Settings
    seed: int


@dataclass
class Member:
    """What became of a candidate.

    Attributes
    ----------
    number : int
        Which candidate.
    fitted : Fitted or None
        None where it has gone.
    loss : float
        Of the held-out samples; NaN where there are none.
    weight : float
    seconds : float
        That it took.
    stage : {"waiting", "begun", "searched", "fitted"}
        How far it has come.
    """

    number: int
    fitted: Fitted | None = None
    loss: float = np.nan
    weight: float = 0.0
    seconds: float = 0.0
    stage: str = "waiting"


#: Told of each member that has come a stage further; True ends the fit there, once one
#: has searched or is fitted.
MemberObserver = Callable[[Member, int], bool | None]

#: Calls a function with each of several tuples of arguments, and returns the results in
#: their order.
Each = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]


def one_by_one(
    function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]
) -> Iterator[Any]:
    """Call a function with each of several tuples of arguments."""
    return (function(*each) for each in arguments)


class EnsembleInterrupted(KeyboardInterrupt):
    """A KeyboardInterrupt of an ensemble that has come some way.

    Attributes
    ----------
    members : list of Member
        As they stand.
    original : KeyboardInterrupt
    """

    def __init__(self, members: list[Member], original: KeyboardInterrupt):
        super().__init__()
        self.members, self.original = members, original


class Encoders:
    """The encoders of the networks of an ensemble, each made once.

    Parameters
    ----------
    samples : Samples
        Those that the fit may learn from.
    targets : Targets
    seed : int
        Of the rows that knots are taken from.
    """

    def __init__(self, samples: Samples, targets: Targets, seed: int):
        self.samples, self.targets, self.seed = samples, targets, seed
        self.known: dict[tuple[Any, ...], list[Encoder | None]] = {}

    def of(self, settings: Settings, in_any_case: bool = False) -> list[Encoder | None]:
        """Return the encoders that a network may have, the plainest first.

        With `in_any_case`, be there few samples or many.
        """
        if self.targets.nothing_to_fit:
            return [None]
        encoding, n_knots = settings.own_encoding
        key = encoding, n_knots, in_any_case
        if key not in self.known:
            with_means = self.targets.has_means and not self.samples.is_mapped
            state = np.random.RandomState(self.seed)
            own = encoders_for(
                settings, self.samples, state, None, with_means, in_any_case
            )
            if encoding == "auto":  # of what others have, or will have
                for i, other in enumerate((None, "piecewise")[: len(own)]):
                    known = self.known.setdefault((other, n_knots, False), [own[i]])
                    own[i] = known[0]
            self.known[key] = own
        return self.known[key]


def fit_ensemble(
    candidates: Sequence[Candidate],
    samples: Samples,
    targets: Targets,
    encoders: Encoders,
    held_out: Samples | None = None,
    max_time: float | None = None,
    observer: MemberObserver | None = None,
    each: Each = one_by_one,
) -> list[Member]:
    """Fit an ensemble.

    Parameters
    ----------
    candidates : sequence of Candidate
        Of which one at least will be a member.
    samples : Samples
        Of positive weight.
    targets : Targets
    encoders : Encoders
        Of these samples. Their seed is that of the split, and of what is shared.
    held_out : Samples, optional
        Those of early stopping, which then serve the search as well.
    max_time : float, optional
        Seconds.
    observer : callable, optional
    each : callable
        How members are worked on: one by one, or side by side.

    Returns
    -------
    list of Member
        One for each candidate; weights have the sum 1.

    Raises
    ------
    ValueError
        See :func:`skgn.fitting.fit.fit`.
    EnsembleInterrupted
        With the members as they stand, for a KeyboardInterrupt after the first of them
        has searched or was fitted.
    """
    seconds = np.inf if max_time is None else max_time
    own = _Ensemble(
        candidates, samples, targets, encoders, held_out, each, observer, seconds
    )
    try:
        own.fit()
    except KeyboardInterrupt as interrupt:
        original = getattr(interrupt, "original", interrupt)
        if not own.weigh():
            raise original from None
        raise EnsembleInterrupted(own.members, original) from None
    return own.members


class Judged(NamedTuple):
    """A candidate that has searched.

    `table` is what its average with others is made of, for the held-out samples. `pace`
    is the time of an epoch, in seconds per sample; 0 with all samples at a time.
    """

    fitted: Fitted
    found: Found
    table: Array
    seconds: float
    pace: float


class Asked(Exception):
    """An observer has asked for the end."""


@dataclass
class _Ensemble:
    """An ensemble on its way."""

    candidates: Sequence[Candidate]
    samples: Samples
    targets: Targets
    encoders: Encoders
    held_out: Samples | None
    each: Each
    observer: MemberObserver | None
    most_seconds: float
    begun: float = field(default_factory=perf_counter)

    def __post_init__(self) -> None:
        self.members = [Member(i) for i in range(len(self.candidates))]
        self.judged: dict[int, Judged] = {}
        self.searching: dict[int, Search] = {}
        self.losses: dict[int, Array] = {}  # of held-out samples, where they began
        # of the held-out samples: how many each one stands for, and their targets
        self.counts, self.truth = np.zeros(0), np.zeros(0)

    def fit(self) -> None:
        """Judge, weigh, fit."""
        if self.targets.nothing_to_fit:
            self.candidates = self.candidates[:1]
        parts = None
        if not self.targets.nothing_to_fit:
            state = np.random.RandomState(self.encoders.seed)
            parts = Parts.of(self.samples, self.targets, state, self.held_out)
        try:
            if parts is None:
                self._fit_in(list(range(len(self.candidates))))
            else:
                self._begin(parts)
                self._leave_out(parts)
                self._search()
                self.weigh()
                self._fit_in(sorted(self.judged, key=lambda i: -self.members[i].weight))
        except Asked:
            pass
        if not any(member.weight for member in self.members):
            self.weigh()

    # Judge.

    def _begin(self, parts: Parts) -> None:
        """Let all candidates begin."""
        weights = parts.held_out.weights
        # weights of a small unit count as rows
        self.counts = weights * max(len(weights) / weights.sum(), 1)
        self.truth = parts.held_out.targets
        shared: dict[Any, Prepared] = {}

        def arguments() -> Iterator[tuple[Any, ...]]:
            for i, candidate in enumerate(self.candidates):
                settings = candidate.settings
                batched = self._batched(settings)
                prepared = [
                    self._prepared(shared, parts.samples, encoder, settings, batched)
                    for encoder in self.encoders.of(settings)
                ]
                state = np.random.RandomState(candidate.seed)
                search = Search(settings, parts, self.targets, state, self.begun)
                yield search, prepared, self._until(BEGINNING if i else np.inf)

        for member, result in zip(
            self.members, self.each(_begin, arguments()), strict=False
        ):
            if result is None:
                continue
            search, losses, member.seconds = result
            self.searching[member.number] = search
            self.losses[member.number] = losses
            member.loss = float(weights @ losses / weights.sum())
            self._tell(member, "begun")

    def _leave_out(self, parts: Parts) -> None:
        """Leave out candidates that are clearly worse than the best one."""
        weights = parts.held_out.weights / parts.held_out.weights.sum()
        numbers = list(self.searching)
        stays = in_question([self.losses.pop(i) for i in numbers], weights)
        best = min(numbers, key=self._loss)
        self.searching = {
            i: self.searching[i]
            for rank, i in enumerate(numbers)
            if rank in stays or i == best
        }

    def _search(self) -> None:
        """Let the others search to the end, the best one first."""
        numbers = sorted(self.searching, key=self._loss)
        arguments = (
            (
                self.searching.pop(i),
                self._until(SEARCHING if rank else np.inf),
                self.members[i].seconds,
            )
            for rank, i in enumerate(numbers)
        )
        for i, result in zip(numbers, self.each(_search, arguments), strict=True):
            if result is None:
                continue
            self.judged[i] = result
            member = self.members[i]
            member.fitted = result.fitted
            member.seconds += result.seconds
            losses = self.targets.mixture.losses(result.table, self.truth)
            member.loss = float(self.counts @ losses) / float(self.counts.sum())
            self._tell(member, "searched")

    def _loss(self, i: int) -> float:
        """Return the held-out loss of a candidate, infinite if it is not finite."""
        loss = self.members[i].loss
        return loss if np.isfinite(loss) else np.inf

    def weigh(self) -> bool:
        """Weigh the members that there are; return whether there is one."""
        there = [member for member in self.members if member.fitted is not None]
        for member in self.members:
            member.weight = 0.0
        if not there:
            return False
        weights = np.full(len(there), 1 / len(there))
        if all(member.number in self.judged for member in there):
            tables = np.array([self.judged[member.number].table for member in there])
            weights = self.targets.mixture.weights(tables, self.truth, self.counts)
        for member, weight in zip(there, weights, strict=True):
            member.weight = float(weight)
        return True

    # Fit.

    def _fit_in(self, order: list[int]) -> None:
        """Fit candidates to all samples: those of one encoding after each other."""
        groups: dict[Any, list[int]] = {}
        for i in order:
            if self.judged and not self.members[i].weight:
                continue
            settings = self.candidates[i].settings
            key = id(self._encoder_of(i)), settings.standardize, self._batched(settings)
            groups.setdefault(key, []).append(i)
        until = self._until(1.0)
        for numbers in groups.values():
            i = numbers[0]
            # without a search, the first one is fitted in any case
            needed = i == order[0] and not self.judged
            if perf_counter() > until and not needed:
                break
            prepared = None
            if not self.targets.nothing_to_fit:
                settings, encoder = self.candidates[i].settings, self._encoder_of(i)
                prepared = self._prepared(
                    {}, self.samples, encoder, settings, self._batched(settings)
                )
            arguments = (
                (
                    self._in_time(k, until),
                    self.samples,
                    self.targets,
                    self.held_out,
                    self._shared(k, prepared),
                    until,
                    needed and k == i,
                )
                for k in numbers
            )
            self._take(numbers, self.each(_fit, arguments))

    def _shared(self, i: int, prepared: Prepared | None) -> Shared | None:
        """Return what is known of a candidate before its fit."""
        if prepared is None:
            return None
        return Shared(prepared, self.judged[i].found if i in self.judged else None)

    def _take(self, numbers: list[int], results: Iterator[Any]) -> None:
        """Take the fits of members."""
        for i in numbers:
            member = self.members[i]
            try:
                fitted, seconds = next(results)
            except FitInterrupted as interrupt:
                if member.fitted is None:
                    member.fitted = interrupt.fitted
                raise interrupt.original from None
            member.seconds += seconds
            if fitted is not None:
                member.fitted = fitted
                self._tell(member, "fitted")

    def _in_time(self, i: int, until: float) -> Candidate | None:
        """Return a candidate with as many epochs as there is time for, if any are."""
        own = self.candidates[i]
        pace = self.judged[i].pace if i in self.judged else 0.0
        if not pace or not np.isfinite(until):
            return own
        left = max(PLANNED * (until - perf_counter()), 0)
        epochs = int(left / (pace * len(self.samples.weights)))
        if epochs >= own.settings.most_iterations(batched=True):
            return own
        if epochs < FEWEST_EPOCHS:
            return None
        return Candidate(replace(own.settings, max_iter=epochs), own.seed)

    def _batched(self, settings: Settings) -> bool:
        """Return whether a candidate is fitted in mini-batches."""
        return settings.batch_size_for(*self.samples.X.shape) is not None

    def _encoder_of(self, i: int) -> Encoder | None:
        """Return the encoder of a candidate: the one that was found for it."""
        encoders = self.encoders.of(self.candidates[i].settings)
        if i not in self.judged or len(encoders) == 1:
            return encoders[0]
        found = self.judged[i].found.encoder
        has_steps = found is not None and found.has_steps
        return encoders[1] if has_steps else encoders[0]

    # What is shared.

    def _prepared(
        self,
        shared: dict[Any, Prepared],
        samples: Samples,
        encoder: Encoder | None,
        settings: Settings,
        batched: bool,
    ) -> Prepared:
        """Return samples in the columns of an encoder, made once."""
        key = id(encoder), settings.standardize, batched
        if key not in shared:
            state = np.random.RandomState(self.encoders.seed)
            shared[key] = prepare(
                samples, self.targets, encoder, state, settings.standardize, batched
            )
        return shared[key]

    def _until(self, share: float) -> float:
        """Return when a share of the time is over."""
        return self.begun + share * self.most_seconds

    def _tell(self, member: Member, stage: str) -> None:
        """Tell the observer; end the fit if it asks for that, and there is a network."""
        member.stage = stage
        if self.observer is None or not self.observer(member, len(self.candidates)):
            return
        if any(own.fitted is not None for own in self.members):
            raise Asked


def in_question(losses: Sequence[Array], row_weights: Array) -> list[int]:
    """Return which networks may win, by the losses of held-out rows.

    Parameters
    ----------
    losses : sequence of ndarray of shape (m,)
    row_weights : ndarray of shape (m,)
        Of sum 1.
    """
    with np.errstate(invalid="ignore"):
        means = np.array([row_weights @ own for own in losses])
    means[~np.isfinite(means)] = np.inf
    order = np.argsort(means, kind="stable")
    stays = []
    for rank, i in enumerate(order):
        if not np.isfinite(means[i]):
            continue
        worse, error = difference(losses[i], losses[order[0]], row_weights)
        if rank < FEWEST or worse <= CLEARLY * error:
            stays.append(int(i))
    return sorted(stays)


@dataclass(frozen=True)
class Deadline:
    """An observer that ends what it watches when the time is over."""

    at: float

    def __call__(self, progress: Progress, fitted: Any = None) -> bool:
        """Return whether it is."""
        return perf_counter() > self.at


# What may be done side by side.


def _begin(
    search: Search, encodings: list[Prepared], until: float
) -> tuple[Search, Array, float] | None:
    """Let a network begin, if there is time."""
    start = perf_counter()
    if start > until:
        return None
    try:
        search.begin(encodings)
    except FloatingPointError as error:
        where = " at its initial weights"
        raise ValueError(overflow(search.settings, where)) from error
    path = search.running[0].path
    losses = path.losses()
    path.rest()  # until it searches on, others begin
    return search, losses, perf_counter() - start


def _search(search: Search, until: float, seconds: float) -> Judged | None:
    """Let a network search, if there is time; it has taken some seconds already."""
    start = perf_counter()
    if start > until:
        return None
    search.observer = Deadline(until)
    found = search.finish(in_any_case=True)
    runner = search.running[0]
    theta = found.theta_for(runner.problem)
    table = search.targets.mixture.of(runner.path.held_out, theta)
    fitted, pace = as_found(search, found), 0.0
    own = perf_counter() - start
    if isinstance(runner.path, BatchedPath):
        rows = len(runner.problem.samples.weights)
        pace = (seconds + own) / (runner.path.trained * rows)
    return Judged(fitted, found, table, own, pace)


def _fit(
    candidate: Candidate | None,
    samples: Samples,
    targets: Targets,
    held_out: Samples | None,
    shared: Shared | None,
    until: float,
    in_any_case: bool,
) -> tuple[Fitted | None, float]:
    """Fit a network to all samples; return None for it if there is no time for that."""
    start = perf_counter()
    if candidate is None or (start > until and not in_any_case):
        return None, 0.0
    begin = Start(np.random.RandomState(candidate.seed))
    deadline = Deadline(np.inf if in_any_case else until)
    settings = candidate.settings
    fitted = fit(settings, samples, targets, begin, held_out, deadline, shared)
    if fitted.outcome.reason == "callback":
        return None, perf_counter() - start
    return fitted, perf_counter() - start
