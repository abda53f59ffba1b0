"""Fits to samples in parts, in this process: those of the samples in one place."""

import pickle
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits, make_classification
from sklearn.metrics import log_loss

from skgn.cluster.fit import SpreadFit, SpreadSamples, fit_spread
from skgn.cluster.parts import Drawing, together
from skgn.cluster.spread import InProcess
from skgn.data.columns import ColumnError
from skgn.data.samples import Samples
from skgn.estimators.targets import learned
from skgn.fitting.fit import FitInterrupted, Start, fit
from skgn.fitting.settings import Settings
from skgn.training.outcome import Progress
from tests.problems import binary, multiclass, multilabel
from tests.spies import interrupting, spy

COUNTS = [1, 3, 7]


def samples_of(X, y, weights=None, class_weight=None, **more):
    """Return samples and the form of their targets."""
    weights = np.ones(len(y)) if weights is None else weights
    targets, values, weights = learned(y, weights, class_weight)
    return Samples(X, values, weights, **more).positive(), targets


def spread(samples, count, empty=1, order=None):
    """Return the same samples in parts, one of which is empty."""
    m = len(samples.weights)
    index = np.arange(m) if order is None else order
    parts = np.array_split(index, count)
    parts.insert(empty, np.arange(0))
    return SpreadSamples(
        InProcess([samples.take(part) for part in parts]),
        samples.take(np.arange(0)),
        count + 1,
        m,
    )


def settings_of(sizes=(6,), activation="tanh", **parameters):
    """Return the settings of a fit by all samples at each iteration."""
    own = {"alpha": 1e-3, "encoding": None, "batch_size": None}
    names = (activation,) * len(sizes)
    return Settings(sizes, names, **{**own, **parameters})


def start(seed=0, earlier=None):
    return Start(np.random.RandomState(seed), earlier)


def probabilities(fitted, targets, X):
    Z = fitted.predictor.outputs(X)
    if Z.shape[1] == 1 and hasattr(targets, "classes"):
        Z = np.hstack([-Z, Z])
    return targets.loss.prediction(Z)


def distance(one, other, targets, X):
    """Return the largest difference of probabilities."""
    p, q = (probabilities(fitted, targets, X) for fitted in (one, other))
    assert np.isfinite(p).all()
    return np.abs(p - q).max()


def assert_same_fit(one, other, targets, X, tolerance=1e-10):
    assert distance(one, other, targets, X) < tolerance
    ours, theirs = one.outcome, other.outcome
    assert ours.iterations == theirs.iterations
    assert ours.reason == theirs.reason
    for name, values in ours.history.items():
        if name in ("cost", "objective", "alpha", "validation_loss", "validation_score"):
            assert_allclose(values, theirs.history[name], rtol=1e-8, err_msg=name)
    if ours.alpha:  # without a penalty, eigenvalues that are rounding count as one
        a, b = ours.effective_parameters, theirs.effective_parameters
        assert a == pytest.approx(b, rel=1e-8)


def compare(
    X, y, count=3, weights=None, class_weight=None, tolerance=1e-10, **parameters
):
    """Fit both ways; return both fits."""
    samples, targets = samples_of(X, y, weights, class_weight)
    settings = settings_of(**parameters)
    local = fit(settings, samples, targets, start())
    own = fit_spread(settings, spread(samples, count), targets, start())
    assert_same_fit(own, local, targets, X, tolerance)
    return own, local


KINDS = {"binary": binary, "multiclass": multiclass, "multilabel": multilabel}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("sizes", [(), (6,), (5, 4)], ids=len)
@pytest.mark.parametrize("kind", KINDS)
def test_full_batches_are_those_of_a_local_fit(kind, sizes, count):
    X, y = KINDS[kind](m=300)
    own, _ = compare(X, y, count, sizes=sizes)
    assert own.outcome.iterations > 3


