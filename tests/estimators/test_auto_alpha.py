"""alpha="auto": what a user sees of it."""

from time import sleep

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from skgn import GaussNewtonMLPClassifier
from skgn.fitting import relaxation, search
from skgn.fitting.problem import FullBatch, MiniBatches
from skgn.fitting.relaxation import FEWEST_ROWS, FEWEST_WIDE_ROWS
from skgn.fitting.settings import EPOCHS_ON, MAX_EPOCHS
from skgn.training.evidence import INITIAL, LEAST, MOST
from tests.problems import binary, digits, iris, multiclass, multilabel, wide

ITERATIONS = "ignore:The fit reached max_iter"


def small(**parameters):
    """Return a quick classifier."""
    options = {"hidden_layer_sizes": (8,), "random_state": 0, **parameters}
    return GaussNewtonMLPClassifier(**options)


def same_weights(one, other):
    """Return whether two fits agree bit for bit."""
    pairs = zip(
        one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True
    )
    return all(np.array_equal(a, b) for a, b in pairs)


def test_is_the_default():
    assert GaussNewtonMLPClassifier().alpha == "auto"


# Few rows: the evidence alone


@pytest.mark.parametrize("draw", [iris, binary, multiclass, multilabel, wide])
@pytest.mark.parametrize("batch_size", [None, 16])
def test_few_rows(draw, batch_size):
    """The fit finds its own penalty; no row is held out."""
    X, y = draw()
    X, y = X[:140], y[:140]
    model = small(batch_size=batch_size).fit(X, y)
    assert LEAST <= model.alpha_ <= MOST
    assert model.history_["alpha"][0] == INITIAL != model.alpha_
    assert model.alpha_path_ is None
    assert 0 < model.n_effective_parameters_ < sum(W.size for W in model.coefs_)


def test_fixed_point():
    """m alpha ‖W‖² is τ γ, m the sum of the weights, W for standardised columns."""
    X, y = binary(140)
    w = np.random.default_rng(0).integers(1, 4, 140)
    model = small(activation="tanh", tol=1e-5, max_iter=500).fit(X, y, w)
    squares = sum(
        np.sum(np.square(W))
        for W in (model.coefs_[0] * model.scale_[:, None], *model.coefs_[1:])
    )
    ratio = w.sum() * model.alpha_ * squares / model.n_effective_parameters_
    assert ratio == pytest.approx(0.4, rel=0.02)


@pytest.mark.parametrize("draw", [binary, multiclass, multilabel])
def test_weight_is_repetition(draw):
    """As long as the repeated rows are few, too."""
    X, y = draw()
    w = np.random.default_rng(0).integers(0, 3, len(X))
    one = small().fit(X, y, w)
    other = small().fit(np.repeat(X, w, axis=0), np.repeat(y, w, axis=0))
    assert one.alpha_ == pytest.approx(other.alpha_, rel=1e-6)
    assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-5)


def test_noise_is_penalised_more():
    """The noisier the labels, the larger the penalty, and the better than a small one."""
    alphas = []
    for noise in (0.0, 0.2, 0.4):
        X, y = make_classification(
            300, 10, n_informative=5, flip_y=noise, class_sep=2.0, random_state=1
        )
        alphas.append(small().fit(X, y).alpha_)
    assert alphas[0] < alphas[1] < alphas[2]


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "silu"])
def test_deep_networks_do_not_collapse(activation):
    """Five narrow layers learn: the penalty waits for them."""
    X, y = iris()
    model = small(hidden_layer_sizes=(6,) * 5, activation=activation).fit(X, y)
    assert model.score(X, y) > 0.9


