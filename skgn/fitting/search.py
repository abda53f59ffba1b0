r"""What is found on held-out samples: the encoding, the penalty, and how far to train.

1. Some samples are held out. For each encoding that comes into question, the network is
   trained on the others for a few iterations, or epochs, with alpha by the evidence. The
   plain columns are kept only if they are clearly better, by a standard error of the
   paired differences of the held-out losses: where encodings are as good as each other
   after so few iterations, the richer one gains more from what follows.
2. From there the penalty is relaxed (:mod:`skgn.fitting.relaxation`).
3. With all samples at a time, the network is trained on at that penalty, watched by the
   held-out losses (:mod:`skgn.fitting.further`).

The fit of all samples has this encoding and this penalty. It begins with the weights so
found. With all samples at a time, it ends where they did.

No target of a held-out sample has a part in what the network is trained on. Columns that
hold mean targets are made of the others alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skgn.data.columns import Standardisation, in_columns
from skgn.data.encoding import Encoder
from skgn.data.samples import Samples
from skgn.fitting.paths import BatchedPath, FullBatchPath
from skgn.fitting.pose import Prepared, pose, prepare
from skgn.fitting.problem import Problem
from skgn.fitting.relaxation import (
    CLEARLY,
    DISTINCT_ROWS,
    are_enough,
    difference,
    most_rows,
    relaxed_alpha,
    rows_held_out,
)
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.training.outcome import Interrupted, Observer, Outcome
from skgn.typing import Array


@dataclass(frozen=True)
class Found:
    """What was found on held-out samples.

    Attributes
    ----------
    encoder : Encoder or None
    alpha : float
        For all samples.
    path : dict of ndarray or None
        Penalties that were tried, "alpha", and their held-out losses, "log_loss"; None
        where alpha was given.
    layers : list of ndarray or None
        Weights of the network that was judged.
    columns : Standardisation or None
        The columns that they are for.
    begins : bool
        Whether the fit is to begin with these weights.
    threshold : float or None
        Training cost at which it is to end.
    """

    encoder: Encoder | None
    alpha: float
    path: dict[str, Array] | None
    layers: list[Array] | None = None
    columns: Standardisation | None = None
    begins: bool = False
    threshold: float | None = None

    def theta_for(self, problem: Problem) -> Array:
        """Return the weights in the coordinates of a problem, flat."""
        assert self.layers is not None and self.columns is not None
        first, *others = self.layers
        return problem.enter(
            [in_columns(first, self.columns, problem.first.columns), *others]
        )


class SearchInterrupted(KeyboardInterrupt):
    """A KeyboardInterrupt of a search that has come some way.

    Attributes
    ----------
    problem : Problem
        What was being fitted.
    outcome : Outcome
    original : KeyboardInterrupt
    """

    def __init__(self, problem: Problem, outcome: Outcome, original: KeyboardInterrupt):
        super().__init__()
        self.problem, self.outcome, self.original = problem, outcome, original


@dataclass(frozen=True)
class Parts:
    """Samples that a search trains on, and others that it judges by.

    Attributes
    ----------
    samples, held_out : Samples
    shape : tuple of int
        Of all samples that the fit will have.
    total_weight : float
        Of these.
    validated : bool
        Whether the samples held out are those of early stopping.
    """

    samples: Samples
    held_out: Samples
    shape: tuple[int, int]
    total_weight: float
    validated: bool

    @classmethod
    def of(
        cls,
        samples: Samples,
        targets: Targets,
        random_state: np.random.RandomState,
        validation: Samples | None = None,
        whole: tuple[tuple[int, int], float] | None = None,
    ) -> "Parts | None":
        """Split samples; None if there are too few.

        Parameters
        ----------
        samples : Samples
        targets : Targets
        random_state : RandomState
        validation : Samples, optional
            Those of early stopping, which are then the ones held out.
        whole : ((int, int), float), optional
            Shape and total weight of what the fit will have, where the samples are a
            sample of it.
        """
        shape = len(samples.weights), samples.X.shape[1]
        total = float(samples.weights.sum())
        if whole is not None:
            shape, total = whole
        m, n = shape
        if validation is None:
            split = _split(samples, targets, random_state, m)
            if split is None:
                return None
            index, held_out = split
        elif are_enough(m, n):
            index, held_out = np.arange(len(samples.weights)), validation
        else:
            return None
        most = most_rows(m)
        if len(index) > most:
            index = np.sort(random_state.permutation(index)[:most])
        train = samples.take(index) if len(index) < len(samples.weights) else samples
        return cls(train, held_out, shape, total, validation is not None)

    @property
    def share(self) -> float:
        """Share of the weight of all samples that is trained on."""
        return float(self.samples.weights.sum()) / self.total_weight


def _split(
    samples: Samples, targets: Targets, random_state: np.random.RandomState, m: int
) -> tuple[NDArray[np.intp], Samples] | None:
    """Return which rows to train on, and samples that are held out.

    As many as there are to be of `m`, of which the samples may be a sample.
    """
    n = samples.X.shape[1]
    if not are_enough(m, max(m, n)):
        return None
    if m >= DISTINCT_ROWS:
        parts = targets.split(samples, rows_held_out(m), random_state)
        return parts and (parts[0], samples.take(parts[1]).gathered())
    # equal rows are one sample, of their weights
    numbers = samples.numbered()
    _, first = np.unique(numbers, return_index=True)
    weights = np.bincount(numbers, samples.weights).astype(np.float64)
    distinct = replace(samples.take(first), weights=weights)
    if not are_enough(len(first), n):
        return None
    parts = targets.split(distinct, rows_held_out(len(first)), random_state)
    if parts is None:
        return None
    index = np.flatnonzero(~np.isin(numbers, parts[1]))
    return index, distinct.take(parts[1]).gathered()


@dataclass
class Runner:
    """A network on its path."""

    problem: Problem
    path: FullBatchPath | BatchedPath


class Search:
    """A search on held-out samples.

    Parameters
    ----------
    settings : Settings
    parts : Parts
    targets : Targets
    random_state : RandomState
        Draws initial weights and batches.
    begun : float
        When the fit began.
    observer : callable, optional
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        targets: Targets,
        random_state: np.random.RandomState,
        begun: float,
        observer: Observer | None = None,
    ):
        self.settings, self.parts, self.targets = settings, parts, targets
        self.random_state, self.begun = random_state, begun
        self.observer = observer
        self.running: list[Runner] = []

    def find(self, encoders: list[Encoder | None]) -> Found:
        """Return what was found.

        Raises
        ------
        SearchInterrupted
            With the weights so far, for a KeyboardInterrupt after their first accepted
            iteration.
        """
        try:
            self.begin(encoders)
            return self.finish()
        except KeyboardInterrupt as interrupt:
            raise self._interrupted(interrupt) from None

    def begin(self, encoders: Sequence[Encoder | Prepared | None]) -> None:
        """Let networks begin, each with its encoding, and keep the best one."""
        for encoder in encoders:
            self.running.append(self._runner(encoder))
            self.running[-1].path.begin()
            if len(self.running) > 1:
                del self.running[self._loser()]

    def finish(self, in_any_case: bool = False) -> Found:
        """Relax the penalty of the network that is left, and train it further.

        Parameters
        ----------
        in_any_case : bool
            Train it further where the penalty is given, too.
        """
        (runner,) = self.running
        encoder, path = runner.problem.encoder, runner.path
        columns, settings = runner.problem.first.columns, self.settings
        alpha, theta, table = path.alpha, path.theta, None
        if settings.searches_alpha:
            relaxed = relaxed_alpha(path, path.held_out.row_weights, self.observer)
            table = {"alpha": relaxed.points[:, 0], "log_loss": relaxed.points[:, 1]}
            alpha, theta = relaxed.alpha, relaxed.theta
        threshold, begins = None, settings.searches_alpha
        if isinstance(path, FullBatchPath) and (in_any_case or begins):
            theta, threshold = path.further(alpha, theta)
            begins = True
        layers = runner.problem.leave(theta)
        alpha = alpha * self.parts.share if table else settings.initial_alpha
        return Found(encoder, alpha, table, layers, columns, begins, threshold)

    def _runner(self, encoder: Encoder | Prepared | None) -> Runner:
        parts, settings, targets = self.parts, self.settings, self.targets
        batch_size = settings.batch_size_for(*parts.shape)
        prepared = encoder
        if not isinstance(prepared, Prepared):
            prepared = prepare(
                parts.samples,
                targets,
                prepared,
                self.random_state,
                settings.standardize,
                batch_size is not None,
            )
        state = self.random_state
        problem = pose(prepared, settings, targets, state, self.begun, batch_size)
        path = problem.path(state, problem.held_out(parts.held_out))
        return Runner(problem, path)

    def _loser(self) -> int:
        """Return which of two is to go: the first one, unless it is clearly better."""
        first, second = (runner.path.losses() for runner in self.running)
        weights = self.running[0].path.held_out.row_weights
        worse, error = difference(second, first, weights)
        if not np.isfinite(worse):
            return 0 if np.isfinite(second).all() else 1
        return 0 if worse <= CLEARLY * error else 1

    def _interrupted(self, interrupt: KeyboardInterrupt) -> KeyboardInterrupt:
        """Return what is raised in place of an interrupt."""
        original = interrupt
        theta, alpha = None, np.nan
        if isinstance(interrupt, Interrupted):  # within a part of a path
            theta, original = interrupt.outcome.theta, interrupt.original
            alpha = interrupt.outcome.alpha
        for runner in reversed(self.running):
            path, problem = runner.path, runner.problem
            if theta is None and path.theta is problem.fresh:
                continue
            if theta is None:
                theta, alpha = path.theta, path.alpha
            validation = None
            if self.parts.validated:
                validation = path.held_out
            alpha *= self.parts.share
            outcome = problem.as_it_stands(theta, alpha, validation)
            if outcome is not None:
                return SearchInterrupted(problem, outcome, original)
            theta = None
        return original
