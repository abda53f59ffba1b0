"""Any fit is refused by an error that names the culprit, or is sound."""

import pickle

import numpy as np
from hypothesis import strategies as st
from sklearn.base import clone

from skgn.fitting.settings import GAUSS_NEWTON
from tests.properties.checks import (
    assert_equal_fits,
    assert_sound,
    attempt,
    convergence_warnings,
    takes_sparse,
)
from tests.properties.profile import examples
from tests.properties.strategies import alike, parameters, samples


def falls(model):
    """Return whether the objective of a fit must never rise."""
    batched = model.batch_size not in ("auto", None)
    alpha_moves = model.alpha == "auto" and model.solver in GAUSS_NEWTON
    return not batched and not alpha_moves and model.safeguard is not None


#: Samples, and others of the same form to validate with.
both = samples().flatmap(
    lambda first: st.tuples(st.just(first), st.none() | alike(first))
)


@examples(both=both, parameters=parameters())
def test_fit_and_predict(both, parameters):
    """Finite numbers, probabilities of sum one, and an objective that never rises."""
    given, others = both
    model, X, validation = given.classifier(parameters), given.X, {}
    if others is not None and model.early_stopping:
        validation = {"X_val": others.X, "y_val": others.y}
        validation["sample_weight_val"] = others.weights
    if not attempt(model.fit, X, given.y, given.weights, **validation):
        return
    assert_sound(model, X)
    if takes_sparse(model):  # codes of categories may be float64
        assert all(given.precision in (None, W.dtype) for W in model.coefs_)
    if falls(model):
        assert np.all(np.diff(model.loss_curve_) <= 0)


@examples(given=samples(), parameters=parameters())
def test_equal_fits(given, parameters):
    """The same numbers make the same fit, of a clone, and of the estimator again."""
    parameters["warm_start"] = False
    model = given.classifier(parameters)
    if not attempt(model.fit, *given.given):
        return
    other = clone(model)
    with convergence_warnings():
        other.fit(*given.given)
        assert_equal_fits(model, other)
        other.fit(*given.given)
        assert_equal_fits(model, other)


@examples(given=samples(), parameters=parameters())
def test_pickle(given, parameters):
    """A fit that is saved and loaded predicts the same, bit for bit."""
    model = given.classifier(parameters)
    if not attempt(model.fit, *given.given):
        return
    loaded = pickle.loads(pickle.dumps(model))
    assert vars(loaded).keys() == vars(model).keys()
    assert_equal_fits(loaded, model)
    X = given.X
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert np.array_equal(getattr(loaded, name)(X), getattr(model, name)(X))
