"""What becomes of the networks of an ensemble, and what they share."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier, BrokenBarrierError
from time import perf_counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax
from sklearn.datasets import make_classification

from skgn.data.batches import DenseRows
from skgn.data.columns import Standardisation
from skgn.data.inputs import DenseInputs
from skgn.data.samples import Samples
from skgn.estimators.targets import ClassTargets, learned
from skgn.fitting import ensemble as module
from skgn.fitting import mixture
from skgn.fitting.encoders import encoders_for
from skgn.fitting.ensemble import (
    BEGINNING,
    CLEARLY,
    FEWEST,
    FEWEST_EPOCHS,
    PLANNED,
    SEARCHING,
    Candidate,
    Deadline,
    Encoders,
    EnsembleInterrupted,
    fit_ensemble,
    in_question,
    one_by_one,
)
from skgn.fitting.further import Watch
from skgn.fitting.mixture import mixture_weights
from skgn.fitting.paths import BatchedPath, FullBatchPath
from skgn.fitting.problem import FullBatch, MiniBatches
from skgn.fitting.relaxation import FEWEST_ROWS, rows_held_out
from skgn.fitting.search import Parts, Search
from skgn.fitting.settings import Settings
from skgn.model.network import Network
from skgn.training.full_batch import Walk
from skgn.training.held_out import HeldOut
from skgn.training.outcome import Progress
from tests.problems import LOSSES, case, global_state, multiclass, multilabel
from tests.spies import interrupting, spy

M = 300
EQUAL = np.full(M, 1 / M)

#: Seconds that are allowed where a clock is set by hand.
ALLOWED = 1000.0


def settings(**parameters):
    """Return the settings of a small network in plain columns."""
    small = {"sizes": (6,), "activations": ("tanh",), "encoding": None, "max_iter": 6}
    return Settings(**{**small, **parameters})


def networks(*parameters):
    """Return candidates with these parameters, each of a seed of its own."""
    return [Candidate(settings(**own), seed) for seed, own in enumerate(parameters)]


def of(X, y, weights=None, **attributes):
    """Return samples and their targets."""
    weights = np.ones(len(y)) if weights is None else weights
    targets, values, weights = learned(y, weights, None)
    return Samples(X, values, weights, **attributes), targets


def classes(m=M, seed=0):
    """Return samples of several classes, and their targets."""
    return of(*multiclass(m=m, seed=seed))


def few():
    """Return samples of which none can be held out."""
    return classes(FEWEST_ROWS - 1)


def run(candidates, samples, targets, **options):
    """Fit an ensemble."""
    encoders = Encoders(samples, targets, 0)
    return fit_ensemble(candidates, samples, targets, encoders, **options)


def stages(members):
    """Return how far members have come."""
    return [member.stage for member in members]


def weights_of(members):
    """Return the weights of members."""
    return np.array([member.weight for member in members])


@pytest.fixture
def equal(monkeypatch):
    """Let all networks that have searched weigh the same."""
    monkeypatch.setattr(
        mixture, "mixture_weights", lambda p, _: np.full(len(p), 1 / len(p))
    )


@pytest.fixture
def tables(monkeypatch):
    """Return the arguments of mixture_weights, call by call."""
    own = []
    spy(monkeypatch, mixture, "mixture_weights", lambda _, *args: own.append(args))
    return own


@pytest.fixture
def parts(monkeypatch):
    """Return what samples were split into."""
    own = []
    spy(monkeypatch, Parts, "of", lambda result, *_: own.append(result))
    return own


# A fit


def test_a_fit():
    """All are fitted to all samples, and weigh what held-out samples say."""
    samples, targets = classes()
    deeper = {"sizes": (9, 4), "activations": ("silu",) * 2}
    members = run(networks({}, deeper, {}), samples, targets)
    assert [member.number for member in members] == [0, 1, 2]
    assert stages(members) == ["fitted"] * 3
    assert weights_of(members).sum() == pytest.approx(1)
    assert len(set(weights_of(members))) == 3
    for member in members:
        Z = member.fitted.predictor.outputs(samples.X)
        assert np.mean(Z.argmax(axis=1) == samples.targets) > 0.6
        assert 0.1 < member.loss < np.log(4)
        assert member.seconds > 0
    assert members[1].fitted.predictor.network.widths[1:] == (9, 4, 4)


def test_a_network_depends_on_its_own_seed():
    """And not on its place, nor on the others; but for the split, that is shared."""
    one, two, three = networks({}, {"sizes": (5,)}, {})
    first = run([one, two, three], *classes())
    second = run([three, one], *classes())
    X = classes()[0].X
    for a, b in [(0, 1), (2, 0)]:
        Z = [m.fitted.predictor.outputs(X) for m in (first[a], second[b])]
        assert_array_equal(*Z)
        assert first[a].loss == second[b].loss
    assert first[0].loss != first[2].loss


def test_the_generator_of_numpy_stays_as_it_is():
    state = global_state()
    run(networks({"encoding": "auto"}, IN_BATCHES), *classes())
    assert global_state() == state


def test_one_class():
    """There is nothing to judge; one network says so."""
    X, _ = multiclass(M)
    members = run(networks({}, {}, {}), *of(X, np.zeros(M)))
    assert stages(members) == ["fitted", "waiting", "waiting"]
    assert_array_equal(weights_of(members), [1, 0, 0])
    assert members[0].fitted.outcome.reason == "single_class"


@pytest.mark.parametrize("parameters", [{}, {"batch_size": 40}], ids=str)
def test_few_samples(parameters, tables):
    """None are held out: all are fitted, and weigh the same."""
    members = run(networks(parameters, {}), *few())
    assert stages(members) == ["fitted"] * 2
    assert_array_equal(weights_of(members), 0.5)
    assert np.isnan([member.loss for member in members]).all()
    assert not tables
    assert all(member.fitted.alpha_path is None for member in members)


#: What mini-batches are asked for by.
IN_BATCHES = {"batch_size": 50, "max_iter": 5}


def test_a_network_in_batches_beside_others():
    members = run(networks({}, IN_BATCHES), *classes())
    assert stages(members) == ["fitted"] * 2
    assert members[1].fitted.outcome.reason == "schedule"
    assert np.all(weights_of(members) > 0)


def test_side_by_side():
    """Whatever does the work, in whatever order."""

    def last_first(function, arguments):
        asked.append(function.__name__)
        tasks = list(arguments)
        results = [function(*own) for own in reversed(tasks)]
        return iter(results[::-1])

    asked = []
    candidates = networks({}, {"encoding": "auto"}, IN_BATCHES, {"alpha": 1e-3})
    expected = run(candidates, *classes())
    members = run(candidates, *classes(), each=last_first)
    assert asked[:2] == ["_begin", "_search"]
    assert set(asked[2:]) == {"_fit"}
    assert stages(members) == stages(expected)
    assert_array_equal(weights_of(members), weights_of(expected))
    X = classes()[0].X
    for one, other in zip(members, expected, strict=True):
        assert one.loss == other.loss
        assert_array_equal(
            one.fitted.predictor.outputs(X), other.fitted.predictor.outputs(X)
        )


def test_networks_that_rest_go_on_as_they_would():
    """Between beginning and search they let go of arrays, and of nothing else."""
    candidates = networks({"encoding": "auto"}, IN_BATCHES, {"sizes": (3,)})
    expected = run(candidates, *classes())
    with pytest.MonkeyPatch.context() as patch:
        for path in (FullBatchPath, BatchedPath):
            patch.setattr(path, "rest", lambda own: None)
        members = run(candidates, *classes())
    X = classes()[0].X
    for one, other in zip(members, expected, strict=True):
        assert one.weight == other.weight
        assert_array_equal(
            one.fitted.predictor.outputs(X), other.fitted.predictor.outputs(X)
        )


def in_threads(function, arguments):
    """Call a function in threads, one for each tuple of arguments."""
    tasks = list(arguments)
    with ThreadPoolExecutor(len(tasks)) as threads:
        return iter([*threads.map(lambda own: function(*own), tasks)])


def test_batches_of_networks_in_threads(monkeypatch, equal):
    """Each network has its own, also where all gather theirs before any goes on."""
    way = {**IN_BATCHES, "alpha": 1e-3}  # so that both have as many batches
    candidates = networks(way, way)
    expected = run(candidates, *classes())
    barrier, batch = Barrier(2), DenseRows.batch

    def gathered(own, index):
        result = batch(own, index)
        with suppress(BrokenBarrierError):
            barrier.wait(timeout=10)
        return result

    monkeypatch.setattr(DenseRows, "batch", gathered)
    members = run(candidates, *classes(), each=in_threads)
    X = classes()[0].X
    for one, other in zip(members, expected, strict=True):
        assert_array_equal(
            one.fitted.predictor.outputs(X), other.fitted.predictor.outputs(X)
        )


def test_one_by_one_calls_when_it_is_asked():
    calls = []
    results = one_by_one(lambda *args: calls.append(args), [(1,), (2, 3)])
    assert not calls
    assert list(results) == [None, None]
    assert calls == [(1,), (2, 3)]


# What is shared


@pytest.fixture
def prepared(monkeypatch):
    """Return what samples were prepared with: how many, encoder, how."""
    own = []

    def see(_, samples, targets, encoder, state, standardize, batched):
        has_steps = encoder is not None and encoder.has_steps
        own.append((len(samples.weights), has_steps, standardize, batched))

    spy(monkeypatch, module, "prepare", see)
    return own


def test_columns_are_encoded_once(prepared, equal, monkeypatch):
    """For the search, and for all samples, as long as networks agree in them."""
    monkeypatch.setattr(module, "in_question", lambda losses, _: range(len(losses)))
    candidates = networks(
        {"encoding": "auto"},
        {"encoding": None},
        {"encoding": "piecewise", "sizes": (4, 3), "activations": ("silu", "tanh")},
        {"encoding": "piecewise", "alpha": 1e-2},
        {"encoding": None, "standardize": False},
        {"encoding": None, **IN_BATCHES},
        {"encoding": None, "alpha": 1e-3},
    )
    members = run(candidates, *classes())
    assert stages(members) == ["fitted"] * len(candidates)
    kinds = {
        (False, True, False),
        (True, True, False),
        (False, False, False),
        (False, True, True),
    }
    m = M - rows_held_out(M)
    assert sorted(prepared[:4]) == sorted((m, *kind) for kind in kinds)
    assert sorted(prepared[4:]) == sorted((M, *kind) for kind in kinds)


@pytest.mark.parametrize("first", [None, "piecewise"])
def test_columns_are_encoded_once_in_any_order(prepared, equal, first):
    """A network of one encoding may come before the one that tries both."""
    auto = {"encoding": "auto", "alpha": 1e-3}
    run(networks({"encoding": first}, auto, {"encoding": "piecewise"}), *classes())
    m = M - rows_held_out(M)
    kinds = [(m, False, True, False), (m, True, True, False)]
    assert sorted(own for own in prepared if own[0] == m) == kinds
    assert len(set(prepared)) == len(prepared)


def test_few_samples_are_encoded_once(prepared):
    run(networks({"encoding": "auto"}, {}, {"sizes": (3,)}), *few())
    assert prepared == [(FEWEST_ROWS - 1, False, True, False)]


def test_only_what_some_network_needs_is_encoded(prepared, monkeypatch):
    """Of all samples, no encoding of networks that have gone."""
    monkeypatch.setattr(mixture, "mixture_weights", lambda p, _: np.array([0.0, 1.0]))
    run(networks({"encoding": None}, {"encoding": "piecewise"}), *classes())
    m = M - rows_held_out(M)
    assert sorted(prepared) == [(m, *k, True, False) for k in [(False,), (True,)]] + [
        (M, True, True, False)
    ]


def test_one_encoding_of_all_samples_at_a_time(monkeypatch, equal):
    """And none of those of the search, when these are encoded."""
    known, counts, original = [], [], module.prepare

    def prepared(samples, *args):
        gc.collect()
        alive = sum(own() is not None for own in known)
        counts.append((len(samples.weights) == M, alive))
        result = original(samples, *args)
        known.append(weakref.ref(result))
        return result

    monkeypatch.setattr(module, "prepare", prepared)
    run(networks({"encoding": None}, {"encoding": "piecewise"}), *classes())
    assert counts == [(False, 0), (False, 1), (True, 0), (True, 0)]


def test_all_are_judged_by_the_same_samples(monkeypatch, parts):
    """They are split once, by the seed of what is shared."""
    searches = []
    spy(monkeypatch, Search, "begin", lambda _, own, *args: searches.append(own))
    samples, targets = classes()
    run(networks({}, {"sizes": (3,)}, IN_BATCHES), samples, targets)
    assert len(parts) == 1
    assert all(own.parts is parts[0] for own in searches)
    assert len(searches) == 3
    again = Parts.of(samples, targets, np.random.RandomState(0))
    assert_array_equal(parts[0].held_out.X, again.held_out.X)
    other = Encoders(samples, targets, 1)
    fit_ensemble(networks({}), samples, targets, other)
    assert np.any(parts[-1].held_out.X != again.held_out.X)


def test_encoders_are_those_of_a_single_fit():
    """And made once; those of "auto" serve networks that ask for one of them."""
    samples, targets = of(*multiclass(M), categories={})
    encoders = Encoders(samples, targets, 5)
    plain, steps = encoders.of(settings(encoding="auto"))
    assert encoders.of(settings(encoding="auto", alpha=1.0)) == [plain, steps]
    assert encoders.of(settings(encoding=None))[0] is plain
    assert encoders.of(settings(encoding="piecewise"))[0] is steps
    assert plain.is_plain and steps.has_steps
    for encoding in ("auto", "piecewise"):
        for n_knots in (3, 5):
            given = settings(encoding=encoding, n_knots=n_knots)
            state = np.random.RandomState(5)
            expected = encoders_for(given, samples, state)
            for own, other in zip(encoders.of(given), expected, strict=True):
                for a, b in zip(own.knots, other.knots, strict=True):
                    assert_array_equal(a, b)
            assert encoders.of(given) is encoders.of(given)


def test_there_are_no_encoders_of_one_class():
    samples, targets = of(multiclass(M)[0], np.ones(M))
    assert Encoders(samples, targets, 0).of(settings(encoding="auto")) == [None]


def test_the_encoding_that_was_found_is_fitted(equal):
    """Of two, a network has the one that its own search has kept."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (M, 4))
    stripes = (np.floor(4 * (X[:, 0] + 1)) % 2).astype(int)
    auto = {"encoding": "auto", "max_iter": 20}
    with_steps, plain = run(networks(auto, {"encoding": None}), *of(X, stripes))
    assert with_steps.stage == plain.stage == "fitted"
    assert with_steps.fitted.predictor.encoder.has_steps
    assert plain.fitted.predictor.encoder.is_plain
    assert with_steps.fitted.encoding == ("auto", "auto")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 40))
    p = expit(4 * X.mean(axis=1) * np.sqrt(40))
    noisy = (rng.uniform(size=500) < p).astype(int)
    (member,) = run(networks({**auto, "alpha": 1e-3}), *of(X, noisy))
    assert member.fitted.predictor.encoder.is_plain


