"""Fixtures that several test files use, and the profiles of the property tests."""

import pytest
from hypothesis import HealthCheck, settings

from skgn.linalg import products

#: `pytest tests/properties --hypothesis-profile=long --hypothesis-seed=0` tries more.
PROFILES = {
    "default": {"max_examples": 300, "derandomize": True},
    "long": {"max_examples": 20_000},
}
for name, options in PROFILES.items():
    settings.register_profile(
        name,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        **options,
    )
settings.load_profile("default")


@pytest.fixture(params=["whole", "chunked"])
def chunks(request, monkeypatch):
    """Run a test with all rows at once, and with chunks of three rows."""
    if request.param == "chunked":
        monkeypatch.setattr(products, "CHUNK_ROWS", 3)
        monkeypatch.setattr(products, "CHUNK_SIZE", 1)
