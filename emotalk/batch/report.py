"""What became of a batch: counts, and a sentence for every job that could not be done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from emotalk.core.progress import Progress

FORMAT = "emotalk-batch-report-1"


@dataclass(frozen=True)
class Failure:
    """One job that could not be done."""

    line: int  # of the list
    kind: str
    out: str
    sentence: str
    tries: int = 1
    detail: str = ""  # for those who look for a mistake in the program; empty where the sentence says it all


@dataclass(frozen=True)
class BatchReport:
    """A run over a list of jobs. `made` were made in this run, `already` there before; the rest, without the failures,
    is left where the run was `stopped`."""

    jobs: int
    made: int
    already: int
    failures: tuple[Failure, ...]
    seconds: float
    renewed: int = 0  # workers that were ended for a fresh one
    lost: int = 0  # workers that ended by themselves
    ended: int = 0  # workers that were ended over a job that took too long or too much memory
    memory: int = 0  # bytes of the largest worker, after a task or when it was ended
    stopped: bool = False

    @property
    def sentence(self) -> str:
        """The whole in a sentence."""
        parts = [f"{self.made:,} made", f"{self.already:,} there before" if self.already else ""]
        parts.append(f"{len(self.failures):,} failed" if self.failures else "")
        left = self.jobs - self.made - self.already - len(self.failures)
        parts.append(f"{left:,} left" if left else "")
        return f"Of {self.jobs:,} jobs " + ", ".join(filter(None, parts)) + f" in {self.seconds:.0f} s."

    def to_json(self) -> bytes:
        """As a file in UTF-8."""
        table: dict[str, Any] = {"format": FORMAT, "sentence": self.sentence, **asdict(self)}
        return (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class BatchProgress(Progress):
    """How far a batch is: `done` and `total` are jobs."""

    made: int = 0
    already: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        """Jobs made or failed a minute in this run."""
        return 60 * (self.made + self.failed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def line(self) -> str:
        """As a line of a log: "12 of 200 jobs, 1 failed, 4.2 a minute, 44:45 left"."""
        failed = f"{self.failed:,} failed" if self.failed else ""
        rate = f"{self.rate:.3g} a minute" if self.made + self.failed else ""
        return ", ".join(filter(None, (f"{self.done:,} of {self.total:,} jobs", failed, rate, self.time_left)))
