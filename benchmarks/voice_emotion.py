"""How well arousal is heard in voices never trained on: `python -m benchmarks.voice_emotion`.

EMO-DB (10 German speakers) and RAVDESS (6 English speakers), measured only: nothing in emotalk is fitted to them.
Each utterance is judged alone (an unknown voice for two seconds) and within a recording of all of its speaker's
utterances in random order (a voice one has listened to for a while). Writes benchmarks/results/voice_emotion.md.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.stats import rankdata

from emotalk.core.atomic import write_text
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.loudness import normalise
from emotalk.speech.pitch import prosody_frames
from emotalk.speech.voice_arousal import VoiceArousal, voice_emotion

RESULTS = Path(__file__).resolve().parent / "results" / "voice_emotion.md"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "speech"

# Arousal that each acted emotion stands for; high is >= 0.5, low is <= 0, disgust is neither.
_EMODB = {"W": 0.8, "A": 0.6, "F": 0.7, "E": 0.3, "N": 0.0, "L": -0.6, "T": -0.6}
_RAVDESS = {"01": 0.0, "02": -0.4, "03": 0.7, "04": -0.5, "05": 0.8, "06": 0.7, "07": 0.3, "08": 0.7}
_HIGH, _LOW = 0.5, 0.0
_BETWEEN = 0.25  # the fixed border for high/low accuracy
_GAP = np.zeros(round(0.3 * SAMPLE_RATE), np.float32)


@dataclass(frozen=True)
class Utterance:
    speaker: str
    arousal: float
    samples: np.ndarray  # [N] at 16 kHz as recorded


@dataclass(frozen=True)
class Row:
    corpus: str
    method: str
    ccc: float
    speakers: tuple[float, float]  # lowest and highest CCC of one speaker
    correlation: float
    accuracy: float
    area: float  # under the ROC curve, high against low
    confidence: float


def load(corpus: str, data: Path = DATA) -> list[Utterance]:
    """The labelled utterances of "emodb" or "ravdess"."""
    found = []
    for path in sorted((data / corpus).glob("*.flac")):
        name = path.stem
        if corpus == "emodb":
            speaker, arousal = name[:2], _EMODB[name[5]]
        else:
            fields = name.split("-")
            speaker, arousal = fields[6], _RAVDESS[fields[2]]
        found.append(Utterance(speaker, arousal, soundfile.read(path, dtype="float32")[0]))
    return found


def concordance(predicted: np.ndarray, target: np.ndarray) -> float:
    """Lin's concordance correlation coefficient (1989)."""
    covariance = np.mean((predicted - predicted.mean()) * (target - target.mean()))
    return float(2 * covariance / (predicted.var() + target.var() + (predicted.mean() - target.mean()) ** 2))


def alone(utterances: list[Utterance]) -> tuple[np.ndarray, np.ndarray]:
    """Mean arousal and confidence of each utterance, heard by itself."""
    heard = [voice_emotion(Speech(normalise(u.samples))) for u in utterances]
    return np.array([h.arousal.mean() for h in heard]), np.array([h.confidence.mean() for h in heard])