def test_labels_without_a_pattern():
    """Pure noise: the predictions stay near the frequencies, where 1e-4 overfits."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 10)), rng.integers(0, 2, 600)
    train, test = slice(0, 300), slice(300, 600)
    losses = [
        log_loss(y[test], small(alpha=a, hidden_layer_sizes=(30,)).fit(X[train], y[train])
                 .predict_proba(X[test]))
        for a in ("auto", 1e-4)
    ]  # fmt: skip
    assert losses[0] < 0.5 * losses[1]


def test_warm_start_goes_on_with_its_penalty():
    X, y = multiclass()
    model = small(warm_start=True, activation="tanh").fit(X, y)
    alpha, loss = model.alpha_, model.loss_
    model.fit(X, y)
    assert model.history_["alpha"][0] == alpha
    assert model.loss_curve_[0] == pytest.approx(loss)


# More rows: relaxed on held-out ones


@pytest.fixture(scope="module")
def moons():
    return make_moons(700, noise=0.3, random_state=0)


def assert_is_a_path(path, points=2):
    """Check a search: ever weaker penalties, finite losses."""
    assert len(path["alpha"]) == len(path["log_loss"]) >= points
    assert np.all(np.diff(path["alpha"]) < 0)
    assert np.isfinite(path["log_loss"]).all()


@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_in_mini_batches_goes_on(moons, encoding, dtype):
    """At the penalty found, with its network, for fewer epochs where none are given."""
    X, y = moons[0].astype(dtype), moons[1]
    model = small(batch_size=64, encoding=encoding).fit(X, y)
    given = clone(model).set_params(alpha=model.alpha_).fit(X, y)
    assert model.history_["cost"][0] < 0.7 * given.history_["cost"][0]
    assert model.history_["cost"][-1] < 1.05 * given.history_["cost"][-1]
    assert_array_equal(model.history_["alpha"], model.alpha_)
    assert (model.n_iter_, given.n_iter_) == (EPOCHS_ON, MAX_EPOCHS)
    assert clone(model).set_params(max_iter=3).fit(X, y).n_iter_ == 3
    assert given.alpha_path_ is None
    assert_is_a_path(model.alpha_path_)
    share = model.alpha_ / model.alpha_path_["alpha"]
    assert np.isclose(share, 1 - 233 / 700).any()  # of the rows that it was found on


@pytest.mark.parametrize("encoding", [None, "piecewise", "auto"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_with_all_rows_goes_on(moons, encoding, dtype):
    """At the penalty found, with the network that it was found for."""
    X, y = moons[0].astype(dtype), moons[1]
    model = small(encoding=encoding).fit(X, y)
    assert_is_a_path(model.alpha_path_)
    share = model.alpha_ / model.alpha_path_["alpha"]
    assert np.isclose(share, 1 - 233 / 700).any()
    assert_array_equal(model.history_["alpha"], model.alpha_)
    given = clone(model).set_params(alpha=model.alpha_, max_iter=1, encoding=None)
    with pytest.warns(match="max_iter"):
        given.fit(X, y)
    first, fresh = model.history_["cost"][0], given.history_["cost"][0]
    assert first < 0.6 * fresh
    assert model.history_["cost"][-1] <= first


def test_sparse_and_wide(moons):
    """In the coordinates that the fit has, whichever they are."""
    X, y = make_classification(450, 600, n_informative=30, random_state=0)
    X[np.abs(X) < 1] = 0
    dense = small().fit(X, y)
    thin = small().fit(sparse.csr_array(X), y)
    assert thin.alpha_ == pytest.approx(dense.alpha_, rel=1e-3)
    batched = small(batch_size=64, max_iter=5).fit(sparse.csr_array(X), y)
    assert LEAST / 2 < batched.alpha_ <= MOST


def test_multilabel_targets():
    X, Y = multilabel(500)
    model = small().fit(X, Y)
    assert len(model.alpha_path_["alpha"]) > 1


def test_limit_of_few_rows():
    """From FEWEST_ROWS rows on, some are held out."""
    X, y = multiclass(FEWEST_ROWS)
    assert small().fit(X, y).alpha_path_ is not None
    assert small().fit(X[1:], y[1:]).alpha_path_ is None


def clean_and_wide(m=90, n=120):
    """Return three classes that separate, in as many columns as samples."""
    rng = np.random.default_rng(0)
    y = np.arange(m) % 3
    return rng.normal(size=(m, n)) + 2 * rng.normal(size=(3, n))[y], y


def test_limits_of_few_samples_of_many_columns():
    """Some are held out from FEWEST_WIDE_ROWS on, where columns are not fewer."""
    m = FEWEST_WIDE_ROWS
    X, y = clean_and_wide(m, m)
    path = small().fit(X, y).alpha_path_
    assert path["alpha"][-1] < path["alpha"][0] / 100  # the evidence is too strong
    assert small().fit(X[1:], y[1:]).alpha_path_ is None
    assert small().fit(X[:, 1:], y).alpha_path_ is None
    twice = small().fit(np.r_[X[1:], X[1:]], np.r_[y[1:], y[1:]])
    assert twice.alpha_path_ is None  # repeated samples are no further ones


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_weights_are_repetition_where_some_are_held_out(container):
    """Equal samples stay together, wherever they are."""
    X, y = clean_and_wide()
    X[np.abs(X) < 1] = 0
    w = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = small().fit(container(X), y, w)
    index = np.repeat(np.arange(len(y)), w)
    for rows in index, np.r_[np.flatnonzero(w), np.flatnonzero(w > 1)]:
        given = w - np.bincount(rows, minlength=len(w))
        raw = 1.0 + np.maximum(given, 0)[rows] / np.bincount(rows)[rows]
        repeated = small().fit(container(X[rows]), y[rows], raw)
        assert repeated.alpha_path_ is not None
        assert repeated.alpha_ == pytest.approx(weighted.alpha_, rel=1e-6)
        expected = weighted.predict_proba(X)
        assert_allclose(repeated.predict_proba(X), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_classes_too_rare_to_be_held_out():
    """Classes of one row stay in training; of nothing else, the evidence decides."""
    X, y = multiclass(500)
    y = y.copy()
    y[:3] = [7, 8, 9]
    model = small().fit(X, y)
    assert len(model.classes_) == 7 and model.alpha_path_ is not None
    rows = np.arange(500)
    model = small(hidden_layer_sizes=(), tol=10.0).fit(X, np.where(rows < 490, rows, 0))
    assert model.alpha_path_ is None


def test_clean_classes_are_hardly_penalised():
    """Where the evidence alone charges too much."""
    X, y = digits()
    rows = np.random.default_rng(0).permutation(len(y))
    X, y = X[rows], y[rows]
    model = small(hidden_layer_sizes=(40,), encoding=None).fit(X[:900], y[:900])
    assert model.alpha_ < model.alpha_path_["alpha"][0] / 3
    strong = clone(model).set_params(alpha=model.alpha_path_["alpha"][0])
    losses = [
        log_loss(y[900:], m.predict_proba(X[900:]))
        for m in (model, strong.fit(X[:900], y[:900]))
    ]
    assert losses[0] < 0.6 * losses[1]


@pytest.mark.parametrize("given", [False, True])
def test_early_stopping_rows_serve_the_search(moons, given):
    """They are held out already; nothing else is split off."""
    X, y = moons
    options = {"X_val": X[500:], "y_val": y[500:]} if given else {}
    X, y = (X[:500], y[:500]) if given else (X, y)
    model = small(early_stopping=True).fit(X, y, **options)
    assert np.isclose(model.alpha_path_["alpha"], model.alpha_).any()
    if given:
        loss = log_loss(options["y_val"], model.predict_proba(options["X_val"]))
        assert loss == pytest.approx(model.history_["validation_loss"].min(), rel=1e-6)
    model.set_params(batch_size=64, encoding=None).fit(X, y, **options)
    assert np.isclose(model.alpha_path_["alpha"], model.alpha_).any()


@pytest.mark.parametrize("batch_size", [None, 64])
def test_many_rows_are_searched_on_some(monkeypatch, batch_size):
    """At most so many; the penalty per row falls with the others."""
    monkeypatch.setattr(relaxation, "MOST_ROWS", (10, 300))
    X, y = make_moons(1000, noise=0.3, random_state=0)
    model = small(batch_size=batch_size).fit(X, y)
    assert np.isclose(model.alpha_ / model.alpha_path_["alpha"], 0.3).any()


def test_unit_of_weights(moons):
    """Weights of 2 are twice the rows: the penalty of the mean falls."""
    X, y = moons
    one = small().fit(X, y)
    two = small().fit(X, y, np.full(len(y), 2.0))
    assert two.alpha_path_["alpha"][0] < one.alpha_path_["alpha"][0]


def test_verbose_tells_of_the_search(moons, capsys):
    model = small(verbose=True).fit(*moons)
    lines = capsys.readouterr().out.splitlines()
    searched = [line for line in lines if "held-out loss" in line]
    assert len(searched) == len(model.alpha_path_["alpha"])


@pytest.mark.parametrize(
    "owner, name", [(search.Parts, "of"), (search.Search, "_runner")]
)
def test_interrupted_search_leaves_the_estimator(moons, monkeypatch, owner, name):
    """Where no network has been trained."""
    model = small().fit(*moons)
    before = dict(vars(model))

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*moons)
    assert vars(model) == before


@pytest.mark.filterwarnings(ITERATIONS)
def test_search_is_as_short_as_the_fit(moons, monkeypatch):
    """A short fit has a short search."""
    seen = []
    for problem in (FullBatch, MiniBatches):

        def spy(*args, original=problem.path):
            seen.append(original(*args))
            return seen[-1]

        monkeypatch.setattr(problem, "path", spy)
    small(max_iter=2).fit(*moons)
    assert [path.most_iterations for path in seen] == [2, 2]
    seen.clear()
    small(max_iter=3, batch_size=64).fit(*moons)
    assert [path.epochs for path in seen] == [3, 3]


def test_in_a_pipeline_and_cloned(moons):
    model = make_pipeline(small(alpha="auto")).fit(*moons)
    assert model[-1].alpha == "auto" and clone(model)[-1].alpha == "auto"


def test_random_state_none_differs(moons):
    """Two fits draw from numpy's own generator, and advance it."""
    one, other = (small(random_state=None).fit(*moons) for _ in range(2))
    assert not same_weights(one, other)


