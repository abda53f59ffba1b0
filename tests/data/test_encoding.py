"""Raw columns to encoded ones: knots, steps, missing numbers, categories."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.data import encoding
from skgn.data.encoding import (
    FEWEST_STEPS,
    MOST_COLUMNS,
    MOST_STEPS,
    Category,
    EncodedRows,
    Encoder,
    MeanTargets,
    any_missing,
    distribution,
    means,
    row_of,
    steps_for,
    totals_of,
)

NAN = np.nan


def knots_of(x, weights, steps):
    """Return the knots of a column, none if it is not to have steps."""
    values, totals = distribution(x, weights)
    if not len(values):
        return np.empty(0)
    return encoding.knots_of(values, totals, steps, x.dtype)


def encoder_of(X, weights, counts=None, *, steps):
    """Return an encoder with steps."""
    plain = Encoder.of(X, weights, counts)
    return plain.with_steps(X, weights, np.random.RandomState(0), steps)


def draw(kind, m=200, seed=0):
    """Return a column of some kind."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=m)
    if kind == "zeros":
        return np.where(rng.uniform(size=m) < 0.8, 0, np.abs(x))
    if kind == "counts":
        return rng.poisson(2, size=m).astype(float)
    if kind == "tail":
        return np.exp(3 * x)
    if kind == "two lumps":
        return np.where(x < -0.5, -3.0, np.where(x > 0.7, 4.0, x))
    if kind == "missing":
        return np.where(rng.uniform(size=m) < 0.3, NAN, x)
    return x


KINDS = ["plain", "zeros", "counts", "tail", "two lumps", "missing"]


def knots_by_hand(x, weights, k):
    """Return the knots by the definition, in exact arithmetic."""
    totals = {}
    for value, weight in zip(x.tolist(), weights.tolist(), strict=True):
        if weight > 0 and value == value:
            totals[value] = totals.get(value, 0) + Fraction(weight)
    values, total = sorted(totals), sum(totals.values())
    if len(values) <= 3:
        return []
    heavy = {value for value in values if totals[value] * k >= total}
    others = [value for value in values if value not in heavy]
    rest, more = sum(totals[value] for value in others), k + 1 - len(heavy)
    knots = heavy | {values[0], values[-1]}
    for i in range(1, more):
        reached = Fraction(0)
        for value in others:
            reached += totals[value]
            if reached * (more - 1) >= rest * i:
                knots.add(value)
                break
    return sorted(knots)


def steps_by_hand(x, knots):
    """Return the steps of a column by the formula of the module."""
    columns = []
    for j in range(len(knots) - 1):
        low = -1 if j == 0 else 0
        high = 2 if j == len(knots) - 2 else 1
        length = knots[j + 1] - knots[j]
        columns.append(np.clip((x - knots[j]) / length, low, high))
    return np.column_stack(columns)


def positions(x, knots):
    """Return at which of the sorted values the knots are."""
    return np.searchsorted(np.unique(x[~np.isnan(x)]), knots)


# Knots.


def category(column, codes, weights, count, with_means):
    """Learn from the codes of rows."""
    return Category.of(column, totals_of(codes, weights, count), with_means)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [2, 3, 7, 20])
def test_knots_by_hand(kind, k):
    """Of weights one, and of whole numbers, zero among them."""
    for seed in range(5):
        x = draw(kind, seed=seed)
        ones = np.ones(len(x))
        assert_array_equal(knots_of(x, ones, k), knots_by_hand(x, ones, k))
        weights = np.random.default_rng(seed).integers(0, 4, size=len(x)).astype(float)
        assert_array_equal(knots_of(x, weights, k), knots_by_hand(x, weights, k))


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_is_a_repetition(kind):
    """And rows of weight zero are absent; weights count relative to each other."""
    rng = np.random.default_rng(1)
    for seed in range(20):
        x, weights = draw(kind, 90, seed), rng.integers(0, 4, size=90)
        knots = knots_of(np.repeat(x, weights), np.ones(weights.sum()), 6)
        assert_array_equal(knots_of(x, weights.astype(float), 6), knots)
        assert_array_equal(knots_of(x, weights / weights.sum(), 6), knots)
        assert_array_equal(knots_of(x[weights > 0], 0.1 * weights[weights > 0], 6), knots)


