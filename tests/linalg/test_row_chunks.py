"""Row chunks and weighted Gram matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.linalg import products
from skgn.linalg.products import row_chunks, weighted_gram


@pytest.mark.parametrize("n", [0, 1, 300, 10**7])
@pytest.mark.parametrize("m", [0, 1, 256, 257, 100_003])
def test_chunks_cover_all_rows(m, n):
    """Every row once and in order; no chunk without rows."""
    parts = list(row_chunks(m, n))
    assert all(part.stop > part.start for part in parts)
    rows = np.concatenate([np.arange(0), *(np.arange(m)[part] for part in parts)])
    assert_array_equal(rows, np.arange(m))


def test_chunks_are_of_bounded_size():
    """A chunk holds CHUNK_SIZE entries, or CHUNK_ROWS rows if these are more."""
    sizes = [part.stop - part.start for part in row_chunks(100_000, 100)]
    assert max(sizes) == products.CHUNK_SIZE // 100
    sizes = [part.stop - part.start for part in row_chunks(10_000, 10**6)]
    assert max(sizes) == products.CHUNK_ROWS


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", ["equal", "varied", "zeros"])
@pytest.mark.parametrize("shape", [(0, 3), (1, 4), (10, 1), (30, 5), (5, 30)])
def test_weighted_gram(shape, weights, dtype):
    """A' diag(w) A by an explicit sum over rows, in the precision of A."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=shape).astype(dtype)
    w = {
        "equal": np.full(shape[0], 0.25),
        "varied": rng.uniform(0, 2, size=shape[0]),
        "zeros": np.arange(shape[0]) % 2.0,
    }[weights].astype(dtype)
    expected = np.zeros((shape[1], shape[1]))
    for a, w_i in zip(A.astype(np.float64), w, strict=True):
        expected += w_i * np.outer(a, a)
    actual = weighted_gram(A, w)
    assert actual.dtype == dtype
    assert_allclose(actual, expected, atol=100 * np.finfo(dtype).eps)


def test_a_view_without_contiguous_rows():
    """A need not own its memory, and is not written to."""
    whole = np.random.default_rng(0).normal(size=(6, 8))
    before = whole.copy()
    A, w = whole[::2, 1:6], np.array([1.0, 2.0, 3.0])
    assert_allclose(weighted_gram(A, w), (A.T * w) @ A)
    assert_array_equal(whole, before)
