"""Which encodings of the columns a fit chooses from."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from skgn.data.encoding import FEWEST_STEPS, MOST_COLUMNS, Encoder
from skgn.data.samples import Samples
from skgn.fitting.fitted import Fitted
from skgn.fitting.relaxation import are_enough
from skgn.fitting.settings import Settings
from skgn.typing import Array


def encoders_for(
    settings: Settings,
    samples: Samples,
    random_state: np.random.RandomState,
    earlier: Fitted | None = None,
    with_means: bool = False,
    in_any_case: bool = False,
) -> list[Encoder | None]:
    """Return the encoders that come into question, the plainest first.

    Parameters
    ----------
    settings : Settings
    samples : Samples
        Those that the fit may learn from.
    random_state : RandomState
        Draws the rows that knots are taken from.
    earlier : Fitted, optional
        An earlier fit, whose weights are gone on with, and so its encoder.
    with_means : bool
        Whether there will be mean targets of many categories.
    in_any_case : bool
        Let features have steps where there are too few samples to judge them by, too.

    Returns
    -------
    list of Encoder or None
        None for sparse rows, whose columns stay as they are.

    Raises
    ------
    ValueError
        If the earlier fit had other columns, or another encoding.
    """
    X = samples.X
    if earlier is not None:
        return [_kept(settings, samples, earlier)]
    if sparse.issparse(X):
        if settings.encoding == "piecewise":
            raise ValueError(
                "encoding='piecewise' cannot be used with sparse X, whose zeros it would "
                "fill. Set encoding='auto' or None, or densify X with toarray()."
            )
        return [None]
    # weights of a small unit count as rows: categories need some, and steps
    total = max(float(samples.weights.sum()), len(samples.weights))
    weights = total * samples.scattered_weights()
    plain = Encoder.of(X, weights, samples.categories, with_means)
    shape = len(samples.weights), X.shape[1]
    return with_and_without_steps(
        settings, plain, X, weights, shape, random_state, in_any_case
    )


def with_and_without_steps(
    settings: Settings,
    plain: Encoder,
    X: Array,
    weights: Array,
    shape: tuple[int, int],
    random_state: np.random.RandomState,
    in_any_case: bool = False,
) -> list[Encoder | None]:
    """Return what `encoding` lets come into question of an encoder without steps.

    The rows of `X` may be a sample of those that a fit of some `shape` has; `weights` are
    theirs, of the sum of all.
    """
    if settings.encoding is None:
        return [plain]
    steps = None if settings.n_knots == "auto" else int(settings.n_knots) - 1
    if settings.encoding == "piecewise":
        return [plain.with_steps(X, weights, random_state, steps)]
    if settings.solver != "kronecker" or not (in_any_case or are_enough(*shape)):
        return [plain]
    most = MOST_COLUMNS // (FEWEST_STEPS if steps is None else steps)
    encoded = plain.with_steps(X, weights, random_state, steps, most)
    return [plain, encoded] if encoded.has_steps else [plain]


def _kept(settings: Settings, samples: Samples, earlier: Fitted) -> Encoder | None:
    """Return the encoder of an earlier fit, if it can be used."""
    own, X = earlier.predictor.encoder, samples.X
    n = earlier.predictor.n_features
    if n != X.shape[1]:
        raise ValueError(
            "warm_start can only be used with the features, hidden_layer_sizes and "
            f"activation of the previous call to fit. Previously got {n} features, now "
            f"{X.shape[1]}."
        )
    asked = settings.own_encoding
    if earlier.encoding != asked:
        raise ValueError(
            "warm_start can only be used with the encoding and n_knots of the previous "
            f"call to fit. Previously got {earlier.encoding}, now {asked}."
        )
    if sparse.issparse(X):
        if own is not None and not own.is_plain:
            raise ValueError(
                "warm_start can only go on with dense X here: the previous call to fit "
                "has encoded its columns."
            )
        return None
    if own is None:  # sparse rows so far
        # as many columns as before: none tells where cells are missing
        encoder = Encoder.of(X, samples.scattered_weights())
        return replace(encoder, flagged=encoder.flagged[:0])
    return own
