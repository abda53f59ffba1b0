"""Write small files of fitted models of this release, for later releases to load.

Run ``python tests/golden/make.py``. It writes a folder with the name of the release,
which it does not overwrite without ``--force``. It needs skops and pandas, and takes
the package that Python finds: the last line tells which.
"""

import argparse
import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from zipfile import ZIP_DEFLATED

import joblib
import numpy as np
from scipy import sparse
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning

import skgn
from skgn import GaussNewtonMLPClassifier
from skgn._version import __version__

HERE = Path(__file__).parent

#: Rows whose probabilities are kept.
N_ROWS = 5

#: Attributes that are kept beside the probabilities, unless they are None.
ATTRIBUTES = (
    "alpha_",
    "best_iter_",
    "best_loss_",
    "best_validation_score_",
    "class_weight_",
    "classes_",
    "damping_",
    "feature_names_in_",
    "loss_",
    "loss_curve_",
    "mean_",
    "n_effective_parameters_",
    "n_features_in_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "scale_",
    "stop_reason_",
    "validation_scores_",
)


def data(m=120, n=5, n_classes=2, seed=0):
    """Return samples of a few classes with label noise."""
    return make_classification(
        m,
        n,
        n_informative=4,
        n_redundant=0,
        n_classes=n_classes,
        flip_y=0.1,
        random_state=seed,
    )


def net(hidden_layer_sizes=(3,), **parameters):
    """Return an unfitted classifier."""
    return GaussNewtonMLPClassifier(hidden_layer_sizes, random_state=0, **parameters)


# One function for each kind of fit: it returns a fitted model and samples.


def binary():
    X, y = data()
    return net().fit(X, y), X


def multiclass():
    X, y = data(n_classes=3)
    return net((3, 2), activation=("tanh", "silu")).fit(X, y), X


def multilabel():
    X, Y = make_multilabel_classification(120, 5, n_classes=3, random_state=0)
    return net().fit(X, Y), X


def single_class():
    X, y = data()
    return net().fit(X, np.zeros_like(y)), X


def string_labels():
    X, y = data(n_classes=3)
    return net().fit(X, np.array(["low", "middle", "high"])[y]), X


def float32():
    X, y = data()
    X = X.astype(np.float32)
    return net().fit(X, y), X


def sparse_rows():
    X, y = data()
    X = sparse.csr_array(np.where(np.abs(X) < 1, 0, X))
    return net().fit(X, y), X


def encoded():
    X, y = data()
    return net(encoding="piecewise", n_knots=4).fit(X, y), X


def table():
    """Numbers some of which are missing, and two columns of categories."""
    import pandas

    X, y = data(m=150)
    frame = pandas.DataFrame(X, columns=list("abcde"))
    frame["b"] = frame["b"].where(frame["b"] > -1)
    frame["d"] = pandas.cut(frame["d"], [-9, -1, 1, 9], labels=["low", "mid", "high"])
    frame["e"] = np.arange(150) % 25
    frame["e"] = frame["e"].astype("category")
    return net().fit(frame, y), frame


def mini_batch():
    X, y = data()
    return net(batch_size=32).fit(X, y), X


def stream():
    X, y = data(n_classes=3)
    model = net()
    for i in range(0, len(X), 40):
        model.partial_fit(X[i : i + 40], y[i : i + 40], classes=[0, 1, 2])
    return model, X


def stream_after_fit():
    X, y = data()
    return net().fit(X[:80], y[:80]).partial_fit(X[80:], y[80:]), X


def warm_started():
    X, y = data()
    model = net(warm_start=True, cost_threshold=0.5).fit(X, y)
    return model.set_params(cost_threshold=0.4).fit(X, y), X


def early_stopped():
    X, y = data()
    return net(early_stopping=True).fit(X, y), X


def searched_alpha():
    X, y = data(m=400)
    return net().fit(X, y), X


def sequential():
    X, y = data()
    return net(solver="sequential").fit(X, y), X


def joint():
    X, y = data()
    return net(solver="joint").fit(X, y), X


def unstandardised():
    X, y = data()
    return net(standardize=False).fit(X, y), X


def wide():
    X, y = data(m=15, n=20)
    return net().fit(X, y), X


def class_weights():
    X, y = data(n_classes=3)
    return net(class_weight={0: 1.0, 1: 2.0, 2: 5.0}).fit(X, y), X


def named_columns():
    import pandas

    X, y = data()
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d", "e"])
    return net().fit(frame, y), frame


KINDS = (
    binary,
    multiclass,
    multilabel,
    single_class,
    string_labels,
    float32,
    sparse_rows,
    encoded,
    table,
    mini_batch,
    stream,
    stream_after_fit,
    warm_started,
    early_stopped,
    searched_alpha,
    sequential,
    joint,
    unstandardised,
    wide,
    class_weights,
    named_columns,
)


def kept(model, X):
    """Return what a loaded model is compared with, as lists."""
    X = X[:N_ROWS]
    rows = X.toarray() if sparse.issparse(X) else np.asarray(X)
    values = {"dtype": rows.dtype.name, "X": rows, "predict": model.predict(X)}
    values["predict_proba"] = model.predict_proba(X)
    values |= {name: getattr(model, name, None) for name in ATTRIBUTES}
    for l, (W, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        values[f"coefs_.{l}"], values[f"intercepts_.{l}"] = W, b
    return {n: np.asarray(v).tolist() for n, v in values.items() if v is not None}


def write(folder):
    """Fit a model of each kind; write its files and what to expect of it."""
    import skops.io

    expected = {}
    for kind in KINDS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model, X = kind()
        name = kind.__name__
        joblib.dump(model, folder / f"{name}.pkl", compress=9)
        skops.io.dump(
            model, folder / f"{name}.skops", compression=ZIP_DEFLATED, compresslevel=9
        )
        expected[name] = kept(model, X)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def main():
    """Write the folder of this release."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="overwrite the folder")
    force = parser.parse_args().force
    folder = HERE / __version__
    if folder.exists() and not force:
        sys.exit(f"{folder} exists; a release stays as it is. --force overwrites it.")
    with tempfile.TemporaryDirectory() as fresh:
        write(Path(fresh))  # a failure leaves the folder as it is
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in Path(fresh).iterdir():
            shutil.copyfile(file, folder / file.name)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {len(KINDS)} kinds of fit, {size / 1000:.0f} kB")
    print(f"by {Path(skgn.__file__).parent}")


if __name__ == "__main__":
    main()
