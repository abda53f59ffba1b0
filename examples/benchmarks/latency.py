"""What is felt at once: the import, a small fit, predictions."""

import subprocess
import sys
from functools import partial
from time import perf_counter

import numpy as np
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from tools import median

from skgn import GaussNewtonMLPClassifier

ROWS, QUICK_ROWS = 3000, 200
COLUMNS, CLASSES = 784, 10


def _seconds(call, times):
    """Return the median wall time of a call, and of its equals one after the other."""
    found = []
    for _ in range(times):
        start = perf_counter()
        call()
        found.append(perf_counter() - start)
    return median(found)


def predictions(repeats, quick=False):
    """Predictions of float32 rows, (100,), beside a bare MLPClassifier's."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    y = np.arange(ROWS) % CLASSES
    ours = GaussNewtonMLPClassifier(alpha=1e-4, max_iter=1, random_state=0).fit(X, y)
    peer = MLPClassifier(max_iter=2, random_state=0)
    for _ in range(2):
        peer.partial_fit(X, y, classes=np.unique(y))
    found = []
    for m in (QUICK_ROWS if quick else ROWS, 1):
        calls = 10 * repeats if m > 1 else 300 * repeats
        times = {}
        for _ in range(2):  # the first time, both warm up
            for name, model in {"skgn": ours, "MLPClassifier": peer}.items():
                times[name] = _seconds(partial(model.predict_proba, X[:m]), calls)
        ratio = times["skgn"] / times["MLPClassifier"]
        milliseconds = {f"{name}, ms": 1e3 * t for name, t in times.items()}
        found.append({"rows": m, **milliseconds, "skgn / MLPClassifier": ratio})
    return found


def beginnings(repeats, quick=False):
    """Return what an import adds to that of scikit-learn, and the time of a small fit."""
    times = 1 if quick else 5 * repeats
    imports = {
        "import sklearn": "import sklearn",
        "skgn beside it": "import sklearn, skgn",
        "sklearn.neural_network beside it": "import sklearn, sklearn.neural_network",
    }
    taken = {name: [] for name in imports}
    for _ in range(times):
        for name, line in imports.items():
            start = perf_counter()
            subprocess.run([sys.executable, "-c", line], check=True)
            taken[name].append(perf_counter() - start)
    # the least: whatever else the machine does comes on top
    least = {name: min(values) for name, values in taken.items()}
    base = least.pop("import sklearn")
    rows = [{"what": f"import {k}", "ms": 1e3 * (v - base)} for k, v in least.items()]
    X, y = load_iris(return_X_y=True)
    for name, make in {"skgn": GaussNewtonMLPClassifier, "MLPClassifier": _peer}.items():
        make(random_state=0).fit(X, y)
        fit = _seconds(lambda make=make: make(random_state=0).fit(X, y), 5 * repeats)
        rows.append({"what": f"fit of iris, {name}", "ms": 1e3 * fit})
    return rows


def _peer(random_state):
    """Return MLPClassifier with enough iterations to converge."""
    return MLPClassifier(max_iter=1000, random_state=random_state)
