"""The cases of the comparison: data sets, networks, and how far each method goes."""

from dataclasses import dataclass
from time import process_time

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.preprocessing import StandardScaler
from tools import load, split

TABLES = (
    "digits car phoneme magic pendigits optdigits letter nursery electricity adult "
    "bank_marketing churn"
).split()
IMAGES = ("mnist", "fashion_mnist")
IMAGE_LAYERS = ((100,), (256, 128))
NO_FILE = {"digits", "generated", "small"}


@dataclass(frozen=True)
class Case:
    """A data set, a network, and where the runs of each method end.

    Attributes
    ----------
    group : {"tables", "generated", "images", "quick"}
    epochs, lbfgs_iterations : int
        Length of the trajectories of adam and L-BFGS, 0 to leave it out.
    patience, lbfgs_patience : int
        A trajectory ends when the validation log-loss has had no new minimum for so many
        epochs of adam, or iterations of L-BFGS.
    budgets : tuple of int
        Passes of the complete fits of the methods that have a schedule.
    sweep_passes : int
        Budget at which torch's learning rate is chosen.
    once, without : frozenset of str
        Runs of the first repeat only, and runs that are left out.
    aim : float or None
        Test accuracy to reach, beside the targets.
    """

    data: str
    group: str
    layers: tuple = (100,)
    dtype: type = np.float64
    epochs: int = 200
    lbfgs_iterations: int = 300
    patience: int = 30
    lbfgs_patience: int = 30
    budgets: tuple = (1, 2, 3, 5, 8, 12, 20, 30, 45, 70, 100, 140, 200)
    sweep_passes: int = 20
    once: frozenset = frozenset()
    without: frozenset = frozenset()
    aim: float | None = None

    @property
    def name(self):
        """Return the data set, with the network where it is not the usual one."""
        return f"{self.data} {self.layers}" if self.group == "images" else self.data


def all_cases():
    """Return the cases in the order of the page."""
    large = {"electricity", "adult", "bank_marketing"}
    tables = [
        Case(name, "tables", epochs=100 if name in large else 200) for name in TABLES
    ]
    generated = Case(
        "generated",
        "generated",
        dtype=np.float32,
        epochs=100,
        patience=15,
        lbfgs_patience=15,
        budgets=(1, 2, 3, 5, 8, 12, 20, 30, 45),
        sweep_passes=12,
        aim=0.868,
    )
    images = [_image(data, layers) for layers in IMAGE_LAYERS for data in IMAGES]
    return [*tables, generated, *images]


def _image(data, layers):
    """Return a case of images, whose slow runs are taken once or left out."""
    deep = len(layers) > 1
    no_layers = {"default HistGradientBoosting", "default LogisticRegression"}
    return Case(
        data,
        "images",
        layers,
        dtype=np.float32,
        epochs=30,
        patience=5,
        lbfgs_iterations=150,
        lbfgs_patience=15,
        budgets=(1, 2, 3, 5, 8, 12, 20),
        sweep_passes=5,
        once=no_layers | {"default adam", "default adam, early stopping"},
        without=frozenset({"default lbfgs"} | (no_layers if deep else set())),
        aim=0.983 if deep and data == "mnist" else None,
    )


def quick_cases():
    """Return two cases that take seconds and need no files."""
    return [
        Case(
            name,
            "quick",
            epochs=20,
            lbfgs_iterations=30,
            budgets=(1, 3, 8),
            sweep_passes=3,
        )
        for name in ("digits", "small")
    ]


class Rows:
    """The rows of one repeat, raw and standardised."""

    def __init__(self, case, seed):
        X, y, X_test, y_test, share = _arrays(case, seed)
        X, X_val, y, y_val = split(X, y, seed, share)
        self.X, self.X_val, self.X_test = X, X_val, X_test
        self.y, self.y_val, self.y_test = y, y_val, y_test
        start = process_time()
        scaler = StandardScaler().fit(X)
        self.T = scaler.transform(X)
        self.scaler_seconds = process_time() - start
        self.T_val, self.T_test = scaler.transform(X_val), scaler.transform(X_test)

    @property
    def shape(self):
        """Return training rows, columns and classes."""
        return [*self.X.shape, len(np.unique(self.y))]


def _arrays(case, seed):
    """Return rows to train and validate on, test rows, and the share of validation."""
    data = _read(case.data)
    X = data["X"].astype(case.dtype)
    if "X_test" in data:
        return X, data["y"], data["X_test"].astype(case.dtype), data["y_test"], 0.2
    X, X_test, y, y_test = split(X, data["y"], seed, 0.2)
    return X, y, X_test, y_test, 0.25


def _read(name):
    if name not in NO_FILE:
        return load(name)
    if name == "digits":
        X, y = load_digits(return_X_y=True)
    elif name == "small":
        X, y = make_classification(
            4000, 20, n_informative=10, n_classes=3, random_state=0
        )
    else:
        X, y = make_classification(
            50_000,
            100,
            n_informative=30,
            n_classes=10,
            n_clusters_per_class=4,
            flip_y=0.02,
            class_sep=2,
            random_state=0,
        )
    return {"X": X, "y": y}
