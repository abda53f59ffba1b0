"""Fixtures that several test files use."""

import pytest

from skgn.linalg import gram


@pytest.fixture(params=["whole", "chunked"])
def chunks(request, monkeypatch):
    """Run a test with all rows at once, and with chunks of three rows."""
    if request.param == "chunked":
        monkeypatch.setattr(gram, "CHUNK_ROWS", 3)
        monkeypatch.setattr(gram, "CHUNK_SIZE", 1)
