"""Does stopping early prevent overfitting, and does more data?
============================================================

A Gauss-Newton fit without a penalty drives the training cost towards zero within tens of
iterations, and learns the noise of the labels with it. The forum thread that this package
grew out of named two remedies: to end the fit when the cost falls below some threshold,
or to throw more data at it, until the network has fewer weights than there are rows.
Both are tried here, and validation rows as a third.

Shown on the left: training cost and test log-loss along fits without a penalty, and
where cost thresholds and ``early_stopping`` end them. On the right, against the number of
training rows: the test log-loss and the accuracy of fits without a penalty to the end,
with early stopping, and with a penalty. All are means over random splits into
training and test rows, with standard errors.

The data are magic.npz in the folder that the environment variable SKGN_DATA names, 19,020
rows of 10 columns. Without them they are made: 20 columns, some 7 % of the labels wrong.

Usage: ``python examples/plot_early_stopping.py [--save FILE]``
"""

import argparse
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from matplotlib.ticker import LogLocator
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

import skgn
from skgn import GaussNewtonMLPClassifier

HIDDEN = (20,)
TEST_ROWS = 4000

# Along the fit
CURVE_ROWS = 300
CURVE_SPLITS = range(20)
ITERATIONS = 40
THRESHOLDS = (0.3, 0.1, 0.03)

# More data
SIZES = (100, 300, 1000, 3000, None)  # None: all rows but the test rows
SIZE_SPLITS = range(10)
WAYS = {
    "no penalty, to the end": {
        "alpha": 0,
        "tol": 1e-3,
        "cost_threshold": 1e-6,
        "max_iter": 100,
    },
    "no penalty, early stopping": {"alpha": 0, "tol": 1e-3, "early_stopping": True},
    "alpha=1e-4": {"alpha": 1e-4},
}
TO_THE_END, STOPPED, PENALISED = WAYS
STYLES = {
    TO_THE_END: ("#D55E00", "o"),
    STOPPED: ("#0072B2", "s"),
    PENALISED: ("black", "^"),
}


# %%
# The data
# --------


def load():
    """Return a name, X and y."""
    file = Path(os.environ.get("SKGN_DATA", ""), "magic.npz")
    if file.is_file():
        with np.load(file) as data:
            return "magic telescope", data["X"].astype(float), data["y"]
    X, y = make_classification(
        n_samples=14_000,
        n_features=20,
        n_informative=10,
        n_redundant=4,
        n_clusters_per_class=3,
        flip_y=0.15,  # share of labels that are drawn anew
        random_state=0,
    )
    return "make_classification, noisy labels", X, y


def split(X, y, train_rows, seed):
    """Return X_train, X_test, y_train, y_test."""
    train_rows = len(y) - TEST_ROWS if train_rows is None else train_rows
    return train_test_split(
        X,
        y,
        train_size=train_rows,
        test_size=TEST_ROWS,
        stratify=y,
        random_state=seed,
    )


# %%
# The fits
# --------


