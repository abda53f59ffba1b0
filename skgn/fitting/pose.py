"""From samples to a problem: columns encoded, coordinates chosen, weights drawn.

What depends on the samples alone comes first, and may serve several networks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np

from skgn.data.batched_first_layer import BatchedFirstLayer
from skgn.data.encoding import (
    EncodedRows,
    Encoder,
    MeanTargets,
    any_missing,
    raw_columns,
    row_of,
)
from skgn.data.first_layer import FirstLayer
from skgn.data.samples import Samples
from skgn.fitting.fitted import Fitted
from skgn.fitting.problem import FullBatch, MiniBatches, Problem
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.model.network import Network
from skgn.typing import Array

#: Bytes of encoded rows up to which a fit in mini-batches keeps a copy of them.
MOST_COPIED = 100_000_000


@dataclass(frozen=True)
class Prepared:
    """Samples whose columns are encoded, and the coordinates of the first layer.

    Attributes
    ----------
    samples : Samples
    encoder : Encoder or None
        What raw columns become, mean targets included; None for sparse rows.
    first : FirstLayer or BatchedFirstLayer
    width : int
        Encoded columns.
    """

    samples: Samples
    encoder: Encoder | None
    first: FirstLayer | BatchedFirstLayer
    width: int


def prepare(
    samples: Samples,
    targets: Targets,
    encoder: Encoder | None,
    random_state: np.random.RandomState,
    standardize: bool,
    batched: bool,
    is_new: bool = False,
) -> Prepared:
    """Encode the columns, and decompose or standardise them.

    Parameters
    ----------
    samples : Samples
        Of positive weight.
    targets : Targets
    encoder : Encoder or None
        What raw columns become; None for sparse rows.
    random_state : RandomState
        Draws folds of samples for mean targets, and what a decomposition begins with.
    standardize : bool
    batched : bool
        Whether fits will be in mini-batches.
    is_new : bool
        Whether some of the rows may be new to the encoder.
    """
    if not batched:
        samples = samples.gathered()
    is_new = is_new or samples.kept is not None
    X, encoder = _encoded(samples, targets, encoder, random_state, is_new)
    share = samples.scattered_weights()
    first: FirstLayer | BatchedFirstLayer
    with raw_columns(encoder):
        if batched:
            copy = not samples.is_mapped
            if isinstance(X, EncodedRows):
                size = X.shape[0] * X.shape[1] * X.dtype.itemsize
                copy = copy and size <= MOST_COPIED
            first = BatchedFirstLayer.of(
                X, share, standardize, random_state, samples.kept, copy
            )
        else:
            first = FirstLayer.of(X, share, standardize, random_state)
    return Prepared(samples, encoder, first, X.shape[1])


def pose(
    prepared: Prepared,
    settings: Settings,
    targets: Targets,
    random_state: np.random.RandomState,
    begun: float,
    batch_size: int | None,
    earlier: Fitted | None = None,
    make: Callable[..., Problem] | None = None,
    mean: Array | None = None,
) -> Problem:
    """Return the problem of fitting samples.

    Parameters
    ----------
    prepared : Prepared
    settings : Settings
    targets : Targets
    random_state : RandomState
        Draws the initial weights.
    begun : float
        When the fit began.
    batch_size : int or None
        Samples of a mini-batch; None for all of them.
    earlier : Fitted, optional
        An earlier fit, whose weights are the initial ones.
    make : callable, optional
        Makes the problem, where the samples are not here.
    mean : ndarray, optional
        Mean target, where the samples are not here.
    """
    samples, first = prepared.samples, prepared.first
    if isinstance(first, BatchedFirstLayer):
        first = first.with_own_buffer()
    if make is None:
        make = cast(Callable[..., Problem], FullBatch)
        if batch_size is not None:
            make = partial(MiniBatches, batch_size=batch_size)
    if mean is None:
        mean = targets.mean(samples)
    widths = (prepared.width, *settings.sizes, targets.n_outputs)
    network = Network.of(widths, settings.activations)
    inner = replace(network, widths=(first.width, *widths[1:]))
    settings.check_size(inner.size, inner.widths)
    intercepts = targets.loss.mean_link(mean)
    layers = network.initial_weights(
        random_state, intercepts, spread=settings.spreads_intercepts(prepared.width)
    )
    nothing = np.zeros(0, samples.X.dtype)
    problem = make(
        settings,
        inner,
        targets,
        samples,
        prepared.encoder,
        first=first,
        theta=nothing,
        fresh=nothing,
        begun=begun,
        descent=None,
    )
    fresh = problem.enter(layers)
    if earlier is None:
        return replace(problem, theta=fresh, fresh=fresh)
    theta = problem.enter(earlier.layers_for(network, first.columns))
    descent = None
    if batch_size is not None:
        damping = settings.batch_damping(prepared.width)
        descent = earlier.descent_for(theta, problem.enter, first, damping)
    return replace(problem, theta=theta, fresh=fresh, descent=descent)


def _encoded(
    samples: Samples,
    targets: Targets,
    encoder: Encoder | None,
    random_state: np.random.RandomState,
    is_new: bool,
) -> tuple[Any, Encoder | None]:
    """Return the columns that the network takes, and the encoder with mean targets.

    Some of the rows may be new to the encoder.
    """
    if encoder is None:
        return samples.X, None
    means, tables = [], []
    for part in encoder.categories:
        if not part.with_means:
            continue
        index = row_of(samples.X[:, part.column], part.count)
        own, table = targets.means_of(index, part.count + 2, samples, random_state)
        means.append(own)
        tables.append(MeanTargets(part.column, table))
    encoder = replace(encoder, mean_targets=tuple(tables))
    if encoder.is_plain and not (is_new and any_missing(samples.X)):
        return samples.X, encoder
    beside = np.hstack(means).astype(samples.X.dtype) if means else None
    return EncodedRows(samples.X, encoder, beside), encoder
