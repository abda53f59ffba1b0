"""Do the thread's equations train a network, as posted and with safeguards?
=========================================================================

This package grew out of a forum thread. It proposed Gauss-Newton steps layer by layer, in
place of gradient descent, and tried them on 209 pictures of 12,288 values, cats and other
things: with one hidden layer of 7 units they fitted the training pictures within some 40
iterations; with hidden layers of 20, 7 and 5 units they diverged, and the thread ends
there. This script repeats the experiment.

Shown above: the training cost, as the median over the seeds with its quartiles. Below:
the accuracy on training and test rows, as the mean over the seeds with its standard
error. Compared are the equations as they were posted (steps halved, nothing else, pixels
from 0 to 1), with the safeguards of this package, its default solver, and scikit-learn's
MLPClassifier; the last two and the safeguarded ones on standardised columns. A fit that
diverges keeps the weights of the lowest cost, whose accuracy is the one that is shown.
The default solver has a small penalty, at which its cost levels off; the thread has none.
Costs below 1e-10 and above 1e6 are drawn there.

The pictures are read from cat_vs_noncat.npz in the folder that the environment variable
SKGN_DATA names. Without them, 209 of scikit-learn's digits take their place: odd or even?

Usage: ``python examples/plot_thread.py [--save FILE]``
"""

import argparse
import os
import warnings
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgn
from skgn import GaussNewtonMLPClassifier

SEEDS = range(10)
ITERATIONS = 40
NETS = [((7,), "tanh"), ((20, 7, 5), "tanh"), ((20, 7, 5), "leaky_relu")]

UNGUARDED = {"alpha": 0, "safeguard": None, "step_size": 0.5}
AS_POSTED = {**UNGUARDED, "standardize": False}
LINE_SEARCH = {"alpha": 0, "safeguard": "line_search"}
SIGN = {"alpha": 0, "safeguard": "sign"}
OURS = {
    "sequential, as posted": {"solver": "sequential", **AS_POSTED},
    "joint, as posted": {"solver": "joint", **AS_POSTED},
    "sequential, standardised": {"solver": "sequential", **UNGUARDED},
    "joint, standardised": {"solver": "joint", **UNGUARDED},
    "sequential, line search": {"solver": "sequential", **LINE_SEARCH},
    "joint, line search": {"solver": "joint", **LINE_SEARCH},
    "sequential, safeguarded": {"solver": "sequential", **SIGN},
    "joint, safeguarded": {"solver": "joint", **SIGN},
    "kronecker": {"solver": "kronecker", "alpha": 1e-4},
}
THEIRS = {"MLPClassifier, adam": "adam", "MLPClassifier, lbfgs": "lbfgs"}

# L-BFGS keeps no curve: a few seeds are fitted again with fewer iterations
LBFGS_GRID = [1, 3, 6, 12, 24]
LBFGS_SEEDS = range(3)

# Colour and line of what is drawn, the rest is in the table only. The dashes of the two
# as posted alternate, to show both where they coincide.
STYLES = {
    "sequential, as posted": ("#D55E00", (0, (3, 3))),
    "sequential, safeguarded": ("#D55E00", "-"),
    "joint, as posted": ("#0072B2", (3, (3, 3))),
    "joint, safeguarded": ("#0072B2", "-"),
    "kronecker": ("black", "-"),
    "MLPClassifier, adam": ("#009E73", ":"),
    "MLPClassifier, lbfgs": ("#CC79A7", ":"),
}
FITTED = 0.1  # a fit that ends below this cost has done its work
LOWEST, HIGHEST = 1e-10, 1e6  # costs beyond are drawn at the edge


# %%
# The data
# --------


def load():
    """Return a name, X_train, X_test, y_train, y_test; X is from 0 to 1."""
    file = Path(os.environ.get("SKGN_DATA", ""), "cat_vs_noncat.npz")
    if file.is_file():
        with np.load(file) as data:
            X, X_test, y, y_test = (data[k] for k in ("X", "X_test", "y", "y_test"))
        X, X_test = (rows.reshape(len(rows), -1) / 255 for rows in (X, X_test))
        return "cat pictures", X, X_test, y, y_test
    X, digit = load_digits(return_X_y=True)
    odd = digit % 2
    return (
        "digits, odd or even",
        *train_test_split(X / 16, odd, train_size=209, stratify=odd, random_state=0),
    )


# %%
# The fits
# --------


