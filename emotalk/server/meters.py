"""What this process has counted since it started, and the text in which Prometheus reads it.

    line, live talks, gate, talks ─► METERS.add ─┐
    App.gauges: what is there now ───────────────┴─► `exposition` ─► GET /metrics (`health`)

Nothing here tells who: no session, no address, no text, no name of an avatar. A family has one label at most, and its
values are written down here, so that no visitor can make the table grow.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotalk.core.clip import Clip

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KINDS = ("talk", "hub", "fit")
STAGES = ("speech", "motion", "pose", "draw", "encode", "whole")
_TIMED = {
    "speech": "speech", "motion": "motion", "pose": "pose", "render": "draw", "encode": "encode", "total": "whole",
}  # fmt: skip
"""Entries of `Clip.timings` by stage. Posing and drawing of different frames overlap, as do their seconds."""
LATEST = 20
"""Clips of which the speed of the stages is told."""


@dataclass(frozen=True)
class Family:
    """A number, or one for each value of its label."""

    name: str
    kind: str  # "counter" or "gauge"
    help: str
    label: str = ""
    values: tuple[str, ...] = ()


REFUSED = ("talk", "hub", "fit", "light", "still", "live", "gate", "stopping")
"""What is refused: heavy jobs of the line by kind, its light ones, pictures and packs, live talks and microphones,
whatever the gate turns away, and whatever comes while the server stops."""
COUNTERS = (
    Family("emotalk_jobs_total", "counter", "Jobs of the line that have ended.", "kind", KINDS),
    Family("emotalk_job_seconds_total", "counter", "Seconds that they took, without waiting.", "kind", KINDS),
    Family("emotalk_job_wait_seconds_total", "counter", "Seconds that they waited for their turn.", "kind", KINDS),
    Family("emotalk_refusals_total", "counter", "Requests answered with a refusal.", "what", REFUSED),
    Family("emotalk_clips_total", "counter", "Clips that were made."),
    Family("emotalk_video_seconds_total", "counter", "Seconds of video that were made."),
    Family("emotalk_stage_seconds_total", "counter", "Seconds of work on clips by stage.", "stage", STAGES),
    Family("emotalk_live_talks_total", "counter", "Talks of live faces that were begun."),
    Family("emotalk_live_sound_seconds_total", "counter", "Seconds of speech made for live faces."),
)
GAUGES = (
    Family("emotalk_queue_waiting", "gauge", "Jobs that wait for their turn.", "kind", KINDS),
    Family("emotalk_queue_running", "gauge", "Jobs at work.", "kind", KINDS),
    Family(
        "emotalk_stage_video_seconds_per_second", "gauge",
        f"Seconds of video per second of a stage, over the last {LATEST} clips.", "stage", STAGES,
    ),
    Family("emotalk_stills", "gauge", "Pictures of the stage and packs of live faces on their way."),
    Family("emotalk_page_streams", "gauge", "Pages and programs that wait for news of their jobs."),
    Family("emotalk_live_pages", "gauge", "Pages with a live face."),
    Family("emotalk_live_talks", "gauge", "Talks of live faces that are made or heard now."),
    Family("emotalk_live_turns_waiting", "gauge", "Live talks that wait for their turn to compute."),
    Family("emotalk_microphones", "gauge", "Microphones that live faces follow."),
    Family("emotalk_files_on_their_way", "gauge", "Clips and files that are being read."),
    Family("emotalk_temporary_bytes", "gauge", "Temporary files, at the last look."),
    Family("emotalk_stopping", "gauge", "1 while the server ends and takes nothing new."),
    Family("process_resident_memory_bytes", "gauge", "Memory of the server's process."),
    Family("process_cpu_seconds_total", "counter", "CPU seconds of the process and of ended children."),
    Family("process_open_fds", "gauge", "Open files and connections."),
    Family("process_threads", "gauge", "Threads of the process."),
    Family("process_start_time_seconds", "gauge", "Start of the process, since 1970."),
)  # fmt: skip
"""What `App.gauges` and `health` give at the moment of asking."""

Gauges = Mapping[str, float | Mapping[str, float]]
"""By the name of a family: its number, or numbers by the label's value."""


class Meters:
    """The counters. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {(family.name, value): 0.0 for family in COUNTERS for value in family.values or ("",)}
        self._latest: deque[tuple[float, dict[str, float]]] = deque(maxlen=LATEST)
        self._reading = 0

    def add(self, name: str, amount: float = 1.0, value: str = "") -> None:
        """Count `amount` more under a name and a value of its label; KeyError where `COUNTERS` has no such thing."""
        with self._lock:
            self._counts[name, value] += amount

    def get(self, name: str, value: str = "") -> float:
        """What was counted so far."""
        with self._lock:
            return self._counts[name, value]

    def made(self, clip: Clip) -> None:
        """A clip was made."""
        stages = {stage: clip.timings[timed] for timed, stage in _TIMED.items() if timed in clip.timings}
        self.add("emotalk_clips_total")
        self.add("emotalk_video_seconds_total", clip.seconds)
        for stage, seconds in stages.items():
            self.add("emotalk_stage_seconds_total", seconds, stage)
        with self._lock:
            self._latest.append((clip.seconds, stages))

    def speeds(self) -> dict[str, float]:
        """Seconds of video per second of work by stage over the latest clips; a stage without work is left out."""
        with self._lock:
            latest = list(self._latest)
        seconds = sum(length for length, _ in latest)
        work = {stage: sum(stages.get(stage, 0.0) for _, stages in latest) for stage in STAGES}
        return {stage: seconds / spent for stage, spent in work.items() if spent > 0}

    def reading(self, change: int) -> int:
        """Files that are being read now, after `change` more."""
        with self._lock:
            self._reading += change
            return self._reading

    def counted(self, talk: Callable[..., Clip]) -> Callable[..., Clip]:
        """`talk`, each of its clips counted."""

        def counting(*arguments: Any, **options: Any) -> Clip:
            clip = talk(*arguments, **options)
            self.made(clip)
            return clip

        return counting

    def counts(self) -> dict[str, dict[str, float]]:
        """All counters: by name, by the label's value ("" where there is no label)."""
        with self._lock:
            items = list(self._counts.items())
        table: dict[str, dict[str, float]] = {}
        for (name, value), count in items:
            table.setdefault(name, {})[value] = count
        return table


METERS = Meters()
"""Of this process."""


def exposition(meters: Meters, gauges: Gauges) -> str:
    """Counters and gauges in Prometheus' text format (0.0.4). What is no family, or no value of its label, is left out;
    a gauge that is not given is too."""
    counts = meters.counts()
    lines: list[str] = []
    for family in COUNTERS:
        lines += _lines(family, counts[family.name])
    for family in GAUGES:
        given = gauges.get(family.name)
        if given is not None:
            lines += _lines(family, given if isinstance(given, Mapping) else {"": given})
    return "\n".join(lines) + "\n"


def _lines(family: Family, numbers: Mapping[str, float]) -> Iterator[str]:
    known: Iterable[str] = family.values or ("",)
    told = [(value, numbers[value]) for value in known if value in numbers]
    if told:
        yield f"# HELP {family.name} {family.help}"
        yield f"# TYPE {family.name} {family.kind}"
    for value, number in told:
        label = f'{{{family.label}="{value}"}}' if value else ""
        yield f"{family.name}{label} {_number(number)}"


def _number(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(round(float(number), 6))
