"""Where shipped files and caches live."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"


def cache_dir(name: str) -> Path:
    """A writable folder `<user cache>/emotalk/<name>`, made if needed.

    `EMOTALK_CACHE` or `XDG_CACHE_HOME` move it; where neither can be written (a read-only
    container) a folder in the temporary directory takes its place.
    """
    configured = os.environ.get("EMOTALK_CACHE")
    if configured:
        preferred = Path(configured).expanduser()
    else:
        preferred = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emotalk"
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
