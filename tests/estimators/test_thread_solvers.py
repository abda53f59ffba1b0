"""The solvers of the thread: as posted, and with safeguards."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skgn import GaussNewtonMLPClassifier
from skgn.data.first_layer import FirstLayer
from skgn.data.inputs import DenseInputs
from skgn.linalg import least_squares
from skgn.linalg.kronecker import Factor
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
)

SOLVERS = {
    "sequential": {"solver": "sequential"},
    "gauss_seidel": {"solver": "sequential", "order": "gauss_seidel"},
    "joint": {"solver": "joint"},
}
SAFEGUARDS = ["sign", "line_search", None]
LITERAL = {"safeguard": None, "alpha": 0.0, "standardize": False, "tol": 0.0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=SOLVERS)
def solver(request):
    return SOLVERS[request.param]


@pytest.fixture(params=SAFEGUARDS, ids=str)
def safeguard(request):
    return request.param


def small(*args, **parameters):
    """Return a quick classifier."""
    options = {"random_state": 0, "max_iter": 40, "alpha": 1e-4, **parameters}
    if not args:
        options.setdefault("hidden_layer_sizes", (6, 5))
    if len(args) < 2:
        options.setdefault("activation", "tanh")
    return GaussNewtonMLPClassifier(*args, **options)


def never_rises(model):
    """Return whether the objective only fell or stayed."""
    return bool(np.all(np.diff(model.loss_curve_) <= 0))


def assert_sound(model, X):
    """Check that a fitted model holds and predicts finite numbers."""
    for array in (*model.coefs_, *model.intercepts_, model.loss_curve_):
        assert np.isfinite(array).all()
    assert np.isfinite(model.predict_log_proba(X)).all()
    assert np.isfinite(model.decision_function(X)).all()
    if not model.early_stopping:
        assert model.loss_ == min(model.loss_curve_)
    if model.safeguard is not None:
        assert never_rises(model)


# As posted


def clipped(A):
    """Return A kept away from 0 and 1, as in the thread."""
    return np.minimum(np.maximum(2.0**-20, A), 1 - 2.0**-20)


def thread_costs(bW, X, Y, step, turns, order="jacobi", joint=False):
    """Return the cost before each step and after the last, as the thread computes it.

    Sigmoid outputs on tanh units; `bW` are the initial weights, intercepts on top.
    """
    m = len(X)
    bW, costs = [V.copy() for V in bW], []
    for turn in range(turns + 1):
        A = [X]
        for l, V in enumerate(bW):
            Z = np.hstack([np.ones((m, 1)), A[-1]]) @ V
            A.append(np.tanh(Z) if l < len(bW) - 1 else expit(Z))
        losses = np.logaddexp(0, np.where(Y == 1, -Z, Z))
        costs.append(losses.sum() / m)
        if turn == turns:
            return np.array(costs)
        limited = clipped(A[-1])
        delta_Z = (A[-1] - Y) / (limited * (1 - limited))
        for l in range(len(bW) - 1, -1, -1):
            tilde = np.hstack([np.ones((m, 1)), A[l]])
            W = bW[l][1:]
            if joint:
                both = np.linalg.pinv(np.hstack([tilde, np.eye(m)])) @ delta_Z
                change, passed = both[: len(bW[l])], both[len(bW[l]) :]
            else:
                change, passed = np.linalg.pinv(tilde) @ delta_Z, delta_Z
            bW[l] = bW[l] - step * change
            if order == "gauss_seidel":
                W = bW[l][1:]
            if l:
                derivative = np.maximum(1 - A[l] ** 2, 2.0**-20)
                delta_Z = passed @ np.linalg.pinv(W) / derivative


def initial_weights(X, y, sizes):
    """Return the weights that a fit starts from, intercepts on top."""
    model = small(sizes, cost_threshold=1e9, **LITERAL, solver="joint").fit(X, y)
    assert model.n_iter_ == 0
    pairs = zip(model.intercepts_, model.coefs_, strict=True)
    return [np.vstack([b, W]) for b, W in pairs]


LITERAL_DATA = {
    "binary": binary,
    "multilabel": lambda: (multilabel()[0] / 10, multilabel()[1]),
    "wide": lambda: wide(n_classes=2),
}


@pytest.mark.parametrize("step", [0.5, 1.0])
@pytest.mark.parametrize("sizes", [(), (4,), (20, 7, 5)])
@pytest.mark.parametrize("data", LITERAL_DATA)
def test_the_thread_step_by_step(solver, data, sizes, step):
    """The costs of the first turns are those of a literal version of the thread."""
    X, y = LITERAL_DATA[data]()
    turns = {0.5: 8, 1.0: 4}[step] if len(sizes) < 2 else 3
    bW = initial_weights(X, y, sizes)
    Y = y.reshape(len(y), -1)
    joint = solver["solver"] == "joint"
    order = solver.get("order", "jacobi")
    expected = thread_costs(bW, X, Y, step, turns, order, joint)
    model = small(sizes, max_iter=turns, step_size=step, **LITERAL, **solver).fit(X, y)
    assert model.n_iter_ == turns
    # layer 1 is solved by the eigenvectors of a Gram matrix: some digits fewer
    assert_allclose(model.history_["cost"], expected, rtol=1e-5)
    assert np.abs(np.diff(expected)).max() > 0.01


def test_the_thread_converges_on_two_layers(solver):
    """Half steps on one hidden layer: down in every turn, as in the literal version."""
    X, y = wide(n_classes=2)
    X = X / 4
    bW = initial_weights(X, y, (8,))
    order, joint = solver.get("order", "jacobi"), solver["solver"] == "joint"
    expected = thread_costs(bW, X, y[:, None], 0.5, 15, order, joint)
    assert np.all(np.diff(expected) < 0) and expected[-1] < 1e-3 * expected[0]
    model = small((8,), max_iter=15, step_size=0.5, **LITERAL, **solver).fit(X, y)
    assert model.stop_reason_ == "max_iter"
    assert_allclose(model.history_["cost"], expected, rtol=1e-6)
    scores = model.decision_function(X)
    cost = np.mean(np.logaddexp(0, np.where(y == 1, -scores, scores)))
    assert cost == pytest.approx(expected[-1], rel=1e-6)


@pytest.mark.parametrize("data", ["binary", "multiclass", "multilabel"])
def test_unguarded_deep_nets_diverge(solver, data):
    """They say so, name the safeguard, and keep finite weights of the best turn."""
    X, y = DATA[data]()
    model = small((20, 7, 5), safeguard=None, alpha=0.0, tol=0.0, **solver)
    with pytest.warns(ConvergenceWarning) as record:
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert "safeguard='sign'" in str(record[0].message)
    assert repr(solver["solver"]) in str(record[0].message)
    assert not never_rises(model)
    assert max(model.loss_curve_) > 2 * model.loss_curve_[0]
    assert_sound(model, X)


# With safeguards


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
def test_digits_are_learned_by_deep_nets(solver, activation):
    """Three hidden layers: a cost below 1e-3 within 60 iterations, never rising."""
    X, y = digits()
    model = small(
        (50, 50, 50),
        activation,
        **solver,
        alpha=0.0,
        tol=0.0,
        cost_threshold=1e-3,
        max_iter=60,
    ).fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert model.history_["cost"][-1] < 1e-3
    assert never_rises(model)


@pytest.mark.parametrize("step_size", [0.5, 1.0])
def test_line_search_trains_one_hidden_layer(solver, step_size):
    """The objective never rises, and falls to less than half."""
    X, y = breast_cancer()
    options = {"safeguard": "line_search", "step_size": step_size, "alpha": 0.0}
    model = small((7,), **options, **solver, max_iter=60, tol=0.0).fit(X, y)
    assert never_rises(model)
    assert model.loss_ < 0.5 * model.loss_curve_[0]
    assert model.score(X, y) > 0.9


def test_line_search_that_gives_up_warns():
    """On deep nets no fraction may lower the objective: the reason, and what to do."""
    X, y = multiclass()
    options = {"safeguard": "line_search", "solver": "sequential", "max_iter": 1000}
    model = small((20, 7, 5), **options)
    with pytest.warns(ConvergenceWarning, match="no fraction of the step") as record:
        model.fit(X, y)
    assert model.stop_reason_ == "line_search"
    assert "safeguard='sign'" in str(record[0].message)
    assert_sound(model, X)


# Parameters


def test_orders_give_different_fits(safeguard):
    """Jacobi and Gauss-Seidel differ from each other and from the joint equation."""
    X, y = multiclass()
    options = {"safeguard": safeguard, "max_iter": 3, "tol": 0.0}
    curves = [small(**options, **own).fit(X, y).loss_curve_ for own in SOLVERS.values()]
    if safeguard == "line_search":  # whose first trials may all be rejected
        options["max_iter"] = 60
        curves = [
            small((4,), **options, **own).fit(X, y).loss_curve_
            for own in SOLVERS.values()
        ]
    for i in range(3):
        for j in range(i):
            n = min(len(curves[i]), len(curves[j]))
            one, two = np.array(curves[i][:n]), np.array(curves[j][:n])
            assert one[0] == two[0]
            assert np.abs(one - two).max() > 1e-6


def test_orders_agree_without_hidden_layers(safeguard):
    """With one layer nothing is passed down."""
    X, y = multiclass()
    options = {"safeguard": safeguard, "max_iter": 8, "tol": 0.0}
    one, two = (
        small((), **options, solver="sequential", order=order).fit(X, y)
        for order in ("jacobi", "gauss_seidel")
    )
    assert_array_equal(one.coefs_[0], two.coefs_[0])


def test_step_size_matters(solver, safeguard):
    """It is the fraction tried first."""
    X, y = breast_cancer()
    curves = []
    for step_size in (0.3, 1.0):
        options = {"safeguard": safeguard, "step_size": step_size, "alpha": 0.0}
        model = small((7,), **options, **solver, tol=0.0, max_iter=30).fit(X, y)
        curves.append(model.loss_curve_)
    assert np.abs(np.subtract(*curves)).max() > 1e-3


def test_gauss_seidel_passes_down_by_the_step_taken():
    """With a smaller step_size both orders come closer, at the first layer too."""
    X, y = binary()
    distances = []
    for step_size in (0.5, 0.05):
        options = {**LITERAL, "step_size": step_size, "max_iter": 1}
        costs = [
            small((4,), **options, solver="sequential", order=order).fit(X, y).history_
            for order in ("jacobi", "gauss_seidel")
        ]
        distances.append(abs(costs[0]["cost"][1] - costs[1]["cost"][1]))
    assert distances[0] > 5 * distances[1] > 0


def test_damping_matters_for_joint(safeguard):
    """It is the λ of the equation, whatever the safeguard."""
    X, y = breast_cancer()
    options = {"safeguard": safeguard, "solver": "joint", "max_iter": 12, "tol": 0.0}
    curves = [
        small((4,), damping=damping, **options).fit(X, y).loss_curve_
        for damping in (None, 1.0, 50.0)
    ]
    assert curves[0] == curves[1]  # None is the thread's identity matrix
    assert np.abs(np.subtract(curves[0], curves[2])).max() > 1e-4


def test_damping_of_the_signed_steps():
    """The lengths' damping starts at damping / sum of weights, and adapts."""
    X, y = binary()
    weights = np.full(len(y), 2.5)
    for solver in ("sequential", "joint"):
        model = small(solver=solver, damping=3.0).fit(X, y, weights)
        assert model.history_["damping"][0] == pytest.approx(3.0 / 300)
        assert len(np.unique(model.history_["damping"])) > 1
        default = small(solver=solver).fit(X, y)
        assert default.history_["damping"][0] == pytest.approx(1 / 120)
        plain = small(solver="joint", safeguard="line_search").fit(X, y)
        assert_allclose(plain.history_["damping"], 1 / 120)