# Which networks stay in question


def noise(seed=0):
    """Return losses that differ from sample to sample."""
    return np.random.default_rng(seed).exponential(1.0, M)


def worse_by(errors):
    """Return losses that are worse than noise() by so many standard errors."""
    one_error = np.resize([-1.0, 1.0], M) * np.sqrt(M)
    return noise() + 1e-3 * (one_error + errors)


def test_a_few_stay_in_any_case():
    """The best ones, however much worse than the very best."""
    losses = [noise() + k for k in (3, 0, 5, 1, 4, 2)]
    assert FEWEST == 4
    assert in_question(losses, EQUAL) == [0, 1, 3, 5]
    assert in_question(losses[:4], EQUAL) == [0, 1, 2, 3]
    assert in_question(losses[:1], EQUAL) == [0]


@pytest.mark.parametrize("errors", [0.5 * CLEARLY, 0.95 * CLEARLY, 1.05 * CLEARLY, 5])
def test_those_that_are_clearly_worse_go(errors):
    """By CLEARLY standard errors of the paired differences; of the others none."""
    better = [noise()] + [noise() + 1e-6] * (FEWEST - 1)
    losses = [worse_by(errors), *better, worse_by(errors)]
    stays = list(range(1, FEWEST + 1))
    if errors <= CLEARLY:
        stays = [0, *stays, FEWEST + 1]
    assert in_question(losses, EQUAL) == stays


