"""What else dask does with estimators: chunks, predictions, searches, members."""

import numpy as np
import pytest
from joblib import parallel_backend
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from skgn import GaussNewtonMLPClassifier, GaussNewtonMLPEnsembleClassifier
from tests.problems import multiclass

da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("client")


def network(**parameters):
    own = {"alpha": 1e-2, "encoding": None, "batch_size": None, "random_state": 0}
    return GaussNewtonMLPClassifier((4,), **{**own, **parameters})


def rows(m=400):
    X, y = multiclass(m=m)
    return X, y, da.from_array(X, chunks=(100, 8)), da.from_array(y, chunks=100)


def test_incremental():
    """Chunk by chunk, on one worker at a time: a stream."""
    wrappers = pytest.importorskip("dask_ml.wrappers")
    X, y, X_parts, y_parts = rows()
    model = wrappers.Incremental(
        network(batch_size="auto"), shuffle_blocks=False, assume_equal_chunks=True
    )
    model.fit(X_parts, y_parts, classes=np.arange(4))
    own = network(batch_size="auto")
    for a in range(0, 400, 100):
        own.partial_fit(X[a : a + 100], y[a : a + 100], classes=np.arange(4))
    assert_allclose(model.estimator_.predict_proba(X), own.predict_proba(X), rtol=1e-9)


def test_parallel_post_fit():
    wrappers = pytest.importorskip("dask_ml.wrappers")
    X, y, X_parts, _ = rows()
    own = network().fit(X, y)
    model = wrappers.ParallelPostFit(own)
    assert_array_equal(model.predict(X_parts).compute(), own.predict(X))
    assert_allclose(
        model.predict_proba(X_parts).compute(),
        own.predict_proba(X),
        rtol=1e-10,
        atol=1e-12,
    )


def test_a_grid_search():
    X, y, *_ = rows()
    grid = {"alpha": [1e-3, 1e-1]}
    local = GridSearchCV(network(), grid, cv=2).fit(X, y)
    with parallel_backend("dask"):
        own = GridSearchCV(network(), grid, cv=2, n_jobs=2).fit(X, y)
    assert own.best_params_ == local.best_params_
    name = "mean_test_score"
    assert_allclose(own.cv_results_[name], local.cv_results_[name], rtol=1e-12)


def test_an_ensemble():
    X, y, *_ = rows()
    members = [{"hidden_layer_sizes": (3,)}, {"hidden_layer_sizes": (4,)}]
    local = GaussNewtonMLPEnsembleClassifier(members, random_state=0).fit(X, y)
    own = GaussNewtonMLPEnsembleClassifier(members, random_state=0, n_jobs=2)
    with parallel_backend("dask"):
        own.fit(X, y)
    assert_allclose(own.predict_proba(X), local.predict_proba(X), rtol=1e-9)
