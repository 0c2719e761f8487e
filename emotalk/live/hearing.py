"""`LiveTalk`: the hearing half of a talk as a stream of records, while the browser shows it.

text ─► voice ─┐                        ┌─► A
               ├─► TalkSound ─► blocks ─┼─► ToldStream, or encoder ─► known phones ─► CodeStream ─► M
audio file ────┘        └─► W, R, C     └─► mood
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from emotalk.core.errors import EmotalkError
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.core.speech import SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.live import wire
from emotalk.live.who import who_of
from emotalk.speech.mel import SMALL_GROUP
from emotalk.speech.pitch import HOP
from emotalk.speech.told_hidden import ToldHidden
from emotalk.speech.told_stream import ToldStream
from emotalk.talk.sound import AUTO_BLOCK_SECONDS, TalkSound

if TYPE_CHECKING:
    from emotalk.speech.encoder import EncoderStream, SpeechEncoder
    from emotalk.speech.known_phones import KnownPhones
    from emotalk.talk import Studio, TalkRequest

WAITING = b""
"""In place of a record: nothing is there to be said yet."""
FIRST_SECONDS = 0.3
"""Sound of the first block: so much is there soon after a voice begins, and plays while the next block is heard."""


class LiveTalk:
    """One talk, used once; `records` is all there is to call. `seconds` holds CPU seconds of this thread by stage
    (voice, hear, code), which tell little where other programs do the work (flite)."""

    def __init__(
        self,
        studio: Studio,
        request: TalkRequest,
        cancelled: Callable[[], bool] | None = None,
        fast: bool | None = None,
    ) -> None:
        """`cancelled` is asked between pieces. `fast`: whether the speech network is spared where the voice tells its
        phones; None spares it for voices that take as little work as listening to them (`sound.CHEAP_VOICES`).

        On ten sentences full of p b m, lips of the fast path follow those of the full one with r .986 for the jaw and
        .973 or more for the other shapes (flite:slt, espeak:en-us), the jaw's spread is 5 % less, and no fewer p b m
        close. Voices that the table of `ToldHidden` was not made of come to .963 and .943 (flite:kal16), .972 and .951
        (kokoro). On two busy cores a second of speech by flite took .026 CPU seconds so and .035 with listening; by
        kokoro it takes .8 either way, so there the network listens (benchmarks.live_streams)."""
        self._studio, self._request, self._fast = studio, request, fast
        self._cancelled = cancelled or (lambda: False)
        self._rows = 0  # that have left
        self.seconds = {"voice": 0.0, "hear": 0.0, "code": 0.0}

    def records(self) -> Iterator[bytes]:
        """Records (docs/live-stream.md) as they come, ended by `E`, or by `X` with the sentence of what went wrong;
        nothing more comes after `cancelled` has said yes."""
        try:
            yield from self._records()
        except EmotalkError as error:
            yield wire.error(str(error))

    def _records(self) -> Iterator[bytes]:
        request = self._request
        sound = self._sound()
        model, style = self._studio.motion_of(request.avatar), sound.style()
        stream, hearing = model.code_stream(style), Hearing(lambda: self._studio.encoder, sound.known)
        moods = _Moods(sound)
        blocks = sound.sound()
        block = self._timed("voice", next, blocks, None)  # what cannot be said is known before the head
        while block is not None and not len(block):
            yield WAITING
            block = None if self._cancelled() else self._timed("voice", next, blocks, None)
        if block is None:
            return
        yield wire.head(who_of(model, style), bool(sound.words), stream.layout.size)
        samples = remarks = words = texts = 0
        while block is not None:
            if self._cancelled():
                return
            if not len(block):
                self._idle(sound)
                yield WAITING
                block = self._timed("voice", next, blocks, None)
                continue
            for start, text in sound.texts[texts:]:
                yield wire.text(text, start)
            texts = len(sound.texts)
            yield wire.sound(block)
            self._played(len(block))
            samples += len(block)
            for remark in sound.remarks[remarks:]:
                yield wire.remark(remark)
            if len(sound.words) > words:
                yield wire.words(sound.words[words:])
            remarks, words = len(sound.remarks), len(sound.words)
            yield from moods.after(block)
            for features in self._timed("hear", hearing.push, block, self._listens(sound)):
                yield from self._code(stream.push, features)
            block = self._timed("voice", next, blocks, None)
        for remark in sound.remarks[remarks:]:
            yield wire.remark(remark)
        yield from moods.finish()
        for features in self._timed("hear", hearing.finish):
            yield from self._code(stream.push, features)
        yield from self._code(stream.finish)
        yield wire.end(samples / SAMPLE_RATE)

    def _sound(self) -> TalkSound:
        return TalkSound(self._studio, self._request, self._cancelled, FIRST_SECONDS)

    def _idle(self, sound: TalkSound) -> None:
        """Nothing has come to be said; only where a text grows."""

    def _played(self, samples: int) -> None:
        """So many samples have left."""

    def _listens(self, sound: TalkSound) -> bool:
        if sound.untold or ToldHidden.load().encoder != self._studio.encoder.digest:  # the table is another encoder's
            return True
        return sound.costly if self._fast is None else not self._fast

    def _code(self, work: Callable[..., np.ndarray], *features: SpeechFeatures) -> Iterator[bytes]:
        rows = self._timed("code", work, *features)
        self._rows += len(rows)
        if len(rows):
            yield wire.code(rows)

    def _timed(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started = time.thread_time()
        try:
            return work(*arguments)
        finally:
            self.seconds[stage] += time.thread_time() - started


class Hearing:
    """Features of a talk's sound: measured where the voice tells its phones, heard by the network from the first block
    on that it has to listen to. Phones that are told take the place of what is heard."""

    def __init__(self, encoder: Callable[[], SpeechEncoder], known: KnownPhones) -> None:
        """`encoder` is asked for when it is first needed."""
        self._encoder, self._known = encoder, known
        self._stream: ToldStream | EncoderStream = ToldStream()
        self._heard = 0  # samples
        self._dropped = 0  # samples at the beginning of the network's part that belong to a row of the one before

    def push(self, samples: np.ndarray, listen: bool) -> list[SpeechFeatures]:
        """The next samples [N]; rows that are complete. From `listen` on the network hears all that comes."""
        found = []
        if listen and isinstance(self._stream, ToldStream):
            found.append(self._given(self._stream.finish()))
            self._dropped = -self._heard % HOP
            self._stream = self._encoder().stream(SMALL_GROUP)
        self._heard += len(samples)
        dropped = min(self._dropped, len(samples))
        self._dropped -= dropped
        found.append(self._given(self._stream.push(samples[dropped:])))
        return [features for features in found if features is not None]

    def finish(self) -> list[SpeechFeatures]:
        """The rows that remain: one for every 20 ms begun."""
        features = self._given(self._stream.finish())
        return [] if features is None else [features]

    def _given(self, features: SpeechFeatures | None) -> SpeechFeatures | None:
        if features is None:
            return None
        features = self._known.correct(features)
        return ToldHidden.load()(features) if isinstance(self._stream, ToldStream) else features


class _Moods:
    """`C` records of a talk whose mood changes by itself."""

    def __init__(self, sound: TalkSound) -> None:
        self._mood, self._curve = sound.mood, sound.request.emotion
        self._heard = self._told = 0  # samples, frames
        self._waiting: list[np.ndarray] = []

    def after(self, block: np.ndarray) -> Iterator[bytes]:
        """Those of the next block of sound."""
        self._waiting.append(block)
        listened = sum(map(len, self._waiting))
        # A mood is heard over two seconds at a time.
        if self._curve != "auto" or listened >= AUTO_BLOCK_SECONDS * SAMPLE_RATE:
            yield from self.finish()

    def finish(self) -> Iterator[bytes]:
        """Those of the sound that has not been listened to."""
        samples = np.concatenate([*self._waiting, np.zeros(0, np.float32)])
        self._waiting = []
        curve = self._mood.update(samples)
        self._heard += len(samples)
        until = -(-self._heard * FPS // SAMPLE_RATE)
        first, self._told = self._told, until
        if until > first and self._changes(curve):
            yield wire.moods(first, curve.at(range(first, until)))

    def _changes(self, curve: EmotionCurve) -> bool:
        return self._curve == "auto" or len(curve.times) > 1
