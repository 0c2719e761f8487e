"""What the hearing half of a live face costs and gives: `python -m benchmarks.live_streams [--only talk lips]`.

Prints tables and writes them to benchmarks/results/live_streams.md, section by section. CPU seconds are those of all
threads of the process and of the programs that it starts (flite), on one second of speech.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks import live_listeners
from benchmarks.motion_lips import SENTENCES, SHUT, frames_near, mesh_points
from benchmarks.results_file import with_sections
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.atomic import write_text
from emotalk.core.errors import VoiceError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.emotion.space import EmotionCurve
from emotalk.head import HeadModel
from emotalk.live import wire
from emotalk.live.hearing import LiveTalk
from emotalk.live.puppet import LAG_SECONDS, Puppet
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.network import LIP_SHAPES, SpeechCode
from emotalk.speech import say
from emotalk.speech.known_phones import known_phones
from emotalk.speech.mel import SMALL_GROUP
from emotalk.speech.told_hidden import ToldHidden
from emotalk.speech.told_stream import ToldStream
from emotalk.sync.lip_measures import lip_gap
from emotalk.talk import Studio, TalkRequest
from emotalk.talk.sound import TalkSound

RESULTS = Path(__file__).parent / "results" / "live_streams.md"
ABOUT = """# Live streams

`python -m benchmarks.live_streams` (`--only talk lips puppet listeners` renews parts). What the server does for a live
face.
"""
VOICES = ("flite:slt", "kokoro:af_heart")
LIP_VOICES = ("flite:slt", "flite:kal16", "espeak:en-us", "kokoro:af_heart")
TEXT = " ".join(SENTENCES[:8])
PIECE = 2000
"""Samples that a microphone sends at once: an eighth of a second."""


def cpu() -> float:
    """Seconds of this process's threads and of the programs it has started."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def spent(work: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    """CPU seconds of the best of some rounds, and what the last one gave."""
    best, made = np.inf, None
    for _ in range(rounds):
        started = cpu()
        made = work()
        best = min(best, cpu() - started)
    return best, made


def talk(rounds: int) -> Iterator[str]:
    """What a talk costs by stage, and how soon it begins."""
    studio = Studio()
    yield f"CPU seconds on a second of speech, best of {rounds}; told: without the speech network.\n"
    yield (
        "| voice | path | voice alone | prosody or encoder, phones | code | the whole stream "
        "| kB/s: sound, motion, all |"
    )
    yield "|" + "---|" * 7
    firsts = []
    for voice in VOICES:
        request = TalkRequest(text=TEXT, voice=voice)
        try:
            say("Hello.", voice)
        except VoiceError as error:
            yield f"\n{voice}: {error}"
            continue
        alone, blocks = spent(lambda request=request: list(TalkSound(studio, request).sound()), rounds)
        samples = np.concatenate(blocks)
        seconds = len(samples) / 16_000
        speech = say(TEXT, voice, emotion=(0.0, 0.0))
        for path, fast in (("told", True), ("heard", False)):
            hear, features = spent(lambda fast=fast, speech=speech: _features(studio, speech, fast), rounds)
            code, _ = spent(lambda features=features: _rows(studio.motion, features), rounds)
            whole, data = spent(
                lambda request=request, fast=fast: b"".join(LiveTalk(studio, request, fast=fast).records()), rounds
            )
            sizes = dict.fromkeys(wire.KINDS, 0)
            for kind, payload in wire.records(data):
                sizes[kind] += 4 + len(payload)
            rates = [sizes["A"], sizes["M"], len(data)]
            cells = [voice, path, *(f"{x / seconds:.4f}" for x in (alone, hear, code, whole))]
            yield "| " + " | ".join(cells) + " | " + ", ".join(f"{x / 1000 / seconds:.1f}" for x in rates) + " |"
        firsts.append((voice, *_begin(studio, request, rounds)))
    yield "\nWhat a stream chooses by itself, until its first record of a kind: best of the rounds.\n"
    yield "| voice | sound: clock, CPU | motion: clock, CPU |\n|---|---|---|"
    for voice, sound, motion in firsts:
        yield f"| {voice} | {sound[0]:.3f} s, {sound[1]:.3f} s | {motion[0]:.3f} s, {motion[1]:.3f} s |"