def test_scale_of_the_weights_is_compensated_by_damping():
    """λ is for raw weights: three times the weights and three times λ change nothing."""
    X, y = multiclass()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    one = small(solver="joint", damping=1.0, max_iter=8).fit(X, y, weights)
    two = small(solver="joint", damping=3.0, max_iter=8).fit(X, y, 3 * weights)
    three = small(solver="joint", damping=1.0, max_iter=8).fit(X, y, 3 * weights)
    assert_allclose(one.loss_curve_, two.loss_curve_, rtol=1e-6)
    assert np.abs(np.subtract(one.loss_curve_, three.loss_curve_)).max() > 1e-6


# Work


@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("standardize", [False, True])
def test_first_layer_is_factored_once_per_fit(
    monkeypatch, solver, safeguard, shape, standardize
):
    """No later turn decomposes a matrix as large as the first layer."""
    X, y = binary(n=20) if shape == "tall" else wide()
    first_layers, grams, factors, later = [], [], [], []

    def watch(owner, name, note):
        original = getattr(owner, name)

        def wrapper(*args, **kwargs):
            note(*args)
            result = original(*args, **kwargs)
            if isinstance(result, FirstLayer):
                first_layers.append(len(factors))
            return result

        monkeypatch.setattr(owner, name, wrapper)

    def note_side(matrix, *args):
        if first_layers:  # what comes after it belongs to the turns
            later.append(min(np.shape(matrix)[-2:]))

    watch(FirstLayer, "of", lambda *args: None)
    watch(DenseInputs, "gram", lambda *args: grams.append(1))
    watch(Factor, "decompose", lambda *args: factors.append(1))
    for name in ("eigh", "svd", "pinv", "inv", "solve", "qr", "lstsq", "cholesky"):
        watch(np.linalg, name, note_side)
    watch(least_squares, "solve_positive", note_side)
    model = small((4, 3), safeguard=safeguard, **solver, standardize=standardize)
    model.set_params(max_iter=15, tol=0.0).fit(X, y)
    assert model.n_iter_ > 3
    assert len(first_layers) == 1
    assert len(grams) <= 1
    # of S_1; and, for columns that are not centred, of the span of the rows
    assert len(factors) == first_layers[0] <= (1 if standardize or shape == "wide" else 2)
    # layers of 1 + 4 and 1 + 3 rows; at most 4 + 3 + 3 units and one more direction
    assert later and max(later) <= 11 < min(X.shape)


