"""Fixtures that several test files use."""

import pytest

from skgn.linalg import products


@pytest.fixture(params=["whole", "chunked"])
def chunks(request, monkeypatch):
    """Run a test with all rows at once, and with chunks of three rows."""
    if request.param == "chunked":
        monkeypatch.setattr(products, "CHUNK_ROWS", 3)
        monkeypatch.setattr(products, "CHUNK_SIZE", 1)
