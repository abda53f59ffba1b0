"""The classifier: known optima, targets, predictions, fitted attributes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skgn import GaussNewtonMLPClassifier
from skgn.model.network import Network
from tests import oracles
from tests.problems import (
    DATA,
    binary,
    breast_cancer,
    digits,
    iris,
    multiclass,
    multilabel,
    wide,
    wine,
)

HISTORY = {
    "objective",
    "cost",
    "gradient_norm",
    "damping",
    "alpha",
    "gain_ratio",
    "step_length",
    "seconds",
    "validation_loss",
    "validation_score",
}


def small(*args, **parameters):
    """Return a quick classifier with a smooth objective."""
    options = {"random_state": 0, "max_iter": 1000, "encoding": None, **parameters}
    if not args:
        options.setdefault("hidden_layer_sizes", (6,))
    if len(args) < 2:
        options.setdefault("activation", "tanh")
    return GaussNewtonMLPClassifier(*args, **options)


# Known optima


@pytest.mark.parametrize("C", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("data", [binary, multiclass, iris])
def test_no_hidden_layer_is_logistic_regression(data, weighted, C):
    """The optimum of the same penalised likelihood, alpha = 1 / (C Σ w)."""
    X, y = data()
    X = StandardScaler().fit_transform(X)
    m = len(y)
    weights = np.random.default_rng(0).uniform(0.1, 3, m) if weighted else np.ones(m)
    expected = LogisticRegression(C=C, tol=1e-12, max_iter=10_000, solver="newton-cg")
    expected.fit(X, y, weights)
    model = small((), alpha=1 / (C * weights.sum()), tol=1e-14, standardize=False)
    model.fit(X, y, weights)
    assert model.stop_reason_ == "converged"
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-6)


def test_standardisation_is_where_the_penalty_acts():
    """The fit on raw columns is LogisticRegression on standardised ones."""
    X, y = wine()
    expected = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000, solver="newton-cg")
    Z = StandardScaler().fit_transform(X)
    expected.fit(Z, y)
    model = small((), alpha=1 / len(y), tol=1e-14).fit(X, y)
    assert_allclose(model.predict_proba(X), expected.predict_proba(Z), atol=1e-6)


@pytest.mark.parametrize("sizes", [(), (20,), (10, 5)])
@pytest.mark.parametrize("data", [wine, breast_cancer])
def test_raw_columns_give_the_fit_of_standardised_ones(data, sizes):
    """float64: raw columns and StandardScaler's output, equal in probabilities."""
    X, y = data()
    Z = StandardScaler().fit_transform(X)
    raw, scaled = small(sizes).fit(X, y), small(sizes).fit(Z, y)
    assert raw.n_iter_ == scaled.n_iter_
    assert_allclose(raw.predict_proba(X), scaled.predict_proba(Z), atol=1e-6)


@pytest.mark.parametrize("sizes", [(100,), (50, 50, 50)])
def test_digits_are_learned_by_heart(sizes):
    """Training cost below 1e-10 within 40 iterations, without penalty in float64."""
    X, y = digits()
    X, _, y, _ = train_test_split(X, y, train_size=0.7, stratify=y, random_state=0)
    model = small(sizes, alpha=0.0, max_iter=40, tol=0.0, cost_threshold=1e-10).fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert model.n_iter_ <= 40
    assert model.history_["cost"][-1] < 1e-10
    log_p = model.predict_log_proba(X)[np.arange(len(y)), y]
    # log-probabilities near -1e-10 are exact to the rounding of the outputs
    assert -log_p.mean() < 1e-10 + 1e-13


def test_constant_columns_and_no_penalty_give_class_frequencies():
    """Without any information the prediction is the frequency of each class."""
    y = np.repeat([0, 1, 2], [10, 20, 30])
    model = small(tol=1e-12).fit(np.ones((60, 2)), y)
    assert_allclose(model.predict_proba(np.ones((1, 2))), [[1 / 6, 2 / 6, 3 / 6]])