def test_equal_networks_all_stay():
    assert in_question([noise()] * 9, EQUAL) == list(range(9))


def test_samples_count_by_their_weights():
    """To which networks these are worse, and how certainly."""
    first = np.arange(M) < M // 2
    good, bad = np.where(first, 0.0, 1.0), np.where(first, 1.0, 0.0)
    losses = [good] * FEWEST + [bad] * FEWEST
    assert in_question(losses, first / first.sum()) == [0, 1, 2, 3]
    assert in_question(losses, ~first / first.sum()) == [4, 5, 6, 7]
    assert in_question(losses, EQUAL) == list(range(8))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_not_finite_go(bad):
    """Also where there are few networks."""
    worst = np.where(np.arange(M) == 7, bad, noise())
    assert in_question([worst, noise(), worst, noise() + 1], EQUAL) == [1, 3]
    assert in_question([worst, worst], EQUAL) == []


def scripted(monkeypatch, losses):
    """Let networks begin with held-out losses that are given, by their seeds."""
    begin, original = Search.begin, FullBatchPath.losses

    def begun(own, encodings):
        begin(own, encodings)
        number = 0 if own.settings.tol is None else int(own.settings.tol)
        own.running[0].path.number = number

    def lost(path):
        if getattr(path, "number", None) is None or losses[path.number] is None:
            return original(path)
        return original(path) * 0 + losses[path.number]

    monkeypatch.setattr(Search, "begin", begun)
    monkeypatch.setattr(FullBatchPath, "losses", lost)


def numbered(count):
    """Return candidates that scripted losses know by their tolerance."""
    return networks(*({"tol": float(number), "alpha": 1e-2} for number in range(count)))


def test_those_that_go_have_begun(monkeypatch):
    """They are neither searched nor fitted, and keep the loss that they began with."""
    scripted(monkeypatch, [0.9, 0.1, 0.2, 2.0, 0.3, 0.4])
    told = []
    members = run(
        numbered(6), *classes(), observer=lambda own, n: told.append((own.stage, n))
    )
    assert members[3].stage == members[0].stage == "begun"
    assert [members[i].loss for i in (0, 3)] == [pytest.approx(0.9), pytest.approx(2)]
    assert [member.fitted for member in members[::3]] == [None, None]
    assert np.all(weights_of(members)[::3] == 0)
    assert {members[i].stage for i in (1, 2, 4, 5)} <= {"searched", "fitted"}
    assert told[:6] == [("begun", 6)] * 6
    assert told[6:10] == [("searched", 6)] * 4
    assert {stage for stage, _ in told[10:]} == {"fitted"}


def test_networks_that_begin_too_late_are_not_in_question(monkeypatch):
    """Side by side, they need not be the last ones."""
    scripted(monkeypatch, [0.2, 0.1, 0.3, 2.0, 0.4, 0.5])

    def each(function, arguments):
        results = list(one_by_one(function, arguments))
        if function is module._begin:
            results[1] = None
        return iter(results)

    members = run(numbered(6), *classes(), each=each)
    assert [stages(members)[i] for i in (1, 3)] == ["waiting", "begun"]
    assert {"waiting", "begun"}.isdisjoint(stages(members)[i] for i in (0, 2, 4, 5))
    assert np.isnan(members[1].loss)