# Other ways to train


@pytest.mark.parametrize("solver", ["joint", "sequential"])
def test_thread_solvers_have_a_fixed_penalty(solver, moons):
    X, y = moons
    model = small(solver=solver, max_iter=5, tol=1.0).fit(X[:100], y[:100])
    assert model.alpha_ == 1e-4
    assert np.isnan(model.n_effective_parameters_)


def test_stream():
    """The evidence moves the penalty as rows come."""
    X, y = make_moons(4000, noise=0.3, random_state=0)
    model = small(batch_size=32)
    alphas = []
    for rows in np.array_split(np.arange(4000), 20):
        model.partial_fit(X[rows], y[rows], [0, 1])
        alphas.append(model.alpha_)
    assert alphas[0] == INITIAL
    assert 0 < alphas[-1] < INITIAL and len(set(alphas)) > 4
    assert_array_equal(model.history_["alpha"], alphas)
    assert model.score(X, y) > 0.88
    fixed = small(alpha=0.01).partial_fit(X, y, [0, 1])
    assert fixed.alpha_ == 0.01


def test_single_class_and_given_penalty():
    X, _ = iris()
    assert small().fit(X, np.zeros(150)).alpha_ == INITIAL
    assert small(alpha=0.03).fit(*iris()).alpha_ == 0.03


