"""Where an avatar is being made: a work folder beside the avatars, held by one process, removed at the end.

<avatars>/.<name>.work/            frames and states of a run, its lock, and, where it can be gone on with, its job
                                   (`MADE` in place of that where the avatar is complete and can be improved: `kept`)
<avatars>/.<name>.work/portrait/   what a run from a photo writes, beside what may be gone on with
<avatars>/<name>/                  the avatar, moved there when it is complete

The folder that holds the avatars may hold anything else too (`-o ~`), so what is not certainly a run's is left alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from emotalk.avatar.gallery import folder_name, own_folder
from emotalk.core.errors import InputError
from emotalk.create.request import PersonalizeResult

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.create.verdict import Verdict
    from emotalk.tracking import TrackedVideo

JOB, LOCK = "job.json", "lock"
MADE = "made.json"
"""What a complete avatar can be improved with; never beside a job."""
PORTRAIT = "portrait"
_NAME = re.compile(r"\.[a-z0-9-]+\.work")
"""Work folders; the letters are those of `folder_name`."""
_ENTRY = re.compile(r"lock|(job|made)\.json|\.(job|made)\.json\.[0-9a-f]{12}\.part|portrait|track|fit")
"""All that a run puts into its work folder, whatever moment it was killed at."""


def discard(name: str, folder: Path | None = None) -> None:
    """Remove what a stopped run left behind; a finished avatar of that name stays, and so does the work of a run that
    is not stopped."""
    base = own_folder() if folder is None else folder
    work = work_folder(base, folder_name(name))
    if work.is_dir() and not work.is_symlink():
        with contextlib.suppress(Timeout, OSError), FileLock(work / LOCK).acquire(blocking=False):
            remove(work)


def can_resume(name: str, folder: Path | None = None) -> bool:
    """Whether a run of a video for an avatar of that name was stopped and can be gone on with."""
    base = own_folder() if folder is None else folder
    return (work_folder(base, folder_name(name)) / JOB).is_file()


def work_folder(base: Path, name: str) -> Path:
    """The work folder of the avatar `name` (a folder's name) among the avatars in `base`."""
    return base / f".{name}.work"  # the gallery does not list what begins with a dot


@contextmanager
def workplace(base: Path, name: str) -> Iterator[Path]:
    """The work folder of the avatar `name` in `base`, held by this process alone; InputError where another has it."""
    if base.exists() and not base.is_dir():
        raise InputError(f"{base} is no folder, so no avatar can be put into it; name another one.")
    work = work_folder(base, name)
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / LOCK)  # the system's own lock, bound to the process: a killed one holds nothing
    try:
        held = lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(f"The avatar {name!r} is being made by another run; wait for it or stop it.") from error
    with held:
        for leftover in base.glob(f".{glob.escape(name)}.new-*"):  # of a save that was killed; no other run saves now
            shutil.rmtree(leftover, ignore_errors=True)
        yield work


def empty(work: Path) -> None:
    """Remove everything from a work folder but its lock."""
    for entry in work.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def remove(work: Path) -> None:
    """Remove a work folder, its job first: where this is killed half-way, the next run must not go on with the rest.
    Its lock goes last: it shows whose the folder is."""
    for what in (JOB, MADE):
        (work / what).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        empty(work)
    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def photo_folder(work: Path) -> Iterator[Path]:
    """A fresh folder in a held work folder for a run from a photo. It goes at the end, however that comes about; so
    does the work folder, unless a stopped run of a video can be gone on with."""
    folder = work / PORTRAIT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        _leave(work)


def sweep(base: Path) -> None:
    """Remove from the work folders in `base` what nobody holds and nobody can go on with: that of killed portraits."""
    for work in base.glob(".*.work"):
        with contextlib.suppress(Timeout, OSError):
            if not _is_left(work):  # before its lock is touched: others' folders stay as they are
                continue
            with FileLock(work / LOCK).acquire(blocking=False):
                if _is_left(work):
                    _leave(work)


def _leave(work: Path) -> None:
    """Remove what a run from a photo wrote, and the whole work folder where nothing in it can be gone on with."""
    shutil.rmtree(work / PORTRAIT, ignore_errors=True)
    if _is_work(work) and not _is_worth_keeping(work):
        remove(work)


def _is_work(work: Path) -> bool:
    """Whether a folder is certainly one that a run has made: its name, its lock, and nothing else in it."""
    if not _NAME.fullmatch(work.name) or work.is_symlink() or not work.is_dir():
        return False
    lock = work / LOCK
    whole = lock.is_file() and not lock.is_symlink()
    return whole and all(_ENTRY.fullmatch(entry.name) for entry in work.iterdir())


def _is_left(work: Path) -> bool:
    """Whether a work folder holds something that no run goes on with."""
    return _is_work(work) and (not _is_worth_keeping(work) or (work / PORTRAIT).exists())


def _is_worth_keeping(work: Path) -> bool:
    """Whether a stopped run can be gone on with, or a complete avatar improved."""
    return (work / JOB).exists() or (work / MADE).exists()


def put_in_place(
    avatar: GaussianAvatar,
    tracked: TrackedVideo,
    base: Path,
    name: str,
    started: float,
    verdict: Verdict | None = None,
) -> PersonalizeResult:
    """Save a finished avatar as `name` in `base`, in one step, with what tracking and the verdict found wanting among
    its limitations.

    `started` is when the run began, in seconds of `time.perf_counter`.
    """
    known = avatar.card.limitations
    findings = [] if tracked.quality.verdict == "good" else list(tracked.quality.sentences)
    findings += [] if verdict is None else verdict.lacking
    limitations = " ".join([known, *(s for s in findings if s not in known)]).strip()[:4000]
    avatar = avatar.replace(card=dataclasses.replace(avatar.card, limitations=limitations))
    avatar.save(base / name)
    seconds = time.perf_counter() - started
    return PersonalizeResult(name, base / name, avatar.card, tuple(tracked.quality.sentences), seconds, verdict)
