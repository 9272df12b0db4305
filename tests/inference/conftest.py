"""Fixtures of the tests of posteriors."""

import pytest

from gait.inference import posterior as module


@pytest.fixture(scope="module")
def small_banks():
    """Banks of a few walks, which take little time, for a module of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BANK_SIZES", (20_000, 40_000))
        module._bank.cache_clear()
        yield
    module._bank.cache_clear()
