"""Part `kills`: the page and the command line are killed at drawn moments; what is left after the next start?"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from emotalk.avatar import list_avatars
from scripts.soak.measure import children, eventually
from scripts.soak.page import Page, made, spoken, uploaded
from scripts.soak.report import Part
from tests.hostile.visitor import Visitor
from tests.ui.browsing import ROOT

LONG = "This takes a while, because it is a rather long sentence that goes on and on, and then it goes on again."
FACES = (".jpg", ".jpeg", ".png", ".npz", ".npy", ".mp4", ".mov", ".webm", ".wav", ".safetensors", ".zip")
"""Files that show a person, or that were made from one."""
NAMES = ("job.json", "card.json")
FIT_SECONDS = (3.0, 45.0)
"""Between which a fit is killed: while its video is followed, while the avatar is fitted, while it learns to speak."""


def run(folder: Path, video: Path, kills: int, seed: int) -> Part:
    """`kills` of a page during a talk, as many during a fit (half of them of a page, half of the command line)."""
    chance = random.Random(seed)
    faults: list[str] = []
    commands = kills // 2
    pages = kills - commands
    rows = [
        ("the page, during a talk", kills, *_of_talks(folder / "talks", kills, chance, faults)),
        ("the page, during a fit", pages, *_of_fits(folder / "fits", video, pages, chance, faults)),
        ("`personalize`", commands, *_of_commands(folder / "commands", video, commands, chance, faults)),
    ]
    lines = ["| killed | times | at | after the restart |", "|---|---|---|---|"]
    lines += [f"| {what} | {count} | {moments} | {found} |" for what, count, moments, found in rows]
    text = "\n".join([*lines, "", f"SIGKILL at moments that a generator with seed {seed} drew."])
    return Part("Kills", text, faults)


def faces_below(folder: Path) -> list[str]:
    """Files in a folder of temporary files that show somebody or come from a video of them."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in FACES or path.name in NAMES]
    return sorted(str(path.relative_to(folder)) for path in found)


def _of_talks(folder: Path, kills: int, chance: random.Random, faults: list[str]) -> tuple[str, str]:
    page, moments = Page(folder, EMOTALK_PUBLIC="1").start(), []
    for number in range(kills):
        visitor = page.visitor()
        if not visitor.call("generate", spoken(LONG), listen=False).ok:
            faults.append("a talk was refused")
        pieces = chance.randint(1, 12)
        with contextlib.suppress(OSError):
            _read_messages(visitor, pieces)
        moments.append(pieces)
        page.kill()
        _wait_for_programs(folder)
        before = len(faces_below(folder))
        page.start()
        left = faces_below(folder)
        if left:
            faults.append(f"talk {number + 1}: left after the restart: {', '.join(left[:5])}")
        if not before:
            faults.append(f"talk {number + 1}: there was nothing to remove, so nothing was shown")
        print(f"  talk {number + 1}", flush=True)
    good = made(page.visitor().call("generate", spoken("Here I am again.")))
    page.stop()
    if not good:
        faults.append("no talk after the last restart")
    return f"messages {min(moments)} to {max(moments)} of the talk", "no clip, no upload; the next talk is made"


def _read_messages(visitor: Visitor, count: int) -> None:
    """Read that many messages about the talk that is being made."""
    with visitor.news() as line:
        heard = b""
        while heard.count(b"process_generating") < count and b"process_completed" not in heard:
            part = line.recv(1 << 16)
            if not part:
                return
            heard += part


