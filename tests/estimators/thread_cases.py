"""The solvers of the thread, by name, and what the tests of them share."""

import numpy as np

from skgn import GaussNewtonMLPClassifier

SOLVERS = {
    "sequential": {"solver": "sequential"},
    "gauss_seidel": {"solver": "sequential", "order": "gauss_seidel"},
    "joint": {"solver": "joint"},
}
SAFEGUARDS = ["sign", "line_search", None]


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
