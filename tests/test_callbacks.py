"""Scikit-learn's callbacks, and those of this package."""

import copy
import pickle
import warnings
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgn.callbacks
from skgn import (
    GaussNewtonMLPClassifier,
    GaussNewtonMLPEnsembleClassifier,
    GaussNewtonMLPRegressor,
)
from skgn._compat import has_callbacks
from skgn.callbacks import ScoreStopping, TimeLimit

needed = pytest.mark.skipif(not has_callbacks, reason="scikit-learn before 1.9")

MODES = {
    "full batch": {},
    "given alpha": {"alpha": 1e-2, "encoding": None},
    "mini-batches": {"batch_size": 50, "max_iter": 4},
    "early stopping": {"early_stopping": True},
    "complete matrix": {"solver": "levenberg-marquardt", "alpha": 1e-2, "max_iter": 4},
    "thread": {"solver": "sequential", "max_iter": 4},
}


def data(m=450, classes=3):
    return make_classification(
        m, 6, n_informative=5, n_redundant=0, n_classes=classes, random_state=0
    )


def network(**parameters):
    return GaussNewtonMLPClassifier((6,), random_state=0, **parameters)


def ensemble():
    sizes = [{"hidden_layer_sizes": (k,)} for k in (3, 4, 5)]
    return GaussNewtonMLPEnsembleClassifier(sizes, random_state=0)


