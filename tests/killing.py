"""Processes that are killed at a counted point: before the N-th change that they make to the files below a folder.

    with Forks("tests.create.test_killed:make", folder, video) as forks:
        forks.run(kill_before=17)  # True: it was killed; False: it had ended before its 17th change

No clock takes part, so the same N is the same moment everywhere. A change is a file opened for writing, renamed or
removed, a folder made or removed. Killed at an open, the process leaves a torn file behind, as a full disk or a power
cut would: what writes in place instead of moving a whole file there is found out.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_WRITING = os.O_WRONLY | os.O_RDWR
_PATHS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}


class Forks:
    """One process that has imported everything, and a fork of it for every run of `function(folder, *arguments)`."""

    def __init__(self, function: str, folder: Path, *arguments: object) -> None:
        command = [sys.executable, "-m", "tests.killing", function, str(folder), *map(str, arguments)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1
        )

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, kill_before: int) -> bool:
        """Whether the run was killed before that change (counted from 1; 0: never); it must not fail otherwise."""
        self._process.stdin.write(f"{kill_before}\n")
        for line in self._process.stdout:
            if line.startswith("ended with "):
                status = int(line.split()[-1])
                assert status in (0, -signal.SIGKILL), f"the run ended with {status}; its error is in stderr"
                return status != 0
        raise AssertionError("the process of the runs is gone; its error is in stderr")


def die_before(change: int, folder: str) -> None:
    """Have this process kill itself before so many changes below `folder`."""
    done, dying = 0, False

    def watch(event: str, arguments: tuple) -> None:
        nonlocal done, dying
        if event not in _PATHS or dying:
            return
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        inside = path.startswith(folder)
        if event == "open":
            inside = inside and bool(arguments[2] & _WRITING)
        elif event in ("os.remove", "os.rmdir"):  # rmtree gives a name and the open folder that it lies in
            inside = inside or arguments[-1] >= 0
        if not inside:
            return
        done += 1
        if done == change:
            dying = True
            if event == "open" and not Path(path).is_dir():
                torn = os.open(path, arguments[2] & ~os.O_EXCL, 0o644)
                os.write(torn, b"torn")
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    folder, *arguments = sys.argv[2:]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                die_before(int(line), folder)
                function(Path(folder), *arguments)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
