"""The BLAS has one thread in fits and predictions, but for large products."""

import linecache
import os
import subprocess
import sys
import warnings
from multiprocessing import get_context
from threading import Barrier, Thread, local

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV
from threadpoolctl import ThreadpoolController, threadpool_limits

from skgn import GaussNewtonMLPClassifier, _threads
from skgn._threads import more_threads, most_threads, one_thread
from skgn.linalg import products
from skgn.model.prediction import Predictor

BEFORE = 4
BLAS = ThreadpoolController().select(user_api="blas").lib_controllers


def blas_threads():
    """Return the largest number of threads of the BLAS libraries."""
    return max(library.num_threads for library in BLAS)


def set_blas_threads(number):
    """Set the number of threads, and do not stand in the way of who sets another."""
    for library in _threads._blas():
        _threads._set(library, number)


def set_cpus(monkeypatch, number):
    """Let joblib find so many CPUs."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: number)
    _threads._cpus.cache_clear()


@pytest.fixture(autouse=True)
def _four_threads_on_four_cpus(monkeypatch):
    libraries = _threads._blas()
    if not BLAS:
        pytest.skip("no BLAS whose threads can be limited")
    found = [library.num_threads for library in libraries]
    set_cpus(monkeypatch, BEFORE)
    set_blas_threads(BEFORE)
    if blas_threads() != BEFORE:
        pytest.skip("a BLAS without threads")
    yield
    _threads._cpus.cache_clear()
    for library, number in zip(libraries, found, strict=True):
        _threads._set(library, number)


@pytest.fixture
def all_products_large(monkeypatch):
    """Let every product take as many threads as there are."""
    monkeypatch.setattr(products, "PRODUCT", 1)
    monkeypatch.setattr(products, "RESULT", 1)
    monkeypatch.setattr(products, "GRAM", {4: 1, 8: 1})
    monkeypatch.setattr(products, "SIDE", 1)


class Watching(np.random.RandomState):
    """Notes how many threads there are whenever a fit draws numbers."""

    def __init__(self, seed):
        super().__init__(seed)
        self.seen = set()

    def standard_normal(self, *args, **kwargs):
        self.seen.add(blas_threads())
        return super().standard_normal(*args, **kwargs)


def small_model(**parameters):
    return GaussNewtonMLPClassifier(5, alpha=1e-3, cost_threshold=10, **parameters)


# The limit itself.


def test_one_thread_inside_and_as_before_afterwards():
    with one_thread():
        assert blas_threads() == 1
        with one_thread():
            assert blas_threads() == 1
        assert blas_threads() == 1
    assert blas_threads() == BEFORE


@pytest.mark.parametrize(("worth", "given"), [(0, 1), (1, 1), (2, 2), (3, 3), (100, 4)])
def test_more_threads_as_many_as_worth_and_there(worth, given):
    with one_thread():
        with more_threads(worth):
            assert blas_threads() == given
        assert blas_threads() == 1
    assert blas_threads() == BEFORE


def test_nothing_is_set_for_products_that_are_never_divided():
    with one_thread(_threads.UNDIVIDED - 1):
        assert blas_threads() == BEFORE
    with one_thread(_threads.UNDIVIDED):
        assert blas_threads() == 1
    assert blas_threads() == BEFORE


def test_more_threads_changes_nothing_elsewhere():
    with more_threads(2):
        assert blas_threads() == BEFORE
    assert blas_threads() == BEFORE


def test_each_library_keeps_its_own_limit():
    libraries = _threads._blas()
    numbers = [2 + i for i in range(len(libraries))]
    for library, number in zip(libraries, numbers, strict=True):
        _threads._set(library, number)
    with one_thread(), more_threads(100):
        inside = [library.num_threads for library in libraries]
        assert inside == [min(number, BEFORE) for number in numbers]
    assert [library.num_threads for library in libraries] == numbers


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_as_before_after_an_error(error):
    with pytest.raises(error), one_thread(), more_threads(2):
        raise error
    assert blas_threads() == BEFORE


def test_as_before_after_an_interrupt_at_any_line():
    """A KeyboardInterrupt at the k-th line of the module, for every k.

    But for lines that take a lock: they are traced again before they release it, where
    Python looks for no signal.
    """

    def interrupt_at(k):
        count = 0

        def trace(frame, event, _):
            nonlocal count
            if frame.f_code.co_filename != _threads.__file__:
                return None if event == "call" else trace
            line = linecache.getline(_threads.__file__, frame.f_lineno)
            if event not in ("call", "line") or "with self.lock" in line:
                return trace
            count += 1
            if count == k:
                raise KeyboardInterrupt
            return trace

        return trace

    interrupts = 0
    for k in range(1, 1000):
        before = sys.gettrace()
        sys.settrace(interrupt_at(k))
        try:
            with one_thread(), more_threads(2):
                pass
        except KeyboardInterrupt:
            interrupts += 1
        else:
            break
        finally:
            sys.settrace(before)
        assert blas_threads() == BEFORE, k
        assert not _threads._process.inside, k
    assert interrupts > 50


def test_what_somebody_else_sets_remains():
    with one_thread():
        set_blas_threads(3)
    assert blas_threads() == 3


# How many threads there are.


def test_no_more_than_the_cpus(monkeypatch):
    """joblib knows affinity and quota."""
    set_cpus(monkeypatch, 3)
    with one_thread():
        assert most_threads() == 3
    set_cpus(monkeypatch, 1)
    with one_thread():
        assert most_threads() == 1


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_than_the_limit_of_threadpoolctl(limit):
    with threadpool_limits(limit):
        with one_thread(), more_threads(100):
            assert blas_threads() == limit
        assert blas_threads() == limit
    assert blas_threads() == BEFORE


MOST = (
    "import joblib; joblib.cpu_count = lambda: 4\n"
    "from skgn._threads import most_threads, one_thread\n"
    "with one_thread():\n"
    "    print(most_threads())\n"
)


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_than_the_environment_says(limit):
    names = ("OPENBLAS", "MKL", "OMP", "BLIS", "VECLIB_MAXIMUM")
    limits = {f"{name}_NUM_THREADS": str(limit) for name in names}
    command = [sys.executable, "-c", MOST]
    environment = {**os.environ, **limits}
    out = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert int(out.stdout) <= limit


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="only Linux sets an affinity"
)
def test_no_more_than_the_affinity_allows():
    one_cpu = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\n"
    script = one_cpu + MOST.partition("\n")[2]
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(out.stdout) == 1


# Python threads.


def together(*functions):
    """Run functions, each in a thread of its own."""
    failures = []

    def run(function):
        try:
            function()
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for failure in failures:
        raise failure


def test_who_is_inside_shares_the_threads():
    """And whoever leaves first, the limit holds until the last one has left."""
    inside, counted, first_left = (Barrier(2, timeout=30) for _ in range(3))

    def leaves_first():
        with one_thread():
            inside.wait()
            assert most_threads() == BEFORE // 2
            counted.wait()
        first_left.wait()

    def leaves_last():
        with one_thread():
            inside.wait()
            assert most_threads() == BEFORE // 2
            with one_thread():  # again: does not count twice
                assert most_threads() == BEFORE // 2
            counted.wait()
            first_left.wait()
            assert most_threads() == BEFORE
            assert blas_threads() == 1

    together(leaves_first, leaves_last)
    assert blas_threads() == BEFORE


def test_numbers_that_each_python_thread_has_of_its_own(monkeypatch):
    """As a BLAS with OpenMP has them: whoever leaves has its own back at once."""

    class Library(local):
        num_threads = BEFORE

        def set_num_threads(self, number):
            self.num_threads = number

    library = Library()
    monkeypatch.setattr(_threads, "_libraries", lambda per_thread: [library] * per_thread)
    inside, first_left = Barrier(2, timeout=30), Barrier(2, timeout=30)

    def leaves_first():
        with one_thread():
            assert library.num_threads == 1
            inside.wait()
            with more_threads(100):
                assert library.num_threads == BEFORE // 2
            assert library.num_threads == 1
        assert library.num_threads == BEFORE
        first_left.wait()

    def leaves_last():
        with one_thread():
            inside.wait()
            first_left.wait()
            assert library.num_threads == 1
        assert library.num_threads == BEFORE

    together(leaves_first, leaves_last)


def test_more_python_threads_than_cpus():
    everyone = Barrier(2 * BEFORE, timeout=30)

    def inside():
        with one_thread():
            everyone.wait()
            assert most_threads() == 1
            everyone.wait()

    together(*[inside] * (2 * BEFORE))
    assert blas_threads() == BEFORE


def test_coming_and_going():
    def come_and_go():
        for i in range(100):
            with one_thread(), more_threads(i % 4):
                assert blas_threads() < BEFORE or i % 4 == 0

    together(*[come_and_go] * 8)
    assert blas_threads() == BEFORE
    assert not _threads._process.inside


def test_fits_at_once_are_equal_to_fits_in_turn():
    X, y = load_iris(return_X_y=True)

    def fit(seed):
        model = GaussNewtonMLPClassifier(9, random_state=seed, max_iter=20, tol=0.1)
        return model.fit(X, y).predict_proba(X)

    in_turn = [fit(seed) for seed in range(4)]
    parallel = Parallel(4, backend="threading")
    at_once = parallel(delayed(fit)(seed) for seed in range(4))
    assert_array_equal(at_once, in_turn)
    assert blas_threads() == BEFORE


# Processes.


def threads_of_large_work():
    """Return how many threads large work gets in this process."""
    X, y = load_iris(return_X_y=True)
    with one_thread(), more_threads(100):
        threads = blas_threads()
    before = blas_threads()
    small_model(max_iter=2).fit(X, y).predict(X)
    assert blas_threads() == before
    return threads


def test_workers_of_joblib_keep_to_their_share():
    parallel = Parallel(2, backend="loky")
    threads = parallel(delayed(threads_of_large_work)() for _ in range(2))
    assert 2 * max(threads) <= max(os.cpu_count(), 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_worker_without_a_limit_keeps_to_one_thread():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads
        with get_context("fork").Pool(1) as pool:
            assert pool.apply(threads_of_large_work) == 1
            assert pool.apply(blas_threads) == BEFORE
    assert blas_threads() == BEFORE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_fork_in_the_middle_of_a_fit_has_its_own_threads():
    """Another thread's fit does not go on in the child, nor does its limit."""
    inside, forked = Barrier(2, timeout=30), Barrier(2, timeout=30)

    def fits():
        with one_thread():
            inside.wait()
            forked.wait()

    def forks():
        inside.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            code = 1
            try:
                alone = blas_threads() == BEFORE
                with one_thread():
                    alone &= blas_threads() == 1 and most_threads() == BEFORE
                code = 0 if alone and blas_threads() == BEFORE else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        forked.wait()
        assert os.waitstatus_to_exitcode(status) == 0

    together(fits, forks)
    assert blas_threads() == BEFORE


