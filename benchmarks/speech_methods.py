"""The methods under test on sounds with known phones, and their scores as table rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import find_peaks

from benchmarks.speech_scores import Score, Segments, Track, closures_of, track_of_segments, visemes_of
from emotalk.core.atomic import write_json
from emotalk.core.speech import ARTICULATION_NAMES, PHONES, Speech, SpeechFeatures
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.loudness import normalise
from scripts.speech_corpus.align import decode_phones

JAW, CLOSURE = (ARTICULATION_NAMES.index(name) for name in ("jaw", "closure"))


@dataclass(frozen=True)
class Sample:
    """A sound with known phones, and which group its score counts for."""

    group: str
    samples: np.ndarray
    segments: Segments


def encoder_track(features: SpeechFeatures) -> Track:
    closures = closures_of(features.articulation[:, CLOSURE])
    phones = features.phones
    return Track(phones.argmax(1), visemes_of(phones), closures, features.articulation[:, JAW])


def loudness_track(features: SpeechFeatures) -> Track:
    """What loudness alone can tell: a jaw that opens with it, a closure at every dip, the commonest viseme."""
    energy = np.maximum(features.energy, features.energy.max() - 40)
    speech = energy > features.energy.max() - 25
    dips, _ = find_peaks(-np.pad(energy, 1, constant_values=energy.min()), prominence=6)
    dips = dips[(dips > 1) & (dips < len(energy))] - 1
    phones = np.where(speech, PHONES.index("n"), 0)
    probabilities = np.eye(len(PHONES), dtype=np.float32)[phones]
    return Track(phones, visemes_of(probabilities), (dips[speech[dips]] + 0.5) / 50, energy)


def remembered(folder: Path, listen: Callable[..., Segments | None], samples: np.ndarray, *rest) -> Segments | None:
    """`listen(samples, *rest)` of pocketsphinx, kept in `folder`: it takes most of the time and never changes."""
    key = hashlib.sha256(repr((listen.__name__, rest)).encode() + samples.tobytes()).hexdigest()[:24]
    path = folder / f"{key}.json"
    if not path.exists():
        write_json(path, listen(samples, *rest), indent=None)
    return json.loads(path.read_text())


def scores(
    encoder: SpeechEncoder, samples: Iterator[Sample], baselines: Path | None = None
) -> dict[str, dict[str, Score]]:
    """Score by group and method, and under the group "all"; with baselines, kept in the folder given."""
    table: dict[str, dict[str, Score]] = {}
    for sample in samples:
        features = encoder.encode(Speech(normalise(sample.samples)))  # as load_audio hands it on
        truth = track_of_segments(sample.segments, len(features))
        tracks = {"encoder": encoder_track(features)}
        if baselines is not None:
            tracks["loudness only"] = loudness_track(features)
            decoded = remembered(baselines, decode_phones, sample.samples)
            tracks["pocketsphinx phones"] = track_of_segments(decoded, len(features))
        for group in (sample.group, "all"):
            for method, track in tracks.items():
                table.setdefault(group, {}).setdefault(method, Score()).add(track, truth)
    return table


HEADER = (
    "| {} | method | viseme | with silence | phone | p/b/m P | p/b/m R | bias ms | median ms | jaw r |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def score_rows(table: dict[str, dict[str, Score]]) -> str:
    rows = []
    for group, methods in table.items():
        for method, s in methods.items():
            said = f"{s.closure_precision:.2f} | {s.closure_recall:.2f} | {1000 * s.closure_bias:+.0f}"
            rows.append(
                f"| {group} | {method} | {s.viseme_accuracy:.3f} | {s.viseme_accuracy_with_silence:.3f} | "
                f"{s.phone_accuracy:.3f} | {said} | {1000 * s.closure_error:.0f} | {s.jaw_correlation:.3f} |"
            )
    return "\n".join(rows)
