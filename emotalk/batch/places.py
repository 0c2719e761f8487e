"""Where results go: a folder on this machine, or one that fsspec reaches.

A result is a folder whose note, `NOTE`, names the job that it was made of by its digest and lists its files. It is
written last, or moved into place with all the rest: where there is a note, there is a whole result.

<out>/<a job's place>/...           what was made, and its note
<out>/report.json                   the last run's report
<out>/.batch/lock                   held by the run that writes here
<out>/.batch/work/<digest>/         what is being made, or can be gone on with
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from filelock import FileLock, Timeout

from emotalk.batch.files import is_address, local_path, opened
from emotalk.core.atomic import recover_folder, replacing_folder, write_bytes, write_json
from emotalk.core.errors import InputError
from emotalk.core.paths import cache_dir

NOTE = "job.json"
FORMAT = "emotalk-batch-1"
_OWN = ".batch"
_LONGEST_NOTE = 32 << 20  # bytes; a talk of an hour lists its frames in 5 MB
_NEW = re.compile(r"\.(.+)\.new-[0-9a-f]{12}")  # as `core.atomic.replacing_folder` names them
_ASIDE = re.compile(r"\.(.+)\.previous")


class Place(Protocol):
    """What the driver and the workers ask of a place."""

    address: str  # what `place_of` makes the same place of

    def held(self) -> contextlib.AbstractContextManager[None]:
        """While a run writes here; InputError where another one does."""

    def tidy(self, outs: Iterable[str]) -> None:
        """Remove what killed workers left half-written of these results, and bring back what they had set aside."""

    def problem(self, out: str) -> str:
        """Why nothing may be put at `out`: something else lies there. Empty where it may."""

    def done(self, out: str, digest: str) -> bool:
        """Whether the whole result of that job lies at `out`."""

    def work(self, digest: str) -> Path:
        """The folder on this machine in which a job is made."""

    def put(self, out: str, result: Path, digest: str, facts: dict[str, Any]) -> None:
        """Put what the folder `result` holds at `out`, in place of an earlier result. Raises InputError or OSError."""

    def write(self, name: str, data: bytes) -> None:
        """A file of the batch's own, such as the report."""

    def leave(self, digests: Iterable[str]) -> None:
        """Remove all work but that of these jobs."""


def place_of(text: str | Path) -> Place:
    """The place that a path or an address names; InputError where it cannot be used."""
    if is_address(str(text)):
        return RemotePlace(str(text))
    return LocalPlace(local_path(str(text)))


class LocalPlace:
    """A folder on this machine, or one that all machines of a cluster share. See `Place`."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is no folder, so no results can be put into it; name another one.")
        self.folder, self.address = folder, str(folder)

    @contextmanager
    def held(self) -> Iterator[None]:
        """See `Place`; the system's own lock is bound to the process: a killed one holds nothing."""
        try:
            (self.folder / _OWN).mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / _OWN / "lock").acquire(blocking=False):
                yield
        except Timeout as error:
            raise InputError(f"Another batch writes to {self.folder}; wait for it or stop it.") from error

    def tidy(self, outs: Iterable[str]) -> None:
        """See `Place`."""
        names: dict[Path, set[str]] = defaultdict(set)
        for out in outs:
            target = self.folder / out
            names[target.parent].add(target.name)
        for parent, known in names.items():
            if not parent.is_dir():
                continue
            for entry in list(os.scandir(parent)):
                if (aside := _ASIDE.fullmatch(entry.name)) and aside[1] in known:
                    recover_folder(parent / aside[1])
                elif (new := _NEW.fullmatch(entry.name)) and new[1] in known:
                    shutil.rmtree(entry.path, ignore_errors=True)

    def problem(self, out: str) -> str:
        """See `Place`."""
        folder = self.folder
        for part in PurePosixPath(out).parts:
            folder = folder / part
            if folder.is_symlink():
                return f"{folder} is a link, which may lead anywhere; name a folder"
            if folder.exists() and not folder.is_dir():
                return f"{folder} is a file; give the result another name"
        if not folder.is_dir():
            return ""
        note = _read_note(folder / NOTE)
        known = set() if note is None else {*note["files"], NOTE}
        foreign = sorted(path for path in _files(folder) if path not in known)
        return f"{folder} holds other files ({foreign[0]:.80}); give the result another name" if foreign else ""

    def done(self, out: str, digest: str) -> bool:
        """See `Place`."""
        folder = self.folder / out
        note = _read_note(folder / NOTE)
        if note is None or note["digest"] != digest:
            return False
        try:
            return all((folder / name).stat().st_size == size for name, size in note["files"].items())
        except OSError:
            return False

    def work(self, digest: str) -> Path:
        """See `Place`; on the same disk, so that results are moved and not copied."""
        return self.folder / _OWN / "work" / digest

    def put(self, out: str, result: Path, digest: str, facts: dict[str, Any]) -> None:
        """See `Place`: it appears at once or not at all."""
        if problem := self.problem(out):  # it may have come since the batch began
            raise InputError(f"{problem}.")
        note = _note(result, digest, facts)
        with replacing_folder(self.folder / out) as new:
            for entry in result.iterdir():
                entry.rename(new / entry.name)
            write_json(new / NOTE, note)

    def write(self, name: str, data: bytes) -> None:
        """See `Place`."""
        write_bytes(self.folder / name, data)

    def leave(self, digests: Iterable[str]) -> None:
        """See `Place`."""
        kept, work = set(digests), self.folder / _OWN / "work"
        for entry in work.iterdir() if work.is_dir() else ():
            if entry.name not in kept:
                shutil.rmtree(entry, ignore_errors=True)


