"""The full-batch solver against MLPClassifier, side by side in one process.

A peer's time to a target is the time of one uninterrupted fit with just as many
iterations as it needs, which are counted beforehand and not timed.
"""

import numpy as np
from cats import cats
from single_steps import one_iteration, raw_columns
from sklearn.datasets import load_digits, make_classification
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from tools import (
    FLOATS,
    adam_epochs_to,
    all_rows,
    fit_seconds,
    lbfgs_iterations_to,
    load,
    loss_of,
    median,
    mlp,
    split,
    standardised,
)

EIGHT = "letter pendigits optdigits magic phoneme churn car nursery".split()


def digits_to_zero(repeats):
    """Iterations to a training cost of 1e-10 on digits 70/30, alpha = 0, float64."""
    X, y = load_digits(return_X_y=True)
    rows = []
    for layers in ((100,), (50, 50, 50)):
        counts = []
        for seed in range(repeats):
            X_train, _, y_train, _ = split(X, y, seed, 0.3)
            model = all_rows(
                layers, alpha=0, cost_threshold=1e-10, random_state=seed
            ).fit(X_train, y_train)
            reached = model.stop_reason_ == "cost_threshold"
            counts.append(model.n_iter_ if reached else np.inf)
        rows.append({"layers": layers, "median": median(counts), "most": max(counts)})
    return rows


def digits_default(repeats):
    """Default fit on digits 70/30, and adam's time to the same validation log-loss."""
    X, y = load_digits(return_X_y=True)
    cases = [(dtype, layers) for dtype in FLOATS for layers in ((100,), (50, 50, 50))]
    most, rows = 400, []
    for dtype, layers in cases:
        runs = []
        for seed in range(repeats):
            X_train, X_val, y_train, y_val = split(X.astype(dtype), y, seed, 0.3)
            T_train, T_val = standardised(X_train, X_val)
            model = all_rows(layers, random_state=seed)
            ours = min(fit_seconds(model, X_train, y_train) for _ in range(3))
            target = loss_of(model, X_val, y_val)
            epochs, best = adam_epochs_to(
                target, mlp(layers, seed, most), T_train, y_train, T_val, y_val, most
            )
            adam = np.inf
            if epochs:
                peer = mlp(layers, seed, epochs)
                adam = min(fit_seconds(peer, T_train, y_train) for _ in range(3))
            runs.append((ours, adam, target, best, ours / adam))
        ours, adam, targets, bests, ratios = zip(*runs, strict=True)
        rows.append(
            {
                "layers": layers,
                "float": dtype.__name__,
                "skgn s": median(ours),
                "log-loss": median(targets),
                "adam s to it": median(adam),
                "adam never": f"{np.isinf(adam).sum()} of {repeats}",
                f"adam's best in {most} epochs": median(bests),
                "skgn / adam": median(ratios),
                "at most": max(ratios),
            }
        )
    return rows


def synthetic(repeats):
    """Time to a training log-loss of 0.08, 8000 x 40, 5 classes, (64, 64, 64)."""
    target, alpha, layers, rows = 0.08, 1e-4, (64, 64, 64), []
    for dtype in FLOATS:
        runs = []
        for seed in range(repeats):
            X, y = make_classification(
                8000,
                40,
                n_informative=20,
                n_classes=5,
                n_clusters_per_class=4,
                class_sep=0.8,
                random_state=seed,
            )
            X = StandardScaler().fit_transform(X).astype(dtype)
            equal = {"alpha": alpha * len(X)}  # MLPClassifier divides it by the rows

            def lbfgs(iterations, seed=seed, equal=equal):
                return mlp(layers, seed, iterations, solver="lbfgs", **equal)

            model = all_rows(
                layers, alpha=alpha, cost_threshold=target, random_state=seed
            )
            ours = fit_seconds(model, X, y)
            iterations = lbfgs_iterations_to(target, lbfgs, X, y, 300)
            lbfgs_time = fit_seconds(lbfgs(iterations), X, y)
            adam = mlp(layers, seed, 1000, **equal)
            epochs, _ = adam_epochs_to(target, adam, X, y, X, y, 1000, every=10)
            adam_time = np.inf
            if epochs:
                adam_time = fit_seconds(mlp(layers, seed, epochs, **equal), X, y)
            reached = model.stop_reason_ == "cost_threshold"
            runs.append(
                {
                    "skgn s": ours if reached else np.inf,
                    "skgn iterations": model.n_iter_,
                    "lbfgs s": lbfgs_time,
                    "lbfgs iterations": iterations,
                    "adam s": adam_time,
                    "adam epochs": epochs or np.inf,
                    "skgn / lbfgs": ours / lbfgs_time,
                    "skgn / adam": ours / adam_time,
                }
            )
        row = {name: median([run[name] for run in runs]) for name in runs[0]}
        rows.append({"float": dtype.__name__, **row})
    return rows


def defaults(repeats):
    """Defaults against those of MLPClassifier, which gets standardised columns."""
    rows = []
    for dtype in FLOATS:
        cases = [_defaults_on(name, dtype, repeats) for name in EIGHT]
        rows += cases
        ratios = [case["skgn log-loss"] / case["adam log-loss"] for case in cases]
        ours = sum(case["skgn s"] for case in cases)
        adam = sum(case["adam s"] for case in cases)
        rows.append(
            {
                "data": f"**all**: better log-loss on {sum(r < 1 for r in ratios)} of "
                f"8, {np.exp(np.mean(np.log(ratios))):.2f} x in the geometric mean; "
                f"total time {adam / ours:.1f} x smaller",
                "float": dtype.__name__,
                "skgn s": ours,
                "adam s": adam,
            }
        )
    return rows


def _defaults_on(name, dtype, repeats):
    data = load(name)
    X = np.concatenate([data[k] for k in ("X", "X_test") if k in data]).astype(dtype)
    y = np.concatenate([data[k] for k in ("y", "y_test") if k in data])
    runs = []
    for seed in range(repeats):
        X_train, X_test, y_train, y_test = split(X, y, seed, 0.25)
        T_train, T_test = standardised(X_train, X_test)
        model = all_rows(random_state=seed)
        peer = MLPClassifier(random_state=seed)
        runs.append(
            {
                "skgn s": fit_seconds(model, X_train, y_train),
                "adam s": fit_seconds(peer, T_train, y_train),
                "skgn log-loss": loss_of(model, X_test, y_test),
                "adam log-loss": loss_of(peer, T_test, y_test),
                "skgn accuracy": model.score(X_test, y_test),
                "adam accuracy": peer.score(T_test, y_test),
            }
        )
    row = {"data": f"{name}, {len(X_train)} x {X.shape[1]}", "float": dtype.__name__}
    for key in runs[0]:
        summary = median if key.endswith(" s") else np.mean
        row[key] = float(summary([run[key] for run in runs]))
    return row


PARTS = {
    "digits_to_zero": digits_to_zero,
    "digits_default": digits_default,
    "synthetic": synthetic,
    "cats": cats,
    "one_iteration": one_iteration,
    "raw_columns": raw_columns,
    "defaults": defaults,
}
NEED_DATA = {"cats", "defaults"}
