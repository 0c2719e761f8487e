"""Lips of generated motion on the head model: closures, teeth, silence, articulation, under every corner of emotion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import VoiceError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FEATURE_RATE, FPS
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.head import HeadModel
from emotalk.motion import MotionModel
from emotalk.motion.visemes import articulation_at_video_rate
from emotalk.speech import say
from emotalk.speech.coarticulation import articulation_targets
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.known_phones import known_phones
from emotalk.sync.lip_measures import lip_gap

VOICES = ("flite:slt", "flite:rms", "flite:kal16")  # kal16 is a voice that nothing was trained on
SENTENCES = (
    "Bob may move five big maps before Friday.",
    "My mother bought a very fine blue poppy from Pam.",
    "People remember the problem of the broken umbrella.",
    "Above the bumpy valley, a brave fox jumped for fun.",
    "Please stop by the lamp shop and pick up my box.",
    "The farm bus never comes before half past five.",
    "We hope nobody minds if Emma brings her puppy.",
    "Five vans of fresh vegetables drove over the bridge.",
    "Why would you open every window in a snow storm?",
    "She sells cheap shoes and choice cheese at the harbour.",
)
"""Sentences of this file alone, full of p b m f v."""
CORNERS = ((0.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
SHUT = 0.5e-3
"""Metres above the gap of the resting face under which lips count as closed."""
WITHIN = 0.04
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
JAW, WIDTH, PUCKER = 0, 1, 2


@dataclass(frozen=True)
class Line:
    """A spoken sentence and its features, known (exact phone times) and heard (by the encoder)."""

    speech: Speech
    known: SpeechFeatures
    heard: SpeechFeatures
    voice: str


def spoken_lines(encoder: SpeechEncoder) -> list[Line]:
    """Every sentence by every voice that is installed, followed by a second of silence."""
    lines = []
    for voice in VOICES:
        for text in SENTENCES:
            try:
                said = say(text, voice)
            except VoiceError:
                break
            speech = Speech(np.concatenate([said.samples, np.zeros(16000, np.float32)]), said.source, text, said.phones)
            heard = encoder.encode(speech)
            lines.append(Line(speech, known_phones(heard, speech), heard, voice))
    return lines


def mesh_points(
    head: HeadModel, motion: HeadMotion, teeth: torch.Tensor | None = None, batch: int = 128
) -> tuple[torch.Tensor, np.ndarray]:
    """([T, 478, 3] landmarks in metres of the face, without head movement and gaze; [T] metres from the middle of the
    lower lip's inner edge to the nearest of the vertices `teeth`, zeros where none are given)."""
    points, distances = [], []
    with torch.inference_mode():
        for first in range(0, len(motion), batch):
            piece = motion[first : first + batch]
            face = {name: torch.from_numpy(getattr(piece, name)) for name in ("expression", "jaw", "eyelids")}
            mesh = head(**face)
            points.append(head.landmarks(mesh.vertices, "mediapipe478"))
            if teeth is None:
                distances.append(torch.zeros(len(piece)))
            else:
                distances.append(torch.cdist(points[-1][:, [87, 14, 317]], mesh.vertices[:, teeth]).amin((1, 2)))
    return torch.cat(points), torch.cat(distances).numpy()


def frames_near(second: float, frames: int, reach: float = WITHIN) -> list[int]:
    """Frames whose centre lies within `reach` seconds."""
    return [k for k in range(frames) if abs((k + 0.5) / FPS - second) <= reach]


@dataclass(frozen=True)
class LipReport:
    """Numbers of one corner of the square, with one kind of features."""

    corner: tuple[float, float]
    closures: np.ndarray  # [N] smallest gap in metres within 40 ms of each p b m
    shut: np.ndarray  # [N] for each stretch of shut lips while something is said: whether p b m (+-40 ms) or f v is
    openings: np.ndarray  # [N] largest gap in metres during long open vowels
    silence: np.ndarray  # [N] largest gap from 200 ms after the last phone on
    stillness: np.ndarray  # [N] largest speed of the gap there, metres a second
    teeth: np.ndarray  # [N] distance of lower lip from upper teeth at f v
    teeth_else: np.ndarray  # [N] the same at other consonants and vowels
    lips: np.ndarray  # [T, 40, 3] lip landmarks of all lines while they are spoken
    gaps: np.ndarray  # [T] gap of the inner lips then, metres above rest


def report(
    model: MotionModel, head: HeadModel, lines: list[Line], corner: tuple[float, float], known: bool
) -> LipReport:
    """Plays all lines at one corner."""
    with torch.inference_mode():
        neutral = head(expression=torch.zeros(1, 52))
        rest = float(lip_gap(head.landmarks(neutral.vertices, "mediapipe478"))[0])
        opened = torch.zeros(1, 52)
        opened[0, ARKIT_INDEX["jawOpen"]] = 1.0
        moved = (head(expression=opened).vertices - neutral.vertices)[0].norm(dim=-1)
        upper_teeth = (head.regions["teeth"] & (moved < 1e-4)).nonzero()[:, 0]
    columns: dict[str, list] = {
        name: [] for name in ("closures", "shut", "openings", "silence", "stillness", "teeth", "else", "lips", "gaps")
    }
    for line in lines:
        motion = model(line.known if known else line.heard, EmotionCurve.constant(*corner), seed=1)
        points, teeth = mesh_points(head, motion, upper_teeth)
        gap = (lip_gap(points) - rest).numpy()
        for start, end, phone in line.speech.phones:
            near = frames_near((start + end) / 2, len(motion))
            if not near:
                continue
            if phone in ("p", "b", "m"):
                columns["closures"].append(gap[near].min())
            elif phone in ("aa", "ae", "ay", "ao") and end - start > 0.1:
                columns["openings"].append(gap[near].max())
            if phone in ("f", "v"):
                columns["teeth"].append(teeth[near].min())
            elif phone != "sil":
                columns["else"].append(teeth[near].min())
        columns["shut"] += shut_at_contacts(gap, line.speech)
        last = max(end for _, end, phone in line.speech.phones if phone != "sil")
        quiet = gap[int(np.ceil((last + 0.2) * FPS)) :]
        columns["silence"].append(quiet.max())
        columns["stillness"].append(np.abs(np.diff(quiet)).max() * FPS)
        first = min(start for start, _, phone in line.speech.phones if phone != "sil")
        spoken = slice(int(first * FPS), int(last * FPS))
        columns["lips"].append(points[spoken, list(OUTER_LIPS + INNER_LIPS)].numpy())
        columns["gaps"].append(gap[spoken])
    arrays = {name: np.array(values) for name, values in columns.items() if name not in ("lips", "gaps")}
    return LipReport(
        corner, arrays["closures"], arrays["shut"], arrays["openings"], arrays["silence"], arrays["stillness"],
        arrays["teeth"], arrays["else"], np.concatenate(columns["lips"]), np.concatenate(columns["gaps"]),
    )  # fmt: skip


def shut_at_contacts(gap: np.ndarray, speech: Speech) -> list[bool]:
    """For every stretch of frames with shut lips while something is said, whether it lies within 40 ms of a p b m or
    touches an f v; `gap` [T] in metres above rest."""
    at = (np.arange(len(gap)) + 0.5) / FPS
    spoken = np.zeros(len(gap), bool)
    for start, end, phone in speech.phones:
        spoken |= (phone != "sil") & (at >= start) & (at < end)
    reach = {"p": WITHIN, "b": WITHIN, "m": WITHIN, "f": 0.0, "v": 0.0}
    contacts = [(start - reach[p], end + reach[p]) for start, end, p in speech.phones if p in reach]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (gap <= SHUT) & spoken, [0]]).astype(int))).reshape(-1, 2)
    return [any(a / FPS < end and b / FPS > start for start, end in contacts) for a, b in edges]


