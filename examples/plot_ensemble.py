"""What do several networks gain, and what do they cost?
=====================================================

``GaussNewtonMLPEnsembleClassifier`` averages the probabilities of several networks. By
default they differ in encoding, layers, activation and initial weights. A second ensemble
has as many networks of one kind, which differ in their initial weights alone.

Left: log-loss on test samples against the number of members. The members of largest
weight come first, and the weights of the first k are divided by their sum. A network that
the fit has left out is no member. Right: the same log-loss against seconds of fit. The
points of the ensemble are fits with growing ``max_time``, and one without. Numbers at the
points count networks, or trees. Both panels have the single network with default
parameters, and boosted trees. In the left one, the trees have their default number.

The data are made, with a fixed seed. The log-odds are a sum of six terms of equal
variance: two with steps, two smooth ones of single features, two smooth interactions.
Three more features are noise. All of it is measured on one set of training samples:
differences of a few thousandths may be chance.

Seconds are processor time on one thread. ``max_time`` is time by the clock, which is more
on a busy machine.

CatBoost takes part where it is installed.

Usage: ``python examples/plot_ensemble.py [--save FILE]``
"""

import argparse
from importlib.util import find_spec
from time import process_time

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

import skgn
from skgn import GaussNewtonMLPClassifier, GaussNewtonMLPEnsembleClassifier

TRAIN_SAMPLES, TEST_SAMPLES = 4000, 20_000
FEATURES = 12  # of which the last three are noise

#: The log-odds are the sum of these, each of mean 0 and variance 1.
PARTS = {
    "step": lambda X: X[:, 0] > 0.5,
    "steps that interact": lambda X: (X[:, 1] > 0) & (X[:, 2] > 0),
    "wave": lambda X: np.sin(2 * X[:, 3]),
    "product": lambda X: X[:, 4] * X[:, 5],
    "oblique valley": lambda X: np.abs(X[:, 6] - X[:, 7]),
    "skewed": lambda X: np.log(X[:, 8]),
}

ONE_KIND = {"encoding": "piecewise"}
MAX_TIMES = (1, 2, 4, None)  # seconds
TREES = {"HistGradientBoosting": (25, 50, 100, 200), "CatBoost": (100, 300, 1000)}
DEFAULT_TREES = {"HistGradientBoosting": 100, "CatBoost": 1000}

VARIED, ALIKE, SINGLE = "ensemble (default)", "ensemble of one kind", "single network"
STYLES = {
    VARIED: {"color": "#0072B2", "ls": "-", "marker": "o"},
    ALIKE: {"color": "#D55E00", "ls": "--", "marker": "s"},
    SINGLE: {"color": "#009E73", "ls": ":", "marker": "D"},
    "HistGradientBoosting": {"color": "#777777", "ls": "-.", "marker": "^"},
    "CatBoost": {"color": "black", "ls": (0, (7, 2)), "marker": "v"},
}


# %%
# The data
# --------