def quiet(model, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The fit reached max_iter")
        return model.fit(*args, **kwargs)


class Recorder:
    """Takes note of every hook, and asks for the end where it is told to."""

    def __init__(self, ends=lambda context, count: False):
        self.events, self.fitted, self.ends = [], [], ends

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.events.append(("end", context.task_name))
        self.fitted.append((context, X, y, metadata, fitted_estimator))
        count = sum(event == ("end", context.task_name) for event in self.events)
        return self.ends(context, count)


@needed
@pytest.mark.parametrize("mode", MODES)
def test_the_tasks_of_a_fit(mode):
    """Each begins and ends; iterations as many as the history has."""
    X, y = data()
    recorder = Recorder()
    model = quiet(network(**MODES[mode]).set_callbacks(recorder), X, y)
    begun = Counter(name for what, name in recorder.events if what == "begin")
    ended = Counter(name for what, name in recorder.events if what == "end")
    assert begun == ended
    assert begun["iteration"] == len(model.loss_curve_) - 1 > 0
    assert begun["search"] == (model.alpha_path_ is not None)
    points = 0 if model.alpha_path_ is None else len(model.alpha_path_["alpha"])
    assert begun["alpha"] == points
    assert begun["validation"] == 0
    assert recorder.events[:2] == [("setup", "fit"), ("begin", "fit")]
    assert recorder.events[-2:] == [("end", "fit"), ("teardown", "fit")]
    most = [c.max_subtasks for c, *_ in recorder.fitted if c.task_name == "iterations"]
    assert most == [model.max_iter or (12 if "batch" in mode[:4] else 100)]


@needed
@pytest.mark.parametrize("mode", MODES)
def test_fits_are_the_same_with_callbacks(mode):
    X, y = data()
    plain = quiet(network(**MODES[mode]), X, y)
    told = quiet(network(**MODES[mode]).set_callbacks(Recorder()), X, y)
    assert_array_equal(plain.predict_proba(X), told.predict_proba(X))
    assert plain.stop_reason_ == told.stop_reason_


@needed
@pytest.mark.parametrize("mode", MODES)
def test_networks_on_the_way(mode):
    """Each is fitted, stands for the history so far, and the last one is the result."""
    X, y = data()
    weights = np.linspace(0.5, 2, len(y))
    recorder = Recorder()
    model = quiet(network(**MODES[mode]).set_callbacks(recorder), X, y, weights)
    own = [f for f in recorder.fitted if f[0].task_name == "iteration"]
    for number, (_, X_seen, y_seen, metadata, fitted) in enumerate(own, 1):
        assert X_seen is X and y_seen is y
        assert metadata["sample_weight"] is weights
        assert len(fitted.loss_curve_) == number + 1
        assert fitted is not model
        if mode in ("full batch", "given alpha"):
            loss = log_loss(y, fitted.predict_proba(X), sample_weight=weights)
            assert loss == pytest.approx(fitted.history_["cost"][-1], rel=1e-6)
    root = recorder.fitted[-1]
    for last in (own[-1][-1], root[-1]):
        assert_array_equal(last.predict_proba(X), model.predict_proba(X))


@needed
@pytest.mark.parametrize("mode", MODES)
def test_a_callback_may_end_the_fit(mode):
    X, y = data()
    recorder = Recorder(lambda context, n: context.task_name == "iteration" and n == 2)
    model = quiet(network(**MODES[mode]).set_callbacks(recorder), X, y)
    assert model.stop_reason_ == "callback"
    assert len(model.loss_curve_) == 3
    assert ("end", "fit") in recorder.events


@needed
def test_a_callback_may_end_the_search():
    """The fit goes on, at the best penalty so far."""
    X, y = data()
    recorder = Recorder(lambda context, count: context.task_name == "alpha")
    model = network().set_callbacks(recorder).fit(X, y)
    assert len(model.alpha_path_["alpha"]) == 1
    assert model.stop_reason_ != "callback"


@needed
@pytest.mark.parametrize("batch_size", [None, 50])
def test_validation_samples_have_tasks_of_their_own(batch_size):
    """Before those of the training samples, with the samples as they were given."""
    X, y = data()
    recorder = Recorder()
    given = {"X_val": X[300:], "y_val": y[300:], "sample_weight_val": np.ones(150)}
    model = network(early_stopping=True, batch_size=batch_size, max_iter=5)
    quiet(model.set_callbacks(recorder), X[:300], y[:300], **given)
    seen = [
        f for f in recorder.fitted if f[0].task_name == "validation" and f[1] is not None
    ]
    trained = [f for f in recorder.fitted if f[0].task_name == "iteration"]
    assert len(seen) == len(trained) == len(model.loss_curve_) - 1
    for _, X_seen, y_seen, metadata, fitted in seen:
        assert X_seen is given["X_val"] and y_seen is given["y_val"]
        assert metadata["sample_weight"] is given["sample_weight_val"]
        best = fitted.history_["validation_loss"].min()
        assert log_loss(y_seen, fitted.predict_proba(X_seen)) == pytest.approx(best)
    order = [name for what, name in recorder.events if what == "end"]
    first = order.index("validation")
    assert order[first + 1] == "iteration"


@needed
def test_a_fit_that_fails_is_torn_down():
    X, y = data()
    recorder = Recorder()
    model = network().set_callbacks(recorder)
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, y[:-1])
    assert recorder.events == [
        ("setup", "fit"),
        ("begin", "fit"),
        ("begin", "search"),
        ("teardown", "fit"),
    ]
    assert not hasattr(model, "classes_")
    model.fit(X, y)


@needed
def test_an_error_of_a_callback_leaves_the_estimator_as_it_was():
    X, y = data()

    def fails(context, count):
        if context.task_name == "iteration":
            raise RuntimeError("of the callback")

    model = network(alpha=1e-2).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(RuntimeError, match="of the callback"):
        model.set_callbacks(Recorder(fails)).fit(X[:, ::-1], y)
    assert_array_equal(model.predict_proba(X), before)


@needed
def test_clones_copies_and_pickles():
    X, y = data()
    model = network(alpha=1e-2).set_callbacks(TimeLimit(1e-6)).fit(X, y)
    assert model.stop_reason_ == "callback"
    assert clone(model).fit(X, y).stop_reason_ == "callback"
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert again.fit(X, y).stop_reason_ == "callback"
    assert model.set_callbacks().fit(X, y).stop_reason_ == "converged"


@needed
@pytest.mark.parametrize("make", [network, ensemble], ids=["network", "ensemble"])
def test_progress_bars(make, capsys):
    """Alone, in a pipeline and in a search, without a warning."""
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    X, y = data()
    bar = ProgressBar(max_propagation_depth=None)
    make().set_callbacks(bar).fit(X, y)
    out = capsys.readouterr().out
    assert "search" in out and "100%" in out
    make_pipeline(StandardScaler(), make()).set_callbacks(bar).fit(X, y)
    assert "StandardScaler" in capsys.readouterr().out
    grid = GridSearchCV(make(), {"random_state": [0, 1]}, cv=2)
    grid.set_callbacks(bar).fit(X, y)
    assert "GridSearchCV" in capsys.readouterr().out