class RemotePlace:
    """A folder that fsspec reaches. Nothing can be moved there at once: the note is taken away first and written last.
    No lock holds another machine's run off. See `Place`."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._system, self._root = opened(self.address)

    @contextmanager
    def held(self) -> Iterator[None]:
        """See `Place`."""
        yield

    def tidy(self, outs: Iterable[str]) -> None:
        """See `Place`: what is half-written has no note, and is written over."""

    def problem(self, out: str) -> str:
        """See `Place`."""
        folder = f"{self._root}/{out}"
        if not self._system.isdir(folder):
            return f"{self.address}/{out} is a file" if self._system.exists(folder) else ""
        foreign = sorted(self._files(out).keys() - self._known(out))
        return (
            f"{self.address}/{out} holds other files ({foreign[0]:.80}); give the result another name"
            if foreign
            else ""
        )

    def done(self, out: str, digest: str) -> bool:
        """See `Place`."""
        note = self._note(out)
        if note is None or note["digest"] != digest:
            return False
        there = self._files(out)
        return all(there.get(name) == size for name, size in note["files"].items())

    def work(self, digest: str) -> Path:
        """See `Place`."""
        return cache_dir("batch") / digest

    def put(self, out: str, result: Path, digest: str, facts: dict[str, Any]) -> None:
        """See `Place`."""
        if problem := self.problem(out):
            raise InputError(f"{problem}.")
        note, folder = _note(result, digest, facts), f"{self._root}/{out}"
        before, known = self._files(out), self._known(out)
        # From here on there is no result but this mark, which says which files are its own, until the note is there.
        self._system.makedirs(folder, exist_ok=True)
        self._system.pipe_file(f"{folder}/{_UNFINISHED}", _json(sorted({*known, *note["files"]})))
        if NOTE in before:
            self._system.rm_file(f"{folder}/{NOTE}")
        for name in note["files"]:
            self._system.makedirs(str(PurePosixPath(folder, name).parent), exist_ok=True)
            self._system.put_file(str(result / name), f"{folder}/{name}")
        for name in before.keys() - note["files"].keys() - {NOTE, _UNFINISHED}:
            self._system.rm_file(f"{folder}/{name}")
        self._system.pipe_file(f"{folder}/{NOTE}", _json(note))
        self._system.rm_file(f"{folder}/{_UNFINISHED}")

    def write(self, name: str, data: bytes) -> None:
        """See `Place`."""
        self._system.makedirs(self._root, exist_ok=True)
        self._system.pipe_file(f"{self._root}/{name}", data)

    def leave(self, digests: Iterable[str]) -> None:
        """See `Place`: the cache is shared with other batches, and each job removes its own work."""

    def _files(self, out: str) -> dict[str, int]:
        """Size by name of the files of a result."""
        folder = f"{self._root}/{out}"
        try:
            found = self._system.find(folder, detail=True)
        except FileNotFoundError:
            return {}
        # Some systems give paths with a leading slash, some without.
        start = len(folder.strip("/")) + 1
        return {path.strip("/")[start:]: int(facts["size"]) for path, facts in found.items()}

    def _known(self, out: str) -> set[str]:
        """The files of a result that this program put there, as its note or the mark of an unfinished one says."""
        note, known = self._note(out), {NOTE, _UNFINISHED}
        if note is not None:
            known |= note["files"].keys()
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
            known |= set(json.loads(self._system.cat_file(f"{self._root}/{out}/{_UNFINISHED}")))
        return known

    def _note(self, out: str) -> dict[str, Any] | None:
        try:
            return _checked_note(self._system.cat_file(f"{self._root}/{out}/{NOTE}", end=_LONGEST_NOTE))
        except FileNotFoundError:
            return None


_UNFINISHED = "unfinished.json"


def _note(result: Path, digest: str, facts: dict[str, Any]) -> dict[str, Any]:
    files = {name: (result / name).stat().st_size for name in sorted(_files(result))}
    return {"format": FORMAT, "digest": digest, "facts": facts, "files": files}


def _files(folder: Path) -> Iterator[str]:
    """Paths of all files below a folder, from there."""
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _read_note(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            return _checked_note(file.read(_LONGEST_NOTE))
    except OSError:
        return None


def _checked_note(data: bytes) -> dict[str, Any] | None:
    """The note in these bytes; None where it is none of this format."""
    with contextlib.suppress(ValueError, RecursionError):
        note = json.loads(data)
        whole = isinstance(note, dict) and note.get("format") == FORMAT and isinstance(note.get("digest"), str)
        if whole and isinstance(note.get("files"), dict):
            return note
    return None