def uneven(m):
    """Return weights of many sizes, with zeros among them."""
    weights = np.random.default_rng(0).uniform(0.1, 5, m)
    weights[::3] = 0
    return weights


@pytest.mark.parametrize("kind", KINDS)
def test_weights(kind):
    X, y = KINDS[kind](m=300)
    _, local = compare(X, y, weights=uneven(len(y)))
    scaled, _ = compare(X, y, weights=1e30 * uneven(len(y)))
    assert_allclose(scaled.predictor.coefs[0], local.predictor.coefs[0], rtol=1e-7)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}, {0: 0.0}])
def test_class_weights(class_weight):
    X, y = multiclass(m=300)
    compare(X, y, weights=uneven(len(y)), class_weight=class_weight)


@pytest.mark.parametrize(
    "parameters",
    [
        {"standardize": False},
        {"cost_threshold": 0.5},
        {"tol": 1e-6},
        {"max_iter": 3},
        {"alpha": 0.0, "max_iter": 5},
        {"damping": 1.0},
        {"activation": "logistic"},
        {"activation": "silu"},
    ],
    ids=str,
)
def test_parameters(parameters):
    X, y = multiclass(m=300)
    compare(X, y, **parameters)


def test_float32():
    """As near as the local fit is to that of its own rows in another order."""
    X, y = make_classification(
        900, 8, n_informative=5, flip_y=0.2, n_classes=3, random_state=0
    )
    X = X.astype(np.float32)
    samples, targets = samples_of(X, y)
    settings = settings_of(max_iter=15, tol=1e-3)
    local = fit(settings, samples, targets, start())
    order = np.random.default_rng(0).permutation(len(y))
    permuted = fit(settings, samples.take(order), targets, start())
    assert distance(local, permuted, targets, X) < 1e-4
    for count in COUNTS:
        own = fit_spread(settings, spread(samples, count), targets, start())
        assert own.predictor.coefs[0].dtype == np.float32
        assert distance(own, local, targets, X) < 1e-4


def test_the_order_of_rows_among_parts():
    """Sorted by label: each part has few of the classes, or one."""
    X, y = multiclass(m=300)
    samples, targets = samples_of(X, y)
    local = fit(settings_of(), samples, targets, start())
    order = np.argsort(y, kind="stable")
    parts = spread(samples, 7, order=order)
    assert min(len(np.unique(part.targets)) for part in parts.parts.parts) < 2
    own = fit_spread(settings_of(), parts, targets, start())
    assert_same_fit(own, local, targets, X)


def sparse_rows(m=400, n=30, K=3, seed=0, density=0.2):
    """Return csr rows of which labels depend on some columns."""
    state = np.random.RandomState(seed)
    X = sparse.random(m, n, density, "csr", random_state=state)
    dense = X.toarray()
    y = (dense[:, :K] + 0.1 * state.standard_normal((m, K))).argmax(axis=1)
    return sparse.csr_array(X), y


@pytest.mark.parametrize("standardize", [True, False])
def test_sparse_rows(standardize):
    X, y = sparse_rows()
    compare(X, y, standardize=standardize)


def test_columns_far_from_zero():
    """A mean of 1e6 deviations, dense and sparse."""
    X, y = binary(m=300)
    X = X.copy()
    X[:, 0] += 1e6
    compare(X, y, tolerance=1e-9)
    compare(sparse.csr_array(X), y, tolerance=1e-9)


def test_missing_cells():
    """In one part only: a column tells of them, in all parts."""
    X, y = binary(m=300)
    X = X.copy()
    X[:40, 2] = np.nan
    X[10:60, 3] = np.nan
    own, local = compare(X, y)
    assert_array_equal(own.predictor.encoder.flagged, [2, 3])
    assert_array_equal(own.predictor.encoder.flagged, local.predictor.encoder.flagged)


def test_a_column_that_is_missing_in_a_part():
    X, y = binary(m=300)
    X = X.copy()
    X[:100, 1] = np.nan  # all of the first of three parts
    compare(X, y)
    X[:, 1] = np.nan
    compare(X, y)


