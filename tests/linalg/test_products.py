"""Products of matrices, and how many threads they are worth."""

from contextlib import nullcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.linalg import products
from skgn.linalg.products import eigh, gram, inverse, matmul

FLOATS = (np.float32, np.float64)


@pytest.fixture
def worths(monkeypatch):
    """Collect how many threads work was said to be worth."""
    seen = []

    def more_threads(worth):
        seen.append(worth)
        return nullcontext()

    monkeypatch.setattr(products, "more_threads", more_threads)
    return seen


@pytest.mark.parametrize("dtype", FLOATS)
def test_values(dtype):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((9, 6)).astype(dtype)
    B = rng.standard_normal((6, 4)).astype(dtype)
    S = A.T @ A + np.eye(6, dtype=dtype)
    out = np.empty((9, 4), dtype)
    assert matmul(A, B, out=out) is out
    assert_array_equal(out, A @ B)
    assert_array_equal(matmul(A, B), A @ B)
    assert_array_equal(gram(A), A.T @ A)
    assert_allclose(inverse(S), np.linalg.inv(S), atol=4 * np.finfo(dtype).eps)
    assert_array_equal(inverse(S), inverse(S).T)
    indefinite = S - 9 * np.eye(6, dtype=dtype)  # as rounding may leave it
    assert_allclose(inverse(indefinite), np.linalg.inv(indefinite))
    values, vectors = eigh(S)
    assert_allclose(
        vectors * values @ vectors.T, S, rtol=2e-5 * np.finfo(dtype).eps ** 0.1
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_large_products_have_the_same_values(dtype):
    rng = np.random.default_rng(0)
    A = rng.integers(-9, 9, (700, 300)).astype(dtype)
    B = rng.integers(-9, 9, (300, 200)).astype(dtype)
    exact = A.astype(np.int64) @ B.astype(np.int64)
    assert_array_equal(matmul(A, B), exact)
    assert_array_equal(gram(A), A.T.astype(np.int64) @ A.astype(np.int64))


@pytest.mark.parametrize(
    ("m", "n", "h", "threads"),
    [
        (1797, 64, 100, 0),  # a full batch of digits: worth one, and not even asked for
        (1000, 784, 100, 6),  # a mini-batch of images: as many as the result has parts
        (1000, 784, 256, 15),
        (100, 4000, 100, 0),  # a long sum, whose result is too small to be divided
        (5000, 200, 17, 2),
    ],
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_worth_of_a_product(m, n, h, threads, dtype, worths):
    matmul(np.zeros((m, n), dtype), np.zeros((n, h), dtype))
    assert worths == [threads] or (threads == 0 and not worths)


@pytest.mark.parametrize(
    ("m", "n", "dtype", "threads"),
    [
        (20_000, 100, np.float64, 0),
        (1000, 257, np.float32, 0),
        (1000, 257, np.float64, 2),
        (1000, 785, np.float32, 4),
        (1000, 785, np.float64, 18),
        (10, 785, np.float64, 0),
    ],
)
def test_worth_of_a_gram_matrix(m, n, dtype, threads, worths):
    gram(np.zeros((m, n), dtype))
    assert worths == [threads]


@pytest.mark.parametrize(("side", "threads"), [(101, 0), (300, 1), (600, 2)])
def test_worth_of_a_decomposition(side, threads, worths):
    eigh(np.eye(side))
    inverse(np.eye(side))
    assert worths == [threads] * 2
