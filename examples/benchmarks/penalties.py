"""alpha="auto" against fixed penalties, cross-validation and MLPClassifier.

    python examples/benchmarks/penalties.py [--data NAME ...] [--seeds 3] [--resume]

On the classification sets of the folder that SKGN_DATA names, and of scikit-learn; on the
latter alone where it is not set. At most 10,000 rows are trained on and 5,000 tested, one
thread. Raw numbers go to penalties.json beside this file, and the tables to the standard
output: means over seeds, and geometric means over data sets.
"""

import argparse
import json
import os
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tools import markdown

from skgn import GaussNewtonMLPClassifier

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-5, -1, 7))
BUNDLED = ("breast_cancer", "digits", "iris", "wine")
FOLDER = """adult bank_marketing basehock car cat_vs_noncat churn covertype_93k dna
    electricity fashion_mnist german_credit higgs_7k ionosphere isolet_1560 jannis_30k
    letter madelon magic mfeat_pixel mnist nursery optdigits page_blocks pendigits
    phoneme pima_diabetes ring segment shuttle sonar vehicle wine_quality_red
    yeast""".split()
FILE = Path(__file__).with_suffix(".json")
MOST_ROWS, MOST_TEST_ROWS = 10_000, 5_000


def rows_of(name, seed):
    """Return training and test rows."""
    if name in BUNDLED:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    else:
        with np.load(Path(os.environ["SKGN_DATA"]) / f"{name}.npz") as file:
            parts = [("X", "y"), *([("X_test", "y_test")] if "X_test" in file else [])]
            X = np.concatenate([file[a] for a, _ in parts])
            y = np.concatenate([file[b] for _, b in parts])
    X = X.reshape(len(X), -1)
    order = np.random.RandomState(1000 + seed).permutation(len(X))
    n_test = min(int(0.3 * len(X)), MOST_TEST_ROWS)
    test, train = order[:n_test], order[n_test : n_test + MOST_ROWS]
    test = test[np.isin(y[test], y[train])]
    dtype = np.float32 if X.shape[1] > 700 else np.float64
    return X[train].astype(dtype), y[train], X[test].astype(dtype), y[test]


def score(model, X, y):
    """Return test log-loss and accuracy."""
    p = model.predict_proba(X)
    p = p / p.sum(axis=1, keepdims=True)
    accuracy = np.mean(model.classes_[p.argmax(axis=1)] == y)
    return log_loss(y, p, labels=model.classes_), float(accuracy)


def methods(seed):
    """Return the estimators by name."""
    fits = {"auto": GaussNewtonMLPClassifier(random_state=seed)}
    for alpha in ALPHAS:
        fits[f"{alpha:.1e}"] = GaussNewtonMLPClassifier(alpha=alpha, random_state=seed)
    fits["cross-validation"] = GridSearchCV(
        GaussNewtonMLPClassifier(random_state=seed),
        {"alpha": ALPHAS},
        scoring="neg_log_loss",
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
        error_score="raise",
    )
    for stopping in (False, True):
        peer = MLPClassifier(early_stopping=stopping, random_state=seed)
        name = "MLPClassifier" + (", early stopping" if stopping else "")
        fits[name] = make_pipeline(StandardScaler(), peer)
    return fits


def measure(name, seed):
    """Return a row of results: seconds, log-loss and accuracy by method."""
    X, y, X_test, y_test = rows_of(name, seed)
    row = {"data": name, "seed": seed, "rows": len(X), "columns": X.shape[1]}
    for method, model in methods(seed).items():
        start = perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                warnings.simplefilter("ignore", UserWarning)  # rare classes in folds
                model.fit(X, y)
        except ValueError as error:  # classes too rare for folds or early stopping
            print(f"  {name}, {method}: {error}")
            continue
        seconds = perf_counter() - start
        values = (seconds, *score(model, X_test, y_test))
        row[method] = [float(f"{value:.6g}") for value in values]
    return row


def means(rows, method, column):
    """Return the mean over seeds by data set, of one of seconds, loss, accuracy."""
    names = list(dict.fromkeys(row["data"] for row in rows))
    return {
        name: float(np.mean([r[method][column] for r in rows if r["data"] == name]))
        for name in names
        if all(method in r for r in rows if r["data"] == name)
    }


def geometric(ratios):
    """Return the geometric mean of ratios by data set."""
    return float(np.exp(np.mean(np.log(list(ratios.values())))))


def ratio(one, other):
    """Return one / other by data set."""
    return {name: one[name] / other[name] for name in one if name in other}


def summary(rows):
    """Return the table of what "auto" is measured against."""
    loss, accuracy = means(rows, "auto", 1), means(rows, "auto", 2)
    fixed = {a: means(rows, f"{a:.1e}", 1) for a in ALPHAS}
    single = min(ALPHAS, key=lambda a: geometric(fixed[a]))
    others = {
        "cross-validation over 7": "cross-validation",
        f"the best single one, {single:.1e}": f"{single:.1e}",
        "MLPClassifier": "MLPClassifier",
        "MLPClassifier, early stopping": "MLPClassifier, early stopping",
    }
    table = []
    for label, method in others.items():
        theirs, theirs_accuracy = means(rows, method, 1), means(rows, method, 2)
        ratios = ratio(loss, theirs)
        times = ratio(means(rows, "auto", 0), means(rows, method, 0))
        not_worse = [accuracy[d] >= theirs_accuracy[d] - 1e-12 for d in ratios]
        table.append(
            {
                "against": label,
                "data sets": len(ratios),
                "log-loss, geometric mean": round(geometric(ratios), 3),
                "lower on": f"{np.mean([r < 1 for r in ratios.values()]):.0%}",
                "accuracy not lower on": f"{np.mean(not_worse):.0%}",
                "time, geometric mean": round(geometric(times), 3),
            }
        )
    return table


def by_data(rows):
    """Return a table with a row per data set."""
    best = min(ALPHAS, key=lambda a: geometric(means(rows, f"{a:.1e}", 1)))
    columns = ["auto", "cross-validation", f"{best:.1e}", "MLPClassifier"]
    columns.append("MLPClassifier, early stopping")
    losses = {method: means(rows, method, 1) for method in columns}
    shapes = {row["data"]: f"{row['rows']} x {row['columns']}" for row in rows}
    return [
        {"data": name, "rows x columns": shapes[name]}
        | {m: f"{losses[m][name]:.4f}" if name in losses[m] else "-" for m in columns}
        for name in shapes
    ]


def main():
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--resume", action="store_true", help="leave out what is there")
    parser.add_argument("--store", type=Path, default=FILE)
    arguments = parser.parse_args()
    names = arguments.data or [*BUNDLED, *(FOLDER if "SKGN_DATA" in os.environ else [])]
    rows = []
    if arguments.resume and arguments.store.exists():
        rows = json.loads(arguments.store.read_text())
    known = {(row["data"], row["seed"]) for row in rows}
    for name in names:
        for seed in range(arguments.seeds):
            if (name, seed) not in known:
                rows.append(measure(name, seed))
        text = ",\n".join(json.dumps(row) for row in rows)
        arguments.store.write_text(f"[\n{text}\n]\n")
    print(markdown(summary(rows)), "\n\n", markdown(by_data(rows)), sep="")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
