"""Samples between validation and training: which rows, of what weight."""

from mmap import mmap

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgn.data import samples as module
from skgn.data.samples import Samples, as_csr_array, is_mapped, relative_weights

M = 12


@pytest.fixture(params=["dense", "sparse", "mapped"])
def kind(request, monkeypatch):
    """How X is held; a map of any size counts as a large one."""
    if request.param == "mapped":
        monkeypatch.setattr(module, "MAPPED_BYTES", 0)
    return request.param


@pytest.fixture
def samples(kind, tmp_path):
    """Rows, targets and weights that tell the rows apart."""
    X = dense()
    if kind == "sparse":
        X = sparse.csr_array(X)
    if kind == "mapped":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    return Samples(X, 100 + np.arange(M), 1.0 + np.arange(M))


def dense():
    """Return X."""
    return np.random.default_rng(0).normal(size=(M, 3))


def rows_of(samples):
    """Return the rows, dense."""
    X = samples.gathered().X
    return X.toarray() if sparse.issparse(X) else X


def assert_rows(samples, expected):
    """Check that samples are the expected rows in order."""
    assert_array_equal(rows_of(samples), dense()[expected])
    assert_array_equal(samples.targets, 100 + expected)
    assert_array_equal(samples.weights, 1.0 + expected)


def test_take(samples, kind):
    """By an index in any order, by a mask, and rows of rows."""
    index = np.array([7, 2, 2, 11])
    assert_rows(samples.take(index), index)
    mask = np.arange(M) % 3 == 1
    assert_rows(samples.take(mask), np.flatnonzero(mask))
    twice = samples.take(np.array([9, 4, 6, 1])).take(np.array([2, 0]))
    assert_rows(twice, np.array([6, 9]))
    assert_rows(samples.take(mask).take(np.array([1])), np.array([4]))
    assert samples.take(index).is_mapped == (kind == "mapped")


def test_take_leaves_a_mapped_file_where_it_is(samples, kind):
    """X itself with the rows' numbers; of other X, rows of their own."""
    part = samples.take(np.array([7, 2]))
    if kind == "mapped":
        assert part.X is samples.X
        assert_array_equal(part.kept, [7, 2])
    else:
        assert part.kept is None
        assert part.X.shape == (2, 3)
    assert not np.shares_memory(rows_of(part), rows_of(samples))


def test_gathered(samples):
    """All rows as they are; some of a mapped file in memory."""
    assert samples.gathered() is samples
    gathered = samples.take(np.array([7, 2])).gathered()
    assert gathered.kept is None
    assert not gathered.is_mapped
    assert_rows(gathered, np.array([7, 2]))


def test_scattered_weights(samples, kind):
    """Of sum 1, at the places that the rows have in X."""
    share = (1.0 + np.arange(M)) / 78
    assert_allclose(samples.scattered_weights(), share, rtol=1e-15)
    part = samples.take(np.array([7, 2])).scattered_weights()
    expected = np.array([8, 3]) / 11
    if kind == "mapped":
        expected = np.zeros(M)
        expected[[7, 2]] = 8 / 11, 3 / 11
    assert_allclose(part, expected, rtol=1e-15)


def test_positive(samples):
    """Rows of weight zero go; where there are none nothing is copied."""
    assert samples.positive() is samples
    samples.weights[[0, 5, 11]] = 0
    kept = np.array([1, 2, 3, 4, 6, 7, 8, 9, 10])
    assert_rows(samples.positive(), kept)
    samples.weights[:] = 0
    assert len(samples.positive().weights) == 0


