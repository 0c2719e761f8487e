"""Where an avatar is being made: a work folder beside the avatars, held by one process, removed at the end.

<avatars>/.<name>.work/   frames and states of a run, its lock, and, where it can be gone on with, its job
<avatars>/<name>/         the avatar, moved there when it is complete
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
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
    from emotalk.tracking import TrackedVideo

JOB, LOCK = "job.json", "lock"


def discard(name: str, folder: Path | None = None) -> None:
    """Remove what a stopped run left behind; a finished avatar of that name stays."""
    base = own_folder() if folder is None else folder
    remove(work_folder(base, folder_name(name)))


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
    """Remove a work folder, its job first: where this is killed half-way, the next run must not go on with the rest."""
    (work / JOB).unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)


def sweep(base: Path) -> None:
    """Remove the work folders in `base` that nobody holds and nobody can go on with: those of killed portraits."""
    for work in base.glob(".*.work"):
        if (work / JOB).exists() or not work.is_dir() or work.is_symlink():
            continue
        with contextlib.suppress(Timeout, OSError), FileLock(work / LOCK).acquire(blocking=False):
            if not (work / JOB).exists():
                remove(work)


def put_in_place(
    avatar: GaussianAvatar, tracked: TrackedVideo, base: Path, name: str, started: float
) -> PersonalizeResult:
    """Save a finished avatar as `name` in `base`, in one step, with what tracking found wanting among its limitations.

    `started` is when the run began, in seconds of `time.perf_counter`.
    """
    known = avatar.card.limitations
    findings = [] if tracked.quality.verdict == "good" else [s for s in tracked.quality.sentences if s not in known]
    limitations = " ".join([known, *findings]).strip()[:4000]
    avatar = avatar.replace(card=dataclasses.replace(avatar.card, limitations=limitations))
    avatar.save(base / name)
    remove(work_folder(base, name))
    seconds = time.perf_counter() - started
    return PersonalizeResult(name, base / name, avatar.card, tuple(tracked.quality.sentences), seconds)
