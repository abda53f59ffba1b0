"""Fits that are interrupted, or fail on the way."""

import signal
import subprocess
import sys
from time import perf_counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skgn.fitting.problem import FullBatch, MiniBatches
from skgn.model.network import Network
from skgn.model.objective import Objective
from skgn.steps.kronecker import KroneckerStep
from tests.estimators.test_robustness import assert_sound, small
from tests.problems import multiclass


def interrupt(monkeypatch, owner, name, error, after, once=False):
    """Let a method raise after some calls, for ever or once; return the calls so far."""
    original, calls = getattr(owner, name), []

    def wrapper(*args, **kwargs):
        calls.append(name)
        if len(calls) == after + 1 or (len(calls) > after and not once):
            raise error
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapper)
    return calls


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_failing_refit_leaves_the_earlier_fit(monkeypatch, warm_start, error):
    """The exception goes through, and every attribute is what it was."""
    X, y = multiclass()
    model = small(warm_start=warm_start, alpha=1e-6).fit(X, y)
    before = dict(vars(model))
    arrays = [array.copy() for array in (*model.coefs_, *model.intercepts_)]
    expected = model.predict_proba(X)
    with monkeypatch.context() as patch:
        calls = interrupt(patch, Objective, "evaluate", error, after=2)
        with pytest.raises(error):
            other = multiclass(seed=1)
            model.set_params(tol=1e-8).fit(*other)
        assert len(calls) == 3
    model.set_params(tol=before["tol"])
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    for array, copy in zip((*model.coefs_, *model.intercepts_), arrays, strict=True):
        assert_array_equal(array, copy)
    assert_array_equal(model.predict_proba(X), expected)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_first_fit_that_fails_before_its_first_step_leaves_nothing(monkeypatch, error):
    """An estimator that was never fitted stays unfitted."""
    model = small()
    before = dict(vars(model))
    interrupt(monkeypatch, Network, "jacobian_products", error, after=0)
    with pytest.raises(error):
        model.fit(*multiclass())
    assert vars(model) == before


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("after", [3, 5, 9])
@pytest.mark.parametrize("where", [(Objective, "evaluate"), (KroneckerStep, "propose")])
def test_an_interrupted_fit_keeps_its_best_weights(
    monkeypatch, where, after, early_stopping
):
    """Those of a fit that may not take more iterations; the interrupt goes on."""
    X, y = multiclass()
    options = {"early_stopping": early_stopping, "n_iter_no_change": np.inf}
    model = small(**options).fit(*multiclass(seed=1))
    with monkeypatch.context() as patch:
        interrupt(patch, *where, KeyboardInterrupt, after)
        with pytest.raises(KeyboardInterrupt) as error:
            model.fit(X, y)
    assert type(error.value) is KeyboardInterrupt  # with others, the shell would go on
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == (after - 1 if where[1] == "evaluate" else after)
    assert_sound(model, X)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        short = small(**options, max_iter=model.n_iter_).fit(X, y)
    assert_array_equal(model.predict_proba(X), short.predict_proba(X))
    assert model.loss_curve_ == short.loss_curve_
    for name in ("loss_", "best_iter_", "alpha_", "damping_", "validation_scores_"):
        assert getattr(model, name) == getattr(short, name)
    assert_array_equal(model.fit(X, y).coefs_[0], small(**options).fit(X, y).coefs_[0])


@pytest.mark.parametrize("batch_size", [None, 50])
def test_an_interrupted_search_keeps_its_network(monkeypatch, batch_size):
    """It was trained on most of the samples: better than nothing."""
    X, y = multiclass(600)
    model = small(alpha="auto", batch_size=batch_size, max_iter=10)
    after = 40 if batch_size else 8
    with monkeypatch.context() as patch:
        interrupt(patch, Objective, "evaluate", KeyboardInterrupt, after, once=True)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == model.best_iter_ == 0
    assert model.loss_curve_ == [model.loss_]
    assert model.alpha_path_ is None
    assert model.score(X, y) > 0.5
    assert np.isfinite(model.n_effective_parameters_)