# What is minimised


@pytest.mark.parametrize("data", DATA)
def test_objective_of_the_fitted_weights(data):
    """loss_ is the oracle's objective of the weights, on standardised columns."""
    X, y = DATA[data]()
    weights = np.random.default_rng(0).uniform(0.2, 2, len(y))
    model = small((5, 4), ["tanh", "silu"], alpha=1e-3).fit(X, y, weights)
    kind, targets = "multinomial", y
    if data == "multilabel" or data == "binary":
        kind, targets = "bernoulli", y.reshape(len(y), -1)
    Z = (X - model.mean_) / model.scale_
    layers = [
        np.vstack([b, W]) for b, W in zip(model.intercepts_, model.coefs_, strict=True)
    ]
    layers[0][0] += model.mean_ @ model.coefs_[0]
    layers[0][1:] *= model.scale_[:, None]
    names = ["tanh", "silu"]
    cost = oracles.cost(kind, layers, names, Z, targets, weights)
    expected = oracles.objective(kind, layers, names, Z, targets, weights, 1e-3)
    assert model.loss_ == pytest.approx(expected, rel=1e-9)
    assert model.history_["cost"][-1] == pytest.approx(cost, rel=1e-9)
    outputs = oracles.outputs(layers, names, Z)
    actual = model.decision_function(X).reshape(len(y), -1)
    assert_allclose(actual, outputs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("standardize", [False, True])
def test_coefficients_are_for_raw_columns(data, standardize):
    """coefs_ and intercepts_ of the first layer, applied to raw X, give the outputs."""
    X, y = DATA[data]()
    model = small((4,), "tanh", standardize=standardize).fit(X, y)
    layers = [
        np.vstack([b, W]) for b, W in zip(model.intercepts_, model.coefs_, strict=True)
    ]
    actual = model.decision_function(X).reshape(len(y), -1)
    assert_allclose(actual, oracles.outputs(layers, ["tanh"], X), rtol=1e-8, atol=1e-8)
    assert np.array_equal(model.scale_, np.ones(X.shape[1])) == (not standardize)


def test_penalty_is_of_the_mean_cost():
    """With the same alpha, all rows twice make the same fit."""
    X, y = multiclass()
    one = small(alpha=0.1, tol=1e-10).fit(X, y)
    two = small(alpha=0.1, tol=1e-10).fit(np.tile(X, (2, 1)), np.tile(y, 2))
    assert_allclose(one.predict_proba(X), two.predict_proba(X), atol=1e-6)


def test_more_penalty_gives_smaller_weights():
    """The norm of the weights falls with alpha."""
    X, y = multiclass()
    norms = []
    for alpha in (1e-4, 1e-2, 0.1):
        model = small(alpha=alpha).fit(X, y)
        layers = [model.coefs_[0] * model.scale_[:, None], *model.coefs_[1:]]
        norms.append(sum(np.sum(W**2) for W in layers))
    assert norms[0] > norms[1] > norms[2]


# Learning


@pytest.mark.parametrize("activation", oracles.ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(), (12,), (8, 8), (6, 6, 6)])
def test_learns_at_any_depth_with_any_activation(sizes, activation):
    """Iris is learned by any penalty; under one, the objective never rises."""
    X, y = iris()
    for alpha in ("auto", 1e-4):
        model = GaussNewtonMLPClassifier(
            sizes, activation, alpha=alpha, random_state=0, max_iter=300
        ).fit(X, y)
        assert model.score(X, y) > 0.95
    assert np.all(np.diff(model.loss_curve_) <= 0)
    assert model.activations_ == (activation,) * len(sizes)