# Fits and predictions.


@pytest.mark.parametrize("batch_size", [None, 50])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_fits_run_on_one_thread(method, batch_size):
    X, y = load_iris(return_X_y=True)
    random_state = Watching(0)
    model = small_model(batch_size=batch_size, random_state=random_state, max_iter=2)
    if method == "fit":
        model.fit(X, y)
        assert random_state.seen == {1}
    else:
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert blas_threads() == BEFORE


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_predictions_run_on_one_thread(method, monkeypatch):
    X, y = load_iris(return_X_y=True)
    model = small_model(max_iter=2).fit(X, y)
    seen = []
    outputs = Predictor.outputs

    def watched(self, X):
        seen.append(blas_threads())
        return outputs(self, X)

    monkeypatch.setattr(Predictor, "outputs", watched)
    getattr(model, method)(np.tile(X, (9, 1)))
    getattr(model, method)(X[:1])  # no BLAS divides a product as small as that
    assert seen == [1, BEFORE]
    assert blas_threads() == BEFORE


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_as_before_after_a_call_that_fails(method, error, monkeypatch):
    X, y = load_iris(return_X_y=True)
    model = small_model(max_iter=2)
    if method != "fit":
        model.partial_fit(X, y, classes=[0, 1, 2])

    def fails(*args, **kwargs):
        assert blas_threads() == 1
        raise error

    where = "model.prediction" if method == "predict" else "data.inputs"
    monkeypatch.setattr(f"skgn.{where}.matmul", fails)
    with pytest.raises(error):
        getattr(model, method)(*([np.tile(X, (9, 1))] if method == "predict" else [X, y]))
    assert blas_threads() == BEFORE


