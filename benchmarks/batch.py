"""What `batch` gains by workers, and what kills cost: `python -m benchmarks.batch [--jobs 200] [--only two kills]`.

Every part is one run over the list. Its numbers are kept in the cache, so that the parts may be run one at a time
(`python -m benchmarks.batch --only PART`); the tables in benchmarks/results/batch.md are written anew after each, of
all parts that there are for this number and size of talks. `ray` and `ray-kills` need requirements-scale.txt.
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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import tyro

from benchmarks.results_file import with_sections
from emotalk.avatar.gallery import FIRST_FACES
from emotalk.core.atomic import write_json, write_text
from emotalk.core.kernels.workers import available_cores
from emotalk.core.paths import cache_dir
from emotalk.rendering import warmup

RESULTS = Path(__file__).parent / "results" / "batch.md"
ROOT = Path(__file__).resolve().parents[1]
ABOUT = """# Batches

`python -m benchmarks.batch` (`--only alone one one-threads two kills ray ray-kills` renews parts). Short talks, a
sentence each, by the voice flite:slt, in changing moods and by all shipped people; seconds count from the first job
handed out, so that the start of the workers, with their models to load, is among them.
"""
SENTENCES = (
    "Good morning, and welcome to lesson {}.",
    "Here is number {} of our summer offers.",
    "Please take a seat, we begin with part {}.",
    "That was question {}. Well done!",
)
MOODS = ("neutral", "happy", "sad", "surprised", "calm")
KILLS = 20
WORKER, ACTOR, DRIVER, NODE = "worker", "actor", "driver", "node"
PROCESSES = {WORKER: "emotalk.batch.worker", ACTOR: "ray::MakingActor"}
"""What stands in the command line of those that are killed."""


@dataclass(frozen=True)
class Options:
    """Measure batches."""

    only: tuple[str, ...] = ()
    """Parts to run, all by default; the others stay as they were."""
    jobs: int = 200
    """Talks of each run."""
    size: int = 256
    """Pixels of their side."""
    kills: int = KILLS
    """How often something is killed."""
    out: Path = RESULTS
    """Where the tables go."""
    fresh: bool = False
    """Forget the numbers of parts that are not run now: they are of another version of the program."""


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


def digest_of(folder: Path) -> str:
    """How many files a batch's folder holds, beside its report and its lock, and one digest of all names and bytes."""
    whole, count = hashlib.sha256(), 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in ("report.json", ".batch/lock"):
            whole.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
            count += 1
    return f"{count}, {whole.hexdigest()[:12]}"


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


def undisturbed(options: Options, base: Path, workers: int, threads: int, *ray: str, cores: int | None = None) -> dict:
    """What there is to tell of a run that nobody disturbs."""
    driver = Driver(listed(base / "jobs.jsonl", options), base / "out", workers, threads, *ray, cores=cores)
    list(driver.done())
    assert driver.report["made"] == options.jobs, driver.report["failures"][:3]
    return {
        "workers": workers, "threads": threads, "cores": cores or available_cores(),
        "seconds": driver.report["seconds"], "memory": driver.report["memory"], "files": digest_of(base / "out"),
    }  # fmt: skip


def alone(options: Options, base: Path) -> dict:
    """One worker that is held to one core."""
    return undisturbed(options, base, 1, 1, cores=1)


def one(options: Options, base: Path) -> dict:
    """One worker that draws with one thread and has the machine for itself."""
    return undisturbed(options, base, 1, 1)


def one_threads(options: Options, base: Path) -> dict:
    """One worker as it is by default: with a thread for every core."""
    return undisturbed(options, base, 1, available_cores())


