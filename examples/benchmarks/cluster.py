"""Fits on a dask cluster of two local workers, and a model of their cost.

    python examples/benchmarks/cluster.py [--only PART...] [--quick]

Parts: accuracy (mini-batches of 1, 4 and 16 shares, simulated in this process, beside
local fits; data sets of SKGN_DATA), compute (one thread, in this process: microseconds of
a row), rounds (milliseconds of a round), runs (fits of 100,000 to 2,000,000 rows beside
what the model says), cpu (the processor time of all processes beside a local fit),
parquet (wall time from files, and the memory of the client). One BLAS thread for each
process. The results go to cluster.json; --report prints them alone.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster, wait

from skgn import GaussNewtonMLPClassifier
from skgn._threads import one_thread
from skgn.cluster.fit import SpreadSamples, fit_spread
from skgn.cluster.problem import ROUNDS_PER_EPOCH
from skgn.cluster.share import Batch, Model, Point, Share
from skgn.cluster.spread import InProcess
from skgn.cluster.workers import OnWorkers
from skgn.data.inputs import DenseInputs
from skgn.data.samples import Samples
from skgn.estimators.targets import learned
from skgn.fitting.fit import Start
from skgn.model.losses import Bernoulli, Multinomial
from skgn.model.network import Network
from skgn.steps.kronecker import MAX_AGE

FILE = Path(__file__).with_name("cluster.json")

#: Columns, hidden units and classes of the measurements of a row.
SHAPES = [(20, 50, 2), (50, 100, 3), (100, 100, 3), (100, 100, 10), (200, 200, 3)]

#: The shape of all fits.
N, H, K = 50, 100, 3

#: Iterations of a fit to all rows at a time; epochs of a fit in mini-batches.
ITERATIONS, EPOCHS = 10, 5

EXACT = {
    "alpha": 1e-4,
    "encoding": None,
    "batch_size": None,
    "max_iter": ITERATIONS,
    "tol": 0.0,
    "random_state": 0,
}
BATCHES = {**EXACT, "batch_size": "auto", "max_iter": EPOCHS}


def rows(m, seed=0, dtype=np.float32):
    """Return rows of three classes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, N), dtype=np.float32).astype(dtype)
    scores = np.random.default_rng(1).standard_normal((N, K)).astype(dtype)
    y = (X @ scores + 4 * rng.gumbel(size=(m, K))).argmax(axis=1)
    return X, y


def cluster(workers=2):
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)


# The model.


def passes_of(classes):
    """Return the backward passes of a refresh."""
    return 1 if classes == 2 else classes - 1


def features(n, h, classes):
    """Return what the time of a row is linear in: 1, units, products."""
    outputs = 1 if classes == 2 else classes
    return [1.0, h, h * (n + outputs)]


def bytes_of_iteration(n, h, classes, itemsize):
    """Return the bytes to each share and back in an iteration, one hidden layer."""
    outputs = 1 if classes == 2 else classes
    weights = (1 + n) * h + (1 + h) * outputs
    factors = h**2 + outputs**2 + (1 + h) ** 2
    share = 1 / min(passes_of(classes), MAX_AGE)
    return itemsize * 4 * weights, itemsize * (weights + share * factors) + 32


# Measurements.


def compute(quick):
    """Microseconds of a row in an iteration, and in a batch, float32, one thread."""
    found = []
    m = 2_000 if quick else 50_000
    for n, h, classes in SHAPES:
        rng = np.random.default_rng(0)
        tilde = rng.standard_normal((m, 1 + n)).astype(np.float32)
        outputs = 1 if classes == 2 else classes
        network = Network.of((n, h, outputs), ["leaky_relu"])
        loss = Bernoulli() if classes == 2 else Multinomial()
        y = rng.integers(classes, size=m)
        targets = y[:, None].astype(np.int8) if classes == 2 else y
        weights = np.full(m, 1 / m, np.float32)
        share = Share(DenseInputs(tilde), targets, weights)
        layers = network.initial_weights(np.random.RandomState(0), np.zeros(outputs))
        theta = np.concatenate([V.ravel() for V in layers]).astype(np.float32)
        own = network, loss, theta
        groups = np.arange(ROUNDS_PER_EPOCH)
        questions = {
            "model": Model(*own, (theta, theta + 1)),
            "point": Point(*own),
            "with factors": Point(*own, factors=True),
            "batch": Batch(*own, groups, ROUNDS_PER_EPOCH, None),
            "batch with factors": Batch(*own, groups, ROUNDS_PER_EPOCH, 0),
        }
        times = {}
        for name, question in questions.items():
            question(share)
            taken = []
            for _ in range(1 if quick else 5):
                start = process_time()
                question(share)
                taken.append(process_time() - start)
            times[name] = 1e6 * median(taken) / m
        refreshed = 1 / min(passes_of(classes), MAX_AGE)
        iteration = times["model"] + times["point"]
        iteration += refreshed * (times["with factors"] - times["point"])
        found.append(
            {"n": n, "h": h, "classes": classes, **times, "iteration": iteration}
        )
    return found


