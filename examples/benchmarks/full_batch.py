"""Measure the full-batch solver against MLPClassifier, side by side in one process.

    python examples/benchmarks/full_batch.py [--only NAME ...] [--repeats 5]

Everything runs on one thread. Results go to ``examples/benchmarks/full_batch.json``, from
which ``python examples/benchmarks/page.py`` writes ``docs/benchmarks.md``. Parts that
need the data sets of the folder named by the environment variable SKGN_DATA are left out
where it is not set.

A peer's time to a target is the time of one uninterrupted fit with just as many
iterations as it needs, which are counted beforehand and not timed.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
)
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tools import (
    FLOATS,
    adam_epochs_to,
    fit_seconds,
    lbfgs_iterations_to,
    load,
    loss_of,
    machine,
    markdown,
    median,
    mlp,
    split,
    standardised,
)

from skgn import GaussNewtonMLPClassifier
from skgn.model.inputs import Standardisation, make_inputs
from skgn.model.losses import Multinomial
from skgn.model.network import Network
from skgn.model.objective import Objective

EIGHT = "letter pendigits optdigits magic phoneme churn car nursery".split()


def digits_to_zero(repeats):
    """Iterations to a training cost of 1e-10 on digits 70/30, alpha = 0, float64."""
    X, y = load_digits(return_X_y=True)
    rows = []
    for layers in ((100,), (50, 50, 50)):
        counts = []
        for seed in range(repeats):
            X_train, _, y_train, _ = split(X, y, seed, 0.3)
            model = GaussNewtonMLPClassifier(
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
            model = GaussNewtonMLPClassifier(layers, random_state=seed)
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

            model = GaussNewtonMLPClassifier(
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


CATS = """
import json, os, sys, tracemalloc, warnings
from time import perf_counter
import numpy as np
from skgn import GaussNewtonMLPClassifier
warnings.simplefilter("ignore")
with np.load(os.environ["SKGN_DATA"] + "/cat_vs_noncat.npz") as data:
    X, y, X_test, y_test = (data[k] for k in ("X", "y", "X_test", "y_test"))
X = X.reshape(len(X), -1).astype(sys.argv[1])
X_test = X_test.reshape(len(X_test), -1).astype(sys.argv[1])
rows = []
for seed in range(20):
    model = GaussNewtonMLPClassifier(
        json.loads(sys.argv[2]), alpha=float(sys.argv[3]), random_state=seed
    )
    start = perf_counter()
    model.fit(X, y)
    rows.append((perf_counter() - start, model.score(X, y), model.score(X_test, y_test)))
tracemalloc.start()  # which numpy reports its arrays to
model.fit(X, y)
print(json.dumps({"rows": rows, "MB": tracemalloc.get_traced_memory()[1] / 2**20}))
"""


def cats(repeats):
    """Cat pictures, 209 x 12,288, 20 seeds, alpha = 3e-5."""
    rows = []
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for dtype in FLOATS:
        for layers in ((7,), (20, 7, 5)):
            output = subprocess.run(
                [sys.executable, "-c", CATS, dtype.__name__, json.dumps(layers), "3e-5"],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=environment,
            )
            result = json.loads(output.stdout)
            times, train, test = zip(*result["rows"], strict=True)
            rows.append(
                {
                    "layers": layers,
                    "float": dtype.__name__,
                    "train accuracy, least": min(train),
                    "test accuracy, mean": float(np.mean(test)),
                    "standard error": float(np.std(test, ddof=1) / np.sqrt(len(test))),
                    "s, median": median(times),
                    "s, most": max(times),
                    "peak MB of arrays in fit": result["MB"],
                }
            )
    return rows


def one_iteration(repeats):
    """One iteration against one cost and gradient, 20,000 x 100, (100,), 10 classes."""
    X64, y = make_classification(
        20_000,
        100,
        n_informative=30,
        n_classes=10,
        n_clusters_per_class=1,
        random_state=0,
    )
    rows = []
    for dtype in FLOATS:
        X = X64.astype(dtype)
        weights = np.full(len(X), 1 / len(X))
        network = Network.of((100, 100, 10), ["leaky_relu"])
        layers = network.initial_weights(np.random.RandomState(0), np.zeros(10))
        theta = np.concatenate([V.ravel() for V in layers]).astype(dtype)
        objective = Objective(
            network=network,
            loss=Multinomial(),
            inputs=make_inputs(X, Standardisation.of(X, weights)),
            targets=y,
            row_weights=weights.astype(dtype),
            alpha=1e-4,
        )
        runs = []
        for seed in range(repeats):
            evaluations = []
            for _ in range(20):
                start = perf_counter()
                here = objective.evaluate(theta)
                _ = here.cost, here.gradient
                evaluations.append(perf_counter() - start)
                objective.recycle(here)
            model = GaussNewtonMLPClassifier(
                tol=0, max_iter=40, batch_size=None, random_state=seed
            )
            fit_seconds(model, X, y)
            iteration = model.history_["seconds"][-1] / model.n_iter_
            runs.append((1e3 * iteration, 1e3 * median(evaluations)))
        rows.append(
            {
                "float": dtype.__name__,
                "iteration, ms": median([ours for ours, _ in runs]),
                "cost and gradient, ms": median([one for _, one in runs]),
                "ratio": median([ours / one for ours, one in runs]),
            }
        )
    return rows


def raw_columns(repeats):
    """Largest difference in probabilities, raw columns against StandardScaler output."""
    rows = []
    for name, loader in (("wine", load_wine), ("breast cancer", load_breast_cancer)):
        X, y = loader(return_X_y=True)
        T = StandardScaler().fit_transform(X)
        differences = []
        for seed in range(repeats):
            model = GaussNewtonMLPClassifier(random_state=seed)
            raw = model.fit(X, y).predict_proba(X)
            differences.append(np.abs(raw - model.fit(T, y).predict_proba(T)).max())
        rows.append({"data": name, "largest difference": float(max(differences))})
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
        model = GaussNewtonMLPClassifier(batch_size=None, random_state=seed)
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

INTRODUCTION = """All rows at each iteration (`batch_size=None`). Written by
`python examples/benchmarks/full_batch.py`, which tells how each number is
taken. Times are compared within a row: they were taken side by side. Figures are medians
over seeds unless a column says otherwise; the losses and accuracies of the last table are
means. In `skgn / adam` and the like, less than 1 is faster, and 0 says that the peer
never got there. In the last table, magic is lost by 2 % and churn by far: its labels are
noisy, and at the default penalty the net fits them; `alpha=1e-3` or `early_stopping=True`
helps there.
"""


def sections(results):
    """Return the lines of text and tables of all parts measured so far."""
    text = [INTRODUCTION]
    for name, part in PARTS.items():
        if name in results:
            result = results[name]
            text += [f"### {part.__doc__.rstrip('.')}", "", markdown(result["rows"]), ""]
            text += [f"{result['repeats']} seeds. {result['machine']}.", ""]
    return text


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    store = Path(__file__).with_suffix(".json")
    results = json.loads(store.read_text()) if store.exists() else {}
    for name in arguments.only:
        if name in NEED_DATA and "SKGN_DATA" not in os.environ:
            print(f"{name}: left out, SKGN_DATA is not set")
            continue
        start = perf_counter()
        rows = PARTS[name](arguments.repeats)
        print(
            f"\n{name} ({perf_counter() - start:.0f} s)\n\n{markdown(rows)}", flush=True
        )
        results[name] = {
            "rows": rows,
            "repeats": 20 if name == "cats" else arguments.repeats,
            "machine": machine(),
        }
        store.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
