"""Exceptions from outside: they reach the caller, and the estimator stays sound."""

from contextlib import contextmanager
from unittest import mock

from hypothesis import strategies as st
from sklearn.base import clone

from skgn.model.network import Network
from skgn.model.objective import Objective
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.running_kronecker import RunningFactors
from tests.properties.checks import (
    assert_equal_fits,
    assert_sound,
    attempt,
    convergence_warnings,
    unchanged,
)
from tests.properties.profile import examples
from tests.properties.strategies import TYPED, alike, arguments, parameters, samples

PLACES = [
    (Objective, "evaluate"),
    (Network, "forward"),
    (Network, "jacobian_products"),
    (KroneckerStep, "propose"),
    (RunningFactors, "direction"),
]

#: Samples of an earlier fit, or none, and those of the one that is disturbed.
pairs = samples(container=st.just("array") | st.sampled_from(["array", *TYPED])).flatmap(
    lambda first: st.tuples(
        st.none() | alike(first, container=st.just(first.container)), st.just(first)
    )
)

disturbances = {
    "pair": pairs,
    "parameters": parameters(warm_start=st.just(False)),
    "method": st.sampled_from(["fit", "partial_fit"]),
    "place": st.sampled_from(PLACES),
    "after": st.integers(0, 30) | st.integers(0, 200),
}


@contextmanager
def raising(error, owner, name, after):
    """Let a method raise at each call after some; collect the calls."""
    original, calls = getattr(owner, name), []

    def wrapper(*args, **kwargs):
        calls.append(name)
        if len(calls) > after:
            raise error
        return original(*args, **kwargs)

    with mock.patch.object(owner, name, wrapper):
        yield calls


def disturbed(error, pair, parameters, method, place, after):
    """Return an estimator whose fit an error ended, and what it was before.

    None if the fit ended before.
    """
    earlier, given = pair
    model = given.classifier(parameters)
    if earlier is not None:
        attempt(model.fit, *earlier.given)
    if model.solver != "kronecker":
        method = "fit"
    before = dict(vars(model))
    with raising(error, *place, after) as calls, convergence_warnings():
        try:
            attempt(getattr(model, method), *arguments(method, given))
        except error:
            return model, before
    assert len(calls) <= after
    return None


def assert_fits_as_new(model, given):
    """Check that a fit does not know of the past."""
    fresh = clone(model)
    fitted = attempt(model.fit, *given.given)
    assert attempt(fresh.fit, *given.given) == fitted
    if fitted:
        assert_equal_fits(model, fresh)


@examples(**disturbances)
def test_interrupted(**drawn):
    """Ctrl-C leaves the estimator as it was, or with the sound weights so far."""
    ended = disturbed(KeyboardInterrupt, **drawn)
    if ended is None:
        return
    model, before = ended
    given = drawn["pair"][1]
    if not unchanged(model, before):
        assert model.stop_reason_ == "interrupted"
        assert_sound(model, given.X)
    assert_fits_as_new(model, given)


@examples(error=st.sampled_from([MemoryError, RuntimeError]), **disturbances)
def test_failed(error, **drawn):
    """Any other exception leaves the estimator exactly as it was."""
    ended = disturbed(error, **drawn)
    if ended is None:
        return
    assert unchanged(*ended)
    assert_fits_as_new(ended[0], drawn["pair"][1])