def test_linear_model_is_about_the_best_logistic_regression():
    """Without hidden layers, against the best of many penalties on the test rows."""
    X, y = make_classification(
        1000, 40, n_informative=5, flip_y=0.2, class_sep=0.7, random_state=0
    )
    train, test = slice(0, 500), slice(500, 1000)
    model = small(hidden_layer_sizes=()).fit(X[train], y[train])
    loss = log_loss(y[test], model.predict_proba(X[test]))
    best = min(
        log_loss(
            y[test],
            LogisticRegression(C=C, max_iter=1000)
            .fit(X[train], y[train])
            .predict_proba(X[test]),
        )
        for C in np.logspace(-4, 3, 15)
    )
    assert loss < 1.05 * best


def test_what_is_told_of_a_search(capsys):
    """Each penalty, the one found, and a fit at that one."""
    X, y = multiclass(600)
    model = GaussNewtonMLPClassifier((6,), random_state=0, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    points = len(model.alpha_path_["alpha"])
    assert all("held-out loss" in line for line in lines[:points])
    assert lines[points].split()[:3] == ["alpha", f"{model.alpha_:.2e}", "found;"]
    assert lines[points + 1].split()[0] == "Iteration"
    assert len(lines) == points + 2 + model.n_iter_ + 1
    assert {line.split()[5] for line in lines[points + 2 :]} == {f"{model.alpha_:.2e}"}


def test_seconds_include_the_search(monkeypatch):
    """They count from the beginning of the fit."""
    find = search.Search.find

    def slow(*args):
        sleep(0.2)
        return find(*args)

    monkeypatch.setattr(search.Search, "find", slow)
    model = GaussNewtonMLPClassifier((6,), random_state=0, max_iter=1000)
    assert model.fit(*multiclass(600)).history_["seconds"][0] > 0.2
