"""Default fits on tables: skgn, and what tables are usually given to.

    python examples/benchmarks/tables.py [--methods skgn HistGradientBoosting ...]
        [--data NAME ...] [--splits 4] [--seeds 2] [--label NAME]
    python examples/benchmarks/tables.py --report [--against NAME]

On the classification sets of the folder that SKGN_DATA names, and of scikit-learn; on the
latter and a generated table alone where it is not set. Those of its folder `raw` are
frames with categories and missing cells, and go to all methods as they are. At most
10,000 rows are trained on and 10,000 tested, in splits of 70 to 30, one thread,
processor time, float32. CatBoost and RealMLP are left out where they are not installed.

``--label`` keeps results under another name: those of another version of the package,
which must be the first on PYTHONPATH. "imputer and one-hot" is that version, or this one,
behind scikit-learn's imputer and encoder. Raw numbers go to tables.json beside this file.
"""

import argparse
import json
import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits
from tools import markdown

import skgn

BUNDLED = ("breast_cancer", "digits", "iris", "wine")
ARRAYS = """adult bank_marketing basehock car cat_vs_noncat churn covertype_93k dna
    electricity fashion_mnist german_credit higgs_7k ionosphere isolet_1560 jannis_30k
    krkopt letter lymphoma madelon magic magic@1500 mfeat_pixel mnist nursery optdigits
    page_blocks pendigits phoneme pima_diabetes ring segment shuttle sonar spambase tox171
    vehicle wine_quality_red yeast""".split()
FRAMES = """adult anneal cmc credit.a credit.g cylinder.bands heart.h hypothyroid mushroom
    soybean vote""".split()
FILE = Path(__file__).with_suffix(".json")
MOST_ROWS, MOST_TEST_ROWS = 10_000, 10_000
METHODS = (
    "skgn",
    "ensemble",
    "imputer and one-hot",
    "HistGradientBoosting",
    "MLPClassifier",
    "CatBoost",
    "RealMLP",
    "TabM",
)
#: What methods need that the package does not.
NEEDS = {"CatBoost": "catboost", "RealMLP": "pytabkit", "TabM": "pytabkit"}
#: Most categories of a column that HistGradientBoosting takes.
MOST_CATEGORIES = 255


def array(name):
    """Return all rows of a set of numbers."""
    if name in BUNDLED:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return X.astype(np.float32), y
    with np.load(Path(os.environ["SKGN_DATA"]) / f"{name}.npz") as file:
        parts = [("X", "y"), *([("X_test", "y_test")] if "X_test" in file else [])]
        X = np.concatenate([file[a].astype(np.float32) for a, _ in parts])
        y = np.concatenate([file[b] for _, b in parts])
    return X.reshape(len(X), -1), y


def frame(name):
    """Return all rows of a table, categories with the type of categories."""
    folder = Path(os.environ["SKGN_DATA"]) / "raw"
    kinds = json.loads((folder / "kinds.json").read_text())[name]
    words = [column for column, kind in kinds.items() if kind == "category"]
    files = [f"{name}_train", f"{name}_test"] if name == "adult" else [name]
    rows = pd.concat(
        [
            pd.read_csv(folder / f"{file}.csv.gz", dtype=dict.fromkeys(words, str))
            for file in files
        ],
        ignore_index=True,
    )
    X, y = rows.iloc[:, :-1], rows.iloc[:, -1].astype(str).to_numpy()
    return X.astype({c: "category" for c in words if c in X}), y


def cities(m=12_000):
    """Return 8 numbers, 8 % missing, and 200 cities with an effect each."""
    rng = np.random.default_rng(1000)
    Z, city = rng.normal(size=(m, 8)), rng.integers(0, 200, m)
    effect = 1.2 * rng.normal(size=200)
    z = Z[:, 0] + np.sin(2 * Z[:, 1]) + 0.5 * Z[:, 2] * Z[:, 3] + effect[city]
    y = (z + rng.logistic(size=m) > 0).astype(int)
    X = np.where((rng.random(Z.shape) < 0.04) | (Z > 1.75), np.nan, Z)
    X = pd.DataFrame(X, columns=list("abcdefgh"))
    return X.assign(city=pd.Categorical([f"c{i}" for i in city])), y


def rows_of(name, kind, split):
    """Return training and test rows of a split."""
    stem, _, most = name.partition("@")
    X, y = {"array": array, "frame": frame}[kind](stem) if kind != "made" else cities()
    order = np.random.default_rng(split).permutation(len(y))
    share = 0.5 if kind == "made" else 0.7
    m = min(int(share * len(y)), int(most or MOST_ROWS))
    train, test = order[:m], order[m:]
    test = test[np.isin(y[test], y[train])][:MOST_TEST_ROWS]
    if kind == "array":
        return X[train], y[train], X[test], y[test]
    return X.iloc[train], y[train], X.iloc[test], y[test]


