"""Named data sets and network cases that the tests share."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_multilabel_classification,
)
from sklearn.utils import check_random_state

from skgn.data.columns import Standardisation
from skgn.data.inputs import DenseInputs
from skgn.linalg.kronecker import Factor
from skgn.model.losses import Bernoulli, Multinomial, Squared
from skgn.model.network import Network
from skgn.model.objective import Objective
from tests import oracles

LOSSES = {"bernoulli": Bernoulli(), "multinomial": Multinomial(), "squared": Squared()}


def global_state():
    """Return the state of numpy's own generator."""
    _, key, position, *_ = check_random_state(None).get_state()
    return position, key.tolist()


# Data sets: X and y of a classification problem.


def iris():
    """Three classes, 150 rows, 4 columns."""
    return load_iris(return_X_y=True)


def wine():
    """Three classes, 178 rows, 13 columns of very different size."""
    return load_wine(return_X_y=True)


def breast_cancer():
    """Two classes, 569 rows, 30 columns of very different size."""
    return load_breast_cancer(return_X_y=True)


def digits():
    """Ten classes, 1797 rows, 64 columns of which some are constant."""
    return load_digits(return_X_y=True)


def binary(m=120, n=6, seed=0):
    """Two classes with label noise."""
    return make_classification(m, n, n_informative=4, flip_y=0.1, random_state=seed)


def multiclass(m=150, n=8, n_classes=4, seed=0):
    """A few classes with label noise."""
    return make_classification(
        m, n, n_informative=5, n_classes=n_classes, flip_y=0.05, random_state=seed
    )


def multilabel(m=120, n=7, n_classes=3, seed=0):
    """An indicator matrix of a few labels."""
    return make_multilabel_classification(
        m, n, n_classes=n_classes, allow_unlabeled=True, random_state=seed
    )


def wide(m=30, n=90, n_classes=3, seed=0):
    """More columns than rows."""
    return make_classification(
        m, n, n_informative=10, n_classes=n_classes, random_state=seed
    )


def separable(m=60, n=3, seed=0):
    """Two classes far apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    return rng.normal(size=(m, n)) + 20 * y[:, None], y


DATA = {
    "binary": binary,
    "multiclass": multiclass,
    "multilabel": multilabel,
    "wide": wide,
}


# Networks on random rows, for comparison with the oracles.


@dataclass(frozen=True)
class Case:
    """A network at random weights, with a loss and weighted rows."""

    loss: str
    activations: tuple[str, ...]
    layers: list[np.ndarray]
    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    alpha: float

    @property
    def theta(self):
        """Weights as a flat vector."""
        return oracles.flatten(self.layers)

    @property
    def shapes(self):
        """Shapes of the layers."""
        return [V.shape for V in self.layers]

    @property
    def widths(self):
        """Columns of X, units of hidden layers, outputs."""
        return (self.X.shape[1], *(V.shape[1] for V in self.layers))

    @property
    def rows(self):
        """Arguments by which the oracles know the network on its rows."""
        return self.layers, self.activations, self.X

    def objective(self, dtype=np.float64):
        """Return the package's objective of the case."""
        columns = Standardisation.none(self.X.shape[1])
        return Objective(
            network=Network.of(self.widths, self.activations),
            loss=LOSSES[self.loss],
            inputs=DenseInputs.standardised(self.X.astype(dtype), columns),
            targets=self.targets,
            row_weights=(self.weights / self.weights.sum()).astype(dtype),
            alpha=self.alpha,
        )

    def evaluation(self):
        """Return the package's evaluation at the weights of the case."""
        return self.objective().evaluate(self.theta)

    def input_factor(self):
        """Return ``S_1``, decomposed by the package."""
        tilde = np.hstack([np.ones((len(self.X), 1)), self.X])
        w = self.weights / self.weights.sum()
        return Factor.decompose(sum(map(np.multiply, w, map(np.outer, tilde, tilde))))

    def value_at(self, theta):
        """Return the objective at other weights, by the oracle."""
        layers = oracles.unflatten(theta, self.shapes)
        return oracles.objective(
            self.loss,
            layers,
            self.activations,
            self.X,
            self.targets,
            self.weights,
            self.alpha,
        )

    def gauss_newton(self, alpha=None):
        """Return the dense Gauss-Newton matrix, by the oracle."""
        alpha = self.alpha if alpha is None else alpha
        return oracles.gauss_newton(self.loss, *self.rows, self.weights, alpha)


def case(loss="multinomial", activations=("tanh",), hidden=(4,), **options):
    """Draw a case; `hidden` are the widths of the hidden layers."""
    m, n = options.get("m", 9), options.get("n", 3)
    K, alpha = options.get("K", 3), options.get("alpha", 0.1)
    rng = np.random.default_rng(options.get("seed", 0))
    widths = (n, *hidden, K)
    layers = [
        rng.normal(size=(1 + fan_in, fan_out)) / np.sqrt(1 + fan_in) * 1.5
        for fan_in, fan_out in pairwise(widths)
    ]
    X = rng.normal(size=(m, n))
    weights = rng.uniform(0.2, 3, size=m)
    if loss == "multinomial":
        targets = np.arange(m) % K
    elif loss == "bernoulli":
        targets = (rng.uniform(size=(m, K)) < 0.5).astype(np.int8)
    else:
        targets = rng.normal(size=(m, K))
    return Case(loss, tuple(activations), layers, X, targets, weights, alpha)


def network_cases():
    """Return cases by name: losses x activations, one output and more, depths 0 to 3."""
    cases = {}
    for loss in LOSSES:
        cases[f"{loss}, no hidden layer"] = case(loss, (), ())
        for name in oracles.ACTIVATIONS:
            cases[f"{loss}, {name}"] = case(loss, (name,), (4,), seed=1)
        cases[f"{loss}, two layers"] = case(loss, ("silu", "tanh"), (4, 3), seed=2)
        cases[f"{loss}, three layers"] = case(
            loss, ("relu", "logistic", "leaky_relu"), (5, 4, 3), seed=3
        )
    for depth in range(3):
        names = ("tanh", "silu")[:depth]
        cases[f"bernoulli, one output, depth {depth}"] = case(
            "bernoulli", names, (3, 4)[:depth], K=1, seed=4
        )
    cases["multinomial, two classes"] = case("multinomial", ("tanh",), (3,), K=2)
    cases["multinomial, no penalty"] = case("multinomial", ("silu",), (3,), alpha=0.0)
    cases["bernoulli, one row"] = case("bernoulli", ("tanh",), (3,), m=1, K=2)
    cases["multinomial, one column"] = case("multinomial", ("tanh",), (3,), n=1)
    return cases