@pytest.mark.parametrize("damping", [None, 1e-6, 1e-2, 1.0, 1e2, 1e4, 1e6, 1e12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_initial_damping_reaches_a_good_fit(damping, dtype):
    """The damping adapts: its start decides over the way, not over the end."""
    X, y = iris()
    model = small((12,), damping=damping).fit(X.astype(dtype), y)
    assert model.stop_reason_ == "converged"
    assert model.loss_ < 0.1


def test_one_activation_per_layer():
    """A list of names, and one integer for one layer."""
    X, y = iris()
    model = small((5, 4), ["relu", "tanh"]).fit(X, y)
    assert model.activations_ == ("relu", "tanh")
    one, two = small(7).fit(X, y), small((7,)).fit(X, y)
    three = small(np.array([7])).fit(X, y)
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert_array_equal(one.predict_proba(X), three.predict_proba(X))


# Targets and predictions


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["no", "yes"], str),
        ([False, True], bool),
        ([-1, 1], int),
        ([2.0, 5.0], float),
        (["b", "c", "a"], str),
        ([30, 10, 20], int),
    ],
)
def test_labels_of_any_kind(labels, kind):
    """Labels come back as they were given, in sorted order in classes_."""
    X, y = iris()
    keep = y < len(labels)
    X, y = X[keep], np.array(labels)[y[keep]]
    model = small().fit(X, y)
    assert_array_equal(model.classes_, np.unique(y))
    assert model.classes_.dtype == y.dtype
    assert np.mean(model.predict(X) == y) > 0.9
    proba = model.predict_proba(X)
    assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    if kind is str:
        as_objects = small().fit(X, y.astype(object))
        assert_array_equal(as_objects.predict_proba(X), proba)


@pytest.mark.parametrize("data", DATA)
def test_predictions_agree_with_each_other(data):
    """predict, predict_proba, predict_log_proba and decision_function."""
    X, y = DATA[data]()
    model = small().fit(X, y)
    scores, proba = model.decision_function(X), model.predict_proba(X)
    assert proba.dtype == np.float64
    assert_allclose(np.exp(model.predict_log_proba(X)), proba, rtol=1e-12)
    if data == "multilabel":
        assert scores.shape == proba.shape == y.shape
        assert_allclose(proba, oracles.sigmoid(scores), rtol=1e-12)
        assert_array_equal(model.predict(X), proba > 0.5)
        return
    assert proba.shape == (len(X), len(model.classes_))
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    if data == "binary":
        assert scores.shape == (len(X),)
        assert_allclose(scores, np.log(proba[:, 1] / proba[:, 0]), rtol=1e-6, atol=1e-9)
    else:
        assert_allclose(log_softmax(scores, axis=1), model.predict_log_proba(X))


def test_binary_probabilities_keep_their_digits():
    """Both columns are sigmoids: neither is 1 minus the other."""
    X = np.array([[-1.0], [1.0]])
    model = small(()).fit(X, [0, 1])
    X = X * 300 / model.decision_function([[1.0]])
    proba, z = model.predict_proba(X), model.decision_function(X)
    assert z[1] == pytest.approx(300, rel=1e-6)
    assert_allclose(proba[1, 0], np.exp(-z[1]), rtol=1e-12)
    assert_allclose(proba[0, 1], np.exp(z[0]), rtol=1e-12)
    log_p = model.predict_log_proba(1e6 * X)
    assert np.isfinite(log_p).all()
    assert_allclose(log_p[0, 1], model.decision_function(1e6 * X)[0], rtol=1e-12)


def test_multilabel_matrix_forms():
    """Dense, sparse and list indicators of labels make the same fit."""
    X, Y = multilabel()
    expected = small().fit(X, Y).predict_proba(X)
    for targets in (sparse.csr_array(Y), Y.astype(bool), Y.astype(float), Y.tolist()):
        assert_array_equal(small().fit(X, targets).predict_proba(X), expected)


def test_a_constant_label():
    """A label that all rows or no row has is predicted so."""
    X, Y = multilabel()
    Y = Y.copy()
    Y[:, 0], Y[:, 1] = 0, 1
    model = small().fit(X, Y)
    assert_array_equal(model.predict(X)[:, :2], Y[:, :2])


