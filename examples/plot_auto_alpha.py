"""Does a fit find its own penalty?
================================

With ``alpha="auto"`` the fit chooses the L2 penalty by itself, from the effective number
of parameters and from rows that it holds out. Here it is compared with the whole range of
penalties that one could have given.

Shown on six data sets: the test log-loss of fits at given penalties, as a curve with the
standard error over random splits, and the automatic choice of each split as a point; its
mean is the open circle. The best penalty differs by orders of magnitude, and a choice is
good where its point lies in the valley of the curve. Below: 100 rows of two interleaved
half-moons at three levels of noise, with the decision boundary under the automatic
penalty, and, dashed, under nearly none. The noisier the classes, the smoother the
boundary should be; where they are clean, so few rows are penalised more than they need.

The data sets are files in the folder that the environment variable SKGN_DATA names, at
most 3,000 training rows of each. Without them, data sets that scikit-learn bundles or
makes are used.

Usage: ``python examples/plot_auto_alpha.py [--save FILE]``
"""

import argparse
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from matplotlib.ticker import FixedLocator, LogLocator
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
    make_moons,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import skgn
from skgn import GaussNewtonMLPClassifier

FILES = ("car", "optdigits", "phoneme", "churn", "bank_marketing", "german_credit")
ALPHAS = np.logspace(-6, 0, 7)
SPLITS = range(4)
MOST_ROWS = 3000  # to train on, and half as many to test

NOISES = (0.1, 0.3, 0.5)
MOONS_ROWS = 100
NEARLY_NONE = 1e-6

CURVE, CHOICE, UNPENALISED = "#0072B2", "#D55E00", "#555555"
CLASSES = ("#56B4E9", "#E69F00")


# %%
# The data
# --------