def correlations(model: MotionModel, lines: list[Line], known: bool) -> dict[str, float]:
    """Correlation of the neutral motion's jaw, lip spread and pucker with the articulation of the true phones."""
    said: list[np.ndarray] = []
    done: list[np.ndarray] = []
    for line in lines:
        motion = model(line.known if known else line.heard, EmotionCurve.constant(0, 0), seed=1)
        rows = len(line.known) // 2 * 2
        true = articulation_targets(line.speech.phones, rows, FEATURE_RATE)
        said.append(articulation_at_video_rate(true)[: len(motion)])
        face = {name: motion.expression[: len(said[-1]), i] for name, i in ARKIT_INDEX.items()}
        width = face["mouthStretchLeft"] + face["mouthDimpleLeft"] - 0.5 * face["mouthPucker"]
        done.append(np.stack([face["jawOpen"], width, face["mouthPucker"]], -1))
    truth, made = np.concatenate(said), np.concatenate(done)
    return {
        name: float(np.corrcoef(truth[:, k], made[:, k])[0, 1])
        for name, k in (("jaw", JAW), ("width", WIDTH), ("pucker", PUCKER))
    }


def deviation(neutral: LipReport, corner: LipReport) -> tuple[float, float, float]:
    """What an emotion does to lips that say the same, as shares of what speech itself does to them.

    (lip landmarks against those at (0, 0); the same without the constant part, a smile say; opening against opening),
    each as mean distance over the mean distance of speaking lips from their mean, or of openings from theirs.
    """
    said = neutral.lips - neutral.lips.mean(0)
    off = corner.lips - neutral.lips
    size = np.linalg.norm(said, axis=-1).mean()
    opened = corner.gaps - neutral.gaps
    return (
        float(np.linalg.norm(off, axis=-1).mean() / size),
        float(np.linalg.norm(off - off.mean(0), axis=-1).mean() / size),
        float(np.abs(opened).mean() / np.abs(neutral.gaps - neutral.gaps.mean()).mean()),
    )


