"""From samples to a problem: what the network takes, and where it begins."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgn.data import samples as samples_module
from skgn.data.batches import DenseRows, EncodedBatches
from skgn.data.encoding import EncodedRows
from skgn.data.samples import Samples
from skgn.estimators.targets import learned
from skgn.fitting import pose as pose_module
from skgn.fitting.encoders import encoders_for
from skgn.fitting.fit import Start, fit
from skgn.fitting.pose import pose, prepare
from skgn.fitting.problem import FullBatch, MiniBatches
from skgn.fitting.settings import Settings

M, N = 120, 4


def settings(**parameters):
    """Return the settings of a small network."""
    options = {"alpha": 1e-2, "max_iter": 3, "encoding": None, **parameters}
    return Settings((5,), ("tanh",), **options)


def data(m=M, categories=0, missing=False, seed=0):
    """Return samples of three classes and their targets."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(m, N)), np.resize([0, 1, 2], m)
    counts = {}
    if categories:
        X[:, 0] = rng.permutation(np.resize(np.arange(categories), m))
        counts[0] = categories
    if missing:
        X[::7, 1] = np.nan
    weights = rng.uniform(0.5, 2, m)
    targets, values, weights = learned(y, weights, None)
    return Samples(X, values, weights, categories=counts), targets


def posed(given, samples, targets, batch_size=None, seed=0, earlier=None):
    """Pose the problem with the last of the encoders."""
    rng = np.random.RandomState(0)
    encoder = encoders_for(given, samples, rng, earlier, with_means=True)[-1]
    state = np.random.RandomState(seed)
    prepared = prepare(
        samples,
        targets,
        encoder,
        state,
        given.standardize,
        batch_size is not None,
        earlier is not None,
    )
    return pose(prepared, given, targets, state, 0.0, batch_size, earlier)


def mapped(tmp_path, X):
    """Return X in a file."""
    path = tmp_path / "X"
    on_disk = np.memmap(path, X.dtype, "w+", shape=X.shape)
    on_disk[:] = X
    on_disk.flush()
    return np.memmap(path, X.dtype, "r", shape=X.shape)


def spy_on_columns(monkeypatch):
    """Return what the coordinates are made of."""
    seen = []
    for name in ("FirstLayer", "BatchedFirstLayer"):
        original = getattr(pose_module, name)

        class Spy:
            @staticmethod
            def of(X, *args, original=original):
                seen.append(X)
                return original.of(X, *args)

        monkeypatch.setattr(pose_module, name, Spy)
    return seen


@pytest.mark.parametrize(("batch_size", "kind"), [(None, FullBatch), (20, MiniBatches)])
def test_kinds(batch_size, kind):
    problem = posed(settings(), *data(), batch_size)
    assert type(problem) is kind
    if batch_size:
        assert problem.batch_size == 20


# What the network takes


@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize(
    ("encoding", "options", "expected"),
    [
        (None, {}, False),
        (None, {"missing": True}, True),
        (None, {"categories": 5}, True),
        ("piecewise", {}, True),
        ("piecewise", {"missing": True, "categories": 5}, True),
    ],
)
def test_rows_are_encoded_where_there_is_need(
    monkeypatch, batch_size, encoding, options, expected
):
    """Plain X is taken as it is, without a copy."""
    seen = spy_on_columns(monkeypatch)
    samples, targets = data(**options)
    problem = posed(settings(encoding=encoding), samples, targets, batch_size)
    (X,) = seen
    if not expected:
        assert X is samples.X
        return
    assert isinstance(X, EncodedRows)
    whole = problem.encoder.encode(samples.X)
    assert X.shape == whole.shape
    assert_array_equal(X[:], whole)
    assert len(problem.first.columns.mean) == whole.shape[1] > 0
    means = np.average(whole, weights=samples.weights, axis=0)
    assert_allclose(problem.first.columns.mean, means, atol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 20])
def test_missing_numbers_in_rows_that_the_encoder_does_not_know(batch_size, monkeypatch):
    """A warm start may have them; no column flags them, and they are the mean."""
    given = settings(batch_size=batch_size, warm_start=True)
    samples, targets = data()
    earlier = fit(given, samples, targets, Start(np.random.RandomState(0)))
    holes, _ = data(missing=True)
    seen = spy_on_columns(monkeypatch)
    problem = posed(given, holes, targets, batch_size, earlier=earlier)
    (X,) = seen
    assert isinstance(X, EncodedRows)
    assert X.shape == (M, N)
    assert_allclose(X[::7, :][:, 1], earlier.predictor.encoder.fill[1])
    assert np.isfinite(problem.first.columns.mean).all()


def test_sparse_rows_are_taken_as_they_are(monkeypatch):
    seen = spy_on_columns(monkeypatch)
    samples, targets = data()
    samples = replace(samples, X=sparse.csr_array(samples.X))
    problem = posed(settings(), samples, targets)
    assert seen == [samples.X]
    assert problem.encoder is None


def test_mean_targets_are_those_of_other_rows(monkeypatch):
    """In training; the table for new rows has those of all."""
    seen = spy_on_columns(monkeypatch)
    samples, targets = data(m=400, categories=40)
    problem = posed(settings(), samples, targets)
    (X,) = seen
    (means,) = problem.encoder.mean_targets
    width = means.table.shape[1]
    own = X[:][:, -width:]
    by_table = problem.encoder.encode(samples.X)[:, -width:]
    assert own.shape == by_table.shape == (400, 3)
    # a row's own label lifts the mean of its class in the table
    picked = np.arange(400), samples.targets
    assert np.mean(by_table[picked] - own[picked]) > 0.02


