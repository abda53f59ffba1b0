"""A fit whose samples are spread over workers; everything but the rows is here.

What a fit does stays what it is (:mod:`skgn.fitting.fit`). Encoders learn of sums over
all samples; knots, and mean targets of many categories, of a sample that comes to the
client. So does the search for a penalty and an encoding: its samples are as many as those
of a local search, at most 55,000. Where nothing is to be searched for, no sample comes.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from typing import Any, cast

import numpy as np
from scipy import sparse

from skgn.cluster.parts import (
    Beside,
    Drawing,
    Learning,
    Measure,
    Ranges,
    Rest,
    Sharing,
    Statistics,
    together,
)
from skgn.cluster.problem import (
    SpreadFullBatch,
    SpreadHeldOut,
    SpreadMiniBatches,
    Whole,
    batch_size_for,
)
from skgn.cluster.share import FirstGram, FirstProduct, Sums, zero_rows
from skgn.cluster.spread import Spread, added
from skgn.data.columns import ColumnStatistics, Standardisation, check_sizes
from skgn.data.encoding import Encoder, MeanTargets, RawColumns, raw_columns, row_of
from skgn.data.first_layer import LARGEST_SIDE, TRUNCATED_RANK, FirstLayer
from skgn.data.samples import Samples
from skgn.fitting.encoders import encoders_for, with_and_without_steps
from skgn.fitting.fit import Fit, FitObserver, Start, completed, constant
from skgn.fitting.fitted import Fitted
from skgn.fitting.pose import Prepared, pose
from skgn.fitting.problem import Problem
from skgn.fitting.relaxation import most_rows, rows_held_out
from skgn.fitting.search import Parts
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.linalg.kronecker import Factor
from skgn.training.held_out import HeldOut
from skgn.typing import Array

#: Largest seed.
LARGEST_SEED = np.iinfo(np.int32).max


@dataclass(frozen=True)
class SpreadSamples:
    """Samples that are spread over workers.

    Attributes
    ----------
    parts : Spread
        Of :class:`Samples` of positive weight, with encoded targets.
    like : Samples
        None of them: what X is like.
    count : int
        Number of parts.
    rows : int
        Number of samples, about: later, some may turn out to have no weight.
    """

    parts: Spread
    like: Samples
    count: int
    rows: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples, about, and of columns."""
        return self.rows, self.like.X.shape[1]

    @property
    def dtype(self) -> Any:
        """Precision of X."""
        return self.like.X.dtype

    @property
    def numbers(self) -> list[int]:
        """Of the parts."""
        return list(range(self.count))

    def measures(self, targets: Targets) -> list[Sums]:
        """Return how many samples there are in each part, their weight and mean."""
        return self.parts.each(Measure(targets))

    def divided(self, share: float, seed: int) -> tuple["SpreadSamples", "SpreadSamples"]:
        """Return some of the samples of each part, drawn at random, and the others."""
        drawn = self.parts.become(Drawing(share, seed), self.numbers)
        rest = self.parts.become(Rest(share, seed), self.numbers)
        return replace(self, parts=drawn), replace(self, parts=rest)

    def shares(
        self, ask: Sharing, counts: list[int], beside: list[Beside | None]
    ) -> Spread:
        """Return shares, no more than there are threads, of neighbouring parts.

        Parameters
        ----------
        ask : Sharing
        counts : list of int
            Samples of each part, which the shares are to have as many of.
        beside : list of Beside or None
        """
        number = min(self.parts.threads, self.count)
        middles = np.cumsum(counts) - np.array(counts) / 2
        share_of = (middles * number / max(sum(counts), 1)).astype(int)
        groups = [np.flatnonzero(share_of == i).tolist() for i in range(number)]
        groups = [group for group in groups if group]
        own = [(i, [beside[k] for k in group]) for i, group in enumerate(groups)]
        return self.parts.joined(ask, groups, own)

    def drawn(self, drawing: Drawing) -> list[Samples]:
        """Bring some of the samples of each part to the client."""
        return self.parts.each(drawing, self.numbers)


