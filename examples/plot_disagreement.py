"""Do the members of an ensemble disagree where there were no training samples?
============================================================================

The members of an ensemble have learned from the same samples, and are not the same. One
may hope that they disagree wherever the samples say nothing. Here are two ways to look at
that:

- the mutual information of the class and the member. It is the entropy of the mean
  probabilities, less the mean entropy of each member's. It is 0 where all members predict
  the same probabilities.
- the standard deviation of the members' log-odds. For several classes these are the
  log-probabilities, less their mean over the classes.

Both are compared with the entropy of the probabilities of the ensemble, and of a single
network. How well a number tells samples of another distribution from test samples is the
area under the ROC curve: 1 if it is always larger, .5 for a coin, 0 if it is always
smaller.

There are two kinds of other samples. The first: two interleaved half-moons in a plane, in
standardised features, and points far from them. The second: handwritten digits, of which
the ensemble has seen the classes 0 to 4; the others are images of 5 to 9.

The maps are those of the first ensemble. Far away, each member's log-odds grow with the
distance. So each member is sure, the members agree, and the mutual information is 0. That
they are sure by different amounts shows in the log-odds alone. The distance to the next
training sample would tell such points as well. With unseen digits it is the other way
round. Their log-odds are smaller than those of digits that a member knows, and so is what
the members' log-odds differ by.

Usage: ``python examples/plot_disagreement.py [--save FILE]``
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from matplotlib.ticker import LogLocator
from scipy.spatial import cKDTree
from scipy.special import entr
from sklearn.datasets import load_digits, make_moons
from sklearn.metrics import log_loss, roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import skgn
from skgn import GaussNewtonMLPClassifier, GaussNewtonMLPEnsembleClassifier

TRAIN_SAMPLES, TEST_SAMPLES, NOISE = 600, 2000, 0.25
SEEDS = range(5)  # of samples, splits and fits

#: Half the side of the square that is looked at, in standard deviations; samples of
#: another distribution are at least FAR from each training sample.
REACH, FAR = 5, 1
POINTS = 161  # of the grid, in each direction
KNOWN_DIGITS = 5  # 0 to 4

INFORMATION = "mutual information"
LOG_ODDS = "deviation of log-odds"
ENTROPY = "entropy of the ensemble"
SINGLE = "entropy of a single network"
STYLES = {
    INFORMATION: {"color": "#0072B2", "ls": "-", "lw": 2.2},
    LOG_ODDS: {"color": "#D55E00", "ls": "--", "lw": 2.2},
    ENTROPY: {"color": "#009E73", "ls": "-.", "lw": 1.8},
    SINGLE: {"color": "black", "ls": ":", "lw": 2.2},
}
MOONS, DIGITS = "moons: points far away", "digits: classes not seen"


# %%
# The data
# --------
# Each function returns training samples, test samples and other samples.


def moons(seed):
    """Return training samples, test samples, and samples of another distribution."""
    X, y = make_moons(TRAIN_SAMPLES, noise=NOISE, random_state=2 * seed)
    X_test, y_test = make_moons(TEST_SAMPLES, noise=NOISE, random_state=2 * seed + 1)
    scaler = StandardScaler().fit(X)
    X, X_test = scaler.transform(X), scaler.transform(X_test)
    rng = np.random.default_rng(seed)
    others = rng.uniform(-REACH, REACH, (2 * TEST_SAMPLES, 2))
    distance, _ = cKDTree(X).query(others)
    return X, y, X_test, y_test, others[distance > FAR][:TEST_SAMPLES]


def digits(seed):
    """Return the same of digits."""
    X, y = load_digits(return_X_y=True)
    known = y < KNOWN_DIGITS
    parts = train_test_split(
        X[known], y[known], test_size=1 / 3, stratify=y[known], random_state=seed
    )
    X_train, X_test, y_train, y_test = parts
    return X_train, y_train, X_test, y_test, X[~known]


# %%
# The measures
# ------------


def fit(X, y, seed):
    """Return a fitted ensemble and a fitted network."""
    ensemble = GaussNewtonMLPEnsembleClassifier(random_state=seed).fit(X, y)
    return ensemble, GaussNewtonMLPClassifier(random_state=seed).fit(X, y)


def entropy(probabilities):
    """Return the entropy along the last axis, in nats."""
    return entr(probabilities).sum(axis=-1)


def log_odds_deviation(ensemble, X):
    """Return how much the members' log-odds differ."""
    members = np.stack([net.predict_log_proba(X) for net in ensemble.estimators_])
    members -= members.mean(axis=-1, keepdims=True)
    mean = np.average(members, axis=0, weights=ensemble.weights_)
    squares = ((members - mean) ** 2).sum(axis=-1)
    return np.sqrt(np.average(squares, axis=0, weights=ensemble.weights_))