def in_a_recording(utterances: list[Utterance], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The same with all utterances of a speaker put into one recording, in random order."""
    arousal, confidence = np.zeros(len(utterances)), np.zeros(len(utterances))
    generator = np.random.default_rng(seed)
    for speaker in sorted({u.speaker for u in utterances}):
        order = generator.permutation([i for i, u in enumerate(utterances) if u.speaker == speaker])
        joined = np.concatenate([part for i in order for part in (utterances[i].samples, _GAP)])
        heard = VoiceArousal().listen(Speech(normalise(joined)))
        start = 0
        for i in order:
            end = start + len(utterances[i].samples)
            frames = slice(round(start / SAMPLE_RATE * FPS), round(end / SAMPLE_RATE * FPS))
            arousal[i], confidence[i] = heard.arousal[frames].mean(), heard.confidence[frames].mean()
            start = end + len(_GAP)
    return arousal, confidence


def pitch_alone(utterances: list[Utterance]) -> tuple[np.ndarray, np.ndarray]:
    """The baseline: nothing but the height of the voice, 8 semitones above 157 Hz (between men and women) being 1."""
    heights = []
    for utterance in utterances:
        f0 = prosody_frames(normalise(utterance.samples)).f0
        heights.append(12 * np.log2(np.median(f0[f0 > 0]) / 157.0) / 8 if f0.any() else 0.0)
    return np.clip(heights, -1, 1), np.full(len(utterances), np.nan)


METHODS = {"pitch height only (baseline)": pitch_alone, "each utterance alone": alone,
           "within its speaker's recording": in_a_recording}  # fmt: skip


def measure(corpus: str, method: str, utterances: list[Utterance]) -> Row:
    """All scores of one method on one corpus."""
    predicted, confidence = METHODS[method](utterances)
    target = np.array([u.arousal for u in utterances])
    speakers = np.array([u.speaker for u in utterances])
    each = [concordance(predicted[speakers == s], target[speakers == s]) for s in sorted(set(speakers))]
    high, low = target >= _HIGH, target <= _LOW
    ranks = rankdata(predicted[high | low])
    wins = ranks[high[high | low]].sum() - high.sum() * (high.sum() + 1) / 2
    return Row(
        corpus, method, concordance(predicted, target), (min(each), max(each)),
        float(np.corrcoef(predicted, target)[0, 1]),
        float(((predicted[high] > _BETWEEN).mean() + (predicted[low] <= _BETWEEN).mean()) / 2),
        float(wins / (high.sum() * low.sum())), float(confidence.mean()),
    )  # fmt: skip


def table(rows: list[Row]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| corpus | method | CCC (one speaker: lowest..highest) | r | high/low accuracy | ROC area | confidence |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        confidence = "-" if np.isnan(row.confidence) else f"{row.confidence:.2f}"
        lines.append(
            f"| {row.corpus} | {row.method} | {row.ccc:.2f} ({row.speakers[0]:.2f}..{row.speakers[1]:.2f}) "
            f"| {row.correlation:.2f} | {row.accuracy:.2f} | {row.area:.2f} | {confidence} |"
        )
    return "\n".join(lines)


def run(data: Path = DATA) -> str:
    """Measures everything that is there; returns the section as Markdown."""
    rows, notes = [], []
    for corpus in ("emodb", "ravdess"):
        if not (data / corpus).is_dir():
            notes.append(f"{corpus}: not measured, {data / corpus} is absent.")
            continue
        utterances = load(corpus, data)
        started = time.perf_counter()
        rows += [measure(corpus, method, utterances) for method in METHODS]
        seconds = sum(len(u.samples) for u in utterances) / SAMPLE_RATE
        speed = len(METHODS) * seconds / (time.perf_counter() - started)
        speakers = len({u.speaker for u in utterances})
        notes.append(
            f"{corpus}: {len(utterances)} utterances of {speakers} speakers, {seconds / 60:.0f} minutes, "
            f"heard at {speed:.0f}x real time."
        )
    text = [
        "## Arousal from the voice", "",
        "Speakers and corpora were never trained on: the method is a fixed formula (emotalk/emotion/voice.py), its "
        "slopes are round numbers. Their direction is the literature's; their size, and one of two spreads, was "
        "chosen with these corpora in view, so the scores are not blind, and the confidence is not calibrated. "
        "Targets are one arousal for each acted emotion; accuracy is "
        f"balanced, high (>= {_HIGH}) against low (<= {_LOW}), border fixed at {_BETWEEN}. Chance: CCC 0, accuracy and "
        "ROC area 0.5. Confidence is what the method itself expects its correlation to be.", "",
        table(rows), "", *notes, "",
        "Valence is not measured: nothing in prosody carries it across corpora, so it stays with the slider.",
    ]  # fmt: skip
    return "\n".join(text) + "\n"


def main() -> None:
    """Prints the section and writes it to benchmarks/results/voice_emotion.md."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds emodb/ and ravdess/")
    text = run(parser.parse_args().data)
    write_text(RESULTS, text)
    print(text)


if __name__ == "__main__":
    main()