def test_constant_columns():
    """Each part has a value of its own, or all have the same."""
    X, y = binary(m=300)
    X = X.copy()
    X[:, 0] = np.repeat([1.0, 2.0, 3.0], 100)
    X[:, 1] = 7.0
    compare(X, y)
    compare(np.ones((300, 2)), y)


@pytest.mark.parametrize("encoding", [None, "piecewise"])
def test_huge_values(encoding):
    """The column is named by its number among the raw ones."""
    X, y = binary(m=300)
    X = X.copy()
    X[250, 3] = 1e301
    samples, targets = samples_of(X, y)
    with pytest.raises(ColumnError, match="is the largest that a fit") as error:
        fit_spread(settings_of(encoding=encoding), spread(samples, 3), targets, start())
    assert error.value.column == 3


def test_large_values_that_can_be_fitted():
    X, y = binary(m=300)
    X = X.copy()
    X[:, 3] *= 1e280
    X[:, 4] *= 1e-280
    compare(X, y)


def test_many_classes():
    """Output factors are estimated, by signs of each share: not equal, but as good."""
    X, y = make_classification(
        1500,
        20,
        n_informative=18,
        n_redundant=0,
        n_classes=36,
        class_sep=2.5,
        n_clusters_per_class=1,
        random_state=0,
    )
    train, test = slice(0, 1100), slice(1100, None)
    samples, targets = samples_of(X[train], y[train])
    settings = settings_of((20,), alpha=1e-3, max_iter=40)
    fits = [fit(settings, samples, targets, start())]
    fits += [
        fit_spread(settings, spread(samples, count), targets, start()) for count in (1, 4)
    ]
    losses = [log_loss(y[test], probabilities(own, targets, X[test])) for own in fits]
    assert losses[0] < 2.0
    assert max(losses) < 1.05 * losses[0]


def test_more_columns_than_are_decomposed():
    """The factor of the first layer is truncated."""
    m, n = 2100, 2060
    rng = np.random.default_rng(0)
    X = rng.normal(size=(m, n))
    X[:, :20] *= 10
    y = (X[:, :20].sum(axis=1) + rng.normal(size=m) > 0).astype(int)
    _, local = compare(X, y, 2, sizes=(3,), max_iter=3, standardize=False, tolerance=1e-9)
    assert local.predictor.layers[0].shape == (n + 1, 3)


def test_more_columns_than_rows():
    """A local fit has other coordinates there, of the same fit."""
    X, y = make_classification(60, 90, n_informative=10, n_classes=3, random_state=0)
    compare(X, y, tolerance=1e-8, max_iter=8)


# Held-out samples.


@pytest.mark.parametrize("count", [1, 4])
def test_validation_samples(count):
    """They may be here, or spread themselves."""
    X, y = multiclass(m=500)
    samples, targets = samples_of(X, y)
    train, held_out = samples.take(np.arange(350)), samples.take(np.arange(350, 500))
    settings = settings_of(early_stopping=True, n_iter_no_change=2)
    local = fit(settings, train, targets, start(), held_out)
    assert local.outcome.reason == "validation"
    for other in (held_out, spread(held_out, 2)):
        own = fit_spread(settings, spread(train, count), targets, start(), other)
        assert_same_fit(own, local, targets, X)
        assert own.outcome.best == local.outcome.best


@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("missing", [False, True])
def test_sparse_validation_samples_of_dense_ones(encoding, missing):
    X, y = multiclass(m=500)
    X = np.where(np.abs(X) < 0.5, 0, X)
    if missing:
        X[:20, 1] = np.nan
    samples, targets = samples_of(X[:350], y[:350])
    rows, _ = samples_of(sparse.csr_array(X[350:]), y[350:])
    settings = settings_of(early_stopping=True, encoding=encoding, n_knots=4)
    local = fit(settings, samples, targets, start(), rows)
    for held_out in (rows, spread(rows, 3)):
        own = fit_spread(settings, spread(samples, 2), targets, start(), held_out)
        assert_same_fit(own, local, targets, X)


