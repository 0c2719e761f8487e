"""`GrowingTalk`: sentences that come one by one, said in one stream as they come.

    model ─► sentences ─► GrowingTalk ─► H │ T A M … T A M … │ (silence, where the next one is late) │ T A M … │ E

Nothing here waits for a sentence: where none is there, `records` gives WAITING, and whoever sends them may wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from emotalk.core.errors import EmotalkError, VoiceError
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.live import wire
from emotalk.live.hearing import FIRST_SECONDS, LiveTalk
from emotalk.speech.direction import Pause, Script, parse
from emotalk.talk.sound import TalkSound

if TYPE_CHECKING:
    from emotalk.talk import Studio, TalkRequest

MARGIN_SECONDS = 0.8
"""So long before the sound runs dry the next sentence is late: the motion of the last half second has not left yet,
and is on its way for a while."""
REST_SECONDS, STEP_SECONDS = 1.0, 0.2
"""Silence behind a sentence that waits for the next one: at most, and at a time, until all of its rows have left."""
LETTERS_PER_SECOND = 10
"""Of slow speech, to tell how long the next sentence may take."""


class GrowingTalk(LiveTalk):
    """One talk of sentences that come while it is said, used once. `cut` tells whether `max_seconds` ended it."""

    def __init__(
        self,
        studio: Studio,
        request: TalkRequest,
        sentences: Iterator[str],
        cancelled: Callable[[], bool] | None = None,
        fast: bool | None = None,
        max_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sentences` are said in place of the request's text, with directions inside; an iterator that never waits and
        gives "" where the next one has not come. It is closed with the records, if it can be. `request.text` is what is
        answered: it may tell the language of a short answer. A sentence that would end behind `max_seconds` is the end,
        with a remark. `clock`: seconds, by which it is known what has been played."""
        super().__init__(studio, request, cancelled, fast)
        self.cut = False
        self._sentences, self._most, self._clock = sentences, max_seconds, clock
        self._talk: TalkSound | None = None
        self._failure: EmotalkError | None = None
        self._dry_at = float("-inf")  # when what has left will have been played
        self._rest = 0.0  # seconds of silence since the last sentence
        self._until = 0  # frames of what was said

    def records(self) -> Iterator[bytes]:
        """As `LiveTalk.records`, and WAITING (b"") where nothing is there to be said yet, a `T` before each sentence.
        Closing the iterator closes the sentences."""
        try:
            for record in super().records():
                # What was said is shown to its end before it is told why no more comes.
                failed = record[:1] == b"E" and self._failure is not None
                yield wire.error(str(self._failure)) if failed else record
        finally:
            if isinstance(self._sentences, Generator):
                self._sentences.close()

    def _sound(self) -> TalkSound:
        self._talk = TalkSound(self._studio, self._request, self._cancelled, FIRST_SECONDS, self._scripts())
        return self._talk

    def _scripts(self) -> Iterator[Script | None]:
        sound = self._talk
        try:
            for sentence in self._sentences:
                script = parse(sentence) if sentence else None
                if script is not None:
                    self._rest = 0.0
                    if self._is_too_long(script):
                        self.cut = True
                        sound.remarks += (f"The answer ends here: {self._most:.0f} seconds are said at most.",)
                        return
                yield script
        except EmotalkError as error:
            if not sound.said:
                raise
            self._failure = error
        if not sound.texts and not sound.remarks:
            raise VoiceError("There is nothing to say: the answer holds no words. Ask again, or ask something else.")

    def _is_too_long(self, script: Script) -> bool:
        pauses = sum(cue.seconds for cue in script.cues if isinstance(cue, Pause))
        said, next_one = self._talk.said, len(script.written) / LETTERS_PER_SECOND + pauses
        return self._most is not None and said > 0 and said + next_one > self._most

    def _idle(self, sound: TalkSound) -> None:
        if not self._rest:
            self._until = round(sound.said * FPS)
        late = self._clock() > self._dry_at - MARGIN_SECONDS
        if (late or self._rest) and self._rest < REST_SECONDS and self._rows < self._until:
            self._rest += STEP_SECONDS
            sound.pause(STEP_SECONDS)

    def _played(self, samples: int) -> None:
        self._dry_at = max(self._dry_at, self._clock()) + samples / SAMPLE_RATE