def measures(ensemble, net, X):
    """Return what may tell that samples are of another distribution."""
    members = ensemble.members_predict_proba(X)
    mean_entropy = np.average(entropy(members), axis=0, weights=ensemble.weights_)
    of_mean = entropy(ensemble.predict_proba(X))
    return {
        INFORMATION: np.maximum(of_mean - mean_entropy, 0),
        LOG_ODDS: log_odds_deviation(ensemble, X),
        ENTROPY: of_mean,
        SINGLE: entropy(net.predict_proba(X)),
    }


def compare(make):
    """Return log-losses and areas by seed, and the scores of the first one."""
    losses, areas, scores = [], [], None
    for seed in SEEDS:
        X, y, X_test, y_test, others = make(seed)
        ensemble, net = fit(X, y, seed)
        losses.append(
            [log_loss(y_test, own.predict_proba(X_test)) for own in (ensemble, net)]
        )
        is_other = np.repeat([0, 1], [len(X_test), len(others)])
        both = measures(ensemble, net, np.vstack([X_test, others]))
        areas.append([roc_auc_score(is_other, both[name]) for name in STYLES])
        if scores is None:
            scores, first = (is_other, both), (ensemble, X, y, others)
    return np.array(losses), np.array(areas), scores, first


# %%
# The table
# ---------


def print_table(results):
    """Print log-losses and areas: means, and standard errors."""
    for name, (losses, areas, _, _) in results.items():
        ensemble, single = losses.mean(axis=0)
        print(
            f"\n{name}\n  test log-loss: ensemble {ensemble:.4f}, single network "
            f"{single:.4f}\n  area under the ROC curve"
        )
        errors = areas.std(axis=0, ddof=1) / np.sqrt(len(areas))
        for what, mean, error in zip(STYLES, areas.mean(axis=0), errors, strict=True):
            print(f"    {what:30}{mean:.3f} ± {error:.3f}")


# %%
# The figure
# ----------


def draw_map(ax, title, values, levels, marked, label, samples):
    """Draw a function of the plane, and samples."""
    grid = np.linspace(-REACH, REACH, POINTS)
    values = values.reshape(POINTS, POINTS)
    beyond = "max" if values.max() > levels[-1] else "neither"
    filled = ax.contourf(grid, grid, values, levels, cmap="cividis", extend=beyond)
    lines = ax.contour(grid, grid, values, marked, colors="white", linewidths=1)
    ax.clabel(lines, fontsize=7, fmt="%g")
    bar = ax.figure.colorbar(filled, ax=ax, location="right", aspect=30)
    bar.set_label(label)
    X, y, others = samples
    for k, marker in enumerate("o^"):
        ax.plot(*X[y == k].T, marker, color="white", mec="black", ms=3, mew=0.4)
    ax.plot(*others[:120].T, "X", color="#FF8C69", mec="black", ms=6, mew=0.5)
    ax.set_title(title, fontsize=10)
    ax.set_xlabel("first feature (standard deviations)")
    ax.set_aspect("equal")


