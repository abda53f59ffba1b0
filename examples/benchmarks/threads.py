"""One thread against two: default fits, and a grid search on threads or processes.

It says something only on a machine whose cores are otherwise idle: a BLAS that waits for
a core that is busy elsewhere takes many times as long. Wall time is only ever lengthened
by what else is running: the shortest of the repeats counts.
"""

import os
from time import perf_counter

import numpy as np
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits
from tools import fit_seconds, load

from skgn import GaussNewtonMLPClassifier

ALPHAS = (1e-5, 1e-4, 1e-3, 1e-2)
FOLDS = 3
#: Processes of the search, and BLAS threads in each.
SEARCHES = ((1, 1), (1, 2), (2, 1))


def one_and_two_threads(repeats, quick=False):
    """Default fits, float32, on one thread and two."""
    rows = []
    for name, X, y in _data(quick):
        seconds = {1: [], 2: []}
        for seed in range(repeats):
            for threads in (1, 2):
                with threadpool_limits(threads):
                    model = GaussNewtonMLPClassifier(random_state=seed)
                    seconds[threads].append(fit_seconds(model, X, y, perf_counter))
        one, two = min(seconds[1]), min(seconds[2])
        row = {"data": name, "rows": len(X), "columns": X.shape[1]}
        rows.append(
            {**row, "1 thread, s": one, "2 threads, s": two, "speed-up": one / two}
        )
    return rows


def grid_search(repeats, quick=False):
    """A grid search of 4 settings and 3 folds, float32, on threads or processes."""
    name, X, y = list(_data(quick))[-1 if quick else 1]
    seconds = {way: [] for way in SEARCHES}
    for _ in range(repeats):
        for way in SEARCHES:
            seconds[way].append(_search_seconds(X, y, *way))
    first = min(seconds[SEARCHES[0]])
    return [
        {
            "data": name,
            "n_jobs": jobs,
            "threads of each": threads,
            "s": min(seconds[jobs, threads]),
            "speed-up": first / min(seconds[jobs, threads]),
        }
        for jobs, threads in SEARCHES
    ]


def _search_seconds(X, y, jobs, threads):
    """Return the seconds of a search whose workers are already running."""
    grid = {"alpha": ALPHAS}
    model = GaussNewtonMLPClassifier(random_state=0)
    search = GridSearchCV(model, grid, n_jobs=jobs, cv=FOLDS)
    backend = parallel_config("loky", inner_max_num_threads=threads)
    with threadpool_limits(threads), backend:
        if jobs > 1:
            fit_seconds(search, X[:300], y[:300])
        return fit_seconds(search, X, y, perf_counter)


def _data(quick):
    X, y = load_digits(return_X_y=True)
    yield "digits", X.astype(np.float32), y
    if quick or "SKGN_DATA" not in os.environ:
        return
    data = load("letter")
    yield "letter", data["X"].astype(np.float32), data["y"]
    data = load("mnist")
    yield "mnist", data["X"][:20_000].astype(np.float32), data["y"][:20_000]