def test_a_value_of_just_the_share_is_a_knot_whatever_the_unit_of_weights():
    """A share of weights of sum one is rounded, and so is the sum of a row repeated."""
    rng = np.random.default_rng(0)
    for k in range(3, 12):
        for share in range(3, 30):
            m = k * share
            x = np.r_[np.full(share, 0.5), rng.normal(size=m - share)]
            values, counts = np.unique(x, return_counts=True)
            expected = knots_of(x, np.ones(m), k)
            assert 0.5 in expected
            for unit in (1 / m, 0.1, 1 / 3):
                assert_array_equal(knots_of(x, np.full(m, unit), k), expected)
                assert_array_equal(knots_of(values, counts * unit, k), expected)


def test_most_cells_are_one_value():
    """It is a knot; the others share the rest."""
    x = np.r_[np.zeros(900), np.arange(1.0, 101)]
    assert_array_equal(knots_of(x, np.ones(1000), 5), [0, 25, 50, 75, 100])


@pytest.mark.parametrize("values", [[1], [1, 2], [3, 1, 2], [NAN], [NAN, 1, 2, 3]])
def test_few_values_have_no_knots(values):
    x = np.tile(np.array(values, dtype=float), 30)
    assert len(knots_of(x, np.ones(len(x)), 5)) == 0


def test_values_of_weight_zero_do_not_make_many():
    x = np.tile(np.arange(5.0), 20)
    assert len(knots_of(x, np.ones(100), 5))
    assert len(knots_of(x, (x < 3).astype(float), 5)) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1.0, 1e6, 1e-3, 1e30, -5.0])
def test_constant_but_for_rounding(dtype, size):
    """It has no knots; a little more than rounding has."""
    size = np.array(size, dtype=dtype)
    hairs = np.abs(np.spacing(size)) * np.tile(np.arange(4), 25).astype(dtype)
    assert len(np.unique(size + hairs)) == 4
    assert len(knots_of(size + hairs, np.ones(100), 5)) == 0
    x = size + 100 * np.abs(np.spacing(size)) * np.tile(np.arange(5), 20).astype(dtype)
    assert len(knots_of(x, np.ones(100), 5)) == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1e-3, 1e3, 2.0**40, 2.0**-40, 1e-200, 1e200])