def _of_fits(folder: Path, video: Path, kills: int, chance: random.Random, faults: list[str]) -> tuple[str, str]:
    page, moments = Page(folder, EMOTALK_PUBLIC="1").start(), []
    for number in range(kills):
        visitor = page.visitor()
        joined = visitor.call("begin", [uploaded(visitor, video), "Me", 0.25, True, False], listen=False)
        if not joined.ok:
            faults.append(f"fit {number + 1} was refused: {joined.error}")
        with visitor.news():
            if not eventually(lambda: any(_workers(page)), 30):
                faults.append(f"fit {number + 1} did not begin")
            moments.append(chance.uniform(*FIT_SECONDS))
            time.sleep(moments[-1])
            workers = list(_workers(page))
            before = len(faces_below(folder))
            page.kill()
        if not eventually(lambda workers=workers: not any(map(_alive, workers)), 60):
            faults.append(f"fit {number + 1} goes on without its page")
        page.start()
        left = faces_below(folder)
        if left:
            faults.append(f"fit {number + 1}: left after the restart: {', '.join(left[:5])}")
        if not before:
            faults.append(f"fit {number + 1}: there was nothing to remove, so nothing was shown")
        print(f"  fit {number + 1} of a page", flush=True)
    page.stop()
    return f"{min(moments):.0f} to {max(moments):.0f} s after its start", "no video, no frame, no avatar of that person"


def _workers(page: Page) -> Iterator[int]:
    for process, _ in children(page.process.pid):
        with contextlib.suppress(OSError):
            if b"emotalk.create.worker" in Path(f"/proc/{process}/cmdline").read_bytes():
                yield process


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_for_programs(folder: Path) -> None:
    """A killed page's ffmpeg ends when its input does: wait until nothing below the folder is being written."""

    def still() -> bool:
        first = sorted((str(p), p.stat().st_size) for p in folder.rglob("*") if p.is_file())
        time.sleep(0.3)
        return first == sorted((str(p), p.stat().st_size) for p in folder.rglob("*") if p.is_file())

    with contextlib.suppress(OSError):
        eventually(still, 20)


def _of_commands(folder: Path, video: Path, kills: int, chance: random.Random, faults: list[str]) -> tuple[str, str]:
    """On one's own machine a killed run keeps its work, so that `--resume` goes on from there."""
    cache, temporary = folder / "cache", folder / "tmp"
    temporary.mkdir(parents=True)
    kernels = Path(os.environ.get("EMOTALK_CACHE", Path.home() / ".cache" / "emotalk")) / "kernels"
    cache.mkdir()
    if kernels.is_dir():  # compiled once per machine
        (cache / "kernels").symlink_to(kernels)
    environment = os.environ | {"EMOTALK_CACHE": str(cache), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "emotalk", "personalize", str(video), "--name", "me", "--consent",
               "--minutes", "0.1", "--size", "256", "--resume"]  # fmt: skip
    moments, resumed, ended = [], 0, 0
    for number in range(kills):
        work = cache / "avatars" / ".me.work"
        job = _started(work)
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        moments.append(chance.uniform(*FIT_SECONDS))
        try:
            process.wait(moments[-1])
            ended += process.returncode == 0
            if process.returncode:
                faults.append(f"run {number + 1} ended with {process.returncode}")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        resumed += job is not None and _started(work) == job
        for info in list_avatars([(cache / "avatars", False)]):
            if info.problem:
                faults.append(f"run {number + 1} left a broken avatar: {info.problem}")
    job = _started(cache / "avatars" / ".me.work")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        faults.append(f"--resume ended with {done.returncode}: {done.stderr[-300:]}")
    names = [(info.name, info.problem) for info in list_avatars([(cache / "avatars", False)])]
    if names != [("me", None)]:
        faults.append(f"the avatars are {names}")
    # An avatar tells when the run that made it was started first.
    resumed += any(job == info.card.consent.time for info in list_avatars([(cache / "avatars", False)]) if info.card)
    left = [path.name for path in (cache / "avatars").iterdir() if path.name.startswith(".")]
    if left:
        faults.append(f"left in the gallery: {', '.join(left)}")
    if kills and not resumed and not ended:
        faults.append("no run went on with the work of a killed one")
    return (
        f"{min(moments):.0f} to {max(moments):.0f} s after its start" if moments else "",
        f"no broken avatar; {resumed} runs went on with the work of a killed one, the last one finished the avatar",
    )


def _started(work: Path) -> str | None:
    """When the run that a work folder belongs to was started first."""
    try:
        return json.loads((work / "job.json").read_text())["started"]
    except (OSError, ValueError, KeyError):
        return None
