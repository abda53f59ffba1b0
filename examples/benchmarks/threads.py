"""What a user feels who sets nothing: wall time, on quiet cores and with one core busy.

Each way of fitting has a process of its own, which is asked for one fit at a time, in
turn with the others. In one way nothing is set; in another the environment limits the
BLAS to one thread. "Busy" means that another process computes without end on one of the
cores; the way that has one thread is then kept on the other cores. It all says something
only where nothing else is running.
"""

import json
import os
import subprocess
import sys
import warnings
from contextlib import contextmanager
from functools import cache
from time import perf_counter, sleep

import joblib
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tools import load, median

from skgn import GaussNewtonMLPClassifier

SMALL = ("iris", "wine", "breast_cancer", "digits")
#: Data, hidden layers, precision.
LARGE = (
    ("letter", (100,), "float64"),
    ("adult", (100,), "float64"),
    ("mnist", (100,), "float32"),
    ("mnist", (256, 128), "float32"),
    ("mnist", (256, 128), "float64"),
)
ALPHAS = (1e-5, 1e-4, 1e-3, 1e-2)
FOLDS = 3
SEARCH_ROWS = 12_000
PREDICTIONS = 1000

LIMITS = ("OPENBLAS", "OMP", "MKL", "BLIS", "VECLIB_MAXIMUM")
LIMITS = tuple(f"{name}_NUM_THREADS" for name in LIMITS)


# In the processes.


@cache
def data(name, dtype="float64", rows=None):
    """Return X and y of a data set, bundled or in the folder SKGN_DATA."""
    if name in SMALL:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    else:
        arrays = load(name)
        X, y = arrays["X"], arrays["y"]
    return X[:rows].astype(dtype), y[:rows]


def estimator(peer=False, layers=(100,), seed=0, **parameters):
    """Return skgn at its defaults, or its peer."""
    if not peer:
        return GaussNewtonMLPClassifier(tuple(layers), random_state=seed, **parameters)
    return make_pipeline(StandardScaler(), MLPClassifier(layers, random_state=seed))


def fit(name, dtype="float64", **how):
    """Return the seconds of a fit."""
    X, y = data(name, dtype)
    model = estimator(**how)
    return seconds(lambda: model.fit(X, y))


def search(name, rows, n_jobs, refit):
    """Return the seconds of a grid search whose workers are already running."""
    X, y = data(name, "float32", rows)
    grid = {"alpha": ALPHAS}
    search = GridSearchCV(estimator(), grid, n_jobs=n_jobs, cv=FOLDS, refit=refit)
    if n_jobs > 1:
        joblib.Parallel(n_jobs)(joblib.delayed(sleep)(0.5) for _ in range(n_jobs))
        search.fit(X[:500], y[:500])
    return seconds(lambda: search.fit(X, y))


@cache
def fitted(name, peer):
    """Return a fitted model."""
    return estimator(peer).fit(*data(name))


def predict(name, times, peer=False):
    """Return the seconds of predictions for single rows."""
    model, X = fitted(name, peer), data(name)[0]
    return seconds(lambda: [model.predict_proba(X[i : i + 1]) for i in range(times)])


def seconds(call):
    """Return the wall time of a call; the last iteration is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = perf_counter()
        call()
        return perf_counter() - start


def serve():
    """Answer the questions on the standard input, a line of JSON each."""
    for line in sys.stdin:
        task, arguments = json.loads(line)
        print(json.dumps(globals()[task](**arguments)), flush=True)


# On this side of the processes.


class Way:
    """A process that takes times in its own way.

    Parameters
    ----------
    threads : int, optional
        Limit in its environment; none where it is left out.
    cpus : set of int, optional
        Where it may run.
    """

    def __init__(self, threads=None, cpus=None):
        environment = {k: v for k, v in os.environ.items() if k not in LIMITS}
        if threads:
            environment |= dict.fromkeys(LIMITS, str(threads))
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if cpus:
            os.sched_setaffinity(self.process.pid, cpus)

    def ask(self, task, **arguments):
        """Return the answer to a task."""
        print(json.dumps([task, arguments]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@contextmanager
def ways(**settings):
    """Start the processes of some ways; end them."""
    started = {name: Way(**each) for name, each in settings.items()}
    try:
        yield started
    finally:
        for way in started.values():
            way.process.kill()
            way.process.wait()


@contextmanager
def busy_core(cpu):
    """Keep a core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            os.sched_setaffinity(process.pid, {cpu})
            sleep(0.5)
            yield
        finally:
            process.kill()