def table(model: MotionModel, head: HeadModel, lines: list[Line]) -> Iterator[str]:
    """Markdown of everything above."""
    voices = sorted({line.voice for line in lines})
    yield f"{len(lines)} sentences by {', '.join(voices)}; lips count as closed up to {SHUT * 1e3:.1f} mm above rest.\n"
    yield (
        "| features | valence, arousal | p b m closed within ±40 ms | closed lips that are at p b m f v | "
        "gap p95 (mm) | open vowels, median gap (mm) | "
        "f v: lip to teeth, median (mm) | elsewhere | gap > 200 ms into silence (mm, max) | its speed (mm/s, max) | "
        "lip landmarks: emotion / speech | without the constant part | opening: emotion / speech |"
    )
    yield "|" + "---|" * 13
    for known in (True, False):
        neutral = None
        for corner in CORNERS:
            r = report(model, head, lines, corner, known)
            neutral = neutral or r
            shares = deviation(neutral, r)
            cells = [
                "known phones" if known else "encoder",
                f"{corner[0]:+.0f}, {corner[1]:+.0f}",
                f"{(r.closures <= SHUT).mean():.3f} (n={len(r.closures)})",
                f"{r.shut.mean():.3f} (n={len(r.shut)})",
                f"{np.percentile(r.closures, 95) * 1e3:.2f}",
                *(f"{np.median(x) * 1e3:.1f}" for x in (r.openings, r.teeth, r.teeth_else)),
                f"{r.silence.max() * 1e3:.2f}",
                f"{r.stillness.max() * 1e3:.1f}",
                *(f"{share:.2f}" for share in shares),
            ]
            yield "| " + " | ".join(cells) + " |"
    yield "\n| features | voice | jaw r | width r | pucker r |\n|---|---|---|---|---|"
    for known in (True, False):
        for voice in voices:
            r = correlations(model, [line for line in lines if line.voice == voice], known)
            name = "known phones" if known else "encoder"
            yield f"| {name} | {voice} | {r['jaw']:.3f} | {r['width']:.3f} | {r['pucker']:.3f} |"
