"""Where shipped files and caches live."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path

import platformdirs

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
"""What is shipped with the program: weights, the head, avatars."""


def cache_dir(name: str) -> Path:
    """A writable folder `<name>` in the user's cache, made if needed: `~/.cache/emotalk/<name>` on Linux, where
    platformdirs says elsewhere.

    `EMOTALK_CACHE` names another place for all of them, `XDG_CACHE_HOME` for those of all programs; where none can be
    written (a read-only container) a folder in the temporary directory takes its place.
    """
    # The user id keeps two people on one machine out of each other's fallback folder.
    fallback = Path(tempfile.gettempdir()) / f"emotalk-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    for base in (_preferred(), fallback):
        folder = base / name
        try:
            if base is fallback and not _make_private(base):
                continue
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    folder = _own_fallback() / name
    folder.mkdir(exist_ok=True)
    return folder


def cache_root() -> Path | None:
    """The folder that all folders of `cache_dir` lie in, or None where nothing has been cached yet."""
    root = _preferred()
    return root if root.is_dir() else None


def _preferred() -> Path:
    if configured := os.environ.get("EMOTALK_CACHE"):
        return Path(configured).expanduser()
    if moved := os.environ.get("XDG_CACHE_HOME"):
        return Path(moved) / "emotalk"
    return platformdirs.user_cache_path("emotalk", appauthor=False)


def _make_private(folder: Path) -> bool:
    """Make a folder for this user alone where everybody may write; False where somebody else was there first, with a
    folder or a link of their own."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


@functools.cache
def _own_fallback() -> Path:
    """One folder for this run alone, where not even the usual fallback can be used."""
    folder = Path(tempfile.mkdtemp(prefix="emotalk-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
