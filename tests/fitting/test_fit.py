"""A fit as a function: nothing in but its arguments, nothing out but what it returns."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgn.data.samples import Samples
from skgn.estimators.targets import learned
from skgn.fitting.fit import Start, fit
from skgn.fitting.settings import Settings
from tests.problems import DATA, global_state, multiclass

#: Some 450 rows are enough for a search of the penalty on held-out ones.
MODES = {
    "full batch": {"alpha": 1e-3, "tol": 0.0, "max_iter": 8},
    "mini-batches": {"alpha": 1e-3, "batch_size": 50, "max_iter": 6},
    "auto": {"alpha": "auto", "tol": 0.0, "max_iter": 8},
    "auto, mini-batches": {"alpha": "auto", "batch_size": 50, "max_iter": 6},
    "early stopping": {"alpha": 1e-3, "early_stopping": True, "max_iter": 8},
    "joint": {"solver": "joint", "alpha": 1e-3, "tol": 0.0, "max_iter": 6},
}


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def settings(mode, **parameters):
    """Return the settings of a small network."""
    network = {"sizes": (6,), "activations": ("tanh",)}
    return Settings(**{**network, **MODES[mode], **parameters})


def problem(X=None, y=None, dtype=np.float64):
    """Return samples and their targets, with weights that are not all equal."""
    if X is None:
        X, y = multiclass(m=450)
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    targets, values, weights = learned(y, weights, None)
    return Samples(X.astype(dtype), values, weights).positive(), targets


def run(mode, observer=None, seed=0, **parameters):
    """Fit the samples."""
    start = Start(np.random.RandomState(seed))
    return fit(settings(mode, **parameters), *problem(), start, observer=observer)


def arrays(fitted):
    """Return all numbers of a fit but the seconds that it took."""
    history = {k: v for k, v in fitted.outcome.history.items() if k != "seconds"}
    predictor, outcome = fitted.predictor, fitted.outcome
    numbers = outcome.objective, outcome.cost, outcome.damping, outcome.alpha
    columns = predictor.columns.mean, predictor.columns.scale
    path = list((fitted.alpha_path or {}).values())
    return [*predictor.layers, *columns, numbers, *history.values(), *path]


def assert_same(one, other):
    """Check that two fits are equal bit for bit."""
    for a, b in zip(arrays(one), arrays(other), strict=True):
        assert_array_equal(a, b)
    assert one.outcome.reason == other.outcome.reason


def loss(fitted, samples):
    """Return the weighted log-loss of several classes, by their outputs."""
    Z = fitted.predictor.outputs(samples.X)
    picked = Z[np.arange(len(Z)), samples.targets]
    return np.average(np.logaddexp.reduce(Z, axis=1) - picked, weights=samples.weights)


def test_same_inputs_same_fit(mode):
    """Bit for bit; another state of the generator, another fit."""
    state = global_state()
    one, two, other = run(mode), run(mode), run(mode, seed=1)
    assert_same(one, two)
    X = problem()[0].X
    assert np.abs(one.predictor.outputs(X) - other.predictor.outputs(X)).max() > 1e-3
    assert global_state() == state


@pytest.mark.parametrize("as_sparse", [False, True])
def test_samples_are_not_changed(mode, as_sparse):
    """They may be read-only; and they stay what they were."""
    samples, targets = problem()
    expected = samples.X.copy(), samples.targets.copy(), samples.weights.copy()
    X = sparse.csr_array(samples.X) if as_sparse else samples.X
    samples = replace(samples, X=X)
    for array in (X.data if as_sparse else X, samples.targets, samples.weights):
        if not as_sparse:
            array.setflags(write=False)
    fit(settings(mode), samples, targets, Start(np.random.RandomState(0)))
    actual = X.toarray() if as_sparse else X, samples.targets, samples.weights
    for a, b in zip(actual, expected, strict=True):
        assert_array_equal(a, b)


def test_it_learns(mode):
    """The outputs on raw X cost what the outcome says: less than a constant does."""
    fitted, (samples, _) = run(mode), problem()
    by_outputs = loss(fitted, samples)
    if mode in ("full batch", "auto", "joint"):
        assert by_outputs == pytest.approx(fitted.outcome.cost, rel=1e-8)
    assert by_outputs < 0.75 * np.log(4)
    assert (fitted.alpha_path is not None) == mode.startswith("auto")


@pytest.mark.parametrize("name", ["full batch", "mini-batches", "early stopping"])
def test_an_encoding_that_is_found_leads_to_what_it_leads_to_given(name):
    """Bit for bit, at a penalty that is given: the race leaves no trace."""
    found = run(name)
    has_steps = found.predictor.encoder.has_steps
    given, other = (
        run(name, encoding=encoding)
        for encoding in (("piecewise", None) if has_steps else (None, "piecewise"))
    )
    assert_same(found, given)
    assert found.alpha_path is None
    assert found.predictor.layers[0].shape != other.predictor.layers[0].shape


@pytest.mark.parametrize("data", DATA)
def test_any_targets_and_precision(data):
    """Outputs as many as the targets have, weights in the precision of X."""
    X, y = DATA[data]()
    for dtype in (np.float32, np.float64):
        samples, targets = problem(X, y, dtype)
        start = Start(np.random.RandomState(0))
        fitted = fit(settings("full batch"), samples, targets, start)
        assert fitted.predictor.dtype == dtype
        assert fitted.predictor.outputs(X).shape == (len(y), targets.n_outputs)
        assert fitted.outcome.cost < 0.8 * fitted.outcome.history["cost"][0]


def test_one_class():
    """Nothing to fit: outputs of zero at no cost."""
    X = multiclass()[0]
    samples, targets = problem(X, np.ones(len(X)))
    fitted = fit(settings("auto"), samples, targets, Start(np.random.RandomState(0)))
    assert fitted.outcome.reason == "single_class"
    assert not fitted.predictor.outputs(X).any()


def test_goes_on_with_an_earlier_fit():
    """From the function of raw X that it was, in columns standardised anew."""
    samples, targets = problem()
    part = samples.take(np.arange(300))
    given, state = settings("full batch"), np.random.RandomState(0)
    earlier = fit(given, part, targets, Start(state))
    again = fit(given, samples, targets, Start(state, earlier))
    assert np.abs(earlier.predictor.columns.mean - again.predictor.columns.mean).max() > 0
    before = again.outcome.history["cost"][0]
    assert before == pytest.approx(loss(earlier, samples), rel=1e-8)
    assert again.outcome.cost < before


def test_an_earlier_fit_of_another_network_is_refused():
    samples, targets = problem()
    start = Start(np.random.RandomState(0), run("full batch"))
    with pytest.raises(ValueError, match="warm_start"):
        fit(replace(settings("full batch"), sizes=(5,)), samples, targets, start)


def test_the_weights_are_kept_once(mode):
    """A pickled fit is hardly larger than its weights and its history."""
    fitted = run(mode, sizes=(200,))
    history = sum(column.nbytes for column in fitted.outcome.history.values())
    weights = sum(V.nbytes for V in fitted.predictor.layers)
    assert len(pickle.dumps(fitted)) < 1.1 * weights + history + 4000


def test_held_out_samples_are_taken_in_place_of_a_split():
    """Their log-loss is the validation of each turn; all others are trained on."""
    samples, targets = problem()
    others = samples.take(np.arange(100))
    start = Start(np.random.RandomState(0))
    given = settings("early stopping")
    fitted = fit(given, samples.take(np.arange(100, 450)), targets, start, others)
    validation = fitted.outcome.history["validation_loss"]
    assert loss(fitted, others) == pytest.approx(validation.min(), rel=1e-8)


# Observers


def test_an_observer_changes_nothing(mode):
    """Nor does it if it asks for the fit as it stands at every turn."""

    def watch(progress, fitted):
        if fitted is not None:
            fitted().predictor.outputs(problem()[0].X)

    assert_same(run(mode, watch), run(mode))


def test_an_observer_is_told_of_each_turn(mode):
    """First of the points of a search, without a fit; then of rows of the history."""
    told = []
    final = run(mode, lambda progress, fitted: told.append((progress, fitted)))
    points, found, turns = (
        [progress for progress, _ in told if progress.stage == stage]
        for stage in ("search", "found", "fit")
    )
    assert [progress for progress, _ in told] == [*points, *found, *turns]
    assert all((fitted is None) == (p.stage != "fit") for p, fitted in told)
    history, most = final.outcome.history, MODES[mode]["max_iter"]
    assert [turn.number for turn in turns] == list(range(len(history["cost"])))
    assert {turn.most for turn in turns} == {most}
    for name, column in history.items():
        assert_array_equal([turn.values[name] for turn in turns], column)
    if not mode.startswith("auto"):
        assert points == found == []
        return
    assert [progress.values for progress in found] == [{"alpha": final.outcome.alpha}]
    for name, own in {"alpha": "alpha", "log_loss": "held_out"}.items():
        told = [point.values[own] for point in points]
        assert_array_equal(told, final.alpha_path[name])


def test_the_fit_as_it_stands(mode):
    """It predicts finite values, costs what the turn says, and stays what it was."""
    samples, _ = problem()
    seen = []

    def watch(progress, fitted):
        if fitted is not None:
            now = fitted()
            seen.append((progress, now, now.predictor.outputs(samples.X)))

    final = run(mode, watch)
    assert len(seen) > 3
    for progress, now, Z in seen:
        assert np.isfinite(Z).all()
        assert now.outcome.reason in (None, final.outcome.reason)
        assert_array_equal(now.predictor.outputs(samples.X), Z)
        if mode in ("full batch", "auto", "joint"):
            assert loss(now, samples) == pytest.approx(progress.values["cost"], rel=1e-8)
    first, last = seen[0][2], seen[-1][2]
    assert np.abs(first - last).max() > 0.1
    assert_array_equal(last, final.predictor.outputs(samples.X))


def test_an_observer_may_end_the_fit(mode):
    """With the weights of that turn; with validation, the best ones up to it."""
    seen = []

    def watch(progress, fitted):
        if fitted is None:
            return False
        seen.append(fitted())
        return progress.number == 3

    final = run(mode, watch)
    assert final.outcome.reason == "callback"
    assert len(final.outcome.history["cost"]) == 4 == len(seen)
    for a, b in zip(final.predictor.layers, seen[-1].predictor.layers, strict=True):
        assert_array_equal(a, b)
    if mode == "early stopping":
        best = final.outcome.history["validation_loss"].argmin()
        assert final.outcome.cost == final.outcome.history["cost"][best]
    else:
        assert final.outcome.cost == final.outcome.history["cost"][-1]
    whole = run(mode)
    assert_array_equal(whole.outcome.history["cost"][:4], final.outcome.history["cost"])


@pytest.mark.parametrize("name", ["auto", "auto, mini-batches"])
def test_an_observer_may_end_the_search(name):
    """The fit then goes on at the penalty of the points so far."""
    final = run(name, lambda progress, fitted: fitted is None)
    assert len(final.alpha_path["alpha"]) == 1
    turns = settings(name).max_iter + 1
    assert len(final.outcome.history["cost"]) == turns
    assert len(run(name).alpha_path["alpha"]) > 1


@pytest.mark.parametrize("turn", [0, 2])
def test_an_exception_of_the_observer_passes_through(mode, turn):
    """From a search or a fit, as it is; the samples are what they were."""

    class Broken(Exception):
        pass

    error, calls = Broken(), []

    def watch(progress, fitted):
        calls.append(progress)
        if progress.number == turn:
            raise error

    samples, targets = problem()
    start = Start(np.random.RandomState(0))
    with pytest.raises(Broken) as caught:
        fit(settings(mode), samples, targets, start, observer=watch)
    assert caught.value is error
    assert len(calls) >= turn + 1
    assert calls[-1].number == turn
    for a, b in zip(vars(samples).values(), vars(problem()[0]).values(), strict=True):
        assert_array_equal(a, b)
    assert_allclose(problem()[0].X, samples.X)
