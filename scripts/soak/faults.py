"""Part `faults`: a machine on which something is missing or full; is there a sentence each, and exit status 2?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.soak.page import Page, face, spoken
from scripts.soak.report import Part
from tests.hostile.verdicts import is_sentence
from tests.ui.browsing import ROOT

SECONDS = 300.0
"""A command that has not ended by then hangs."""
NEEDED = ("head.npz", "eyes.safetensors", "body.safetensors", "motion.safetensors", "speech.safetensors",
          "avatars/mira/avatar.safetensors", "avatars/mira/card.json")  # fmt: skip
"""Shipped files without which nobody can talk."""
PLACES = {"out": "the folder of the video", "tmp": "the folder of temporary files", "cache": "the cache"}
CLOCK = """
import os, time
_real, _looks = time.time, [0]
def _jumping():
    _looks[0] += 1
    return _real() + (float(os.environ["JUMP"]) if _looks[0] > int(os.environ["JUMP_AFTER"]) else 0.0)
time.time = _jumping
"""
"""A clock that is set while the program runs; libfaketime is not needed for it."""


@dataclass(frozen=True)
class Fault:
    """One talk on a machine with a fault."""

    name: str
    before: list[str] = field(default_factory=list)  # what stands before the command
    environment: dict[str, str | None] = field(default_factory=dict)
    # Whether the talk has to succeed (True), has to be refused (False), or may do either: what cannot be told
    # beforehand is how much room or memory it needs on this machine.
    ends_well: bool | None = None
    code: Path = ROOT


def run(folder: Path) -> Part:
    """Every fault once, on `python -m emotalk talk`, and full disks on the page."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, faults = [], []
    for fault in _all(folder):
        status, said, wrong = _try(fault, folder)
        rows.append(f"| {fault.name} | {status} | {said} |")
        faults += [f"{fault.name}: {line}" for line in wrong]
        print(f"  {fault.name}: {status}, {said}", *wrong, sep="\n    ", flush=True)
    rows += [f"| {name} | | {said} |" for name, said in _full_pages(folder / "pages", faults)]
    mounted = "a tmpfs in a namespace of its own" if _may_mount() else "RLIMIT_FSIZE (nothing can be mounted here)"
    how = f"Full disks: {mounted}. The clock: `time.time` replaced in the process."
    lines = ["| fault | exit status | what is said |", "|---|---|---|", *rows, "", how]
    return Part("Faults", "\n".join(lines), faults)


def _all(folder: Path) -> Iterator[Fault]:
    for where, title in PLACES.items():
        for size in ("4k", "64k"):
            name = f"{size} of room in {title}"
            yield Fault(name, _mounted(folder, {where: f"size={size}"}), _own_cache(folder, where))
    yield Fault(
        "a cache that cannot be written", _mounted(folder, {"cache": "ro"}), _own_cache(folder, "cache"), ends_well=True
    )
    yield Fault(
        "cache and temporary files that cannot be written", _mounted(folder, {"cache": "ro", "tmp": "ro"}),
        _own_cache(folder, "cache"),
    )  # fmt: skip
    for megabytes in (400, 1000, 1600, 2400):
        yield Fault(f"ulimit -v of {megabytes} MB", ["prlimit", f"--as={megabytes * 2**20}"])
    for count in (8, 16, 24, 64):
        yield Fault(f"ulimit -n of {count}", ["prlimit", f"--nofile={count}"])
    for size in (0, 1000):
        yield Fault(f"ulimit -f of {size} bytes", ["prlimit", f"--fsize={size}"])
    homeless = {"HOME": None, "XDG_CACHE_HOME": None, "EMOTALK_CACHE": None}
    yield Fault("no HOME", environment=homeless, ends_well=True)
    yield Fault("a HOME that is not there", environment=homeless | {"HOME": "/nonexistent"}, ends_well=True)
    for shown, jump in (("ten years ahead", 3.2e8), ("thirty years back", -9.5e8)):
        name = f"the clock jumps {shown} while it runs"
        yield Fault(name, environment=_clock(folder, jump, after=40), ends_well=True)
    for name in NEEDED:
        yield Fault(f"no {name}", code=_copy(folder, name), ends_well=False)
        yield Fault(f"half of {name}", code=_copy(folder, name, half=True), ends_well=False)


