"""Bad input: a clear error that names the culprit, and an estimator left as it was."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from skgn import GaussNewtonMLPClassifier
from tests.problems import binary, iris, multilabel

X, Y = binary()
PARAMETERS = [
    ("hidden_layer_sizes", (0,), "hidden_layer_sizes"),
    ("hidden_layer_sizes", (5, -1), "hidden_layer_sizes"),
    ("hidden_layer_sizes", (5.5,), "hidden_layer_sizes"),
    ("hidden_layer_sizes", 0, "hidden_layer_sizes"),
    ("hidden_layer_sizes", -3, "hidden_layer_sizes"),
    ("hidden_layer_sizes", "wide", "hidden_layer_sizes"),
    ("hidden_layer_sizes", None, "hidden_layer_sizes"),
    ("activation", "sine", "activation"),
    ("activation", ["sine"], "activation.*sine"),
    ("activation", ["relu", "relu"], "activation.*2 names for 1 hidden"),
    ("activation", None, "activation"),
    ("solver", "adam", "solver"),
    ("solver", None, "solver"),
    ("order", "foo", "order"),
    ("order", None, "order"),
    ("safeguard", "foo", "safeguard"),
    ("safeguard", False, "safeguard"),
    ("step_size", 0, "step_size"),
    ("step_size", 1.5, "step_size"),
    ("step_size", -1, "step_size"),
    ("step_size", np.nan, "step_size"),
    ("step_size", None, "step_size"),
    ("alpha", -1.0, "alpha"),
    ("alpha", "evidence", "alpha"),
    ("alpha", np.nan, "alpha"),
    ("alpha", np.inf, "alpha"),
    ("damping", 0, "damping"),
    ("damping", -1.0, "damping"),
    ("damping", np.nan, "damping"),
    ("damping", np.inf, "damping"),
    ("max_iter", 0, "max_iter"),
    ("max_iter", 1.5, "max_iter"),
    ("tol", -1e-3, "tol"),
    ("cost_threshold", -1.0, "cost_threshold"),
    ("early_stopping", "yes", "early_stopping"),
    ("validation_fraction", 0.0, "validation_fraction"),
    ("validation_fraction", 1.0, "validation_fraction"),
    ("n_iter_no_change", 0, "n_iter_no_change"),
    ("standardize", "no", "standardize"),
    ("class_weight", "heavy", "class_weight"),
    ("class_weight", {0: -1.0, 1: 1.0}, "class_weight"),
    ("class_weight", {0: 0.0, 1: 0.0}, "class_weight"),
    ("class_weight", {7: 2.0}, "class_weight"),
    ("warm_start", 3.5, "warm_start"),
    ("random_state", "seed", "random_state"),
    ("verbose", -1, "verbose"),
]


def small(**parameters):
    """Return a quick classifier."""
    return GaussNewtonMLPClassifier(
        **{"hidden_layer_sizes": (5,), "random_state": 0, **parameters}
    )


def refused(model, message, *args, error=ValueError, **kwargs):
    """Check that fit raises and leaves the estimator without a trace."""
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.fit(*args, **kwargs)
    assert vars(model) == before


@pytest.mark.parametrize(("name", "value", "message"), PARAMETERS)
def test_parameters(name, value, message):
    """Each parameter out of its range, by name."""
    refused(small(**{name: value}), message, X, Y)


@pytest.mark.parametrize(
    "name", ["solver", "order", "safeguard", "step_size", "damping", "alpha"]
)
def test_parameters_out_of_range_are_scikit_learns_error(name):
    """InvalidParameterError, for any solver, also on a fitted estimator."""
    value = "foo" if name in ("solver", "order", "safeguard") else -1
    for solver in ("kronecker", "levenberg-marquardt", "sequential", "joint"):
        model = small(solver=solver, cost_threshold=1e9).fit(X, Y)
        model.set_params(**{name: value})
        refused(model, f"The '{name}' parameter", X, Y, error=InvalidParameterError)


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "gauss_seidel"},
        {"safeguard": None},
        {"safeguard": "line_search"},
        {"step_size": 0.5},
        {"solver": "joint", "order": "gauss_seidel"},
        {"solver": "levenberg-marquardt", "safeguard": None},
        {"solver": "levenberg-marquardt", "step_size": 0.5},
        {"solver": "sequential", "damping": 1.0, "safeguard": None},
        {"solver": "sequential", "damping": 1.0, "safeguard": "line_search"},
    ],
    ids=str,
)
def test_parameters_that_the_solver_would_not_use(changes):
    """The one without effect is named, with the solver; the fit before it stays."""
    name = list(changes)[0 if "solver" not in changes else 1]
    solver = changes.get("solver", "kronecker")
    refused(small(**changes), f"{name}=.*no effect with solver='{solver}'", X, Y)
    model = small(solver=solver, cost_threshold=1e9).fit(X, Y)
    expected = model.predict_proba(X)
    refused(model.set_params(**changes), f"{name}=", X, Y)
    assert np.array_equal(model.predict_proba(X), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "sequential", "damping": 1.0},
        {"solver": "sequential", "order": "gauss_seidel", "step_size": 0.5},
        {"solver": "joint", "damping": 1.0, "safeguard": "line_search"},
        {"solver": "joint", "damping": 1.0, "safeguard": None, "step_size": 0.5},
        {"solver": "kronecker", "damping": 1.0},
        {"solver": "levenberg-marquardt", "damping": 1.0, "alpha": 0.0},
        {"solver": "kronecker", "step_size": 1},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_parameters_that_the_solver_uses(parameters):
    """Every other combination is fitted."""
    model = small(**parameters, max_iter=3).fit(X, Y)
    assert np.isfinite(model.loss_)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["dense", "sparse", "float32"])
def test_x_not_finite(bad, kind):
    """Infinity in X, and NaN where it is not a missing cell: in sparse X."""
    if np.isnan(bad) and kind != "sparse":
        pytest.skip("a missing cell")
    data = X.astype(np.float32) if kind == "float32" else X.copy()
    data[3, 2] = bad
    data = sparse.csr_array(data) if kind == "sparse" else data
    word = "NaN" if np.isnan(bad) else "infinity"
    refused(small(), f"X contains {word}", data, Y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_x_not_finite_at_predict(bad):
    """Infinity in rows to predict, and NaN in sparse ones."""
    model = small().fit(X, Y)
    data = X.copy()
    data[0, 0] = bad
    data = sparse.csr_array(data) if np.isnan(bad) else data
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(ValueError, match="X contains"):
            getattr(model, method)(data)


def test_strings_in_x():
    """Words are not numbers."""
    data = X.astype(object)
    data[0, 0] = "high"
    refused(small(), "high", data, Y)


def test_complex_x():
    """Nor are complex numbers real."""
    refused(small(), "Complex data", X + 1j, Y)


@pytest.mark.parametrize("shape", [(120,), (120, 2, 3)])
def test_shape_of_x(shape):
    """X has two dimensions."""
    refused(small(), "array", np.zeros(shape), Y)


def test_no_rows_and_no_columns():
    """Empty data."""
    refused(small(), "0 sample", X[:0], Y[:0])
    refused(small(), "0 feature", X[:, :0], Y)


def test_column_count():
    """Rows to predict have as many columns as the fit saw."""
    model = small().fit(X, Y)
    with pytest.raises(ValueError, match=r"5 features.*6 features"):
        model.predict(X[:, :5])


def test_row_counts():
    """X and y have as many rows."""
    refused(small(), "inconsistent numbers of samples", X, Y[:-1])


def test_targets():
    """No targets, numbers that are not classes, NaN, several class columns."""
    refused(small(), "requires y", X, None)
    refused(small(), "continuous", X, X[:, 0])
    y = Y.astype(float)
    y[0] = np.nan
    refused(small(), "y contains NaN", X, y)
    refused(small(), "y should be a 1d array", X, np.stack([Y, Y + 1, Y + 2], axis=1))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.r_[-1.0, np.ones(119)], "[Nn]egative.*sample_weight"),
        (np.zeros(120), "sample_weight|[Ss]ample weights"),
        (np.ones(119), r"sample_weight.shape"),
        (np.ones((120, 2)), "[Ss]ample weights must be 1D"),
        (np.r_[np.nan, np.ones(119)], "sample_weight contains NaN"),
        (np.r_[np.inf, np.ones(119)], "sample_weight contains infinity"),
    ],
    ids=["negative", "all zero", "too few", "two columns", "NaN", "infinite"],
)
def test_sample_weight(weights, message):
    """Weights are finite, not negative, not all zero, one per row."""
    refused(small(), message, X, Y, weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.r_[-1.0, np.ones(19)], "sample_weight_val.*[Nn]egative"),
        (np.zeros(20), "sample_weight_val"),
        (np.ones(19), "sample_weight_val"),
        (np.r_[np.nan, np.ones(19)], "sample_weight_val.*NaN"),
    ],
    ids=["negative", "all zero", "too few", "NaN"],
)
def test_sample_weight_of_validation_rows(weights, message):
    """The weights of validation rows are named as such."""
    model = small(early_stopping=True)
    validation = {"X_val": X[:20], "y_val": Y[:20], "sample_weight_val": weights}
    refused(model, message, X, Y, **validation)


def test_incomplete_validation_rows():
    """X_val, y_val and sample_weight_val come together."""
    model = small(early_stopping=True)
    refused(model, "X_val.*y_val was not provided", X, Y, X_val=X)
    refused(model, "y_val.*X_val was not provided", X, Y, y_val=Y)
    refused(model, "sample_weight_val", X, Y, sample_weight_val=np.ones(120))


def test_validation_rows_without_early_stopping():
    """A validation set that would not be used is an error."""
    refused(small(), "early_stopping", X, Y, X_val=X, y_val=Y)


def test_validation_rows_of_another_form():
    """Validation rows: column count, row count, NaN, labels that y lacks, kind of y."""
    model = small(early_stopping=True)
    refused(model, "5 features", X, Y, X_val=X[:, :5], y_val=Y)
    refused(model, "inconsistent numbers", X, Y, X_val=X, y_val=Y[:-1])
    refused(model, "y_val.*lacks.*7", X, Y, X_val=X, y_val=np.where(Y == 0, 7, Y))
    bad = X.copy()
    bad[0, 0] = np.inf
    refused(model, "X_val.*infinity", X, Y, X_val=bad, y_val=Y)
    indicators = np.stack([Y, 1 - Y], axis=1)
    refused(model, "y_val must be of the same kind", X, Y, X_val=X, y_val=indicators)


def test_validation_width_of_multilabel_targets():
    """Multilabel validation targets have as many columns as y."""
    X, Y = multilabel()
    model = small(early_stopping=True)
    refused(model, "y_val", X, Y, X_val=X, y_val=Y[:, :2])
    refused(model, "y_val", X, Y, X_val=X, y_val=Y[:, 0])


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 2.0}])
def test_class_weight_of_multilabel_targets(class_weight):
    """There is no class weight for labels."""
    model = small(class_weight=class_weight)
    refused(model, "class_weight.*multilabel", *multilabel())


@pytest.mark.parametrize("rows", [[0, 50], [0, 50, 100]])
def test_too_few_rows_for_a_validation_split(rows):
    """With nothing but singleton classes there is no row to hold out."""
    X, y = iris()
    refused(small(early_stopping=True), "early_stopping=True", X[rows], y[rows])


def test_too_few_multilabel_rows_for_a_validation_split():
    """One row cannot be split."""
    X, Y = multilabel()
    refused(small(early_stopping=True), "early_stopping=True", X[:1], Y[:1])


def test_fitted_attributes_before_fit():
    """An estimator that was not fitted says so."""
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError, match="not fitted"):
            getattr(small(), method)(X)


def test_dataframe_with_other_columns():
    """Columns of another name or order are named."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    model = small().fit(frame, Y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("abcdfe")])
    with pytest.raises(ValueError, match=r"(?s)feature names.*g"):
        model.predict(frame.rename(columns={"f": "g"}))


def test_a_refused_refit_keeps_the_fit():
    """After a failed fit the earlier one still predicts, bit for bit."""
    model = small().fit(X, Y)
    before = dict(vars(model))
    expected = model.predict_proba(X)
    bad = X.copy()
    bad[0, 0] = np.inf
    refused(model, "X contains infinity", bad, Y)
    refused(model, "continuous", X[:, :3], X[:, 0])
    refused(model, "X_val", X[:, :3], Y, X_val=X)
    assert vars(model) == before
    assert np.array_equal(model.predict_proba(X), expected)


def test_class_weight_that_leaves_no_validation_sample():
    """There would be nothing to stop by."""
    X, y = binary()
    model = GaussNewtonMLPClassifier((4,), early_stopping=True, class_weight={0: 0.0})
    with pytest.raises(ValueError, match="class_weight leaves no sample of X_val"):
        model.fit(X, y, X_val=X[y == 0], y_val=y[y == 0])
    assert not hasattr(model, "coefs_")
