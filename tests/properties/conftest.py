"""Count examples and fits, and tell them at the end."""

import pytest

from skgn.estimators.base import BaseGaussNewtonMLP
from tests.properties.profile import COUNTS


@pytest.fixture(scope="module", autouse=True)
def counted_fits():
    """Count the calls of fit and partial_fit, refused ones among them."""

    def counted(method):
        def wrapper(*args):
            COUNTS["fits"] += 1
            method(*args)

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for name in ("_fit", "_partial_fit"):
            method = getattr(BaseGaussNewtonMLP, name)
            patch.setattr(BaseGaussNewtonMLP, name, counted(method))
        yield


def pytest_terminal_summary(terminalreporter):
    """Tell how much was tried."""
    if COUNTS["examples"]:
        terminalreporter.write_line(
            f"properties: {COUNTS['examples']} examples, {COUNTS['fits']} fits"
        )
