"""The solvers of the thread among data of all kinds and scikit-learn's tools."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skgn import GaussNewtonMLPClassifier
from tests import oracles
from tests.estimators.thread_cases import (
    SAFEGUARDS,
    assert_sound,
    small,
)
from tests.problems import (
    DATA,
    breast_cancer,
    iris,
    multiclass,
    wide,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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


def assert_repeats(X, y, repeats, as_sparse, **parameters):
    """Check that the fit on weighted rows is that on repeated ones, turn by turn."""
    index = np.repeat(np.arange(len(y)), repeats)
    rows = sparse.csr_array(X) if as_sparse else X
    options = {**parameters, "alpha": 1e-2, "tol": 0.0}
    one = small((5, 4), **options).fit(rows, y, repeats.astype(float))
    two = small((5, 4), **options).fit(rows[index], y[index])
    rtol = 1e-6 if parameters["solver"] == "joint" else 1e-3
    assert_allclose(one.loss_curve_, two.loss_curve_, rtol=rtol)


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("data", DATA)
def test_weights_are_repetition(solver, data, as_sparse):
    """A weight of 2 is a row twice, a weight of 0 no row, turn by turn."""
    X, y = DATA[data]()
    repeats = np.random.default_rng(0).integers(0, 4, size=len(y))
    assert_repeats(X, y, repeats, as_sparse, max_iter=10, **solver)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_weighted_wide_rows_are_repeated_tall_ones(solver, as_sparse):
    """Weighted rows train in the row space, repeated ones in the columns: one fit."""
    X, y = wide(m=20, n=40)
    repeats = np.arange(20) % 3 + 2
    assert repeats.sum() > 40
    assert_repeats(X, y, repeats, as_sparse, max_iter=8, **solver)


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