@pytest.mark.usefixtures("all_products_large")
@pytest.mark.parametrize("batch_size", [None, 900])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_nothing_but_rounding(batch_size, dtype, monkeypatch):
    X, y = load_digits(return_X_y=True)
    X = X.astype(dtype)
    model = GaussNewtonMLPClassifier(
        (100, 60), alpha=1e-3, batch_size=batch_size, max_iter=3, random_state=0
    )

    def probabilities(cpus):
        set_cpus(monkeypatch, cpus)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # three iterations do not converge
            return model.fit(X, y).predict_proba(X)

    one, many = probabilities(1), probabilities(BEFORE)
    assert_array_equal(many, probabilities(BEFORE))
    assert_allclose(many, one, rtol=0, atol=1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.usefixtures("all_products_large")
def test_fits_of_large_products_at_once():
    X, y = load_digits(return_X_y=True)
    X, y = X[:500], y[:500]

    def fit(seed):
        model = small_model(max_iter=3, random_state=seed)
        return model.fit(X, y).predict_proba(X)

    in_turn = [fit(seed) for seed in range(3)]
    at_once = Parallel(3, backend="threading")(delayed(fit)(seed) for seed in range(3))
    assert_allclose(at_once, in_turn, atol=1e-8)
    assert blas_threads() == BEFORE


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_search_leaves_nothing_behind(backend):
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(small_model(random_state=0), {"alpha": [1e-3, 1e-2]}, cv=2)
    alone = search.fit(X, y).cv_results_["mean_test_score"]
    with joblib.parallel_config(backend, n_jobs=2):
        side_by_side = search.fit(X, y).cv_results_["mean_test_score"]
    assert_array_equal(side_by_side, alone)
    assert blas_threads() == BEFORE
