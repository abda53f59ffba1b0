"""Regression: default fits of skgn and its peers, and the time to MLPRegressor's best.

    python examples/benchmarks/regression.py [--data NAME ...] [--methods NAME ...]
        [--splits 3] [--report]

On the regression sets of the folder that SKGN_DATA names, scikit-learn's diabetes and
Friedman's three functions. At most 10,000 rows are trained on and 10,000 tested, in
splits of 70 to 30, one thread, processor time, float64. MLPRegressor gets standardised
columns and targets. CatBoost is left out where it is not installed. Raw numbers go to
regression.json beside this file; those of other methods stay there.
"""

import argparse
import json
import os
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
from scipy.stats import rankdata
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import GammaRegressor, PoissonRegressor
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tools import fit_seconds, load, markdown

from skgn import GaussNewtonMLPEnsembleRegressor, GaussNewtonMLPRegressor

FILES = ("california_housing", "concrete", "kin8nm", "power_plant")
FRIEDMAN = {
    "friedman1": datasets.make_friedman1,
    "friedman2": datasets.make_friedman2,
    "friedman3": datasets.make_friedman3,
}
NOISE = {"friedman1": 1.0, "friedman2": 125.0, "friedman3": 0.1}
BUDGETS = (1, 2, 3, 5, 8, 12, 20, 30, 50)
COUNTS = "counts and amounts"
FILE = Path(__file__).with_suffix(".json")
MOST = 10_000
Z90 = 1.6449
OURS = {"skgn": GaussNewtonMLPRegressor, "ensemble": GaussNewtonMLPEnsembleRegressor}
METHODS = (*OURS, "MLPRegressor", "HistGradientBoosting", "CatBoost")


def read(name):
    """Return X and y."""
    if name == "diabetes":
        return datasets.load_diabetes(return_X_y=True)
    if name in FRIEDMAN:
        return FRIEDMAN[name](3000, noise=NOISE[name], random_state=0)
    arrays = load(f"reg_{name}")
    return arrays["X"], arrays["y"].astype(np.float64)


def rmse(y, predicted):
    """Return the root mean squared error."""
    return float(np.sqrt(np.mean((y - predicted) ** 2)))


def parts(name, split):
    """Return training and test samples of a data set."""
    X, y = read(name)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=split)
    return X[:MOST], y[:MOST], X_test[:MOST], y_test[:MOST]


def model_of(method, seed):
    """Return an estimator with its defaults."""
    if method in OURS:
        return OURS[method](random_state=seed)
    if method == "CatBoost":
        from catboost import CatBoostRegressor

        options = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
        return CatBoostRegressor(random_seed=seed, **options)
    if method == "HistGradientBoosting":
        return HistGradientBoostingRegressor(random_state=seed)
    net = make_pipeline(StandardScaler(), MLPRegressor(random_state=seed))
    return TransformedTargetRegressor(net, transformer=StandardScaler())


def measure(name, split, methods):
    """Return numbers of one data set and split."""
    X, y, X_test, y_test = parts(name, split)
    row = {"rows": len(X), "columns": X.shape[1]}
    for method in methods:
        model = model_of(method, split)
        row[f"{method} s"] = fit_seconds(model, X, y)
        row[method] = rmse(y_test, model.predict(X_test))
        if method in OURS:
            mean, std = model.predict(X_test, return_std=True)
            covered = np.abs(mean - y_test) < Z90 * std
            row["covered" if method == "skgn" else f"{method} covered"] = float(
                covered.mean()
            )
    if {"skgn", "MLPRegressor"} <= {*methods}:
        row |= to_the_peers_best(X, y, split)
    return row


def to_the_peers_best(X, y, split):
    """Return the time of MLPRegressor to its best validation error x 1.01, and ours."""
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.25, random_state=split)
    scaler, unit = StandardScaler().fit(X), y.std()
    T, T_val, v = scaler.transform(X), scaler.transform(X_val), (y - y.mean()) / unit
    peer, seconds, best = MLPRegressor(random_state=split), 0.0, []
    for _ in range(200):
        start = process_time()
        peer.partial_fit(T, v)
        seconds += process_time() - start
        best.append((rmse(y_val, peer.predict(T_val) * unit + y.mean()), seconds))
    target = 1.01 * min(error for error, _ in best)
    theirs = min(time for error, time in best if error <= target)
    reached = {}
    for label, parameters in {
        "plain": {"alpha": 1e-4, "encoding": None},
        "default": {},
    }.items():
        reached[label] = None
        for passes in BUDGETS:
            ours = GaussNewtonMLPRegressor(
                random_state=split, max_iter=passes, **parameters
            )
            time = fit_seconds(ours, X, y)
            if rmse(y_val, ours.predict(X_val)) <= target:
                reached[label] = min(time, reached[label] or np.inf)
    return {"target": target, "MLPRegressor to it": theirs} | {
        f"skgn to it, {label}": time for label, time in reached.items()
    }


