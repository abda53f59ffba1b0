"""Timing, data and tables that the benchmarks share."""

import os
import platform
import statistics
import warnings
from pathlib import Path
from time import process_time

import numpy as np
import scipy
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import skgn
from skgn import GaussNewtonMLPClassifier

try:
    import torch
except ImportError:
    torch = None

FLOATS = (np.float64, np.float32)


def fit_seconds(model, X, y, clock=process_time):
    """Fit and return the seconds it took; reaching the last iteration is no news.

    Processor time: on one thread it is the time of the fit, whatever else is running.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = clock()
        model.fit(X, y)
        return clock() - start


def loss_of(model, X, y):
    """Return the log-loss, in float64 (float32 rows do not quite sum to one)."""
    p = model.predict_proba(X).astype(np.float64)
    return log_loss(y, p / p.sum(axis=1, keepdims=True))


def median(values):
    """Return the median; infinite entries are allowed."""
    return float(statistics.median(values))


def load(name):
    """Return the arrays of a data set in the folder SKGN_DATA; X is float64."""
    with np.load(Path(os.environ["SKGN_DATA"]) / f"{name}.npz") as data:
        arrays = {key: data[key] for key in data.files if key[0] in "Xy"}
    for key in arrays.keys() & {"X", "X_test"}:
        arrays[key] = arrays[key].reshape(len(arrays[key]), -1).astype(np.float64)
    return arrays


def split(X, y, seed, test_size):
    """Return X_train, X_test, y_train, y_test in equal shares of the classes."""
    return train_test_split(X, y, test_size=test_size, random_state=seed, stratify=y)


def standardised(X_train, X_test):
    """Return both under the statistics of the first, for peers that need it."""
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test)


def mlp(layers, seed, max_iter, **parameters):
    """Return an MLPClassifier that runs all its iterations."""
    return MLPClassifier(
        layers,
        random_state=seed,
        max_iter=max_iter,
        max_fun=10**6,
        n_iter_no_change=max_iter,
        **parameters,
    )


def all_rows(layers=(100,), alpha=1e-4, **parameters):
    """Return a skgn model that takes all rows at each iteration."""
    return GaussNewtonMLPClassifier(layers, alpha=alpha, batch_size=None, **parameters)


def adam_epochs_to(target, model, X, y, X_eval, y_eval, most, every=1):
    """Count adam's epochs to a log-loss; returns (epochs or None, best log-loss)."""
    best, classes = np.inf, np.unique(y)
    for epoch in range(1, most + 1):
        model.partial_fit(X, y, classes=classes)
        if epoch % every == 0:
            best = min(best, loss_of(model, X_eval, y_eval))
            if best <= target:
                return epoch, best
    return None, best


def lbfgs_iterations_to(target, make, X, y, most):
    """Bisect for the iterations that L-BFGS needs to a training log-loss."""
    enough, too_few = most, 0
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        model = make(middle)
        fit_seconds(model, X, y)
        if loss_of(model, X, y) <= target:
            enough = middle
        else:
            too_few = middle
    return enough


def cell(value):
    """Format a value for a table."""
    if isinstance(value, float):
        if np.isinf(value):
            return "never"
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def markdown(rows):
    """Return a list of dicts as a table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names)]
    lines += [[cell(row.get(name, "")) for name in names] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def processor():
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1] for line in lines if line.startswith("model name")]
        return names[0].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def machine(how="one thread, processor time"):
    """Return a line on versions and hardware."""
    packages = {
        "skgn": skgn,
        "scikit-learn": sklearn,
        "numpy": np,
        "scipy": scipy,
        "torch": torch,
    }
    versions = [f"{name} {p.__version__}" for name, p in packages.items() if p]
    return (
        f"{', '.join(versions)}, Python {platform.python_version()}, {processor()} "
        f"({platform.machine()}), {how}"
    )