def fit(X, y, seed, X_val=None, y_val=None, **parameters):
    """Return a fitted network; reaching the last iteration is expected."""
    net = GaussNewtonMLPClassifier(HIDDEN, encoding=None, random_state=seed, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return net.fit(X, y, X_val=X_val, y_val=y_val)


def mean_log_loss(net, X, y):
    """Return the mean log-loss, without the bound that sklearn.metrics.log_loss has."""
    return -net.predict_log_proba(X)[np.arange(len(y)), y].mean()


def scores(net, X, X_test, y, y_test):
    """Return what is reported of a fitted network."""
    return {
        "log-loss": mean_log_loss(net, X_test, y_test),
        "accuracy": net.score(X_test, y_test),
        "training accuracy": net.score(X, y),
        "cost": mean_log_loss(net, X, y),
        "iterations": net.n_iter_,
        "kept": net.n_iter_,
        "ended": net.stop_reason_,
    }


def along_the_fit(X, X_test, y, y_test, seed):
    """Return training cost and test log-loss at each iteration of one fit."""
    # The test rows serve as validation rows, for the record of their log-loss alone: with
    # as many turns to wait as there are iterations, the fit does not stop by them, and
    # trains on all rows of X. Its weights, those of the lowest log-loss on the test rows,
    # are not used.
    net = fit(
        X,
        y,
        seed,
        X_test,
        y_test,
        alpha=0,
        tol=0,
        max_iter=ITERATIONS,
        early_stopping=True,
        n_iter_no_change=ITERATIONS,
    )
    return net.history_["cost"], net.history_["validation_loss"]


def stopped_fits(data, seed):
    """Return the scores of the fits that stop, one entry per way to stop."""
    X, _, y, _ = data
    unpenalised = {"alpha": 0, "tol": 0, "max_iter": ITERATIONS}
    results = {}
    for threshold in THRESHOLDS:
        net = fit(X, y, seed, cost_threshold=threshold, **unpenalised)
        results[f"cost_threshold={threshold:g}"] = scores(net, *data)
    net = fit(X, y, seed, early_stopping=True, **unpenalised)
    results["early_stopping=True"] = scores(net, *data)
    results["early_stopping=True"]["kept"] = net.best_iter_
    net = fit(X, y, seed, **unpenalised)
    results[f"all {ITERATIONS} iterations"] = scores(net, *data)
    net = fit(X, y, seed, **WAYS[PENALISED])
    results[PENALISED] = scores(net, *data)
    return results


def measure_stopping(X, y):
    """Return the curves, shape (splits, 2, iterations + 1), and scores per way."""
    curves, runs = [], {}
    for seed in CURVE_SPLITS:
        data = split(X, y, CURVE_ROWS, seed)
        curves.append(along_the_fit(*data, seed))
        for name, result in stopped_fits(data, seed).items():
            runs.setdefault(name, []).append(result)
    return np.array(curves), runs


def measure_sizes(X, y):
    """Return lists of scores, for each way and number of training rows."""
    results = {}
    for train_rows in SIZES:
        for seed in SIZE_SPLITS:
            data = split(X, y, train_rows, seed)
            for way, parameters in WAYS.items():
                net = fit(data[0], data[2], seed, **parameters)
                key = way, len(data[2])
                results.setdefault(key, []).append(scores(net, *data))
    return results


def mean_and_error(runs, key):
    """Return the mean over the splits and its standard error."""
    values = [run[key] for run in runs]
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


# %%
# The tables
# ----------


def print_settings(name, X, y):
    """Print what is measured on what."""
    shares = np.bincount(y) / len(y)
    print(
        f"skgn {skgn.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}\n"
        f"Data: {name}; {len(y)} rows, {X.shape[1]} columns; {TEST_ROWS} test rows per "
        f"split. Net: {HIDDEN[0]} hidden units, {n_weights(X)} weights.\n"
        f"A constant prediction has accuracy {shares.max():.3f} and log-loss "
        f"{-shares @ np.log(shares):.3f}.\n"
        "Mean ± standard error over the splits."
    )


def n_weights(X):
    """Return the number of weights and intercepts of the network."""
    return (X.shape[1] + 1) * HIDDEN[0] + HIDDEN[0] + 1


def print_line(labels, runs):
    """Print the scores of some fits."""
    ended = sorted({run["ended"] for run in runs})
    print(
        *labels,
        "{:7.3f} ± {:.3f}".format(*mean_and_error(runs, "log-loss")),
        " {:.4f} ± {:.4f}".format(*mean_and_error(runs, "accuracy")),
        " {:.4f} ± {:.4f}".format(*mean_and_error(runs, "training accuracy")),
        f"{np.median([run['cost'] for run in runs]):14.1e}",
        f"{np.median([run['iterations'] for run in runs]):11.0f} ",
        ", ".join(ended),
    )


COLUMNS = (
    "test log-loss     test accuracy  training accuracy  training cost  iterations  ended"
)


def print_stopping(curves, runs):
    """Print what each way to stop reaches."""
    print(f"\n{CURVE_ROWS} training rows, {len(CURVE_SPLITS)} splits, no penalty")
    print(f"{'':24}{COLUMNS}")
    for name, results in runs.items():
        print_line([f"{name:22}"], results)
    lowest = curves[:, 1].min(axis=1)
    at = curves[:, 1].argmin(axis=1)
    print(
        f"Lowest test log-loss along the fits, known only from the test rows: "
        f"{lowest.mean():.3f}, at iterations {at.min()} to {at.max()}.\n"
        "Fits with early stopping train on 90 % of the rows and keep, at the median, "
        f"iteration {np.median([r['kept'] for r in runs['early_stopping=True']]):.0f}."
    )


def print_sizes(results):
    """Print what more data does."""
    print(f"\nMore data, {len(SIZE_SPLITS)} splits")
    print(f"{'training rows':36}{COLUMNS}")
    for (way, rows), runs in results.items():
        print_line([f"{rows:6}  {way:26}"], runs)


# %%
# The figure
# ----------


def mark_stop(ax, runs, label, marker, colour):
    """Mark the iteration kept and the test log-loss of fits that stop."""
    at = np.median([run["kept"] for run in runs])
    loss, error = mean_and_error(runs, "log-loss")
    ax.errorbar(
        at,
        loss,
        error,
        fmt=marker,
        color=colour,
        ms=7,
        capsize=3,
        zorder=3,
        label=label,
    )


def draw_curves(ax, curves, runs):
    """Draw costs along the fit, and where the fits stop."""
    turns = np.arange(ITERATIONS + 1)
    for i, colour in enumerate(("#009E73", "#D55E00")):
        mean = curves[:, i].mean(axis=0)
        error = curves[:, i].std(axis=0, ddof=1) / np.sqrt(len(curves))
        ax.plot(turns, mean, color=colour, lw=2)
        ax.fill_between(turns, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    ax.text(0.02, 0.12, "training\ncost", color="#009E73", transform=ax.transAxes)
    ax.text(
        0.98, 0.52, "test log-loss", color="#D55E00", transform=ax.transAxes, ha="right"
    )
    for threshold, marker in zip(THRESHOLDS, "osD", strict=True):
        name = f"cost_threshold={threshold:g}"
        mark_stop(ax, runs[name], name, marker, "black")
    name = "early_stopping=True"
    mark_stop(ax, runs[name], name, "^", "#0072B2")
    ax.legend(loc="upper left", title="ended by", fontsize=9, framealpha=1)
    ax.set_yscale("log")
    ax.set_ylim(3e-3, 500)
    ax.set_xlim(0, ITERATIONS)
    ax.set_xlabel("iterations")
    ax.set_ylabel("mean log-loss (nats)")
    ax.grid(alpha=0.3)
    ax.set_title(f"{CURVE_ROWS} training rows, no penalty:\nit pays to stop early")


def draw_sizes(ax, results, key, face=None, line="-"):
    """Draw a score against the number of training rows, one line per way to fit."""
    for way, (colour, marker) in STYLES.items():
        sizes = [rows for name, rows in results if name == way]
        points = [mean_and_error(results[way, rows], key) for rows in sizes]
        mean, error = np.array(points).T
        ax.errorbar(
            sizes,
            mean,
            error,
            linestyle=line,
            marker=marker,
            color=colour,
            mfc=face or colour,
            capsize=3,
            lw=2,
            label=way,
        )
    ax.set_xscale("log")
    ax.set_xlabel("training rows")
    ax.grid(alpha=0.3)


def mark_weights(ax, weights):
    """Mark where there are as many rows as weights."""
    ax.axvline(weights, color="grey", lw=1, ls=":")
    ax.annotate(
        f"{weights} weights",
        (weights, 0),
        (4, 4),
        xycoords=ax.get_xaxis_transform(),
        textcoords="offset points",
        color="grey",
        fontsize=9,
    )


def draw(name, weights, curves, runs, results):
    """Return the figure: along a fit, and the log-loss and accuracy with more data."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.8), layout="constrained")
    draw_curves(axes[0], curves, runs)
    draw_sizes(axes[1], results, "log-loss")
    axes[1].set_yscale("log")
    axes[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].minorticks_off()
    axes[1].set_ylabel("test log-loss (nats)")
    axes[1].set_title("With many more rows than\nweights, the test log-loss is low")
    handles = axes[1].get_legend_handles_labels()
    draw_sizes(axes[2], results, "accuracy")
    draw_sizes(axes[2], results, "training accuracy", "white", "--")
    axes[2].set_ylabel("accuracy (training: open, dashed)")
    axes[2].set_title("The gap between training\nand test closes")
    for ax in axes[1:]:
        mark_weights(ax, weights)
    figure.legend(*handles, loc="outside lower right", ncols=3, frameon=False)
    figure.suptitle(
        "An unpenalised fit to the end overfits few rows; stopping early or more rows "
        f"cure it\n({name}, {HIDDEN[0]} hidden units)"
    )
    return figure


# %%
# The result
# ----------


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure, do not show it")
    save = parser.parse_args().save

    name, X, y = load()
    print_settings(name, X, y)
    curves, runs = measure_stopping(X, y)
    print_stopping(curves, runs)
    results = measure_sizes(X, y)
    print_sizes(results)
    figure = draw(name, n_weights(X), curves, runs, results)
    if save:
        figure.savefig(save, dpi=150)
    else:
        plt.show()


if __name__ == "__main__":
    main()
