"""Measure how soon each method gives a good model; write the page of benchmarks.

    python examples/benchmarks/speed.py [--only PART ...] [--data NAME ...] [--repeats 3]

Everything runs on one thread, side by side in one process. Raw numbers go to
``examples/benchmarks/speed.json`` after each data set, so that a run may be made in
pieces, and ``docs/benchmarks.md`` is written from all of them. Data sets are those of the
folder named by the environment variable SKGN_DATA; without it only digits and generated
data are measured.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
import page
from peers import (
    Data,
    adam_path,
    fit_per_partial_fit,
    lbfgs_ladder,
    skgn_ladder,
    torch,
    torch_ladder,
    torch_sweep,
)
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from tools import fit_seconds, load, loss_of, machine, split

from skgn import GaussNewtonMLPClassifier

STORE = Path(__file__).with_suffix(".json")
TABLES = (
    "digits car phoneme magic pendigits optdigits letter nursery electricity adult "
    "bank_marketing churn"
).split()
ROWS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
COLUMNS = (10, 30, 100, 300, 1_000, 3_000, 5_000)
RATES = (1e-3, 3e-3, 1e-2, 2e-2)


def data_of(name, seed, dtype):
    """Return one split: 60 / 20 / 20, or 80 / 20 and the canonical test rows."""
    if name == "digits":
        arrays = dict(zip("Xy", load_digits(return_X_y=True), strict=True))
    elif name == "gen50k":
        X, y = make_classification(
            50_000,
            100,
            n_informative=30,
            n_redundant=0,
            n_classes=10,
            n_clusters_per_class=4,
            flip_y=0.02,
            class_sep=2,
            random_state=seed,
        )
        arrays = {"X": X, "y": y}
    else:
        arrays = load(name)
    X, y = arrays["X"].astype(dtype), arrays["y"]
    if "X_test" in arrays:
        X_test, y_test = arrays["X_test"].astype(dtype), arrays["y_test"]
        X, X_val, y, y_val = split(X, y, seed, 0.2)
    else:
        X, rest, y, y_rest = split(X, y, seed, 0.4)
        X_val, X_test, y_val, y_test = split(rest, y_rest, seed, 0.5)
    return Data(X, y, X_val, y_val, X_test, y_test)


def targets_of(*peers):
    """Return the loss and accuracy targets that peers set by their best."""
    losses = [1.01 * min(run["loss"] for run in runs) for runs in peers]
    accuracies = [max(run["accuracy"] for run in runs) - 0.001 for runs in peers]
    return losses, accuracies


def ladders(name, layers, repeats, dtype, epochs, with_lbfgs, with_torch, most_seconds):
    """Return all methods' runs on one data set."""
    results = []
    chosen = None
    for seed in range(repeats):
        data = data_of(name, seed, dtype)
        peers = {"adam": adam_path(data, layers, seed, epochs, most_seconds)}
        if with_lbfgs:
            peers["lbfgs"] = lbfgs_ladder(data, layers, seed, most_seconds)
        if with_torch and torch is not None:
            if chosen is None:
                chosen = torch_sweep(data, layers, RATES, (128, 256))
            peers["torch"] = torch_ladder(data, layers, seed, *chosen)
        losses = targets_of(*peers.values())[0]
        accuracies = targets_of(peers["adam"])[1]
        runs = skgn_ladder(data, layers, seed, (losses, accuracies), most_seconds)
        results.append({**peers, "skgn": runs})
    return {
        "data": name,
        "layers": layers,
        "adam factor": fit_per_partial_fit(data, layers),
        "m": len(data.y),
        "n": data.raw[0].shape[1],
        "classes": len(np.unique(data.y)),
        "dtype": np.dtype(dtype).name,
        "torch rate, batch": chosen,
        "runs": results,
    }


def defaults(name, repeats, dtype):
    """Return seconds, test log-loss and accuracy of default fits."""
    rows = {}
    for seed in range(repeats):
        data = data_of(name, seed, dtype)
        models = {
            "skgn": GaussNewtonMLPClassifier(random_state=seed),
            "adam": MLPClassifier(random_state=seed),
            "adam, early stopping": MLPClassifier(early_stopping=True, random_state=seed),
            "lbfgs": MLPClassifier(solver="lbfgs", random_state=seed),
            "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
            "logistic regression": LogisticRegression(max_iter=1000),
        }
        for method, model in models.items():
            X, _, X_test = data.raw if method == "skgn" else data.scaled
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seconds = fit_seconds(model, X, data.y)
            scores = loss_of(model, X_test, data.y_test), model.score(X_test, data.y_test)
            rows.setdefault(method, []).append((seconds, *scores))
    return {"data": name, "runs": rows}


