"""Tracking of a corpus whose films are texts: workers that make numbers of them at once, and count what they begin.

A film that says "dark" is refused, one that says "machine" meets a fault of the machine, one that says "slow" is seen
badly. `python -m tests.scripts.corpus_doubles FILMS OUT WORKERS TABLE` is the whole command in a process of its own;
with the table `counted` it tracks real films, and counts those that it has looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from emotalk.batch import driver
from emotalk.batch.kinds import Desk, Kind, Options
from emotalk.batch.pools import InlinePool, LocalPool
from emotalk.core import checkpoint
from emotalk.core.atomic import write_json
from emotalk.tracking import TrackedVideo
from scripts.track_corpus import tracked
from scripts.track_corpus.__main__ import TRACKED, main
from scripts.track_corpus.__main__ import Options as Asked
from tests.learning.test_corpus import clip

TABLE = "tests.scripts.corpus_doubles:kinds"
WORKER, DRIVER = "worker", "driver"
SIZE = 128
"""Of the crop of real films: quick to track."""
GOOD = {"seen": 0.99, "relative_error": 0.006, "face_height": 140.0, "sharpness": 0.5, "yaw": [-8.0, 9.0]}


def kinds() -> dict[str, Kind]:
    """As `tracked.kinds`, but nothing is looked at."""
    real = tracked.kinds()[tracked.KIND]
    return {tracked.KIND: Kind(real.options, real.check, _make, real.needed)}


def counted() -> dict[str, Kind]:
    """The real kinds; a film is counted, and its worker or driver killed, when its pictures are still there."""
    numbers = tracked.numbers_of

    def numbers_of(video: TrackedVideo, desk: Desk) -> tuple[dict[str, np.ndarray], float]:
        assert (video.folder / "frames").is_dir()
        _count("a film")
        return numbers(video, desk)

    tracked.numbers_of = numbers_of
    return tracked.kinds()


def facts_of(frames: int, data: bytes, **changes: Any) -> dict[str, Any]:
    """What `clip.json` tells of a good film."""
    facts = {"refused": "", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "frames": frames}
    return {**facts, "sync": 0.45, "quality": GOOD, **changes}


def _make(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    video = Path(options["video"])
    said = video.read_text()
    _count(said)
    if said.startswith("machine"):
        raise MemoryError
    (work / "picture.jpg").write_bytes(b"somebody's face")
    if said.startswith("dark"):
        write_json(result / tracked.FACTS, {"refused": f"No face was found in {video.name}."})
        return {}
    _, arrays = clip(said, 50 + len(said))
    del arrays["emotion"]
    data = checkpoint.to_bytes(arrays, {})
    (result / tracked.ARRAYS).write_bytes(data)
    changes = {"quality": {**GOOD, "seen": 0.7}} if said.startswith("slow") else {}
    write_json(result / tracked.FACTS, facts_of(50 + len(said), data, **changes))
    return {}


def _count(said: str) -> None:
    """Note what is begun, where a ledger is kept, and end the process that its list of kills names for that count."""
    if "CORPUS_LEDGER" not in os.environ:
        return
    ledger = Path(os.environ["CORPUS_LEDGER"])
    with FileLock(f"{ledger}.lock"):
        with ledger.open("a") as file:
            file.write(said + "\n")
        count = len(ledger.read_text().splitlines())
    kills: Mapping[str, str] = json.loads(ledger.with_suffix(".json").read_text())
    if kills.get(str(count)) == WORKER:
        os.kill(os.getpid(), signal.SIGKILL)
    if kills.get(str(count)) == DRIVER:
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()  # its own end comes when its input does


def inline_pool(options: Asked, films: int) -> InlinePool:
    """One worker, which is this process."""
    return InlinePool(str((options.out / TRACKED).resolve()), TABLE)


def inline(base: Path, *_: object) -> None:
    """The whole command in this process, as `tests.killing` forks it; the films lie beside `base`."""
    main(Asked(films=str(base.parent / "films"), out=base / "out"), inline_pool)


def contents(out: Path) -> dict[str, bytes]:
    """What a finished run leaves for those who learn from it."""
    paths = [out / "manifest.json", *sorted((out / "shards").iterdir())]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


if __name__ == "__main__":
    driver.TRIES = 99  # which film a kill hits is not drawn: one may be hit often
    asked = Asked(films=sys.argv[1], out=Path(sys.argv[2]), size=SIZE)
    place, table = str((asked.out / TRACKED).resolve()), sys.argv[4]
    sys.exit(main(asked, lambda options, films: LocalPool(place, int(sys.argv[3]), 1, table)))