def test_the_best_one_searches_first(monkeypatch):
    scripted(monkeypatch, [0.9, 0.1, 0.5])
    told = []
    run(
        numbered(3),
        *classes(),
        observer=lambda own, _: told.append((own.stage, own.number)),
    )
    assert told[:6] == [
        *(("begun", number) for number in range(3)),
        *(("searched", number) for number in (1, 2, 0)),
    ]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_network_stays_where_no_loss_is_finite(monkeypatch, bad):
    scripted(monkeypatch, [bad, bad])
    members = run(numbered(2), *classes())
    assert sorted(stages(members)) == ["begun", "fitted"]
    assert weights_of(members).max() == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_first_network_whose_loss_is_not_finite_goes(monkeypatch, bad):
    scripted(monkeypatch, [bad, 0.5, 0.4])
    assert stages(run(numbered(3), *classes()))[0] == "begun"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_another_network_whose_loss_is_not_finite_goes(monkeypatch, bad):
    scripted(monkeypatch, [0.5, bad, 0.4])
    assert stages(run(numbered(3), *classes()))[1] == "begun"


# What is judged


@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("batched", [False, True])
def test_held_out_targets_have_no_part_in_what_is_judged(monkeypatch, encoding, batched):
    """Bit for bit: the weights stay as long as held-out samples do not end the path."""
    rng = np.random.default_rng(0)
    X, y = make_classification(M, 6, n_informative=4, random_state=0)
    X[:, 0] = rng.permutation(np.resize(np.arange(30), M))  # with mean targets
    index = np.arange(200), np.arange(200, M)
    monkeypatch.setattr(ClassTargets, "split", lambda *args: index)
    begun, further = [], []
    spy(
        monkeypatch,
        Search,
        "begin",
        lambda _, own, *args: begun.append(own.running[0].path.theta),
    )
    spy(monkeypatch, Watch, "__call__", lambda _, own, theta: further.append(theta))
    results = []
    for changed in (False, True):
        samples, targets = of(X, y, categories={0: 30})
        if changed:
            samples.targets[200:230] = 1 - samples.targets[200:230]
        begun.clear()
        further.clear()
        way = IN_BATCHES if batched else {"alpha": 1e-3}
        own = {"encoding": encoding, **way}
        members = run(networks(own, {**own, "sizes": (3,)}), samples, targets)
        results.append(([*begun], [*further], [member.loss for member in members]))
    (begun, further, losses), others = results
    assert len(begun) == 2
    for one, other in zip(begun, others[0], strict=True):
        assert_array_equal(one, other)
    for size in {len(theta) for theta in further}:  # of the one network, the other
        walks = [
            [own for own in each if len(own) == size] for each in (further, others[1])
        ]
        assert min(map(len, walks)) > 3
        for one, other in zip(*(walk[:4] for walk in walks), strict=True):
            assert_array_equal(one, other)
    assert bool(further) != batched
    assert np.all(np.not_equal(losses, others[2]))


@pytest.fixture
def searched():
    """Return an observer, and the networks that it has seen when they had searched."""
    seen = {}

    def observer(member, _):
        if member.stage == "searched":
            seen[member.number] = member.fitted, member.loss

    return observer, seen


KINDS = {
    "classes": lambda: multiclass(M),
    "two classes": lambda: make_classification(M, 6, n_informative=4, random_state=0),
    "labels": lambda: multilabel(M),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [{}, IN_BATCHES, {"alpha": 1e-3}], ids=str)
