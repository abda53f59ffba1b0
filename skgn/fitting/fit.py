"""A fit, as a function: from settings, samples and targets to a fitted network."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from skgn.data.batched_first_layer import BatchedFirstLayer
from skgn.data.columns import Standardisation
from skgn.data.coordinates import Coordinates
from skgn.data.first_layer import FirstLayer
from skgn.data.samples import Samples
from skgn.fitting.fitted import Fitted
from skgn.fitting.penalty import search
from skgn.fitting.problem import FullBatch, MiniBatches, Problem
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.model.network import Network
from skgn.model.prediction import Predictor
from skgn.training.evidence import TEMPERED
from skgn.training.outcome import Observer, Outcome, Progress
from skgn.typing import Array

#: Told of each iteration or epoch, with the fit as it stands; True ends it.
FitObserver = Callable[[Progress, Callable[[], Fitted] | None], bool | None]


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
        If the samples cannot be split, do not fit the earlier fit, or are too large.
    """
    widths = (samples.X.shape[1], *settings.sizes, targets.n_outputs)
    network = Network.of(widths, settings.activations)
    if targets.nothing_to_fit:
        return _constant(settings, network)
    if settings.early_stopping and held_out is None:
        samples, held_out = _split(settings, samples, targets, start.random_state)
    problem, search_state = _problem(settings, samples, targets, network, start)
    path: dict[str, Array] | None = None

    def fitted(outcome: Outcome) -> Fitted:
        layers = problem.network.layers(outcome.theta)
        layers[0] = problem.first.leave(layers[0])
        predictor = Predictor.of(network, layers, problem.first.columns)
        # the predictor has the weights: they are not kept twice
        return Fitted(predictor, replace(outcome, theta=outcome.theta[:0].copy()), path)

    def observe(progress: Progress) -> bool | None:
        assert observer is not None
        outcome = progress.outcome
        return observer(progress, None if outcome is None else lambda: fitted(outcome()))

    watch: Observer | None = None if observer is None else observe
    validation = None if held_out is None else problem.held_out(held_out.gathered())
    alpha, by_evidence = settings.initial_alpha, None
    try:
        found = None
        if settings.searches_alpha:
            found = search(problem, search_state, validation, watch)
        if found is not None:
            alpha, path = found
        elif settings.searches_alpha:
            by_evidence = problem.evidence(TEMPERED)
            if start.earlier is not None:
                alpha, by_evidence.wait = start.earlier.outcome.alpha, 0
        rng = start.random_state
        return fitted(problem.train(alpha, rng, validation, by_evidence, watch))
    except FloatingPointError as error:
        raise ValueError(
            "The network overflows on X at its initial weights. Use standardize=True or "
            "rescale the features of X."
        ) from error


def _constant(settings: Settings, network: Network) -> Fitted:
    """Return zero weights: with one class there is nothing to fit."""
    layers: list[Array] = [np.zeros(shape) for shape in network.shapes]
    columns = Standardisation.none(network.widths[0])
    damping, alpha = settings.initial_damping(1.0), settings.initial_alpha
    outcome = Outcome.nothing_to_fit(damping, alpha, "single_class")
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
    if start.earlier is None:
        layers = network.initial_weights(random_state, intercepts)
        search_state = deepcopy(random_state)
        theta = fresh = entered(layers)
    else:
        search_state = deepcopy(random_state)
        fresh = entered(network.initial_weights(search_state, intercepts))
        theta = entered(start.earlier.layers_for(network, first.columns))
    inner = replace(network, widths=(first.width, *network.widths[1:]))
    problem = make(settings, inner, targets, samples, theta=theta, fresh=fresh)
    return problem, search_state
