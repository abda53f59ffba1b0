"""Compare, tune, save and load a GaussNewtonMLPClassifier on bundled data.

Usage: python examples/quickstart.py
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from time import perf_counter

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgn import GaussNewtonMLPClassifier

DATA = {"digits": load_digits, "breast cancer": load_breast_cancer}

# The first pipeline has no scaler: GaussNewtonMLPClassifier standardises the columns.
MODELS = {
    "GaussNewtonMLPClassifier": make_pipeline(
        VarianceThreshold(), GaussNewtonMLPClassifier(random_state=0)
    ),
    "MLPClassifier, adam": make_pipeline(
        VarianceThreshold(), StandardScaler(), MLPClassifier(random_state=0)
    ),
    "MLPClassifier, lbfgs": make_pipeline(
        VarianceThreshold(),
        StandardScaler(),
        MLPClassifier(solver="lbfgs", random_state=0),
    ),
}

HIDDEN_LAYER_SIZES = [(), (50,), (50, 50)]
DAMPING = [1e-3, 1e-2, 1e-1]

# What a new process does with the saved model.
LOAD_AND_PREDICT = """
import sys, joblib, numpy
model, rows, answer = sys.argv[1:]
numpy.save(answer, joblib.load(model).predict_proba(numpy.load(rows)))
"""


def load(name):
    """Return X_train, X_test, y_train, y_test."""
    X, y = DATA[name](return_X_y=True)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


def fit(model, X, y):
    """Fit; return the number of convergence warnings and pass on all other warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, y)
    for item in caught:
        if not issubclass(item.category, ConvergenceWarning):
            warnings.warn_explicit(
                item.message, item.category, item.filename, item.lineno
            )
    return sum(issubclass(item.category, ConvergenceWarning) for item in caught)


def compare():
    """Print one line per data set and model."""
    line = "{:13}  {:24}  {:>8}  {:>8}  {:>10}  {:>7}  {}"
    titles = ("data", "model", "accuracy", "log-loss", "iterations", "seconds")
    print(line.format(*titles, "why it stopped"))
    for name in DATA:
        X, X_test, y, y_test = load(name)
        for label, model in MODELS.items():
            start = perf_counter()
            warned = fit(model, X, y)
            seconds = perf_counter() - start
            net = model[-1]
            # MLPClassifier tells it by a warning only
            reason = getattr(net, "stop_reason_", "max_iter" if warned else "converged")
            accuracy = model.score(X_test, y_test)
            loss = log_loss(y_test, model.predict_proba(X_test))
            numbers = f"{accuracy:.3f}", f"{loss:.3f}", net.n_iter_, f"{seconds:.2f}"
            print(line.format(name, label, *numbers, reason))


def tune(name):
    """Print the cross-validated log-loss on a grid; return the best model."""
    X, X_test, y, y_test = load(name)
    grid = {
        "gaussnewtonmlpclassifier__hidden_layer_sizes": HIDDEN_LAYER_SIZES,
        "gaussnewtonmlpclassifier__damping": DAMPING,
    }
    model = MODELS["GaussNewtonMLPClassifier"]
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=3, error_score="raise")
    start = perf_counter()
    warned = fit(search, X, y)
    seconds = perf_counter() - start

    print(f"Cross-validated log-loss on {name} (GridSearchCV, 3 folds, {seconds:.1f} s):")
    print(f"{'hidden_layer_sizes':20}", *(f"{f'damping={d:g}':>14}" for d in DAMPING))
    losses = {
        tuple(params[key] for key in grid): -score
        for params, score in zip(
            search.cv_results_["params"],
            search.cv_results_["mean_test_score"],
            strict=True,
        )
    }
    for sizes in HIDDEN_LAYER_SIZES:
        row = [f"{losses[sizes, damping]:14.4f}" for damping in DAMPING]
        print(f"{sizes!s:20}", *row)
    print(f"Fits that ended with a ConvergenceWarning: {warned}")
    sizes, damping = (search.best_params_[key] for key in grid)
    print(f"Best: hidden_layer_sizes={sizes}, damping={damping:g};", end=" ")
    print(f"accuracy on the test rows {search.best_estimator_.score(X_test, y_test):.3f}")
    return search.best_estimator_


def save_and_load(model, rows):
    """Save the model, predict with it in a new process and compare."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder, name)) for name in ("model.joblib", "X.npy", "p.npy")]
        joblib.dump(model, files[0])
        np.save(files[1], rows)
        subprocess.run([sys.executable, "-c", LOAD_AND_PREDICT, *files], check=True)
        same = np.array_equal(np.load(files[2]), model.predict_proba(rows))
    print("Saved, loaded in a new process: probabilities", end=" ")
    print("equal to the last bit" if same else "DIFFER")
    return same


if __name__ == "__main__":
    compare()
    print()
    best = tune("digits")
    print()
    sys.exit(0 if save_and_load(best, load("digits")[1]) else 1)
