"""What `batch` gains by workers, and what kills cost: `python -m benchmarks.batch [--jobs 200] [--only workers kills]`.

Prints tables and writes them to benchmarks/results/batch.md, section by section. `ray` needs requirements-scale.txt.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import tyro

from benchmarks.results_file import with_sections
from emotalk.avatar.gallery import FIRST_FACES
from emotalk.core.atomic import write_text
from emotalk.core.kernels.workers import available_cores
from emotalk.rendering import warmup

RESULTS = Path(__file__).parent / "results" / "batch.md"
ROOT = Path(__file__).resolve().parents[1]
ABOUT = """# Batches

`python -m benchmarks.batch` (`--only workers kills ray` renews parts). Short talks, a sentence each, by the voice
flite:slt, in changing moods and by all shipped people; seconds count from the first job handed out, so that the start
of the workers, with their models to load, is among them.
"""
SENTENCES = (
    "Good morning, and welcome to lesson {}.",
    "Here is number {} of our summer offers.",
    "Please take a seat, we begin with part {}.",
    "That was question {}. Well done!",
)
MOODS = ("neutral", "happy", "sad", "surprised", "calm")
KILLS = 20


@dataclass(frozen=True)
class Options:
    """Measure batches."""

    only: tuple[str, ...] = ("workers", "kills", "ray")
    """Parts to run; the others stay as they are in the file."""
    jobs: int = 200
    """Talks of each run."""
    size: int = 256
    """Pixels of their side."""
    kills: int = KILLS
    """How often something is killed."""
    out: Path = RESULTS
    """Where the tables go."""


def listed(path: Path, options: Options) -> Path:
    """A list of short talks."""
    from emotalk.emotion import NAMED_EMOTIONS

    moods = [mood for mood in MOODS if mood in NAMED_EMOTIONS]
    lines = [
        {
            "kind": "talk", "out": f"talks/{i}", "text": SENTENCES[i % len(SENTENCES)].format(i + 1), "seed": i,
            "voice": "flite:slt", "avatar": FIRST_FACES[i % len(FIRST_FACES)], "emotion": moods[i % len(moods)],
            "size": options.size, "device": "cpu",
        }
        for i in range(options.jobs)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def digest_of(folder: Path) -> tuple[int, str]:
    """How many files the results have, and one digest of all their names and bytes."""
    whole, count = hashlib.sha256(), 0
    for path in sorted((folder / "talks").rglob("*")):
        if path.is_file():
            whole.update(str(path.relative_to(folder)).encode() + hashlib.sha256(path.read_bytes()).digest())
            count += 1
    return count, whole.hexdigest()[:12]


class Driver:
    """A driver's process: what it says, and its end."""

    def __init__(self, jobs: Path, out: Path, workers: int, threads: int, *ray: str, cores: int | None = None) -> None:
        """`cores` holds it and its workers to so many cores."""
        arguments = [str(jobs), str(out), str(workers), str(threads), *ray]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.batch_driver", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        if cores is not None:  # before it starts a worker, which takes this over
            own = psutil.Process(self.process.pid)
            own.cpu_affinity(own.cpu_affinity()[:cores])

    def done(self) -> Iterator[int]:
        """The number of jobs that are done, after each; the report when there are no more is in `report`."""
        for line in self.process.stdout:
            if line.startswith("{"):
                self.report = json.loads(line)
            elif line.strip().isdigit():  # Ray speaks in between
                yield int(line)
        self.process.wait()


