"""What one iteration costs, and what raw columns change."""

from time import perf_counter

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine, make_classification
from sklearn.preprocessing import StandardScaler
from tools import FLOATS, all_rows, fit_seconds, median

from skgn.data.columns import Standardisation
from skgn.data.inputs import make_inputs
from skgn.model.losses import Multinomial
from skgn.model.network import Network
from skgn.model.objective import Objective


def one_iteration(repeats):
    """One iteration against one cost and gradient, 20,000 x 100, (100,), 10 classes."""
    X64, y = make_classification(
        20_000,
        100,
        n_informative=30,
        n_classes=10,
        n_clusters_per_class=1,
        random_state=0,
    )
    rows = []
    for dtype in FLOATS:
        X = X64.astype(dtype)
        weights = np.full(len(X), 1 / len(X))
        network = Network.of((100, 100, 10), ["leaky_relu"])
        layers = network.initial_weights(np.random.RandomState(0), np.zeros(10))
        theta = np.concatenate([V.ravel() for V in layers]).astype(dtype)
        objective = Objective(
            network=network,
            loss=Multinomial(),
            inputs=make_inputs(X, Standardisation.of(X, weights)),
            targets=y,
            row_weights=weights.astype(dtype),
            alpha=1e-4,
        )
        runs = []
        for seed in range(repeats):
            evaluations = []
            for _ in range(20):
                start = perf_counter()
                here = objective.evaluate(theta)
                _ = here.cost, here.gradient
                evaluations.append(perf_counter() - start)
                objective.recycle(here)
            model = all_rows(tol=0, max_iter=40, random_state=seed)
            fit_seconds(model, X, y)
            iteration = model.history_["seconds"][-1] / model.n_iter_
            runs.append((1e3 * iteration, 1e3 * median(evaluations)))
        rows.append(
            {
                "float": dtype.__name__,
                "iteration, ms": median([ours for ours, _ in runs]),
                "cost and gradient, ms": median([one for _, one in runs]),
                "ratio": median([ours / one for ours, one in runs]),
            }
        )
    return rows


def raw_columns(repeats):
    """Largest difference in probabilities, raw columns against StandardScaler output."""
    rows = []
    for name, loader in (("wine", load_wine), ("breast cancer", load_breast_cancer)):
        X, y = loader(return_X_y=True)
        T = StandardScaler().fit_transform(X)
        differences = []
        for seed in range(repeats):
            model = all_rows(random_state=seed)
            raw = model.fit(X, y).predict_proba(X)
            differences.append(np.abs(raw - model.fit(T, y).predict_proba(T)).max())
        rows.append({"data": name, "largest difference": float(max(differences))})
    return rows
