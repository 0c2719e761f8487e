"""What holds for every test: no chance, no verdict by the clock, one process per core; and where the research data lies
(it is never part of the repository)."""

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.hub.conftest import hub  # noqa: F401 (a fixture for tests of other folders too)

# Small and quick, and the same wherever it is installed; what the best voices can do has tests of its own.
os.environ.setdefault("EMOTALK_VOICE", "flite:slt")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# The same examples in every run, and no verdict by the clock.
settings.register_profile("emotalk", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("emotalk")


def pytest_xdist_auto_num_workers() -> int:
    """Of the cores that this run may use (`taskset` counts), as many as memory surely lasts for: a process takes 1 to
    2 GB."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 4) if cores > 1 else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that the processes have their last tests at the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Whatever draws from a generator without a seed of its own draws the same, alone and in any company."""
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def served_nowhere_yet() -> Iterator[None]:
    """Where a page is served holds for the whole process: a file's pages are forgotten with it."""
    yield
    if "emotalk.server.serving" in sys.modules:
        sys.modules["emotalk.server.serving"]._settled = None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips and recordings beside the checkout; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the research data folder (../shared/data) is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A headless Chromium; skips where none is installed."""
    if CHROMIUM is None:
        pytest.skip("no chromium here (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install -r requirements-dev.txt")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield opened
        opened.close()