def test_validation_samples_are_split_off():
    """A share of each part; none is trained on and judged by."""
    X, y = multiclass(m=1000)
    X = np.column_stack([X, np.arange(1000)])
    samples, targets = samples_of(X, y)
    parts = spread(samples, 7)
    held_out, training = parts.divided(0.1, 5)
    drawn = np.concatenate([own.X[:, -1] for own in held_out.parts.parts])
    rest = np.concatenate([own.X[:, -1] for own in training.parts.parts])
    assert_array_equal(np.sort(np.concatenate([drawn, rest])), np.arange(1000))
    assert 90 < len(drawn) < 110
    settings = settings_of(early_stopping=True, n_iter_no_change=3)
    fitted = fit_spread(
        settings, spread(samples_of(X[:, :-1], y)[0], 7), targets, start()
    )
    assert np.isfinite(fitted.outcome.history["validation_loss"]).all()
    again = fit_spread(settings, spread(samples_of(X[:, :-1], y)[0], 7), targets, start())
    assert_array_equal(again.predictor.coefs[0], fitted.predictor.coefs[0])


def test_validation_samples_of_no_weight():
    X, y = multiclass(m=200)
    samples, targets = samples_of(X, y)
    nothing = spread(samples.take(np.arange(0)), 2)
    for alpha in (1e-3, "auto"):
        settings = settings_of(early_stopping=True, alpha=alpha)
        with pytest.raises(ValueError, match="no validation sample of positive weight"):
            fit_spread(settings, spread(samples, 2), targets, start(), nothing)


def test_a_split_that_leaves_nothing():
    samples, targets = samples_of(np.eye(2), np.arange(2))
    settings = settings_of(early_stopping=True, validation_fraction=1 - 1e-9)
    with pytest.raises(ValueError, match="leaves no sample to be trained on"):
        fit_spread(settings, spread(samples, 1), targets, start())


# Going on, and ending.


def test_a_fit_goes_on():
    """From the weights of a local fit, or of another one to parts."""
    X, y = multiclass(m=400)
    first, targets = samples_of(X[:200], y[:200])
    second, _ = samples_of(X[200:], y[200:])
    settings = settings_of(warm_start=True, max_iter=5)
    local = fit(settings, first, targets, start())
    own = fit_spread(settings, spread(first, 3), targets, start())
    expected = fit(settings, second, targets, start(1, local))
    for earlier in (own, local):
        on = fit_spread(settings, spread(second, 3), targets, start(1, earlier))
        assert_same_fit(on, expected, targets, X)
    back = fit(settings, second, targets, start(1, own))
    assert_same_fit(back, expected, targets, X)


def test_a_fit_to_dense_rows_goes_on_from_sparse_ones():
    X, y = sparse_rows()
    samples, targets = samples_of(X, y)
    settings = settings_of(warm_start=True, max_iter=4)
    earlier = fit_spread(settings, spread(samples, 2), targets, start())
    dense, _ = samples_of(X.toarray(), y)
    with pytest.raises(ValueError, match="dense X cannot go on from a fit to sparse"):
        fit_spread(settings, spread(dense, 2), targets, start(1, earlier))


def test_one_class():
    X, y = binary(m=100)
    for own in (X, sparse.csr_array(X)):
        samples, targets = samples_of(own, np.full(len(y), 3))
        fitted = fit_spread(settings_of(), spread(samples, 2), targets, start())
        assert fitted.outcome.reason == "single_class"
        assert_array_equal(fitted.predictor.outputs(own), np.zeros((100, 1)))


