"""What is found on held-out samples, and that it is what is fitted."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification

from skgn import GaussNewtonMLPClassifier
from skgn.data.samples import Samples
from skgn.estimators.targets import ClassTargets, learned
from skgn.fitting import fit as fit_module
from skgn.fitting import relaxation
from skgn.fitting import search as search_module
from skgn.fitting.encoders import encoders_for
from skgn.fitting.fit import FitInterrupted, Start, fit
from skgn.fitting.further import TOLERATED, Watch
from skgn.fitting.paths import BatchedPath, FullBatchPath
from skgn.fitting.problem import FullBatch, MiniBatches
from skgn.fitting.relaxation import (
    CLEARLY,
    DISTINCT_ROWS,
    FEWEST_ROWS,
    FEWEST_WIDE_ROWS,
    difference,
    rows_held_out,
)
from skgn.fitting.search import Parts, Search
from skgn.fitting.settings import Settings
from skgn.model.objective import BatchedObjective, Objective
from skgn.model.prediction import Predictor
from skgn.training.full_batch import Walk
from tests.problems import multiclass, multilabel
from tests.spies import interrupting, spy

#: What mini-batches are asked for by.
IN_BATCHES = {"batch_size": 64, "max_iter": 6}


def settings(**parameters):
    """Return the settings of a small network."""
    network = {"sizes": (6,), "activations": ("tanh",)}
    return Settings(**{**network, **parameters})


def of(X, y, **attributes):
    """Return samples and their targets."""
    targets, values, weights = learned(y, np.ones(len(y)), None)
    return Samples(X, values, weights, **attributes), targets


def classes(m=450, seed=0):
    """Return samples of several classes, and their targets."""
    return of(*multiclass(m=m, seed=seed))


def stripes(m=500):
    """Two classes by a step function of one column, with some noise."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (m, 4))
    flip = rng.uniform(size=m) < 0.03
    return of(X, (np.floor(4 * (X[:, 0] + 1)) % 2).astype(int) ^ flip)


