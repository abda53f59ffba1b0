"""Which encodings a fit chooses from."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgn.data.encoding import FEWEST_STEPS, KNOT_ROWS, MOST_COLUMNS, steps_for
from skgn.data.samples import Samples
from skgn.estimators.targets import learned
from skgn.fitting.encoders import encoders_for
from skgn.fitting.fit import Start, fit
from skgn.fitting.relaxation import FEWEST_ROWS
from skgn.fitting.settings import Settings

M, N = FEWEST_ROWS, 3


def settings(**parameters):
    """Return the settings of a fit that does not take long."""
    options = {"alpha": 1e-2, "max_iter": 2, **parameters}
    return Settings((4,), ("tanh",), **options)


def samples(m=M, n=N, seed=0, **attributes):
    """Return samples of two classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, n))
    options = {"targets": rng.integers(0, 2, (m, 1)), "weights": np.ones(m)}
    return Samples(X, **{**options, **attributes})


def encoders(given, own, earlier=None, seed=0):
    """Return the encoders that come into question."""
    return encoders_for(given, own, np.random.RandomState(seed), earlier)


def steps(given, own):
    """Return whether each of the encoders has steps."""
    return [encoder.has_steps for encoder in encoders(given, own)]


def fitted(given, own, earlier=None):
    """Fit samples."""
    targets, _, _ = learned(own.targets.ravel(), own.weights, None)
    return fit(given, own, targets, Start(np.random.RandomState(0), earlier))


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [(None, [False]), ("piecewise", [True]), ("auto", [False, True])],
)
def test_what_is_asked_for(encoding, expected):
    """Automatic is a choice, the plainest first."""
    assert steps(settings(encoding=encoding), samples()) == expected


def test_no_choice_from_few_rows():
    """Plain columns, unless steps are asked for."""
    few = samples(FEWEST_ROWS - 1)
    assert steps(settings(), few) == [False]
    assert steps(settings(encoding="piecewise"), few) == [True]


def test_no_choice_from_many_columns():
    """As few steps as there may be would be too many columns."""
    n = MOST_COLUMNS // FEWEST_STEPS
    assert steps(settings(), samples(n=n)) == [False, True]
    assert steps(settings(), samples(n=n + 1)) == [False]
    assert steps(settings(encoding="piecewise"), samples(n=n + 1)) == [True]


def test_categories_are_no_columns_of_numbers():
    """They count for nothing there, and have no steps."""
    n = MOST_COLUMNS // FEWEST_STEPS
    own = samples(n=n + 1)
    own.X[:, 0] = np.arange(M) % 4
    plain, encoded = encoders(settings(), replace(own, categories={0: 4}))
    for encoder in (plain, encoded):
        assert [part.column for part in encoder.categories] == [0]
        assert not len(encoder.knots[0])
    assert encoded.has_steps


@pytest.mark.parametrize("solver", ["joint", "sequential"])
def test_no_choice_for_other_solvers(solver):
    """Plain columns, unless steps are asked for."""
    given = settings(solver=solver)
    assert steps(given, samples()) == [False]
    assert steps(replace(given, encoding="piecewise"), samples()) == [True]


def test_no_choice_where_no_column_takes_steps():
    """Of indicators, say."""
    own = samples()
    own.X[:] = own.X > 0
    assert steps(settings(), own) == [False]


@pytest.mark.parametrize("encoding", ["auto", "piecewise"])
def test_number_of_knots(encoding):
    """As it is given; else by the weight of the samples, not by their number."""
    own = samples()
    *_, encoder = encoders(settings(encoding=encoding, n_knots=7), own)
    assert [len(t) for t in encoder.knots] == [7] * N
    counts = []
    for factor in (1.0, 9.0):
        weighted = replace(own, weights=np.full(M, factor))
        *_, encoder = encoders(settings(encoding=encoding), weighted)
        counts.append(len(encoder.knots[0]) - 1)
        assert counts[-1] == steps_for(factor * M, N)
    assert counts[1] > 2 * counts[0]


