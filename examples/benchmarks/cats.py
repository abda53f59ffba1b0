"""Cat pictures: far more columns than rows, time, accuracy and memory over 20 seeds."""

import json
import os
import subprocess
import sys

import numpy as np
from tools import FLOATS, median

CATS = """
import json, os, sys, tracemalloc, warnings
from time import process_time
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
    start = process_time()
    model.fit(X, y)
    rows.append((process_time() - start, model.score(X, y), model.score(X_test, y_test)))
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
