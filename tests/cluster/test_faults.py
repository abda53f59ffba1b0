"""Workers that die, come, go, wait or run out of memory: the fit is the same.

A worker is killed while the tasks of a round are under way or just done; what it had is
made again by others. SKGN_KILLS=20 kills twenty of them in place of one in each kind of
round; `pytest -s` shows where.
"""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn import GaussNewtonMLPClassifier
from tests.problems import multiclass

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
workers = pytest.importorskip("skgn.cluster.workers")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")

#: Rounds that a worker is killed in, and at which of their kind: of a fit that takes all
#: samples at each iteration, or batches.
ROUNDS = [
    ("reading", 1, None),
    ("Statistics", 1, None),
    ("Sharing", 1, None),
    ("FirstGram", 1, None),
    ("Model", 2, None),
    ("Point", 3, None),
    ("Batch", 7, 200),
    ("Judgement", 2, None),
    ("Encoding", 1, None),
    ("Measure", 1, 200),
    ("Learning", 1, None),
    ("Ranges", 1, 200),
    ("Sharing", 2, 200),
    ("NullCost", 1, None),
    ("Judgement", 1, 200),
    ("Point", 1, None),
]

KILLS = int(os.environ.get("SKGN_KILLS", "8"))


@pytest.fixture(scope="module")
def cluster():
    """Return three processes; those that are killed are started again."""
    with distributed.LocalCluster(
        n_workers=3,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(3, timeout=60)
        yield client


def network(batch_size=None, **parameters):
    own = {"alpha": 1e-3, "encoding": None, "max_iter": 3, "early_stopping": True}
    return GaussNewtonMLPClassifier(
        (5,), "tanh", batch_size=batch_size, random_state=0, **{**own, **parameters}
    )


X, Y = multiclass(m=1500)


def fitted(batch_size=None, **parameters):
    """Return a fit to 1,000 samples in five parts, watched by others in two."""
    rows = [da.from_array(A[:1000], chunks=(200, *A.shape[1:])) for A in (X, Y)]
    others = [da.from_array(A[1000:], chunks=(250, *A.shape[1:])) for A in (X, Y)]
    model = network(batch_size, n_iter_no_change=np.inf, **parameters)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The fit reached max_iter")
        return model.fit(*rows, X_val=others[0], y_val=others[1])


@pytest.fixture(scope="module")
def undisturbed(cluster):
    """Return the probabilities of fits while nothing goes wrong."""
    with distributed.Client(cluster):
        return {size: fitted(size).predict_proba(X) for size in (None, 200)}


def at_round(monkeypatch, kind, number, act):
    """Do something once the tasks of a round are on their way; return when it was."""
    original, seen = workers.OnWorkers._asked_of, []

    def asked(self, parts, function, own):
        futures = original(self, parts, function, own)
        name = type(function).__name__
        if name == "function":
            name = "reading"
        seen.append(name)
        if name == kind and seen.count(kind) == number:
            act()
        return futures

    monkeypatch.setattr(workers.OnWorkers, "_asked_of", asked)
    return seen


def kill(cluster, number=0):
    """Kill a worker that is alive."""
    alive = [nanny for nanny in cluster.workers.values() if nanny.pid is not None]
    os.kill(alive[number % len(alive)].pid, signal.SIGKILL)


def names_of(number):
    kind, at, batch_size = ROUNDS[number % len(ROUNDS)]
    return f"{kind}-{at}-{'batches' if batch_size else 'all'}"


def kill_in_a_round(monkeypatch, cluster, client, number, undisturbed):
    """Return the largest difference that a kill has made to probabilities."""
    kind, at, batch_size = ROUNDS[number % len(ROUNDS)]
    killed = []

    def act():
        time.sleep(0.003 * (number // 3 % 3))  # tasks wait, run, or are done
        kill(cluster, number)
        killed.append(kind)

    with monkeypatch.context() as patch:
        at_round(patch, kind, at, act)
        start = time.perf_counter()
        own = fitted(batch_size).predict_proba(X)
    assert killed == [kind]
    difference = float(np.abs(own - undisturbed[batch_size]).max())
    print(
        f"{names_of(number)}: {difference:.1e}, {time.perf_counter() - start:.1f} s",
        flush=True,
    )
    return difference


@pytest.mark.parametrize("number", range(KILLS), ids=names_of)
def test_a_worker_is_killed(monkeypatch, cluster, client, undisturbed, number):
    difference = kill_in_a_round(monkeypatch, cluster, client, number, undisturbed)
    assert difference < 1e-10


def test_all_workers_are_killed(monkeypatch, cluster, client, undisturbed):
    """The fit waits for those that take their place, and begins with the reading."""

    def act():
        for number in range(3):
            kill(cluster, number)

    at_round(monkeypatch, "Point", 2, act)
    assert np.abs(fitted().predict_proba(X) - undisturbed[None]).max() < 1e-10


def test_a_worker_comes_and_goes(monkeypatch, cluster, client, undisturbed):
    def come():
        cluster.scale(4)
        client.wait_for_workers(4, timeout=60)

    def go():
        (first, *_) = client.nthreads()
        client.retire_workers([first])

    with monkeypatch.context() as patch:
        at_round(patch, "Model", 2, come)
        at_round(patch, "Point", 4, go)
        own = fitted().predict_proba(X)
    cluster.scale(3)
    assert np.abs(own - undisturbed[None]).max() < 1e-10


def test_a_slow_worker(monkeypatch, cluster, client, undisturbed):
    """One that has something else to do for some time."""
    others = []

    def delay():
        (first, *_) = client.nthreads()
        others.append(client.submit(time.sleep, 1.5, workers=[first], pure=False))

    at_round(monkeypatch, "Model", 2, delay)
    assert_allclose(fitted().predict_proba(X), undisturbed[None], rtol=1e-10, atol=1e-12)
    assert others


@pytest.mark.parametrize("batch_size", [None, 200])
def test_a_signal(monkeypatch, client, batch_size):
    """Ctrl-C while the client waits: the best weights stay, and the cluster works on."""
    timers = []

    def interrupt():
        timers.append(threading.Timer(0.01, signal.raise_signal, [signal.SIGINT]))
        timers[0].start()

    # so long a fit that the signal falls into it, and so long a round
    monkeypatch.setattr(workers, "_answer", _slow_answer)
    kind, number = ("Model", 3) if batch_size is None else ("Batch", 12)
    at_round(monkeypatch, kind, number, interrupt)
    model = network(batch_size, early_stopping=False, max_iter=99, tol=0.0)
    rows = [da.from_array(A, chunks=(750, *A.shape[1:])) for A in (X, Y)]
    with pytest.raises(KeyboardInterrupt):
        model.fit(*rows)
    assert len(timers) == 1
    assert model.stop_reason_ == "interrupted"
    assert 0 < model.n_iter_ < 20
    assert np.isfinite(model.predict_proba(X)).all()
    assert client.submit(abs, -1).result() == 1


def _slow_answer(part, function, *own):
    time.sleep(0.02)
    return function(part, *own)


def test_an_error_on_a_worker_is_that_of_a_local_fit(client):
    """Its type and its message come back; the cluster can be used afterwards."""
    rows = da.from_array(X, chunks=(500, 8))
    with pytest.raises(ValueError, match="y contains NaN"):
        network().fit(rows, da.from_array(np.where(Y == 1, np.nan, Y), chunks=500))
    with pytest.raises(ValueError, match="Partition 1 has 500 samples in X, 400 in y"):
        parts = [da.from_array(Y[:500], chunks=500), _unknown(Y[500:900])]
        y = da.concatenate([*parts, _unknown(Y[1000:])], allow_unknown_chunksizes=True)
        network().fit(rows, y)
    assert client.submit(abs, -1).result() == 1


def _unknown(y):
    return da.from_delayed(dask.delayed(y), (np.nan,), y.dtype)


def test_rows_that_do_not_fit_into_memory():
    """Shares go to disk and come back."""
    state = da.random.RandomState(0)
    rows = state.normal(size=(40_000, 40), chunks=(5000, 40))
    y = (rows[:, 0] + state.normal(size=40_000, chunks=5000) > 0).astype(int)
    X, labels = dask.compute(rows, y, scheduler="synchronous")
    options = {"early_stopping": False, "max_iter": 3, "cost_threshold": 0.6}
    local = network(**options).fit(X, labels)
    memory = "distributed.worker.memory."
    limits = {f"{memory}{name}": False for name in ("spill", "pause", "terminate")}
    spilled = []

    def see():
        counts = client.run(lambda dask_worker: len(dask_worker.data.slow))
        spilled.extend(counts.values())

    with (
        dask.config.set({**limits, f"{memory}target": 0.01}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit="1GB",
        ) as cluster,
        distributed.Client(cluster) as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        at_round(patch, "Model", 1, see)
        own = network(**options).fit(rows, y)
    assert max(spilled) > 0
    assert np.abs(own.predict_proba(X) - local.predict_proba(X)).max() < 1e-10
