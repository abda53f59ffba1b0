"""A memory-mapped X is not copied by a mini-batch fit."""

import subprocess
import sys
import textwrap

import pytest

SCRIPT = textwrap.dedent(
    """
    import resource
    import sys

    import numpy as np

    from skgn import GaussNewtonMLPClassifier

    path, batch_size = sys.argv[1], eval(sys.argv[2])
    m, n = 400_000, 128
    X = np.lib.format.open_memmap(path, mode="r")
    w = np.random.default_rng(1).normal(size=n)
    y = np.concatenate([X[i : i + 10_000] @ w > 0 for i in range(0, m, 10_000)])
    model = GaussNewtonMLPClassifier(
        (8,), batch_size=batch_size, max_iter=1, random_state=0
    )
    # a small fit imports and allocates what any fit does
    model.fit(np.array(X[:500]), y[:500]) if batch_size else None
    with open("/proc/self/status") as status:
        used = next(int(line.split()[1]) for line in status if "VmData" in line)
    limit = used * 1024 + 200 * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        model.fit(X, y)
    except MemoryError:
        print("MemoryError")
    else:
        print(model.score(X[:5000], y[:5000]))
    """
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file of 410 MB of float64; twice the memory that a fit may take."""
    import numpy as np

    path = tmp_path_factory.mktemp("mapped") / "X.npy"
    X = np.lib.format.open_memmap(path, "w+", np.float64, (400_000, 128))
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 50_000):
        X[start : start + 50_000] = rng.normal(size=(50_000, 128))
    X.flush()
    del X
    yield path
    path.unlink()


def outcome(file, batch_size):
    """Return what a fit in a process of its own printed."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(file), batch_size],
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA and /proc")
def test_mapped_rows_are_fitted_within_half_their_size(file):
    """And are learned from, in one pass."""
    assert float(outcome(file, "1024")) > 0.9


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA and /proc")
def test_the_limit_is_one(file):
    """Full batches, which copy X, do not fit into it."""
    assert outcome(file, "None") == "MemoryError"