def test_is_mapped(tmp_path, monkeypatch):
    """A map, its views and what stands on one; not a copy, nor a small map."""
    monkeypatch.setattr(module, "MAPPED_BYTES", 8 * M)
    path = tmp_path / "X.npy"
    np.save(path, dense())
    X = np.load(path, mmap_mode="r")
    assert isinstance(X, np.memmap)
    for view in (X, X[1:], X[:, :2], X.T, np.asarray(X), np.asarray(X)[1:][:, 1:]):
        assert is_mapped(view)
    for other in (X[[0, 1, 2, 3, 4]], np.array(X), dense(), [[1.0]], None):
        assert not is_mapped(other)
    assert not is_mapped(sparse.csr_array(X))
    assert is_mapped(X[:4])  # as many bytes as count
    assert not is_mapped(X[:3])


def test_a_copy_of_a_map_is_not_mapped(tmp_path, monkeypatch):
    """Also one in another precision, which has the class but no file."""
    monkeypatch.setattr(module, "MAPPED_BYTES", 8 * M)
    np.save(tmp_path / "X.npy", dense())
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    for other in (X.copy(), X.astype(np.float32), np.asarray(X.copy())[1:]):
        assert not is_mapped(other)


def test_an_array_on_a_bare_map_is_mapped(tmp_path, monkeypatch):
    """As `np.ndarray(buffer=mmap)` and the unpickled arrays of some tools have it."""
    monkeypatch.setattr(module, "MAPPED_BYTES", 8 * M)
    (tmp_path / "X").write_bytes(dense().tobytes())
    with open(tmp_path / "X", "r+b") as file:
        X = np.ndarray((M, 3), buffer=mmap(file.fileno(), 0))
    assert_array_equal(X, dense())
    assert is_mapped(X)
    assert is_mapped(X[2:])


def test_relative_weights():
    """Divided by a mean, in the precision of the fit."""
    weights = np.array([1.0, 2.0, 6.0])
    for dtype in (np.float32, np.float64):
        relative = relative_weights(weights, 3.0, dtype)
        assert relative.dtype == dtype
        assert_allclose(relative, [1 / 3, 2 / 3, 2], rtol=1e-7)


@pytest.mark.parametrize("value", [1.0, 0.1, 1e-9, 7e5])
def test_relative_weights_of_equal_rows_are_not_kept(value):
    """None is what the weights of equal rows come to, but for rounding."""
    weights = np.full(1000, value)
    assert relative_weights(weights, weights.mean(), np.float64) is None
    assert relative_weights(weights, 2 * value, np.float64) is not None
    weights[0] *= 1 + 1e-9
    assert relative_weights(weights, value, np.float64) is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("build", [sparse.csr_array, sparse.csr_matrix])
def test_as_csr_array_sums_repeated_entries(build, dtype):
    """An entry in parts, in any order of columns; the caller's matrix stays."""
    data = np.array([1, 2, 4, 8, 16, 32], dtype)
    X = build((data, [2, 0, 2, 1, 1, 0], [0, 3, 3, 6]), shape=(3, 4))
    expected = [[2, 0, 5, 0], [0, 0, 0, 0], [32, 24, 0, 0]]
    rows = as_csr_array(X)
    assert isinstance(rows, sparse.csr_array)
    assert rows.has_canonical_format
    assert rows.nnz == 4
    assert rows.dtype == dtype
    assert_array_equal(rows.toarray(), expected)
    assert X.nnz == 6
    assert_array_equal(X.data, [1, 2, 4, 8, 16, 32])
    assert_array_equal(X.indices, [2, 0, 2, 1, 1, 0])


def test_as_csr_array_copies_nothing_where_nothing_repeats():
    """Dense X is itself; sparse X in order keeps its entries."""
    X = dense()
    assert as_csr_array(X) is X
    rows = sparse.csr_array(X)
    assert np.shares_memory(as_csr_array(rows).data, rows.data)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_numbered(container):
    """Equal rows of the same target have one number, by first appearance."""
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    targets = np.array([0, 1, 0, 1, 1, 1])
    samples = Samples(container(X), targets, np.ones(6))
    assert samples.numbered().tolist() == [0, 1, 0, 2, 3, 1]
