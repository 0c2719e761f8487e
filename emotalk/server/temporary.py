"""The one folder of a server process that everything temporary lies in: clips, uploads, faces of strangers.

    <temporary folder>/emotalk-server-<random>/   only for this user (0700)
        lock        held for as long as the process lives; the system frees it however the process ends
        uploads/    Gradio's: what people send, and what is handed out to them
        sessions/, own/, calls/         clips, strangers' avatars, what endpoints made

A folder whose lock is free belongs to a process that was killed: the next server removes it, `sweep_dead`. A living
server's folder, another user's and anything that is not a folder (somebody's symbolic link) are left alone.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import stat
import tempfile
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

PREFIX = "emotalk-server-"
LOCK = "lock"
UPLOADS = "GRADIO_TEMP_DIR"
"""The variable that Gradio takes its folder of uploads from."""
_TRIES = 10
_SHORT_LIVED = ("flite", "push", "kernels", "sessions", "own", "api")
"""`emotalk-<this>-*`: what other commands make for a moment, and what servers of the first release made."""
_DAY = 24 * 3600.0


class HeldFolder:
    """A new folder below `base`, made and locked at once; `release` removes it."""

    def __init__(self, base: Path) -> None:
        base.mkdir(parents=True, exist_ok=True)
        self._owner = os.getpid()
        for _ in range(_TRIES):
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
            self._lock = FileLock(self.path / LOCK)
            try:
                self._lock.acquire(blocking=False)
                if (self.path / LOCK).is_file():
                    return
            except (Timeout, OSError):
                pass  # another server's sweep came between the folder and its lock
        raise OSError(f"No folder can be locked below {base}")

    def release(self) -> None:
        """Remove the folder and free its lock; nothing in a forked child, whose parent still needs it."""
        if os.getpid() != self._owner:
            return
        _remove_but_lock(self.path)
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def sweep_dead(base: Path) -> list[Path]:
    """Remove what killed servers left below `base`; returns the folders that are gone.

    A folder in which a fit of the killed server is still coming to its end stays for the next sweep.
    """
    gone = []
    for folder in sorted(base.glob(f"{PREFIX}*")):
        if not _is_ours(folder):
            continue
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except (Timeout, OSError):
            continue  # its server lives, or the folder went this moment
        try:
            if not _has_running_fit(folder):
                _remove_but_lock(folder)
                gone.append(folder)
        finally:
            lock.release()
        if folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
    return gone


def sweep_old(base: Path, now: float | None = None) -> list[Path]:
    """Remove this user's other temporary folders of this program below `base` that have not changed for a day: their
    process was killed. Returns the folders that are gone."""
    now = time.time() if now is None else now
    gone = []
    for folder in (found for kind in _SHORT_LIVED for found in base.glob(f"emotalk-{kind}-*")):
        with contextlib.suppress(OSError):  # it went this moment
            if _is_ours(folder) and now - max(p.lstat().st_mtime for p in (folder, *folder.rglob("*"))) > _DAY:
                shutil.rmtree(folder, ignore_errors=True)
                gone.append(folder)
    return gone


_held: dict[str, HeldFolder] = {}
"""By the GRADIO_TEMP_DIR that was set; the process's own one by none."""
_uploads: set[str] = set()
_guard = threading.Lock()


def process_folder() -> Path:
    """This process's folder, made when first asked for and removed when the process ends. Raises OSError where there
    is no room for one.

    It also moves Gradio's uploads into it, or into one like it below the GRADIO_TEMP_DIR that was set: it has to come
    before a `gr.Blocks` is made.
    """
    with _guard:
        if "" not in _held:
            _held[""] = _hold(Path(tempfile.gettempdir()))
        wish = os.environ.get(UPLOADS, "")
        if wish not in _uploads:
            if wish not in _held:
                _held[wish] = _hold(Path(wish))
            uploads = _held[wish].path / "uploads"
            uploads.mkdir(exist_ok=True)
            _uploads.add(str(uploads))
            os.environ[UPLOADS] = str(uploads)
        return _held[""].path


def uploads_folder() -> Path:
    """Where Gradio keeps what people send and what is handed out to them."""
    process_folder()
    return Path(os.environ[UPLOADS])


def folder_for(kind: str) -> Path:
    """This process's folder for one kind of thing."""
    folder = process_folder() / kind
    folder.mkdir(exist_ok=True)
    return folder


def fresh_folder(kind: str) -> Path:
    """A new folder in it: of one page server, or of one call."""
    return Path(tempfile.mkdtemp(dir=folder_for(kind)))


def sweep_dead_servers() -> list[Path]:
    """`sweep_dead` and `sweep_old` wherever this process has a folder."""
    process_folder()
    bases = {held.path.parent for held in _held.values()}
    return [gone for base in bases for gone in (*sweep_dead(base), *sweep_old(base))]


def _hold(base: Path) -> HeldFolder:
    held = HeldFolder(base)
    atexit.register(held.release)
    return held


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, none behind a link, and this user's."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


def _has_running_fit(folder: Path) -> bool:
    for path in folder.glob(f"own/*/pages/*/.*.work/{LOCK}"):
        lock = FileLock(path)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        except OSError:
            continue
        lock.release()
    return False


def _remove_but_lock(folder: Path) -> None:
    """Everything in it but the lock, which some systems do not remove while it is held; nothing where the folder is
    gone: a server that ends lets its lock go before the folder, and another one's sweep may come between."""
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
