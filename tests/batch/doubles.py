"""Kinds of jobs that only tests have, and workers that only answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from emotalk.batch.jobs import Job, read_jobs
from emotalk.batch.kinds import MEDIA, NUMBER, TEXT, WHOLE, Checked, Desk, Kind, Options
from emotalk.batch.tasks import Answer, Task
from emotalk.core.errors import InputError

TABLE = "tests.batch.doubles:kinds"
WORKER, DRIVER = "worker", "driver"


def kinds() -> dict[str, Kind]:
    """`echo` writes what it is told, `steps` in three steps that a later try goes on with; the others never end."""
    options = {"say": TEXT, "file": MEDIA, "fail": TEXT, "ledger": TEXT, "memory": NUMBER, "times": WHOLE}
    return {
        "echo": Kind(options, _check, _echo, ("say",)),
        "steps": Kind(options, _check, _steps, ("say",), resumes=True),
        "hang": Kind({"say": TEXT, "mark": TEXT}, _check, _hang, ("say",), resumes=True, seconds=60.0),
        "stall": Kind({"say": TEXT, "mark": TEXT}, _check, _hang, ("say",), seconds=0.2),
    }


def read(path: Path, *lines: Mapping) -> list[Job]:
    """The jobs of a list with these lines, written to `path`."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return read_jobs(path, kinds())


def _check(desk: Desk, options: Options) -> Checked:
    if options["say"] == "nothing":
        raise InputError("Nothing cannot be said.")
    return Checked(options["say"])


def _echo(desk: Desk, options: Options, result: Path, work: Path) -> dict:
    _count(options)
    if options.get("fail") == "refused":
        raise InputError("It cannot be said like that.")
    if options.get("fail") == "mistake":
        raise ZeroDivisionError("by nothing")
    if options.get("fail") == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if options.get("fail") == "kills its actor":
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()  # its own end comes when its input does
    (result / "deep").mkdir()
    (result / "said.txt").write_text(options["say"] * options.get("times", 1))
    heard = Path(options["file"]).read_bytes() if "file" in options else b""
    (result / "deep" / "heard.bin").write_bytes(heard)
    return {"letters": len(options["say"]), "threads": os.environ.get("EMOTALK_THREADS", ""), "folder": os.getcwd()}


def _steps(desk: Desk, options: Options, result: Path, work: Path) -> dict:
    for step in range(3):
        done = work / f"step{step}"
        if not done.exists():
            _count(options)
            done.write_text(options["say"])
    (result / "said.txt").write_text("".join((work / f"step{step}").read_text() for step in range(3)))
    return {}


def _hang(desk: Desk, options: Options, result: Path, work: Path) -> dict:
    """Never ends, and neither does what it starts; the file `mark` has both process ids from then on."""
    (work / "begun").touch()
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    mark = Path(options["mark"])
    mark.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
    mark.with_suffix(".new").rename(mark)
    threading.Event().wait()
    return {}


def _count(options: Options) -> None:
    """Note in the ledger what is begun, and end the process that the ledger's list of kills names for that count."""
    if "ledger" not in options:
        return
    ledger = Path(options["ledger"])
    with FileLock(f"{ledger}.lock"):
        with ledger.open("a") as file:
            file.write(options["say"] + "\n")
        count = len(ledger.read_text().splitlines())
    kills = json.loads(ledger.with_suffix(".json").read_text()) if ledger.with_suffix(".json").exists() else {}
    victim = kills.get(str(count))
    if victim == WORKER:
        os.kill(os.getpid(), signal.SIGKILL)
    if victim == DRIVER:
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()  # its own end comes when its input does


class ScriptedPool:
    """Workers that answer as told: `answers` gives for a task what comes back. See `pools.Pool`."""

    def __init__(self, answer, size: int = 1) -> None:
        self.size, self.given, self.renewed, self.closed = size, [], [], False
        self._answer, self._waiting = answer, deque()

    def give(self, worker: int, task: Task) -> None:
        assert worker not in [other for other, _ in self._waiting], "it has a task"
        self.given.append((worker, task.out))
        self._waiting.append((worker, task))

    def wait(self) -> tuple[int, Answer]:
        worker, task = self._waiting.popleft()
        return worker, self._answer(task)

    def renew(self, worker: int) -> None:
        self.renewed.append(worker)

    def close(self) -> None:
        self.closed = True


def contents(folder: Path) -> dict[str, bytes]:
    """All files of results, by name; what is the batch's own is left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".batch" not in path.parts and path.name != "report.json"
    }