def is_words(X):
    """Return which columns of a frame are categories."""
    return [str(dtype) == "category" for dtype in X.dtypes]


def model_for(method, X, seed):
    """Return an estimator, and the columns of X that it can take."""
    frames = isinstance(X, pd.DataFrame)
    words = np.array(is_words(X)) if frames else np.zeros(X.shape[1], dtype=bool)
    columns = np.arange(X.shape[1])
    if method == "skgn":
        return skgn.GaussNewtonMLPClassifier(random_state=seed), columns
    if method == "ensemble":
        return skgn.GaussNewtonMLPEnsembleClassifier(random_state=seed), columns
    if method in ("imputer and one-hot", "MLPClassifier"):
        net = skgn.GaussNewtonMLPClassifier(random_state=seed)
        if method == "MLPClassifier":
            net = make_pipeline(StandardScaler(), MLPClassifier(random_state=seed))
        if not frames:
            return net, columns
        one_hot = OneHotEncoder(
            min_frequency=3, handle_unknown="infrequent_if_exist", sparse_output=False
        )
        parts = [
            ("numbers", SimpleImputer(add_indicator=True), ~words),
            ("words", one_hot, words),
        ]
        return make_pipeline(ColumnTransformer(parts), net), columns
    if method == "HistGradientBoosting":
        if frames:
            known = X.nunique().to_numpy()  # it fails on others
            columns = columns[(known > 0) & ~(words & (known > MOST_CATEGORIES))]
        return HistGradientBoostingClassifier(random_state=seed), columns
    if method == "CatBoost":
        from catboost import CatBoostClassifier

        options = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
        options |= {"cat_features": np.flatnonzero(words).tolist()}
        return CatBoostClassifier(random_seed=seed, **options), columns
    import pytabkit

    kind = {"RealMLP": "RealMLP_TD_S_Classifier", "TabM": "TabM_D_Classifier"}[method]
    options = {"random_state": seed, "device": "cpu", "n_threads": 1}
    return getattr(pytabkit, kind)(**options), columns


def prepared(method, X, columns):
    """Return rows as a method can read them."""
    if not isinstance(X, pd.DataFrame):
        return X
    X = X.iloc[:, columns]
    if method == "CatBoost":  # wants words in place of missing ones
        words = X.columns[is_words(X)]
        return X.assign(**{c: X[c].astype(object).fillna("missing") for c in words})
    return X


def measure(method, name, kind, splits, seeds):
    """Return the rows of results of a method on a data set."""
    results = []
    for split in range(splits):
        X, y, X_test, y_test = rows_of(name, kind, split)
        for seed in range(seeds):
            model, columns = model_for(method, X, seed)
            own = prepared(method, X, columns)
            start = process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(own, y)
                seconds = process_time() - start
                own_test = prepared(method, X_test, columns)
                start = process_time()
                p = model.predict_proba(own_test)
            latency = 1e6 * (process_time() - start) / len(y_test)
            accuracy = np.mean(model.classes_[np.argmax(p, axis=1)] == y_test)
            loss = log_loss(y_test, p, labels=model.classes_)
            is_class = y_test[:, None] == model.classes_
            brier = np.mean(np.sum((p - is_class) ** 2, axis=1))
            error = calibration_error(p, is_class)
            values = (loss, accuracy, seconds, brier, error, latency)
            results.append([float(f"{value:.6g}") for value in values])
    return results


def calibration_error(p, is_class, bins=15):
    """Return the mean distance of confidence and accuracy, by bins of confidence."""
    sure, right = p.max(axis=1), is_class[np.arange(len(p)), p.argmax(axis=1)]
    number = np.minimum((bins * sure).astype(int), bins - 1)
    gaps = np.bincount(number, right - sure, minlength=bins)
    return np.abs(gaps).sum() / len(p)


def cases(names):
    """Return names and kinds of the data sets that are there."""
    found = [(name, "array") for name in BUNDLED] + [("cities", "made")]
    if "SKGN_DATA" in os.environ:
        found += [(name, "array") for name in ARRAYS]
        found += [(name, "frame") for name in FRAMES]
    return [case for case in found if not names or case[0] in names]


def means(results, method, kinds):
    """Return mean loss, accuracy and seconds by data set."""
    return {
        row["data"] + (" (table)" if row["kind"] == "frame" else ""): np.mean(
            row["results"], axis=0
        )
        for row in results
        if row["method"] == method and row["kind"] in kinds
    }


