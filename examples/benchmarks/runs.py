"""Runs of each method on one repeat: the points that they reach, and when.

A run is a list of points (see POINT). A trajectory is one fit that is looked at as it
goes: its points are its new minima of the validation log-loss and new maxima of the
validation accuracy, the clock stands still while it is looked at. The points of other
runs are complete fits.
"""

import warnings
from contextlib import suppress
from time import process_time
from unittest import mock

import numpy as np
import scipy.optimize
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from tools import fit_seconds, mlp

from skgn import GaussNewtonMLPClassifier

POINT = "steps seconds loss accuracy test_loss test_accuracy".split()
SLACK = 1.01  # of a peer's best validation log-loss
PLAIN = {"alpha": 1e-4, "encoding": None}  # fits to a target that search for nothing
ACCURACY_SLACK = 1e-3  # below a peer's best validation accuracy


def scores(model, X, y):
    """Return log-loss and accuracy."""
    p = model.predict_proba(X).astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    accuracy = np.mean(model.classes_[p.argmax(axis=1)] == y)
    return float(log_loss(y, p, labels=model.classes_)), float(accuracy)


def point(model, rows, steps, seconds, standardised):
    """Return a complete fit as a point."""
    X_val, X_test = (
        (rows.T_val, rows.T_test) if standardised else (rows.X_val, rows.X_test)
    )
    validation, test = (
        scores(model, X_val, rows.y_val),
        scores(model, X_test, rows.y_test),
    )
    return rounded([steps, seconds, *validation, *test])


def rounded(values):
    """Return numbers with six digits, None for those that are not finite."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]


class Trajectory:
    """Keeps the points of a fit that is looked at as it goes."""

    def __init__(self, rows, patience):
        self.rows, self.patience = rows, patience
        self.points, self.best, self.best_accuracy, self.since = [], np.inf, -1.0, 0

    def look(self, model, steps, seconds):
        """Keep a point if it is a new best; return whether to go on."""
        rows = self.rows
        loss, accuracy = scores(model, rows.T_val, rows.y_val)
        test = (np.nan, np.nan)
        self.since += 1
        if loss < self.best:
            self.best, self.since = loss, 0
            test = scores(model, rows.T_test, rows.y_test)
        if self.since == 0 or accuracy > self.best_accuracy:
            self.points.append(rounded([steps, seconds, loss, accuracy, *test]))
        self.best_accuracy = max(self.best_accuracy, accuracy)
        return self.since < self.patience


class Enough(Exception):
    """Ends a fit that is looked at."""


class WatchedAdam(MLPClassifier):
    """Calls `watch` at the end of each epoch: partial_fit would check the rows anew."""

    def _update_no_improvement_count(self, *args, **parameters):
        super()._update_no_improvement_count(*args, **parameters)
        self.watch()


def adam(case, rows, seed):
    """Return the trajectory of MLPClassifier's adam."""
    model = WatchedAdam(
        case.layers,
        random_state=seed,
        max_iter=case.epochs,
        n_iter_no_change=case.epochs,
    )
    trajectory = Trajectory(rows, case.patience)
    clock = {"seconds": rows.scaler_seconds}

    def watch():
        clock["seconds"] += process_time() - clock["since"]
        if not trajectory.look(model, model.n_iter_, clock["seconds"]):
            raise Enough
        clock["since"] = process_time()

    model.watch = watch
    clock["since"] = process_time()
    with suppress(Enough):
        _quiet(model.fit, rows.T, rows.y)
    return trajectory.points


def lbfgs(case, rows, seed):
    """Return the trajectory of MLPClassifier's L-BFGS, by a callback of scipy."""
    model = mlp(case.layers, seed, case.lbfgs_iterations, solver="lbfgs")
    trajectory = Trajectory(rows, case.lbfgs_patience)
    clock = {"seconds": rows.scaler_seconds, "iterations": 0}
    minimize = scipy.optimize.minimize

    def callback(weights):
        clock["seconds"] += process_time() - clock["since"]
        clock["iterations"] += 1
        model._unpack(weights)
        model.classes_ = model._label_binarizer.classes_
        go_on = trajectory.look(model, clock["iterations"], clock["seconds"])
        clock["since"] = process_time()
        if not go_on:
            raise StopIteration

    def watched(*args, **parameters):
        return minimize(*args, **parameters, callback=callback)

    with mock.patch("scipy.optimize.minimize", watched):
        clock["since"] = process_time()
        _quiet(model.fit, rows.T, rows.y)
    return trajectory.points