def _try(fault: Fault, folder: Path) -> tuple[int, str, list[str]]:
    """Exit status, the sentence, and what is wrong with both."""
    out, told = folder / "out", folder / "left.txt"
    told.unlink(missing_ok=True)
    for name in PLACES:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"} | fault.environment
    environment = {name: value for name, value in environment.items() if value is not None}
    talk = ["-m", "emotalk", "talk", "--text", "Hello.", "--size", "64", "-o", str(out / "a.mp4")]
    try:
        done = subprocess.run(
            [*fault.before, sys.executable, *talk], cwd=fault.code, env=environment, capture_output=True, text=True,
            errors="replace", timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -1, "nothing", [f"it hangs: nothing after {SECONDS:.0f} s"]
    lines = [line for line in done.stderr.splitlines() if line.startswith("emotalk: ")]
    said = lines[-1].removeprefix("emotalk: ") if lines else ""
    wrong = []
    if "Traceback" in done.stderr + done.stdout:
        wrong.append(f"a traceback: {(done.stderr + done.stdout)[-300:]}")
    if done.returncode == 0:
        wrong += ["it should have been refused"] if fault.ends_well is False else []
    elif fault.ends_well:
        wrong.append(f"it failed: {done.stderr[-300:]}")
    elif done.returncode != 2 or not is_sentence(said):
        wrong.append(f"status {done.returncode}, said {done.stderr[-300:]!r}")
    names = set(told.read_text().split() if told.is_file() else os.listdir(out))
    if names - {"a.mp4"} or (names and done.returncode):
        wrong.append(f"half-written files are left: {sorted(names)}")
    shown = said.replace(str(folder), "...").replace("|", "\\|")
    return done.returncode, shown or ("(the video is there)" if done.returncode == 0 else "(nothing)"), wrong


def _full_pages(folder: Path, faults: list[str]) -> Iterator[tuple[str, str]]:
    """A page whose folder of temporary files, or of uploads, is full: what a visitor reads."""
    if not _may_mount():
        return
    for where, title in (("tmp", "temporary files"), ("gradio", "uploads")):
        place = folder / where
        page = Page(place, _mounted(place, {where: "size=64k"}), EMOTALK_PUBLIC="1").start()
        try:
            visitor = page.visitor()
            answers = {
                "a talk": visitor.call("generate", spoken("Hello there, this is a talk for which there is no room.")),
                "an upload": visitor.upload("a.bin", bytes(2**20)),
                "a still": visitor.call("still", face(0.2)),
            }
            for what, answer in answers.items():
                if not answer.ok and (answer.error.startswith("Internal") or not is_sentence(answer.error)):
                    faults.append(f"no room for {title}: {what} ended with {answer.status} {answer.text[:200]!r}")
            if not page.answers():
                faults.append(f"no room for {title}: the page does not answer any more")
            if "Traceback" in page.log():
                faults.append(f"no room for {title}: a traceback in the log: {page.log()[-300:]}")
        finally:
            page.stop()
        said = "; ".join(f"{what}: {'done' if answer.ok else answer.error}" for what, answer in answers.items())
        yield f"a page with 64k of room for {title}", said.replace("|", "\\|").replace("\n", " ")


def _may_mount() -> bool:
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


def _mounted(folder: Path, places: dict[str, str]) -> list[str]:
    """A command's beginning that puts a small or a closed file system at some places of the folder."""
    if not _may_mount():
        return ["prlimit", "--fsize=65536"]
    mounts = " && ".join(f'mount -t tmpfs -o {options} tmpfs "{folder / name}"' for name, options in places.items())
    # Nobody outside sees into those file systems, so what is left in the output's folder is told.
    tell = f'status=$?; ls -A "{folder}/out" > "{folder}/left.txt" 2> /dev/null; exit $status'
    return ["unshare", "-m", "sh", "-c", f'{mounts} && {{ trap "kill $!" TERM; "$@" & wait $!; {tell}; }}', "sh"]


def _own_cache(folder: Path, where: str) -> dict[str, str | None]:
    return {"EMOTALK_CACHE": str(folder / "cache")} if where == "cache" else {}


def _clock(folder: Path, jump: float, after: int) -> dict[str, str | None]:
    place = folder / "clock"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(CLOCK)
    return {"PYTHONPATH": str(place), "JUMP": str(jump), "JUMP_AFTER": str(after)}


def _copy(folder: Path, name: str, half: bool = False) -> Path:
    """The program with one shipped file missing, or with only the first half of it."""
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
