"""Two ways to say the same thing make the same fit."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.properties.checks import assert_equal_fits, attempt
from tests.properties.columns import COPY, MILD, table
from tests.properties.profile import examples
from tests.properties.strategies import (
    CLASSES,
    CONTAINERS,
    MILD_WEIGHTS,
    SPARSE,
    kinds,
    parameters,
    samples,
    well_conditioned,
)


@examples(
    given=samples(
        {"dtype": "float64", "class_weighting": "none"},
        container=st.sampled_from([*SPARSE]),
        weighting=st.sampled_from(MILD_WEIGHTS),
    ),
    parameters=well_conditioned,
)
def test_sparse_equals_dense(given, parameters):
    """Sparse samples in any format make the fit of dense ones, or are refused as they."""
    assume(parameters["standardize"] or {*given.kinds} <= {*MILD, COPY})
    assume(parameters["encoding"] != "piecewise")
    one, other = given.classifier(parameters), given.classifier(parameters)
    X, y, weights = given.X, given.y, given.weights
    fitted = attempt(one.fit, given.dense, y, weights)
    assert attempt(other.fit, X, y, weights) == fitted
    if not fitted:
        return
    assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-6, atol=1e-9)
    for either in (X, given.dense):
        actual = other.predict_proba(either)
        assert_allclose(actual, one.predict_proba(either), atol=1e-6)


@examples(
    given=samples(
        {"dtype": "float64", "weighting": "none"},
        kinds=kinds(MILD),
        container=st.sampled_from(["array", "csr_array"]),
        labels=st.sampled_from(sorted({*CLASSES} - {"one"})),
        class_weighting=st.sampled_from(["none", "balanced"]),
    ),
    parameters=well_conditioned,
)
def test_weights_are_repetition(given, parameters):
    """A sample of weight 2 is there twice, one of weight 0 is not there."""
    repeats = np.random.default_rng(given.seed).integers(0, 4, given.m)
    index = np.repeat(np.arange(given.m), repeats)
    weighted, repeated = given.classifier(parameters), given.classifier(parameters)
    X, y = given.X, given.y
    fitted = len(index) and attempt(repeated.fit, X[index], y[index])
    assert attempt(weighted.fit, X, y, repeats) == bool(fitted)
    if fitted:
        actual = weighted.predict_proba(X)
        assert_allclose(actual, repeated.predict_proba(X), atol=1e-6)


@examples(
    given=samples(container=st.sampled_from(["array", "csr_array", "lil_matrix"])),
    extra=st.integers(1, 5),
    parameters=parameters(),
)
def test_no_weight_is_no_sample(given, extra, parameters):
    """Samples of weight zero, of the largest numbers, leave no trace."""
    X, y, weights = given.dense, given.y, given.weights
    weights = np.ones(given.m) if weights is None else weights
    largest = ("constant largest",) * X.shape[1]
    more = np.concatenate([X, table(largest, extra, 0, given.dtype)])
    more_y = np.concatenate([y, y[:1].repeat(extra, axis=0)])
    more_weights = np.concatenate([weights, np.zeros(extra)])
    hold = CONTAINERS[given.container]
    one, other = given.classifier(parameters), given.classifier(parameters)
    fitted = attempt(one.fit, hold(X), y, weights)
    assert attempt(other.fit, hold(more), more_y, more_weights) == fitted
    if fitted:
        assert_equal_fits(one, other)