def test_an_observer_ends_the_fit():
    X, y = multiclass(m=300)
    samples, targets = samples_of(X, y)
    seen = []

    def observe(progress, fitted):
        assert isinstance(progress, Progress)
        if fitted is not None:
            seen.append(fitted())
        return len(seen) == 4

    own = fit_spread(settings_of(), spread(samples, 3), targets, start(), None, observe)
    assert own.outcome.reason == "callback"
    assert_array_equal(own.predictor.coefs[0], seen[-1].predictor.coefs[0])


@pytest.mark.parametrize(("batch_size", "call"), [(None, 12), (100, 30)])
def test_an_interrupt_keeps_the_best_weights(monkeypatch, batch_size, call):
    X, y = multiclass(m=600)
    samples, targets = samples_of(X, y)
    settings = settings_of(batch_size=batch_size, max_iter=8)
    with monkeypatch.context() as patch:
        interrupting(patch, InProcess, "sum", call)
        with pytest.raises(FitInterrupted) as error:
            fit_spread(settings, spread(samples, 3), targets, start())
    reached = error.value.fitted
    assert reached.outcome.reason == "interrupted"
    assert 0 < reached.outcome.iterations
    null = log_loss(y, np.tile(np.bincount(y) / len(y), (len(y), 1)))
    assert log_loss(y, probabilities(reached, targets, X)) < 0.9 * null


def test_another_error_goes_through(monkeypatch):
    X, y = multiclass(m=300)
    samples, targets = samples_of(X, y)
    interrupting(monkeypatch, InProcess, "sum", 5, error=MemoryError)
    with pytest.raises(MemoryError):
        fit_spread(settings_of(), spread(samples, 3), targets, start())


# Rounds.


def test_rounds_of_full_batches(monkeypatch):
    """Two for each iteration: the model, and the trial."""
    X, y = multiclass(m=300)
    samples, targets = samples_of(X, y)
    asked = []
    spy(monkeypatch, InProcess, "sum", lambda _, spread, ask: asked.append(type(ask)))
    own = fit_spread(settings_of(), spread(samples, 3), targets, start())
    names = [kind.__name__ for kind in asked]
    n = own.outcome.iterations
    assert names.count("Model") == n
    assert names.count("Point") == n + 1
    assert len(names) <= 2 * n + 4


def test_questions_are_pickled_small(monkeypatch):
    """No row goes with them."""
    sizes = []
    spy(
        monkeypatch,
        InProcess,
        "sum",
        lambda _, spread, ask: sizes.append(len(pickle.dumps(ask))),
    )
    for m in (300, 3000):
        samples, targets = samples_of(*multiclass(m=m))
        fit_spread(settings_of(max_iter=3), spread(samples, 3), targets, start())
    half = len(sizes) // 2
    assert sizes[:half] == sizes[half:]
    assert max(sizes) < 10_000


# Mini-batches.


@dataclass
class Trial:
    name: str
    X: np.ndarray
    y: np.ndarray
    train: int


def trials():
    X, y = make_classification(
        6000, 20, n_informative=10, n_classes=3, flip_y=0.1, random_state=0
    )
    yield Trial("generated", X, y, 4000)
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    yield Trial("digits", X[order], y[order], 1300)


@pytest.mark.parametrize("trial", list(trials()), ids=lambda trial: trial.name)
@pytest.mark.parametrize("order", ["mixed", "sorted"])
def test_mini_batches_are_as_good(trial, order):
    """By log-loss of test samples; sorted by label, or not."""
    X, y, m = trial.X, trial.y, trial.train
    samples, targets = samples_of(X[:m], y[:m])
    settings = settings_of((30,), "leaky_relu", batch_size=128, max_iter=20)
    local = fit(settings, samples, targets, start())
    index = np.argsort(y[:m], kind="stable") if order == "sorted" else None
    own = fit_spread(settings, spread(samples, 5, order=index), targets, start())
    expected, loss = (
        log_loss(y[m:], probabilities(fitted, targets, X[m:])) for fitted in (local, own)
    )
    assert expected < 0.5
    assert loss < 1.06 * expected
    assert own.outcome.reason == "schedule"


