"""A fit on a cluster beside a fit here: rows in Parquet files, two workers.

    python examples/cluster.py [--rows 200000] [--columns 20] [--workers 2]

The files are generated in a temporary folder. The cluster is of local processes. On a
real one, nothing but the line with LocalCluster differs.
"""

import argparse
import logging
import tempfile
from pathlib import Path
from time import perf_counter

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from sklearn.metrics import log_loss

from skgn import GaussNewtonMLPClassifier

#: Rows of a file.
ROWS_PER_FILE = 25_000

#: What is fitted.
FITS = {
    "all rows at each step (batch_size=None)": {
        "batch_size": None,
        "alpha": 1e-4,
        "encoding": None,
        "max_iter": 15,
        "tol": 0.0,
    },
    "mini-batches (the default)": {},
}


def generate(rows: int, columns: int, seed: int) -> pd.DataFrame:
    """Return rows of three classes, with interactions."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    scores = np.random.default_rng(0).normal(size=(columns, 3))
    Z = X @ scores / 2 + np.stack([X[:, 0] * X[:, 1], X[:, 2] ** 2, X[:, 3]], axis=1)
    y = (Z + rng.gumbel(size=Z.shape)).argmax(axis=1)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(columns)])
    return frame.assign(y=y)


def main() -> None:
    """Generate, fit here, fit there, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    own = parser.parse_args()
    logging.basicConfig(format="    %(message)s")
    logging.getLogger("skgn.cluster").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        for i, start in enumerate(range(0, own.rows, ROWS_PER_FILE)):
            rows = min(ROWS_PER_FILE, own.rows - start)
            part = generate(rows, own.columns, 1 + i)
            part.to_parquet(Path(folder) / f"{i:04}.parquet")
        test = generate(20_000, own.columns, 10_000)
        cluster = LocalCluster(
            n_workers=own.workers, threads_per_worker=1, dashboard_address=None
        )
        with cluster, Client(cluster):
            compare(folder, test)


def compare(folder: str, test: pd.DataFrame) -> None:
    """Fit to the files of a folder, here and on the cluster."""
    X_test, y_test = test.drop(columns="y"), test["y"]
    for name, parameters in FITS.items():
        print(name)
        estimator = GaussNewtonMLPClassifier(**parameters, random_state=0)
        begun = perf_counter()
        frame = pd.read_parquet(folder)
        estimator.fit(frame.drop(columns="y"), frame["y"])
        here = perf_counter() - begun
        local = estimator.predict_proba(X_test)
        begun = perf_counter()
        frame = dd.read_parquet(folder)
        estimator.fit(frame.drop(columns="y"), frame["y"])
        there = perf_counter() - begun
        spread = estimator.predict_proba(X_test)
        print(f"    here       {here:6.1f} s, log-loss {log_loss(y_test, local):.4f}")
        print(f"    on workers {there:6.1f} s, log-loss {log_loss(y_test, spread):.4f}")
        print(f"    largest difference of probabilities {abs(local - spread).max():.1e}")


if __name__ == "__main__":
    main()