def test_weights_of_rows():
    """Knots and means are those of rows repeated."""
    own = samples()
    w = np.random.default_rng(1).integers(1, 4, M)
    repeated = samples(
        targets=np.repeat(own.targets, w, axis=0), weights=np.ones(w.sum())
    )
    repeated = replace(repeated, X=np.repeat(own.X, w, axis=0))
    one, other = (
        encoders(settings(), s)[1] for s in (replace(own, weights=1.0 * w), repeated)
    )
    np.testing.assert_allclose(one.fill, other.fill, rtol=1e-12)
    for a, b in zip(one.knots, other.knots, strict=True):
        assert_array_equal(a, b)


def test_knots_of_many_rows_are_drawn():
    """By the generator, which few rows do not ask."""
    state, many = np.random.RandomState(0), samples(KNOT_ROWS + 500, 1)
    before = state.get_state()[1].copy()
    encoders_for(settings(), samples(), state)
    assert_array_equal(state.get_state()[1], before)
    one, same, other = (encoders(settings(), many, seed=i)[1].knots[0] for i in (0, 0, 1))
    assert_array_equal(one, same)
    assert np.any(one != other)


# Sparse rows


@pytest.mark.parametrize("encoding", [None, "auto"])
def test_sparse_rows_have_no_encoder(encoding):
    own = samples()
    own = replace(own, X=sparse.csr_array(own.X))
    assert encoders(settings(encoding=encoding), own) == [None]
    assert fitted(settings(encoding=encoding), own).predictor.encoder is None


def test_steps_of_sparse_rows_are_refused():
    """Their zeros would be gone."""
    own = samples()
    own = replace(own, X=sparse.csr_array(own.X))
    with pytest.raises(ValueError, match=r"encoding='piecewise'.*sparse X"):
        encoders(settings(encoding="piecewise"), own)
    with pytest.raises(ValueError, match=r"encoding='piecewise'.*sparse X"):
        fitted(settings(encoding="piecewise"), own)


# Warm starts


@pytest.mark.parametrize("encoding", [None, "piecewise", "auto"])
def test_an_earlier_fit_has_chosen(encoding):
    """Its encoder is the only one, of whichever rows."""
    given = settings(encoding=encoding, warm_start=True)
    earlier = fitted(given, samples())
    (encoder,) = encoders(given, samples(seed=1), earlier)
    assert encoder is earlier.predictor.encoder
    (encoder,) = encoders(given, samples(9, seed=1), earlier)
    assert encoder is earlier.predictor.encoder
    again = fitted(given, samples(seed=1), earlier)
    for a, b in zip(again.predictor.encoder.knots, encoder.knots, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize(
    "change", [{"encoding": None}, {"encoding": "piecewise"}, {"n_knots": 9}]
)
def test_another_encoding_is_refused(change):
    """Also where it would have come to the same."""
    given = settings(warm_start=True)
    earlier = fitted(given, samples())
    with pytest.raises(ValueError, match=r"warm_start.*encoding and n_knots"):
        fitted(replace(given, **change), samples(), earlier)


@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_another_number_of_features_is_refused(encoding, container):
    given = settings(encoding=encoding, warm_start=True)
    earlier = fitted(given, samples())
    own = samples(n=N + 1)
    own = replace(own, X=container(own.X))
    with pytest.raises(ValueError, match=rf"warm_start.*got {N} features, now {N + 1}"):
        fitted(given, own, earlier)


def test_from_dense_rows_to_sparse_ones():
    """Plain columns go on; encoded ones cannot."""
    dense = samples()
    thin = replace(dense, X=sparse.csr_array(dense.X))
    for encoding in (None, "piecewise"):
        given = settings(encoding=encoding, warm_start=True)
        earlier = fitted(given, dense)
        if encoding is None:
            assert encoders(given, thin, earlier) == [None]
            continue
        with pytest.raises(ValueError, match=r"dense X.*has encoded"):
            encoders(given, thin, earlier)


def test_from_sparse_rows_to_dense_ones():
    """Columns stay plain; missing numbers become the mean."""
    dense = samples()
    given = settings(encoding=None, warm_start=True)
    earlier = fitted(given, replace(dense, X=sparse.csr_array(dense.X)))
    (encoder,) = encoders(given, dense, earlier)
    assert encoder.is_plain
    np.testing.assert_allclose(encoder.fill, dense.X.mean(axis=0), atol=1e-12)
