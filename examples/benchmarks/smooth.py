"""Smooth functions without noise, fitted to six digits.

    python examples/benchmarks/smooth.py [--seeds 10] [--fits NAME ...] [--report]

A sine, Franke's function and a polynomial of five features, at 500 points each, by tanh
networks with hidden layers (20,) and (20, 20), without a penalty, in float64, on one
thread, processor time. A fit has reached its end when the root mean squared error of its
training points is 1e-6 of the range of y, and has 200 iterations for it: of skgn with
rejected trials, of torch-levenberg-marquardt as it is by default, with up to ten trials
in each, of MLPRegressor(solver="lbfgs") also 5,000. The peers get standardised columns
and targets. Raw numbers go to smooth.json beside this file.
"""

import argparse
import json
import warnings
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tools import markdown

from skgn import GaussNewtonMLPRegressor

try:
    import torch
    import torch_levenberg_marquardt as peer
except ImportError:
    torch = None

POINTS, ITERATIONS, AIM = 500, 200, 1e-6
LAYERS = (20,), (20, 20)
FILE = Path(__file__).with_suffix(".json")


def franke(x, y):
    """Return Franke's function (1979)."""
    return (
        0.75 * np.exp(-((9 * x - 2) ** 2 + (9 * y - 2) ** 2) / 4)
        + 0.75 * np.exp(-((9 * x + 1) ** 2) / 49 - (9 * y + 1) / 10)
        + 0.5 * np.exp(-((9 * x - 7) ** 2 + (9 * y - 3) ** 2) / 4)
        - 0.2 * np.exp(-((9 * x - 4) ** 2) - (9 * y - 7) ** 2)
    )


FUNCTIONS = {
    "sine": (1, 0, lambda x: np.sin(2 * np.pi * x)),
    "Franke": (2, 0, franke),
    "polynomial": (5, -1, lambda a, b, c, d, e: a + b**2 + c * d * e),
}


def data(name):
    """Return points and values of a function."""
    n, least, function = FUNCTIONS[name]
    X = np.random.default_rng(0).uniform(least, 1, size=(POINTS, n))
    return X, function(*X.T)


def ours(solver):
    """Return how a solver of this package fits."""

    def fit(X, y, layers, seed):
        net = GaussNewtonMLPRegressor(
            layers,
            "tanh",
            solver=solver,
            alpha=0,
            encoding=None,
            batch_size=None,
            tol=0,
            cost_threshold=0.5 * (AIM * np.ptp(y) / y.std()) ** 2,
            max_iter=ITERATIONS,
            random_state=seed,
        ).fit(X, y)
        return net.n_iter_, net.predict(X)

    return fit


def lbfgs(iterations):
    """Return how MLPRegressor fits, by L-BFGS."""

    def fit(X, y, layers, seed):
        options = {"alpha": 0, "tol": 0, "max_iter": iterations, "max_fun": 10**6}
        net = MLPRegressor(
            hidden_layer_sizes=layers,
            activation="tanh",
            solver="lbfgs",
            random_state=seed,
            **options,
        )
        T, unit = StandardScaler().fit_transform(X), y.std()
        net.fit(T, (y - y.mean()) / unit)
        return net.n_iter_, net.predict(T) * unit + y.mean()

    return fit


def torch_lm(X, y, layers, seed):
    """Fit by torch-levenberg-marquardt."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    T, unit = StandardScaler().fit_transform(X), y.std()
    rows = torch.from_numpy(T)
    values = torch.from_numpy((y - y.mean()) / unit)[:, None]
    modules = []
    for below, units in pairwise([T.shape[1], *layers, 1]):
        modules += [torch.nn.Linear(below, units, dtype=rows.dtype), torch.nn.Tanh()]
    net = torch.nn.Sequential(*modules[:-1])
    module = peer.training.LevenbergMarquardtModule(net)
    aim = (AIM * np.ptp(y) / unit) ** 2
    for iterations in range(ITERATIONS + 1):
        with torch.no_grad():
            predicted = net(rows)
        error = torch.mean((predicted - values) ** 2)
        if error <= aim or iterations == ITERATIONS:
            break
        _, _, ended, _ = module.training_step(rows, values)
        if ended:
            break
    with torch.no_grad():
        predicted = net(rows).numpy()[:, 0]
    return iterations, predicted * unit + y.mean()


FITS = {
    "levenberg-marquardt": ours("levenberg-marquardt"),
    "kronecker": ours("kronecker"),
    "torch-levenberg-marquardt": torch_lm,
    "lbfgs": lbfgs(ITERATIONS),
    "lbfgs, 5,000": lbfgs(5000),
}


def measure(name, fit, layers, seed):
    """Return iterations, error relative to the range of y, and seconds."""
    X, y = data(name)
    begun = process_time()
    iterations, predicted = fit(X, y, layers, seed)
    seconds = process_time() - begun
    error = float(np.sqrt(np.mean((predicted - y) ** 2)) / np.ptp(y))
    return {"iterations": iterations, "error": error, "seconds": seconds}


def report(results):
    """Print a row for each function, network and fit."""
    rows = []
    for case, fits in results.items():
        for label, runs in fits.items():
            numbers = {
                key: np.array([run[key] for run in runs.values()])
                for key in ("iterations", "error", "seconds")
            }
            reached = numbers["error"] <= AIM * (1 + 1e-6)
            which = reached if reached.any() else ~reached
            rows.append(
                {
                    "function, layers": case,
                    "fit": label,
                    "reached": f"{reached.sum()} of {len(reached)}",
                    "iterations": int(np.median(numbers["iterations"][which])),
                    "error": f"{np.median(numbers['error']):.1e}",
                    "largest": f"{numbers['error'].max():.1e}",
                    "seconds": float(np.median(numbers["seconds"])),
                }
            )
    print(markdown(rows))


def main():
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--fits", nargs="+", choices=FITS, default=list(FITS))
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--output", type=Path, default=FILE)
    arguments = parser.parse_args()
    file, results = arguments.output, {}
    if file.exists():
        results = json.loads(file.read_text())
    fits = [] if arguments.report else arguments.fits
    if torch is None:
        fits = [label for label in fits if label != "torch-levenberg-marquardt"]
    warnings.simplefilter("ignore", ConvergenceWarning)
    for label in fits:
        for layers in LAYERS:
            for name in FUNCTIONS:
                case = f"{name}, {layers}"
                runs = {
                    str(seed): measure(name, FITS[label], layers, seed)
                    for seed in range(arguments.seeds)
                }
                results.setdefault(case, {})[label] = runs
                print(label, case, [run["iterations"] for run in runs.values()])
                file.write_text(json.dumps(results, indent=1) + "\n")
    report(results)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