def test_networks_are_weighed_by_what_they_say(kind, way, searched, tables, parts):
    """Of held-out samples: by the outputs of the network that the search ends with."""
    X, y = KINDS[kind]()
    weights = np.random.default_rng(0).uniform(1.0, 3, M)
    samples, targets = of(X, y, weights)
    observer, seen = searched
    members = run(
        networks(way, {**way, "sizes": (), "activations": ()}),
        samples,
        targets,
        observer=observer,
    )
    held_out = parts[0].held_out
    log_likelihood, counts = tables[0]
    share = held_out.weights / held_out.weights.sum()
    for number, member in enumerate(members):
        fitted, log_loss = seen[number]
        Z = fitted.predictor.outputs(held_out.X)
        expected = targets.loss.log_likelihood(Z, held_out.targets)
        assert_allclose(log_likelihood[number], expected.ravel(), rtol=1e-6, atol=1e-9)
        losses = targets.loss.pointwise(Z, held_out.targets).loss
        assert log_loss == member.loss == pytest.approx(share @ losses)
    # each label counts on its own
    assert_allclose(counts, np.repeat(held_out.weights, len(counts) // len(share)))
    assert len(counts) == len(share) * (3 if kind == "labels" else 1)
    assert_array_equal(weights_of(members), mixture_weights(log_likelihood, counts))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_log_probabilities_that_are_not_finite(monkeypatch, tables, bad):
    """They are those of a probability of zero; of all samples, the network goes."""
    original, calls = HeldOut.log_likelihood, []

    def changed(own, theta):
        table = original(own, theta)
        table[slice(None) if calls else 3] = bad
        calls.append(table)
        return table

    monkeypatch.setattr(HeldOut, "log_likelihood", changed)
    members = run(networks({}, {}), *classes())
    rows = sorted(tables[0][0].tolist(), key=sum)
    assert_array_equal(rows[0], -np.inf)
    assert_array_equal(np.flatnonzero(~np.isfinite(rows[1])), [3])
    assert rows[1][3] == -np.inf
    assert sorted(weights_of(members)) == [0, 1]
    assert sorted(stages(members)) == ["fitted", "searched"]
    assert [member.loss for member in members] == [np.inf] * 2


@pytest.mark.parametrize("scale", [1e-6, 1.0, 3.0])
def test_weights_of_a_small_unit_count_as_samples(tables, parts, scale):
    """Their mean is one then; larger ones count as samples repeated."""
    X, y = multiclass(500)
    own = scale * np.random.default_rng(0).uniform(0.5, 1.5, 500)
    run(networks({}, {}), *of(X, y, own))
    weights, counts = parts[0].held_out.weights, tables[0][1]
    assert_allclose(counts / counts.sum(), weights / weights.sum())
    assert counts.mean() == pytest.approx(max(weights.mean(), 1))


def test_what_is_judged_is_what_is_fitted(monkeypatch, searched, equal, parts):
    """The fit of all samples begins with this function, and this penalty."""
    samples, targets = classes()
    observer, seen = searched
    begun = []

    def see(_, problem, alpha, *args):
        if problem.settings.max_iter:  # or else, it is looked at as it stands
            begun.append((problem, alpha))

    spy(monkeypatch, FullBatch, "train", see)
    candidates = networks(
        {},
        {"alpha": 1e-2},
        {"sizes": (), "activations": ()},
        {"encoding": "piecewise", "max_iter": 20},
    )
    members = run(candidates, samples, targets, observer=observer)
    assert len(begun) == len(candidates)
    matched = set()
    for problem, alpha in begun:
        assert len(problem.samples.weights) == M
        (own,) = (
            i
            for i, c in enumerate(candidates)
            if c.settings == replace(problem.settings, cost_threshold=None)
        )
        matched.add(own)
        fitted, _ = seen[own]
        Z = problem.objective(alpha).evaluate(problem.theta).trace.Z[-1]
        assert_allclose(Z, fitted.predictor.outputs(samples.X), rtol=1e-5, atol=1e-7)
        assert alpha == fitted.outcome.alpha
        assert problem.settings.cost_threshold == fitted.threshold
        final = members[own].fitted
        assert final.outcome.alpha == alpha
        assert final.cost_threshold == fitted.threshold
        assert final.outcome.history["cost"][0] != final.outcome.cost
        path = fitted.alpha_path
        assert (path is None) == (own == 1)
        if path is not None:
            assert final.alpha_path == path
            assert np.isclose(path["alpha"] * parts[0].share, alpha, rtol=1e-12).any()
    assert len(matched) == len(candidates)


def test_a_threshold_that_was_found_ends_the_fit(monkeypatch, equal):
    """Of each network its own; samples of early stopping watch the fit themselves."""
    further = FullBatchPath.further

    def threshold(own, alpha, theta):
        return further(own, alpha, theta)[0] * 0.5, 0.9 if alpha == 1e-3 else 0.7

    monkeypatch.setattr(FullBatchPath, "further", threshold)
    options = {"max_iter": 50, "tol": 1e-8}
    candidates = networks({"alpha": 1e-3, **options}, {"alpha": 1e-2, **options})
    samples, targets = classes()
    for member, cost in zip(run(candidates, samples, targets), (0.9, 0.7), strict=True):
        assert member.fitted.outcome.reason == "cost_threshold"
        assert member.fitted.cost_threshold == cost
        costs = member.fitted.outcome.history["cost"]
        assert np.all(costs[:-1] > cost) and costs[-1] <= cost
    train, held_out = samples.take(np.arange(200)), samples.take(np.arange(200, M))
    stopping = networks({"alpha": 1e-3, "early_stopping": True, **options})
    (member,) = run(stopping, train, targets, held_out=held_out)
    assert member.fitted.outcome.reason == "validation"
    assert member.fitted.cost_threshold is None


def test_a_fit_in_batches_goes_on(monkeypatch, equal):
    """At the penalty that was found, with the weights of the search."""
    begun, founds = [], []

    def see(_, problem, alpha, *args):
        if problem.settings.max_iter:
            begun.append((problem, alpha))

    spy(monkeypatch, MiniBatches, "train", see)
    spy(monkeypatch, Search, "finish", lambda found, *args: founds.append(found))
    (member,) = run(networks(IN_BATCHES), *classes())
    ((problem, alpha),), (found,) = begun, founds
    assert_array_equal(problem.theta, found.theta_for(problem))
    assert not np.array_equal(problem.theta, problem.fresh)
    assert alpha == member.fitted.outcome.alpha
    assert member.fitted.alpha_path is not None


# Weights


def test_networks_without_weight_are_not_fitted(monkeypatch):
    """They keep what the search has made of them, and the others share one."""
    monkeypatch.setattr(
        mixture, "mixture_weights", lambda *args: np.array([0.0, 0.8, 0.2])
    )
    fits = []
    spy(monkeypatch, module, "fit", lambda fitted, own, *args: fits.append(own.sizes))
    candidates = networks(*({"sizes": (k,)} for k in (3, 4, 5)))
    members = run(candidates, *classes())
    assert fits == [(4,), (5,)]
    assert stages(members) == ["searched", "fitted", "fitted"]
    assert_array_equal(weights_of(members), [0, 0.8, 0.2])
    assert members[0].fitted.outcome.reason == "callback"


def test_networks_are_fitted_in_the_order_of_their_weights(monkeypatch):
    """Those of one encoding after each other."""
    monkeypatch.setattr(
        mixture, "mixture_weights", lambda *args: np.array([0.1, 0.2, 0.4, 0.3])
    )
    told = []
    run(
        networks(*({"encoding": e} for e in ("piecewise", None, "piecewise", None))),
        *classes(),
        observer=lambda own, _: own.stage == "fitted" and told.append(own.number),
    )
    assert told == [2, 0, 3, 1]


# Samples of early stopping


@pytest.fixture
def halves():
    """Return samples, their targets, and others."""
    samples, targets = classes(450)
    return samples.take(np.arange(M)), targets, samples.take(np.arange(M, 450))


@pytest.mark.parametrize("way", [{}, IN_BATCHES], ids=str)
def test_samples_of_early_stopping_are_those_held_out(halves, parts, way, monkeypatch):
    """They judge, weigh, and watch the fits; nothing is split off the others."""
    monkeypatch.delattr(ClassTargets, "split")
    samples, targets, held_out = halves
    stopping = {"early_stopping": True, "n_iter_no_change": 2, **way}
    members = run(networks(stopping, stopping), samples, targets, held_out=held_out)
    assert parts[0].held_out is held_out
    assert parts[0].samples is samples
    assert stages(members) == ["fitted"] * 2
    for member in members:
        losses = member.fitted.outcome.history["validation_loss"]
        assert np.isfinite(losses).all() and len(losses) > 1
        assert np.isfinite(member.loss)


def test_few_samples_of_early_stopping():
    """Where there are too few others, these watch the fits alone."""
    samples, targets = classes(FEWEST_ROWS + 20)
    held_out = samples.take(np.arange(40))
    own = samples.take(np.arange(40, FEWEST_ROWS + 20))
    stopping = {"early_stopping": True}
    members = run(networks(stopping, stopping), own, targets, held_out=held_out)
    assert_array_equal(weights_of(members), 0.5)
    for member in members:
        assert np.isnan(member.loss)
        assert np.isfinite(member.fitted.outcome.history["validation_loss"]).all()


def test_what_was_found_knows_the_samples_of_early_stopping(halves):
    """Where there is no time for a fit, too."""
    samples, targets, held_out = halves
    stopping = {"early_stopping": True}
    (member,) = run(
        networks(stopping), samples, targets, held_out=held_out, max_time=1e-9
    )
    assert member.stage == "searched"
    (loss,) = member.fitted.outcome.history["validation_loss"]
    assert loss == pytest.approx(member.loss)
    (member,) = run(networks({}), *classes(), max_time=1e-9)
    assert np.isnan(member.fitted.outcome.history["validation_loss"]).all()


# Time


class Clock:
    """A clock that stands until it is set, to shares of the time allowed."""

    def __init__(self):
        self.start, self.share = perf_counter(), 0.0

    def __call__(self):
        return self.start + self.share * ALLOWED


@pytest.fixture
def clock(monkeypatch):
    """Set the clock of the ensemble by hand."""
    own = Clock()
    monkeypatch.setattr(module, "perf_counter", own)
    return own


def at(clock, stage, count, share):
    """Return an observer that sets the clock when so many have come to a stage."""
    seen = []

    def observer(member, _):
        if member.stage == stage:
            seen.append(member.number)
            if len(seen) == count:
                clock.share = share

    return observer


@pytest.mark.parametrize("held_out", [False, True])
def test_however_short_the_time_there_is_one_network(held_out):
    """The first one: what its search has made of it; without one, its fit."""
    samples, targets = classes() if held_out else few()
    members = run(networks({}, {}, {}), samples, targets, max_time=1e-9)
    assert stages(members)[1:] == ["waiting"] * 2
    assert [member.fitted for member in members[1:]] == [None, None]
    assert_array_equal(weights_of(members), [1, 0, 0])
    member = members[0]
    assert member.stage == ("searched" if held_out else "fitted")
    assert (member.fitted.outcome.reason == "callback") == held_out
    assert member.seconds > 0
    assert members[1].seconds == 0


@pytest.mark.parametrize("held_out", [False, True])
def test_however_short_the_time_one_network_is_trained(held_out):
    """It is better than a constant."""
    samples, targets = classes() if held_out else few()
    (member,) = run(networks({}), samples, targets, max_time=1e-9)
    Z = member.fitted.predictor.outputs(samples.X)
    assert targets.loss.pointwise(Z, samples.targets).loss.mean() < np.log(4)


def test_no_limit_is_much_time():
    """Networks are the same, bit for bit."""
    samples, targets = classes()
    some = run(networks({}, IN_BATCHES), samples, targets, max_time=1e6)
    for one, other in zip(some, run(networks({}, IN_BATCHES), *classes()), strict=True):
        assert one.weight == other.weight
        assert_array_equal(
            one.fitted.predictor.outputs(samples.X),
            other.fitted.predictor.outputs(samples.X),
        )


@pytest.mark.parametrize(("share", "begun"), [(0.9 * BEGINNING, 4), (1.1 * BEGINNING, 2)])
def test_networks_begin_in_the_first_quarter(clock, equal, share, begun):
    """Those that have begun search, and are fitted."""
    members = run(
        networks({}, {}, {}, {}),
        *classes(),
        max_time=ALLOWED,
        observer=at(clock, "begun", 2, share),
    )
    assert stages(members) == ["fitted"] * begun + ["waiting"] * (4 - begun)
    assert_allclose(weights_of(members)[:begun], 1 / begun)


@pytest.mark.parametrize(
    ("share", "searched"), [(0.9 * SEARCHING, 3), (1.1 * SEARCHING, 1)]
)
def test_networks_search_in_the_first_half(clock, equal, share, searched):
    """The best one does in any case; those that did are fitted."""
    told = []
    observer = at(clock, "begun", 3, share)

    def observed(member, count):
        told.append((member.stage, member.loss))
        return observer(member, count)

    members = run(networks({}, {}, {}), *classes(), max_time=ALLOWED, observer=observed)
    assert stages(members).count("fitted") == searched
    assert stages(members).count("begun") == 3 - searched
    first = min(range(3), key=lambda i: told[i][1])
    assert members[first].stage == "fitted"
    assert weights_of(members).sum() == pytest.approx(1)


def test_a_search_ends_with_its_time(clock, monkeypatch):
    """After the point of its path at which it is over; but that of the best one."""
    scripted(monkeypatch, [None, None])
    begun = at(clock, "begun", 2, 0.4)
    points = {}

    def observer(member, count):
        begun(member, count)
        if member.stage == "searched":
            clock.share = 0.4
            points[member.number] = len(member.fitted.alpha_path["alpha"])

    finish = Search.finish

    def late(own, in_any_case):
        clock.share = 0.6
        return finish(own, in_any_case)

    monkeypatch.setattr(Search, "finish", late)
    candidates = [Candidate(settings(tol=float(i)), 0) for i in range(2)]  # equal seeds
    run(candidates, *classes(), max_time=ALLOWED, observer=observer)
    first, second = points.values()
    assert first > 1
    assert second == 1


def test_a_time_that_runs_out_keeps_what_was_judged(clock, tables):
    """With the weights by held-out samples; no sample is encoded in vain."""
    members = run(
        networks({}, {"sizes": (3,)}),
        *classes(),
        max_time=ALLOWED,
        observer=at(clock, "searched", 2, 1.1),
    )
    assert stages(members) == ["searched"] * 2
    assert_array_equal(weights_of(members), mixture_weights(*tables[0]))
    for member in members:
        assert member.fitted.outcome.reason == "callback"
        assert member.fitted.outcome.iterations == 0
        assert np.isfinite(member.fitted.outcome.objective)


def test_nothing_is_encoded_when_the_time_is_over(clock, prepared):
    observer = at(clock, "searched", 2, 1.1)
    run(networks({}, {}), *classes(), max_time=ALLOWED, observer=observer)
    assert len(prepared) == 1


@pytest.mark.parametrize("encoding", [None, "piecewise"])
def test_those_that_are_not_fitted_in_time(clock, monkeypatch, encoding):
    """They remain what the search has made of them, whether encoded alike or not."""
    monkeypatch.setattr(mixture, "mixture_weights", lambda *args: np.array([0.3, 0.7]))
    members = run(
        networks({}, {"encoding": encoding}),
        *classes(),
        max_time=ALLOWED,
        observer=at(clock, "fitted", 1, 1.1),
    )
    assert stages(members) == ["searched", "fitted"]
    assert_array_equal(weights_of(members), [0.3, 0.7])
    assert members[0].fitted.outcome.reason == "callback"
    assert members[1].fitted.outcome.reason != "callback"


@pytest.mark.parametrize("held_out", [False, True])
def test_a_fit_that_is_cut_short(clock, monkeypatch, held_out):
    """It remains what a search has found; without one, the first is never cut short."""
    record = Walk.record

    def late(own):
        record(own)
        if len(own.history.rows) == 2 and clock.armed:
            clock.share = 1.1

    clock.armed = not held_out
    monkeypatch.setattr(Walk, "record", late)

    def observer(member, _):
        told.append(member.stage)
        clock.armed = clock.armed or told.count("searched") == 2

    told = []
    samples, targets = classes() if held_out else few()
    members = run(networks({}, {}), samples, targets, max_time=ALLOWED, observer=observer)
    if held_out:
        assert stages(members) == ["searched"] * 2
        assert all(member.fitted.outcome.iterations == 0 for member in members)
        return
    assert stages(members) == ["fitted", "waiting"]
    (expected, _) = run(networks({}, {}), *few())
    one, other = members[0].fitted.outcome, expected.fitted.outcome
    assert one.iterations == other.iterations > 1
    assert one.reason == other.reason
    assert_array_equal(weights_of(members), [1, 0])


#: Seconds of beginning and of searching.
BEGUN, FOUND = 20.0, 30.0


@pytest.mark.parametrize(
    ("alpha", "share", "epochs"),
    [
        *((1e-3, *own) for own in [(0.05, 20), (0.6, 20), (0.8, 17), (0.9, 8)]),
        *((1e-3, *own) for own in [(0.95, 4), (0.96, None), (1.1, None)]),
        ("auto", 0.95, None),  # as many epochs as its path has taken
    ],
)
def test_epochs_that_there_is_time_for(clock, monkeypatch, alpha, share, epochs):
    """By the time that those of the search took, with something to spare."""

    def slow(name, seconds):
        original = getattr(Search, name)

        def slowly(own, *args, **options):
            clock.share += seconds / ALLOWED
            return original(own, *args, **options)

        monkeypatch.setattr(Search, name, slowly)

    slow("begin", BEGUN)
    slow("finish", FOUND)
    way = {"batch_size": 50, "max_iter": 20, "alpha": alpha}
    (member,) = run(
        networks(way),
        *classes(),
        max_time=ALLOWED,
        observer=at(clock, "searched", 1, share),
    )
    path, outcome = member.fitted.alpha_path, member.fitted.outcome
    trained = 8 + 4 * (0 if path is None else len(path["alpha"]) - 1)
    an_epoch = (BEGUN + FOUND) / trained * M / (M - rows_held_out(M))
    in_time = PLANNED * ALLOWED * (1 - share) / an_epoch
    if alpha == "auto":
        assert trained > 8
        epochs = int(in_time)
    if epochs is None:
        assert in_time < FEWEST_EPOCHS
        assert member.stage == "searched"
        assert outcome.reason == "callback"
        return
    assert epochs == min(int(in_time), 20)
    assert member.stage == "fitted"
    assert outcome.reason == "schedule"
    assert outcome.iterations == epochs


def test_deadline():
    progress = Progress({}, 3, 0)
    assert Deadline(perf_counter() - 1e-3)(progress)
    assert not Deadline(perf_counter() + 60)(progress, None)
    assert not Deadline(np.inf)(progress)


# Observers


@pytest.mark.parametrize(
    ("stage", "count", "expected"),
    [
        ("searched", 1, {"searched": 1, "begun": 2}),
        ("searched", 2, {"searched": 2, "begun": 1}),
        ("fitted", 1, {"fitted": 1, "searched": 2}),
        ("fitted", 3, {"fitted": 3}),
    ],
)
def test_an_observer_may_end_the_fit(stage, count, expected):
    """Those that are there then make up the ensemble."""
    seen = []

    def observer(member, _):
        seen.append(member.stage)
        return seen.count(stage) == count

    members = run(networks({}, {}, {}), *classes(), observer=observer)
    own = stages(members)
    assert {name: own.count(name) for name in set(own)} == expected
    there = [member for member in members if member.fitted is not None]
    assert len(there) == 3 - expected.get("begun", 0)
    assert sum(member.weight for member in there) == pytest.approx(1)
    assert all(not member.weight for member in members if member.fitted is None)


def test_an_observer_may_end_the_fit_of_few_samples():
    members = run(networks({}, {}), *few(), observer=lambda *_: True)
    assert stages(members) == ["fitted", "waiting"]
    assert_array_equal(weights_of(members), [1, 0])


def test_an_observer_of_no_opinion():
    """It changes nothing, and is told of every stage."""
    told = []
    members = run(
        networks({}, {}), *classes(), observer=lambda own, n: told.append(own.stage)
    )
    assert told == ["begun"] * 2 + ["searched"] * 2 + ["fitted"] * 2
    assert_array_equal(weights_of(members), weights_of(run(networks({}, {}), *classes())))


# Interrupts


def caught(error, *args, **options):
    """Return the members of an ensemble that is interrupted."""
    with pytest.raises(EnsembleInterrupted) as interrupt:
        run(*args, **options)
    assert interrupt.value.original is error
    members = interrupt.value.members
    assert weights_of(members).sum() == pytest.approx(1)
    for member in members:
        assert (member.weight > 0) <= (member.fitted is not None)
    return members


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (Parts, "of", 1),
        (module, "encoders_for", 1),
        (module, "prepare", 1),
        (Search, "begin", 1),
        (Search, "begin", 2),
        (FullBatchPath, "losses", 2),
        (module, "in_question", 1),
        (Search, "finish", 1),
        (FullBatchPath, "further", 1),
    ],
)
@pytest.mark.parametrize("afterwards", [False, True])
def test_an_interrupt_before_the_first_has_searched(
    monkeypatch, owner, name, call, afterwards
):
    """It goes through as it is."""
    error = KeyboardInterrupt()
    interrupting(monkeypatch, owner, name, call, afterwards, error)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(networks({}, {}), *classes())
    assert interrupt.value is error