def two(options: Options, base: Path) -> dict:
    """Two workers."""
    return undisturbed(options, base, 2, max(1, available_cores() // 2))


def plan(options: Options, seed: int, *whats: str) -> list[tuple[int, str]]:
    """What is killed, and after how many jobs at the earliest: drawn over the whole run, each of `whats` as often as it
    stands there."""
    chance = random.Random(seed)
    drawn = [whats[i % len(whats)] for i in range(options.kills)]
    chance.shuffle(drawn)
    most = max(1, options.jobs - 4)
    return list(zip(sorted(chance.choices(range(1, most + 1), k=options.kills)), drawn, strict=True))


def disturbed(
    options: Options, base: Path, kills: list[tuple[int, str]], *ray: str, end_node: Callable[[], None] | None = None
) -> dict:
    """What there is to tell of a run in which as much is killed as planned; whose driver is killed is called again."""
    jobs, out = listed(base / "jobs.jsonl", options), base / "out"
    chance, killed, calls, started = random.Random(len(ray)), Counter(), 0, time.perf_counter()
    while True:
        driver, calls = Driver(jobs, out, 2, 1, *ray), calls + 1
        for done in driver.done():
            if not kills or done < kills[0][0]:
                continue
            what = kills[0][1]
            if what == DRIVER:
                driver.process.send_signal(signal.SIGKILL)
            elif what == NODE:
                end_node()
            elif pids := pids_of(os.getpid(), PROCESSES[what]):
                os.kill(chance.choice(sorted(pids)), signal.SIGKILL)
            else:
                continue  # they are about to start: after the next job
            killed[what] += 1
            kills = kills[1:]
        if driver.process.wait() == 0:
            break
        assert driver.process.returncode == -signal.SIGKILL, driver.process.returncode
    report = driver.report
    assert not kills, f"{len(kills)} kills came too late; take more jobs"
    assert (report["made"] + report["already"], report["failures"]) == (options.jobs, []), report
    return {
        "killed": dict(killed), "calls": calls, "seconds": time.perf_counter() - started, "files": digest_of(out)
    }  # fmt: skip


def pids_of(pid: int, name: str) -> list[int]:
    """Process ids of those below a process whose command line has a name in it."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if any(name in part for part in child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
        except psutil.Error:
            continue  # it has ended
    return found


def kills(options: Options, base: Path) -> dict:
    """Workers and drivers killed while they work."""
    return disturbed(options, base, plan(options, 20, WORKER, WORKER, DRIVER))


@contextmanager
def cluster_of_two() -> Iterator[tuple[str, Callable[[], None]]]:
    """A cluster on this machine, a head without cores and two nodes of one core each: its address, and how one node is
    killed and another one comes."""
    # Its sockets lie below, and their names must be short.
    short = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": short}
    (Path(short) / "ray").mkdir()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]

        def end_node() -> None:
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
            nodes.append(cluster.add_node(num_cpus=1))

        yield cluster.address, end_node
    finally:
        cluster.shutdown()
        shutil.rmtree(short, ignore_errors=True)


def ray(options: Options, base: Path) -> dict:
    """A Ray cluster of two nodes."""
    with cluster_of_two() as (address, _):
        return undisturbed(options, base, 2, 1, address)


def ray_kills(options: Options, base: Path) -> dict:
    """The same, with workers, actors, drivers and nodes killed while they work."""
    with cluster_of_two() as (address, end_node):
        planned = plan(options, 21, WORKER, ACTOR, NODE, DRIVER)
        return disturbed(options, base, planned, address, end_node=end_node)


PARTS: dict[str, Callable[[Options, Path], dict[str, Any]]] = {
    "alone": alone, "one": one, "one-threads": one_threads, "two": two, "kills": kills, "ray": ray,
    "ray-kills": ray_kills,
}  # fmt: skip


def sections(options: Options, runs: dict[str, dict]) -> Iterator[str]:
    """The tables of all parts that there are."""
    what = f"{options.jobs} talks at {options.size} px; {os.cpu_count()} cores ({platform.machine()})."
    if timed := [runs[name] for name in ("alone", "one", "one-threads", "two") if name in runs]:
        lines = [
            "## One worker, two workers", "", f"{what} One worker keeps more than one core busy.", "",
            "| workers | cores | threads each | seconds | talks a minute | largest worker, MB | files, digest | load |",
            "|" + "---|" * 8,
        ]  # fmt: skip
        for run in timed:
            rate, megabytes = 60 * options.jobs / run["seconds"], run["memory"] / 1e6
            lines.append(
                f"| {run['workers']} | {run['cores']} | {run['threads']} | {run['seconds']:.1f} | {rate:.1f} | "
                f"{megabytes:.0f} | {run['files']} | {run['load']} |"
            )
        against = {
            "alone": "one makes on one core", "one": "one makes that has the machine for itself",
            "one-threads": "one makes by default, with threads for all of it",
        }  # fmt: skip
        if "two" in runs:
            told = [
                f"{runs[name]['seconds'] / runs['two']['seconds']:.2f} times what {words}"
                for name, words in against.items()
                if name in runs
            ]
            lines += ["", f"Two workers make {'; '.join(told)}."] if told else []
        lines += ["", same(timed)] if len(timed) > 1 else []
        yield "\n".join(lines)
    plain = runs.get("two") or next(iter(timed), None)
    titles = {"kills": "Killed workers and drivers", "ray-kills": "A Ray cluster with kills"}
    if "ray" in runs:
        run = runs["ray"]
        lines = [
            "## A Ray cluster on one machine", "",
            f"{what} A head without cores, two nodes of one core each, undisturbed: {run['seconds']:.0f} s, files and "
            f"digest {run['files']}, load {run['load']}.",
        ]  # fmt: skip
        lines += ["", f"Without Ray: {plain['files']}. {same([plain, run])}"] if plain else []
        yield "\n".join(lines)
    for name, title in titles.items():
        if name not in runs:
            continue
        run = runs[name]
        lines = [
            f"## {title}", "", f"{what} Two workers; what is killed when was drawn beforehand.", "",
            "| killed | calls of the command | seconds | files, digest | load |", "|" + "---|" * 5,
            f"| {', '.join(f'{what} {count}x' for what, count in sorted(run['killed'].items()))} | {run['calls']} | "
            f"{run['seconds']:.0f} | {run['files']} | {run['load']} |",
        ]  # fmt: skip
        lines += ["", f"Undisturbed: {plain['files']}. {same([plain, run])}"] if plain else []
        yield "\n".join(lines)


def same(runs: list[dict]) -> str:
    """Whether the results of runs are the same."""
    equal = len({run["files"] for run in runs}) == 1
    return f"The results are {'the same, byte for byte' if equal else 'NOT the same'}."


def main(options: Options) -> None:
    """Run the parts, and write the file after each."""
    if unknown := [name for name in options.only if name not in PARTS]:
        sys.exit(f"There is no part {unknown[0]!r}; choose of {', '.join(PARTS)}.")
    warmup()
    kept = cache_dir("benchmarks") / f"batch-{options.jobs}-{options.size}-{options.kills}.json"
    runs = json.loads(kept.read_text()) if kept.exists() and not options.fresh else {}
    for name in options.only or tuple(PARTS):
        base, started = Path(tempfile.mkdtemp(prefix="emotalk-bench-")), time.perf_counter()
        try:
            runs[name] = PARTS[name](options, base)
        except ImportError:
            print("Ray is not installed: `pip install -r requirements-scale.txt`.", flush=True)
            continue
        finally:
            shutil.rmtree(base, ignore_errors=True)
        runs[name]["load"] = " ".join(f"{x:.1f}" for x in os.getloadavg())
        print(f"{name} ({time.perf_counter() - started:.0f} s): {runs[name]}", flush=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, runs)
        text = options.out.read_text(encoding="utf-8") if options.out.exists() else ABOUT
        _, mark, rest = text.partition("\n## ")
        write_text(options.out, with_sections(f"{ABOUT}{mark}{rest}", sections(options, runs)))
    print(options.out.read_text(encoding="utf-8") if options.out.exists() else "")


if __name__ == "__main__":
    main(tyro.cli(Options))
