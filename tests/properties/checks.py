"""What must hold of any fit, whatever it was given."""

import pickle
import re
import traceback
import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgn import GaussNewtonMLPClassifier
from skgn.fitting.settings import GAUSS_NEWTON

#: What a message may call the culprit: a parameter, an argument other than X, a column.
NAMES = [
    *GaussNewtonMLPClassifier().get_params(),
    *("y", "X_val", "y_val", "sample_weight", "[Ss]ample weights", "classes"),
    *(r"(Feature|column) (\d+|'.*')", "place", "day"),
]

#: Messages that may blame X as a whole.
OF_X = (
    r"Input (X|array) contains (infinity|NaN)|X has \d+ features|feature names|"
    r"inconsistent numbers of samples|could not convert|minimum of|"
    r"Sparse X takes no categories"
)


def assert_names_the_culprit(error, model):
    """Check that an error is one for the caller to understand."""
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    message = f"{type(error).__name__}: {error} (raised in {place})"
    assert not isinstance(error, np.linalg.LinAlgError), message
    assert not re.search(r"[/\\](numpy|scipy)[/\\]", place), message
    if "overflows on X" in str(error):  # raw columns may be too large as a whole
        assert not model.standardize, message
        return
    names = rf"(?<!\w)({'|'.join(NAMES)})(?!\w)"
    assert re.search(f"{names}|{OF_X}", str(error)), message


@contextmanager
def convergence_warnings():
    """Collect warnings; check that all are ConvergenceWarnings."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        yield record
    others = {
        f"{w.category.__name__}: {w.message} ({w.filename}:{w.lineno})"
        for w in record
        if w.category is not ConvergenceWarning
    }
    assert not others, "\n".join(sorted(others))


def unchanged(model, before):
    """Return whether each attribute is the object that it was."""
    return vars(model).keys() == before.keys() and all(
        vars(model)[name] is value for name, value in before.items()
    )


def attempt(method, *args, **kwargs):
    """Call a method of an estimator; return whether it did not refuse.

    If it refuses, the error must name the culprit and leave the estimator as it was.
    Neither way are the arguments changed.
    """
    model, given = method.__self__, snapshot((args, kwargs))
    before, refused = dict(vars(model)), None
    with convergence_warnings():
        try:
            method(*args, **kwargs)
        except (ValueError, TypeError) as error:
            refused = error
    assert snapshot((args, kwargs)) == given
    if refused is None:
        return True
    assert_names_the_culprit(refused, model)
    assert unchanged(model, before)
    return False


def snapshot(value):
    """Return the bytes of arguments, in whatever they are held."""
    if isinstance(value, tuple | list):
        return [snapshot(part) for part in value]
    if isinstance(value, dict):
        return [(name, snapshot(part)) for name, part in value.items()]
    if sparse.issparse(value):  # what scipy has found out about the order may change
        return [
            (name, snapshot(part))
            for name, part in sorted(vars(value).items())
            if "sorted" not in name and "canonical" not in name
        ]
    if isinstance(value, pd.DataFrame):
        return [snapshot(value[name].to_numpy()) for name in value]
    if isinstance(value, np.ndarray):
        content = value.tolist() if value.dtype == object else value.tobytes()
        return value.shape, value.dtype.str, content
    return pickle.dumps(value)


def assert_finite(model):
    """Check the numbers that a fit leaves behind."""
    numbers = {
        **{f"coefs_[{l}]": W for l, W in enumerate(model.coefs_)},
        **{f"intercepts_[{l}]": b for l, b in enumerate(model.intercepts_)},
        **{f"{name}_": getattr(model, f"{name}_") for name in ("mean", "scale", "loss")},
        **{f"{name}_": getattr(model, f"{name}_") for name in ("alpha", "damping")},
        "loss_curve_": model.loss_curve_,
        "class_weight_": model.class_weight_,
        "validation_scores_": model.validation_scores_ or 0,
    }
    if model.solver in GAUSS_NEWTON and model.standardize:
        numbers["n_effective_parameters_"] = model.n_effective_parameters_
    bad = {name: value for name, value in numbers.items() if not np.isfinite(value).all()}
    assert not bad, bad
    assert np.all(model.scale_ > 0)
    names = model.encoded_feature_names_out_
    assert len({*names}) == len(names) == len(model.coefs_[0]) == len(model.scale_)
    assert all(np.all(np.diff(knots) > 0) for knots in knots_of(model))


def knots_of(model):
    """Return the knots of all features."""
    return () if model.encoder_ is None else model.encoder_.knots


def takes_sparse(model):
    """Return whether an estimator can read sparse samples."""
    return all(known is None for known in model.categories_)


def assert_predicts(model, X):
    """Check predictions: finite probabilities of sum one, and their largest class."""
    with convergence_warnings() as record:
        proba, log_proba = model.predict_proba(X), model.predict_log_proba(X)
        scores, labels = model.decision_function(X), model.predict(X)
    assert not record
    assert proba.dtype == np.float64
    assert np.isfinite(scores).all()
    assert np.isfinite(log_proba).all()
    assert np.all((proba >= 0) & (proba <= 1))
    assert_allclose(np.exp(log_proba), proba, atol=1e-6)
    if labels.ndim == 2:  # one probability per label
        assert np.all((proba > 0.5) <= (labels == 1))
        assert np.all((proba < 0.5) <= (labels == 0))
        return
    assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    chosen = np.searchsorted(model.classes_, labels)
    assert np.all(proba[np.arange(len(proba)), chosen] == proba.max(axis=1))


def assert_sound(model, X):
    """Check numbers and predictions, those of absurd samples among them."""
    assert_finite(model)
    assert_predicts(model, X)
    for absurd in absurd_samples(model):
        assert_predicts(model, absurd)


def absurd_samples(model):
    """Return samples of zeros, ones, the largest and the smallest numbers, and of none.

    In place of categories they are unknown.
    """
    n, sign = model.n_features_in_, (-1) ** np.arange(model.n_features_in_)
    names = getattr(model, "feature_names_in_", None)
    for dtype in (np.float64, np.float32):
        info = np.finfo(dtype)
        sizes = [0, 1, info.max, -info.max, info.tiny, info.tiny / 100]
        rows = [np.full(n, size, dtype) for size in sizes]
        X = np.stack([*rows, (info.max * sign).astype(dtype)])
        gaps = np.where(sign > 0, X, np.nan).astype(dtype)
        whole = np.concatenate([X, gaps, np.full((1, n), np.nan, dtype)])
        yield whole if names is None else pd.DataFrame(whole, columns=names)
        if names is None and takes_sparse(model):
            yield sparse.csr_array(X)
    if names is not None and not takes_sparse(model):
        yield pd.DataFrame(
            {
                name: np.full(2, np.nan) if known is None else ["no category", None]
                for name, known in zip(names, model.categories_, strict=True)
            }
        )


def assert_equal_fits(one, other):
    """Check that two fits are one, bit for bit."""
    pairs = zip(
        (*one.coefs_, *one.intercepts_, one.loss_curve_, one.mean_, one.scale_),
        (*other.coefs_, *other.intercepts_, other.loss_curve_, other.mean_, other.scale_),
        strict=True,
    )
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert one.stop_reason_ == other.stop_reason_