@pytest.mark.parametrize("records", [1, 3])
def test_an_interrupt_within_a_beginning(monkeypatch, records):
    """Before the first step and after it; what is raised is the shell's own."""
    error = KeyboardInterrupt()
    interrupting(monkeypatch, Walk, "record", records, True, error)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(networks({}, {}), *classes())
    assert interrupt.value is error


#: Where it comes, at which call, and how many networks have searched then.
SEARCHING_ON = {
    "the second search": (Search, "finish", 2, False),
    "the second search, at the end": (Search, "finish", 2, True),
    "its way further": (FullBatchPath, "further", 2, False),
    "its network": (module, "as_found", 2, True),
}


@pytest.mark.parametrize("where", SEARCHING_ON)
def test_an_interrupted_search_leaves_those_that_have_searched(monkeypatch, where):
    error = KeyboardInterrupt()
    owner, name, call, afterwards = SEARCHING_ON[where]
    interrupting(monkeypatch, owner, name, call, afterwards, error)
    members = caught(error, networks({}, {}, {}), *classes())
    assert sorted(stages(members)) == ["begun", "begun", "searched"]
    assert weights_of(members).max() == 1


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [(mixture, "mixture_weights", 1), (module, "prepare", 2), (module, "fit", 1)],
)
def test_an_interrupt_behind_the_search(monkeypatch, owner, name, call):
    """All have searched: they have their weights."""
    expected = run(networks({}, {"sizes": (3,)}), *classes())
    error = KeyboardInterrupt()
    interrupting(monkeypatch, owner, name, call, error=error)
    members = caught(error, networks({}, {"sizes": (3,)}), *classes())
    assert stages(members) == ["searched"] * 2
    assert_array_equal(weights_of(members), weights_of(expected))
    assert all(member.fitted.outcome.reason == "callback" for member in members)


