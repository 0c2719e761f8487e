"""What these tests share: a place with a secret in it, a door that nobody may knock at, a bounded process."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile.cases import Case, secret_files
from tests.hostile.contained import Contained
from tests.hostile.live_page import LivePage
from tests.hostile.running import OpenPage, open_page


class Door:
    """A server on this machine that is on no list: `knocks` counts who was talked into opening it."""

    def __init__(self) -> None:
        self.knocks = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._open, daemon=True).start()

    def _open(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.knocks += 1
            visitor.close()

    def close(self) -> None:
        """Nobody can knock any more."""
        self._socket.close()


@pytest.fixture(scope="session")
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, door: Door) -> Path:
    """The folder of all cases, beside a secret and the address of the door."""
    folder = tmp_path_factory.mktemp("hostile")
    secret_files(folder / "secret")
    (folder / "web.txt").write_text(door.address)
    return folder


@pytest.fixture(scope="session")
def made(base: Path) -> Callable[[Case], Path | str]:
    """Writes a case into a folder of its own."""
    numbers = itertools.count()

    def make(case: Case) -> Path | str:
        folder = base / f"case-{next(numbers)}"
        folder.mkdir()
        return case.make(folder)

    return make


@pytest.fixture(scope="session")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contained]:
    """The process in which odd files are opened. A program called gs, should anything start it, leaves a mark."""
    folder = tmp_path_factory.mktemp("contained")
    programs = folder / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {folder}/gs-ran\nexit 1\n")
    (programs / "gs").chmod(0o755)
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(folder)}
    with Contained(folder, environment, without_rights_of_root()) as child:
        child.gs_ran = folder / "gs-ran"
        yield child


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, door: Door) -> Iterator[OpenPage]:
    """One page open to strangers, for all tests that attack one."""
    with open_page(tmp_path_factory.mktemp("page"), door.address) as opened:
        yield opened


def without_rights_of_root() -> list[str]:
    """What to put before a command so that files without permissions are closed to it, also where root runs it."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv"):
        return ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]
    return []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """The page, open to strangers, whose live faces are stand-ins."""
    from emotalk.ui import build_app
    from tests.server.live_doubles import Doubles
    from tests.ui.drawn_studio import DrawnStudio

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTALK_PUBLIC", "1")
        app = build_app(DrawnStudio(tmp_path_factory.mktemp("drawn")))
        app.faces._making = Doubles()
        app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield app
        app.blocks.close(verbose=False)
        app.clips.close()
        app.faces.close()


@pytest.fixture
def live(built, caplog: pytest.LogCaptureFixture) -> LivePage:
    """That page with a live face that is shown."""
    caplog.set_level(logging.INFO)
    return LivePage(built.blocks.local_url.rstrip("/"), built.faces, caplog)
