"""Streams, warm starts and refits: an estimator that has a past."""

import pickle

from hypothesis import strategies as st

from tests.properties.checks import assert_equal_fits, assert_sound, attempt, takes_sparse
from tests.properties.profile import examples
from tests.properties.strategies import (
    NAMELESS,
    TYPED,
    alike,
    arguments,
    parameters,
    samples,
)


@st.composite
def parts(draw, **given):
    """Draw one to six sets of samples of the same form."""
    containers = st.sampled_from(NAMELESS) | st.sampled_from([*TYPED])
    first = draw(samples(container=containers, **given))
    return [first, *draw(st.lists(alike(first, **given), max_size=5))]


def assert_goes_on(model, given):
    """Check an estimator with a past, by samples that it can read."""
    refused = given.lacks_cells or not takes_sparse(model)
    assert_sound(model, given.dense if given.is_sparse and refused else given.X)


@examples(
    chunks=parts(m=st.integers(1, 20), class_weighting=st.just("none")),
    parameters=parameters(solvers=("kronecker",), early_stopping=st.just(False)),
)
def test_stream(chunks, parameters):
    """Each chunk is learned, skipped with a warning or refused; pickles go on alike."""
    model = chunks[0].classifier(parameters)
    for chunk in chunks:
        given = arguments("partial_fit", chunk)
        loaded = pickle.loads(pickle.dumps(model))
        taken = attempt(model.partial_fit, *given)
        assert attempt(loaded.partial_fit, *given) == taken
        if hasattr(model, "coefs_"):
            assert_goes_on(model, chunk)
            assert_equal_fits(model, loaded)


@examples(
    past=parts(m=st.integers(3, 30)),
    methods=st.lists(st.sampled_from(["fit", "partial_fit"]), min_size=6, max_size=6),
    parameters=parameters(warm_start=st.just(True)),
)
def test_fits_after_each_other(past, methods, parameters):
    """Warm starts on other samples, and streams before and after them."""
    model = past[0].classifier(parameters)
    for method, present in zip(methods, past, strict=False):
        if method == "partial_fit" and model.solver != "kronecker":
            method = "fit"
        attempt(getattr(model, method), *arguments(method, present))
        if hasattr(model, "coefs_"):
            assert_goes_on(model, present)