@needed
def test_scoring_monitor():
    """Logs a scorer of the training and of the validation samples."""
    from sklearn.callback import ScoringMonitor

    X, y = data()
    monitor = ScoringMonitor(scoring=["neg_log_loss", "balanced_accuracy"])
    model = network(alpha=1e-2, early_stopping=True).set_callbacks(monitor)
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    rows = monitor.get_logs().data
    by_name = {
        name: [row for row in rows if row["task_name"] == name]
        for name in ("iteration", "validation", "fit")
    }
    assert len(by_name["iteration"]) == len(by_name["validation"])
    assert len(by_name["iteration"]) == len(model.loss_curve_) - 1
    proba = model.predict_proba(X[300:])
    (last,) = [max(by_name["validation"], key=lambda row: row["task_id"])]
    assert last["neg_log_loss"] == pytest.approx(-log_loss(y[300:], proba))
    score = balanced_accuracy_score(y[:300], model.predict(X[:300]))
    assert by_name["fit"][-1]["balanced_accuracy"] == pytest.approx(score)


@needed
@pytest.mark.parametrize("mode", MODES)
def test_time_limit(mode):
    """One iteration at least; a long limit changes nothing."""
    X, y = data()
    model = quiet(network(**MODES[mode]).set_callbacks(TimeLimit(1e-9)), X, y)
    assert model.stop_reason_ == "callback"
    assert len(model.loss_curve_) == 2
    assert np.isfinite(model.predict_proba(X)).all()
    model = quiet(model.set_callbacks(TimeLimit(1e9)), X, y)
    assert model.stop_reason_ != "callback"


@needed
def test_time_limit_of_an_ensemble():
    X, y = data()
    model = ensemble().set_callbacks(TimeLimit(1e-9)).fit(X, y)
    assert model.selection_["stage"].count("waiting") + model.selection_["stage"].count(
        "begun"
    )
    assert np.isfinite(model.predict_proba(X)).all()


@needed
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("scoring", [None, "balanced_accuracy", "neg_log_loss"])
def test_score_stopping(scoring, validated):
    """So many iterations after the best score; the best network is kept."""
    X, y = data()
    stopping = ScoreStopping(scoring, n_iter_no_change=2)
    given = {"X_val": X[300:], "y_val": y[300:]} if validated else {}
    model = network(
        alpha=1e-6,
        encoding=None,
        early_stopping=validated,
        n_iter_no_change=np.inf,
        tol=0,
    )
    X_train, y_train = X[:300], y[:300]
    quiet(model.set_callbacks(stopping), X_train, y_train, **given)
    n = len(stopping.scores_)
    assert n == len(model.loss_curve_) - 1
    best = int(np.argmax(stopping.scores_))
    assert stopping.best_iter_ == best + 1
    assert stopping.best_score_ == stopping.scores_[best]
    if model.stop_reason_ == "callback":
        assert n == stopping.best_iter_ + 2
    else:
        assert n < stopping.best_iter_ + 2
    scored = (X[300:], y[300:]) if validated else (X_train, y_train)
    from sklearn.metrics import check_scoring

    scorer = check_scoring(model, scoring)
    assert scorer(stopping.best_estimator_, *scored) == stopping.best_score_


@needed
def test_score_stopping_ends_a_fit():
    """With `tol`, sooner: an accuracy of one cannot rise."""
    X, y = data()
    stopping = ScoreStopping(lambda model, X, y: 1.0, n_iter_no_change=3)
    model = network(alpha=1e-6, encoding=None, tol=0).set_callbacks(stopping)
    assert quiet(model, X, y).stop_reason_ == "callback"
    assert stopping.scores_ == [1.0] * 4
    few = ScoreStopping(n_iter_no_change=1, tol=10.0)
    assert quiet(model.set_callbacks(few), X, y).stop_reason_ == "callback"
    assert len(few.scores_) == 2