def load():
    """Return (name, X, y) for each of six data sets."""
    folder = Path(os.environ.get("SKGN_DATA", ""))
    files = [folder / f"{name}.npz" for name in FILES]
    if all(file.is_file() for file in files):
        return [(file.stem, *read(file)) for file in files]
    made = {
        f"generated, {share:.0%} of labels drawn anew": make_classification(
            n_samples=1500,
            n_features=20,
            n_informative=8,
            n_clusters_per_class=3,
            flip_y=share,
            random_state=0,
        )
        for share in (0.0, 0.1, 0.4)
    }
    bundled = {
        "digits": load_digits(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "breast cancer": load_breast_cancer(return_X_y=True),
    }
    return [(name, *data) for name, data in {**bundled, **made}.items()]


def read(file):
    """Return X and y of a file."""
    with np.load(file) as data:
        return data["X"].astype(float), data["y"]


def split(X, y, seed):
    """Return X_train, X_test, y_train, y_test."""
    train_rows = min(2 * len(y) // 3, MOST_ROWS)
    return train_test_split(
        X,
        y,
        train_size=train_rows,
        test_size=min(len(y) - train_rows, MOST_ROWS // 2),
        stratify=y,
        random_state=seed,
    )


# %%
# The fits
# --------
# At each penalty of the grid, and at the automatic one.


def fit(X, y, alpha, seed):
    """Return a fitted network; reaching the last iteration is no harm here."""
    net = GaussNewtonMLPClassifier(alpha=alpha, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return net.fit(X, y)


def measure(X, y):
    """Return log-losses by split and penalty, and alpha and log-loss chosen by split."""
    curves, choices = [], []
    for seed in SPLITS:
        X_train, X_test, y_train, y_test = split(X, y, seed)

        def loss(net, X_test=X_test, y_test=y_test):
            return log_loss(y_test, net.predict_proba(X_test), labels=net.classes_)

        curves.append([loss(fit(X_train, y_train, alpha, seed)) for alpha in ALPHAS])
        net = fit(X_train, y_train, "auto", seed)
        choices.append((net.alpha_, loss(net)))
    return np.array(curves), np.array(choices)


def mean_and_error(losses):
    """Return the mean over the splits, the first axis, and its standard error."""
    return losses.mean(axis=0), losses.std(axis=0, ddof=1) / np.sqrt(len(losses))


# %%
# The table
# ---------


def print_table(names, results):
    """Print what is measured on what."""
    print(
        f"skgn {skgn.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}\n"
        f'Mean test log-loss ± standard error over {len(SPLITS)} splits. "best" is the '
        "lowest of the means at the given\npenalties, which the test rows have chosen.\n"
    )
    print(
        f"{'':36}alpha=1e-6  alpha=1e-4  alpha=1e-2     alpha of the best  "
        "       auto    alpha_, geometric mean"
    )
    for name, (curves, choices) in zip(names, results, strict=True):
        mean, error = mean_and_error(curves)
        best = mean.argmin()
        auto, auto_error = mean_and_error(choices[:, 1])
        print(
            f"{name:34}",
            *(f"{mean[i]:11.3f}" for i in (0, 2, 4)),
            f"  {mean[best]:.3f} ± {error[best]:.3f}, {ALPHAS[best]:7.0e}",
            f"  {auto:.3f} ± {auto_error:.3f} ",
            f"{np.exp(np.log(choices[:, 0]).mean()):10.1e}",
        )


# %%
# The figure
# ----------


def draw_choice(ax, name, curves, choices):
    """Draw log-loss against given penalties, and the penalties chosen."""
    mean, error = mean_and_error(curves)
    ax.fill_between(ALPHAS, mean - error, mean + error, color=CURVE, alpha=0.2, lw=0)
    ax.plot(ALPHAS, mean, color=CURVE, marker=".", label="alpha given")
    alphas, losses = choices.T
    ax.plot(
        alphas, losses, ".", color=CHOICE, alpha=0.6, label='alpha="auto", each split'
    )
    loss, loss_error = mean_and_error(losses)
    ax.errorbar(
        np.exp(np.log(alphas).mean()),
        loss,
        loss_error,
        fmt="o",
        color=CHOICE,
        mfc="white",
        ms=8,
        capsize=3,
        zorder=3,
        label='alpha="auto", mean',
    )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(numticks=4))
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    steps = [1, 3] if high > 10 * low else [1, 1.5, 2, 3, 4, 5, 6, 8]
    ticks = np.outer(np.logspace(-6, 1, 8), steps).ravel()
    ax.yaxis.set_major_locator(FixedLocator(ticks[(ticks > low) & (ticks < high)]))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.set_title(name, fontsize=10)


def draw_moons(ax, noise):
    """Draw rows of two half-moons, and the decision boundaries."""
    X, y = make_moons(MOONS_ROWS, noise=noise, random_state=0)
    X_test, y_test = make_moons(20_000, noise=noise, random_state=1)
    for label, colour in enumerate(CLASSES):
        ax.scatter(*X[y == label].T, s=6, color=colour, alpha=0.7, lw=0)
    low, high = X.min(axis=0) - 0.3, X.max(axis=0) + 0.3
    grid = np.meshgrid(*(np.linspace(a, b, 300) for a, b in zip(low, high, strict=True)))
    losses = {}
    for alpha, colour, line in ((NEARLY_NONE, UNPENALISED, "--"), ("auto", "black", "-")):
        net = fit(X, y, alpha, 0)
        losses[alpha] = log_loss(y_test, net.predict_proba(X_test))
        p = net.predict_proba(np.column_stack([axis.ravel() for axis in grid]))[:, 1]
        ax.contour(*grid, p.reshape(grid[0].shape), [0.5], colors=colour, linestyles=line)
    ax.set_title(
        f"moons, noise {noise:g}: alpha_ {net.alpha_:.0e}\n"
        f"test log-loss {losses['auto']:.3f}; dashed {losses[NEARLY_NONE]:.3f}",
        fontsize=10,
    )
    ax.set_xticks([])
    ax.set_yticks([])
    print(
        f"moons, noise {noise:g}: alpha_ {net.alpha_:.1e}, test log-loss "
        f"{losses['auto']:.3f}; {losses[NEARLY_NONE]:.3f} at alpha={NEARLY_NONE:g}"
    )


def draw(names, results):
    """Return the figure."""
    figure, axes = plt.subplots(3, 3, figsize=(10, 9.5), layout="constrained")
    panels = zip(axes.flat, names, results, strict=False)
    for ax, name, result in panels:
        draw_choice(ax, name, *result)
    for ax in axes[1]:
        ax.set_xlabel("alpha")
    for ax in axes[:2, 0]:
        ax.set_ylabel("test log-loss (nats)")
    for ax, noise in zip(axes[2], NOISES, strict=True):
        draw_moons(ax, noise)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(
        "The penalty that the fit finds by itself lies near the best one,\n"
        "from clean classes (top left) to noisy ones"
    )
    return figure


# %%
# The result
# ----------


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure, do not show it")
    save = parser.parse_args().save

    names, tables, labels = zip(*load(), strict=True)
    results = [measure(X, y) for X, y in zip(tables, labels, strict=True)]
    print_table(names, results)
    figure = draw(names, results)
    if save:
        figure.savefig(save, dpi=110)
    else:
        plt.show()


if __name__ == "__main__":
    main()
