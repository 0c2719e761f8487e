"""Files and folders that are complete or not there: written under a temporary name, then moved into place.

Whoever reads a path sees what was there before or all of the new content, also where the writer is killed, the disk
fills up or two processes write at once (the last one stays). A temporary name begins with a dot and ends in `.part`.

Before the move the content is flushed to the disk: without that, a machine that loses power may keep the new name and
not its content. After the move its folder is flushed too, so that what has been told to be there is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PERMISSIONS = 0o644
"""Everybody may read (less what the umask takes away); some libraries write for the owner only."""
_LONGEST = 40
"""Characters of a name that its temporary name repeats: file systems allow 255 bytes in all."""


@contextmanager
def replacing(path: str | Path, *, flush: bool = True) -> Iterator[Path]:
    """Yields the temporary path of an empty file beside `path`, and moves it there when the block ends without error;
    otherwise it is removed and `path` stays as it was.

    The folder is made if needed. `flush=False` leaves out the flush to the disk, which takes milliseconds: for many
    small files that can be made again, such as a video's frames. Raises OSError where the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name[:_LONGEST]}.{secrets.token_hex(6)}.part"
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PERMISSIONS)
    try:
        permissions = os.fstat(descriptor).st_mode & 0o777
        os.close(descriptor)
        yield temporary
        temporary.chmod(permissions)  # what wrote it may have put a file of its own in its place
        if flush:
            _flush(temporary)
        os.replace(temporary, path)
        if flush:
            _flush_entry(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: str | Path, data: bytes, *, flush: bool = True) -> None:
    """The whole content of a file, moved into place; see `replacing`."""
    with replacing(path, flush=flush) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """A text file in UTF-8, moved into place; see `replacing`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any, indent: int | None = 1) -> None:
    """`value` as a JSON file that ends in a line break, moved into place; see `replacing`.

    Raises TypeError, with nothing written, where `value` holds what JSON does not know.
    """
    write_text(path, json.dumps(value, indent=indent) + "\n")


@contextmanager
def replacing_folder(folder: str | Path, *, keep: bool = False) -> Iterator[Path]:
    """Yields an empty temporary folder beside `folder`, and moves it there when the block ends without error;
    otherwise it is removed and `folder` stays as it was.

    A folder that was there is moved aside first and removed in the end. A process killed between the two moves leaves
    it aside: `recover_folder` brings it back. Temporary folders are `.<name>.new-*`. `keep=True` leaves a folder that
    another process put there meanwhile, and drops the new one. Raises OSError where the folder cannot be written.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.parent / f"{new_folder_prefix(folder)}{secrets.token_hex(6)}"
    work.mkdir(mode=0o755)
    try:
        yield work
        for file in work.rglob("*"):
            if file.is_file():
                _flush(file)
            elif file.is_dir():
                _flush_folder(file)
        _flush_folder(work)
        if keep:
            _move_unless_there(work, folder)
            _flush_entry(folder)
            return
        aside = _aside(folder)
        if folder.exists():
            folder.rename(aside)
        work.rename(folder)
        _flush_entry(folder)
        shutil.rmtree(aside, ignore_errors=True)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):  # the error that led here is the one to tell
            recover_folder(folder)
        raise


def recover_folder(folder: Path) -> None:
    """Bring back what stood at `folder` where `replacing_folder` was killed between its two moves."""
    aside = _aside(folder)
    if aside.is_dir():
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(folder)


def set_aside(parent: Path) -> list[Path]:
    """Folders of `parent` that `recover_folder` has something to do for."""
    return [parent / aside.name[1 : -len(_ASIDE)] for aside in parent.glob(f".*{_ASIDE}")]


def new_folder_prefix(folder: Path) -> str:
    """What the names of temporary folders for `folder` begin with: killed writers leave such folders behind."""
    return f".{folder.name}.new-"


def sweep_unfinished(base: Path, older_than: float, now: float | None = None) -> list[Path]:
    """Remove temporary files and folders of writers that were killed, anywhere below `base`; returns what is gone.

    Only what has not changed for `older_than` seconds, since another process may be writing the rest; links are not
    followed. `now` is a time of `time.time`.
    """
    now = time.time() if now is None else now
    gone = []
    for where, folders, files in os.walk(base):
        unfinished = [name for name in folders if _UNFINISHED_FOLDER.fullmatch(name)]
        for name in [*unfinished, *(name for name in files if _UNFINISHED_FILE.fullmatch(name))]:
            path = Path(where, name)
            with contextlib.suppress(OSError):  # it is finished or gone meanwhile, or another user's
                if now - _last_change(path) > older_than:
                    shutil.rmtree(path) if name in unfinished and not path.is_symlink() else path.unlink()
                    gone.append(path)
        folders[:] = [name for name in folders if name not in unfinished]
    return gone


_UNFINISHED_FILE = re.compile(rf"\..{{1,{_LONGEST}}}\.[0-9a-f]{{12}}\.part")
_UNFINISHED_FOLDER = re.compile(r"\..+\.new-[0-9a-f]{12}")


def _last_change(path: Path) -> float:
    inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    return max(entry.lstat().st_mtime for entry in (path, *inside))


_ASIDE = ".previous"


def _move_unless_there(work: Path, folder: Path) -> None:
    try:
        work.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(work, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}{_ASIDE}"


def _flush_entry(path: Path) -> None:
    """The name of `path` in its folder. It is there by now: that a folder cannot be flushed is no error."""
    with contextlib.suppress(OSError):
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    if os.name != "nt":  # there a folder cannot be opened
        _flush(folder)


def _flush(path: Path) -> None:
    # Windows flushes only what was opened for writing.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
