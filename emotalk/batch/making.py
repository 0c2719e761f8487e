"""Making one job, in whatever process it is done: fetch its files, work, put the result in place."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from emotalk.batch.files import fetch, is_address
from emotalk.batch.kinds import Desk, kinds_of
from emotalk.batch.places import place_of
from emotalk.batch.tasks import Answer, Task
from emotalk.core.errors import EmotalkError, InputError
from emotalk.core.machine_faults import fault_of_the_machine

try:
    import resource
except ImportError:  # Windows
    resource = None

LOCK = "lock"
_PATIENCE = 10.0
"""Seconds in which a worker that was killed, and whose work goes on here, has let go of its lock."""
_DETAIL = 4000


class Maker:
    """Makes tasks one after the other; models that were loaded for one are there for the next."""

    def __init__(self, place: str, table: str) -> None:
        """`place` as `places.place_of` takes it, `table` as `kinds.kinds_of` does."""
        self._place, self._kinds, self._desk = place_of(place), kinds_of(table), Desk()

    def answer(self, task: Task) -> Answer:
        """Make a task and tell what became of it; an error of one task is no error of the next."""
        try:
            facts = self.make(task)
        except EmotalkError as error:
            return Answer(task.index, error=str(error), memory=memory_in_use())
        except Exception as error:
            words = None
            if isinstance(error, OSError | MemoryError | ImportError):
                words = fault_of_the_machine(error)
            words = words or f"Something unexpected went wrong ({type(error).__name__}: {str(error)[:200]})."
            return Answer(task.index, error=words, detail=traceback.format_exc()[-_DETAIL:], memory=memory_in_use())
        return Answer(task.index, facts, memory=memory_in_use())

    def make(self, task: Task) -> dict:
        """Make a task's result and put it in place; returns what is noted of it. Raises whatever goes wrong."""
        kind = self._kinds[task.kind]
        with _work_folder(self._place.work(task.digest)) as work:
            result = work / "result"
            if not kind.resumes:
                _empty(work)
            shutil.rmtree(result, ignore_errors=True)
            result.mkdir()
            with tempfile.TemporaryDirectory(prefix="emotalk-batch-") as folder:
                options = task.options | _local_files(task, Path(folder))
                facts = kind.make(self._desk, options, result, work)
            self._place.put(task.out, result, task.digest, facts)
        return facts


def _local_files(task: Task, folder: Path) -> dict[str, str]:
    """The options that name files, each naming one on this machine."""
    local = {}
    for number, (option, (front, file)) in enumerate(task.inputs.items()):
        path = fetch(file, folder / str(number)) if is_address(file) else Path(file)
        local[option] = f"{front}{path}"
    return local


@contextmanager
def _work_folder(work: Path) -> Iterator[Path]:
    """A job's work folder, for this process alone; InputError where another one has it. It goes at the end, unless the
    process is ended, or something else than an EmotalkError goes wrong: then there may be something to go on with."""
    work.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(work / LOCK).acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise InputError("Another process makes the same; wait for it or stop it.") from error
    with lock:
        try:
            yield work
        except EmotalkError:  # it would be refused again
            _remove(work)
            raise
        _remove(work)


def _remove(work: Path) -> None:
    """Remove a work folder, at once under its name: nothing goes on with half of it where this is killed."""
    gone = work.with_name(f"{work.name}.gone-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        work.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _empty(work: Path) -> None:
    """Remove everything from a work folder but its lock."""
    for entry in list(os.scandir(work)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif entry.name != LOCK:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)


def memory_of(process: int | str) -> int:
    """Bytes of memory that a process holds, without what it has started; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def memory_in_use() -> int:
    """Bytes of memory that this process holds; where the system does not tell, the most that it ever held, or 0."""
    if held := memory_of("self"):
        return held
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
