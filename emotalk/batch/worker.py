"""A worker of a batch: a process of its own that makes one task after the other, with models that stay loaded.

    driver ── one line of JSON per task ──► python -m emotalk.batch.worker PLACE TABLE ── Maker
       ▲                                          │
       └────────── one line of JSON per answer ───┘

It ends when its input ends, however that comes about, also in the middle of a task, and on Linux even where it hangs:
no worker outlives its driver.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def main() -> int:
    """The process: where results go and the table of kinds as arguments, tasks from standard input."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Whatever else prints must not get between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's: it closes the input
    place, table = sys.argv[1:3]
    tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()

    # Imported here: the input is listened to meanwhile.
    from emotalk.batch.making import Maker
    from emotalk.batch.tasks import Task

    maker = Maker(place, table)
    while True:
        answer = maker.answer(Task.from_json(json.loads(tasks.get())))
        try:
            out.write(json.dumps(asdict(answer)) + "\n")
            out.flush()
        except BrokenPipeError:
            return 0


def _listen(tasks: queue.SimpleQueue[str]) -> None:
    # Not through sys.stdin: Python could not end while a thread holds its lock.
    with os.fdopen(0, "rb", closefd=False) as lines:
        for line in lines:
            tasks.put(line.decode("utf-8"))
    os._exit(0)  # nobody wants anything any more: what is half made is in a work folder


if __name__ == "__main__":
    sys.exit(main())
