"""Files that releases wrote load today, and predict what they did.

`tests/golden/make.py` writes the files.
"""

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

FOLDER = Path(__file__).parent / "golden"

# another release, of scikit-learn or of this package, may warn when it loads a file
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.InconsistentVersionWarning"
)


def files(ending):
    """Return the files of all releases, with readable names."""
    return [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}")
        for path in sorted(FOLDER.glob(f"*/*.{ending}"))
    ]


def load_pickle(path):
    """Load a pickle, unless numpy is too old for any pickle of this kind."""
    try:
        return joblib.load(path)
    except ModuleNotFoundError as error:
        if error.name != "numpy._core":
            raise
        pytest.skip("numpy 1.26.0 reads no scalars and no generators of numpy 2")


def load_skops(path):
    """Load a skops file, if it needs no trust in anything but the estimator."""
    skops = pytest.importorskip("skops.io")
    types = skops.get_untrusted_types(file=path)
    assert types == ["skgn.estimators.classifier.GaussNewtonMLPClassifier"]
    return skops.load(path, trusted=types)


def expected_of(path):
    """Return what was kept of a model."""
    expected = json.loads((path.parent / "expected.json").read_text())[path.stem]
    dtype = expected.pop("dtype")
    return {**expected, "X": np.array(expected["X"], dtype)}


def rows(path, expected):
    """Return the samples in the form in which the model was given them."""
    X = expected["X"]
    if path.stem == "sparse_rows":
        return sparse.csr_array(X)
    if "feature_names_in_" in expected:
        pandas = pytest.importorskip("pandas")
        return pandas.DataFrame(X, columns=expected["feature_names_in_"])
    return X


def check(model, path):
    """Compare a loaded model with what was kept of it."""
    expected = expected_of(path)
    X = rows(path, expected)
    tolerance = 1e-6 if expected["X"].dtype == np.float32 else 1e-12
    assert_allclose(
        model.predict_proba(X), expected.pop("predict_proba"), rtol=0, atol=tolerance
    )
    assert_array_equal(model.predict(X), expected.pop("predict"))
    dtype = expected.pop("X").dtype
    for name, value in expected.items():
        name, _, layer = name.partition(".")
        actual = getattr(model, name)
        if layer:
            actual = actual[int(layer)]
            assert not actual.flags.writeable
            assert actual.dtype == dtype or dtype.kind == "O"  # a table with words
        if np.asarray(value).dtype.kind == "f":
            assert_allclose(actual, value, rtol=tolerance, atol=tolerance, err_msg=name)
        else:
            assert_array_equal(actual, value, err_msg=name)


def test_there_are_files():
    """The files are where the tests look for them."""
    assert len(files("pkl")) == len(files("skops")) > 0


@pytest.mark.parametrize("path", files("pkl"))
def test_pickles(path):
    """A pickle predicts what it did, and has the same attributes."""
    check(load_pickle(path), path)


@pytest.mark.parametrize("path", files("skops"))
def test_skops_files(path):
    """So does a file of skops, which has to trust one class."""
    check(load_skops(path), path)


@pytest.mark.parametrize("load", [load_pickle, load_skops])
@pytest.mark.parametrize("kind", ["stream", "stream_after_fit", "binary"])
def test_old_models_learn_on(load, kind):
    """A model of any release takes a chunk of samples of the stream it is in."""
    for folder in sorted(FOLDER.glob("*/")):
        path = folder / f"{kind}.{'pkl' if load is load_pickle else 'skops'}"
        if not path.exists():
            continue
        expected = expected_of(path)
        model = load(path)
        model.partial_fit(expected["X"], expected["predict"])
        assert np.isfinite(model.predict_proba(expected["X"])).all()
