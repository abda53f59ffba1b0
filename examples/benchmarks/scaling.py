"""Cost against rows, columns and classes, and memory, on generated rows."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from tools import fit_seconds, loss_of, median, mlp, split, standardised

from skgn import GaussNewtonMLPClassifier

PASSES = 5
ALPHA = 1e-4  # of the passes; default fits search for theirs
#: Columns of the tables that are drawn, and their names.
SERIES = {
    "skgn s, default fit": "skgn, default fit",
    "skgn s per pass": "skgn, one pass",
    "adam s per pass": "adam, one epoch",
}
LONGEST = 90.0  # seconds of one default fit; a longer one is left out
ROWS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
COLUMNS = (10, 30, 100, 300, 1_000, 3_000, 5_000)
MANY_CLASSES, QUICK_CLASSES = (50, 200, 500), (20,)
QUICK_ROWS, QUICK_COLUMNS = (1_000, 3_000, 10_000), (10, 30, 100)


def teacher(m, n, seed=0):
    """Return rows of normal columns and three classes, which ten columns decide."""
    rng = np.random.default_rng(seed)
    X = np.empty((m, n))
    for start in range(0, m, 50_000):
        block = X[start : start + 50_000]
        block[:] = rng.normal(size=block.shape)
    hidden, out = rng.normal(size=(10, 20)), rng.normal(size=(20, 3))
    Z = np.tanh(X[:, :10] @ hidden / 3) @ out
    y = np.argmax(Z - Z.mean(axis=0), axis=1)
    flipped = rng.random(m) < 0.05
    y[flipped] = rng.integers(3, size=flipped.sum())
    return X, y


def _measure(X, y, repeats, known):
    """Return seconds per pass of skgn and adam, and seconds of a default fit."""
    runs = []
    for seed in range(repeats):
        ours = GaussNewtonMLPClassifier(alpha=ALPHA, max_iter=PASSES, random_state=seed)
        ours_seconds = fit_seconds(ours, X, y)
        scaler = StandardScaler()
        adam_seconds = fit_seconds(scaler, X, y)
        T = scaler.transform(X)
        adam_seconds += fit_seconds(mlp((100,), seed, PASSES), T, y)
        run = {
            "skgn s per pass": ours_seconds / ours.n_iter_,
            "adam s per pass": adam_seconds / PASSES,
        }
        if known:
            model = GaussNewtonMLPClassifier(random_state=seed)
            run["skgn s, default fit"] = fit_seconds(model, X, y)
            run["passes"] = model.n_iter_
        run["by"] = ours.stop_reason_ == "schedule"
        runs.append(run)
    row = {key: median([run[key] for run in runs]) for key in runs[0] if key != "by"}
    return {**row, "skgn by": "mini-batches" if runs[0]["by"] else "all rows"}


def _sweep(X, y, sizes, take, repeats):
    """Measure over sizes; default fits while the next is not expected to be too long."""
    rows, expected = [], 0.0
    for i, size in enumerate(sizes):
        X_size, y_size = take(X, y, size)
        # three runs where they are short
        times = repeats if expected < 10 else 1
        row = _measure(X_size, y_size, times, expected < LONGEST)
        growth = sizes[i + 1] / size if i + 1 < len(sizes) else 1
        expected = row.get("skgn s, default fit", np.inf) * growth**1.2
        rows.append({"size": size, "repeats": times, **row})
        print("  " + ", ".join(f"{k} {v:.3g}" for k, v in row.items() if k != "skgn by"))
    return rows


def cost_against_rows(repeats, quick=False):
    """Cost against rows: 50 columns, 3 classes, (100,), float64."""
    sizes = QUICK_ROWS if quick else ROWS
    X, y = teacher(sizes[-1], 50)
    return _sweep(X, y, sizes, lambda X, y, m: (X[:m], y[:m]), repeats)


def cost_against_columns(repeats, quick=False):
    """Cost against columns: 4,000 rows, 3 classes, (100,), float64."""
    sizes = QUICK_COLUMNS if quick else COLUMNS
    X, y = teacher(4_000, sizes[-1])

    def take(X, y, n):
        return np.ascontiguousarray(X[:, :n]), y

    return _sweep(X, y, sizes, take, repeats)


def cost_against_classes(repeats, quick=False):
    """Default fits of many classes: 2,000 rows of 50 columns, beside MLPClassifier's."""
    rows = []
    for n_classes in QUICK_CLASSES if quick else MANY_CLASSES:
        X, y = make_classification(
            3_000,
            50,
            n_informative=30,
            n_classes=n_classes,
            n_clusters_per_class=1,
            class_sep=2.0,
            random_state=0,
        )
        found = {"skgn": [], "MLPClassifier": []}
        for seed in range(repeats):
            X_train, X_test, y_train, y_test = split(X, y, seed, 1 / 3)
            T_train, T_test = standardised(X_train, X_test)
            ours = GaussNewtonMLPClassifier(random_state=seed)
            time = fit_seconds(ours, X_train, y_train)
            found["skgn"].append((time, loss_of(ours, X_test, y_test)))
            peer = MLPClassifier(random_state=seed)
            time = fit_seconds(peer, T_train, y_train)
            found["MLPClassifier"].append((time, loss_of(peer, T_test, y_test)))
        middle = {name: np.median(pairs, axis=0) for name, pairs in found.items()}
        row = {"classes": n_classes}
        row |= {f"{name}, s": float(time) for name, (time, _) in middle.items()}
        row |= {f"{name}, test log-loss": float(x) for name, (_, x) in middle.items()}
        rows.append(row)
    return rows


def slope(rows, key, least):
    """Return the slope of log seconds on log size from a least size on, or None."""
    points = [(r["size"], r[key]) for r in rows if r["size"] >= least and key in r]
    if len(points) < 2:
        return None
    return float(np.polyfit(*np.log(points).T, 1)[0])


MEMORY = """
import json, resource, sys, warnings
from pathlib import Path
import numpy as np
from skgn import GaussNewtonMLPClassifier

def peak():  # in a process of its own; ru_maxrss would count the parent's too
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":") for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
GaussNewtonMLPClassifier(max_iter=1).fit(np.eye(4), [0, 1, 0, 1])  # imports
X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
before = peak()
GaussNewtonMLPClassifier(max_iter=int(sys.argv[2]), random_state=0).fit(X, y)
print(json.dumps({"X MB": X.nbytes / 2**20, "beyond X MB": peak() - before}))
"""


def memory(repeats, quick=False):
    """Memory of a fit: peak of the process beyond what it holds before, float64."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    shapes = [(20_000, 50)] if quick else [(100_000, 50), (1_000_000, 50)]
    rows = []
    for m, n in shapes:
        with tempfile.TemporaryDirectory() as folder:
            X, y = teacher(m, n)
            np.save(Path(folder) / "X.npy", X)
            np.save(Path(folder) / "y.npy", y)
            del X, y
            output = subprocess.run(
                [sys.executable, "-c", MEMORY, folder, "2"],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=environment,
            )
        rows.append({"rows": m, "columns": n, **json.loads(output.stdout)})
    return rows
