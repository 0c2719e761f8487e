"""One talk from request to file: the line of streams that `Studio.talk` runs.

    text ─► phrases ─► voice ─┐
                              ├─► sound ─► features ─► motion ─► pose ─► draw ─► mark ─► video (pieces, file)
    audio file ─► blocks ─────┘      └────────────── 640 samples a frame ──────────────────┘

Sound (`sound`) comes in blocks, motion follows it 0.5 s behind, a frame is drawn while the next one is posed and the
last one encoded. Nothing grows with the clip's length but the file and the list of its words (and, where it is asked
for, the motion: 270 bytes a frame); a recording that has a transcript is held whole, since its words are found before
the first frame.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.clip import Clip
from emotalk.core.errors import Cancelled, InputError, VideoError
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.core.rates import FPS
from emotalk.talk.background import Blurred, Transparent
from emotalk.talk.burned_captions import BurnedCaptions
from emotalk.talk.captions import captions, check_captions_path, write_captions
from emotalk.talk.request import TalkRequest
from emotalk.talk.scene import Scene
from emotalk.talk.sound import SAMPLES_PER_FRAME, TalkSound
from emotalk.video import FrameFolder, Mark, VideoWriter
from emotalk.video.alpha_writer import AlphaWriter, check_alpha_format, straight_alpha
from emotalk.video.formats import check_format, made_as

if TYPE_CHECKING:
    from emotalk.core.gaussians import CloudBatch, GaussianCloud
    from emotalk.core.speech import SpeechFeatures
    from emotalk.talk.studio import Studio


class Talk(TalkSound):
    """One run of the line in this file's header. Used once; `run` is all there is to call."""

    def __init__(
        self,
        studio: Studio,
        request: TalkRequest,
        progress: ProgressCallback | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        super().__init__(studio, request, cancelled)
        self.progress = progress or (lambda _: None)
        self.started = time.perf_counter()
        self.samples: deque[np.ndarray] = deque()  # one entry a frame, in step with the clouds
        self.motions: list[HeadMotion] = []

    def run(
        self,
        target: str | Path | None,
        motion_out: str | Path | None,
        frames_dir: str | Path | None,
        captions_out: str | Path | None,
        on_piece: Callable[[bytes], None] | None,
        landmarks_out: str | Path | None = None,
    ) -> Clip:
        """Make the clip; arguments, files and errors as `Studio.talk` has them."""
        look = self.request.look
        self.captioned = captions_out is not None or look.captions != "off"
        self._check(target, captions_out, on_piece)
        if landmarks_out is not None:
            # Imported here: what tracking needs, only where landmarks are wanted.
            from emotalk.talk.drawn_landmarks import check_landmarks_path, write_drawn_landmarks

            check_landmarks_path(landmarks_out)
        self.progress(Progress("speech"))
        scene = Scene(self.studio.avatar(self.request.avatar), look, self.sentences)
        blocks = self.sound()
        first = next(blocks)  # what cannot be spoken or heard is known before anything is written
        frames = FrameFolder(frames_dir) if frames_dir is not None else None
        mark = Mark(look.width, look.height, look.mark)
        burned = BurnedCaptions(look, self.words) if look.captions != "off" else None
        written = 0

        def timed_piece(piece: bytes) -> None:
            self.seconds.setdefault("first_piece", time.perf_counter() - self.started)
            if on_piece is not None:
                on_piece(piece)

        transparent = isinstance(look.background, Transparent)
        with contextlib.ExitStack() as stack:
            if transparent:
                writer = stack.enter_context(AlphaWriter(target, look.width, look.height, title=self._title()))
            else:
                video = stack.enter_context(made_as(target))
                writer = stack.enter_context(
                    VideoWriter(video, look.width, look.height, title=self._title(), on_piece=timed_piece)
                )
            pictures = scene.frames(self._clouds(first, blocks, scene, keep=(motion_out or landmarks_out) is not None))
            started = time.perf_counter()
            for picture in pictures:
                self._spent("render", started)
                if self.cancelled():
                    raise Cancelled("Stopped: nothing was kept.")
                started = time.perf_counter()
                if burned is not None:
                    burned.draw(picture, written, self._written())
                mark.draw(picture)
                if transparent:
                    picture = straight_alpha(picture)
                if frames is not None:
                    frames.write(picture)
                writer.write(picture, self.samples.popleft())
                written += 1
                self._spent("encode", started)
                self.progress(Progress("frames", written, self.total, time.perf_counter() - self.started))
                started = time.perf_counter()
            self._timed("encode", stack.close)
        if motion_out is not None:
            _write_motion(self.motions, Path(motion_out))
        if landmarks_out is not None:
            write_drawn_landmarks(scene, HeadMotion.concatenate(self.motions), landmarks_out)
        if burned is not None and burned.remark:
            self.remarks += (burned.remark,)
        plain = self.studio.avatar(self.request.avatar).background.ndim == 1
        if look.background == Blurred() and plain:
            self.remarks += ("The background is one colour: there is nothing to blur. A picture can be blurred.",)
        if look.shot == "cut-in" and not self.sentences:
            self.remarks += ("The camera stays: where sentences begin is not known without a transcript.",)
        if self.captioned and self.script is not None and not self.words:
            self.remarks += ("There are no captions: no words were said.",)
        if captions_out is not None and self.words:
            _write_captions(captions_out, self.words, self._written())
        self.seconds["total"] = time.perf_counter() - self.started
        return Clip(
            path="" if target is None else str(target),
            seconds=written / FPS,
            frames=written,
            width=look.width,
            height=look.height,
            timings=self.seconds,
            motion_path=None if motion_out is None else str(motion_out),
            captions_path=str(captions_out) if captions_out is not None and self.words else None,
            moods=self.mood.directed,
            remarks=self.remarks,
            words=tuple(self.words),
            said=self._written(),
        )

    def _check(
        self, target: str | Path | None, captions_out: str | Path | None, on_piece: Callable[[bytes], None] | None
    ) -> None:
        if isinstance(self.request.look.background, Transparent):
            if target is None or on_piece is not None:
                raise InputError("A video with a transparent background cannot be streamed; name a file for it.")
            check_alpha_format(Path(target))
        elif target is not None:
            check_format(Path(target))
        if captions_out is not None:
            check_captions_path(captions_out)
        if self.captioned and self.script is None and self.request.transcript is None:
            raise InputError("Captions need words, and a recording comes without its own: give them as its transcript.")

    def _written(self) -> str:
        """What is said, as it is written."""
        return self.script.written if self.script is not None else self.transcript

    def _title(self) -> str:
        said = self.script.written if self.script is not None else Path(self.request.audio or "").stem
        words = " ".join(said.split())
        return f"{self.request.avatar}: {words[:60]}"

    def _clouds(
        self, first: np.ndarray, blocks: Iterator[np.ndarray], scene: Scene, keep: bool
    ) -> Iterator[GaussianCloud | CloudBatch]:
        """A cloud for every frame, or many in one; runs in the renderer's thread, one step ahead of the drawing."""
        # Imported here: numba after the request has been checked.
        from emotalk.rendering import frames_of

        rest = np.zeros(0, np.float32)
        frame = 0
        for moved, samples in self._motion(first, blocks):
            motion = scene.directed(moved, frame)
            if keep:
                self.motions.append(motion)
            rest = np.concatenate([rest, samples])
            clouds = scene.clouds(motion, frame)
            while (cloud := self._timed("pose", next, clouds, None)) is not None:
                for _ in range(frames_of(cloud)):
                    frame += 1
                    self.samples.append(rest[:SAMPLES_PER_FRAME])
                    rest = rest[SAMPLES_PER_FRAME:]
                yield cloud

    def _motion(self, first: np.ndarray, blocks: Iterator[np.ndarray]) -> Iterator[tuple[HeadMotion, np.ndarray]]:
        """Stretches of motion with the samples that came in since the last one."""
        request = self.request
        encoder = self.studio.encoder_of(request.encoder).stream()
        stream = self.studio.motion_of(request.avatar).stream(self.mood.curve, self.style(), request.seed)
        waiting: list[np.ndarray] = []
        block: np.ndarray | None = first

        def moved(features: SpeechFeatures | None) -> HeadMotion | None:
            return None if features is None else stream.push(self.known.correct(features))

        while block is not None:
            waiting.append(block)
            features = self._timed("speech", encoder.push, block)
            stream.curve = self._timed("speech", self.mood.update, block)
            motion = self._timed("motion", moved, features)
            if motion is not None:
                yield motion, np.concatenate(waiting)
                waiting = []
            block = self._timed("speech", next, blocks, None)
        features = self._timed("speech", encoder.finish)
        for motion in (self._timed("motion", moved, features), self._timed("motion", stream.finish)):
            if motion is not None:
                yield motion, np.concatenate([*waiting, np.zeros(0, np.float32)])
                waiting = []


def _write_captions(target: str | Path, words: list[tuple[float, float, str]], written: str) -> None:
    try:
        write_captions(target, captions(words, written))
    except OSError as error:
        raise VideoError(f"The captions could not be written to {target}: {error}.") from error


def _write_motion(parts: list[HeadMotion], target: Path) -> None:
    # Imported here: only where the motion is wanted.
    from emotalk.motion import write_livelink

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_livelink(HeadMotion.concatenate(parts), target)
    except OSError as error:
        raise VideoError(f"The motion could not be written to {target}: {error}.") from error