def test_column_vector_of_labels_warns():
    """y of shape (m, 1) is taken, with scikit-learn's warning."""
    X, y = binary()
    with pytest.warns(match="column-vector"):
        model = small().fit(X, y[:, None])
    assert_array_equal(model.predict_proba(X), small().fit(X, y).predict_proba(X))


@pytest.mark.parametrize("data", ["binary", "multiclass"])
def test_class_weight_is_row_weight(data):
    """`balanced` and a dict equal the row weights that they stand for."""
    X, y = DATA[data]()
    keep = (y != 0) | (np.arange(len(y)) % 4 == 0)
    X, y = X[keep], y[keep]
    given = np.random.default_rng(0).uniform(0.5, 2, len(y))
    totals = np.bincount(y, given)
    balanced = given.sum() / (len(totals) * totals)
    by_hand = small().fit(X, y, given * balanced[y])
    model = small(class_weight="balanced").fit(X, y, given)
    assert_allclose(model.predict_proba(X), by_hand.predict_proba(X), rtol=1e-6)
    weights = {label: 1.0 + 2 * label for label in np.unique(y)}
    # as a number: one that is found depends on the sum of the weights
    by_hand = small(alpha=1e-4).fit(X, y, 1.0 + 2 * y)
    model = small(class_weight=weights, alpha=1e-4).fit(X, y)
    assert_allclose(model.predict_proba(X), by_hand.predict_proba(X), rtol=1e-6)
    plain = small().fit(X, y, given).predict_proba(X)
    assert np.abs(model.predict_proba(X) - plain).max() > 1e-3


def test_class_weights_by_string_labels():
    """A dict goes by the labels themselves."""
    X, y = binary()
    names = np.array(["no", "yes"])[y]
    one = small(class_weight={"no": 1.0, "yes": 3.0}).fit(X, names)
    two = small(class_weight={0: 1.0, 1: 3.0}).fit(X, y)
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))


# Fitted attributes


@pytest.mark.parametrize("data", DATA)
def test_fitted_attributes(data):
    """Names, shapes and meanings, those of MLPClassifier where they are the same."""
    X, y = DATA[data]()
    X, y = X[:140], y[:140]  # too few to hold some out
    model = small((5, 4)).fit(X, y)
    K = {"binary": 1, "multiclass": 4, "multilabel": 3, "wide": 3}[data]
    n = X.shape[1]
    assert [W.shape for W in model.coefs_] == [(n, 5), (5, 4), (4, K)]
    assert [b.shape for b in model.intercepts_] == [(5,), (4,), (K,)]
    assert model.n_layers_ == 4
    assert model.n_outputs_ == K
    assert model.n_features_in_ == n
    softmax = data in ("multiclass", "wide")
    assert model.out_activation_ == ("softmax" if softmax else "logistic")
    assert model.stop_reason_ == "converged"
    assert set(model.history_) == HISTORY
    assert {len(column) for column in model.history_.values()} == {model.n_iter_ + 1}
    assert len(model.loss_curve_) == model.n_iter_ + 1
    assert_array_equal(model.loss_curve_, model.history_["objective"])
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.alpha_ == model.history_["alpha"][-1] > 0
    assert 0 < model.n_effective_parameters_ < sum(W.size for W in model.coefs_)
    assert model.alpha_path_ is None
    assert model.validation_scores_ is None
    assert model.damping_ > 0
    assert model.best_validation_score_ is None
    assert model.best_iter_ == np.flatnonzero(model.history_["step_length"])[-1]
    assert np.isnan(model.history_["validation_loss"]).all()
    assert np.isnan(model.history_["validation_score"]).all()


def test_history_as_a_table():
    """pandas takes the history as it is."""
    pandas = pytest.importorskip("pandas")
    model = small().fit(*iris())
    frame = pandas.DataFrame(model.history_)
    assert frame.shape == (model.n_iter_ + 1, len(HISTORY))


