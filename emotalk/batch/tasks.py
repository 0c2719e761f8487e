"""A job as a worker is told it, and its name after all that its result depends on."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from emotalk import __version__
from emotalk.batch.files import Digests, is_address, state_of
from emotalk.batch.jobs import Job
from emotalk.batch.places import FORMAT
from emotalk.core.errors import InputError
from emotalk.core.paths import CHECKPOINTS

_SETTINGS = ("EMOTALK_VOICE", "EMOTALK_KOKORO")
"""What the environment says about voices."""


MOST_MEMORY = 4 << 30
"""Bytes that a worker holds at most while it works. The largest of the shipped kinds' (docs/scale.md) hold a third."""
TIME, MEMORY = "time", "memory"
"""What a worker may have been ended over."""


@dataclass(frozen=True)
class Task:
    """What a worker needs to make a job's result, and what that may take: `seconds`, and bytes of `memory` that its
    worker holds meanwhile (None: any). All of it is JSON."""

    index: int  # of the job among those of the run, from 0
    kind: str
    options: dict[str, Any]
    inputs: dict[str, tuple[str, str]]
    out: str
    digest: str
    seconds: float | None = None
    memory: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As a table for `from_json`."""
        return asdict(self)

    @staticmethod
    def from_json(table: dict[str, Any]) -> Task:
        """The task that `to_json` wrote."""
        inputs = {name: (front, file) for name, (front, file) in table["inputs"].items()}
        return Task(**{**table, "inputs": inputs})


@dataclass(frozen=True)
class Answer:
    """What became of a task. Without `facts` it failed: `error` says why in a sentence, `detail` for those who look
    for a mistake in the program. `lost` where its worker is gone, and nobody knows why; `ended`, where the pool ended
    it, says over what (`TIME` or `MEMORY`). `memory` is in bytes."""

    index: int
    facts: dict[str, Any] | None = None
    error: str = ""
    detail: str = ""
    memory: int = 0
    lost: bool = False
    ended: str = ""


@dataclass(frozen=True)
class Limits:
    """What a job may take. One that takes longer than `seconds` (None: what its kind has; 0: any time), or whose worker
    holds more than `memory` bytes meanwhile (0: any), is given up with its worker."""

    seconds: float | None = None
    memory: int = MOST_MEMORY


class Naming:
    """Gives jobs their digests; reads every file once."""

    def __init__(self) -> None:
        self._digests = Digests()
        self._program = {
            "format": FORMAT,
            "version": __version__,
            "settings": [os.environ.get(name, "") for name in _SETTINGS],
            "models": [
                (path.name, self._digests.of(path))
                for path in sorted(CHECKPOINTS.iterdir())
                if path.suffix in (".safetensors", ".npz", ".json") or path.name == "voices"
            ],
        }

    def of(self, job: Job) -> str:
        """SHA-256 of the kind, the options, the bytes of the inputs, avatars and models that it names, the ids of the
        voices that will speak, the shipped models and the version of the program; of a file elsewhere, what its store
        says of it. Raises InputError where a file is gone."""
        try:
            inputs = {
                option: [front, PurePosixPath(file).name, state_of(file) if is_address(file) else self._local(file)]
                for option, (front, file) in job.inputs.items()
            }
            folders = [self._digests.of(folder) for folder in job.folders]
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read any more ({error.strerror or error}).") from error
        facts = {
            "program": self._program, "kind": job.kind, "inputs": inputs, "folders": folders, "voices": job.voices,
            "options": {name: value for name, value in job.options.items() if name not in job.inputs},
        }  # fmt: skip
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()

    def task(self, index: int, job: Job, limits: Limits | None = None) -> Task:
        """The job as a task within these limits; without them it may take what one of its kind may."""
        limits = limits or Limits()
        seconds = job.seconds if limits.seconds is None else limits.seconds
        return Task(
            index, job.kind, job.options, job.inputs, job.out, self.of(job), seconds or None, limits.memory or None
        )

    def _local(self, file: str) -> str:
        return self._digests.of(Path(file))
