"""Stand-ins for what these tests do not want to load: how a text is pronounced, and the two networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotalk.speech.kokoro.model import FRAME, RATE, Prosody
from emotalk.speech.kokoro.symbols import PAUSING, VOCABULARY
from emotalk.speech.kokoro.transcript import Transcript

SYMBOLS = {number: symbol for symbol, number in VOCABULARY.items()}
PAUSE, LOUD = -6.0, 5.0
"""Log energies of a pause and of a sound."""


def spelled(texts: Sequence[str], language: str) -> list[str]:
    """A transcriber that says every letter as it is written, and "of the" in one breath."""
    return [text.lower().replace("of the", "ofthe") for text in texts]


def transcript_of(symbols: str) -> Transcript:
    """Symbols whose words are what stands between spaces and marks."""
    owner, words, inside = [], [], False
    for symbol in symbols:
        if symbol == " " or symbol in PAUSING:
            owner.append(-1)
            inside = False
        else:
            words += [] if inside else [f"word{len(words)}"]
            owner.append(len(words) - 1)
            inside = True
    return Transcript(symbols, tuple(owner), tuple(words))


def prosody_of(
    symbols: str, durations: Sequence[int], energy: Sequence[float] | None = None, f0: float = 200.0
) -> Prosody:
    """Prosody of symbols whose tokens (both ends included) last so many frames: marks and ends are silent, all else is
    loud, unless the energy of every frame is given."""
    durations = np.asarray(durations)
    silent = np.array([True, *(symbol in PAUSING for symbol in symbols), True])
    if energy is None:
        energy = np.repeat(np.where(silent, PAUSE, LOUD), durations)
    pitch = np.repeat(np.where(silent, 10.0, f0), durations)
    content = np.zeros((4, int(durations.sum())), np.float32)
    content[0] = np.arange(content.shape[1])
    return Prosody(durations, content, np.repeat(pitch, 2).astype(np.float32), np.repeat(energy, 2).astype(np.float32))


class FakeModel:
    """Both networks: every symbol takes 4 frames, a mark 8; the sound is a tone as loud as the energy says,
    the same however it is cut."""

    def __init__(self) -> None:
        self.made: list[int] = []  # frames of every piece of sound that was made

    def prosody(self, tokens: list[int], style: np.ndarray) -> Prosody:
        symbols = "".join(SYMBOLS[token] for token in tokens[1:-1])
        return prosody_of(symbols, [8, *(8 if symbol in PAUSING else 4 for symbol in symbols), 12])

    def waveform(self, prosody: Prosody, style: np.ndarray) -> np.ndarray:
        self.made.append(len(prosody))
        samples = (prosody.content[0][:, None] * FRAME + np.arange(FRAME)).ravel() / RATE
        loud = np.repeat(np.clip(prosody.energy.reshape(-1, 2).mean(1) / LOUD, 0, None), FRAME)
        return (0.1 * loud * np.sin(2 * np.pi * 220 * samples)).astype(np.float32)