def plane(m=500):
    """Two noisy classes by a linear function of many columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(m, 40))
    p = 1 / (1 + np.exp(-4 * X.mean(axis=1) * np.sqrt(40)))
    return of(X, (rng.uniform(size=m) < p).astype(int))


def gap(m=600):
    """Two classes of a linear function, with a gap between them."""
    X = np.random.default_rng(0).normal(size=(m, 4))
    z = X[:, 0] + X[:, 1]
    keep = np.abs(z) > 0.5
    return of(X[keep], (z[keep] > 0).astype(int))


def noisy(seed=3, m=600):
    """Two classes, three tenths of the labels drawn by chance."""
    return of(*make_classification(m, 10, n_informative=5, flip_y=0.3, random_state=seed))


def split(samples, targets, seed=0, validation=None):
    """Return the parts of a search, and what draws from there on."""
    state = np.random.RandomState(seed)
    return Parts.of(samples, targets, state, validation), state


def split_in_two(*given, **options):
    """Return what is trained on, and what is held out."""
    parts, _ = split(*given, **options)
    return parts and (parts.samples, parts.held_out)


def searching(given, samples, targets, seed=0, validation=None, observer=None):
    """Return a search."""
    parts, state = split(samples, targets, seed, validation)
    return Search(given, parts, targets, state, 0.0, observer)


def search(given, samples, targets, **options):
    """Search, and return what was found."""
    encoders = encoders_for(given, samples, np.random.RandomState(0), with_means=True)
    return searching(given, samples, targets, **options).find(encoders)


def run(given, samples, targets, observer=None, held_out=None, seed=0):
    """Fit samples."""
    start = Start(np.random.RandomState(seed))
    return fit(given, samples, targets, start, held_out, observer)


# The race


@pytest.mark.parametrize("sizes", [(), (6,)])
@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("alpha", ["auto", 1e-3])
def test_steps_win_where_the_rule_has_steps(batch_size, sizes, alpha):
    """No matter whether the penalty is given."""
    options = {"sizes": sizes, "activations": ("tanh",) * len(sizes)}
    found = search(settings(batch_size=batch_size, alpha=alpha, **options), *stripes())
    assert found.encoder.has_steps


@pytest.mark.parametrize("sizes", [(), (6,)])
@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("alpha", ["auto", 1e-3])
def test_plain_columns_win_where_the_rule_is_linear(batch_size, sizes, alpha):
    """In many columns, so that steps are mostly noise."""
    options = {"sizes": sizes, "activations": ("tanh",) * len(sizes)}
    found = search(settings(batch_size=batch_size, alpha=alpha, **options), *plane())
    assert found.encoder.is_plain


def loser(first, second, weights=None):
    """Return which of two runners is to go, by their held-out losses."""
    m = len(first)
    weights = np.full(m, 1 / m) if weights is None else weights

    def runner(losses):
        held_out = SimpleNamespace(row_weights=weights)
        return SimpleNamespace(
            path=SimpleNamespace(losses=lambda: losses, held_out=held_out)
        )

    own = searching(settings(), *classes())
    own.running = [runner(first), runner(second)]
    return own._loser()


@pytest.mark.parametrize(
    ("errors", "expected"),
    [(-3, 0), (0, 0), (0.9 * CLEARLY, 0), (1.1 * CLEARLY, 1), (5, 1)],
)
def test_the_richer_encoding_stays_unless_it_is_clearly_worse(errors, expected):
    """By CLEARLY standard errors of the paired differences; ties are its own."""
    base = np.random.default_rng(0).exponential(1.0, 100)
    one_error = np.resize([-10.0, 10.0], 100)
    assert loser(base, base + 1e-3 * (one_error + errors)) == expected
    assert loser(base, base) == 0


def test_the_race_weighs_rows():
    base = np.random.default_rng(0).exponential(1.0, 100)
    change = np.where(np.arange(100) < 50, -0.1, 0.2)
    change += 0.01 * np.resize([-1, 1], 100)
    first = np.where(np.arange(100) < 50, 1 / 50, 0)
    assert loser(base, base + change, first) == 0
    assert loser(base, base + change, first[::-1]) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_not_finite_lose(bad):
    """Against finite ones."""
    base = np.random.default_rng(0).exponential(1.0, 100)
    worst = np.where(np.arange(100) == 3, bad, base)
    with np.errstate(invalid="ignore"):
        assert loser(base, worst) == 1


@pytest.mark.parametrize("batch_size", [None, 64])
def test_a_given_penalty_is_kept_in_the_race(monkeypatch, batch_size):
    """No path, no evidence: each encoding is trained once, at that penalty."""
    alphas = []
    for path in (FullBatchPath, BatchedPath):
        spy(monkeypatch, path, "begin", lambda _, path: alphas.append(path.alpha))
        monkeypatch.delattr(path, "go_on")
    monkeypatch.delattr(FullBatchPath, "further")
    given = settings(alpha=3e-3, batch_size=batch_size)
    found = search(given, *stripes())
    assert alphas == [3e-3, 3e-3]
    assert found.alpha == 3e-3
    assert found.path is found.threshold is None
    assert not found.begins


def test_a_race_is_run_with_all_targets():
    """Also of several labels."""
    found = search(settings(), *of(*multilabel(500)))
    assert len(found.path["alpha"]) > 1


# What is held out


@pytest.mark.parametrize("parameters", [{}, IN_BATCHES], ids=["all rows", "batches"])
@pytest.mark.parametrize("encoding", [None, "piecewise", "auto"])
def test_held_out_targets_have_no_part_in_the_network(monkeypatch, parameters, encoding):
    """Bit for bit: weights and penalties stay as long as the path does."""
    rng = np.random.default_rng(0)
    X, y = make_classification(450, 6, n_informative=4, flip_y=0.1, random_state=0)
    X[:, 0] = rng.permutation(np.resize(np.arange(40), 450))  # with mean targets
    parts = np.arange(300), np.arange(300, 450)
    monkeypatch.setattr(ClassTargets, "split", lambda *args: parts)
    seen = []
    for path in (FullBatchPath, BatchedPath):
        spy(
            monkeypatch,
            path,
            "losses",
            lambda losses, path: seen.append((path.objective.alpha, path.theta, losses)),
        )
    results = []
    for changed in (False, True):
        samples, targets = of(X, y, categories={0: 40})
        if changed:
            some = parts[1][:30]
            samples.targets[some] = 1 - samples.targets[some]
        seen.clear()
        found = search(settings(encoding=encoding, **parameters), samples, targets)
        assert len(found.encoder.mean_targets) == 1
        results.append([*seen])
    # of a race, the first two: then it may be the other encoding that goes on
    common = 2 if encoding == "auto" else min(map(len, results))
    assert common >= 2
    for one, other in zip(*(points[:common] for points in results), strict=True):
        assert one[0] == other[0]
        assert_array_equal(one[1], other[1])
        assert np.any(one[2][:30] != other[2][:30])
        assert_array_equal(one[2][30:], other[2][30:])


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_equal_samples_stay_on_one_side(container):
    """Where columns are as many; of the same X and another target, they are two."""
    rng = np.random.default_rng(0)
    m, n = 80, 100
    X, y = rng.normal(size=(m, n)), np.arange(m) % 2
    index = rng.permutation(np.repeat(np.arange(m), rng.integers(1, 5, m)))
    assert FEWEST_ROWS < len(index) < DISTINCT_ROWS
    samples, targets = of(container(X[index]), y[index])
    train, held_out = split_in_two(samples, targets)

    def rows(part):
        X = part.X.toarray() if sparse.issparse(part.X) else part.X
        return {row.tobytes() for row in X}

    assert len(rows(train) | rows(held_out)) == m
    assert not rows(train) & rows(held_out)
    assert len(rows(held_out)) == rows_held_out(m)
    assert len(held_out.weights) == rows_held_out(m)  # each once, of all its weight
    assert train.weights.sum() + held_out.weights.sum() == len(index)


def test_repeated_samples_are_no_further_ones():
    """The limits are those of different samples."""
    n = FEWEST_WIDE_ROWS
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, n)), np.arange(n) % 2

    def parts(*given):
        return split_in_two(*of(*given))

    assert parts(X, y) is not None
    assert parts(X[1:], y[1:]) is None
    assert parts(np.r_[X[1:], X[1:2]], np.r_[y[1:], y[1]]) is None
    assert parts(np.r_[X[1:], X[1:2]], np.r_[y[1:], 1 - y[1]]) is not None
    twice = np.r_[X, X], np.r_[y, y]
    assert parts(*twice) is not None
    assert parts(X[:, 1:], y) is None


def test_limit_of_few_rows():
    """No columns needed from FEWEST_ROWS on."""
    samples, targets = classes(FEWEST_ROWS)
    train, held_out = split_in_two(samples, targets)
    assert len(held_out.weights) == rows_held_out(FEWEST_ROWS)
    assert len(train.weights) == FEWEST_ROWS - len(held_out.weights)
    few = samples.take(np.arange(FEWEST_ROWS - 1))
    assert split_in_two(few, targets) is None


@pytest.mark.parametrize("parameters", [{}, IN_BATCHES], ids=["all rows", "batches"])
def test_rows_of_early_stopping_serve(monkeypatch, parameters):
    """Nothing is split off the others; the losses are theirs."""
    samples, targets = classes(500)
    others, own = samples.take(np.arange(50)), samples.take(np.arange(50, 500))
    monkeypatch.delattr(ClassTargets, "split")
    points = []
    for path in (FullBatchPath, BatchedPath):
        spy(
            monkeypatch,
            path,
            "losses",
            lambda losses, path: points.append((path, losses)),
        )
    given = settings(encoding=None, **parameters)
    found = search(given, own, targets, validation=others)
    assert found.alpha in found.path["alpha"]  # of all rows
    assert len(points) == len(found.path["alpha"])
    path, losses = points[-1]
    assert losses.mean() == pytest.approx(found.path["log_loss"][-1])
    assert len(losses) == 50
    assert_array_equal(path.held_out.targets, others.targets)
    assert len(path.objective.targets) == 450


def test_most_rows(monkeypatch):
    """Trained on, of those that are not held out."""
    monkeypatch.setattr(relaxation, "MOST_ROWS", (10, 120))
    samples, targets = classes()
    train, held_out = split_in_two(samples, targets)
    assert len(train.weights) == 120
    assert len(held_out.weights) == rows_held_out(450)
    train, same = split_in_two(samples, targets, validation=held_out)
    assert len(train.weights) == 120
    assert same is held_out


def test_the_state_is_the_searchs_own():
    """The fit in mini-batches draws what it would draw without a search."""
    state = np.random.RandomState(0)
    samples, targets = classes()
    given = settings(encoding=None, alpha=1e-3, **IN_BATCHES)
    fit(given, samples, targets, Start(state))
    other = np.random.RandomState(0)
    fit(replace(given, alpha="auto"), samples, targets, Start(other))
    assert_array_equal(state.random_sample(5), other.random_sample(5))


# What is judged is what is fitted


DATA = {"stripes": stripes, "plane": plane, "gap": gap, "noisy": noisy}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("seed", range(3))
def test_the_fit_begins_with_the_weights_that_were_judged(monkeypatch, name, seed):
    """With their outputs on any row; by the held-out losses, none were better."""
    samples, targets = DATA[name]()
    parts, path, further, begun = [], [], [], []
    spy(monkeypatch, Parts, "of", lambda result, *args: parts.append(result))
    spy(
        monkeypatch,
        FullBatchPath,
        "losses",
        lambda losses, own: path.append((own.theta, losses)),
    )
    spy(
        monkeypatch,
        Watch,
        "__call__",
        lambda _, own, theta: further.append((theta, own.latest.losses)),
    )

    def watch(progress, fitted):
        if progress.stage == "search":
            searched.append(len(path) - 1)
        if fitted is not None and not begun:
            begun.append(fitted())

    searched = []
    final = run(settings(), samples, targets, watch, seed=seed)
    held_out = parts[0].held_out
    Z = begun[0].predictor.outputs(held_out.X)
    own = targets.loss.pointwise(Z, held_out.targets).loss
    weights = held_out.weights / held_out.weights.sum()
    losses = [losses for _, losses in further]
    means = np.array(losses) @ weights
    matching = [i for i, each in enumerate(losses) if np.allclose(each, own, rtol=1e-6)]
    assert matching
    best = losses[means.argmin()]
    if final.cost_threshold is None:
        assert matching[-1] == len(losses) - 1
        worse, error = difference(own, best, weights)
        assert worse <= TOLERATED * error + 1e-9
    else:
        assert means.argmin() in matching
    # the first of these is a point of the path, at the penalty found
    points = [path[i] for i in searched]
    alphas, share = final.alpha_path["alpha"], parts[0].samples.weights.sum()
    share /= samples.weights.sum()
    (chosen,) = np.flatnonzero(np.isclose(alphas * share, final.outcome.alpha))
    assert_array_equal(further[0][0], points[chosen][0])


def test_a_fit_in_batches_goes_on_where_a_penalty_is_searched_for(monkeypatch):
    """With smaller steps; at a penalty that is given it has weights of its own."""
    samples, targets = classes()
    seen, founds = [], []
    spy(monkeypatch, MiniBatches, "train", lambda _, own, *args: seen.append(own))
    spy(monkeypatch, Search, "finish", lambda found, *args: founds.append(found))
    run(settings(**IN_BATCHES), samples, targets)
    run(settings(**IN_BATCHES, alpha=1e-3), samples, targets)
    (goes_on, begins), (found, race) = seen, founds
    assert found.begins and not race.begins
    assert_array_equal(goes_on.theta, found.theta_for(goes_on))
    assert_array_equal(begins.theta, begins.fresh)
    assert goes_on.largest_step < begins.largest_step


def test_more_columns_than_rows():
    """The weights go from the span of some rows to that of all."""
    X, y = make_classification(450, 600, n_informative=30, random_state=0)
    first = []
    final = run(
        settings(),
        *of(X, y),
        lambda progress, fitted: first.append(progress) if fitted else None,
    )
    alone = run(settings(alpha=final.outcome.alpha), *of(X, y))
    assert first[0].values["cost"] < 0.8 * alone.outcome.history["cost"][0]
    assert first[0].values["cost"] >= final.outcome.cost


# The threshold


def test_clean_labels_have_no_threshold():
    """The held-out losses fall until convergence: so does the fit of all rows."""
    final = run(settings(sizes=(), activations=(), encoding=None), *gap())
    assert final.cost_threshold is None
    assert final.outcome.reason == "converged"


def test_noisy_labels_have_a_threshold(monkeypatch):
    """Where the held-out losses rise before convergence; that would reach less."""
    given = settings(activations=("relu",), sizes=(40,), encoding=None, tol=1e-4)
    ended = []
    for seed in range(4):
        with monkeypatch.context() as patch:
            final = run(given, *noisy(seed))
            patch.setattr(Settings, "ending_at", lambda own, cost: own)
            converged = run(given, *noisy(seed))
        threshold, cost = final.cost_threshold, final.outcome.cost
        if threshold is None:
            assert final.outcome.reason == "converged"
            continue
        assert (final.outcome.reason == "cost_threshold") == (cost <= threshold)
        assert converged.cost_threshold is None
        assert converged.outcome.cost <= cost
        n = len(final.outcome.history["cost"])
        assert_array_equal(
            converged.outcome.history["cost"][:n], final.outcome.history["cost"]
        )
        if final.outcome.reason == "cost_threshold":
            assert np.all(final.outcome.history["cost"][:-1] > threshold)
            assert converged.outcome.reason == "converged"
            ended.append(cost - converged.outcome.cost)
    assert ended
    assert max(ended) > 0


def scripted_threshold(monkeypatch, threshold):
    """Let the search find a threshold."""
    further = FullBatchPath.further
    monkeypatch.setattr(
        FullBatchPath, "further", lambda *args: (further(*args)[0] * 0.5, threshold)
    )


@pytest.mark.parametrize("given", [None, 0.3, 0.7])
def test_the_larger_threshold_holds(monkeypatch, given):
    """That which was found, or that which was given."""
    scripted_threshold(monkeypatch, 0.5)
    final = run(settings(cost_threshold=given, tol=1e-6), *stripes())
    limit = max(0.5, given or 0)
    assert final.cost_threshold == limit
    assert final.outcome.reason == "cost_threshold"
    costs = final.outcome.history["cost"]
    assert costs[-1] <= limit
    assert np.all(costs[:-1] > limit)
    assert final.outcome.cost == costs[-1]


def test_a_given_threshold_holds_without_one_that_is_found(monkeypatch):
    scripted_threshold(monkeypatch, None)
    final = run(settings(cost_threshold=0.4, tol=1e-6), *stripes())
    assert final.cost_threshold == 0.4
    assert final.outcome.reason == "cost_threshold"
    assert run(settings(tol=1e-6), *stripes()).cost_threshold is None


def test_no_threshold_without_a_path():
    """In mini-batches, or at a given penalty, only that which is given."""
    for parameters in (IN_BATCHES, {"alpha": 1e-3}):
        assert run(settings(**parameters), *noisy()).cost_threshold is None
        given = settings(**parameters, cost_threshold=0.1)
        assert run(given, *noisy()).cost_threshold == 0.1


def test_the_estimator_tells_the_threshold(monkeypatch):
    scripted_threshold(monkeypatch, 0.5)
    model = GaussNewtonMLPClassifier((6,), random_state=0, tol=1e-6)
    model.fit(*multiclass(450, n_classes=3))
    assert model.cost_threshold_ == 0.5
    assert model.stop_reason_ == "cost_threshold"
    assert model.cost_threshold is None


# Observers


@pytest.mark.parametrize("parameters", [{}, IN_BATCHES], ids=["all rows", "batches"])
def test_an_observer_is_told_of_the_points(parameters):
    """Not of the race, nor of what follows; it changes nothing."""
    told = []
    found = search(settings(**parameters), *classes(), observer=told.append)
    assert {progress.stage for progress in told} == {"search"}
    assert [progress.number for progress in told] == list(range(len(told)))
    for name, own in {"alpha": "alpha", "log_loss": "held_out"}.items():
        points = [progress.values[own] for progress in told]
        assert_array_equal(points, found.path[name])
    other = search(settings(**parameters), *classes())
    for a, b in zip(found.layers, other.layers, strict=True):
        assert_array_equal(a, b)


def test_an_observer_is_told_nothing_of_a_race_alone():
    told = []
    run(settings(alpha=1e-3), *classes(), lambda progress, _: told.append(progress.stage))
    assert set(told) == {"fit"}


def test_what_is_printed_of_a_race(capsys):
    """Nothing: the fit begins with its first line."""
    model = GaussNewtonMLPClassifier((6,), alpha=1e-3, random_state=0, verbose=True)
    model.fit(*multiclass(450))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "Iteration"
    assert len(lines) == model.n_iter_ + 2


# Interrupts


def assert_has(fitted, problem, theta):
    """Check that a fit has the weights of a problem."""
    expected = Predictor.of(
        problem.in_columns, problem.leave(theta), problem.first.columns, problem.encoder
    )
    assert len(fitted.predictor.layers) == len(expected.layers)
    for a, b in zip(fitted.predictor.layers, expected.layers, strict=True):
        assert_array_equal(a, b)
    assert fitted.outcome.reason == "interrupted"
    assert np.isfinite(fitted.outcome.objective)
    assert len(fitted.outcome.history["cost"]) == 1
    assert fitted.alpha_path is None


#: Where it comes, at which call, and which of the runners has the weights then.
STAGES = {
    "the second is posed": (search_module, "pose", 2, False, 0),
    "the second is posed, at the end": (search_module, "pose", 2, True, 0),
    "the second begins": (FullBatchPath, "begin", 2, False, 0),
    "the second has begun": (FullBatchPath, "begin", 2, True, 1),
    "the race": (FullBatchPath, "losses", 2, True, 1),
    "the first point": (FullBatchPath, "losses", 3, False, None),
    "the second point": (FullBatchPath, "go_on", 1, False, None),
    "the second point, at the end": (FullBatchPath, "go_on", 1, True, None),
    "going further": (FullBatchPath, "further", 1, False, None),
    "having gone further": (FullBatchPath, "further", 1, True, None),
}


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_search_has_the_weights_of_its_network(monkeypatch, stage):
    """Those of the latest part of a path that came to an end."""
    owner, name, call, afterwards, which = STAGES[stage]
    runners = []
    spy(monkeypatch, Search, "_runner", lambda runner, *args: runners.append(runner))
    interrupting(monkeypatch, owner, name, call, afterwards)
    samples, targets = stripes()
    with pytest.raises(FitInterrupted) as caught:
        run(settings(), samples, targets)
    assert type(caught.value.original) is KeyboardInterrupt
    fitted = caught.value.fitted
    winner = len(runners) - 1 if which is None else which
    if which is None:
        assert fitted.predictor.encoder.has_steps
    problem, path = runners[winner].problem, runners[winner].path
    assert path.theta is not problem.fresh
    assert_has(fitted, problem, path.theta)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (fit_module, "encoders_for", 1),
        (Parts, "of", 1),
        (search_module, "pose", 1),
        (FullBatchPath, "begin", 1),
        (Objective, "evaluate", 1),
    ],
)
def test_an_interrupt_before_the_first_step_leaves_nothing(
    monkeypatch, owner, name, call
):
    """It goes through as it is."""
    interrupting(monkeypatch, owner, name, call)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(settings(), *stripes())
    assert type(caught.value) is KeyboardInterrupt


@pytest.mark.parametrize(("which", "records"), [(0, 3), (1, 1), (1, 4)])
def test_an_interrupt_within_a_part_of_a_race(monkeypatch, which, records):
    """The best weights of this part, or the network of the last one."""
    runners, walks, record = [], [], Walk.record
    spy(monkeypatch, Search, "_runner", lambda runner, *args: runners.append(runner))

    def interrupted(self):
        if not walks or walks[-1] is not self:
            walks.append(self)
        record(self)
        if len(walks) == which + 1 and len(self.history.rows) == records:
            raise KeyboardInterrupt

    monkeypatch.setattr(Walk, "record", interrupted)
    with pytest.raises(FitInterrupted) as caught:
        run(settings(), *stripes())
    if records == 1:  # there was no step yet
        runner = runners[which - 1]
        assert_has(caught.value.fitted, runner.problem, runner.path.theta)
        return
    problem = runners[which].problem
    assert_has(caught.value.fitted, problem, walks[-1].recorded[0].theta)


def test_an_interrupt_on_the_way_further(monkeypatch):
    """The best of the held-out losses so far."""
    runners, watches, call = [], [], Watch.__call__
    spy(monkeypatch, Search, "_runner", lambda runner, *args: runners.append(runner))

    def interrupted(self, theta):
        result = call(self, theta)
        watches.append(self.best.theta)
        if len(watches) == 4:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Watch, "__call__", interrupted)
    with pytest.raises(FitInterrupted) as caught:
        run(settings(tol=1e-8), *stripes())
    # the last point was not yet written down
    assert_has(caught.value.fitted, runners[-1].problem, watches[2])


#: Between a search and the first step of the fit.
BETWEEN = {
    "found": None,
    "posing": (fit_module, "pose", 1, False),
    "posed": (fit_module, "pose", 1, True),
    "training": (FullBatch, "train", 1, False),
    "training in batches": (MiniBatches, "train", 1, False),
}


@pytest.mark.parametrize("where", BETWEEN)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupt_between_search_and_fit(monkeypatch, where, early_stopping):
    """The network that was found, as a function of raw X."""
    found = []
    spy(monkeypatch, Search, "find", lambda result, *args: found.append(result))
    observer = None
    if BETWEEN[where] is None:

        def observer(progress, _):
            if progress.stage == "found":
                raise KeyboardInterrupt

    else:
        interrupting(monkeypatch, *BETWEEN[where])
    batches = IN_BATCHES if where == "training in batches" else {}
    samples, targets = stripes()
    with pytest.raises(FitInterrupted) as caught:
        run(
            settings(early_stopping=early_stopping, **batches), samples, targets, observer
        )
    fitted = caught.value.fitted
    network = fitted.predictor.network
    expected = Predictor.of(
        network, found[0].layers, found[0].columns, fitted.predictor.encoder
    )
    Z = fitted.predictor.outputs(samples.X)
    assert_allclose(Z, expected.outputs(samples.X), rtol=1e-6, atol=1e-8)
    assert fitted.outcome.reason == "interrupted"
    assert fitted.outcome.alpha == found[0].alpha
    assert_array_equal(fitted.alpha_path["alpha"], found[0].path["alpha"])
    losses = fitted.outcome.history["validation_loss"]
    assert np.isfinite(losses).all() == early_stopping


@pytest.mark.parametrize("parameters", [{"max_iter": 12}, IN_BATCHES], ids=str)
@pytest.mark.parametrize("alpha", ["auto", 1e-3])
def test_interrupts_at_any_evaluation(monkeypatch, parameters, alpha):
    """Of a search or a fit: nothing, before the first step; else better than nothing."""
    samples, targets = stripes()
    given = settings(alpha=alpha, **parameters)
    owner, name = Objective, "evaluate"
    if "batch_size" in parameters:
        owner, name = BatchedObjective, "batch"
    with monkeypatch.context() as patch:
        calls = interrupting(patch, owner, name, call=-1)
        run(given, samples, targets)
    assert len(calls) > 20
    constant = np.log(2)
    kept = 0
    for call in np.unique(np.geomspace(1, len(calls), 16).astype(int)):
        with monkeypatch.context() as patch:
            interrupting(patch, owner, name, call)
            try:
                run(given, samples, targets)
            except FitInterrupted as interrupt:
                fitted = interrupt.fitted
                kept += 1
                Z = fitted.predictor.outputs(samples.X)
                loss = targets.loss.pointwise(Z, samples.targets).loss.mean()
                assert loss < 1.1 * constant
                assert fitted.outcome.reason == "interrupted"
                assert np.isfinite(fitted.outcome.history["objective"]).all()
            except KeyboardInterrupt:
                # of a race alone, the network does not outlast it
                assert kept == 0 or alpha != "auto"
    assert kept > 3