def in_turn(repeats, questions):
    """Ask each question `repeats` times, in turn; return the median answers.

    A question is a way, a task and its arguments, but for a seed, by what it is called.
    """
    answers = {name: [] for name in questions}
    for seed in range(repeats):
        for name, (way, task, arguments) in questions.items():
            seeded = {"seed": seed} if task == "fit" else {}
            answers[name].append(way.ask(task, **arguments, **seeded))
    return {name: median(values) for name, values in answers.items()}


def default_fits(repeats, quick=False):
    """Default fits with nothing set, on quiet cores and with one of them busy."""
    cases = [(name, (100,), "float64") for name in SMALL]
    if quick:
        cases = cases[:1]
    elif "SKGN_DATA" in os.environ:
        cases += LARGE
    measured = {case: {} for case in cases}
    with ways(nothing={}, one={"threads": 1}) as quiet:
        for case in cases:
            measured[case] |= _fits(repeats, case, quiet, "{}")
    if hasattr(os, "sched_setaffinity") and os.cpu_count() > 1:
        *free, taken = sorted(os.sched_getaffinity(0))
        one = {"threads": 1, "cpus": set(free)}
        with busy_core(taken), ways(nothing={}, one=one) as busy:
            for case in cases:
                measured[case] |= _fits(repeats, case, busy, "{}, one core busy")
    rows = []
    for (name, layers, dtype), times in measured.items():
        X, _ = data(name, dtype)
        label = f"{name} {layers}, {dtype}" if name == "mnist" else f"{name}, {dtype}"
        head = {"data": label, "rows": len(X), "columns": X.shape[1]}
        rows.append(head | {f"{way}, ms": 1000 * t for way, t in times.items()})
    return rows


def _fits(repeats, case, by, label):
    """Return the seconds of a case by how they were taken."""
    name, layers, dtype = case
    how = {"name": name, "layers": layers, "dtype": dtype}
    questions = {
        label.format("one thread"): (by["one"], "fit", how),
        label.format("nothing set"): (by["nothing"], "fit", how),
    }
    if name in SMALL:
        peer = how | {"peer": True}
        questions[label.format("MLPClassifier, nothing set")] = by["nothing"], "fit", peer
        repeats += 2
    for way in by.values():  # load the data and wake up
        way.ask("fit", **how | {"layers": (5,)})
    return in_turn(repeats, questions)


def grid_search(repeats, quick=False):
    """A grid search of 4 settings and 3 folds, nothing set, in one process or two."""
    name = "letter" if "SKGN_DATA" in os.environ and not quick else "digits"
    rows = SEARCH_ROWS if name == "letter" else 600
    task = {"name": name, "rows": rows}
    with ways(nothing={}) as by:
        questions = {
            (refit, n_jobs): (
                by["nothing"],
                "search",
                task | {"n_jobs": n_jobs, "refit": refit},
            )
            for refit in (False, True)
            for n_jobs in (1, 2)
        }
        times = in_turn(repeats, questions)
    return [
        {
            "data": name,
            "rows": rows,
            "fits": FOLDS * len(ALPHAS) + refit,
            "n_jobs": n_jobs,
            "s": seconds,
            "speed-up": times[refit, 1] / seconds,
        }
        for (refit, n_jobs), seconds in times.items()
    ]


def single_rows(repeats, quick=False):
    """Predictions of one row at a time, 1000 times."""
    name, times = "digits", 10 if quick else PREDICTIONS
    task = {"name": name, "times": times}
    peer = task | {"peer": True}
    with ways(nothing={}, one={"threads": 1}) as by:
        questions = {
            "one thread": (by["one"], "predict", task),
            "nothing set": (by["nothing"], "predict", task),
            "MLPClassifier, nothing set": (by["nothing"], "predict", peer),
        }
        for way, ask, arguments in questions.values():
            way.ask(ask, **arguments)
        answers = in_turn(3 * repeats, questions)
    return [{"data": name} | {f"{way}, s": t for way, t in answers.items()}]


if __name__ == "__main__":
    serve()
