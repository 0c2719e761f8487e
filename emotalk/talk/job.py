"""One talk from request to file: the line of streams that `Studio.talk` runs.

    text ─► phrases ─► voice ─┐
                              ├─► sound ─► features ─► motion ─► pose ─► draw ─► mark ─► video (pieces, file)
    audio file ─► blocks ─────┘      └────────────── 640 samples a frame ──────────────────┘

Sound comes in blocks, motion follows it 0.5 s behind, a frame is drawn while the next one is posed and the last one
encoded. Nothing grows with the clip's length but the file and the list of its words (and, where it is asked for, the
motion: 270 bytes a frame); a recording that has a transcript is held whole, since its words are found before the first
frame.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotalk.core.clip import Clip
from emotalk.core.errors import AudioError, Cancelled, InputError, VideoError, VoiceError
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.emotion import EmotionCurve
from emotalk.speech.decoding import sound_seconds
from emotalk.speech.direction import parse
from emotalk.speech.known_phones import KnownPhones
from emotalk.talk.background import Blurred, Transparent
from emotalk.talk.burned_captions import BurnedCaptions
from emotalk.talk.captions import captions, check_captions_path, ends_sentence, sentence_starts, write_captions
from emotalk.talk.mood import TalkMood, mood_of
from emotalk.talk.request import TalkRequest
from emotalk.talk.scene import Scene
from emotalk.video import FrameFolder, Mark, VideoWriter
from emotalk.video.alpha_writer import AlphaWriter, check_alpha_format, straight_alpha
from emotalk.video.formats import check_format, made_as

if TYPE_CHECKING:
    from emotalk.core.gaussians import GaussianCloud
    from emotalk.core.speech import SpeechFeatures
    from emotalk.talk.studio import Studio

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
BLOCK_SECONDS = 1.0
"""Sound is taken in blocks of a second: the first frame waits for one block, and per-block costs stay small."""
AUTO_BLOCK_SECONDS = 2.0
"""Where the mood is heard in the voice, blocks are as long as the window in which it is heard."""
DOUBTFUL_SECONDS = 1.0
"""So long may something else be said than the transcript says before that is told."""


class Talk:
    """One run of the line in this file's header. Used once; `run` is all there is to call."""

    def __init__(
        self,
        studio: Studio,
        request: TalkRequest,
        progress: ProgressCallback | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.studio, self.request = studio, request
        self.progress = progress or (lambda _: None)
        self.cancelled = cancelled or (lambda: False)
        self.started = time.perf_counter()
        self.seconds: dict[str, float] = {}  # by stage; stages overlap, so they add up to more than the whole
        self.samples: deque[np.ndarray] = deque()  # one entry a frame, in step with the clouds
        self.motions: list[HeadMotion] = []
        self.captioned = False  # whether it is an error that a voice does not tell its words
        self.known = KnownPhones()  # a voice that says when it speaks which phone is trusted more than the encoder
        self.words: list[tuple[float, float, str]] = []  # of a text, in seconds
        self.sentences: list[int] = []  # the frames at which sentences begin
        self.transcript = ""  # what is said in a recording, where that is known
        self.mood = TalkMood(request)
        self.script = parse(request.text) if request.text is not None and request.audio is None else None
        self.remarks = () if self.script is None else self.script.remarks
        self.total: int | None = None
        self.block_seconds = AUTO_BLOCK_SECONDS if request.emotion == "auto" else BLOCK_SECONDS

    def run(
        self,
        target: str | Path | None,
        motion_out: str | Path | None,
        frames_dir: str | Path | None,
        captions_out: str | Path | None,
        on_piece: Callable[[bytes], None] | None,
    ) -> Clip:
        """Make the clip; arguments, files and errors as `Studio.talk` has them."""
        look = self.request.look
        self.captioned = captions_out is not None or look.captions != "off"
        self._check(target, captions_out, on_piece)
        self.progress(Progress("speech"))
        scene = Scene(self.studio.avatar(self.request.avatar), look, self.sentences)
        blocks = self._sound()
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
            pictures = scene.frames(self._clouds(first, blocks, scene, keep=motion_out is not None))
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

    def _sound(self) -> Iterator[np.ndarray]:
        """Blocks of samples at 16 kHz."""
        request = self.request
        limit = request.max_seconds
        if self.script is not None:
            blocks = self._spoken()
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
                blocks = (part.samples for part in stream_audio(request.audio, self.block_seconds, **more))
            else:
                blocks = self._transcribed(**more)
        received = 0  # samples
        for block in blocks:
            received += len(block)
            if limit is not None and received > limit * SAMPLE_RATE:
                raise AudioError(
                    f"This lasts longer than {limit:.0f} seconds, the most that is made here. Make it shorter."
                )
            yield block

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
        self.known.said(speech)
        self.words += speech.words
        size = round(self.block_seconds * SAMPLE_RATE)
        for start in range(0, len(speech.samples), size):
            yield speech.samples[start : start + size]

    def _spoken(self) -> Iterator[np.ndarray]:
        """The text said piece by piece, in the mood's tone of voice."""
        # Imported here: voices only for texts.
        from emotalk.speech import say_stream

        request, size = self.request, round(self.block_seconds * SAMPLE_RATE)
        mood = None
        if request.mood_in_voice and isinstance(request.emotion, EmotionCurve):
            mood = mood_of(request.emotion, request.expressiveness)
        letters = samples = 0
        ended = True
        voice = request.voice or self._fitting_voice()
        for part in say_stream(self.script, voice, emotion=mood):
            if self.captioned and part.text and not part.words:
                raise VoiceError(
                    f"The voice {part.source} does not tell when it says which word, so there can be no captions; "
                    "choose a voice of kokoro or espeak."
                )
            self.known.said(part)
            self.mood.said(part)
            start = samples / SAMPLE_RATE
            if part.text.strip():
                if ended:
                    self.sentences.append(-(-samples // SAMPLES_PER_FRAME))
                ended = ends_sentence(part.text)
            self.words += [(a + start, b + start, word) for a, b, word in part.words]
            letters += len(part.text)
            samples += len(part.samples)
            # How long the rest will take is judged by the letters said so far.
            self.total = round(samples / SAMPLES_PER_FRAME * max(1.0, len(request.text) / max(1, letters)))
            for start in range(0, len(part.samples), size):
                yield part.samples[start : start + size]
        self.total = -(-samples // SAMPLES_PER_FRAME)

    def _fitting_voice(self) -> str | None:
        """The voice of the avatar, in the language that the text is in."""
        # Imported here: as above.
        from emotalk.speech.language import detect

        language = detect(self.script.written) or "en"
        voice = self.studio.voice_for(self.request.avatar, language)
        if language != "en" and voice is not None:
            self.remarks += (f"The text is in another language ({language}), so {voice} reads it.",)
        return voice

    def _clouds(
        self, first: np.ndarray, blocks: Iterator[np.ndarray], scene: Scene, keep: bool
    ) -> Iterator[GaussianCloud]:
        """A cloud for every frame; runs in the renderer's thread, one frame ahead of the drawing."""
        rest = np.zeros(0, np.float32)
        frame = 0
        for moved, samples in self._motion(first, blocks):
            motion = scene.directed(moved, frame)
            if keep:
                self.motions.append(motion)
            rest = np.concatenate([rest, samples])
            for t in range(len(motion)):
                cloud = self._timed("pose", scene.pose, motion, t, frame)
                frame += 1
                self.samples.append(rest[:SAMPLES_PER_FRAME])
                rest = rest[SAMPLES_PER_FRAME:]
                yield cloud

    def _motion(self, first: np.ndarray, blocks: Iterator[np.ndarray]) -> Iterator[tuple[HeadMotion, np.ndarray]]:
        """Stretches of motion with the samples that came in since the last one."""
        # Imported here: loaded with the studio's model.
        from emotalk.motion import MotionStyle

        request = self.request
        encoder = self.studio.encoder.stream()
        # Below 1 the mood itself fades; above 1 the person also becomes one who shows more.
        shows = max(0.0, 2 * (request.expressiveness - 1))
        face = self.studio.avatar(request.avatar).card.face
        style = MotionStyle(head_energy=request.head_motion, face=face, expressivity=shows)
        stream = self.studio.motion_of(request.avatar).stream(self.mood.curve, style, request.seed)
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

    def _spent(self, stage: str, started: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started

    def _timed(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return work(*arguments)
        finally:
            self._spent(stage, started)


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
