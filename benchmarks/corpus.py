"""A corpus tracked by one worker, by two and by two that are killed, and an epoch over it in one process and in two:

    python -m benchmarks.corpus --films ../shared/data/grid --work ../corpus-benchmark [--most 24]

writes benchmarks/results/corpus.md. Films are a part of the GRID corpus; nothing of them is kept but counts and times.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from safetensors import safe_open
from safetensors.torch import load_file

from benchmarks.results_file import with_sections
from emotalk.core.atomic import write_json, write_text
from emotalk.learning.corpus import load_corpus
from scripts.motion_corpus.grid import ATTRIBUTION, balanced, films

_HEAD = "`python -m benchmarks.corpus` (`--only` renews parts). Films: " + ATTRIBUTION.replace("\n", " ") + "."
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "corpus.md"
_LOOK_SECONDS = 0.1
_ENVIRONMENT = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")}


@dataclass(frozen=True)
class Options:
    """Track a corpus several times and learn from it."""

    films: Path
    """Folder of the GRID corpus."""
    work: Path
    """Folder for everything that is made."""
    most: int = 24
    """Films, of all speakers as evenly as can be."""
    batch: int = 2
    """Windows a step: few, so that few films are many steps."""
    only: tuple[Literal["tracked", "learned"], ...] = ("tracked", "learned")
    """Parts that are renewed; what is learned from is what was tracked."""


def main(options: Options) -> None:
    """The parts that are asked for."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else f"# A corpus of films\n\n{_HEAD}\n"
    for part in options.only:
        text = with_sections(text, [f"{_PARTS[part](options)}\n\n{_machine()}"])
        write_text(RESULTS, text)


def tracked(options: Options) -> str:
    """One worker, two, and two that are killed."""
    folder = _chosen(options)
    rows = []
    for name, workers, kills in (("one", 1, False), ("two", 2, False), ("killed", 2, True)):
        out = options.work / name
        shutil.rmtree(out, ignore_errors=True)
        seconds, killed = _track(folder, out, workers, options.most if kills else 0)
        rows.append(f"| {workers} | {killed or 'nothing'} | {seconds:.0f} | {_digest(out)} |")
        print(rows[-1], flush=True)
    corpus = load_corpus(options.work / "one")
    left_out = len(json.loads((options.work / "one" / "manifest.json").read_text())["left_out"])
    return "\n\n".join([
        "## Tracked",
        f"{options.most} films of 3 s; {len(corpus.clips)} clips of {corpus.speakers} people, {corpus.minutes:.1f} "
        f"minutes, can be learned from, {left_out} are left out. The digest is that of the shards and the manifest.",
        "| workers | killed | seconds | shards, digest |\n|---|---|---|---|\n" + "\n".join(rows),
    ])  # fmt: skip


def learned(options: Options) -> str:
    """An epoch over what one worker tracked, in one process and in two."""
    trained = {processes: _train(options, processes) for processes in (1, 2)}
    return "\n\n".join([
        "## An epoch in one process and in two",
        f"`scripts.train_motion` by torchrun; the same batches of {options.batch} windows, half of the steps on the "
        "corpus, half on synthetic speech (flite:slt), in full precision. Compared are the weights and their running "
        "means before they are rounded: the largest difference, and how far training moved them at most. Seconds are "
        "those of the whole command; the first one alone hears the synthetic speech (and makes it).",
        "| processes | steps | seconds | largest difference | moved by |\n|---|---|---|---|---|\n" + _compared(trained),
    ])  # fmt: skip


def _chosen(options: Options) -> Path:
    """A folder with links to the films, and what they say of themselves."""
    folder = options.work / "films"
    shutil.rmtree(folder, ignore_errors=True)
    found = balanced(films(options.films), options.most)[: options.most]
    for film in found:
        (folder / film.speaker).mkdir(parents=True, exist_ok=True)
        (folder / film.speaker / f"{film.name}.mp4").symlink_to(film.path.resolve())
    terms = {
        "name": "GRID audio-visual sentences (part)", "source": "doi 10.5281/zenodo.3625687", "licence": "CC BY 4.0",
        "attribution": ATTRIBUTION.replace("\n", " "), "weights": "any",
        "consent": "the speakers of the corpus were recorded for it; its authors publish it under this licence",
    }  # fmt: skip
    write_json(folder / "corpus.json", terms)
    return folder


