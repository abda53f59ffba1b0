"""A fit, as a function: from settings, samples and targets to a fitted network."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from skgn.data.columns import Standardisation
from skgn.data.encoding import Encoder
from skgn.data.samples import Samples
from skgn.fitting.encoders import encoders_for
from skgn.fitting.fitted import Fitted
from skgn.fitting.pose import Prepared, pose, prepare
from skgn.fitting.problem import Problem
from skgn.fitting.search import Found, Parts, Search, SearchInterrupted
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.model.network import Network
from skgn.model.prediction import Predictor
from skgn.training.evidence import TEMPERED
from skgn.training.held_out import HeldOut
from skgn.training.outcome import Interrupted, Observer, Outcome, Progress
from skgn.typing import Array

#: A penalty prevails where the cost is lower by less than this share than that of the
#: mean target, and the squared norm of the weights has fallen by this factor.
GAIN, SHRUNK = 0.01, 0.1

#: Told of each iteration or epoch, with the fit as it stands; True ends it.
FitObserver = Callable[[Progress, Callable[[], Fitted] | None], bool | None]


class FitInterrupted(KeyboardInterrupt):
    """A KeyboardInterrupt of a fit that has come some way.

    Attributes
    ----------
    fitted : Fitted
        As it stands.
    original : KeyboardInterrupt
        The one to be raised in the end: only that makes the shell stop, too.
    """

    def __init__(self, fitted: Fitted, original: KeyboardInterrupt):
        super().__init__()
        self.fitted, self.original = fitted, original


@dataclass(frozen=True)
class Start:
    """Where a fit begins.

    Attributes
    ----------
    random_state : RandomState
    earlier : Fitted or None
        An earlier fit, whose weights are gone on with.
    """

    random_state: np.random.RandomState
    earlier: Fitted | None = None


@dataclass(frozen=True)
class Shared:
    """What a fit of several networks knows before it fits one of them.

    Attributes
    ----------
    prepared : Prepared
        The samples, in the columns of the network.
    found : Found or None
        What a search has found; None if there was none, and there will be none.
    """

    prepared: Prepared
    found: Found | None


def fit(
    settings: Settings,
    samples: Samples,
    targets: Targets,
    start: Start,
    held_out: Samples | None = None,
    observer: FitObserver | None = None,
    shared: Shared | None = None,
) -> Fitted:
    """Fit a network.

    Parameters
    ----------
    settings : Settings
    samples : Samples
        Of positive weight.
    targets : Targets
        The form of the samples' targets.
    start : Start
    held_out : Samples, optional
        For early stopping; split off the others where they are missing.
    observer : callable, optional
        Told of each iteration or epoch, and of the search for a penalty. It gets the
        :class:`Progress`, and a function that returns the fit as it stands, None in the
        search. True ends the fit.
    shared : Shared, optional
        What is known already.

    Returns
    -------
    Fitted

    Raises
    ------
    ValueError
        If the samples cannot be split, do not fit the earlier fit, or are too large; if a
        number is too large for the precision.
    FitInterrupted
        With what was reached, for a KeyboardInterrupt after the first accepted iteration,
        or the first epoch.
    """
    settings.check_for(samples.X.dtype)
    if targets.nothing_to_fit:
        return constant(settings, samples, targets)
    if settings.early_stopping and held_out is None:
        samples, held_out = early_stopping_split(
            settings, samples, targets, start.random_state
        )
    own = Fit(settings, samples, targets, start, held_out, observer)
    if shared is not None:
        own.take(shared)
    return completed(own)


def completed(own: "Fit") -> Fitted:
    """Go through all parts of a fit; see :func:`fit`."""
    try:
        return own.fitted(own.search().pose().train())
    except (Interrupted, SearchInterrupted) as interrupt:
        original, outcome = interrupt.original, interrupt.outcome
        if isinstance(interrupt, SearchInterrupted):
            own.problem = interrupt.problem
    except KeyboardInterrupt as interrupt:
        reached = own.as_it_stands()
        if reached is None:
            raise
        original, outcome = interrupt, reached
    except FloatingPointError as error:
        where = " at its initial weights"
        raise ValueError(overflow(own.settings, where)) from error
    raise FitInterrupted(own.fitted(outcome), original)


def as_found(search: Search, found: Found) -> Fitted:
    """Return the network that a search has judged, without a fit of all samples."""
    (runner,) = search.running
    parts, problem = search.parts, runner.problem
    start = Start(search.random_state)
    own = Fit(search.settings, parts.samples, search.targets, start, None, None)
    own.problem, own.found = problem, found
    validation = runner.path.held_out if parts.validated else None
    outcome = problem.as_it_stands(found.theta_for(problem), found.alpha, validation)
    if outcome is None:
        raise ValueError(overflow(search.settings))
    return own.fitted(replace(outcome, reason="callback"))


class Fit:
    """A fit on its way: what was found, what is fitted, and what came of it."""

    def __init__(
        self,
        settings: Settings,
        samples: Samples,
        targets: Targets,
        start: Start,
        held_out: Samples | None,
        observer: FitObserver | None,
    ):
        self.settings, self.samples, self.targets = settings, samples, targets
        self.random_state, self.earlier = start.random_state, start.earlier
        self.held_out, self.observer = held_out, observer
        self.begun = perf_counter()
        self.found: Found | None = None
        self.problem: Problem | None = None
        self.outcome: Outcome | None = None
        self.prepared: Prepared | None = None

    def take(self, shared: Shared) -> None:
        """Take what is known already."""
        self.prepared, self.found = shared.prepared, shared.found
        self.encoder, self.alpha = shared.prepared.encoder, self.settings.initial_alpha
        if shared.found is not None:
            self.alpha = shared.found.alpha

    def search(self) -> "Fit":
        """Find what held-out samples can tell: encoding, penalty, how far to train."""
        if self.prepared is not None:
            return self
        settings, earlier = self.settings, self.earlier
        encoders = self.encoders()
        self.encoder, self.alpha = encoders[0], settings.initial_alpha
        stage = "found"
        if settings.searches_alpha and earlier is not None and earlier.alpha_path:
            alpha, path = earlier.outcome.alpha, earlier.alpha_path
            self.found = Found(self.encoder, alpha, path, threshold=earlier.threshold)
            stage = "kept"
        elif settings.searches_alpha or len(encoders) > 1:
            state = deepcopy(self.random_state)
            parts = self.parts(state)
            if parts is not None:
                search = Search(
                    settings, parts, self.targets, state, self.begun, self.watch
                )
                self.found = search.find(encoders)
        if self.found is not None:
            self.encoder, self.alpha = self.found.encoder, self.found.alpha
            if self.watch is not None and self.found.path is not None:
                self.watch(Progress({"alpha": self.alpha}, 0, 0, stage=stage))
        return self

    def encoders(self) -> list[Encoder | None]:
        """Return the encoders that come into question."""
        with_means = self.targets.has_means and not self.samples.is_mapped
        return encoders_for(
            self.settings, self.samples, self.random_state, self.earlier, with_means
        )

    def parts(self, random_state: np.random.RandomState) -> Parts | None:
        """Return samples that a search trains on and others, if there are enough."""
        return Parts.of(self.samples, self.targets, random_state, self.held_out)

    def pose(self) -> "Fit":
        """Pose the problem of all samples."""
        found, settings = self.found, self.settings
        # samples of early stopping watch the fit themselves
        if found is not None and found.threshold and self.held_out is None:
            settings = settings.ending_at(found.threshold)
        problem = self.of_all_samples(settings)
        if found is not None and found.begins and self.earlier is None:
            problem = problem.beginning_at(found.theta_for(problem))
        self.problem = problem
        return self

    def of_all_samples(self, settings: Settings) -> Problem:
        """Return the problem of all samples, with initial weights."""
        batch_size = settings.batch_size_for(*self.samples.X.shape)
        prepared = self.prepared or prepare(
            self.samples,
            self.targets,
            self.encoder,
            self.random_state,
            settings.standardize,
            batch_size is not None,
            self.earlier is not None,
        )
        return pose(
            prepared,
            settings,
            self.targets,
            self.random_state,
            self.begun,
            batch_size,
            self.earlier,
        )

    def train(self) -> Outcome:
        """Train with all samples."""
        problem, rule = self.posed, None
        if self.settings.searches_alpha and self.found is None:
            rule = problem.evidence(TEMPERED)
            if self.earlier is not None:
                self.alpha, rule.wait = self.earlier.outcome.alpha, 0
        self.outcome = problem.train(
            self.alpha, self.random_state, self._validation, rule, self.watch
        )
        return self.outcome

    def as_it_stands(self) -> Outcome | None:
        """Return the outcome of a fit that is interrupted between its parts."""
        found = self.found
        if self.outcome is not None or found is None or found.layers is None:
            return self.outcome
        if self.problem is None:
            self.pose()
        theta = found.theta_for(self.posed)
        return self.posed.as_it_stands(theta, self.alpha, self._validation)

    def fitted(self, outcome: Outcome) -> Fitted:
        """Return what an outcome leaves behind."""
        problem, settings = self.posed, self.settings

        def leave(flat: Array) -> Array:
            return np.concatenate([V.ravel() for V in problem.leave(flat)])

        predictor = Predictor.of(
            problem.in_columns,
            problem.leave(outcome.theta),
            problem.first.columns,
            problem.encoder,
        )
        descent = outcome.descent if settings.warm_start else None
        return Fitted(
            predictor,
            # the predictor has the weights: they are not kept twice
            replace(outcome, theta=outcome.theta[:0].copy(), descent=None),
            None if self.found is None else self.found.path,
            None,
            None if descent is None else deepcopy(descent).carried(leave),
            _penalty_prevails(problem, outcome),
            settings.own_encoding,
            problem.settings.cost_threshold,
            None if self.found is None else self.found.threshold,
        )

    @property
    def posed(self) -> Problem:
        """The problem that is being fitted."""
        assert self.problem is not None
        return self.problem

    @property
    def _validation(self) -> HeldOut | None:
        held_out = self.held_out
        return None if held_out is None else self.posed.held_out(held_out)

    @property
    def watch(self) -> Observer | None:
        """What the loops tell of their iterations."""
        return None if self.observer is None else self._observe

    def _observe(self, progress: Progress) -> bool | None:
        assert self.observer is not None
        outcome = progress.outcome
        if outcome is None:
            return self.observer(progress, None)
        return self.observer(progress, lambda: self.fitted(outcome()))


def overflow(settings: Settings, where: str = "") -> str:
    """Return what is to be said of a network that overflows."""
    remedy = "Rescale" if settings.standardize else "Use standardize=True or rescale"
    return f"The network overflows on X{where}. {remedy} the features of X."


def _penalty_prevails(problem: Problem, outcome: Outcome) -> bool:
    """Return whether a penalty that was given keeps the network from saying anything.

    It costs as much as the mean target then, its weights are next to nothing, and that is
    not for want of columns that vary.
    """
    ended = outcome.reason in ("converged", "schedule", "max_iter")
    if problem.settings.alpha == "auto" or not ended:
        return False
    inner = problem.network.weight_inner
    shrunk = inner(outcome.theta, outcome.theta) < SHRUNK * inner(
        problem.fresh, problem.fresh
    )
    says_nothing = outcome.cost > (1 - GAIN) * problem.null_cost
    return shrunk and says_nothing and problem.varies()


def constant(settings: Settings, samples: Samples, targets: Targets) -> Fitted:
    """Return zero weights: with one class there is nothing to fit."""
    plain = replace(settings, encoding=None)
    (encoder,) = encoders_for(plain, samples, np.random.RandomState(0))
    n = samples.X.shape[1] if encoder is None else encoder.width
    widths = (n, *settings.sizes, targets.n_outputs)
    network = Network.of(widths, settings.activations)
    layers: list[Array] = [np.zeros(shape, samples.X.dtype) for shape in network.shapes]
    columns = Standardisation.none(n)
    damping, alpha = settings.initial_damping(1.0), settings.initial_alpha
    validated = settings.early_stopping
    outcome = Outcome.nothing_to_fit(damping, alpha, "single_class", validated)
    predictor = Predictor.of(network, layers, columns, encoder)
    return Fitted(predictor, outcome, encoding=settings.own_encoding)


def early_stopping_split(
    settings: Settings,
    samples: Samples,
    targets: Targets,
    random_state: np.random.RandomState,
) -> tuple[Samples, Samples]:
    """Return training and validation samples, of which `validation_fraction`."""
    m = len(samples.weights)
    n_val = max(1, round(settings.validation_fraction * m))
    parts = targets.split(samples, n_val, random_state)
    if parts is None:
        raise ValueError(
            "early_stopping=True cannot split validation_fraction="
            f"{settings.validation_fraction} off {m} samples of {len(targets.classes)} "
            "classes. Give X_val and y_val, or set early_stopping=False."
        )
    train, held_out = parts
    return samples.take(train), samples.take(held_out)