def test_knots_have_no_unit(kind, factor):
    x = draw(kind)
    knots, ones = knots_of(x, np.ones(200), 8), np.ones(200)
    assert_array_equal(
        positions(factor * x, knots_of(factor * x, ones, 8)), positions(x, knots)
    )
    shifted = x + 16.0
    if len(np.unique(shifted)) == len(np.unique(x)):
        assert_array_equal(
            positions(shifted, knots_of(shifted, ones, 8)), positions(x, knots)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_knots_turn_with_the_column(kind):
    """Values that turn heavy, and both ends, are the same of -x."""
    x, ones = draw(kind), np.ones(200)
    knots, turned = knots_of(x, ones, 8), -knots_of(-x, ones, 8)
    assert knots[0] == turned.min()
    assert knots[-1] == turned.max()
    values, counts = np.unique(x[~np.isnan(x)], return_counts=True)
    heavy = values[counts >= counts.sum() / 8]
    assert np.isin(heavy, knots).all()
    assert np.isin(heavy, turned).all()


@pytest.mark.parametrize(
    ("total", "n", "steps"),
    [
        (1, 1, FEWEST_STEPS),
        (900, 4, 10),
        (1e9, 4, MOST_STEPS),
        (1e9, 20, MOST_COLUMNS // 20),
        (1e9, 10_000, FEWEST_STEPS),
        (900, 0, 10),
    ],
)
def test_how_many_steps(total, n, steps):
    assert steps_for(total, n) == steps


def test_knots_of_many_rows_are_of_a_sample(monkeypatch):
    """Of rows of positive weight, drawn."""
    monkeypatch.setattr(encoding, "KNOT_ROWS", 50)
    X, weights = draw("plain", 400)[:, None], np.tile([0.0, 1], 200)
    X[::2] += 1e3
    drawn, again, other = (
        Encoder.of(X, weights).with_steps(X, weights, np.random.RandomState(seed), 4)
        for seed in (0, 0, 1)
    )
    assert_array_equal(drawn.knots[0], again.knots[0])
    assert np.isin(drawn.knots[0], X[1::2]).all()
    assert not np.array_equal(drawn.knots[0], other.knots[0])


# Steps.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["plain", "zeros", "counts", "tail", "two lumps"])
@pytest.mark.parametrize("k", [2, 5, 12])
def test_steps_by_hand(dtype, kind, k):
    """Open at both ends, to -1 and to 2; numbers come first, as they are."""
    X = np.column_stack([draw(kind), draw("plain", seed=3)]).astype(dtype)
    encoder = encoder_of(X, np.ones(200), steps=k)
    span = float(np.ptp(X))
    far = np.array([[-9 * span, 9 * span], [9 * span, -9 * span]], dtype=dtype)
    rows = np.vstack([X, far, X + X.std(axis=0) / 3, X - X.std(axis=0)]).astype(dtype)
    encoded = encoder.encode(rows)
    assert encoded.dtype == dtype
    assert encoded.shape == (len(rows), encoder.width)
    exact = rows.astype(np.float64)
    by_hand = [steps_by_hand(exact[:, j], encoder.knots[j]) for j in range(2)]
    atol = 1e-14 if dtype == "float64" else 1e-5
    assert_array_equal(encoded[:, :2], rows)
    assert_allclose(encoded[:, 2:], np.hstack(by_hand), atol=atol)
    w = by_hand[0].shape[1]
    assert_array_equal(encoded[200:202, 2:][:, [0, w - 1]][0], [-1, 0 if w > 1 else -1])
    assert_array_equal(encoded[200:202, 2:][:, [0, w - 1]][1], [1 if w > 1 else 2, 2])


@pytest.mark.parametrize("kind", ["plain", "zeros", "tail"])
def test_steps_span_the_hats(kind):
    """Between the knots, and one step beyond the last of each side along the line."""
    x = draw(kind)
    encoder = encoder_of(x[:, None], np.ones(200), steps=6)
    (t,) = encoder.knots
    z = np.linspace(t[0], t[-1], 1001)
    basis = np.column_stack([np.ones(1001), encoder.encode(z[:, None])])
    for hat in np.eye(len(t)):
        expected = np.interp(z, t, hat)
        by_steps = hat[0] + basis[:, 2:] @ np.diff(hat)
        assert_allclose(by_steps, expected, atol=1e-12)
        w = np.linalg.lstsq(basis / np.abs(basis).max(axis=0), expected)[0]
        assert_allclose(basis / np.abs(basis).max(axis=0) @ w, expected, atol=1e-9)
    ends = np.array([[2 * t[0] - t[1]], [2 * t[-1] - t[-2]]])
    assert_allclose(t[0] + encoder.encode(ends)[:, 1:] @ np.diff(t), ends[:, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_of_many_deviations(dtype):
    """The distance from a knot is taken before it is rounded: no digit is lost."""
    far = 2.0**16 if dtype == "float32" else 2.0**40
    near = np.round(draw("plain") * 64) / 64
    X = (near[:, None] + far).astype(dtype)
    assert_array_equal(X[:, 0] - far, near)
    encoder = encoder_of(X, np.ones(200), steps=5)
    expected = encoder_of(near[:, None], np.ones(200), steps=5)
    assert_array_equal(encoder.knots[0] - far, expected.knots[0])
    assert_allclose(
        encoder.encode(X)[:, 1:], expected.encode(near[:, None])[:, 1:], rtol=1e-6
    )


@pytest.mark.parametrize(("dtype", "size"), [("float64", 1e300), ("float32", 1e35)])
def test_the_largest_and_the_smallest_numbers(dtype, size):
    """Nothing overflows; they have the steps of the same numbers of usual size."""
    x = draw("plain")
    x = x / np.abs(x).max()
    expected = encoder_of(x[:, None].astype(dtype), np.ones(200), steps=5)
    expected = expected.encode(x[:, None].astype(dtype))
    small = 1e-290 if dtype == "float64" else 1e-28
    for unit in (size, small):
        X = (x * unit)[:, None].astype(dtype)
        encoder = encoder_of(X, np.ones(200), steps=5)
        assert np.isfinite(encoder.fill).all()
        steps = encoder.encode(X)[:, 1:]
        assert_allclose(steps, expected[:, 1:], atol=1e-5 if dtype == "float32" else 1e-9)
        beyond = np.array([[-1], [1]]) * np.finfo(dtype).max
        assert_array_equal(encoder.encode(beyond.astype(dtype))[:, 1], [-1, 1])


@pytest.mark.parametrize(("dtype", "tiny"), [("float64", 5e-324), ("float32", 1e-44)])
def test_knots_that_are_a_hair_apart(dtype, tiny):
    """The inverse of their distance overflows; the steps are numbers nevertheless."""
    x = np.r_[np.zeros(50), np.full(50, tiny), draw("plain", 100)].astype(dtype)
    encoder = encoder_of(x[:, None], np.ones(200), steps=4)
    assert np.isfinite(encoder.encode(x[:, None])).all()


def test_one_absurd_cell():
    """It moves the last knot and no other; columns beside it stay as they are."""
    X = np.column_stack([draw("plain"), draw("tail")])
    expected = encoder_of(X, np.ones(200), steps=8)
    X[X[:, 0].argmax(), 0] = 1e250
    encoder = encoder_of(X, np.ones(200), steps=8)
    assert_array_equal(encoder.knots[1], expected.knots[1])
    assert_array_equal(encoder.knots[0][:-1], expected.knots[0][:-1])
    assert encoder.knots[0][-1] == 1e250
    usual = X[:, 0] < encoder.knots[0][-2]
    steps = [e.encode(X[usual])[:, 2:9] for e in (encoder, expected)]
    assert_array_equal(*steps)


# Missing numbers.


def test_missing_numbers():
    """The weighted mean stands for them; a column says which, where rows lack some."""
    X = np.array([[1, NAN, 4, NAN], [2, NAN, 5, 1], [6, NAN, 6, 3], [NAN, NAN, 9, 7.0]])
    weights = np.array([1, 2, 1, 0.0])
    encoder = Encoder.of(X, weights)
    assert_allclose(encoder.fill, [2.75, 0, 5, 5 / 3])
    assert_array_equal(encoder.flagged, [1, 3])
    assert not encoder.is_plain
    encoded = encoder.encode(np.array([[NAN, NAN, NAN, NAN], [0, 1, 2, 3]]))
    assert_allclose(encoded, [[2.75, 0, 5, 5 / 3, 1, 1], [0, 1, 2, 3, 0, 0]])
    names = encoder.names(list("abcd"), {}, [])
    assert names[4:].tolist() == ["missingindicator_b", "missingindicator_d"]


def test_a_missing_number_has_the_steps_of_the_mean():
    X = np.column_stack([draw("missing"), draw("plain")])
    encoder = encoder_of(X, np.ones(200), steps=5)
    mean = np.nanmean(X[:, 0])
    rows = encoder.encode(np.array([[NAN, 0.5], [mean, 0.5]]))
    flag = encoder.width - 1
    assert_allclose(np.delete(rows[0], flag), np.delete(rows[1], flag), atol=1e-14)
    assert_array_equal(rows[:, flag], [1, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means(dtype, chunks):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5)).astype(dtype)
    X[rng.uniform(size=X.shape) < 0.3] = NAN
    X[:, 4] = np.abs(X[:, 3])
    weights = rng.uniform(size=40) * (rng.uniform(size=40) < 0.7)
    X[weights == 0, 2] = NAN
    X[weights > 0, 2] = 7
    mean, present, missing = means(X, weights)
    exact, w = np.nan_to_num(X.astype(float)), weights[:, None] * ~np.isnan(X)
    assert_allclose(mean, (exact * w).sum(axis=0) / w.sum(axis=0), rtol=1e-12)
    assert_allclose(present, w.sum(axis=0), rtol=1e-12)
    assert_array_equal(missing, [True, True, False, True, True])
    assert any_missing(X)
    assert not any_missing(np.nan_to_num(X))


def test_means_of_the_largest_numbers():
    mean, *_ = means(np.full((500, 1), 1e300), np.full(500, 1e5))
    assert_allclose(mean, 1e300)


@pytest.mark.parametrize("weights", [[1, 1, 0], [1, 1, 1]])
def test_plain_columns_stay_as_they_are(weights):
    """The very array, where nothing is missing."""
    X = np.array([[1.0, 2], [3, 4], [NAN, NAN]])[: sum(weights)]
    X = np.vstack([X, np.full((3 - len(X), 2), NAN)]) if sum(weights) < 3 else X
    encoder = Encoder.of(X, np.array(weights, dtype=float))
    assert encoder.is_plain == (sum(weights) < 3)
    rows = np.array([[1.0, 2]])
    assert (encoder.encode(rows) is rows) == encoder.is_plain
    if encoder.is_plain:
        assert_array_equal(encoder.encode(np.array([[NAN, 9]])), [[2, 9]])


# Categories.


def test_rare_categories_are_pooled():
    """Below a weight of three; unknown ones are one of them, missing ones are not."""
    codes = np.array([0, 0, 0, 1, 1, 2, 2, NAN])
    weights = np.array([1, 1, 1, 1.5, 1.5, 1, 1.9, 0.1])
    part = category(0, codes, weights, 5, False)
    assert_array_equal(part.kept, [0, 1])
    assert (part.pooled, part.missing, part.with_means) == (True, True, False)
    unit = np.eye(4)
    rows = part.encode(np.array([0, 1, 2, 3, 4, -1, NAN]))
    assert_array_equal(rows, unit[[0, 1, 2, 2, 2, 2, 3]])


def test_an_unknown_category_is_the_mean_where_none_is_pooled():
    """So is a missing cell, where none was missing."""
    codes, weights = np.array([0, 0, 0, 1, 1, 1.0]), np.array([1, 1, 1, 3, 3, 3.0])
    part = category(0, codes, weights, 2, False)
    assert not part.pooled
    assert not part.missing
    assert_allclose(part.encode(np.array([-1, NAN, 1])), [[0.25, 0.75]] * 2 + [[0, 1]])
    part = category(0, np.r_[codes, NAN], np.r_[weights, 4], 2, False)
    assert_allclose(part.encode(np.array([-1, NAN])), [[3 / 16, 9 / 16, 0.25], [0, 0, 1]])


@pytest.mark.parametrize(("with_means", "least"), [(False, 20), (True, 100)])
def test_many_categories_need_more_weight(with_means, least):
    """More than twenty of them, by rows of positive weight; most beside mean targets."""
    codes, weights = np.repeat(np.arange(21.0), 3), np.ones(63)
    weights[:3], weights[3:6] = least / 3 + 1e-9, least / 3 - 1e-9
    part = category(0, codes, weights, 30, with_means)
    assert part.with_means == with_means
    assert_array_equal(part.kept, [0])
    weights[-3:] = 0
    part = category(0, codes, weights, 30, with_means)
    assert not part.with_means
    assert_array_equal(part.kept, np.arange(20))
    assert_array_equal(part.table[20], part.table[-2])


def test_a_weight_of_a_category_is_a_repetition():
    rng = np.random.default_rng(0)
    for count in (4, 30):
        codes = rng.integers(count, size=120).astype(float)
        codes[:5] = NAN
        weights = rng.integers(0, 3, size=120)
        one = category(0, codes, weights.astype(float), count, False)
        other = category(
            0, np.repeat(codes, weights), np.ones(weights.sum()), count, False
        )
        assert_array_equal(one.kept, other.kept)
        assert_allclose(one.table, other.table, rtol=1e-14)


def test_a_column_that_is_missing_altogether():
    part = category(0, np.full(4, NAN), np.ones(4), 0, False)
    assert part.count == 0
    assert_array_equal(part.encode(np.array([NAN, -1])), [[1], [1]])


def test_rows_of_a_table():
    """Codes that there are none of are unknown."""
    codes = np.array([0, 2, 3, -1, 7, NAN])
    for dtype in ("float32", "float64"):
        assert_array_equal(row_of(codes.astype(dtype), 3), [0, 2, 3, 3, 3, 4])


# All together.


def mixed(m=120, seed=0):
    """Return raw rows of two numbers and two columns of codes, and the encoder."""
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            rng.integers(3, size=m),
            rng.normal(size=m),
            rng.integers(4, size=m),
            rng.normal(size=m),
        ]
    )
    X[:4, 2], X[3:6, 3] = NAN, NAN
    encoder = encoder_of(X, np.ones(m), {0: 3, 2: 4}, steps=4)
    means_of = MeanTargets(2, np.linspace(0, 1, 6)[:, None])
    return X, Encoder(
        encoder.fill, encoder.knots, encoder.flagged, encoder.categories, (means_of,)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_order_of_encoded_columns(dtype):
    """Numbers, steps, indicators of missing ones, categories, mean targets."""
    X, encoder = mixed()
    X = X.astype(dtype)
    names = encoder.names(
        "abcd", {0: np.array(["u", "v", "w"]), 2: np.arange(4)}, ["yes"]
    )
    assert names.tolist() == [
        "b",
        "d",
        *(f"b_step{i}" for i in range(4)),
        *(f"d_step{i}" for i in range(4)),
        "missingindicator_d",
        "a_u",
        "a_v",
        "a_w",
        "c_0",
        "c_1",
        "c_2",
        "c_3",
        "c_nan",
        "c_mean_yes",
    ]
    encoded = encoder.encode(X)
    assert encoded.dtype == dtype
    assert encoded.shape == (120, len(names))
    at = {name: encoded[:, i] for i, name in enumerate(names)}
    filled = np.where(np.isnan(X[:, 3]), encoder.fill[3], X[:, 3])
    assert_array_equal(at["b"], X[:, 1])
    assert_allclose(at["d"], filled, rtol=1e-6)
    assert_array_equal(at["missingindicator_d"], np.isnan(X[:, 3]))
    assert_array_equal(at["a_v"], X[:, 0] == 1)
    assert_array_equal(at["c_3"], X[:, 2] == 3)
    assert_array_equal(at["c_nan"], np.isnan(X[:, 2]))
    rows = np.where(np.isnan(X[:, 2]), 5, X[:, 2]).astype(int)
    assert_allclose(at["c_mean_yes"], np.linspace(0, 1, 6)[rows], rtol=1e-6)
    steps = steps_by_hand(X[:, 1].astype(float), encoder.knots[1])
    assert_allclose(encoded[:, 2:6], steps, atol=1e-5)


def test_codes_have_no_steps_and_no_mean():
    """However many there are: they are not numbers."""
    codes = np.arange(100.0) % 25
    codes[:3] = NAN
    encoder = encoder_of(codes[:, None], np.ones(100), {0: 25}, steps=5)
    assert not encoder.has_steps
    assert len(encoder.flagged) == len(encoder.numbers) == 0
    assert not encoder.categories[0].with_means


def test_encoded_rows():
    """Parts are made when they are asked for, and are those of the whole."""
    X, encoder = mixed()
    own = np.random.default_rng(0).uniform(size=(120, 1))
    whole = encoder.encode(X)
    rows = EncodedRows(X, encoder)
    assert rows.shape == whole.shape
    assert len(rows) == 120
    index = np.array([5, 3, 3, 90])
    for part in (slice(2, 9), index, slice(None)):
        assert_array_equal(rows[part], whole[part])
    assert_array_equal(rows.take(index)[1:], whole[index][1:])
    rows = EncodedRows(X, encoder, own)
    assert_array_equal(rows[index][:, :-1], whole[index][:, :-1])
    assert_array_equal(rows[index][:, -1:], own[index])
    assert_array_equal(rows.take(index)[1:3][:, -1:], own[index[1:3]])


def test_an_encoder_is_pickled_without_what_follows():
    X, encoder = mixed()
    expected = encoder.encode(X)
    again = pickle.loads(pickle.dumps(encoder))
    assert set(vars(again)) == set(Encoder.__dataclass_fields__)
    assert_array_equal(again.encode(X), expected)
    assert again.width == encoder.width


def test_rows_are_not_written_to():
    X, encoder = mixed()
    before = X.copy()
    X.setflags(write=False)
    encoder.encode(X)
    assert_array_equal(X, before)


# Standardised at once.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_that_are_standardised(dtype):
    """Clipped between standardised bounds: the same as standardised behind the clip."""
    x = np.r_[draw("tail", 300), -50, 90].astype(dtype)[:, None]
    plain = encoder_of(x, np.ones(302), steps=6)
    values = plain.encode(x)[:, 1:].astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    out = np.empty(values.shape, dtype)
    plain.steps.standardised(mean, scale).astype(dtype).write(x, out)
    assert_allclose(
        out, (values - mean) / scale, atol=1e-4 if dtype == "float32" else 1e-12
    )


def test_the_numbers_alone():
    """Of encoded rows: filled, without codes."""
    X = np.column_stack([np.arange(50.0) % 3, draw("missing", 50), draw("plain", 50)])
    encoder = encoder_of(X, np.ones(50), {0: 3}, steps=4)
    numbers = encoding.NumberRows(EncodedRows(X, encoder))
    assert numbers.shape == (50, 2)
    assert_array_equal(numbers[3:9], encoder.filled(X)[3:9, 1:])