def timed_fit(model, X, y):
    """Fit and return the seconds; that fits diverge or end early is what is studied."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = perf_counter()
        model.fit(X, y)
        return perf_counter() - start


def mlp(solver, activation, layers, seed, max_iter=ITERATIONS):
    """Return scikit-learn's network; it has relu where ours has leaky_relu."""
    activation = "relu" if activation == "leaky_relu" else activation
    net = MLPClassifier(
        layers, activation, solver=solver, max_iter=max_iter, random_state=seed
    )
    return make_pipeline(StandardScaler(), net)


def training_cost(model, X, y):
    """Return the log-loss on the training rows."""
    return log_loss(y, model.predict_proba(X))


def lbfgs_curve(activation, layers, seed, X, y):
    """Return the cost at the iterations of the grid."""
    curve = []
    for max_iter in LBFGS_GRID:
        model = mlp("lbfgs", activation, layers, seed, max_iter)
        timed_fit(model, X, y)
        curve.append(training_cost(model, X, y))
    return curve


def run_ours(parameters, layers, activation, seed, data):
    """Fit our network once and return what is reported of it."""
    X, X_test, y, y_test = data
    model = GaussNewtonMLPClassifier(
        layers,
        activation,
        encoding=None,
        max_iter=ITERATIONS,
        tol=0,
        random_state=seed,
        **parameters,
    )
    seconds = timed_fit(model, X, y)
    cost = model.history_["cost"]
    return {
        "train": model.score(X, y),
        "test": model.score(X_test, y_test),
        "last": cost[-1],
        "lowest": np.nanmin(cost),
        "diverged": model.stop_reason_ == "diverged",
        "seconds": seconds,
        # a fit that reached zero ends before the others
        "curve": np.pad(cost, (0, ITERATIONS + 1 - len(cost)), mode="edge"),
    }


def run_theirs(solver, layers, activation, seed, data):
    """Fit scikit-learn's network once and return what is reported of it."""
    X, X_test, y, y_test = data
    model = mlp(solver, activation, layers, seed)
    seconds = timed_fit(model, X, y)
    cost = training_cost(model, X, y)
    result = {
        "train": model.score(X, y),
        "test": model.score(X_test, y_test),
        "last": cost,
        "lowest": cost,
        "diverged": False,
        "seconds": seconds,
    }
    if solver == "adam":
        curve = model[-1].loss_curve_
        result["curve"] = np.pad(curve, (0, ITERATIONS - len(curve)), mode="edge")
    elif seed in LBFGS_SEEDS:
        result["curve"] = [*lbfgs_curve(activation, layers, seed, X, y), cost]
    return result


def measure(layers, activation, data):
    """Return, for each solver, a list of results, one per seed."""
    results = {}
    for name, parameters in OURS.items():
        results[name] = [
            run_ours(parameters, layers, activation, seed, data) for seed in SEEDS
        ]
    for name, solver in THEIRS.items():
        results[name] = [
            run_theirs(solver, layers, activation, seed, data) for seed in SEEDS
        ]
    return results


# %%
# The tables
# ----------


def mean_and_error(runs, key):
    """Return the mean over the seeds and its standard error."""
    values = [run[key] for run in runs]
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def count_fitted(runs):
    """Return how many fits end below the cost FITTED, as text."""
    return f"{sum(run['last'] < FITTED for run in runs)} of {len(runs)}"


def net_name(layers, activation):
    """Return the widths from the first hidden layer to the output."""
    return f"{'-'.join(map(str, layers))}-1, {activation}"


def print_table(layers, activation, results):
    """Print one line per solver."""
    line = "{:25} {:>13} {:>13}  {:>9} {:>18}  {:>11} {:>9} {:>8} {:>7}"
    headings = "solver", "training", "test", "last cost", "range", "lowest cost"
    print(f"\nNet {net_name(layers, activation)}")
    print(line.format(*headings, "diverged", "fitted", "seconds"))
    for name, runs in results.items():
        if name in THEIRS and activation == "leaky_relu":
            name += " *"
        last = [run["last"] for run in runs]
        print(
            line.format(
                name,
                "{:.3f} ± {:.3f}".format(*mean_and_error(runs, "train")),
                "{:.3f} ± {:.3f}".format(*mean_and_error(runs, "test")),
                f"{np.median(last):.1e}",
                f"{min(last):.1e} .. {max(last):.1e}",
                f"{np.median([run['lowest'] for run in runs]):.1e}",
                f"{sum(run['diverged'] for run in runs)} of {len(runs)}",
                count_fitted(runs),
                f"{np.median([run['seconds'] for run in runs]):.2f}",
            )
        )