def _track(folder: Path, out: Path, workers: int, kill: int) -> tuple[float, str]:
    """Seconds of the whole, and what was killed: with `kill` films a worker after a third, the driver after two."""
    order = [sys.executable, "-m", "scripts.track_corpus", "--films", str(folder), "--out", str(out)]
    order += ["--workers", str(workers)]
    began, log = time.perf_counter(), out.with_suffix(".log")
    killed = []
    with log.open("w") as errors:
        if kill:
            driver = subprocess.Popen(order, cwd=ROOT, env=_ENVIRONMENT, stderr=errors)
            _await(out, kill // 3, driver)
            os.kill(_children(driver.pid)[0], signal.SIGKILL)
            _await(out, 2 * kill // 3, driver)
            driver.kill()
            driver.wait()
            killed = ["a worker", "the driver"]
        subprocess.run(order, cwd=ROOT, env=_ENVIRONMENT, check=True, stderr=errors)
    return time.perf_counter() - began, " and ".join(killed)


def _await(out: Path, results: int, driver: subprocess.Popen) -> None:
    while len(list((out / "tracked").glob("??/*"))) < results:
        if driver.poll() is not None:
            raise RuntimeError("the driver ended before it was killed; its log lies beside the folder")
        time.sleep(_LOOK_SECONDS)


def _children(pid: int) -> list[int]:
    """Processes that the driver started, in Linux's own words."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in tasks.read_text().split()]
    return sorted(found)


def _digest(out: Path) -> str:
    whole = hashlib.sha256()
    for path in [out / "manifest.json", *sorted((out / "shards").iterdir())]:
        whole.update(path.read_bytes())
    return f"{len(list((out / 'shards').iterdir()))}, {whole.hexdigest()[:12]}"


def _train(options: Options, processes: int) -> tuple[dict[str, torch.Tensor], int, float]:
    """The averaged weights after an epoch, steps, and seconds from start to end, without what is made beforehand."""
    work = options.work / f"training{processes}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for made in (options.work / "training1").glob("clips_*.npz"):
        if processes > 1:
            shutil.copy(made, work)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    order = [*launch, "-m", "scripts.train_motion", "--work", str(work), "--shards", str(options.work / "one")]
    order += [
        "--epochs",
        "1",
        "--batch",
        str(options.batch),
        "--judges",
        str(ROOT / "checkpoints"),
        "--voices",
        "flite:slt",
    ]
    order += ["--speech", "0.1", "--no-bfloat16", "--lip-steps", "20", "--corpus", str(options.work / "speech")]
    began = time.perf_counter()
    with (work / "log").open("w") as errors:
        subprocess.run([*order, "--out", str(work / "out")], cwd=ROOT, env=_ENVIRONMENT, check=True, stderr=errors)
    seconds = time.perf_counter() - began
    state = load_file(work / "motion.state")
    with safe_open(work / "motion.state", "pt") as file:
        steps = int(file.metadata()["step"])
    return {name: value for name, value in state.items() if name.startswith(("average.", "network."))}, steps, seconds


def _compared(trained: dict[int, tuple[dict[str, torch.Tensor], int, float]]) -> str:
    from emotalk.motion.network import MotionNetwork

    torch.manual_seed(0)
    begun = MotionNetwork().state_dict()
    alone = trained[1][0]
    rows = []
    for processes, (weights, steps, seconds) in trained.items():
        apart = max(float((weights[name] - alone[name]).abs().max()) for name in weights)
        own = {name.removeprefix("network."): value for name, value in weights.items() if name.startswith("network.")}
        moved = max(float((own[name] - begun[name]).abs().max()) for name in own if not name.startswith("seen."))
        rows.append(f"| {processes} | {steps} | {seconds:.0f} | {apart:.1e} | {moved:.1e} |")
    return "\n".join(rows)


def _machine() -> str:
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{os.cpu_count()} cores, shared with other work; load average at the end: {load}."


_PARTS = {"tracked": tracked, "learned": learned}


if __name__ == "__main__":
    main(tyro.cli(Options))