@pytest.mark.parametrize("batch_size", [None, 50])
def test_an_interrupt_behind_the_search_keeps_its_network(monkeypatch, batch_size):
    """There is no iteration of the fit yet, and no epoch."""
    X, y = multiclass(600)
    model = small(alpha="auto", batch_size=batch_size, max_iter=10)
    train = FullBatch.train if batch_size is None else MiniBatches.train
    calls = []

    def at_once(self, *args):
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return train(self, *args)

    owner = FullBatch if batch_size is None else MiniBatches
    monkeypatch.setattr(owner, "train", at_once)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == 0
    assert model.alpha_path_ is not None
    assert model.score(X, y) > 0.5


def test_an_interrupted_process_ends_by_the_signal():
    """So that a shell that runs it in a loop stops, too."""
    code = (
        "import os, signal\n"
        "from skgn import GaussNewtonMLPClassifier\n"
        "from skgn.training.full_batch import Walk\n"
        "from tests.problems import iris\n"
        "record = Walk.record\n"
        "def interrupted(self):\n"
        "    record(self)\n"
        "    if len(self.history.rows) == 4:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "Walk.record = interrupted\n"
        "GaussNewtonMLPClassifier().fit(*iris())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE)
    assert ended.returncode in (-signal.SIGINT, 130)
    assert ended.stderr.strip().endswith(b"KeyboardInterrupt")
    assert b"FitInterrupted" not in ended.stderr


def test_interrupts_end_searches(monkeypatch):
    """A grid search must not take one for a fit that failed."""
    interrupt(monkeypatch, Objective, "evaluate", KeyboardInterrupt, after=5)
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(small(), {"alpha": [1e-3, 1e-2]}).fit(*multiclass())


def test_a_failing_eigensolver_does_not_end_the_fit(monkeypatch):
    """Where a factorisation fails, damping grows and the fit goes on."""
    X, y = multiclass()
    eigh, calls = np.linalg.eigh, []

    def failing(matrix):
        calls.append(len(matrix))
        if 4 <= len(calls) <= 6:
            raise np.linalg.LinAlgError("did not converge")
        return eigh(matrix)

    monkeypatch.setattr(np.linalg, "eigh", failing)
    model = small().fit(X, y)
    assert len(calls) > 6
    assert model.stop_reason_ == "converged"
    assert np.any(np.diff(model.history_["damping"]) > 0)
    assert_sound(model, X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_damping_at_its_ceiling_warns(monkeypatch):
    """Where no step can be found the fit says so and keeps its weights."""
    interrupt(monkeypatch, KroneckerStep, "propose", np.linalg.LinAlgError(), after=3)
    X, y = multiclass()
    with pytest.warns(match="no step of any size"):
        model = small().fit(X, y)
    assert model.stop_reason_ == "damping"
    assert model.loss_ < model.loss_curve_[0]
    assert_sound(model, X)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers")
@pytest.mark.parametrize("batch_size", [None, 50])
@pytest.mark.parametrize("alpha", ["auto", 1e-3])
def test_interrupts_at_any_moment(alpha, batch_size):
    """By a signal, not at a call of ours: the earlier state, or a sound fit."""

    def interrupted(*_):
        raise KeyboardInterrupt

    X, y = multiclass(600)
    parameters = {"alpha": alpha, "batch_size": batch_size, "max_iter": 30}
    expected = small(**parameters).fit(X, y).predict_proba(X)
    start = perf_counter()
    small(**parameters).fit(X, y)
    seconds = perf_counter() - start
    earlier = signal.signal(signal.SIGALRM, interrupted)
    kept = 0
    try:
        for share in np.linspace(0.02, 0.9, 12):
            model = small(**parameters)
            before = dict(vars(model))
            try:
                signal.setitimer(signal.ITIMER_REAL, share * seconds)
                model.fit(X, y)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                if vars(model) != before:
                    kept += model.stop_reason_ == "interrupted"
                    assert len(model.loss_curve_) == model.n_iter_ + 1
                    assert np.isfinite(model.predict_proba(X)).all()
            assert_array_equal(model.fit(X, y).predict_proba(X), expected)
    finally:
        signal.signal(signal.SIGALRM, earlier)
    assert kept