def print_settings(name, data):
    """Print what was compared on what."""
    X, _, y, y_test = data
    larger = np.bincount(y).argmax()
    print(
        f"skgn {skgn.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}\n"
        f"Data: {name}; {len(y)} training and {len(y_test)} test rows, "
        f"{X.shape[1]} columns; seeds 0 to {SEEDS[-1]}; {ITERATIONS} iterations.\n"
        f"The class that is larger in training is {np.mean(y == larger):.3f} of the "
        f"training and {np.mean(y_test == larger):.3f} of the test rows.\n"
        "Accuracy: mean ± standard error over the seeds. The choice of test rows adds "
        f"to it: at 0.7, {len(y_test)} rows have a\n"
        f"standard error of {np.sqrt(0.7 * 0.3 / len(y_test)):.3f}, in part the same for "
        "all solvers, which are tested on the same rows.\n"
        "Cost and seconds: median over the seeds; the cost is the log-loss without the "
        "penalty. Unguarded fits end at the last\n"
        "cost, but keep the weights of the lowest, which the accuracy belongs to. "
        f"Fitted: the last cost is below {FITTED:g}.\n"
        "Our iterations include rejected trials; adam's are epochs.\n"
        "As posted: X from 0 to 1, not standardised. All others are on standardised "
        "columns.\n"
        "* scikit-learn has no leaky_relu: relu in its place."
    )


# %%
# The figure
# ----------


def draw_costs(ax, results):
    """Draw the median cost and its quartiles."""
    for name, (colour, line) in STYLES.items():
        curves = np.array([run["curve"] for run in results[name] if "curve" in run])
        low, middle, high = np.quantile(
            np.clip(curves, LOWEST, HIGHEST), [0.25, 0.5, 0.75], axis=0
        )
        if name == "MLPClassifier, lbfgs":
            turns = [*LBFGS_GRID, ITERATIONS]
        else:
            turns = np.arange(len(middle)) + (name in THEIRS)
        ax.plot(turns, middle, color=colour, linestyle=line, lw=2, label=name)
        ax.fill_between(turns, low, high, color=colour, alpha=0.12, lw=0)
    ax.set_yscale("log")
    ax.set_ylim(LOWEST / 3, HIGHEST * 3)
    ax.set_xlim(0, ITERATIONS)
    ax.set_xlabel("iterations (adam: epochs)")
    ax.grid(alpha=0.3)


def draw_accuracies(ax, results):
    """Draw the mean accuracies and their standard errors, one line per solver."""
    for i, (name, (colour, _)) in enumerate(STYLES.items()):
        for key, face in (("train", "white"), ("test", colour)):
            mean, error = mean_and_error(results[name], key)
            ax.errorbar(
                mean, i, xerr=error, fmt="o", color=colour, mfc=face, ms=7, capsize=3
            )
    ax.set_ylim(len(STYLES) - 0.5, -0.5)
    ax.set_xlim(0.28, 1.04)
    ax.set_xlabel("accuracy (○ training, ● test)")
    ax.grid(alpha=0.3)


def draw(data_name, all_results):
    """Return the figure: costs above, accuracies below, a column for each net."""
    figure, axes = plt.subplots(
        2, len(NETS), figsize=(8.6, 6.6), sharey="row", layout="constrained"
    )
    for (layers, activation), results, column in zip(
        NETS, all_results, axes.T, strict=True
    ):
        draw_costs(column[0], results)
        draw_accuracies(column[1], results)
        posted, guarded = (
            results[f"sequential, {how}"] + results[f"joint, {how}"]
            for how in ("as posted", "safeguarded")
        )
        column[0].set_title(
            f"net {net_name(layers, activation)}\n"
            f"fitted: as posted {count_fitted(posted)},\n"
            f"safeguarded {count_fitted(guarded)}",
            fontsize=10,
        )
    axes[1, 2].set_xlabel(axes[1, 2].get_xlabel() + "\nMLPClassifier: relu")
    axes[0, 0].set_ylabel("training cost (mean log-loss, nats)")
    axes[1, 0].set_yticks(range(len(STYLES)), STYLES)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    figure.suptitle(
        "As posted, the thread's equations fail with three hidden layers;\n"
        "with safeguards they fit, and overfit\n"
        f"({data_name}, {len(SEEDS)} seeds; "
        f"fitted: training cost below {FITTED:g} after {ITERATIONS} iterations)",
        fontsize=12,
    )
    return figure


# %%
# The result
# ----------


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure, do not show it")
    save = parser.parse_args().save

    name, *data = load()
    print_settings(name, data)
    all_results = []
    for layers, activation in NETS:
        all_results.append(measure(layers, activation, data))
        print_table(layers, activation, all_results[-1])
    figure = draw(name, all_results)
    if save:
        figure.savefig(save, dpi=150)
    else:
        plt.show()


if __name__ == "__main__":
    main()