def test_first_gradient_norm_and_damping():
    """The history starts at the given damping."""
    model = small(damping=0.125).fit(*iris())
    assert model.history_["damping"][0] == 0.125
    assert model.history_["step_length"][0] == 0
    assert model.history_["gradient_norm"][-1] < model.history_["gradient_norm"][0]


def test_max_iter_warns_and_counts_turns():
    """Reaching max_iter warns, with the advice in words; every turn counts."""
    X, y = multiclass()
    with pytest.warns(match="max_iter=3"):
        model = small(max_iter=3, alpha=1e-3).fit(X, y)
    assert model.n_iter_ == 3
    assert model.stop_reason_ == "max_iter"


def test_warning_points_at_the_call_of_fit():
    """The warning is located in the caller's file."""
    X, y = multiclass()
    with pytest.warns(match="max_iter=3") as record:
        small(max_iter=3, alpha=1e-3).fit(X, y)
    assert record[0].filename == __file__


def test_cost_threshold():
    """The fit ends at the first turn whose unpenalised cost reaches the threshold."""
    X, y = digits()
    X, y = X[:300], y[:300]
    model = small(cost_threshold=0.05, alpha=1e-4).fit(X, y)
    cost = model.history_["cost"]
    assert model.stop_reason_ == "cost_threshold"
    assert cost[-1] <= 0.05 < cost[-2]
    assert log_loss(y, model.predict_proba(X)) == pytest.approx(cost[-1], rel=1e-6)


def test_looser_tolerance_stops_earlier():
    """tol decides when a fit has converged."""
    X, y = multiclass()
    turns = [small(tol=tol).fit(X, y).n_iter_ for tol in (0.3, 1e-2, 1e-5)]
    assert turns[0] < turns[1] < turns[2]


