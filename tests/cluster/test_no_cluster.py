"""Collections where there is no cluster, or none that fit can wait for."""

import asyncio
import subprocess
import sys

import pytest
from numpy.testing import assert_allclose

from skgn import GaussNewtonMLPClassifier
from tests.problems import binary

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

X, Y = binary()
ROWS = da.from_array(X, chunks=(40, 6)), da.from_array(Y, chunks=40)


def network():
    return GaussNewtonMLPClassifier((3,), alpha=1e-2, random_state=0)


def test_no_client():
    with pytest.raises(ValueError, match=r"no client of a cluster.*X\.compute\(\)"):
        network().fit(*ROWS)


def test_an_asynchronous_client():
    async def fit():
        async with (
            distributed.LocalCluster(
                n_workers=1,
                threads_per_worker=1,
                processes=False,
                asynchronous=True,
                dashboard_address="127.0.0.1:0",
            ) as cluster,
            distributed.Client(cluster, asynchronous=True),
        ):
            network().fit(*ROWS)

    with pytest.raises(ValueError, match="cannot wait for an asynchronous client"):
        asyncio.run(fit())


def test_predictions_need_no_client():
    model = network().fit(X, Y)
    own = model.predict_proba(ROWS[0])
    assert_allclose(own.compute(), model.predict_proba(X), rtol=1e-10, atol=1e-12)
    assert model.score(*ROWS) == model.score(X, Y)


def test_dask_without_distributed():
    """What is missing is named, and how to get it."""
    code = (
        "import sys; sys.modules['distributed'] = None; import numpy as np; "
        "import dask.array as da; from skgn import GaussNewtonMLPClassifier as C\n"
        "X = np.random.default_rng(0).normal(size=(40, 2)); y = np.arange(40) % 2\n"
        "model = C((2,), alpha=1).fit(X, y); A = da.from_array(X)\n"
        "for call in (lambda: model.predict(A), lambda: model.fit(A, A[:, 0])):\n"
        "    try: call()\n"
        "    except ImportError as error: assert 'skgn[dask]' in str(error)\n"
        "    else: sys.exit('no error')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_local_fit_does_not_load_dask():
    code = (
        "import sys, numpy as np; from skgn import GaussNewtonMLPClassifier as C; "
        "X = np.random.default_rng(0).normal(size=(40, 2)); y = np.arange(40) % 2; "
        "C((2,), alpha=1).fit(X, y).predict(X); "
        "loaded = {'dask', 'distributed'} & set(sys.modules); "
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
