"""Lips, emotion, sync, rhythm and speed of the motion model: `python -m benchmarks.motion`.

Prints tables and writes them to benchmarks/results/motion.md. Sections whose material is missing (flite's voices, the
research clips beside the checkout) are left out, and the file says so.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from benchmarks import motion_clips, motion_gate, motion_life, motion_lips, motion_person
from benchmarks.results_file import with_sections
from emotalk.core.atomic import write_text
from emotalk.head import HeadModel
from emotalk.motion import MotionModel
from emotalk.motion.emotion_recogniser import EmotionRecogniser
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.network import SyncModel

RESULTS = Path(__file__).parent / "results" / "motion.md"


@dataclass(frozen=True)
class Options:
    """Measure the motion model."""

    data: Path = Path("../shared/data")
    """Folder with the research clips and captures."""
    cache: Path | None = None
    """Folder to keep tracked landmarks and videos in; without one nobody is adapted to."""
    only: tuple[str, ...] = ()
    """Beginnings of the titles of sections to run; the others stay as they are. All by default."""
    out: Path = RESULTS
    """Where the tables go."""


def sections(options: Options) -> Iterator[tuple[str, Callable[[], Iterable[str]]]]:
    """Titles of all tables, and what gives their lines."""
    encoder, model, head = SpeechEncoder.load(), MotionModel.load(), HeadModel.load()
    sync, recogniser = SyncModel.load_judge(), EmotionRecogniser.load_judge()
    lines = motion_lips.spoken_lines(encoder)
    clips = motion_clips.filmed_clips(options.data / "clips", encoder, head, options.cache)
    if lines:
        yield "Lips on the head model", lambda: motion_lips.table(model, head, lines)
        yield "Gate and residual", lambda: motion_gate.table(model, lines, head, sync, recogniser)
        yield "Emotion recovered from motion", lambda: motion_life.emotion_table(model, recogniser, lines)
        yield "Sliders", lambda: motion_life.slider_table(model, head, lines[0])
        yield "Sync network on generated motion", lambda: motion_life.own_sync_table(model, sync, lines)
        yield "Rhythm", lambda: motion_life.rhythm_table(model, lines, options.data / "arkit", clips)
        yield "Speed, features to HeadMotion, one core", lambda: motion_life.speed_table(model, lines)
    if clips:
        yield "Generated against filmed lips", lambda: motion_clips.lips_table(model, sync, clips)
        yield "Sync network on filmed lips", lambda: motion_clips.sync_table(sync, clips)
        if cache := options.cache:
            yield (
                "Adapted to a person",
                lambda: motion_person.table(model, sync, encoder, options.data / "clips", cache),
            )
    missing = [name for name, there in (("flite's voices", lines), ("the research clips", clips)) if not there]
    if missing:
        yield "Left out", lambda: [f"Not there: {' and '.join(missing)}."]


def main(options: Options) -> None:
    """Print every section and write the file."""
    torch.set_num_threads(1)
    done = []
    for title, lines in sections(options):
        if options.only and not title.startswith(options.only):
            continue
        print(f"\n## {title}\n", flush=True)
        text = [f"## {title}\n"]
        for line in lines():
            text.append(line)
            print(line, flush=True)
        done.append("\n".join(text))
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    about = f"# Motion\n\n`python -m benchmarks.motion` on {platform.machine()}, {os.cpu_count()} cores, load {load}.\n"
    kept = options.out.read_text() if options.only and options.out.exists() else about
    write_text(options.out, with_sections(kept, done))


if __name__ == "__main__":
    main(tyro.cli(Options))
