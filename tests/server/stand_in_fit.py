"""A fit's process as `emotalk.create.worker` runs it, with a fit that is small: `python -m tests.server.stand_in_fit`.

It writes down that it has begun, then waits for the file `go` beside the avatars; what it had written is there when it
is gone on with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from emotalk import create
from emotalk.core.errors import Cancelled
from emotalk.core.progress import FitCallback, FitProgress
from emotalk.create import worker
from emotalk.create.request import PersonalizeRequest
from emotalk.create.workplace import JOB, remove, workplace

GO = "go"
BEGUN = Path("fit", "begun")


def small_fit(
    request: PersonalizeRequest, progress: FitCallback, cancelled: Callable[[], bool], *, folder: Path, **_: object
) -> SimpleNamespace:
    """In place of `create.personalize`."""
    with workplace(folder, request.name) as work:
        begun = work / BEGUN
        begun.parent.mkdir(exist_ok=True)
        begun.write_text(("again " if begun.exists() else "") + "begun")
        (work / JOB).write_text("{}")
        progress(FitProgress("fit", 1, 2))
        while not (folder / GO).exists():
            if cancelled():
                raise Cancelled("Stopped.")
            time.sleep(0.02)
        (folder / request.name).mkdir()
        begun.rename(folder / request.name / "begun")
        remove(work)
    return SimpleNamespace(name=request.name, verdict=None)


if __name__ == "__main__":
    create.personalize = small_fit
    sys.exit(worker.main())
