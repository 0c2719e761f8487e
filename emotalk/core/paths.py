"""Where shipped files and caches live."""

from __future__ import annotations

import os
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
    if configured := os.environ.get("EMOTALK_CACHE"):
        preferred = Path(configured).expanduser()
    elif moved := os.environ.get("XDG_CACHE_HOME"):
        preferred = Path(moved) / "emotalk"
    else:
        preferred = platformdirs.user_cache_path("emotalk", appauthor=False)
    # The user id keeps two people on one machine out of each other's fallback folder.
    fallback = Path(tempfile.gettempdir()) / f"emotalk-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    for base in (preferred, fallback):
        folder = base / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="emotalk-"))
