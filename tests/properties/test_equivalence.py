"""Two ways to say the same thing make the same fit."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.properties.checks import assert_equal_fits, attempt
from tests.properties.columns import COPY, MILD, MILD_LACKING, table
from tests.properties.profile import examples
from tests.properties.strategies import (
    CATEGORICAL,
    CLASSES,
    CONTAINERS,
    MILD_WEIGHTS,
    SPARSE,
    TYPED,
    alike,
    kinds,
    parameters,
    samples,
    well_conditioned,
)

#: Columns with which a fit is well conditioned.
mild_kinds = kinds(MILD) | kinds([*MILD, *MILD_LACKING])

#: Fewer samples than an encoding is searched with.
few = st.integers(2, 60)


def rows_of(X, index):
    """Return rows of a frame or of an array."""
    return X.iloc[index] if hasattr(X, "iloc") else X[index]


@examples(
    given=samples(
        {"dtype": "float64", "class_weighting": "none"},
        m=few,
        container=st.sampled_from([*SPARSE]),
        weighting=st.sampled_from(MILD_WEIGHTS),
    ),
    parameters=well_conditioned,
)
def test_sparse_equals_dense(given, parameters):
    """Sparse samples in any format make the fit of dense ones, or are refused as they.

    What would fill the zeros is refused, and so are missing cells and categories.
    """
    assume(parameters["standardize"] or {*given.kinds} <= {*MILD, COPY})
    assume("roundings apart" not in given.kinds)  # all that they hold is the last digit
    one, other = given.classifier(parameters), given.classifier(parameters)
    X, y, weights = given.X, given.y, given.weights
    fills = parameters["encoding"] == "piecewise" and given.labels != "one"
    if fills or given.lacks_cells or parameters["categorical_features"] == [0]:
        assert not attempt(other.fit, X, y, weights)
        return
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
        m=few,
        kinds=mild_kinds,
        container=st.sampled_from(
            ["array", "array", "csr_array", "frame of few categories", "frame of NA"]
        ),
        labels=st.sampled_from(sorted({*CLASSES} - {"one"})),
        class_weighting=st.sampled_from(["none", "balanced"]),
    ),
    parameters=well_conditioned,
)
def test_weights_are_repetition(given, parameters):
    """A sample of weight 2 is there twice, one of weight 0 is not there."""
    assume(not (given.is_sparse and given.lacks_cells))
    if parameters["categorical_features"] == [0]:  # mean targets have random folds
        assume(len(np.unique(given.dense[:, 0])) <= 20)
    repeats = np.random.default_rng(given.seed).integers(0, 4, given.m)
    index = np.repeat(np.arange(given.m), repeats)
    weighted, repeated = given.classifier(parameters), given.classifier(parameters)
    X, y = given.X, given.y
    fitted = len(index) and attempt(repeated.fit, rows_of(X, index), y[index])
    assert attempt(weighted.fit, X, y, repeats) == bool(fitted)
    if fitted:
        actual = weighted.predict_proba(X)
        assert_allclose(actual, repeated.predict_proba(X), atol=1e-6)


@examples(
    given=samples(
        container=st.sampled_from(["array", "csr_array", "lil_matrix", *CATEGORICAL])
    ),
    kind=st.sampled_from(["constant largest", "all missing"]),
    extra=st.integers(1, 5),
    parameters=parameters(),
)
def test_no_weight_is_no_sample(given, kind, extra, parameters):
    """Samples of weight zero leave no trace: of the largest numbers, or of none.

    Nor do categories that no other sample has.
    """
    X, y, weights = given.dense, given.y, given.weights
    weights = np.ones(given.m) if weights is None else weights
    kind = "constant largest" if given.is_sparse else kind
    more = np.concatenate([X, table((kind,) * X.shape[1], extra, 0, given.dtype)])
    more_y = np.concatenate([y, y[:1].repeat(extra, axis=0)])
    more_weights = np.concatenate([weights, np.zeros(extra)])
    hold = CONTAINERS[given.container]
    one, other = given.classifier(parameters), given.classifier(parameters)
    fitted = attempt(one.fit, hold(X), y, weights)
    assert attempt(other.fit, hold(more), more_y, more_weights) == fitted
    if fitted:
        assert_equal_fits(one, other)
        P, Q = one.predict_proba(hold(more)), other.predict_proba(hold(more))
        assert np.array_equal(P, Q)


@examples(
    given=samples(
        {"container": "array"},
        kinds=mild_kinds,
        dtype=st.sampled_from(["float64", "float64", "float32"]),
        weighting=st.sampled_from(MILD_WEIGHTS),
        class_weighting=st.sampled_from(["none", "balanced"]),
    ),
    parameters=well_conditioned,
)
def test_units_have_no_say(given, parameters):
    """Columns in other units, powers of two, make the same function of them."""
    parameters["standardize"] = True
    one, other = given.classifier(parameters), given.classifier(parameters)
    X, y, weights = given.given
    powers = np.random.default_rng(given.seed).integers(-20, 21, X.shape[1])
    scaled = np.ldexp(X, powers.astype(np.int32))
    fitted = attempt(one.fit, X, y, weights)
    assert attempt(other.fit, scaled, y, weights) == fitted
    if fitted:
        actual = other.predict_proba(scaled)
        atol = 1e-4 if given.dtype == "float32" else 1e-6
        assert_allclose(actual, one.predict_proba(X), atol=atol)


#: Samples, and others that have values, gaps and categories that these have not.
known_and_unknown = samples(
    kinds=mild_kinds,
    container=st.sampled_from(["array", "csr_array", *TYPED]),
    weighting=st.sampled_from(MILD_WEIGHTS),
).flatmap(
    lambda first: st.tuples(
        st.just(first),
        alike(first, m=st.integers(2, 20), container=st.just(first.container)),
    )
)


@examples(pair=known_and_unknown, parameters=parameters())
def test_each_row_by_itself(pair, parameters):
    """What is predicted of a row does not depend on the rows beside it.

    Those may hold anything; the row itself is one of this world.
    """
    given, others = pair
    model = given.classifier(parameters)
    assume(not (others.is_sparse and others.lacks_cells))
    if not attempt(model.fit, *given.given):
        return
    X = others.X
    together = model.predict_proba(X)
    alone = [model.predict_proba(rows_of(X, [i])) for i in range(others.m)]
    usual = ~(np.abs(others.dense.astype(float)) > 1e3).any(axis=1)
    expected = np.concatenate(alone)[usual]
    single = model.coefs_[0].dtype == np.float32
    assert_allclose(together[usual], expected, atol=1e-3 if single else 1e-6)
