"""What has a network learned of each column?
==========================================

With ``encoding="piecewise"`` each column has steps beside it. So the first layer can give
it any piecewise-linear function, and is additive in these. Here the truth is additive,
too: the log-odds are a sum of five functions of one column each. They are a step, a kink,
a sine, a line, and a function of a column that is mostly zeros.

Shown are these functions, and what three networks have learned of them from the same
samples. The network without hidden layers is additive: its curves are
``encode(X)[:, columns] @ coefs_[0]``, exactly. Of the networks with a hidden layer, with
and without steps, the curves are partial dependences: the mean log-odds over samples in
which the column is set to one value. All curves are centred over the samples. Ticks at
the bottom are the knots. The last panel has the log-loss on test samples, with those of
gradient-boosted trees, of logistic regression and of the true log-odds.

The data are made, with a fixed seed. There are no interactions in them, which favours
the additive network.

Usage: ``python examples/plot_encoding.py [--save FILE]``
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

import skgn
from skgn import GaussNewtonMLPClassifier

TRAIN_SAMPLES, TEST_SAMPLES = 2000, 20_000

# Points of a curve, and samples that a partial dependence is the mean over
POINTS, MEAN_OVER = 200, 400

#: The log-odds are the sum of these, each less its mean.
PARTS = {
    "step": lambda x: np.where(x > 0.3, 2.0, 0.0),
    "kink": lambda x: 6 * np.maximum(np.abs(x) - 0.4, 0),
    "sine": lambda x: 1.5 * np.sin(3 * np.pi * x),
    "line": lambda x: 1.5 * x,
    "mostly zeros": lambda x: np.where(x > 0, 2.5 - x, 0.0),
}
ZEROS = 0.7  # share of them in the last column

ADDITIVE = "no hidden layer, with steps"
STEPS = "100 hidden units, with steps"
PLAIN = "100 hidden units, plain columns"
TREES, LINEAR, TRUTH = "gradient-boosted trees", "logistic regression", "true log-odds"
MODELS = {
    ADDITIVE: GaussNewtonMLPClassifier((), encoding="piecewise", random_state=0),
    STEPS: GaussNewtonMLPClassifier(encoding="piecewise", random_state=0),
    PLAIN: GaussNewtonMLPClassifier(encoding=None, random_state=0),
    TREES: HistGradientBoostingClassifier(random_state=0),
    LINEAR: LogisticRegression(),
}
STYLES = {
    TRUTH: {"color": "black", "ls": "-", "lw": 4, "alpha": 0.25},
    ADDITIVE: {"color": "#0072B2", "ls": "-", "lw": 1.8},
    STEPS: {"color": "#D55E00", "ls": "--", "lw": 1.8},
    PLAIN: {"color": "#009E73", "ls": ":", "lw": 2.4},
}


# %%
# The data
# --------


def make(m, seed):
    """Return X, y and the true log-odds."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (m, len(PARTS)))
    X[:, -1] = np.where(rng.random(m) < ZEROS, 0, rng.exponential(size=m))
    z = sum(part(X[:, j]) for j, part in enumerate(PARTS.values()))
    z -= z.mean()
    return X, (rng.random(m) < 1 / (1 + np.exp(-z))).astype(int), z


# %%
# The curves
# ----------
# What a network has learned of a column.


def own_columns(net, j):
    """Return which encoded columns are of column j: itself and its steps."""
    names = net.encoded_feature_names_out_
    return [k for k, name in enumerate(names) if name.split("_step")[0] == f"x{j}"]


def additive_part(net, X, j, values):
    """Return the function of column j of a network without hidden layers."""
    grid = np.repeat(X[:1], len(values), axis=0)
    grid[:, j] = values
    columns = own_columns(net, j)
    return net.encode(grid)[:, columns] @ net.coefs_[0][columns, 0]


def partial_dependence(net, X, j, values):
    """Return the mean log-odds over samples in which column j has each of some values."""
    grid = np.repeat(X[:MEAN_OVER], len(values), axis=0)
    grid[:, j] = np.tile(values, MEAN_OVER)
    return net.decision_function(grid).reshape(MEAN_OVER, len(values)).mean(axis=0)


