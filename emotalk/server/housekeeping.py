"""Nothing stays: temporary files go some time after their last use, whether or not a page said goodbye.

    clips, own avatars, uploads, calls ─► Leftover ─┬─ unused for `kept_seconds` ─► removed
                                                    └─ all together too large ────► oldest first, none in use

A thread looks every few seconds; `Housekeeping.step` is one look, with a clock that a test may hold.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from emotalk.core.atomic import sweep_unfinished
from emotalk.core.paths import cache_root
from emotalk.server.limits import limits
from emotalk.server.temporary import sweep_dead_servers

log = logging.getLogger(__name__)

STEP_SECONDS = 15.0
"""Between two looks: what a stranger can write meanwhile is bounded by `limits.Limits.uploads_of_address`."""
DEAD_SECONDS = 120.0
"""Between two looks for what killed servers left: a fit of theirs takes a while to come to its end."""
UNFINISHED_SECONDS = 24 * 3600.0
"""Age of an unfinished file in the cache that nobody can still be writing."""


@dataclass(frozen=True)
class Leftover:
    """Something temporary that can be removed."""

    path: Path
    used: float  # when it was last used, in seconds of `time.monotonic`
    in_use: bool
    remove: Callable[[], None]

    @property
    def bytes(self) -> int:
        """What it takes on the disk."""
        return size_of(self.path)


Source = Callable[[], Iterable[Leftover]]
"""Lists what is there now."""


class Shelf:
    """A folder whose entries are temporary, each by itself. An entry counts as used when it is first seen, whenever it
    has changed, and while `in_use` names a path in it. The time is the clock's, not the files', which a machine's clock
    may put anywhere."""

    def __init__(
        self,
        folder: Path,
        in_use: Callable[[], set[Path]] = set,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._in_use, self._clock = in_use, clock
        self._seen: dict[str, tuple[object, float]] = {}

    def leftovers(self) -> list[Leftover]:
        """The entries of the folder."""
        now = self._clock()
        busy = {_entry_of(path, self.folder) for path in self._in_use()}
        found, seen = [], {}
        for name in _names(self.folder):
            path = self.folder / name
            state = _state(path)
            known, used = self._seen.get(name, (None, now))
            if state != known or name in busy:
                used = now
            seen[name] = (state, used)
            found.append(Leftover(path, used, name in busy, lambda path=path: remove(path)))
        self._seen = seen
        return found


class Housekeeping:
    """Removes what was not used for `kept_seconds`, and what is too much."""

    def __init__(self, sources: list[Source], clock: Callable[[], float] = time.monotonic) -> None:
        self._sources, self._clock = sources, clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="emotalk-housekeeping", daemon=True)
        self.bytes = 0  # of all that stayed in the last step

    def start(self) -> Housekeeping:
        """Sweep what killed servers left, then look every few seconds in a thread of its own."""
        if self._thread.ident is None:
            self._thread.start()
        return self

    def close(self) -> None:
        """No further look."""
        self._ended.set()

    def step(self) -> list[Path]:
        """One look; returns what was removed."""
        allowed = limits()
        now = self._clock()
        gone, kept = [], []
        for leftover in [leftover for source in self._sources for leftover in source()]:
            if not leftover.in_use and now - leftover.used > allowed.kept_seconds:
                leftover.remove()
                gone.append(leftover.path)
            else:
                kept.append((leftover, leftover.bytes))
        self.bytes = sum(size for _, size in kept)
        for leftover, size in sorted(kept, key=lambda pair: pair[0].used):
            if self.bytes <= allowed.temporary_gigabytes * 2**30:
                break
            if not leftover.in_use and size:  # what takes no room makes none
                leftover.remove()
                gone.append(leftover.path)
                self.bytes -= size
        return gone

    def _run(self) -> None:
        swept = None
        while True:
            try:
                if swept is None or time.monotonic() - swept > DEAD_SECONDS:
                    sweep_dead_servers()
                    if swept is None and (root := cache_root()) is not None:
                        sweep_unfinished(root, UNFINISHED_SECONDS)
                    swept = time.monotonic()
                for path in self.step():
                    log.info("removed %s", path.name)
            except OSError:
                log.exception("could not tidy up; trying again")
            if self._ended.wait(STEP_SECONDS):
                return


def remove(path: Path) -> None:
    """A file or a folder; a link itself, never what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be removed: %s", path, error)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 where it is gone."""
    total = 0
    for state in _stats(path):
        total += state.st_size
    return total


def _state(path: Path) -> object:
    """Something that is another one when the entry has changed."""
    return tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in _stats(path))


def _stats(path: Path) -> Iterable[os.stat_result]:
    try:
        yield path.lstat()
        if path.is_dir() and not path.is_symlink():
            for name in _names(path):
                yield from _stats(path / name)
    except OSError:
        return


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _entry_of(path: Path, folder: Path) -> str | None:
    """The entry of `folder` that `path` lies in."""
    try:
        return path.relative_to(folder).parts[0]
    except (ValueError, IndexError):
        return None