def test_few_categories_have_no_mean_targets():
    problem = posed(settings(), *data(m=400, categories=5))
    assert problem.encoder.mean_targets == ()


# Where it begins


@pytest.mark.parametrize("batch_size", [None, 20])
def test_initial_outputs_are_about_the_frequencies(batch_size):
    """The intercepts of the last layer are those of the mean target."""
    samples, targets = data()
    problem = posed(settings(), samples, targets, batch_size)
    *_, last = problem.leave(problem.theta)
    mean = np.bincount(samples.targets, samples.weights) / samples.weights.sum()
    assert_allclose(last[0] - last[0].mean(), np.log(mean) - np.log(mean).mean())
    assert problem.theta is problem.fresh


@pytest.mark.parametrize("batch_size", [None, 20])
def test_same_state_same_weights(batch_size):
    one, two, other = (
        posed(settings(), *data(), batch_size, seed).theta for seed in (0, 0, 1)
    )
    assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize("encoding", [None, "piecewise"])
def test_an_earlier_fit_goes_on(batch_size, encoding):
    """With its function of raw X; the fresh weights stay what they would be."""
    given = settings(batch_size=batch_size, encoding=encoding, warm_start=True)
    samples, targets = data()
    earlier = fit(given, samples, targets, Start(np.random.RandomState(0)))
    others, _ = data(seed=1)
    others = replace(others, X=others.X + 0.3)
    problem = posed(given, others, targets, batch_size, earlier=earlier)
    held_out = problem.held_out(samples)
    Z = earlier.predictor.outputs(samples.X)
    losses = targets.loss.pointwise(Z, samples.targets).loss
    assert_allclose(held_out.losses(problem.theta), losses, rtol=1e-8)
    assert np.abs(problem.theta - problem.fresh).max() > 1e-2
    if encoding is None:
        new = posed(given, others, targets, batch_size)
        assert_array_equal(new.fresh, problem.fresh)
    assert (problem.descent is None) == (batch_size is None)


# Memory-mapped rows


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("batch_size", [None, 20])
def test_mapped_rows_are_those_in_memory(
    tmp_path, monkeypatch, batch_size, encoding, some
):
    """The same columns, weights and outputs; in batches X is not copied."""
    monkeypatch.setattr(samples_module, "MAPPED_BYTES", 1)
    samples, targets = data(missing=True)
    on_disk = replace(samples, X=mapped(tmp_path, samples.X))
    given = settings(encoding=encoding)
    if some:
        index = np.arange(0, M, 2)
        samples, on_disk = samples.take(index), on_disk.take(index)
    assert on_disk.is_mapped
    one, other = (posed(given, s, targets, batch_size) for s in (samples, on_disk))
    for name in ("mean", "scale"):
        a, b = (getattr(problem.first.columns, name) for problem in (one, other))
        assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert len(other.samples.weights) == len(samples.weights)
    if batch_size is None:
        assert other.samples.kept is None
    else:
        assert isinstance(other.first.rows, EncodedBatches)
        assert isinstance(one.first.rows, DenseRows)
    layers = other.leave(other.theta)
    held_out = one.held_out(samples), other.held_out(on_disk)
    thetas = one.enter(layers), other.theta
    a, b = (rows.losses(theta) for rows, theta in zip(held_out, thetas, strict=True))
    assert_allclose(a, b, rtol=1e-8)


def test_rows_in_other_parts_of_a_file_may_lack_numbers(tmp_path, monkeypatch):
    """Rows that do not belong to the fit have no say, not even by NaN."""
    monkeypatch.setattr(samples_module, "MAPPED_BYTES", 1)
    samples, targets = data(missing=True)
    whole = np.arange(M)
    index = whole[whole % 7 > 0]  # the rows without missing numbers
    on_disk = replace(samples, X=mapped(tmp_path, samples.X)).take(index)
    for batch_size in (None, 20):
        one, other = (
            posed(settings(), s, targets, batch_size)
            for s in (samples.take(index), on_disk)
        )
        assert other.encoder.is_plain
        assert_allclose(one.first.columns.mean, other.first.columns.mean, atol=1e-12)


def test_encoded_rows_are_copied_up_to_a_size(monkeypatch):
    """In mini-batches: beyond it they are encoded batch by batch."""
    samples, targets = data()
    given = settings(encoding="piecewise")
    one = posed(given, samples, targets, 20)
    assert isinstance(one.first.rows, DenseRows)
    bytes_needed = M * one.encoder.width * 8
    monkeypatch.setattr(pose_module, "MOST_COPIED", bytes_needed)
    assert isinstance(posed(given, samples, targets, 20).first.rows, DenseRows)
    monkeypatch.setattr(pose_module, "MOST_COPIED", bytes_needed - 1)
    other = posed(given, samples, targets, 20)
    assert isinstance(other.first.rows, EncodedBatches)
    index = np.array([5, 3, 100])
    layers = one.leave(one.theta)
    Z = []
    for problem in (one, other):
        theta = problem.enter(layers)
        inputs = problem.first.rows.batch(index)
        own = problem.network.layers(theta)
        trace = problem.network.new_trace(3, np.float64)
        Z.append(problem.network.outputs(own, inputs, trace).copy())
    assert_allclose(*Z, rtol=1e-9, atol=1e-12)