def counts_and_amounts(split):
    """Return deviances of counts and amounts that depend on interactions."""
    rng = np.random.default_rng(split)
    X = rng.normal(size=(8000, 6))
    mean = np.exp(0.5 * X[:, 0] * X[:, 1] + 0.5 * np.sin(2 * X[:, 2]) + 0.3 * X[:, 3])
    rows = {}
    for loss, deviance, linear in (
        ("poisson", mean_poisson_deviance, PoissonRegressor(max_iter=1000)),
        ("gamma", mean_gamma_deviance, GammaRegressor(max_iter=1000)),
    ):
        y = rng.poisson(mean) if loss == "poisson" else mean * rng.gamma(2.0, 0.5, 8000)
        y = y.astype(float)
        models = {
            **{own: kind(loss=loss, random_state=split) for own, kind in OURS.items()},
            "linear": linear,
            "HistGradientBoosting": HistGradientBoostingRegressor(
                loss=loss, random_state=split
            ),
        }
        for name, model in models.items():
            fit_seconds(model, X[:5000], y[:5000])
            rows[f"{loss}, {name}"] = float(deviance(y[5000:], model.predict(X[5000:])))
    return rows


def mean_ratio(ratios):
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(ratios)))) if len(ratios) else np.nan


def ranks(results):
    """Return mean ranks of mean test errors, over the sets that all methods have."""
    splits = [list(own.values()) for name, own in results.items() if name != COUNTS]
    methods = [m for m in METHODS if any(m in row for own in splits for row in own)]
    table = [
        [np.mean([row[method] for row in own]) for method in methods]
        for own in splits
        if all(method in row for row in own for method in methods)
    ]
    own = rankdata(table, axis=1).mean(axis=0) if table else [np.nan] * len(methods)
    return dict(zip(methods, own, strict=True))


def report(results):
    """Print what the numbers say."""
    rows = []
    for name, splits in results.items():
        if name == COUNTS:
            continue
        values = list(splits.values())
        keys = [key for key in values[0] if not any(v.get(key) is None for v in values)]
        rows.append(
            {"data": name}
            | {key: float(np.mean([v[key] for v in values])) for key in keys}
        )
    names = list(max(rows, key=len))
    print(markdown([{name: row.get(name, "never") for name in names} for row in rows]))
    for own in OURS:
        for peer in METHODS:
            both = [row for row in rows if own in row and peer in row]
            if not both or (peer in OURS and (own, peer) != ("ensemble", "skgn")):
                continue
            ratios = np.array([row[own] / row[peer] for row in both])
            times = [row[f"{peer} s"] / row[f"{own} s"] for row in both]
            print(
                f"RMSE, {own} / {peer}: {mean_ratio(ratios):.3f}, lower on "
                f"{np.sum(ratios < 1)} of {len(ratios)}; "
                f"time / {own}'s {mean_ratio(times):.2f}"
            )
    print("\nMean ranks:")
    for method, rank in ranks(results).items():
        print(f"{method}: {rank:.2f}")
    for label in ("plain", "default"):
        own = [r for r in rows if f"skgn to it, {label}" in r]
        ratio = [r["MLPRegressor to it"] / r[f"skgn to it, {label}"] for r in own]
        print(
            f"Time to MLPRegressor's best, {label}: reached on {len(own)} of {len(rows)} "
            f"in all splits, {mean_ratio(ratio):.2f} times sooner"
        )
    for name in ("covered", "ensemble covered"):
        covered = [0.85 <= row[name] <= 0.95 for row in rows if name in row]
        print(f"90 % {name}: 85 to 95 % on {sum(covered)} of {len(covered)} data sets")
    if COUNTS in results:
        runs = list(results[COUNTS].values())
        print({key: round(float(np.mean([r[key] for r in runs])), 4) for key in runs[0]})


def main():
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--output", type=Path, default=FILE)
    arguments = parser.parse_args()
    file, results = arguments.output, {}
    if file.exists():
        results = json.loads(file.read_text())
    names = ["diabetes", *FRIEDMAN, COUNTS]
    if "SKGN_DATA" in os.environ:
        names += FILES
    methods = [m for m in arguments.methods if m != "CatBoost" or find_spec("catboost")]
    for name in [] if arguments.report else arguments.data or names:
        for split in range(arguments.splits):
            done = (
                counts_and_amounts(split)
                if name == COUNTS
                else measure(name, split, methods)
            )
            results.setdefault(name, {}).setdefault(str(split), {}).update(done)
            print(name, split, {k: v and round(v, 4) for k, v in done.items()})
            file.write_text(json.dumps(results, indent=1) + "\n")
    report(results)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