def test_mini_batches_with_a_search_are_as_good():
    """For a penalty and an encoding; the mean over three divisions of the digits."""
    X, y = load_digits(return_X_y=True)
    settings = settings_of((30,), "leaky_relu", batch_size=128, alpha="auto")
    settings = replace(settings, encoding="auto")
    ratios = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:1300], order[1300:]
        samples, targets = samples_of(X[train], y[train])
        sorted_parts = spread(samples, 5, order=np.argsort(y[train], kind="stable"))
        local = fit(settings, samples, targets, start(seed))
        own = fit_spread(settings, sorted_parts, targets, start(seed))
        loss, expected = (
            log_loss(y[test], probabilities(one, targets, X[test]))
            for one in (own, local)
        )
        ratios.append(loss / expected)
    assert np.exp(np.mean(np.log(ratios))) < 1.08


@pytest.mark.parametrize(
    ("count", "batch_size"), [(1, 1), (3, 1), (60, 1), (60, 30), (2, 300), (3, 10**6)]
)
def test_batches_of_any_size(monkeypatch, count, batch_size):
    """Small shares, with fewer rows than there are batches, too."""
    X, y = binary(m=300)
    samples, targets = samples_of(X, y)
    settings = settings_of((3,), batch_size=batch_size, max_iter=2)
    rows = []

    def see(sums, _, ask):
        if "rows" in sums:
            rows.append(int(sums["rows"]))

    spy(monkeypatch, InProcess, "sum", see)
    own = fit_spread(settings, spread(samples, count), targets, start())
    assert np.isfinite(probabilities(own, targets, X)).all()
    largest = max(len(part.weights) for part in spread(samples, count).parts.parts)
    assert min(rows) >= 1
    size = max(batch_size, -(-len(y) // largest))
    assert np.mean(rows) == pytest.approx(min(size, len(y)), rel=0.5)
    epochs = own.outcome.iterations
    # the first batch is looked at before the first epoch
    assert sum(rows[1:]) == pytest.approx(epochs * len(y), rel=0.2)


def test_parts_of_very_different_size():
    X, y = multiclass(m=3300)
    samples, targets = samples_of(X, y)
    bounds = [0, 3000, 3001, 3010, 3010, 3300]
    index = [np.arange(*pair) for pair in pairwise(bounds)]
    parts = InProcess([samples.take(own) for own in index])
    own = SpreadSamples(parts, samples.take(np.arange(0)), len(index), 3300)
    settings = settings_of((10,), batch_size=100, max_iter=10)
    fitted = fit_spread(settings, own, targets, start())
    local = fit(settings, samples, targets, start())
    expected, loss = (
        log_loss(y, probabilities(one, targets, X)) for one in (local, fitted)
    )
    assert loss < 1.1 * expected


def test_mini_batches_are_drawn_by_the_seed():
    X, y = multiclass(m=600)
    samples, targets = samples_of(X, y)
    settings = settings_of(batch_size=60, max_iter=3)
    first, again, other = (
        fit_spread(settings, spread(samples, 3), targets, start(seed))
        for seed in (0, 0, 1)
    )
    assert_array_equal(first.predictor.coefs[0], again.predictor.coefs[0])
    assert not np.allclose(first.predictor.coefs[0], other.predictor.coefs[0])


@pytest.mark.parametrize("encoding", ["auto", None, "piecewise"])
def test_a_search(encoding):
    """For a penalty, and an encoding: the same, where all samples come for it."""
    own, local = compare(*binary(m=700), alpha="auto", encoding=encoding)
    assert own.alpha_path is not None
    assert_allclose(own.alpha_path["alpha"], local.alpha_path["alpha"])
    assert own.predictor.encoder.has_steps == local.predictor.encoder.has_steps


def test_a_penalty_by_the_evidence():
    """Of few samples, none of which is held out."""
    own, _ = compare(*binary(m=120), alpha="auto")
    assert own.alpha_path is None


def test_no_sample_comes_where_nothing_is_searched_for(monkeypatch):
    X, y = binary(m=700)
    samples, targets = samples_of(X, y)
    came = []
    spy(monkeypatch, SpreadSamples, "drawn", lambda result, *_: came.append(result))
    for batch_size in (None, 100):
        settings = settings_of(batch_size=batch_size, max_iter=3)
        fit_spread(settings, spread(samples, 3), targets, start())
    assert not came
    fit_spread(settings_of(alpha="auto"), spread(samples, 3), targets, start())
    assert len(came) == 1


def categories(m=2000, seed=0):
    """Return a column of few categories, one of many, and one of numbers; and labels."""
    rng = np.random.default_rng(seed)
    few, many = rng.integers(0, 4, m), rng.integers(0, 60, m)
    effect = rng.normal(size=60)
    x = rng.normal(size=m)
    y = (effect[many] + 0.5 * (few == 1) + x + 0.5 * rng.normal(size=m) > 0).astype(int)
    X = np.column_stack([few, many, x]).astype(float)
    X[::17, 0] = np.nan
    return X, y, {0: 4, 1: 60}


@pytest.mark.parametrize("columns", [[0, 2], [0, 1, 2]])
def test_categories(columns):
    """Beside many of them, there are mean targets; here all samples come for these."""
    X, y, counts = categories()
    own_counts = {j: counts[c] for j, c in enumerate(columns) if c in counts}
    samples, targets = samples_of(X[:, columns], y, categories=own_counts)
    local = fit(settings_of(), samples, targets, start())
    own = fit_spread(settings_of(), spread(samples, 3), targets, start())
    assert_same_fit(own, local, targets, X[:, columns])
    assert len(own.predictor.encoder.mean_targets) == len(columns) - 2


def test_mean_targets_of_a_sample(monkeypatch):
    """Where not all samples come: better than a fit to those that do, or without."""
    X, y, counts = categories()
    train, test = slice(0, 1400), slice(1400, None)
    samples, targets = samples_of(X[train], y[train], categories=counts)
    parts = spread(samples, 3)
    monkeypatch.setattr(SpreadFit, "sampling", Drawing(0.5, 0))
    some = fit(settings_of(), together(parts.drawn(Drawing(0.5, 0))), targets, start())
    own = fit_spread(settings_of(), parts, targets, start())
    losses = [
        log_loss(y[test], probabilities(one, targets, X[test])) for one in (own, some)
    ]
    assert losses[0] < losses[1]
    assert len(own.predictor.encoder.mean_targets) == 1


def test_all_mean_targets_are_by_other_samples(monkeypatch):
    """Where all samples come, each of them has the mean that others have."""
    from skgn.cluster import parts

    X, y, counts = categories(600)
    samples, targets = samples_of(X, y, categories=counts)
    seen = []
    spy(monkeypatch, parts, "encoded", lambda result, *_: seen.append(result))
    own = fit_spread(settings_of(max_iter=2), spread(samples, 3), targets, start())
    means = np.concatenate([np.asarray(one.mean_targets)[:, 0] for one in seen[-4:]])
    table = own.predictor.encoder.mean_targets[0].encode(X[:, 1])[:, 0]
    assert len(means) == len(table) == 600
    assert np.mean(means != table) > 0.7
    assert np.corrcoef(means, table)[0, 1] > 0.5


def test_samples_that_lose_their_weight():
    """The fit counts those that are left."""
    X, y = binary(m=300)
    samples, targets = samples_of(X, y, weights=uneven(300))
    parts = spread(samples, 3)
    own = fit_spread(settings_of(), replace(parts, rows=300), targets, start())
    local = fit(settings_of(), samples, targets, start())
    assert_same_fit(own, local, targets, X)