def test_an_interrupted_fit_of_all_samples(monkeypatch):
    """What was judged stays in its place, and fits that have come to their end."""
    error = KeyboardInterrupt()
    record, walks = Walk.record, []
    told = []

    def interrupted(own):
        record(own)
        if told.count("fitted") == 1 and len(own.history.rows) == 3:
            walks.append(own)
            raise error

    monkeypatch.setattr(Walk, "record", interrupted)
    candidates = networks({"tol": 0.0}, {"tol": 0.0})
    members = caught(
        error, candidates, *classes(), observer=lambda own, _: told.append(own.stage)
    )
    assert len(walks) == 1
    assert sorted(stages(members)) == ["fitted", "searched"]
    (cut,) = (member for member in members if member.stage == "searched")
    assert cut.fitted.outcome.reason == "callback"
    assert cut.fitted.outcome.iterations == 0
    assert np.all(weights_of(members) > 0)


@pytest.mark.parametrize("which", [0, 1])
def test_an_interrupted_fit_without_a_search(monkeypatch, which):
    """Of the first one on, its best weights count like a network."""
    error = KeyboardInterrupt()
    record, told = Walk.record, []

    def interrupted(own):
        record(own)
        if len(told) == which and len(own.history.rows) == 3:
            raise error

    monkeypatch.setattr(Walk, "record", interrupted)
    candidates = networks({"tol": 0.0}, {"tol": 0.0}, {"tol": 0.0})
    members = caught(
        error, candidates, *few(), observer=lambda own, _: told.append(own.stage)
    )
    there = members[: which + 1]
    assert there[-1].fitted.outcome.reason == "interrupted"
    assert there[-1].fitted.outcome.iterations >= 1
    assert_allclose(
        weights_of(members), [1 / len(there)] * len(there) + [0] * (2 - which)
    )