def test_verbose_prints_a_line_per_turn(capsys):
    """One aligned line per iteration under headings; silence by default."""
    X, y = iris()
    small().fit(X, y)
    assert capsys.readouterr().out == ""
    model = small(verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ + 2
    assert len({len(line) for line in lines}) == 1
    assert f"{model.loss_:.5e}" in lines[-1]


# Precision


@pytest.mark.parametrize("data", DATA)
def test_float32_is_fitted_in_float32(data):
    """Weights keep the type of X; probabilities are float64 and close to float64's."""
    X, y = DATA[data]()
    single = small(alpha=1e-2, tol=1e-5).fit(X.astype(np.float32), y)
    double = small(alpha=1e-2, tol=1e-5).fit(X, y)
    assert {W.dtype.name for W in (*single.coefs_, *single.intercepts_)} == {"float32"}
    assert {W.dtype.name for W in (*double.coefs_, *double.intercepts_)} == {"float64"}
    proba = single.predict_proba(X.astype(np.float32))
    assert proba.dtype == np.float64
    assert single.score(X, y) == pytest.approx(double.score(X, y), abs=0.05)


@pytest.mark.parametrize("kind", ["int8", "int64", "bool", "float16"])
def test_other_numbers_are_fitted_in_float64(kind):
    """Integers and booleans become float64."""
    X, y = iris()
    X = (X > X.mean(axis=0)) if kind == "bool" else X.astype(kind)
    model = small().fit(X, y)
    assert model.coefs_[0].dtype == np.float64
    expected = small().fit(X.astype(np.float64), y)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


# Determinism


def test_random_state_decides():
    """One seed, one fit, bit for bit; another seed, another."""
    X, y = wide()
    one, two, other = (small(random_state=seed).fit(X, y) for seed in (0, 0, 1))
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    for W, other_W in zip(one.coefs_, two.coefs_, strict=True):
        assert_array_equal(W, other_W)
    assert np.abs(one.coefs_[0] - other.coefs_[0]).max() > 1e-3
    shared = np.random.RandomState(0)
    first = small(random_state=shared).fit(X, y)
    second = small(random_state=shared).fit(X, y)
    assert_array_equal(first.coefs_[0], one.coefs_[0])
    assert np.abs(first.coefs_[0] - second.coefs_[0]).max() > 1e-3


def test_fit_does_not_touch_the_global_generator():
    """The state of numpy's own generator stays when a seed is given."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    small().fit(*iris())
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_fit_does_not_write_to_its_input():
    """X, y and weights stay as they are."""
    X, y = wide()
    weights = np.linspace(0, 1, len(y))
    copies = X.copy(), y.copy(), weights.copy()
    small(class_weight="balanced").fit(X, y, weights).predict_proba(X)
    for array, copy in zip((X, y, weights), copies, strict=True):
        assert_array_equal(array, copy)


# Warm start


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_warm_start_goes_on_where_the_fit_ended(data, dtype):
    """The objective at the start is that at the end of the previous fit."""
    X, y = DATA[data]()
    X = X.astype(dtype)
    model = small(warm_start=True, tol=0.1).fit(X, y)
    end, first_curve = model.loss_, model.loss_curve_
    model.set_params(tol=1e-4).fit(X, y)
    rel = 1e-5 if dtype == "float32" else 1e-9
    assert model.loss_curve_[0] == pytest.approx(end, rel=rel)
    assert model.loss_ < end < first_curve[0]


def test_warm_start_on_other_rows_keeps_the_function():
    """On other rows, with other statistics, the fit starts from the same outputs."""
    X, y = multiclass()
    model = small(warm_start=True, alpha=0.0, tol=0.1).fit(X[:80], y[:80])
    expected = log_loss(y[60:], model.predict_proba(X[60:]), labels=model.classes_)
    model.fit(X[60:], y[60:])
    assert model.history_["cost"][0] == pytest.approx(expected, rel=1e-9)


def test_cold_start_forgets():
    """Without warm_start a second fit equals the first."""
    X, y = multiclass()
    model = small().fit(X, y)
    expected = model.predict_proba(X)
    assert_array_equal(model.fit(X, y).predict_proba(X), expected)


def test_warm_start_refuses_another_problem():
    """Other classes, columns, sizes or activations are named in the error."""
    X, y = multiclass()
    model = small(warm_start=True).fit(X, y)
    expected = model.predict_proba(X)
    with pytest.raises(ValueError, match=r"warm_start.*same classes"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match=r"warm_start.*same classes"):
        model.fit(X, y % 2)
    with pytest.raises(ValueError, match=r"warm_start.*features"):
        model.fit(X[:, :4], y)
    with pytest.raises(ValueError, match=r"warm_start.*hidden_layer_sizes"):
        model.set_params(hidden_layer_sizes=(6, 3)).fit(X, y)
    with pytest.raises(ValueError, match=r"warm_start.*activation"):
        model.set_params(hidden_layer_sizes=(6,), activation="silu").fit(X, y)
    model.set_params(activation="tanh")
    assert_array_equal(model.predict_proba(X), expected)


# Many rows


def test_rows_are_predicted_in_chunks(monkeypatch):
    """Predicting in chunks equals predicting row by row, and holds a chunk at a time."""
    X, y = multiclass()
    model = small((6, 5)).fit(X, y)
    many = np.tile(X, (200, 1))  # 30,000 rows
    sizes = []
    original = Network.new_trace

    def spy(network, m, dtype):
        sizes.append(m)
        return original(network, m, dtype)

    monkeypatch.setattr(Network, "new_trace", spy)
    proba = model.predict_proba(many)
    assert sum(sizes) == len(many) and max(sizes) < len(many)
    monkeypatch.undo()
    assert_allclose(proba, np.tile(model.predict_proba(X), (200, 1)), rtol=1e-10)
    single = [model.predict_proba(x[None])[0] for x in X[:20]]
    assert_allclose(proba[:20], single, rtol=1e-10)
    assert_array_equal(model.predict(many), np.tile(model.predict(X), 200))
