"""A process that opens odd files where a mistake can do no harm: little memory, no way to start a program unseen.

    with Contained(folder) as inside:
        outcome = inside.ask("sound", path)   # what came of it: used, a sentence, or anything else

It lives on from case to case; a case that ends it, or that takes far too long, is found out. `python -m` of this module
is the child.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile.cases import shows_secret

ROOT = Path(__file__).resolve().parents[2]
ROOM = 3 * 2**30
"""Bytes of addresses beyond what the child has after its imports. Threads and mapped files take a part that is never
filled; `Outcome.grown` says what was."""
HANG_SECONDS = 120.0
"""No verdict: a child that has not answered by then never will."""


@dataclass(frozen=True)
class Outcome:
    """What came of one file. `kind` is "used", "sentence" (an error meant for people) or "failure" (anything else)."""

    kind: str
    text: str  # what it was used as, the sentence, or the traceback
    seconds: float
    grown: float  # MB that the process, or a program it ran, took at most beyond what it had before
    log: str  # what was written to standard error meanwhile, by programs too


class Contained:
    """The child, seen from the test."""

    def __init__(
        self, folder: Path, environment: dict[str, str] | None = None, prefix: list[str] | None = None
    ) -> None:
        self._log = folder / "contained.txt"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*(prefix or []), sys.executable, "-m", "tests.hostile.contained"], cwd=ROOT, text=True, stderr=log,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | (environment or {}),
            )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._lines.get(timeout=HANG_SECONDS) == "ready\n", self._log.read_text()

    def __enter__(self) -> Contained:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()

    def ask(self, what: str, *arguments: Any) -> Outcome:
        """Have `what` of HANDLERS done; fails where the child dies of it or never answers."""
        before = self._log.stat().st_size
        self._process.stdin.write(json.dumps([what, *(str(part) for part in arguments)]) + "\n")
        self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=HANG_SECONDS)
        except queue.Empty:
            raise AssertionError(f"{what} of {arguments!r:.200} is not over after {HANG_SECONDS:.0f} s") from None
        if not line:
            said = self._log.read_text(errors="replace")[-3000:]
            raise AssertionError(f"{what} of {arguments!r:.200} ended the process with {self._process.wait()}: {said}")
        with self._log.open("rb") as log:
            log.seek(before)
            said = log.read().decode(errors="replace")
        return Outcome(**json.loads(line), log=said)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")


def sound(path: str) -> str:
    """Read a sound as a talk does, as long as a stranger's may be."""
    from emotalk.speech import load_audio
    from tests.hostile.sounds import LIMIT_SECONDS

    return f"{len(load_audio(path, max_seconds=LIMIT_SECONDS).samples)} samples"


def video(path: str) -> str:
    """Look at a video as tracking does: what it is, and some of its pictures, small."""
    from emotalk.tracking.source import probe, small_frames

    info = probe(Path(path))
    frames, count = small_frames(Path(path), info, 320, seconds=1.0), 0
    for frame in itertools.islice(frames, 50):
        count += 1
        assert not shows_secret(frame), "a picture of the owner's can be seen in it"
    frames.close()
    return f"{info.width} x {info.height}, {count} pictures"


def picture(path: str) -> str:
    """Put a picture behind a face."""
    from tests.hostile.pictures import behind_a_face

    return f"{behind_a_face(Path(path)).shape}"


def photo(path: str) -> str:
    """Read a photo of which an avatar is to be made."""
    from emotalk.portrait.photo import read_photo

    return f"{read_photo(path).shape}"


def avatar(folder: str) -> str:
    """List the folder's parent, as the page does when it opens, and load the avatar. A sentence is the listing's."""
    from emotalk.avatar.gallery import list_avatars, load_avatar
    from emotalk.core.errors import AvatarError

    path = Path(folder)
    found = {info.name: info.problem for info in list_avatars([(path.parent, False)])}
    if found.get(path.name) is not None:
        try:
            load_avatar(path)
        except AvatarError:
            raise AvatarError(found[path.name]) from None
        raise AssertionError("it is listed as unusable and loads")
    return f"{len(load_avatar(path).gaussians.position)} Gaussians"


def curve(path: str) -> str:
    """Read key frames of a mood."""
    from emotalk.emotion import load_curve

    return f"{load_curve(path).at(25).shape}"


def fill(count: str) -> str:
    """Take so many bytes: what shows that the bound holds and that memory is measured."""
    return f"{len(bytearray(int(count)).translate(None))} bytes"


HANDLERS: dict[str, Callable[..., str]] = {
    "sound": sound, "video": video, "picture": picture, "photo": photo, "avatar": avatar, "curve": curve, "fill": fill,
}  # fmt: skip


def _answers(out: Any) -> Iterator[None]:
    from emotalk.core.errors import EmotalkError

    for line in sys.stdin:
        what, *arguments = json.loads(line)
        # The highest mark since here: writing 5 resets that of this process, programs have one of their own.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        before, programs = _peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        started = time.perf_counter()
        try:
            kind, text = "used", HANDLERS[what](*arguments)
        except EmotalkError as error:
            kind, text = "sentence", str(error)
        except BaseException:
            kind, text = "failure", traceback.format_exc()
        ran = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        grown = max(_peak() - before, ran if ran > programs else 0.0)
        seconds = time.perf_counter() - started
        out.write(json.dumps({"kind": kind, "text": text, "seconds": seconds, "grown": grown}) + "\n")
        out.flush()
        yield


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def main() -> None:
    """The child: one line of JSON for each file, from standard input."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints must not get between the answers
    # Imported before the bound is set: libraries map gigabytes that they never fill.
    import torch

    from emotalk.talk import scene  # noqa: F401

    torch.set_num_threads(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out.write("ready\n")
    out.flush()
    for _ in _answers(out):
        pass


if __name__ == "__main__":
    main()
