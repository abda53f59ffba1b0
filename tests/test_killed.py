"""Processes that are killed: a saved model stays whole, the old one or the new one.

A child process fits and saves without pause, until it is killed at a random moment. It
writes a letter to a pipe before each thing it does, so that the test knows where the
kill fell. SKGN_KILLS=100 makes a hundred kills in place of five; `pytest -s` shows where
they fell.
"""

import multiprocessing
import os
import time
from collections import Counter
from itertools import count

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skgn import GaussNewtonMLPClassifier
from tests.problems import iris

X, Y = iris()

KILLS = int(os.environ.get("SKGN_KILLS", "5"))

#: Most seconds between the first letter of a child and its end.
LONGEST = 0.1

#: Most seconds between a certain letter and the end: about those of a dump.
SHORT = 0.0015

#: More letters than a pipe can hold.
ALL = 1 << 20

#: Letters for what a child is about to do.
FIT, DUMP, RENAME = b"f", b"d", b"r"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")


def fitted(number):
    """Return a model, another one for each number, after a fit as short as a dump."""
    model = GaussNewtonMLPClassifier(
        (6,), alpha=1e-3, cost_threshold=0.5, random_state=number
    )
    return model.fit(X, Y)


def save(model, path, tell):
    """Save as the user guide does: write beside, then rename."""
    tell(DUMP)
    beside = f"{path}.{os.getpid()}.tmp"
    with open(beside, "wb") as file:
        joblib.dump(model, file)
        file.flush()
        os.fsync(file.fileno())
    tell(RENAME)
    os.replace(beside, path)


# Children


def fit_and_save(tell, path):
    """Fit and save the models 1, 0, 1, 0 and so on."""
    for number in count(1):
        tell(FIT)
        save(fitted(number % 2), path, tell)


def fit_loaded(tell, path, mmap_mode, method):
    """Fit a loaded model, again and again."""
    model = joblib.load(path, mmap_mode=mmap_mode).set_params(warm_start=True)
    while True:
        tell(FIT)
        getattr(model, method)(X, Y)


def run(target, pipe, *arguments):
    """Run a child that tells what it does."""
    target(lambda letter: os.write(pipe.fileno(), letter), *arguments)


@pytest.fixture(scope="module")
def context():
    """Processes that start at once, since a server has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def told_until_killed(context, delay, target, *arguments, during=None):
    """Start a child, kill it, and return its letters.

    `during` delays the kill to a moment shortly after the child tells this letter.
    """
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=run, args=(target, writer, *arguments), daemon=True)
    with reader:
        with writer:
            child.start()
        told = os.read(reader.fileno(), 1)
        time.sleep(delay)
        if during is not None:
            told += os.read(reader.fileno(), ALL)
            while not told.endswith(during):
                told += os.read(reader.fileno(), ALL)
            time.sleep(delay / LONGEST * SHORT)
        child.kill()
        child.join()
        while letters := os.read(reader.fileno(), ALL):
            told += letters
    assert child.exitcode == -9, "the child ended by itself"
    child.close()
    return told


def delays(n):
    """Return random times to live."""
    return np.random.default_rng(0).uniform(0, LONGEST, n)


def test_killed_while_fitting_and_saving(context, tmp_path):
    """The file holds the model that was last renamed, or about to be, and loads."""
    path = tmp_path / "model.joblib"
    expected = [fitted(number).predict_proba(X) for number in range(2)]
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    save(fitted(0), path, lambda letter: None)
    current, fell, saved = 0, Counter(), 0
    for number, delay in enumerate(delays(KILLS)):
        # every other child at any moment, the others in a dump or soon after
        during = DUMP if number % 2 else None
        told = told_until_killed(context, delay, fit_and_save, path, during=during)
        history = [current, *(i % 2 for i in range(1, told.count(RENAME) + 1))]
        allowed = history[-2:] if told.endswith(RENAME) else history[-1:]
        proba = joblib.load(path).predict_proba(X)
        current = next(i for i in range(2) if np.allclose(proba, expected[i], atol=1e-9))
        assert current in allowed
        fell[told[-1:].decode()] += 1
        saved += told.count(RENAME)
    assert KILLS < 20 or {"f", "d"} <= fell.keys()
    print(f"\n{KILLS} kills after {saved} saves, by what the child did: {dict(fell)}")


@pytest.mark.parametrize("mmap_mode", [None, "r", "r+"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_killed_while_fitting_a_loaded_model(context, tmp_path, method, mmap_mode):
    """The file that the model came from stays as it was, byte for byte."""
    path = tmp_path / "model.joblib"
    model = getattr(fitted(0), method)(X, Y)
    joblib.dump(model, path)
    before = path.read_bytes()
    for delay in delays(max(1, KILLS // 5)):
        told = told_until_killed(context, delay, fit_loaded, path, mmap_mode, method)
        assert told.endswith(FIT)
        assert path.read_bytes() == before
    assert_array_equal(joblib.load(path).predict_proba(X), model.predict_proba(X))
