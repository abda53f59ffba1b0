"""Fixtures of the tests of the thread's solvers."""

import pytest

from tests.estimators.thread_cases import SAFEGUARDS, SOLVERS


@pytest.fixture(params=SOLVERS)
def solver(request):
    return SOLVERS[request.param]


@pytest.fixture(params=SAFEGUARDS, ids=str)
def safeguard(request):
    return request.param