def workers(options: Options, base: Path) -> Iterator[str]:
    """One worker against two."""
    jobs = listed(base / "jobs.jsonl", options)
    cores = available_cores()
    yield f"{options.jobs} talks at {options.size} px; {cores} cores. One worker keeps more than one core busy.\n"
    yield "| workers | cores | threads each | seconds | talks a minute | largest worker, MB | files, digest |"
    yield "|" + "---|" * 7
    rates = []
    for count, held, threads in ((1, 1, 1), (1, cores, 1), (1, cores, cores), (2, cores, max(1, cores // 2))):
        driver = Driver(jobs, out := base / str(len(rates)), count, threads, cores=held)
        list(driver.done())
        report = driver.report
        assert report["made"] == options.jobs, report["failures"][:3]
        rates.append(60 * options.jobs / report["seconds"])
        files, digest = digest_of(out)
        yield (
            f"| {count} | {held} | {threads} | {report['seconds']:.1f} | {rates[-1]:.1f} | "
            f"{report['memory'] / 1e6:.0f} | {files}, {digest} |"
        )
    alone, one, usual, two = rates
    yield (
        f"\nTwo workers make {two / alone:.2f} times what one makes on one core, and {two / one:.2f} times what one "
        f"makes that has the machine for itself ({two / usual:.2f} with the threads that it then has by default)."
    )


def kills(options: Options, base: Path) -> Iterator[str]:
    """Workers and drivers killed while they work."""
    jobs = listed(base / "jobs.jsonl", options)
    plain = Driver(jobs, base / "plain", 2, 1)
    list(plain.done())
    chance = random.Random(20)
    driver, killed = Driver(jobs, base / "killed", 2, 1), Counter()
    started = time.perf_counter()
    while True:
        for done in driver.done():
            if sum(killed.values()) == options.kills or done >= options.jobs - 2:
                continue
            # After each job that is done, one of ten times the driver goes, else now and then a worker.
            drawn = chance.random()
            if drawn < 0.1:
                killed["driver"] += 1
                driver.process.send_signal(signal.SIGKILL)
                break
            if drawn < 0.6 and (pids := worker_pids(driver.process.pid)):
                killed["worker"] += 1
                os.kill(chance.choice(sorted(pids)), signal.SIGKILL)
        driver.process.wait()
        if driver.process.returncode == 0:
            break
        driver = Driver(jobs, base / "killed", 2, 1)
    yield from told(options, killed, digest_of(base / "plain"), digest_of(base / "killed"), plain.report["seconds"],
                    time.perf_counter() - started)  # fmt: skip


def told(
    options: Options, killed: Counter, plain: tuple[int, str], after: tuple[int, str], first: float, second: float
) -> Iterator[str]:
    """The table of a run that was disturbed."""
    yield f"{options.jobs} talks at {options.size} px, two workers.\n"
    yield "| killed | files, digest undisturbed | files, digest | seconds undisturbed | seconds |"
    yield "|" + "---|" * 5
    what = ", ".join(f"{name} {count}x" for name, count in sorted(killed.items()))
    yield f"| {what} | {plain[0]}, {plain[1]} | {after[0]}, {after[1]} | {first:.0f} | {second:.0f} |"
    yield f"\nThe results are {'the same, byte for byte' if plain == after else 'NOT the same'}."


def worker_pids(pid: int, name: str = "emotalk.batch.worker") -> list[int]:
    """Process ids of the workers below a process."""
    found = []
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    for child in children:
        try:
            if any(name in part for part in child.cmdline()):
                found.append(child.pid)
        except psutil.Error:
            continue  # it has ended
    return found


def ray(options: Options, base: Path) -> Iterator[str]:
    """A cluster on this machine: a head without cores and two nodes of one core each, with kills of all of it."""
    # Its sockets lie below, and their names must be short.
    short = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": short}
    (Path(short) / "ray").mkdir()
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        yield "Ray is not installed: `pip install -r requirements-scale.txt`."
        return
    jobs = listed(base / "jobs.jsonl", options)
    plain = Driver(jobs, base / "plain", 2, 1)
    list(plain.done())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        driver = Driver(jobs, base / "ray", 2, 1, cluster.address)
        list(driver.done())
        yield (
            f"Undisturbed: {options.jobs} talks in {driver.report['seconds']:.0f} s by two nodes, in "
            f"{plain.report['seconds']:.0f} s by two processes; "
            + ("the same bytes.\n" if digest_of(base / "ray") == digest_of(base / "plain") else "NOT the same.\n")
        )
        chance, killed, started = random.Random(21), Counter(), time.perf_counter()
        driver = Driver(jobs, base / "killed", 2, 1, cluster.address)
        while True:
            for done in driver.done():
                if sum(killed.values()) == options.kills or done >= options.jobs - 2:
                    continue
                drawn = chance.random()
                if drawn < 0.1:
                    killed["driver"] += 1
                    driver.process.send_signal(signal.SIGKILL)
                    break
                if drawn < 0.25:
                    killed["node"] += 1
                    cluster.remove_node(nodes.pop(0), allow_graceful=False)
                    nodes.append(cluster.add_node(num_cpus=1))
                elif drawn < 0.6 and (pids := worker_pids(os.getpid(), "ray::MakingActor")):
                    killed["worker"] += 1
                    os.kill(chance.choice(sorted(pids)), signal.SIGKILL)
            driver.process.wait()
            if driver.process.returncode == 0:
                break
            driver = Driver(jobs, base / "killed", 2, 1, cluster.address)
    finally:
        cluster.shutdown()
        shutil.rmtree(short, ignore_errors=True)
    yield from told(options, killed, digest_of(base / "plain"), digest_of(base / "killed"), plain.report["seconds"],
                    time.perf_counter() - started)  # fmt: skip


PARTS: dict[str, tuple[str, Callable[[Options, Path], Iterator[str]]]] = {
    "workers": ("One worker, two workers", workers),
    "kills": ("Killed workers and drivers", kills),
    "ray": ("A Ray cluster on one machine", ray),
}


def main(options: Options) -> None:
    """Print every part and write the file after each."""
    warmup()
    for name in options.only:
        title, part = PARTS[name]
        print(f"\n## {title}\n", flush=True)
        base = Path(tempfile.mkdtemp(prefix="emotalk-bench-"))
        lines: list[Any] = []
        try:
            for line in part(options, base):
                lines.append(line)
                print(line, flush=True)
        finally:
            shutil.rmtree(base, ignore_errors=True)
        load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
        lines.append(f"\n{os.cpu_count()} cores ({platform.machine()}); load average at the end: {load}.")
        kept = options.out.read_text(encoding="utf-8") if options.out.exists() else ABOUT
        write_text(options.out, with_sections(kept, [f"## {title}\n\n" + "\n".join(lines)]))


if __name__ == "__main__":
    main(tyro.cli(Options))