def make(m, seed):
    """Return X, y and the true log-odds."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, FEATURES))
    X[:, 8] = np.exp(X[:, 8])
    parts = [part(X).astype(float) for part in PARTS.values()]
    z = sum((part - part.mean()) / part.std() for part in parts)
    return X, (rng.random(m) < 1 / (1 + np.exp(-z))).astype(int), z


# %%
# The fits
# --------


def trees(name, count):
    """Return a classifier of so many trees."""
    if name == "CatBoost":
        from catboost import CatBoostClassifier

        return CatBoostClassifier(
            iterations=count,
            random_seed=0,
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
        )
    return HistGradientBoostingClassifier(max_iter=count, random_state=0)


def ensemble(estimators, max_time=None):
    return GaussNewtonMLPEnsembleClassifier(estimators, max_time=max_time, random_state=0)


def measure(model, X, y, X_test, y_test):
    """Fit a model; return seconds, and the test log-loss."""
    begun = process_time()
    model.fit(X, y)
    return process_time() - begun, log_loss(y_test, model.predict_proba(X_test))


def members_curve(model, X_test, y_test):
    """Return log-losses of the first k members, and of each alone."""
    order = np.argsort(-model.weights_)
    weights = model.weights_[order]
    probabilities = model.members_predict_proba(X_test)[order]
    together = [
        log_loss(y_test, np.average(probabilities[:k], axis=0, weights=weights[:k]))
        for k in range(1, len(order) + 1)
    ]
    return together, [log_loss(y_test, own) for own in probabilities]


def fit_all(data, names):
    """Return by name the points (number, seconds, log-loss), and curves of members."""
    points, curves = {}, {}
    print(f"\n{'':38}{'number':>8}{'seconds':>9}{'log-loss':>10}")

    def take(name, model, what, count):
        seconds, loss = measure(model, *data)
        number = count(model)
        points.setdefault(name, []).append((number, seconds, loss))
        print(f"{name + what:38}{number:8}{seconds:9.2f}{loss:10.4f}")

    for name in names:
        for number in TREES[name]:
            take(name, trees(name, number), "", lambda _, number=number: number)
    take(SINGLE, GaussNewtonMLPClassifier(random_state=0), "", lambda _: 1)
    for max_time in MAX_TIMES:
        model = ensemble(None, max_time)
        what = "" if max_time is None else f", max_time={max_time}"
        take(VARIED, model, what, lambda model: len(model.estimators_))
    curves[VARIED] = members_curve(model, *data[2:])
    model = ensemble([ONE_KIND] * len(model.selection_["stage"]))
    take(ALIKE, model, "", lambda model: len(model.estimators_))
    curves[ALIKE] = members_curve(model, *data[2:])
    return points, curves


# %%
# The table
# ---------


def print_members(curves):
    """Print the log-losses by number of members."""
    for name, (together, alone) in curves.items():
        print(f"\n{name}\n{'members':10}", *(f"{k + 1:7}" for k in range(len(together))))
        print(f"{'together':10}", *(f"{loss:7.4f}" for loss in together))
        print(f"{'each alone':10}", *(f"{loss:7.4f}" for loss in alone))


# %%
# The figure
# ----------


def draw_members(ax, curves, points):
    """Draw the log-loss against the number of members."""
    for name, (together, alone) in curves.items():
        style = STYLES[name]
        ks = np.arange(1, len(together) + 1)
        ax.plot(ks, together, lw=2, ms=6, **style)
        ax.plot(ks, alone, mfc="none", ms=5, alpha=0.6, **{**style, "ls": ""})
    for name, own in points.items():
        if name in curves:
            continue
        number = DEFAULT_TREES.get(name, 1)
        (loss,) = (loss for count, _, loss in own if count == number)
        ax.axhline(loss, lw=1.8, color=STYLES[name]["color"], ls=STYLES[name]["ls"])
    ax.set_xlabel("number of members")
    most = max(len(together) for together, _ in curves.values())
    ax.set_xticks(range(1, most + 1))
    ax.set_xlim(0.6, most + 0.4)
    ax.set_title("open: each member alone")


def draw_time(ax, points):
    """Draw the log-loss against seconds of fit."""
    for name, own in points.items():
        numbers, seconds, losses = zip(*own, strict=True)
        ax.plot(seconds, losses, lw=1.8, ms=6, **STYLES[name])
        places = [(6, 5) if name == VARIED else (-15, -14)] * (len(own) - 1) + [(7, -3)]
        for number, x, y, place in zip(numbers, seconds, losses, places, strict=True):
            ax.annotate(
                str(number),
                (x, y),
                place,
                textcoords="offset points",
                fontsize=8,
                color=STYLES[name]["color"],
            )
    ax.set_xscale("log")
    ax.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    ax.minorticks_off()
    ax.margins(x=0.12)
    ax.set_xlabel("seconds of fit (processor time, one thread)")
    ax.set_title("numbers: networks, or trees")


def draw(curves, points, truth):
    """Return the figure."""
    figure, axes = plt.subplots(
        1, 2, figsize=(11, 5.2), layout="constrained", sharey=True
    )
    draw_members(axes[0], curves, points)
    draw_time(axes[1], points)
    axes[0].set_ylabel("test log-loss (nats)")
    for ax in axes:
        ax.margins(y=0.1)
        ax.grid(alpha=0.3)
    handles = [
        plt.Line2D([], [], lw=1.8, ms=6, label=name, **STYLES[name])
        for name in STYLES
        if name in points
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(
        "Networks of several kinds gain more from each other than those of one kind\n"
        f"({TRAIN_SAMPLES:,} samples; the true log-odds have a log-loss of {truth:.3f})"
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
    truth = log_loss(y_test, 1 / (1 + np.exp(-z_test)))
    print(
        f"skgn {skgn.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}\n"
        f"{TRAIN_SAMPLES} training samples, {TEST_SAMPLES} test samples, {FEATURES} "
        f"features. The true log-odds have a log-loss of {truth:.4f}."
    )
    names = list(TREES)
    if find_spec("catboost") is None:
        print("CatBoost is not installed: it is left out.")
        names.remove("CatBoost")
    with threadpool_limits(1):
        points, curves = fit_all((X, y, X_test, y_test), names)
    print_members(curves)
    figure = draw(curves, points, truth)
    if save:
        figure.savefig(save, dpi=110)
    else:
        plt.show()


if __name__ == "__main__":
    main()