def compared(results, one, other, kinds):
    """Return how a method compares with another."""
    a, b = means(results, one, kinds), means(results, other, kinds)
    names = [name for name in a if name in b]
    loss = np.array([a[name][0] / b[name][0] for name in names])
    accuracy = np.array([a[name][1] - b[name][1] for name in names])
    seconds = np.array([a[name][2] / b[name][2] for name in names])
    return {
        "against": other,
        "data sets": len(names),
        "log-loss, geometric mean": round(float(np.exp(np.log(loss).mean())), 3),
        "lower on": int(np.sum(loss < 1)),
        "accuracy, mean": f"{accuracy.mean():+.4f}",
        "not lower on": int(np.sum(accuracy >= -1e-12)),
        "time, geometric mean": round(float(np.exp(np.log(seconds).mean())), 3),
    }


def ranks(results, methods, splits):
    """Return mean ranks of methods, over the sets and splits that all of them have."""
    table = {}
    for row in results:
        seeds = 2 if len(row["results"]) > 4 else 1
        if row["method"] in methods:
            values = np.array([own[:3] for own in row["results"]])[::seeds][:splits]
            table.setdefault((row["data"], row["kind"]), {})[row["method"]] = values
    known = [own for own in table.values() if len(own) == len(methods)]
    means = np.array([[own[m].mean(axis=0) for m in methods] for own in known])
    loss = rankdata(means[:, :, 0].round(9), axis=1).mean(axis=0)
    accuracy = rankdata(-means[:, :, 1].round(9), axis=1).mean(axis=0)
    relative = np.exp(np.log(means[:, :, [0, 2]] / means[:, :1, [0, 2]]).mean(axis=0))
    return [
        {
            f"{len(known)} data sets": method,
            "mean rank, log-loss": round(float(loss[i]), 2),
            "mean rank, accuracy": round(float(accuracy[i]), 2),
            "mean accuracy": round(float(means[:, i, 1].mean()), 4),
            f"log-loss / {methods[0]}": round(float(relative[i, 0]), 3),
            f"time / {methods[0]}": round(float(relative[i, 1]), 2),
        }
        for i, method in enumerate(methods)
    ]


def by_data(results, methods, kinds):
    """Return log-loss / accuracy / seconds of each method by data set."""
    table = {method: means(results, method, kinds) for method in methods}
    names = dict.fromkeys(name for column in table.values() for name in column)
    return [
        {"data": name}
        | {
            method: "{:.4f} / {:.4f} / {:.2f}".format(*column[name])
            if name in column
            else "-"
            for method, column in table.items()
        }
        for name in names
    ]


def spread(results, method):
    """Return the worst fit of each data set in units of the median."""
    return [
        {
            "data": row["data"],
            "worst": round(max(losses), 4),
            "worst / median": round(max(losses) / float(np.median(losses)), 3),
        }
        for row in results
        if row["method"] == method
        for losses in [[values[0] for values in row["results"]]]
    ]


def report(results, one):
    """Print what is known."""
    methods = list(dict.fromkeys(row["method"] for row in results))
    for kinds in (("array",), ("frame",), ("made",)):
        others = [m for m in methods if m != one and means(results, m, kinds)]
        if others and means(results, one, kinds):
            print(markdown([compared(results, one, m, kinds) for m in others]), "\n")
        table = by_data(results, methods, kinds)
        if table:
            print(markdown(table), "\n")
    print(markdown(spread(results, one)))


def main():
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--label")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--ranks", nargs="+", help="rank these, measure nothing")
    parser.add_argument("--against", default="skgn", help="the method that is compared")
    parser.add_argument("--store", type=Path, default=FILE)
    arguments = parser.parse_args()
    results = []
    if arguments.store.exists():
        results = json.loads(arguments.store.read_text())
    if not (arguments.report or arguments.ranks):
        for method in arguments.methods:
            missing = NEEDS.get(method)
            if missing and find_spec(missing) is None:
                print(f"{method}: left out, {missing} is not installed")
                continue
            label = arguments.label or method
            for name, kind in cases(arguments.data):
                if method == "imputer and one-hot" and kind == "array":
                    continue
                try:
                    own = measure(method, name, kind, arguments.splits, arguments.seeds)
                except (TypeError, ValueError) as error:
                    print(f"{label}, {name}: left out, {error}")
                    continue
                row = {"method": label, "data": name, "kind": kind, "results": own}
                key = label, name, kind
                results = [
                    r for r in results if (r["method"], r["data"], r["kind"]) != key
                ]
                results.append(row)
                print(label, name, kind, *np.mean(own, axis=0).round(4), flush=True)
                text = ",\n".join(json.dumps(row) for row in results)
                arguments.store.write_text(f"[\n{text}\n]\n")
    if arguments.ranks:
        print(markdown(ranks(results, arguments.ranks, arguments.splits)))
    else:
        report(results, arguments.against)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
