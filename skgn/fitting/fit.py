"""A fit, as a function: from settings, samples and targets to a fitted network."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from skgn.data.batched_first_layer import BatchedFirstLayer
from skgn.data.columns import Standardisation, column_range
from skgn.data.coordinates import Coordinates
from skgn.data.first_layer import FirstLayer
from skgn.data.samples import Samples
from skgn.fitting.fitted import Fitted
from skgn.fitting.penalty import Found, search
from skgn.fitting.problem import FullBatch, MiniBatches, Problem
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.model.network import Network
from skgn.model.prediction import Predictor
from skgn.training.evidence import TEMPERED
from skgn.training.outcome import Interrupted, Observer, Outcome, Progress
from skgn.typing import Array

#: A penalty prevails where the cost is lower by less than this share than that of the
#: mean target, and the squared norm of the weights has fallen by this factor.
GAIN, SHRUNK = 0.01, 0.1

#: Samples that are looked at to see whether columns vary.
SEEN = 10_000

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


def fit(
    settings: Settings,
    samples: Samples,
    targets: Targets,
    start: Start,
    held_out: Samples | None = None,
    observer: FitObserver | None = None,
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
    begun = perf_counter()
    settings.check_for(samples.X.dtype)
    widths = (samples.X.shape[1], *settings.sizes, targets.n_outputs)
    network = Network.of(widths, settings.activations)
    if targets.nothing_to_fit:
        return _constant(settings, network, samples.X.dtype)
    if settings.early_stopping and held_out is None:
        samples, held_out = _split(settings, samples, targets, start.random_state)
    problem, search_state = _problem(settings, samples, targets, network, start, begun)
    earlier = start.earlier
    searched: Found | None = None

    def fitted(outcome: Outcome) -> Fitted:
        layers = network.layers(_left(problem, outcome.theta))
        predictor = Predictor.of(network, layers, problem.first.columns)
        descent = outcome.descent if settings.warm_start else None
        if descent is not None:
            descent = deepcopy(descent).carried(lambda flat: _left(problem, flat))
        # the predictor has the weights: they are not kept twice
        own = replace(outcome, theta=outcome.theta[:0].copy(), descent=None)
        path = None if searched is None else searched.path
        prevails = _penalty_prevails(problem, outcome)
        return Fitted(predictor, own, path, None, descent, prevails)

    def observe(progress: Progress) -> bool | None:
        assert observer is not None
        outcome = progress.outcome
        return observer(progress, None if outcome is None else lambda: fitted(outcome()))

    watch: Observer | None = None if observer is None else observe
    validation = None if held_out is None else problem.held_out(held_out.gathered())
    alpha, by_evidence, outcome = settings.initial_alpha, None, None
    try:
        if settings.searches_alpha and earlier is not None and earlier.alpha_path:
            searched = Found(earlier.outcome.alpha, earlier.alpha_path)
        elif settings.searches_alpha:
            searched = search(problem, search_state, validation, watch)
        if searched is not None:
            alpha = searched.alpha
            if watch is not None:
                stage = "kept" if searched.theta is None else "found"
                watch(Progress({"alpha": alpha}, 0, 0, stage=stage))
        elif settings.searches_alpha:
            by_evidence = problem.evidence(TEMPERED)
            if earlier is not None:
                alpha, by_evidence.wait = earlier.outcome.alpha, 0
        rng = start.random_state
        outcome = problem.train(alpha, rng, validation, by_evidence, watch)
        return fitted(outcome)
    except Interrupted as interrupt:
        original, outcome = interrupt.original, interrupt.outcome
    except KeyboardInterrupt as interrupt:
        original = interrupt
        if outcome is None and searched is not None and searched.theta is not None:
            outcome = problem.as_it_stands(searched.theta, alpha, validation)
        if outcome is None:
            raise
    except FloatingPointError as error:
        raise ValueError(overflow(settings, " at its initial weights")) from error
    raise FitInterrupted(fitted(outcome), original)


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
    return shrunk and says_nothing and _varies(problem.samples)


def _varies(samples: Samples) -> bool:
    """Return whether a column varies in the first of some samples."""
    X = samples.take(np.arange(min(len(samples.weights), SEEN))).gathered().X
    lowest, highest = column_range(X, np.ones(X.shape[0]))
    return bool(np.any(lowest < highest))


def _constant(settings: Settings, network: Network, dtype: Any) -> Fitted:
    """Return zero weights: with one class there is nothing to fit."""
    layers: list[Array] = [np.zeros(shape, dtype) for shape in network.shapes]
    columns = Standardisation.none(network.widths[0])
    damping, alpha = settings.initial_damping(1.0), settings.initial_alpha
    validated = settings.early_stopping
    outcome = Outcome.nothing_to_fit(damping, alpha, "single_class", validated)
    return Fitted(Predictor.of(network, layers, columns), outcome)


def _split(
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


def _problem(
    settings: Settings,
    samples: Samples,
    targets: Targets,
    network: Network,
    start: Start,
    begun: float,
) -> tuple[Problem, np.random.RandomState]:
    """Return the problem with its initial weights, and the state for a search.

    The search must not change what the penalty that it finds, given, leads to.
    """
    random_state = start.random_state
    batch_size = settings.batch_size_for(len(samples.weights), samples.X.shape[1])
    first: Coordinates
    make: Callable[..., Problem]
    if batch_size is None:
        samples = samples.gathered()
        share = samples.scattered_weights()
        whole = FirstLayer.of(samples.X, share, settings.standardize, random_state)
        first, make = whole, partial(FullBatch, first=whole)
    else:
        share, copy = samples.scattered_weights(), not samples.is_mapped
        batched = BatchedFirstLayer.of(
            samples.X, share, settings.standardize, random_state, samples.kept, copy
        )
        first, make = batched, partial(MiniBatches, first=batched, batch_size=batch_size)

    def entered(layers: list[Array]) -> Array:
        """Return weights in the coordinates of the first layer, flat."""
        layers = [V.astype(samples.X.dtype) for V in layers]
        layers[0] = first.enter(layers[0])
        return np.concatenate([V.ravel() for V in layers])

    intercepts = targets.loss.mean_link(targets.mean(samples))
    descent = None
    if start.earlier is None:
        layers = network.initial_weights(random_state, intercepts)
        search_state = deepcopy(random_state)
        theta = fresh = entered(layers)
    else:
        search_state = deepcopy(random_state)
        fresh = entered(network.initial_weights(search_state, intercepts))
        theta = entered(start.earlier.layers_for(network, first.columns))
        if batch_size is not None:
            damping = settings.batch_damping(samples.X.shape[1])
            descent = start.earlier.descent_for(theta, entered, first, damping)
    problem = make(
        settings,
        replace(network, widths=(first.width, *network.widths[1:])),
        targets,
        samples,
        theta=theta,
        fresh=fresh,
        begun=begun,
        descent=descent,
    )
    return problem, search_state


def _left(problem: Problem, flat: Array) -> Array:
    """Return flat weights in the coordinates of the first layer for its columns."""
    layers = problem.network.layers(flat)
    layers[0] = problem.first.leave(layers[0])
    return np.concatenate([V.ravel() for V in layers])
