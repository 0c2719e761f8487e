"""What is heard of a talk, in blocks, with all that is known about it: phones, words, moods, remarks.

scripts ─► phrases ─► voice ─┐
                             ├─► blocks of samples; meanwhile: known phones, words, sentences, mood
audio file ──────────────────┘

A text is one script; one that grows while it is said (an answer that is still being written) is one script after the
other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emotalk.core.errors import AudioError, InputError, VoiceError
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve
from emotalk.speech.decoding import sound_seconds
from emotalk.speech.direction import Script, parse
from emotalk.speech.known_phones import KnownPhones
from emotalk.talk.captions import ends_sentence, sentence_starts
from emotalk.talk.mood import TalkMood, mood_of, style_of
from emotalk.talk.request import TalkRequest

if TYPE_CHECKING:
    from emotalk.motion import MotionStyle
    from emotalk.talk.studio import Studio

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
BLOCK_SECONDS = 1.0
"""Sound is taken in blocks of a second: the first frame waits for one block, and per-block costs stay small."""
AUTO_BLOCK_SECONDS = 2.0
"""Where the mood is heard in the voice, blocks are as long as the window in which it is heard."""
DOUBTFUL_SECONDS = 1.0
"""So long may something else be said than the transcript says before that is told."""
CHEAP_VOICES = ("flite", "espeak")
"""Engines that take about as little work to say something as the speech encoder to hear it."""
_GROWTH = 1.6
"""How much longer each block is than the last one where the first ones are short."""


class TalkSound:
    """The sound of one request. Used once; what it knows of the sound grows with the blocks of `sound`."""

    def __init__(
        self,
        studio: Studio,
        request: TalkRequest,
        cancelled: Callable[[], bool] | None = None,
        first: float | None = None,
        scripts: Iterator[Script | None] | None = None,
    ) -> None:
        """`first`: seconds of the first block, where it must come sooner than usual; the next ones are longer.

        `scripts`: what is said in place of the request's text, one after the other; None where the next one is not
        there yet, for which `sound` gives an empty block. A curve of moods begins anew with each. What one of them
        holds that cannot be said becomes a remark, as long as something else is said.
        """
        self.studio, self.request = studio, request
        self.cancelled = cancelled or (lambda: False)
        self.seconds: dict[str, float] = {}  # by stage; stages overlap, so they add up to more than the whole
        self.captioned = False  # whether it is an error that a voice does not tell its words
        self.known = KnownPhones()  # a voice that says when it speaks which phone is trusted more than the encoder
        self.untold = False  # whether something has been said without its phones
        self.costly = False  # whether a voice speaks that takes much more work than listening to it
        self.words: list[tuple[float, float, str]] = []  # of a text, in seconds
        self.sentences: list[int] = []  # the frames at which sentences begin
        self.transcript = ""  # what is said in a recording, where that is known
        self.mood = TalkMood(request)
        self.script = None
        if request.text is not None and request.audio is None and scripts is None:
            self.script = parse(request.text)
        self.remarks = () if self.script is None else self.script.remarks
        self.texts: list[tuple[float, str]] = []  # of `scripts`: the second at which each begins, what is written
        self.said = 0.0  # seconds of text so far
        self._scripts = scripts
        self._letters = 0
        self._pause = 0.0  # seconds
        self._language: str | None = None
        self.total: int | None = None  # frames, as far as that is known
        self.block_seconds = AUTO_BLOCK_SECONDS if request.emotion == "auto" else BLOCK_SECONDS
        self._first_seconds = self._next_seconds = first or self.block_seconds

    def sound(self) -> Iterator[np.ndarray]:
        """Blocks of samples [N] at 16 kHz. Raises AudioError and VoiceError, also for what lasts too long."""
        request = self.request
        limit = request.max_seconds
        if self._scripts is not None:
            blocks = self._growing(self._scripts)
        elif self.script is not None:
            blocks = self._spoken(self.script)
        else:
            # Imported here: ffmpeg's library only for recordings.
            from emotalk.speech import stream_audio

            claimed = sound_seconds(request.audio)
            if claimed is not None:
                if limit is not None and claimed > limit:
                    raise AudioError(
                        f"The audio lasts {claimed / 60:.0f} minutes; at most {limit:.0f} seconds are made here. "
                        "Cut it shorter."
                    )
                self.total = int(np.ceil(claimed * FPS))
            more = {} if limit is None else {"max_seconds": limit}
            if request.transcript is None:
                self.untold = True
                blocks = (part.samples for part in stream_audio(request.audio, self.block_seconds, **more))
            else:
                blocks = self._transcribed(**more)
        received = 0  # samples
        for whole in blocks:
            if not len(whole) and self._scripts is not None:
                self._next_seconds = self._first_seconds  # what comes next is waited for
                yield whole
            for block in self._cut(whole):
                received += len(block)
                if limit is not None and received > limit * SAMPLE_RATE:
                    raise AudioError(
                        f"This lasts longer than {limit:.0f} seconds, the most that is made here. Make it shorter."
                    )
                yield block

    def style(self) -> MotionStyle:
        """How the avatar's person moves in this talk."""
        request = self.request
        return style_of(self.studio.avatar(request.avatar).card, request.head_motion, request.expressiveness)

    def _cut(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        at = 0
        while at < len(samples):
            size = round(self._next_seconds * SAMPLE_RATE)
            yield samples[at : at + size]
            at += size
            self._next_seconds = min(self.block_seconds, _GROWTH * self._next_seconds)

    def _transcribed(self, **limits: float) -> Iterator[np.ndarray]:
        """The recording, its words and phones found first; where they are not in it, it is played as it is heard."""
        # Imported here: only for recordings whose words are known.
        from emotalk.speech import load_audio
        from emotalk.speech.alignment import find_transcript

        speech = load_audio(self.request.audio, **limits)
        try:
            # Directions are for a voice that is yet to speak: nobody says them.
            self.transcript = text = parse(self.request.transcript).written
            found = self._timed("speech", find_transcript, speech, text, self.studio.encoder, self.cancelled)
        except (InputError, VoiceError) as error:
            self.remarks += (f"{error} There are no captions." if self.captioned else str(error),)
        else:
            speech = replace(speech, text=text, words=found.words, phones=found.phones)
            self.sentences += [round(second * FPS) for second in sentence_starts(speech.words, text)]
            if found.doubtful > DOUBTFUL_SECONDS:
                lost = "; words have no captions there" if self.captioned else ""
                self.remarks += (
                    f"The transcript does not fit about {found.doubtful:.0f} s of the recording, in which the lips "
                    f"follow what is heard{lost}.",
                )
        self.untold = True  # a sentence that the transcript lacks has no phones
        self.known.said(speech)
        self.words += speech.words
        yield speech.samples

    def pause(self, seconds: float) -> None:
        """So much silence comes next, before anything else is said; for texts that grow."""
        self._pause = seconds

    def _growing(self, scripts: Iterator[Script | None]) -> Iterator[np.ndarray]:
        """One script after the other; an empty block where the next one is not there yet."""
        refused = None
        for script in scripts:
            if script is None:
                yield np.zeros(0, np.float32)
                if self._pause:
                    yield self._silence()
                continue
            start = self.said
            self.texts.append((self.said, script.written))
            try:
                yield from self._spoken(script)
            except InputError as error:
                if self.said == start:  # else a part of it was said
                    self.texts.pop()
                self.remarks += (str(error),)
                refused = error
        if refused is not None and not self.said:
            raise refused

    def _silence(self) -> np.ndarray:
        seconds, self._pause = self._pause, 0.0
        samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
        phones = () if self.untold else ((0.0, len(samples) / SAMPLE_RATE, "sil"),)
        silence = Speech(samples, phones=phones)
        self.known.said(silence)
        self.mood.said(silence)
        self.said += silence.seconds
        return samples

    def _spoken(self, script: Script) -> Iterator[np.ndarray]:
        """A text said piece by piece, in the mood's tone of voice."""
        # Imported here: voices only for texts.
        from emotalk.speech import say_stream

        request = self.request
        mood = None
        if request.mood_in_voice and isinstance(request.emotion, EmotionCurve):
            mood = mood_of(request.emotion, request.expressiveness)
        samples = round(self.said * SAMPLE_RATE)
        ended = True
        voice = request.voice or self._fitting_voice(script)
        for part in say_stream(script, voice, emotion=mood):
            if self.captioned and part.text.strip() and not part.words:
                part = replace(part, words=self._words_in(part))
            self.known.said(part)
            self.untold |= bool(part.text.strip()) and not part.phones
            self.costly |= bool(part.text.strip()) and part.source.partition(":")[0] not in CHEAP_VOICES
            self.mood.said(part)
            start = samples / SAMPLE_RATE
            if part.text.strip():
                if ended:
                    self.sentences.append(-(-samples // SAMPLES_PER_FRAME))
                ended = ends_sentence(part.text)
            self.words += [(a + start, b + start, word) for a, b, word in part.words]
            self._letters += len(part.text)
            samples += len(part.samples)
            self.said = samples / SAMPLE_RATE
            # How long the rest will take is judged by the letters said so far.
            rest = max(1.0, len(request.text or "") / max(1, self._letters))
            self.total = round(samples / SAMPLES_PER_FRAME * rest)
            yield part.samples
        self.total = -(-samples // SAMPLES_PER_FRAME)

    def _words_in(self, part: Speech) -> tuple[tuple[float, float, str], ...]:
        """The words of a voice that does not tell when it says which, as they are heard in its sound."""
        # Imported here: only where a voice does not tell them.
        from emotalk.speech.alignment import find_transcript

        try:
            return find_transcript(part, part.text, self.studio.encoder, self.cancelled).words
        except (InputError, VoiceError) as error:
            raise VoiceError(
                f"The voice {part.source} does not tell when it says which word, and they are not heard in its sound, "
                "so there can be no captions; choose a voice of kokoro or espeak."
            ) from error

    def _fitting_voice(self, script: Script) -> str | None:
        """The voice of the avatar, in the language that the text is in: where it grows, that of its first sentence
        whose language can be told; until then the request's text, which it answers, may tell it."""
        # Imported here: as above.
        from emotalk.speech.language import detect

        self._language = self._language or detect(script.written)
        language = self._language or (detect(self.request.text or "") if self.script is None else None) or "en"
        voice = self.studio.voice_for(self.request.avatar, language)
        if self.script is not None and language != "en" and voice is not None:
            self.remarks += (f"The text is in another language ({language}), so {voice} reads it.",)
        return voice

    def _spent(self, stage: str, started: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started

    def _timed(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return work(*arguments)
        finally:
            self._spent(stage, started)
