"""Columns of all kinds: what data sets hold, and what breaks numerical code.

Each kind is a function of a generator, a number of rows and the precision of the data, as
`numpy.finfo` describes it. Sizes are powers of the smallest or largest number of the
precision. In float64, "tiny" is 1e-170, "root" 1e154, "huge" 1e200 and "enormous" 1e300.
"""

import numpy as np


def replaced(column, i, value):
    """Return a column with another value in one cell."""
    column[i % len(column)] = value
    return column


def normal(rng, m, info):
    """Draw the column of the textbooks."""
    return rng.normal(size=m)


def mostly_zero(rng, m, info):
    """Draw the counts of a rare word."""
    return rng.poisson(0.15, m).astype(float)


def constant_but_one(rng, m, info):
    """Draw a constant of which one cell differs."""
    return replaced(np.full(m, 5.0), rng.integers(m), 6.0)


def zero_but_one(rng, m, info):
    """Draw zeros of which one cell is large."""
    return replaced(np.zeros(m), rng.integers(m), float(info.max) ** 0.3)


def outlier(rng, m, info):
    """Draw normal values, one of them a million."""
    return replaced(rng.normal(size=m), rng.integers(m), 1e6)


def all_scales(rng, m, info):
    """Draw every cell with a size of its own."""
    span = 0.9 * np.log10(float(info.max))
    return rng.choice([-1, 1], m) * 10 ** rng.uniform(-span, span, m)


def rounding(rng, m, info):
    """Draw a constant of which some cells differ by a rounding."""
    return 1.7e9 * (1 + float(info.eps) * rng.integers(0, 3, m))


def far_apart(rng, m, info):
    """Draw two values, one of them a million times the other."""
    return rng.choice([1.0, 1e6], m)


def ties(rng, m, info):
    """Draw a few values that many cells share, and others between them."""
    return np.where(rng.uniform(size=m) < 0.7, rng.integers(-1, 2, m), rng.normal(size=m))


def roundings_apart(rng, m, info):
    """Draw many values, each a rounding from the next."""
    return 1 + float(info.eps) * rng.integers(0, 50, m)


def bundles(rng, m, info):
    """Draw two bundles of values a rounding apart."""
    return rng.choice([1.0, 2.0], m) * (1 + float(info.eps) * rng.integers(0, 3, m))


def denormal_gaps(rng, m, info):
    """Draw multiples of the smallest number."""
    return rng.integers(0, 9, m) * float(info.smallest_subnormal)


def lacking(kind, share):
    """Return a kind of column of which a share of the cells is missing."""

    def draw(rng, m, info):
        column = kind(rng, m, info)
        column[rng.uniform(size=m) < share] = np.nan
        return column

    return draw


def nearly_all_missing(rng, m, info):
    """Draw a column of which one cell is there."""
    return replaced(np.full(m, np.nan), rng.integers(m), rng.normal())


def largest(rng, m, info):
    """Draw the largest numbers of either sign."""
    return rng.choice([-1, 1], m) * float(info.max)


MILD = {
    "normal": normal,
    "0/1": lambda rng, m, info: rng.integers(0, 2, m).astype(float),
    "integers": lambda rng, m, info: rng.integers(-5, 6, m).astype(float),
    "mostly zero": mostly_zero,
    "zero": lambda rng, m, info: np.zeros(m),
    "five": lambda rng, m, info: np.full(m, 5.0),
    "constant but one": constant_but_one,
    "ties": ties,
}

#: As mild, but for missing cells.
MILD_LACKING = {
    "some missing": lacking(normal, 0.2),
    "integers, some missing": lacking(
        lambda rng, m, info: rng.integers(-2, 3, m).astype(float), 0.2
    ),
    "nearly all missing": nearly_all_missing,
    "all missing": lambda rng, m, info: np.full(m, np.nan),
}

HOSTILE = {
    "timestamp": lambda rng, m, info: np.full(m, 1.7e9),
    "1e20": lambda rng, m, info: np.full(m, 1e20),
    "rounding": rounding,
    "far from zero": lambda rng, m, info: 1e8 + rng.normal(size=m),
    "heavy tail": lambda rng, m, info: rng.standard_cauchy(m),
    "heavier tail": lambda rng, m, info: rng.standard_cauchy(m) ** 5,
    "outlier": outlier,
    "zero but one": zero_but_one,
    "all scales": all_scales,
    "tiny": lambda rng, m, info: rng.normal(size=m) * float(info.tiny) ** 0.55,
    "denormal": lambda rng, m, info: rng.normal(size=m) * float(info.tiny) / 100,
    "root": lambda rng, m, info: rng.normal(size=m) * float(info.max) ** 0.5,
    "huge": lambda rng, m, info: rng.normal(size=m) * float(info.max) ** 0.65,
    "enormous": lambda rng, m, info: rng.normal(size=m) * float(info.max) ** 0.974,
    "largest": largest,
    "constant largest": lambda rng, m, info: np.full(m, float(info.max)),
    "far apart": far_apart,
    "roundings apart": roundings_apart,
    "bundles": bundles,
    "denormal gaps": denormal_gaps,
}

LACKING = {
    **MILD_LACKING,
    "missing beside an outlier": lacking(outlier, 0.3),
    "missing beside the largest": lacking(largest, 0.5),
}

#: Without missing cells.
COMPLETE = {**MILD, **HOSTILE}

KINDS = {**COMPLETE, **LACKING}

#: The kind that repeats the column to its left.
COPY = "copy"


def table(kinds, m, seed, dtype):
    """Return a dense array with a column of each kind.

    Where the type has no number for missing cells, they are zero.
    """
    dtype = np.dtype(dtype)
    info = np.finfo(dtype if dtype.kind == "f" else np.float64)
    columns = []
    for j, kind in enumerate(kinds):
        if kind == COPY:
            columns.append(columns[-1] if columns else np.ones(m))
        else:
            columns.append(KINDS[kind](np.random.default_rng([seed, j]), m, info))
    X = np.stack(columns, axis=1)
    if dtype.kind != "f":
        X[np.isnan(X)] = 0
    most = 2.0**62 if dtype.kind == "i" else float(info.max)
    return np.clip(X, -most, most).astype(dtype)