# Data


@pytest.mark.parametrize("data", DATA)
def test_float32(solver, safeguard, data):
    """Weights keep the type of X, and are finite."""
    X, y = DATA[data]()
    model = small(safeguard=safeguard, **solver, max_iter=15).fit(X.astype("f"), y)
    assert {W.dtype.name for W in (*model.coefs_, *model.intercepts_)} == {"float32"}
    assert_sound(model, X.astype("f"))


@pytest.mark.parametrize("data", DATA)
def test_learns(solver, data):
    """Binary, multiclass, multilabel and wide targets, with the default safeguard."""
    X, y = DATA[data]()
    model = small((8, 6), **solver, max_iter=50).fit(X, y)
    assert_sound(model, X)
    assert np.mean(model.predict(X) == y) > 0.9
    assert model.loss_ < 0.5 * model.loss_curve_[0]


@pytest.mark.parametrize("data", DATA)
def test_sparse_equals_dense(solver, safeguard, data):
    """Sparse rows make the fit of dense ones."""
    X, y = DATA[data]()
    X = np.where(np.random.default_rng(0).uniform(size=X.shape) < 0.5, 0, X)
    options = {"safeguard": safeguard, "max_iter": 6, **solver}
    dense = small((5,), **options).fit(X, y)
    model = small((5,), **options).fit(sparse.csr_array(X), y)
    assert model.n_iter_ == dense.n_iter_
    assert_allclose(model.loss_curve_, dense.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("data", DATA)
def test_weights_are_repetition(solver, data, as_sparse):
    """A weight of 2 is a row twice, a weight of 0 no row, turn by turn."""
    X, y = DATA[data]()
    repeats = np.random.default_rng(0).integers(0, 4, size=len(y))
    index = np.repeat(np.arange(len(y)), repeats)
    rows = sparse.csr_array(X) if as_sparse else X
    options = {**solver, "max_iter": 10, "alpha": 1e-2, "tol": 0.0}
    one = small((5, 4), **options).fit(rows, y, repeats.astype(float))
    two = small((5, 4), **options).fit(rows[index], y[index])
    rtol = 1e-6 if solver["solver"] == "joint" else 1e-3
    assert_allclose(one.loss_curve_, two.loss_curve_, rtol=rtol)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_weighted_wide_rows_are_repeated_tall_ones(solver, as_sparse):
    """Weighted rows train in the row space, repeated ones in the columns: one fit."""
    X, y = wide(m=20, n=40)
    repeats = np.arange(20) % 3 + 2
    index = np.repeat(np.arange(20), repeats)
    assert len(index) > 40
    rows = sparse.csr_array(X) if as_sparse else X
    options = {**solver, "max_iter": 8, "alpha": 1e-2, "tol": 0.0}
    one = small((5, 4), **options).fit(rows, y, repeats.astype(float))
    two = small((5, 4), **options).fit(rows[index], y[index])
    rtol = 1e-6 if solver["solver"] == "joint" else 1e-3
    assert_allclose(one.loss_curve_, two.loss_curve_, rtol=rtol)


def test_truncated_factor_still_fits(monkeypatch, solver, safeguard):
    """Past the limit of complete decompositions the fit is sound."""
    monkeypatch.setattr("skgn.data.first_layer.LARGEST_SIDE", 20)
    monkeypatch.setattr("skgn.data.first_layer.TRUNCATED_RANK", 8)
    X, y = wide(m=40, n=90)
    for data in (X, sparse.csr_array(X), X.astype(np.float32)):
        model = small(safeguard=safeguard, **solver, max_iter=15).fit(data, y)
        assert_sound(model, data)
        if safeguard == "sign":
            assert model.score(data, y) == 1


@pytest.mark.parametrize("activation", oracles.ACTIVATIONS)
def test_any_activation_stays_finite(solver, safeguard, activation):
    """Also those whose derivative is zero somewhere, on two hidden layers."""
    X, y = iris()
    options = {"safeguard": safeguard, "max_iter": 15, **solver}
    model = small((6, 5), activation, **options).fit(X, y)
    assert_sound(model, X)
    if safeguard == "sign":
        assert model.loss_ < 0.7 * model.loss_curve_[0]


@pytest.mark.parametrize("degenerate", ["duplicate", "constant", "equal rows"])
def test_degenerate_columns(solver, safeguard, degenerate):
    """Columns given twice, constant columns, rows that say nothing."""
    X, y = iris()
    X = {
        "duplicate": np.hstack([X, X]),
        "constant": np.hstack([X, np.ones((150, 2))]),
        "equal rows": np.ones((150, 3)),
    }[degenerate]
    model = small(safeguard=safeguard, **solver, max_iter=15).fit(X, y)
    assert_sound(model, X)


def test_one_class(solver, safeguard):
    """Nothing to fit: no warning, that class for every row."""
    X, _ = iris()
    model = small(safeguard=safeguard, **solver).fit(X, np.full(150, 7))
    assert model.stop_reason_ == "single_class"
    assert_array_equal(model.predict(X), 7)


# Tools


def test_deterministic(solver, safeguard):
    """One seed, one fit, bit for bit; another seed, another."""
    X, y = multiclass()
    one, two, other = (
        small(safeguard=safeguard, **solver, random_state=seed, max_iter=5).fit(X, y)
        for seed in (0, 0, 1)
    )
    for W, V in zip(one.coefs_, two.coefs_, strict=True):
        assert_array_equal(W, V)
    assert one.loss_curve_ == two.loss_curve_
    assert one.loss_curve_[0] != other.loss_curve_[0]


def test_early_stopping(solver, safeguard):
    """The weights of the lowest validation loss are kept."""
    X, y = multiclass(m=300)
    options = {"early_stopping": True, "alpha": 0.0, "tol": 0.0, **solver}
    model = small((8,), safeguard=safeguard, **options).fit(X, y)
    scores = np.array(model.history_["validation_loss"])
    assert_sound(model, X)
    best = scores.argmin()
    assert model.loss_ == pytest.approx(model.loss_curve_[best], rel=1e-12)
    if safeguard == "sign":
        assert model.stop_reason_ == "validation"
        assert best > 0


def test_cost_threshold(solver):
    """The fit ends at the first turn whose cost reaches it."""
    X, y = iris()
    model = small(**solver, cost_threshold=0.1).fit(X, y)
    cost = model.history_["cost"]
    assert model.stop_reason_ == "cost_threshold"
    assert cost[-1] <= 0.1 < cost[-2]


def test_warm_start(solver, safeguard):
    """A fit goes on where the last one ended, solvers mixed as one likes."""
    X, y = multiclass()
    model = small(safeguard=safeguard, **solver, warm_start=True, max_iter=5).fit(X, y)
    end = model.loss_
    model.set_params(solver="kronecker", order="jacobi", safeguard="sign").fit(X, y)
    assert model.loss_curve_[0] == pytest.approx(end, rel=1e-9)
    end = model.loss_
    model.set_params(**{"safeguard": safeguard, **solver}).fit(X, y)
    assert model.loss_curve_[0] == pytest.approx(end, rel=1e-9)


def test_verbose(solver, safeguard, capsys):
    """One aligned line per turn under headings."""
    model = small(safeguard=safeguard, **solver, verbose=True, max_iter=5).fit(*iris())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ + 2
    assert len({len(line) for line in lines}) == 1


def test_pickle_and_clone(solver, safeguard):
    """Every prediction comes back bit for bit; a clone makes the same fit."""
    X, y = multiclass()
    model = small(safeguard=safeguard, **solver, max_iter=5).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    copy = clone(model)
    assert copy.get_params() == model.get_params() and not hasattr(copy, "coefs_")
    assert_array_equal(copy.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_grid_search_over_solvers():
    """A list of grids: each solver with the parameters it takes."""
    X, y = iris()
    grid = [
        {"solver": ["kronecker"]},
        {"solver": ["sequential"], "order": ["jacobi", "gauss_seidel"]},
        {"solver": ["joint"], "safeguard": [*SAFEGUARDS], "step_size": [0.5, 1.0]},
    ]
    search = GridSearchCV(
        small((5,), alpha=1e-2), grid, scoring="neg_log_loss", cv=3, error_score="raise"
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 9
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > -0.2


def test_saturated_units_are_not_taken_for_convergence(solver):
    """Where the units' steps promise little, the gradient still counts."""
    X, y = iris()
    model = GaussNewtonMLPClassifier(
        (6, 5), ["logistic", "leaky_relu"], random_state=0, **solver
    ).fit(X[::2], y[::2])
    assert model.score(X[::2], y[::2]) > 0.95
    assert model.loss_ < 0.1


@pytest.mark.parametrize(
    "stop", [{}, {"early_stopping": True}], ids=["tol", "validation"]
)
def test_divergence_is_named_whatever_ended_the_fit(stop):
    """Small relative changes of a huge objective are no convergence."""
    X, y = breast_cancer()
    model = GaussNewtonMLPClassifier(
        (20, 7, 5) if stop else (7,),
        "tanh" if stop else "leaky_relu",
        solver="sequential",
        safeguard=None,
        step_size=0.5,
        alpha=0,
        max_iter=100,
        random_state=0,
        **stop,
    )
    with pytest.warns(ConvergenceWarning, match="diverged within"):
        model.fit(X, y)
    assert model.n_iter_ < 100
    assert model.loss_curve_[-1] > model.loss_curve_[0]
    assert model.stop_reason_ == "diverged"


def test_cost_threshold_keeps_the_weights_that_met_it():
    """Also unguarded under a penalty, where earlier weights have a lower objective."""
    X, y = breast_cancer()
    model = GaussNewtonMLPClassifier(
        (), solver="sequential", safeguard=None, step_size=0.5, alpha=0.1
    )
    model.set_params(cost_threshold=0.1, max_iter=40, random_state=1).fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert model.loss_curve_[-1] > model.loss_curve_[0]
    assert model.loss_ == model.loss_curve_[-1]
    p = model.predict_proba(X)[np.arange(len(y)), y]
    assert -np.log(p).mean() == pytest.approx(model.history_["cost"][-1], rel=1e-6)
