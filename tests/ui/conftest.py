"""A served page and a browser for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.browsing import wait_until_open, watched
from tests.ui.drawn_studio import DrawnStudio


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnStudio:
    return DrawnStudio(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def app(drawn: DrawnStudio) -> Iterator:
    """The page with drawn faces, being served."""
    from emotalk.ui import build_app

    built = build_app(drawn)
    built.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield built
    built.blocks.close(verbose=False)
    built.clips.close()


@pytest.fixture(scope="module")
def served(app) -> str:
    """The page's address."""
    return app.blocks.local_url


@pytest.fixture
def page(browser, served: str) -> Iterator:
    """A fresh tab with the page loaded, and watched."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    tab = context.new_page()
    with watched(tab, served):
        tab.goto(served)
        wait_until_open(tab)
        yield tab
        context.close()


@pytest.fixture
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots of this run are kept."""
    return tmp_path_factory.mktemp("shots")
