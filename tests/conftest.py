"""Shared fixtures: where the research data lies (it is never part of the repository)."""

from pathlib import Path

import pytest

from tests.hub.conftest import hub  # noqa: F401 (a fixture for tests of other folders too)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips and recordings beside the checkout; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the research data folder (../shared/data) is not beside this checkout")
    return SHARED_DATA