def fit_spread(
    settings: Settings,
    samples: SpreadSamples,
    targets: Targets,
    start: Start,
    held_out: SpreadSamples | Samples | None = None,
    observer: FitObserver | None = None,
) -> Fitted:
    """Fit a network to samples that are spread over workers.

    See :func:`skgn.fitting.fit.fit`.

    Raises
    ------
    ValueError
        Also where a part of the samples is to be held out, and they are too few.
    """
    settings.check_for(samples.like.X.dtype)
    if targets.nothing_to_fit:
        n, like = samples.like.X.shape[1], samples.like
        row = sparse.csr_array((1, n)) if sparse.issparse(like.X) else np.zeros((1, n))
        one = replace(like, X=row.astype(like.X.dtype), weights=np.ones(1))
        return constant(settings, one, targets)
    if settings.early_stopping and held_out is None:
        seed = start.random_state.randint(LARGEST_SEED)
        held_out, samples = samples.divided(settings.validation_fraction, seed)
    try:
        return completed(SpreadFit(settings, samples, targets, start, held_out, observer))
    finally:
        samples.parts.report()


class SpreadFit(Fit):
    """A fit on its way; the samples are elsewhere."""

    def __init__(
        self,
        settings: Settings,
        samples: SpreadSamples,
        targets: Targets,
        start: Start,
        held_out: SpreadSamples | Samples | None,
        observer: FitObserver | None,
    ):
        super().__init__(settings, samples.like, targets, start, None, observer)
        self.spread, self.validation = samples, held_out
        self.measures = samples.measures(targets)
        self.whole = _whole(self.measures)
        if not self.whole.count:
            raise ValueError("early_stopping=True leaves no sample to be trained on.")

    @property
    def shape(self) -> tuple[int, int]:
        """Of all samples."""
        return self.whole.count, self.samples.X.shape[1]

    @cached_property
    def validation_whole(self) -> Whole:
        """What validation samples that are spread, too, are together."""
        whole = _whole(cast(SpreadSamples, self.validation).measures(self.targets))
        if not whole.count:
            raise ValueError("There is no validation sample of positive weight.")
        return whole

    @cached_property
    def sampling(self) -> Drawing:
        """How the samples are drawn that knots, mean targets and the search have."""
        m = self.whole.count
        seed = deepcopy(self.random_state).randint(LARGEST_SEED)
        return Drawing((rows_held_out(m) + most_rows(m)) / m, seed)

    @cached_property
    def sample(self) -> Samples:
        """These samples."""
        return together(self.spread.drawn(self.sampling))

    # What held-out samples can tell.

    def encoders(self) -> list[Encoder | None]:
        """See :class:`Fit`; knots are those of a sample."""
        settings, earlier, X = self.settings, self.earlier, self.samples.X
        if earlier is not None and earlier.predictor.encoder is None:
            if not sparse.issparse(X):
                raise ValueError(
                    "warm_start with a collection of dense X cannot go on from a fit to "
                    "sparse X."
                )
        if earlier is not None or sparse.issparse(X):
            return encoders_for(settings, self.samples, self.random_state, earlier)
        learned = [own for own in self.spread.parts.each(Learning()) if own is not None]
        m, total = self.whole.count, self.whole.total
        # weights of a small unit count as rows
        size = max(total, m)
        raw = reduce(RawColumns.merged, learned).scaled(size / total)
        plain = raw.encoder(self.targets.has_means)
        if settings.encoding is None:
            return [plain]
        some = self.sample
        weights = size * some.weights / some.weights.sum()
        return with_and_without_steps(
            settings, plain, some.X, weights, self.shape, self.random_state
        )

    def parts(self, random_state: np.random.RandomState) -> Parts | None:
        """See :class:`Fit`; of the sample."""
        held_out = self.validation
        if isinstance(held_out, SpreadSamples):
            count = self.validation_whole.count
            seed = deepcopy(random_state).randint(LARGEST_SEED)
            some = Drawing(rows_held_out(count) / count, seed)
            held_out = together(held_out.drawn(some))
        whole = self.shape, self.whole.total
        return Parts.of(self.sample, self.targets, random_state, held_out, whole)

    # The fit of all samples.

    def of_all_samples(self, settings: Settings) -> Problem:
        """See :class:`Fit`."""
        encoder, beside = self._with_mean_targets(self.encoder)
        with raw_columns(encoder):
            columns, vary = self._columns(encoder, beside, settings.standardize)
        batch_size, seed = batch_size_for(settings, *self.shape), None
        if batch_size is not None:
            seed = deepcopy(self.random_state).randint(LARGEST_SEED)
        ask = Sharing(encoder, columns, self.whole.total, seed)
        counts = [int(own["count"]) for own in self.measures]
        shares = self.spread.shares(ask, counts, beside)
        first = self._first_layer(shares, columns, settings.standardize)
        self.spread.parts.release()  # after a loss, they are made of the collection
        make: Any = SpreadFullBatch
        if batch_size is not None:
            make = partial(SpreadMiniBatches, batch_size=batch_size)
        return pose(
            Prepared(self.samples, encoder, first, first.width),
            settings,
            self.targets,
            self.random_state,
            self.begun,
            None,
            self.earlier,
            partial(make, shares=shares, whole=self.whole, columns_vary=vary),
            self.whole.mean,
        )

    def _with_mean_targets(
        self, encoder: Encoder | None
    ) -> tuple[Encoder | None, list[Beside | None]]:
        """Return the encoder with mean targets, and what rows of the sample have."""
        nothing: list[Beside | None] = [None] * self.spread.count
        if encoder is None or not any(own.with_means for own in encoder.categories):
            return encoder, nothing
        some, means, tables = self.sample, [], []
        for part in encoder.categories:
            if part.with_means:
                index = row_of(some.X[:, part.column], part.count)
                own, table = self.targets.means_of(
                    index, part.count + 2, some, self.random_state
                )
                means.append(own)
                tables.append(MeanTargets(part.column, table))
        own, start = np.hstack(means), 0
        beside: list[Beside | None] = []
        for number, measure in enumerate(self.measures):
            index = self.sampling.index(measure["count"], number)
            beside.append((index, own[start : start + len(index)]))
            start += len(index)
        return replace(encoder, mean_targets=tuple(tables)), beside

    def _columns(
        self, encoder: Encoder | None, beside: list[Beside | None], standardize: bool
    ) -> tuple[Standardisation, bool]:
        """Return what is done to the columns, and whether any of them varies."""
        ranges = self.spread.parts.each(Ranges(encoder), beside)
        lowest = np.min([own for own, _ in ranges], axis=0)
        highest = np.max([own for _, own in ranges], axis=0)
        vary = bool(np.any(lowest < highest))
        if not standardize:
            return Standardisation.none(len(lowest)), vary
        size = check_sizes(lowest, highest, self.samples.X.dtype)
        unit = np.where(size > 0, size, 1.0)
        ask = Statistics(encoder, unit, self.whole.total)
        several = [own for own in self.spread.parts.each(ask, beside) if own is not None]
        merged = reduce(ColumnStatistics.merged, several)
        common = [own.common for own in several if own.common is not None]
        if common:  # of wide sparse rows
            merged = replace(merged, common=float(np.median(common)))
        return merged.standardisation(self.samples.X.dtype), vary

    def _first_layer(
        self, shares: Spread, columns: Standardisation, standardize: bool
    ) -> FirstLayer:
        """Return the coordinates, and ``S_1`` decomposed."""
        n, dtype = len(columns.mean), self.samples.X.dtype
        inputs = zero_rows(n, dtype)
        if n <= LARGEST_SIDE:
            S = shares.sum(FirstGram())["S1"]
            return FirstLayer.in_columns(columns, inputs, S, standardize)
        shape = 1 + n, min(TRUNCATED_RANK, 1 + n)
        start = self.random_state.standard_normal(shape).astype(dtype)
        trace = float(shares.sum(FirstProduct(start[:, :1]))["trace"])

        def multiply(V: Array) -> Array:
            product: Array = shares.sum(FirstProduct(V))["product"]
            return product

        return FirstLayer(columns, inputs, Factor.truncated(multiply, trace, start))

    @property
    def _validation(self) -> HeldOut | None:
        held_out, problem = self.validation, self.posed
        if not isinstance(held_out, SpreadSamples):
            return None if held_out is None else problem.held_out(held_out)
        total = self.validation_whole.total
        ask = Sharing(problem.encoder, problem.first.columns, total)
        nothing: list[Beside | None] = [None] * held_out.count
        shares = held_out.shares(ask, [1] * held_out.count, nothing)
        held_out.parts.release()
        return SpreadHeldOut.of(problem.network, problem.loss, shares)


def _whole(measures: list[Sums]) -> Whole:
    """Return what the parts are together."""
    sums = added(measures)
    total = float(sums["total"])
    mean = sums["mean"] / total if total else sums["mean"]
    largest = max(int(own["count"]) for own in measures)
    return Whole(int(sums["count"]), total, mean, largest)
