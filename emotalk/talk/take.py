"""One line of a scene as a film of its own: a take, which begins and ends in the same rest.

    Talk's line of streams ─► motion eased out of and into rest ─► frames ─► picture.mp4, sound.wav, take.json

Whatever takes are put one after the other, the head never jumps between them, so a line that was changed leaves the
others as they are (`take_store`). Captions and the mark are not in a take: they belong to the finished scene.
"""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.atomic import write_json
from emotalk.core.errors import Cancelled
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.talk.background import Transparent
from emotalk.talk.job import Talk
from emotalk.talk.scene import Scene
from emotalk.talk.shots import looking
from emotalk.talk.sound import SAMPLES_PER_FRAME
from emotalk.video import Encoding, VideoWriter
from emotalk.video.alpha_writer import AlphaWriter, straight_alpha

if TYPE_CHECKING:
    from emotalk.talk.request import TalkRequest
    from emotalk.talk.studio import Studio

PICTURE, SOUND, FACTS = "picture.mp4", "sound.wav", "take.json"
CLEAR_PICTURE = "picture.mov"
"""The picture where the background is transparent."""
EASE_IN, EASE_OUT = 5, 8
"""Frames in which a head leaves its rest and comes back to it."""
BEFORE, BEHIND = EASE_IN / FPS, EASE_OUT / FPS
"""Seconds of silence around a line, in which that happens: a change of speakers takes about a fifth of a second
(Stivers et al. 2009), and what a voice adds by itself comes on top."""
_ENCODING = Encoding(quality=8)  # takes are encoded twice: what is lost the first time must not be seen


@dataclass(frozen=True)
class TakeFacts:
    """What is known of a take beside its picture and its sound."""

    frames: int
    words: tuple[tuple[float, float, str], ...] = ()  # start and end in seconds of the take; none for some voices
    written: str = ""  # what is said, as it is written
    voice: str = ""
    remarks: tuple[str, ...] = ()


class Take(Talk):
    """A line being said, or `listening` to that many frames of somebody else's, who is `towards` there: degrees to the
    right and up, as seen in the picture."""

    def __init__(
        self,
        studio: Studio,
        request: TalkRequest,
        progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
        listening: int | None = None,
        towards: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(studio, request, progress, cancelled)
        self._listening, self._towards = listening, towards

    def film(self, folder: Path) -> TakeFacts:
        """Make the take in an empty folder; returns what is known of it. Raises the package's errors."""
        look = self.request.look
        clear = isinstance(look.background, Transparent)
        scene = Scene(self.studio.avatar(self.request.avatar), look, self.sentences)
        blocks = self.sound()
        first = next(blocks)  # what cannot be spoken is known before anything is written
        frames = 0
        with (
            wave.open(str(folder / SOUND), "wb") as sound,
            AlphaWriter(folder / CLEAR_PICTURE, look.width, look.height)
            if clear
            else VideoWriter(folder / PICTURE, look.width, look.height, encoding=_ENCODING) as writer,
        ):
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(SAMPLE_RATE)
            for picture in scene.frames(self._clouds(first, blocks, scene, keep=False)):
                if self.cancelled():
                    raise Cancelled("Stopped: no video was made.")
                samples = np.zeros(SAMPLES_PER_FRAME, np.float32)
                heard = self.samples.popleft()
                samples[: len(heard)] = heard
                sound.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
                writer.write(straight_alpha(picture) if clear else picture, samples)
                frames += 1
                self.progress(Progress("frames", frames, self.total))
        said = () if self._listening is not None else tuple(self.words)
        written = "" if self.script is None or self._listening is not None else self.script.written
        facts = TakeFacts(frames, said, written, self.request.voice or "", self.remarks)
        write_json(folder / FACTS, vars(facts))
        return facts

    def sound(self) -> Iterator[np.ndarray]:
        """Blocks of samples [N]: the line's, or the silence of one who listens."""
        if self._listening is None:
            yield from super().sound()
            return
        left = self.total = self._listening
        while left > 0:
            frames = min(left, FPS)
            yield np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
            left -= frames

    def _motion(self, first: np.ndarray, blocks: Iterator[np.ndarray]) -> Iterator[tuple[HeadMotion, np.ndarray]]:
        stretches = super()._motion(first, blocks)
        if self._towards is not None:
            # Before the easing: who listens turns to the speaker as the line begins, and back at its end.
            stretches = ((_turned(motion, self._towards), samples) for motion, samples in stretches)
        return eased(stretches)


def eased(stretches: Iterator[tuple[HeadMotion, np.ndarray]]) -> Iterator[tuple[HeadMotion, np.ndarray]]:
    """Stretches of motion with their sound [n], out of rest in EASE_IN frames, and in the last EASE_OUT back: the
    first and the last frame are a head at rest. The motion is the same however it is cut."""
    waiting = HeadMotion.neutral(0)  # it may be among the last
    gone = 0
    for motion, samples in stretches:
        waiting = HeadMotion.concatenate([waiting, motion])
        ready = max(0, len(waiting) - EASE_OUT)
        yield _scaled(waiting[:ready], _smooth((gone + np.arange(ready)) / EASE_IN)), samples
        waiting, gone = waiting[ready:], gone + ready
    left = np.arange(len(waiting))
    shares = _smooth((gone + left) / EASE_IN) * _smooth(left[::-1] / EASE_OUT)
    yield _scaled(waiting, shares), np.zeros(0, np.float32)


def _turned(motion: HeadMotion, towards: tuple[float, float]) -> HeadMotion:
    yaw, pitch = (np.full(len(motion), np.radians(angle)) for angle in towards)
    return looking(motion, yaw, pitch)


def _smooth(at: np.ndarray) -> np.ndarray:
    at = np.clip(at, 0, 1)
    return at * at * (3 - 2 * at)


def _scaled(motion: HeadMotion, shares: np.ndarray) -> HeadMotion:
    return HeadMotion(**{f.name: getattr(motion, f.name) * shares[:, None] for f in fields(motion)})