def draw_maps(axes, ensemble, X, y, others):
    """Draw mean probability, mutual information, and deviation of the log-odds."""
    grid = np.linspace(-REACH, REACH, POINTS)
    plane = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    samples = X, y, others
    probability = ensemble.predict_proba(plane)[:, 1]
    found = measures(ensemble, ensemble.estimators_[0], plane)
    draw_map(
        axes[0],
        "mean probability of class 1",
        probability,
        np.linspace(0, 1, 11),
        [0.1, 0.5, 0.9],
        "probability",
        samples,
    )
    draw_map(
        axes[1],
        "where probabilities differ",
        found[INFORMATION],
        np.linspace(0, 0.7, 15),
        [0.05],
        f"{INFORMATION} (nats)",
        samples,
    )
    draw_map(
        axes[2],
        "where log-odds differ",
        found[LOG_ODDS],
        np.linspace(0, 10, 11),
        [1, 3],
        LOG_ODDS,
        samples,
    )
    axes[0].set_ylabel("second feature (standard deviations)")


def put_legend_below(ax, title):
    """Put a legend below the axes, where no line is."""
    ax.legend(
        title=title,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        fontsize=9,
        title_fontsize=9,
        frameon=False,
    )


def draw_roc(ax, title, areas, scores):
    """Draw ROC curves of the first seed, with the mean area of all."""
    is_other, both = scores
    for name, area in zip(both, areas.mean(axis=0), strict=True):
        false, true, _ = roc_curve(is_other, both[name])
        ax.plot(false, true, label=f"{name}: {area:.2f}", **STYLES[name])
    ax.plot([0, 1], [0, 1], color="grey", lw=0.8)
    ax.set_xlabel("share of test samples above a bound")
    ax.set_title(title, fontsize=10)
    put_legend_below(ax, f"mean area of {len(areas)} seeds")
    ax.grid(alpha=0.3)


def draw_histogram(ax, scores):
    """Draw how the mutual information is distributed."""
    is_other, both = scores
    values = np.maximum(both[INFORMATION], 1e-9)
    bins = np.logspace(-9, 0, 46)
    for other, label, style in (
        (0, "test samples", {"color": "#0072B2", "ls": "-"}),
        (1, "points far away", {"color": "#D55E00", "ls": "--"}),
    ):
        own = values[is_other == other]
        weights = np.full(len(own), 1 / len(own))
        ax.hist(own, bins, weights=weights, histtype="step", lw=2, label=label, **style)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.minorticks_off()
    ax.set_xlabel("mutual information (nats; the first bin is all below)")
    ax.set_ylabel("share of samples")
    ax.set_title("moons: mutual information", fontsize=10)
    put_legend_below(ax, None)
    ax.grid(alpha=0.3)


def draw(results):
    """Return the figure."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 8.6), layout="constrained")
    draw_maps(axes[0], *results[MOONS][3])
    draw_histogram(axes[1, 0], results[MOONS][2])
    for ax, (name, (_, areas, scores, _)) in zip(
        axes[1, 1:], results.items(), strict=True
    ):
        draw_roc(ax, name, areas, scores)
    axes[1, 1].set_ylabel("share of other samples above it")
    figure.suptitle(
        "Where members disagree, they do not know. Where they agree, they may not know, "
        "either.\n(circles, triangles: training samples; crosses: samples of another "
        "distribution)"
    )
    return figure


# %%
# The result
# ----------


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", metavar="FILE", help="save the figure, do not show it")
    save = parser.parse_args().save

    print(
        f"skgn {skgn.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}\n"
        f"Means over {len(SEEDS)} sets of samples, and their standard errors."
    )
    results = {name: compare(make) for name, make in ((MOONS, moons), (DIGITS, digits))}
    print_table(results)
    figure = draw(results)
    if save:
        figure.savefig(save, dpi=110)
    else:
        plt.show()


if __name__ == "__main__":
    main()