def _features(studio: Studio, speech: Speech, fast: bool) -> SpeechFeatures:
    stream = ToldStream() if fast else studio.encoder.stream(SMALL_GROUP)
    pieces = [speech.samples[start : start + SAMPLE_RATE] for start in range(0, len(speech.samples), SAMPLE_RATE)]
    parts = [part for part in (*map(stream.push, pieces), stream.finish()) if part is not None]
    features = known_phones(SpeechFeatures.concatenate(parts), speech)
    return ToldHidden.load()(features) if fast else features


def _rows(model: MotionModel, features: SpeechFeatures, style: MotionStyle | None = None) -> np.ndarray:
    stream = model.code_stream(style or MotionStyle())
    return np.concatenate([stream.push(features), stream.finish()])


def _begin(studio: Studio, request: TalkRequest, rounds: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """(clock, CPU) seconds until the first sound and the first motion."""
    found: dict[str, list[tuple[float, float]]] = {"A": [], "M": []}
    for _ in range(rounds):
        started = time.perf_counter(), cpu()
        waited = set(found)
        for data in LiveTalk(studio, request).records():
            kind = chr(data[0])
            if kind in waited:
                waited.remove(kind)
                found[kind].append((time.perf_counter() - started[0], cpu() - started[1]))
            if not waited:
                break
    return min(found["A"]), min(found["M"])


def lips(_rounds: int) -> Iterator[str]:
    """Lips of the told path against those of the heard one."""
    studio, head = Studio(), HeadModel.load()
    rest = _rest(head)
    yield (
        f"{len(SENTENCES)} sentences full of p b m, neutral. Told: prosody, told phones and the hidden layer that goes "
        "with them (`speech.told_hidden`, made of flite:slt, rms, awb and espeak:en-us saying other sentences). Heard: "
        "the encoder's hidden layer, the same phones. r and the told path's spread as a share of the heard one's; "
        f"p b m closed up to {SHUT * 1e3:.1f} mm above rest within 40 ms.\n"
    )
    names = [name.rstrip("*") for name in LIP_SHAPES]
    yield "| voice | " + " | ".join(names) + " | closed, told | closed, heard |"
    yield "|" + "---|" * (len(names) + 3)
    for voice in LIP_VOICES:
        faces: list[list[np.ndarray]] = [[], []]
        gaps: list[list[float]] = [[], []]
        for text in SENTENCES:
            try:
                said = say(text, voice)
            except VoiceError:
                break
            speech = Speech(np.concatenate([said.samples, np.zeros(8000, np.float32)]), phones=said.phones)
            for path in (0, 1):
                features = _features(studio, speech, fast=path == 0)
                motion = studio.motion(features, EmotionCurve.constant(0, 0), MotionStyle(face=1), 1)
                faces[path].append(motion.expression)
                gaps[path] += _closings(lip_gap(mesh_points(head, motion)[0]).numpy() - rest, speech)
        if not gaps[0]:
            continue
        told, heard = (np.concatenate(parts) for parts in faces)
        columns = [ARKIT_INDEX[name.replace("*", "Left")] for name in LIP_SHAPES]
        cells = [
            f"{np.corrcoef(told[:, i], heard[:, i])[0, 1]:.3f}, {told[:, i].std() / heard[:, i].std():.2f}"
            for i in columns
        ]
        closed = [f"{(np.array(path) <= SHUT).mean():.3f}" for path in gaps]
        yield f"| {voice} | " + " | ".join([*cells, *closed]) + " |"


def _rest(head: HeadModel) -> float:
    with torch.inference_mode():
        return float(lip_gap(head.landmarks(head(expression=torch.zeros(1, 52)).vertices, "mediapipe478"))[0])


def _closings(gap: np.ndarray, speech: Speech) -> list[float]:
    """The smallest gap within 40 ms of the middle of each p, b and m."""
    middles = [(start + end) / 2 for start, end, phone in speech.phones if phone in ("p", "b", "m")]
    return [float(gap[near].min()) for middle in middles if (near := frames_near(middle, len(gap)))]


def puppet(rounds: int) -> Iterator[str]:
    """A microphone against the whole recording."""
    studio, head = Studio(), HeadModel.load()
    style, rest = MotionStyle(face=studio.avatar("mira").card.face), _rest(head)
    layout = wire.ROW
    yield (
        f"{len(SENTENCES)} sentences by each voice into a microphone that sends {PIECE / 16:.0f} ms at a time; rows "
        f"leave {LAG_SECONDS * 1000:.0f} ms after their sound. Against the rows of the whole recording, heard by the "
        "same encoder.\n"
    )
    yield "| voice | r of the jaw | of the lips' opening | closed, live | closed, whole recording | CPU s / s |"
    yield "|" + "---|" * 6
    for voice in VOICES:
        pairs: list[list[np.ndarray]] = [[], []]
        gaps: list[list[float]] = [[], []]
        work = seconds = 0.0
        for text in SENTENCES:
            try:
                said = say(text, voice)
            except VoiceError:
                break
            speech = Speech(np.concatenate([said.samples, np.zeros(8000, np.float32)]), phones=said.phones)
            cost, live = spent(lambda speech=speech: _puppet(studio, speech), rounds)
            whole = _rows(studio.motion, studio.encoder.encode(speech), style)
            work, seconds = work + cost, seconds + speech.seconds
            for path, rows in enumerate((live, whole)):
                face = _shown(studio.motion, rows, style)
                gap = _gap(head, face) - rest
                pairs[path].append(np.stack([face[:, ARKIT_INDEX["jawOpen"]], rows[:, layout.lips.start]], 1))
                gaps[path] += _closings(gap, speech)
        if not gaps[0]:
            continue
        live, whole = (np.concatenate(parts) for parts in pairs)
        r = [f"{np.corrcoef(live[:, i], whole[:, i])[0, 1]:.3f}" for i in (0, 1)]
        closed = [f"{(np.array(path) <= SHUT).mean():.3f}" for path in gaps]
        yield f"| {voice} | " + " | ".join([*r, *closed, f"{work / seconds:.3f}"]) + " |"


def _puppet(studio: Studio, speech: Speech) -> np.ndarray:
    live = Puppet(studio, "mira")
    parts = [live.push(speech.samples[start : start + PIECE]) for start in range(0, len(speech.samples), PIECE)]
    found = wire.records(b"".join([*parts, live.finish()]))
    return np.concatenate([wire.content(kind, payload) for kind, payload in found if kind == "M"])


def _shown(model: MotionModel, rows: np.ndarray, style: MotionStyle) -> np.ndarray:
    """Neutral faces [T, 52] of rows of an average person."""
    network, layout, x = model.network, wire.ROW, torch.from_numpy(rows)[None]
    vector = torch.from_numpy(style.vector)[None]
    with torch.inference_mode():
        code = SpeechCode(
            x[..., layout.channels], x[..., layout.lips], network.style(vector)[:, None],
            torch.exp(vector @ network.lip_style)[:, None], x[..., layout.closures], x[..., layout.silent],
        )  # fmt: skip
        va, gains = torch.zeros(1, len(rows), 2), torch.from_numpy(style.gains)[None]
        return network.apply_emotion(code, va, gains, None, network.size_of(style)).expression[0].numpy()


def _gap(head: HeadModel, face: np.ndarray) -> np.ndarray:
    """[T] metres between the inner lips."""
    with torch.inference_mode():
        mesh = head(expression=torch.from_numpy(face))
        return lip_gap(head.landmarks(mesh.vertices, "mediapipe478")).numpy()


def listeners(_rounds: int) -> Iterator[str]:
    """Many at once, on a served page."""
    yield from live_listeners.table()


PARTS = {
    "talk": ("Cost of a talk", talk),
    "lips": ("Lips without listening", lips),
    "puppet": ("The microphone", puppet),
    "listeners": ("Listeners at once", listeners),
}


@dataclass(frozen=True)
class Options:
    """Measure the streams of live faces."""

    only: tuple[str, ...] = tuple(PARTS)
    """Parts to run; the others stay as they are in the file."""
    rounds: int = 3
    """Rounds of which the cheapest counts."""
    out: Path = RESULTS
    """Where the tables go."""


def main(options: Options) -> None:
    """Print every part and write the file after each."""
    torch.set_num_threads(1)
    for name in options.only:
        title, table = PARTS[name]
        print(f"\n## {title}\n", flush=True)
        lines = []
        for line in table(options.rounds):
            lines.append(line)
            print(line, flush=True)
        load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
        lines.append(
            f"\n{os.cpu_count()} cores ({platform.machine()}); load average at the end (1, 5, 15 minutes): {load}."
        )
        kept = options.out.read_text(encoding="utf-8") if options.out.exists() else ABOUT
        write_text(options.out, with_sections(kept, [f"## {title}\n\n" + "\n".join(lines)]))


if __name__ == "__main__":
    main(tyro.cli(Options))