def fitted(compute_rows, name):
    """Return the coefficients of the time of a row, and the largest relative error."""
    A = np.array([features(own["n"], own["h"], own["classes"]) for own in compute_rows])
    t = np.array([own[name] for own in compute_rows])
    c, *_ = np.linalg.lstsq(A / t[:, None], np.ones(len(t)), rcond=None)
    return c, float(np.abs(A @ c / t - 1).max())


class Nothing:
    """A question that takes no time; weights to and fro."""

    def __init__(self, size):
        self.theta = np.zeros(size, np.float32)

    def __call__(self, part):
        return {"gradient": self.theta + part[0]}


def rounds(quick):
    """Milliseconds of a round without work, by the number of shares."""
    found = []
    size = (1 + N) * H + (1 + H) * K
    with cluster() as own, Client(own) as client:
        for parts in (2, 4, 8, 16, 64):
            futures = client.map(lambda i: np.full(1, float(i)), range(parts), pure=False)
            wait(futures)
            spread = OnWorkers(client, futures)
            taken = []
            for _ in range(5 if quick else 60):
                start = perf_counter()
                spread.sum(Nothing(size))
                taken.append(perf_counter() - start)
            found.append({"parts": parts, "ms": 1e3 * median(taken[len(taken) // 3 :])})
    return found


def _collections(client, X, y, parts):
    size = -(-len(y) // parts)
    pair = da.from_array(X, chunks=(size, N)), da.from_array(y, chunks=size)
    pair = client.persist(list(pair))
    wait(pair)
    return pair


def runs(quick):
    """Wall seconds of fits on two workers by rows, of rows that are there."""
    found = []
    for m in (5_000,) if quick else (100_000, 500_000, 2_000_000):
        X, y = rows(m)
        with cluster() as own, Client(own) as client:
            pair = _collections(client, X, y, 2)
            taken = {}
            for name, parameters in {"exact": EXACT, "batches": BATCHES}.items():
                seconds = []
                # the second fit is longer by a known number of iterations
                for more in (1, 2):
                    longer = {**parameters, "max_iter": more * parameters["max_iter"]}
                    start = perf_counter()
                    GaussNewtonMLPClassifier(**longer).fit(*pair)
                    seconds.append(perf_counter() - start)
                taken[name] = seconds[0]
                taken[f"{name}, of {parameters['max_iter']} more"] = np.diff(seconds)[0]
        found.append({"rows": m, **taken})
    return found


def cpu(quick):
    """Processor seconds of all processes, two workers, beside a local fit."""
    found = []
    m = 5_000 if quick else 200_000
    for dtype in ("float64", "float32"):
        X, y = rows(m, dtype=dtype)
        for classes in (3, 2):
            labels = y if classes == 3 else (y > 0).astype(int)
            parameters = {**EXACT, "max_iter": 25}
            start = process_time()
            local = GaussNewtonMLPClassifier(**parameters).fit(X, labels)
            here = process_time() - start
            with cluster() as own, Client(own) as client:
                pair = _collections(client, X, labels, 2)
                before = _processor_time(client)
                fit = GaussNewtonMLPClassifier(**parameters).fit(*pair)
                there = _processor_time(client) - before
            pairs = zip(local.coefs_, fit.coefs_, strict=True)
            found.append(
                {
                    "dtype": dtype,
                    "classes": classes,
                    "local": here,
                    "cluster": there,
                    "ratio": there / here,
                    "coefficients": max(float(abs(a - b).max()) for a, b in pairs),
                }
            )
    return found


def _processor_time(client):
    return process_time() + sum(client.run(process_time).values())


def parquet(quick):
    """Wall seconds from files, two workers and one local thread; MB of the client."""
    m = 20_000 if quick else 2_000_000
    found = []
    with tempfile.TemporaryDirectory() as folder:
        parts = 16
        for i in range(parts):
            X, y = rows(m // parts, seed=10 + i)
            frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(N)])
            frame.assign(y=y).to_parquet(Path(folder) / f"{i:02}.parquet")
        for name, parameters in {
            "exact, 10 iterations": EXACT,
            "mini-batches, 5 epochs": BATCHES,
            "nothing set": {"random_state": 0},
        }.items():
            own = {"fit": name}
            own |= _alone(partial(_fit_files_here, folder, parameters))
            with cluster() as workers:  # and the scheduler, which is not the client
                address = workers.scheduler_address
                own |= _alone(partial(_fit_files_there, folder, parameters, address))
            found.append({**own, "times faster": own["local, s"] / own["cluster, s"]})
    return found


def _fit_files_here(folder, parameters):
    start = perf_counter()
    frame = pd.read_parquet(folder)
    GaussNewtonMLPClassifier(**parameters).fit(frame.drop(columns="y"), frame["y"])
    return {"local, s": perf_counter() - start}


def _fit_files_there(folder, parameters, address):
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # no memory so far
    with Client(address):
        sleep(1)
        before = _largest_memory()
        start = perf_counter()
        frame = dd.read_parquet(folder)
        GaussNewtonMLPClassifier(**parameters).fit(frame.drop(columns="y"), frame["y"])
        seconds = perf_counter() - start
        largest = _largest_memory()
    return {
        "cluster, s": seconds,
        "client, MB": largest,
        "of it before, MB": before,
    }


#: Data sets of the accuracy, rows that are taken of them, splits, and runs of each.
ACCURACY = {"letter": (20_000, 5, 3), "jannis_30k": (30_000, 3, 1)}
ACCURACY |= {"covertype_93k": (60_000, 2, 2)}


def accuracy(quick):
    """Test log-loss of mini-batches of shares, sorted by class, beside local fits."""
    found = []
    for name, (limit, splits, runs) in ACCURACY.items():
        file = Path(os.environ.get("SKGN_DATA", ".")) / f"{name}.npz"
        if not file.exists():
            print(f"{file} is missing")
            continue
        data = np.load(file, allow_pickle=True)
        X, y = data["X"].astype(np.float32), np.unique(data["y"], return_inverse=True)[1]
        for encoding in (None, "auto"):
            splits_there = range(1 if quick else splits)
            table = [
                _losses(X, y, 2_000 if quick else limit, split, runs, encoding)
                for split in splits_there
            ]
            local = np.array([own["local"] for own in table])
            row = {"data": name, "encoding": str(encoding), "local": float(local.mean())}
            for shares in (1, 4, 16):
                ratios = np.array([own[shares] for own in table]) / local
                row[f"{shares} shares / local"] = float(ratios.mean())
            found.append(row)
    return found


def _losses(X, y, limit, split, runs, encoding):
    """Return the mean log-loss of test rows, of local fits and of 1, 4, 16 shares."""
    order = np.random.RandomState(split).permutation(len(y))[:limit]
    train, test = np.split(order, [len(order) * 3 // 4])
    found = {name: [] for name in ("local", 1, 4, 16)}
    for run in range(runs):
        seed = split + 100 * run
        own = GaussNewtonMLPClassifier(encoding=encoding, random_state=seed)
        fitted_here = own.fit(X[train], y[train])
        local = fitted_here.predict_log_proba(X[test])
        found["local"].append(-local[np.arange(len(test)), y[test]].mean())
        for shares in (1, 4, 16):
            log_proba = _of_shares(own, X[train], y[train], shares, seed)(X[test])
            found[shares].append(-log_proba[np.arange(len(test)), y[test]].mean())
    return {name: np.mean(losses) for name, losses in found.items()}


def _of_shares(estimator, X, y, shares, seed, parts=16):
    """Fit to parts in this process, sorted by class; return what predicts."""
    order = np.argsort(y, kind="stable")
    targets, values, weights = learned(y[order], np.ones(len(y)), None)
    samples = Samples(X[order], y[order], weights).with_targets(values, weights)
    pieces = [samples.take(own) for own in np.array_split(np.arange(len(y)), parts)]
    none = samples.take(np.arange(0))
    spread = SpreadSamples(InProcess(pieces, shares), none, parts, len(y))
    start = Start(np.random.RandomState(seed))
    with one_thread():
        fit = fit_spread(estimator._settings(), spread, targets, start)

    def predict(rows):
        Z = fit.predictor.outputs(rows)
        return targets.loss.log_prediction(Z if Z.shape[1] > 1 else np.hstack([-Z, Z]))

    return predict


def _largest_memory():
    """Return the MB that this process has had at most; Linux only."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _alone(call):
    """Return what a call returns in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(call, sender))
    process.start()
    result = receiver.recv()
    process.join()
    return result


def _send(call, sender):
    sender.send(call())


PARTS = {
    "accuracy": accuracy,
    "compute": compute,
    "rounds": rounds,
    "runs": runs,
    "cpu": cpu,
    "parquet": parquet,
}


# The report.


def report(results):
    """Print all that is known."""
    for name, found in results.items():
        print(f"\n{name}\n")
        columns = list(found[0])
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns))
        for own in found:
            cells = (own[column] for column in columns)
            print("| " + " | ".join(map(_cell, cells)) + " |")
    if {"compute", "rounds"} <= results.keys():
        _extrapolate(results)


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _extrapolate(results):
    """Print what the model says of the runs, and of larger ones."""
    c, error = fitted(results["compute"], "iteration")
    print(f"\nµs of a row and iteration: {c.round(6).tolist()}, off by {error:.0%}")
    b, error = fitted(results["compute"], "batch")
    print(f"µs of a row in a batch: {b.round(6).tolist()}, off by {error:.0%}")
    times = {own["parts"]: own["ms"] / 1e3 for own in results["rounds"]}
    slope, latency = np.polyfit(list(times), list(times.values()), 1)
    print(f"a round: {1e3 * latency:.1f} ms + {1e3 * slope:.2f} ms per share")

    def iteration(m, n, h, classes, workers):
        row = 1e-6 * (features(n, h, classes) @ c)
        return m / workers * row, 2 * (latency + slope * workers)

    def epoch(m, n, h, classes, workers):
        row = 1e-6 * (features(n, h, classes) @ b)
        return m / workers * row, ROUNDS_PER_EPOCH * (latency + slope * workers)

    print("\n| rows | workers | iteration, s | its rounds | epoch, s | its rounds |")
    print("|---|---|---|---|---|---|")
    for m, n, h, classes, workers in (
        *((own["rows"], N, H, K, 2) for own in results.get("runs", ())),
        (10**8, 100, 100, 3, 16),
        (10**9, 100, 100, 3, 100),
    ):
        cells = *iteration(m, n, h, classes, workers), *epoch(m, n, h, classes, workers)
        print(
            f"| {m:,} x {n} | {workers} | " + " | ".join(f"{x:.3g}" for x in cells) + " |"
        )
    for own in results.get("runs", ()):
        m = own["rows"]
        exact = sum(iteration(m, N, H, K, 2)) * ITERATIONS
        batches = sum(epoch(m, N, H, K, 2)) * EPOCHS
        print(
            f"{m:,} rows: {ITERATIONS} more iterations "
            f"{own[f'exact, of {ITERATIONS} more']:.2f} s (model {exact:.2f}), {EPOCHS} "
            f"more epochs {own[f'batches, of {EPOCHS} more']:.2f} s (model {batches:.2f})"
        )
    to, back = bytes_of_iteration(100, 100, 3, 4)
    to, back = (x / 1e3 for x in bytes_of_iteration(100, 100, 3, 4))
    print(f"an iteration, 100 x 100 x 3: {to:.0f} kB to a share, {back:.0f} kB back")


def main():
    """Measure, keep, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="small data, nothing kept")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    own = parser.parse_args()
    results = {}
    if FILE.exists() and not own.quick:
        results = json.loads(FILE.read_text(encoding="utf-8"))
    if not own.report:
        for name in own.only:
            results[name] = PARTS[name](own.quick)
            if not own.quick:
                text = json.dumps(results, indent=1, default=float)
                FILE.write_text(text + "\n", encoding="utf-8")
    report({name: results[name] for name in PARTS if name in results})


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    main()