@needed
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeLimit(0), "seconds must be a positive number; got 0"),
        (lambda: TimeLimit("a"), "seconds must be a positive number; got 'a'"),
        (
            lambda: ScoreStopping(n_iter_no_change=0),
            "n_iter_no_change must be an integer",
        ),
        (lambda: ScoreStopping(tol=-1), "tol must be a number of 0 or more"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@needed
def test_a_scorer_that_does_not_exist():
    X, y = data()
    with pytest.raises(ValueError, match="scoring"):
        network().set_callbacks(ScoreStopping("nonsense")).fit(X, y)


@pytest.mark.parametrize("make", [lambda: TimeLimit(1), ScoreStopping])
def test_without_callbacks_of_scikit_learn(monkeypatch, make):
    monkeypatch.setattr(skgn.callbacks, "has_callbacks", False)
    with pytest.raises(ImportError, match=r"scikit-learn 1\.9 or later; this is"):
        make()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("encoding", [None, "piecewise"])
def test_hidden_activations(dtype, encoding):
    """The last ones give the outputs; those of an index count from either end."""
    X, y = data()
    X = X.astype(dtype)
    X[3, 2] = np.nan
    model = GaussNewtonMLPClassifier(
        (5, 4), activation="tanh", encoding=encoding, alpha=1e-2, random_state=0
    ).fit(X, y)
    last = model.hidden_activations(X)
    assert last.shape == (len(X), 4) and last.dtype == np.float64
    Z = last @ model.coefs_[-1] + model.intercepts_[-1]
    rtol = 1e-4 if dtype == "float32" else 1e-10
    assert_allclose(Z, model.decision_function(X), rtol=rtol, atol=rtol)
    assert model.hidden_activations(X, layer=0).shape == (len(X), 5)
    assert_array_equal(
        model.hidden_activations(X, layer=-2), model.hidden_activations(X, layer=0)
    )
    first = np.tanh(model.encode(X) @ model.coefs_[0] + model.intercepts_[0])
    assert_allclose(model.hidden_activations(X, 0), first, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layer", [1, -2, 0.5])
def test_hidden_activations_of_no_layer(layer):
    X, y = data()
    model = network(alpha=1e-2).fit(X, y)
    with pytest.raises(ValueError, match="layer must be the number of a hidden layer"):
        model.hidden_activations(X, layer)
    none = GaussNewtonMLPClassifier((), alpha=1e-2).fit(X, y)
    with pytest.raises(ValueError, match="there is no layer"):
        none.hidden_activations(X)


@pytest.mark.parametrize("make", [network, ensemble], ids=["network", "ensemble"])
@pytest.mark.parametrize("address", ["https://skgn.example/latest/", None])
def test_documentation_link(monkeypatch, make, address):
    """In the HTML of an estimator, once the metadata of the package have an address."""
    import skgn.estimators.reading as reading

    class Metadata:
        def get_all(self, name):
            assert name == "Project-URL"
            return None if address is None else [f"Documentation, {address}"]

    monkeypatch.setattr(reading, "metadata", lambda name: Metadata())
    html = make()._repr_html_()
    name = type(make()).__name__
    assert (f"https://skgn.example/latest/api/skgn.{name}.html" in html) == bool(address)
    assert "scikit-learn.org/stable/modules/generated/skgn" not in html


@needed
def test_callbacks_of_a_regressor():
    X, y = make_friedman1(300, 5, random_state=0)
    net = GaussNewtonMLPRegressor((5,), random_state=0)
    assert net.set_callbacks(TimeLimit(1e-9)).fit(X, y).stop_reason_ == "callback"
    stopping = ScoreStopping("neg_root_mean_squared_error", n_iter_no_change=3)
    net = GaussNewtonMLPRegressor((5,), early_stopping=True, random_state=0)
    net.set_callbacks(stopping).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    error = np.sqrt(np.mean((stopping.best_estimator_.predict(X[200:]) - y[200:]) ** 2))
    assert stopping.best_score_ == pytest.approx(-error)