def skgn(case, rows, seed, targets, **parameters):
    """Return complete fits over budgets, until all targets are reached or none comes."""
    points = []
    for passes in case.budgets:
        model = GaussNewtonMLPClassifier(
            case.layers, max_iter=passes, random_state=seed, **parameters
        )
        seconds = fit_seconds(model, rows.X, rows.y)
        points.append(point(model, rows, passes, seconds, standardised=False))
        same_from_here = model.stop_reason_ == "converged" and model.n_iter_ < passes
        if same_from_here or all_reached(points, targets) or no_better(points):
            break
    return points


def skgn_to_aim(case, rows, seed):
    """Return complete fits on training and validation rows, up to the aim on test."""
    X = np.concatenate([rows.X, rows.X_val])
    y = np.concatenate([rows.y, rows.y_val])
    points = []
    for passes in case.budgets:
        model = GaussNewtonMLPClassifier(
            case.layers, max_iter=passes, random_state=seed, **PLAIN
        )
        seconds = fit_seconds(model, X, y)
        test = scores(model, rows.X_test, rows.y_test)
        points.append(rounded([passes, seconds, np.nan, np.nan, *test]))
        if test[1] >= case.aim:
            break
    return points


#: Default fits, and whether they get standardised columns.
DEFAULTS = {
    "adam": (lambda case, seed: MLPClassifier(case.layers, random_state=seed), True),
    "adam, early stopping": (
        lambda case, seed: MLPClassifier(
            case.layers, early_stopping=True, random_state=seed
        ),
        True,
    ),
    "lbfgs": (
        lambda case, seed: MLPClassifier(case.layers, solver="lbfgs", random_state=seed),
        True,
    ),
    "HistGradientBoosting": (
        lambda case, seed: HistGradientBoostingClassifier(random_state=seed),
        False,
    ),
    "LogisticRegression": (lambda case, seed: LogisticRegression(max_iter=1000), True),
    "skgn": (
        lambda case, seed: GaussNewtonMLPClassifier(case.layers, random_state=seed),
        False,
    ),
}


def default_fit(name, case, rows, seed):
    """Return a fit with a method's defaults as the only point of a run."""
    make, standardised = DEFAULTS[name]
    model = make(case, seed)
    seconds = fit_seconds(model, rows.T if standardised else rows.X, rows.y)
    seconds += rows.scaler_seconds if standardised else 0
    steps = float(np.max(model.n_iter_))
    return [point(model, rows, steps, seconds, standardised)]


def targets_of(runs):
    """Return what skgn is to reach, by the runs of the peers on the same split."""
    targets = {}
    for peer in ("adam", "lbfgs", "torch"):
        if runs.get(peer):
            targets[f"{peer} loss"] = SLACK * min(p[2] for p in runs[peer])
    if runs.get("adam"):
        best = max(p[3] for p in runs["adam"])
        targets["adam accuracy"] = best - ACCURACY_SLACK
    return targets


def no_better(points):
    """Return whether the last two fits bring neither better loss nor better accuracy."""
    if len(points) < 3:
        return False
    losses = [np.inf if p[2] is None else p[2] for p in points]
    accuracies = [p[3] for p in points]
    return min(losses[-2:]) >= min(losses[:-2]) and max(accuracies[-2:]) <= max(
        accuracies[:-2]
    )


def reaches(values, name, target):
    """Return whether a point reaches a target, by the target's name."""
    named = dict(zip(POINT, values, strict=True))
    if name.endswith("loss"):
        return named["loss"] is not None and named["loss"] <= target
    value = named["test_accuracy" if name == "aim" else "accuracy"]
    return value is not None and value >= target


def all_reached(points, targets):
    """Return whether each target is reached by some point; False without targets."""
    return bool(targets) and all(
        any(reaches(p, name, target) for p in points) for name, target in targets.items()
    )


def _quiet(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return function(*args)
