"""Tracks a corpus of films: `python -m scripts.track_corpus --films FOLDER --out FOLDER [--workers N | --ray auto]`.

    python -m scripts.track_corpus --films ../crema-d --out ../crema-d-shards --workers 8
    python -m scripts.track_corpus --films hf://datasets/me/films@v2 --out shards --ray auto
    torchrun --nproc-per-node 2 -m scripts.train_motion --work ../training --shards ../crema-d-shards --out ../mine

The films' folder must say whose they are and what they may be used for: docs/corpus.md. Killed at any moment, the same
command goes on; what is there is not made again.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from emotalk.batch import BatchProgress, Job, run_jobs
from emotalk.batch.command import MOST_WORKERS
from emotalk.batch.files import Digests
from emotalk.batch.places import LocalPlace
from emotalk.batch.pools import LocalPool, Pool
from emotalk.core.atomic import sweep_unfinished, write_json
from emotalk.core.checks import check_whole
from emotalk.core.errors import EmotalkError, InputError
from emotalk.core.kernels.workers import available_cores
from emotalk.core.rates import FPS
from emotalk.hub.client import HubAddress
from emotalk.hub.datasets import dataset_folder
from emotalk.tracking.track import check_asked
from scripts.track_corpus.described import CLIPS, DESCRIPTION, VIDEOS, Film, read_corpus
from scripts.track_corpus.packed import Limits, Packed, pack, told
from scripts.track_corpus.tracked import KIND, TABLE, read_facts, result_key

log = logging.getLogger("track_corpus")

HUB = "hf://datasets/"
TRACKED, KNOWN = "tracked", "films.json"
_HELD = ".batch"
_OLD = 3600.0  # seconds after which nobody goes on with a file that has no name yet


@dataclass(frozen=True)
class Options:
    """Track films of talking people and pack what was found into shards."""

    films: str
    """Folder of films, or a dataset on the Hub: hf://datasets/owner/name[/folder][@revision]."""
    out: Path
    """Folder for the shards, the manifest and the results of single films; outside of the repository."""
    workers: int | None = None
    """Processes on this machine, by default one a core; with --ray, actors."""
    ray: str | None = None
    """A Ray cluster, host:port or auto; every machine of it must see both folders (requirements-scale.txt)."""
    size: int = 256
    """Side of the square crop that is tracked, in pixels."""
    limits: Limits = field(default_factory=Limits)
    """What a film must reach to be learned from; other limits need no tracking."""


def main(options: Options, pool: Callable[[Options, int], Pool] | None = None) -> int:
    """The whole; returns the status of the process: 0, or 1 where a film could not be worked on. `pool` makes the
    workers for so many films, as the options say where it is not given. Raises InputError or HubError."""
    check_asked(size=options.size)
    if options.workers is not None:
        check_whole("The number of workers", options.workers, 1, MOST_WORKERS)
    folder = films_folder(options.films)
    terms, films = read_corpus(folder)
    place = LocalPlace(options.out / TRACKED)
    found = _found(films, options)
    if missing := _missing(found, options.size):
        log.info("%s of %s films are to be tracked", f"{len(missing):,}", f"{len(found):,}")
        report = run_jobs(missing, place, (pool or _pool)(options, len(missing)), progress=_Told())
        why = {found[failure.line - 1][2]: failure.sentence for failure in report.failures}
        failed = {film.name: why[result] for film, _, result in found if result in why}
    else:
        failed = {}
    for name, why in failed.items():
        log.warning("%s: %s", name, why)
    with place.held():
        packed = pack(options.out, terms, found, options.limits, failed)
        _forget(options.out / TRACKED, {result for _, _, result in found})
        place.leave(())  # pictures that a killed worker had before it
        sweep_unfinished(options.out, older_than=_OLD)
    log.info("%s", sentence(packed, len(found)))
    for line in told(packed.left_out):
        log.info("left out: %s", line)
    return 1 if failed else 0


def films_folder(films: str) -> Path:
    """The folder of the films on this machine; those of a dataset on the Hub are brought here. Raises InputError or
    HubError."""
    if not films.startswith("hf://"):
        folder = Path(films)
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}; check --films.")
        return folder
    address = HubAddress.parse(films.removeprefix(HUB)) if films.startswith(HUB) else None
    if address is None:
        raise InputError(f"A dataset is written {HUB}owner/name[/folder][@revision], found {films!r:.100}.")
    return dataset_folder(
        address, lambda name: Path(name).suffix.lower() in VIDEOS or Path(name).name in (DESCRIPTION, CLIPS)
    )


def sentence(packed: Packed, films: int) -> str:
    """What there is now."""
    return (
        f"Of {films:,} films {packed.clips:,} can be learned from, {packed.frames / (60 * FPS):.1f} minutes in "
        f"{packed.shards:,} shards ({packed.written:,} of them written)."
    )


def _found(films: list[Film], options: Options) -> list[tuple[Film, str, Path]]:
    """Every film with its SHA-256 and the folder of its result. Films that were read before and have not changed since,
    by size and time, are not read again."""
    options.out.mkdir(parents=True, exist_ok=True)
    known = _known(options.out / KNOWN)
    digests, now, found = Digests(), {}, []
    for film in films:
        path = film.path.resolve()
        status = path.stat()
        mark = [status.st_size, status.st_mtime_ns]
        before = known.get(str(path))
        video = before[2] if before and before[:2] == mark else digests.of_file(path)
        now[str(path)] = [*mark, video]
        key = result_key(video, options.size)
        found.append((film, video, options.out / TRACKED / key[:2] / key))
    if now != known:
        write_json(options.out / KNOWN, now)
    return found


def _known(path: Path) -> dict[str, list]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _missing(found: list[tuple[Film, str, Path]], size: int) -> list[Job]:
    """The jobs of results that are not there, each once."""
    jobs: dict[Path, Job] = {}
    for line, (film, _, result) in enumerate(found, 1):
        if result in jobs or read_facts(result) is not None:
            continue
        video = str(film.path.resolve())
        out = f"{result.parent.name}/{result.name}"
        jobs[result] = Job(line, KIND, out, {"video": video, "size": size}, {"video": ("", video)})
    return list(jobs.values())


def _pool(options: Options, films: int) -> Pool:
    """Workers that draw with one thread each, however many there are: sums in another order would be other numbers."""
    place = str((options.out / TRACKED).resolve())
    if options.ray is not None:
        # Imported here: only where it is asked for.
        from emotalk.batch.ray_pool import RayPool

        return RayPool(place, options.ray, options.workers, 1, TABLE)
    return LocalPool(place, min(options.workers or available_cores(), films), 1, TABLE)


def _forget(tracked: Path, kept: set[Path]) -> None:
    """Remove results of films that are no longer in the corpus: whoever took their film back is not kept here."""
    for folder in tracked.iterdir():
        for result in folder.iterdir() if folder.is_dir() and folder.name != _HELD else ():
            if result not in kept:
                shutil.rmtree(result)


class _Told:
    """A line of the log after every hundredth of the work."""

    def __init__(self) -> None:
        self._share = -1

    def __call__(self, progress: BatchProgress) -> None:
        share = 100 * progress.done // max(1, progress.total or 1)
        if share != self._share:
            self._share = share
            log.info("%s", progress.line)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        sys.exit(main(tyro.cli(Options)))
    except EmotalkError as error:
        print(f"track_corpus: {error}", file=sys.stderr)
        sys.exit(2)