def grid_of(x):
    """Return values of a column, ascending, up to its 99th percentile."""
    values = np.linspace(x.min(), np.quantile(x, 0.99), POINTS)
    if x.min() == 0:  # the zeros are apart from what is next to them
        values = np.insert(values, 1, 1e-6)
    return values


def curves(models, X, j):
    """Return values of column j, and by model a function of them that is centred."""
    values, part = grid_of(X[:, j]), list(PARTS.values())[j]
    found = {
        TRUTH: part(values),
        ADDITIVE: additive_part(models[ADDITIVE], X, j, values),
        STEPS: partial_dependence(models[STEPS], X, j, values),
        PLAIN: partial_dependence(models[PLAIN], X, j, values),
    }
    for name, curve in found.items():
        found[name] = curve - np.interp(X[:, j], values, curve).mean()
    return values, found


def print_errors(models, X):
    """Print how far the curves are from the truth."""
    print("\nroot mean squared error of the curves, over the training samples")
    print(f"{'':15}", *(f"{name:>32}" for name in (ADDITIVE, STEPS, PLAIN)))
    for j, title in enumerate(PARTS):
        values, found = curves(models, X, j)
        truth = found.pop(TRUTH)
        errors = [np.interp(X[:, j], values, curve - truth) for curve in found.values()]
        print(f"{title:15}", *(f"{np.sqrt(np.mean(e**2)):32.2f}" for e in errors))


# %%
# The figure
# ----------


def draw_curves(ax, title, values, found, knots):
    """Draw what has been learned of a column, and its knots."""
    for name, curve in found.items():
        ax.plot(values, curve, label=name, **STYLES[name])
    inside = knots[knots <= values[-1]]
    ax.vlines(inside, 0, 0.05, color="black", lw=1, transform=ax.get_xaxis_transform())
    ax.set_title(title)
    ax.set_xlim(values[0], values[-1])
    ax.margins(y=0.12)
    ax.grid(alpha=0.3)


def draw_losses(ax, losses):
    """Draw the log-loss of each model, ascending."""
    names = sorted(losses, key=losses.get)[::-1]
    for i, name in enumerate(names):
        colour = STYLES.get(name, {"color": "#777777"})["color"]
        ax.plot(losses[name], i, "o", color=colour, ms=8)
        ax.annotate(
            f"{name}\n{losses[name]:.3f}",
            (losses[name], i),
            (9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    ax.set_yticks([])
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_xlim(0.4, 0.85)
    ax.set_xlabel("test log-loss (nats)")
    ax.set_title("all columns together")
    ax.grid(alpha=0.3, axis="x")


def draw(models, X, losses):
    """Return the figure."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
    for j, (ax, title) in enumerate(zip(axes.flat, PARTS, strict=False)):
        knots = models[ADDITIVE].encoder_.knots[j]
        draw_curves(ax, title, *curves(models, X, j), knots)
        ax.set_xlabel(f"column {j}")
    for ax in axes[:, 0]:
        ax.set_ylabel("part of the log-odds, centred")
    draw_losses(axes.flat[-1], losses)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(
        f"What networks learn of each column from {TRAIN_SAMPLES:,} samples; "
        "ticks are knots"
    )
    return figure


# %%
# The result
# ----------


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure, do not show it")
    save = parser.parse_args().save

    X, y, _ = make(TRAIN_SAMPLES, 0)
    X_test, y_test, z_test = make(TEST_SAMPLES, 1)
    print(
        f"skgn {skgn.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}\n"
        f"{TRAIN_SAMPLES} training samples, {TEST_SAMPLES} test samples, "
        f"{len(PARTS)} columns.\n\ntest log-loss"
    )
    models = {name: model.fit(X, y) for name, model in MODELS.items()}
    losses = {
        name: log_loss(y_test, model.predict_proba(X_test))
        for name, model in models.items()
    }
    losses[TRUTH] = log_loss(y_test, 1 / (1 + np.exp(-z_test)))
    for name, loss in losses.items():
        print(f"{name:34}{loss:.3f}")
    print_errors(models, X)
    figure = draw(models, X, losses)
    if save:
        figure.savefig(save, dpi=110)
    else:
        plt.show()


if __name__ == "__main__":
    main()