def test_an_interrupt_before_the_first_step_without_a_search(monkeypatch):
    error = KeyboardInterrupt()
    interrupting(monkeypatch, FullBatch, "train", 1, error=error)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(networks({}, {}), *few())
    assert interrupt.value is error


@pytest.mark.parametrize(("function", "searched"), [("_search", 0), ("_fit", 2)])
def test_an_interrupt_side_by_side(function, searched):
    """What has not come back is lost."""
    error = KeyboardInterrupt()

    def each(own, arguments):
        if own.__name__ == function:
            raise error
        return iter([own(*args) for args in arguments])

    if not searched:
        with pytest.raises(KeyboardInterrupt) as interrupt:
            run(networks({}, {}), *classes(), each=each)
        assert interrupt.value is error
        return
    members = caught(error, networks({}, {}), *classes(), each=each)
    assert stages(members) == ["searched"] * searched


# Errors


@pytest.mark.parametrize(
    ("standardize", "remedy"), [(True, "Rescale"), (False, "Use standardize=True")]
)
def test_a_network_that_overflows(monkeypatch, standardize, remedy):
    """At its initial weights, in the search and without one."""
    message = rf"^The network overflows on X at its initial weights\. {remedy}"
    candidates = networks({"standardize": standardize})
    for owner, name, data in [
        (FullBatchPath, "begin", classes()),
        (FullBatch, "train", few()),
    ]:
        with monkeypatch.context() as patch:
            interrupting(patch, owner, name, 1, error=FloatingPointError("not finite"))
            with pytest.raises(ValueError, match=message) as error:
                run(candidates, *data)
        assert isinstance(error.value.__cause__, FloatingPointError)


def test_numbers_that_a_precision_does_not_take():
    """As in a fit of one network."""
    samples, targets = classes()
    samples = replace(samples, X=samples.X.astype(np.float32))
    with pytest.raises(ValueError, match="alpha=1e\\+30 is too large"):
        run(networks({"alpha": 1e30}), samples, targets)


def test_an_error_of_one_network_goes_through(monkeypatch):
    """There is no ensemble then."""
    interrupting(monkeypatch, BatchedPath, "begin", 1, error=MemoryError("batches"))
    with pytest.raises(MemoryError, match="batches"):
        run(networks({}, IN_BATCHES), *classes())


# Log-probabilities


@pytest.mark.parametrize(
    ("name", "K"),
    [
        ("bernoulli", 1),
        ("bernoulli", 4),
        ("multinomial", 2),
        ("multinomial", 5),
    ],
)
def test_log_likelihood(name, K):
    """Of each label; its sum over a row is minus the loss."""
    rng = np.random.default_rng(0)
    Z, m = 3 * rng.normal(size=(40, K)), 40
    if name == "bernoulli":
        targets = rng.integers(0, 2, (m, K)).astype(np.int8)
        expected = np.log(np.where(targets == 1, expit(Z), expit(-Z)))
    else:
        targets = rng.integers(0, K, m)
        expected = log_softmax(Z, axis=1)[np.arange(m), targets][:, None]
    loss = LOSSES[name]
    own = loss.log_likelihood(Z, targets)
    assert_allclose(own, expected, rtol=1e-10)
    assert_allclose(own.sum(axis=1), -loss.pointwise(Z, targets).loss, rtol=1e-10)


@pytest.mark.parametrize("name", ["bernoulli", "multinomial"])
def test_log_likelihood_of_saturated_networks(name):
    """Neither of certainty nor of certain error a logarithm of zero."""
    Z = np.array([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0]])
    targets = np.zeros(3, int) if name == "multinomial" else np.zeros((3, 2), np.int8)
    own = LOSSES[name].log_likelihood(Z, targets)
    if name == "multinomial":
        assert_allclose(own, [[0], [-2e4], [-np.log(2)]])
    else:
        assert_allclose(own, [[-1e4, 0], [0, -1e4], [-np.log(2)] * 2])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_averaged_of_held_out_rows(loss, dtype):
    """In float64, whatever the precision of the network."""
    own = case(loss, ("tanh",), (4,))
    inputs = DenseInputs.standardised(own.X.astype(dtype), Standardisation.none(3))
    network = Network.of(own.widths, own.activations)
    weights = own.weights / own.weights.sum()
    rows = HeldOut(network, LOSSES[loss], inputs, own.targets, weights)
    theta = own.theta.astype(dtype)
    rule = mixture.Probabilities()
    if loss == "squared":
        rule = mixture.Means(LOSSES[loss])
    table = rule.of(rows, theta)
    assert table.dtype == np.float64
    assert table.shape == (9, 1 if loss == "multinomial" else 3)
    losses = rule.losses(table, own.targets)
    assert_allclose(losses, rows.losses(theta), rtol=1e-12)