def generated(m, n, seed=0):
    """Return normal rows of three classes."""
    rng = np.random.RandomState(seed)
    X = np.empty((m, n))
    for i in range(0, m, 50_000):
        X[i : i + 50_000] = rng.standard_normal(X[i : i + 50_000].shape)
    W = rng.standard_normal((n, 3)) / np.sqrt(n)
    return X, np.argmax(np.tanh(X @ W) + 0.1 * rng.standard_normal((m, 3)), axis=1)


def scaling(repeats):
    """Return seconds of three passes against rows and against columns."""
    result = {"rows": [], "columns": []}
    for m in ROWS:
        X, y = generated(m, 50)
        times = {"size": m, "skgn": [], "adam": []}
        for seed in range(repeats if m < 300_000 else 1):
            batch = {"batch_size": 256} if m < 3_000 else {}
            model = GaussNewtonMLPClassifier(max_iter=3, random_state=seed, **batch)
            times["skgn"].append(fit_seconds(model, X, y))
            if m <= 100_000:
                peer = MLPClassifier(max_iter=3, random_state=seed)
                times["adam"].append(fit_seconds(peer, X, y))
        result["rows"].append(times)
    for n in COLUMNS:
        X, y = generated(4_000, n)
        times = {"size": n, "skgn": [], "adam": []}
        for seed in range(repeats):
            model = GaussNewtonMLPClassifier(
                max_iter=3, batch_size=256, random_state=seed
            )
            times["skgn"].append(fit_seconds(model, X, y))
            peer = MLPClassifier(max_iter=3, batch_size=256, random_state=seed)
            times["adam"].append(fit_seconds(peer, X, y))
        result["columns"].append(times)
    code = "import speed; speed.print_peak_memory()"
    folder = Path(__file__).parent
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, check=True
    )
    result["peak MB beyond X, X in MB"] = json.loads(output.stdout)
    return result


def peak_memory():
    """Return the peak of this process's memory in MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def print_peak_memory():
    """Print what a fit of 1,000,000 x 50 takes beyond X, and X itself, in MB."""
    X, y = generated(1_000_000, 50)
    before = peak_memory()
    GaussNewtonMLPClassifier(max_iter=1, random_state=0).fit(X, y)
    print(json.dumps([peak_memory() - before, X.nbytes / 2**20]))


def threads(repeats):
    """Return seconds of default fits on one and two threads."""
    rows = []
    for name in ("digits", "letter", "mnist"):
        if name != "digits" and "SKGN_DATA" not in os.environ:
            continue
        data = data_of(name, 0, np.float32)
        X, y = data.raw[0][:20_000], data.y[:20_000]
        row = {"data": name, "m": len(y), "n": X.shape[1]}
        for count in (1, 2):
            with threadpool_limits(count):
                times = [
                    fit_seconds(GaussNewtonMLPClassifier(random_state=0), X, y)
                    for _ in range(repeats)
                ]
            row[f"{count} threads, s" if count > 1 else "1 thread, s"] = min(times)
        rows.append(row)
    return rows


def measure(part, names, repeats):
    """Yield (key, result) of a part, one data set after the other."""
    if part == "tables":
        for name in names or TABLES:
            most = 100 if name in ("adult", "bank_marketing", "electricity") else 200
            yield (
                name,
                ladders(name, (100,), repeats, np.float64, most, True, False, 12),
            )
    elif part == "defaults":
        for name in names or TABLES:
            yield name, defaults(name, repeats, np.float64)
    elif part == "torch":
        for name in names or ("gen50k", "mnist", "fashion_mnist"):
            epochs = 60 if name == "gen50k" else 20
            yield (
                f"{name} (100,)",
                ladders(name, (100,), repeats, np.float32, epochs, False, True, 60),
            )
    elif part == "deep":
        for name in names or ("mnist", "fashion_mnist"):
            yield (
                f"{name} (256, 128)",
                ladders(name, (256, 128), 1, np.float32, 12, False, True, 60),
            )
    elif part == "scaling":
        yield "scaling", scaling(repeats)
    elif part == "threads":
        yield "threads", threads(repeats)


PARTS = ("tables", "torch", "scaling", "deep", "defaults", "threads")


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--data", nargs="+", default=None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--store", type=Path, default=STORE)
    parser.add_argument("--output", type=Path, default=page.DOCS)
    arguments = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(1)
    results = json.loads(arguments.store.read_text()) if arguments.store.exists() else {}
    names = arguments.data
    if names is None and "SKGN_DATA" not in os.environ:
        names = ["digits"]
        print("SKGN_DATA is not set: digits and generated data only")
    for part in arguments.only:
        if part in ("torch", "deep") and names == ["digits"]:
            continue
        start = perf_counter()
        for key, result in measure(part, names, arguments.repeats):
            results.setdefault(part, {})[key] = {
                "repeats": arguments.repeats,
                "machine": machine(),
                "result": result,
            }
            arguments.store.write_text(json.dumps(results) + "\n")
            print(f"{perf_counter() - start:6.0f} s  {part}: {key}", flush=True)
    page.write(results, arguments.output)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
