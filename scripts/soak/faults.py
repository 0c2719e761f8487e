"""Part `faults`: a machine on which something is missing or full; is there a sentence each, and exit status 2?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.soak.report import Part
from tests.hostile.verdicts import is_sentence
from tests.ui.browsing import ROOT

SECONDS = 300.0
"""A command that has not ended by then hangs."""
SHIPPED = ("head.npz", "eyes.json", "motion.safetensors", "speech.safetensors", "speech.json", "sync.safetensors",
           "consistency.safetensors", "avatars/mira/avatar.safetensors", "avatars/mira/card.json")  # fmt: skip
NEEDLESS = ("sync.safetensors", "consistency.safetensors", "speech.json")
"""Files that a talk does without: it may succeed."""
CLOCK = """
import os, time
_real, _turn = time.time, [0]
def _jumping():
    _turn[0] += 1
    return _real() + (float(os.environ["JUMP"]) if _turn[0] > int(os.environ["JUMP_AFTER"]) else 0.0)
time.time = _jumping
"""
"""A clock that is set while the program runs; libfaketime is not needed for it."""


@dataclass(frozen=True)
class Fault:
    """One talk on a machine with a fault. `ends_well` says whether it may succeed; else a sentence has to say what is
    wrong. Each may hold: the talk then was done before the fault was met."""

    name: str
    before: list[str] = field(default_factory=list)  # what stands before the command
    environment: dict[str, str | None] = field(default_factory=dict)
    ends_well: bool | None = None  # True: has to; False: may not; None: either
    code: Path = ROOT


def run(folder: Path) -> Part:
    """Every fault once, on `python -m emotalk talk`, and a full disk on the page."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, faults = [], []
    for fault in _all(folder):
        status, said, wrong = _try(fault, folder)
        rows.append(f"| {fault.name} | {status} | {said} |")
        faults += [f"{fault.name}: {line}" for line in wrong]
    how = (
        "a tmpfs in a mount namespace of its own"
        if _may_mount()
        else "RLIMIT_FSIZE: a file system cannot be mounted here"
    )
    lines = [
        "| fault | exit status | what is said |",
        "|---|---|---|",
        *rows,
        "",
        f"Full disks: {how}. The clock: `time.time` replaced in the process.",
    ]
    return Part("Faults", "\n".join(lines), faults)


def _all(folder: Path) -> Iterator[Fault]:
    for where in ("out", "tmp", "cache"):
        for size in ("4k", "16k", "64k", "256k"):
            yield Fault(f"{size} of room in {_PLACES[where]}", _room(folder, where, size), ends_well=None)
    yield Fault("a cache that cannot be written", _room(folder, "cache", "64k", "ro"), ends_well=True)
    yield Fault("nowhere to write but the output", _read_only(folder), ends_well=None)
    for megabytes in (400, 800, 1200, 1600, 2400, 3600):
        yield Fault(f"ulimit -v of {megabytes} MB", ["prlimit", f"--as={megabytes * 2**20}"])
    for count in (8, 12, 16, 24, 32, 64):
        yield Fault(f"ulimit -n of {count}", ["prlimit", f"--nofile={count}"])
    for size in (0, 1000, 100_000):
        yield Fault(f"ulimit -f of {size} bytes", ["prlimit", f"--fsize={size}"])
    homeless = {"HOME": None, "XDG_CACHE_HOME": None}
    yield Fault("no HOME", environment=homeless, ends_well=True)
    yield Fault("a HOME that is not there", environment={**homeless, "HOME": "/nonexistent"}, ends_well=True)
    for shown, jump in (("ten years ahead", 3.2e8), ("thirty years back", -9.5e8)):
        for after in (0, 40):
            yield Fault(
                f"the clock jumps {shown} at its look number {after + 1}",
                environment=_clock(folder, jump, after),
                ends_well=True,
            )
    for name in SHIPPED:
        yield Fault(f"no {name}", code=_copy(folder, name), ends_well=None if name in NEEDLESS else False)
        yield Fault(
            f"half of {name}", code=_copy(folder, name, half=True), ends_well=None if name in NEEDLESS else False
        )


_PLACES = {"out": "the folder of the video", "tmp": "the folder of temporary files", "cache": "the cache"}


def _try(fault: Fault, folder: Path) -> tuple[int, str, list[str]]:
    out = folder / "out"
    for name in ("out", "tmp", "cache"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    if "cache" in " ".join(fault.before):
        environment["EMOTALK_CACHE"] = str(folder / "cache")
    for name, value in fault.environment.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    if fault.environment.keys() >= {"HOME"}:
        environment.pop("EMOTALK_CACHE", None)
    command = [
        *fault.before,
        sys.executable,
        "-m",
        "emotalk",
        "talk",
        "--text",
        "Hello there.",
        "--size",
        "128",
        "-o",
        str(out / "a.mp4"),
    ]
    try:
        done = subprocess.run(
            command, cwd=fault.code, env=environment, capture_output=True, text=True, timeout=SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return -1, "nothing", [f"it hangs: nothing after {SECONDS:.0f} s"]
    last = [line for line in done.stderr.strip().splitlines() if line.startswith("emotalk:")][-1:]
    said = last[0].removeprefix("emotalk: ").replace(str(folder), "...").replace("|", "\\|") if last else ""
    wrong = []
    if "Traceback" in done.stderr or "Traceback" in done.stdout:
        wrong.append(f"a traceback: {(done.stderr + done.stdout)[-300:]}")
    if done.returncode == 0:
        wrong += ["it should have failed"] if fault.ends_well is False else []
    elif fault.ends_well:
        wrong.append(f"it failed: {done.stderr[-300:]}")
    elif done.returncode != 2 or not is_sentence(said):
        wrong.append(f"status {done.returncode}, said {done.stderr[-300:]!r}")
    if out.is_dir():
        names = {path.name for path in out.iterdir()}
        if names - {"a.mp4"} or (names and done.returncode):
            wrong.append(f"half-written files are left: {sorted(names)}")
    return done.returncode, said or ("nothing: the video is there" if done.returncode == 0 else "nothing"), wrong


def _may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    return (
        subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
    )


def _room(folder: Path, where: str, size: str, mode: str = "rw") -> list[str]:
    """A command's beginning after which a folder has so little room."""
    if not _may_mount():
        units = {"k": 2**10, "m": 2**20}
        return ["prlimit", f"--fsize={int(size[:-1]) * units[size[-1]]}"]
    # A file of one page goes first, so that some room is taken as on a disk that was in use.
    script = f'mount -t tmpfs -o size={size},{mode} tmpfs "{folder / where}" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, "sh"]


def _read_only(folder: Path) -> list[str]:
    if not _may_mount():
        return []
    mounts = " && ".join(f'mount -t tmpfs -o ro tmpfs "{folder / name}"' for name in ("tmp", "cache"))
    return ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


def _clock(folder: Path, jump: float, after: int) -> dict[str, str]:
    place = folder / "clock"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(CLOCK)
    return {"PYTHONPATH": str(place), "JUMP": str(jump), "JUMP_AFTER": str(after)}


def _copy(folder: Path, name: str, half: bool = False) -> Path:
    """The program with one shipped file missing, or only the first half of it."""
    code = folder / "code"
    shutil.rmtree(code, ignore_errors=True)
    shutil.copytree(ROOT / "emotalk", code / "emotalk", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "checkpoints", code / "checkpoints")
    target = code / "checkpoints" / name
    data = target.read_bytes()
    target.unlink()
    if half:
        target.write_bytes(data[: len(data) // 2])
    return code
