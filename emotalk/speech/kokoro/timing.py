"""When which phone and word is said: exact, from the durations that the voice itself uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.speech.kokoro.model import FRAME_SECONDS, Prosody
from emotalk.speech.kokoro.symbols import PAUSING, STRESS, phone_of
from emotalk.speech.kokoro.transcript import Transcript

SILENT = -2.0
"""Log energy below which a frame at a pause makes no sound: between words it lies at 2 to 8, in pauses at -3 to -10."""
LEAD = 2.2
"""Frames by which a sound is heard before the frames of its token: 55 ms, tuned on forced alignments of eight sentences
by af_heart and am_michael (52 and 60 ms after taking off what the aligner itself is early, 6 ms). `voices.Person` has
another value where a voice was found to differ."""
_SHORTEST_PAUSE = 3
"""Frames: what is quiet for less than 75 ms beside a mark is a stop's closure."""


@dataclass(frozen=True)
class Timing:
    """(start, end, name) in seconds from the first frame of the prosody."""

    phones: tuple[tuple[float, float, str], ...]
    words: tuple[tuple[float, float, str], ...]


def timing_of(transcript: Transcript, prosody: Prosody, lead: float = LEAD) -> Timing:
    """Phones (without gaps, "sil" where nothing is said) and words of a phrase, `lead` frames before their tokens.

    A stress mark's frames belong to the vowel behind it, a length mark's to the sound before it, those of a space are
    shared by its neighbours; the frames at a mark or an end that are quiet are a pause.
    """
    total = float(len(prosody))
    edges = np.clip(np.concatenate([[0], np.cumsum(prosody.durations)]) - lead, 0, None)
    symbols = transcript.symbols
    begin, end = edges[1:-2].copy(), edges[2:-1].copy()  # of each symbol, in frames
    quiet = _quiet(prosody)
    sounds: list[list] = []  # [first frame, last frame, symbol, word]
    for i, symbol in enumerate(symbols):
        if symbol in STRESS:
            if i + 1 < len(symbols):
                begin[i + 1] = begin[i]
        elif symbol in ("ː", "\u0303", "ʰ", "ʲ"):
            if sounds:
                sounds[-1][1] = end[i]
        elif symbol == " " or symbol in PAUSING:
            if sounds and symbol == " " and symbols[i - 1] not in PAUSING and i + 1 < len(symbols):
                middle = (begin[i] + end[i]) / 2
                sounds[-1][1] = begin[i + 1] = middle
            elif symbol == " " and i + 1 < len(symbols):
                begin[i + 1] = begin[i]  # behind a mark: the pause is taken off below
        else:
            sounds.append([begin[i], end[i], symbol, transcript.owner[i]])
    _take_off_pauses(sounds, quiet, total)
    phones = []
    last, before = 0.0, ""
    for start, stop, symbol, _ in sounds:
        if start > last:
            phones.append((last, start, "sil"))
        phone = phone_of(symbol, before)
        if symbol == "ɹ" and phone == "er" and phones and phones[-1][2] in ("ah", "er"):
            phones[-1] = (phones[-1][0], stop, "er")
        elif stop > start:
            phones.append((start, stop, phone))
        last, before = max(last, stop), symbol
    if total > last:
        phones.append((last, total, "sil"))
    words = []
    for number, word in enumerate(transcript.words):
        own = [(start, stop) for start, stop, _, owner in sounds if owner == number]
        if own:
            words.append((own[0][0], own[-1][1], word))
    scale = FRAME_SECONDS
    return Timing(
        tuple((float(a * scale), float(b * scale), name) for a, b, name in phones if b > a),
        tuple((float(a * scale), float(b * scale), name) for a, b, name in words if b > a),
    )


def _quiet(prosody: Prosody) -> np.ndarray:
    """[T] whether a frame belongs to a stretch of silence."""
    quiet = prosody.energy.reshape(-1, 2).max(1) < SILENT
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start < _SHORTEST_PAUSE and start > 0 and stop < len(quiet):
            quiet[start:stop] = False
    return quiet


def _take_off_pauses(sounds: list[list], quiet: np.ndarray, frames: float) -> None:
    """End sounds where it falls silent before a gap or an end, and begin them where the silence ends."""
    for here, following in zip([None, *sounds], [*sounds, None], strict=True):
        gap_start = 0.0 if here is None else here[1]
        gap_stop = frames if following is None else following[0]
        if here is not None and following is not None and gap_stop - gap_start < 1:
            continue  # they touch: no mark between them
        if here is not None:
            first = int(here[0]) + 1  # something of the sound is always left
            silent = np.flatnonzero(quiet[first : max(first, int(gap_stop))])
            here[1] = float(first + silent[0]) if len(silent) else gap_stop
        if following is not None:
            left = here[1] if here is not None else 0.0
            start, stop = int(left), int(np.ceil(following[1])) - 1
            silent = np.flatnonzero(quiet[start : max(start, stop)])
            following[0] = max(left, float(start + silent[-1] + 1)) if len(silent) else max(left, gap_start)
