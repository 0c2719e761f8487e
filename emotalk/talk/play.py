"""A script with several speakers as one video.

    lines ─► takes (`take_store` has those that did not change) ─► cut or side by side ─► captions, mark ─► video

A take is made at a time and lies on the disk; of the finished scene one frame a speaker is held.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.checks import check_number, check_whole
from emotalk.core.clip import Clip
from emotalk.core.errors import Cancelled, EmotalkError, InputError, VideoError, VoiceError
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.core.rates import FPS
from emotalk.talk.background import Transparent
from emotalk.talk.burned_captions import BurnedCaptions
from emotalk.talk.captions import Caption, captions, check_captions_path, write_captions
from emotalk.talk.cast import Part, cast, voice_of
from emotalk.talk.request import LARGEST_SEED, Look, TalkRequest
from emotalk.talk.screenplay import Line, Screenplay, parse_screenplay, same_name
from emotalk.talk.sound import SAMPLES_PER_FRAME
from emotalk.talk.take import BEFORE, BEHIND, CLEAR_PICTURE, PICTURE, SOUND, Take, TakeFacts
from emotalk.talk.take_store import TakeKeys, TakeStore
from emotalk.video import Mark, VideoWriter
from emotalk.video.alpha_writer import AlphaWriter, check_alpha_format, multiplied_alpha, straight_alpha
from emotalk.video.formats import check_format, made_as
from emotalk.video.reader import read_frames

if TYPE_CHECKING:
    from emotalk.talk.studio import Studio

STAGINGS = ("cut", "side-by-side")
"""Who is in the picture: the one who speaks; or all of them, side by side (one above the other in a tall picture)."""
MOST_BESIDE = 4
"""Speakers side by side at most."""

_BESIDE, _ABOVE = (0.0, 22.0, 27.0, 30.0), (0.0, 13.0, 16.0, 18.0)
"""Degrees by which somebody is turned to a speaker so many panes away, to the side and up or down: by eye."""


@dataclass(frozen=True)
class PlayRequest:
    """One scene. `staging` is one of STAGINGS, `look` that of the whole picture; the rest is as in `TalkRequest`, for
    every line. The same request with the same `seed` gives the same video. Raises InputError."""

    screenplay: Screenplay
    staging: str = "cut"
    look: Look = field(default_factory=Look)
    seed: int = 0
    head_motion: float = 1.0
    expressiveness: float = 1.0
    mood_in_voice: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.screenplay, Screenplay):
            raise InputError(f"A scene is made of a Screenplay, found {type(self.screenplay).__name__}.")
        if self.staging not in STAGINGS:
            raise InputError(f"There is no staging {self.staging!r:.40}; choose one of {', '.join(STAGINGS)}.")
        count = len(self.screenplay.speakers)
        if self.staging == "side-by-side" and count > MOST_BESIDE:
            raise InputError(
                f"{count} people speak, and at most {MOST_BESIDE} fit side by side; cut from one to the other instead."
            )
        check_number("The head motion amount", self.head_motion, 0, 2)
        check_number("The expressiveness", self.expressiveness, 0, 2)
        object.__setattr__(self, "seed", check_whole("The seed", self.seed, 0, LARGEST_SEED))


@dataclass(frozen=True)
class SpokenLine:
    """When a line of the script is to be seen and heard in the scene."""

    speaker: str
    written: str  # without directions
    start: float  # seconds
    end: float
    reused: bool = False  # whether it had been made before


@dataclass(frozen=True)
class SceneClip(Clip):
    """A finished scene: a `Clip`, and when which line is said."""

    lines: tuple[SpokenLine, ...] = ()

    @property
    def reused(self) -> int:
        """How many lines had been made before."""
        return sum(line.reused for line in self.lines)


@dataclass(frozen=True)
class PaneLook(Look):
    """The look of one speaker among several in a picture: `pane` is (width, height) in pixels, both even."""

    pane: tuple[int, int] = (512, 512)

    @property
    def width(self) -> int:
        """Pixels, even."""
        return self.pane[0]

    @property
    def height(self) -> int:
        """Pixels, even."""
        return self.pane[1]


@dataclass(frozen=True)
class _Filmed:
    """A line's takes, by pane: the speaker's own, and those of who listens."""

    line: Line
    facts: TakeFacts  # of the speaker
    folders: tuple[Path, ...]
    keys: tuple[str, ...]
    reused: bool


def play(
    studio: Studio,
    request: PlayRequest | str,
    target: str | Path,
    *,
    captions: str | Path | None = None,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
    store: TakeStore | None = None,
) -> SceneClip:
    """Make the video of a scene, in the format of its name (`video.formats`); a text is a script with all defaults.

    `captions` also receives the words as .srt or .vtt. Lines that did not change since they were last made come from
    `store` (by default a folder in the cache, bounded in size), so that a scene of which one line is written anew is
    made quickly, and one that was stopped goes on. `cancelled` is asked before every frame; Cancelled is raised when it
    says so. Raises the package's errors, with the number of the line; nothing half-written stays behind.
    """
    if isinstance(request, str):
        request = PlayRequest(parse_screenplay(request))
    return _Play(studio, request, progress, cancelled, store or TakeStore()).run(Path(target), captions)


class _Play:
    """One run of the line in this file's header."""

    def __init__(
        self,
        studio: Studio,
        request: PlayRequest,
        progress: ProgressCallback | None,
        cancelled: Callable[[], bool] | None,
        store: TakeStore,
    ) -> None:
        self.studio, self.request, self.store = studio, request, store
        self.progress = progress or (lambda _: None)
        self.cancelled = cancelled or (lambda: False)
        self.parts = cast(studio, request.screenplay)
        beside = request.staging == "side-by-side"
        self.panes = panes(request.look, len(self.parts)) if beside else panes(request.look, 1)
        self.clear = isinstance(request.look.background, Transparent)
        self.keys = TakeKeys(studio)
        self.remarks: dict[str, None] = {}  # in order, each once
        self.words_wanted = False

    def run(self, target: Path, captions_out: str | Path | None) -> SceneClip:
        """Make the scene; arguments as `play` has them."""
        started = time.perf_counter()
        (check_alpha_format if self.clear else check_format)(target)
        if captions_out is not None:
            check_captions_path(captions_out)
        look = self.request.look
        self.words_wanted = captions_out is not None or look.captions != "off"
        pieces = self._film_all()
        made = time.perf_counter()
        with contextlib.ExitStack() as stack:
            if self.clear:
                writer = AlphaWriter(target, look.width, look.height, title=self._title())
            else:
                video = stack.enter_context(made_as(target))
                writer = VideoWriter(video, look.width, look.height, title=self._title())
            self._join(pieces, stack.enter_context(writer))
        lines = tuple(_spoken_lines(pieces))
        if captions_out is not None:
            try:
                write_captions(captions_out, scene_captions(lines, [piece.facts for piece in pieces]))
            except OSError as error:
                raise VideoError(f"The captions could not be written to {captions_out}: {error}.") from error
        self.store.trim({key for piece in pieces for key in piece.keys})
        frames, now = sum(piece.facts.frames for piece in pieces), time.perf_counter()
        return SceneClip(
            path=str(target),
            seconds=frames / FPS,
            frames=frames,
            width=look.width,
            height=look.height,
            timings={"takes": made - started, "join": now - made, "total": now - started},
            captions_path=None if captions_out is None else str(captions_out),
            remarks=tuple(self.remarks),
            lines=lines,
        )

    def _film_all(self) -> list[_Filmed]:
        """All lines with their takes, made where they are not there yet."""
        pieces: list[_Filmed] = []
        said: Counter[tuple[str, str]] = Counter()
        names = list(self.parts)
        lines = self.request.screenplay.lines
        for number, line in enumerate(lines, 1):
            speaker = same_name(line.speaker)
            # The same words again are another take; a line's place in the script is no matter.
            again = said[speaker, line.directed]
            said[speaker, line.directed] += 1
            stage = f"line {number} of {len(lines)}"
            try:
                pieces.append(self._film(line, names, again, stage))
            except Cancelled:
                raise
            except EmotalkError as error:
                raise type(error)(f"Line {line.number} ({line.speaker}): {error}") from error
            self.remarks |= {f"Line {line.number} ({line.speaker}): {told}": None for told in pieces[-1].facts.remarks}
        return pieces

    def _film(self, line: Line, names: list[str], again: int, stage: str) -> _Filmed:
        speaker = same_name(line.speaker)
        beside = self.request.staging == "side-by-side"
        part = self.parts[speaker]
        own = self._request(part, self._pane_look(names.index(speaker) if beside else 0), line, again)
        own = replace(own, voice=voice_of(self.studio, part, line))
        key, folder, facts, reused = self._take(own, part, stage)
        if self.words_wanted and not facts.words:
            raise VoiceError(
                f"The voice {facts.voice} does not tell when it says which word, so there can be no captions; choose a "
                "voice of kokoro or espeak."
            )
        taken = {speaker: (key, folder)}
        for pane, name in enumerate(names if beside else ()):
            if name != speaker:
                listener = self.parts[name]
                request = self._request(listener, self._pane_look(pane), line, again)
                stage_beside = f"{stage}, {listener.speaker} listens"
                # Who is told where to look does not look elsewhere because somebody speaks.
                turned = towards(self.panes[pane], self.panes[names.index(speaker)])
                turned = turned if self.request.look.gaze == "ahead" else None
                key, folder, _, _ = self._take(request, listener, stage_beside, facts.frames, turned)
                taken[name] = key, folder
        shown = [taken[name] for name in (names if beside else [speaker])]
        return _Filmed(line, facts, tuple(f for _, f in shown), tuple(k for k, _ in shown), reused)

    def _take(
        self,
        request: TalkRequest,
        part: Part,
        stage: str,
        listening: int | None = None,
        turned: tuple[float, float] | None = None,
    ) -> tuple[str, Path, TakeFacts, bool]:
        def told(news: Progress) -> None:
            self.progress(Progress(stage, news.done, news.total))

        if listening is not None:
            request = replace(request, text="...", voice=None)  # whatever is said, it is the same listening
        key = self.keys.of(request, part.folder, listening, turned)
        take = Take(self.studio, request, told, self.cancelled, listening, turned)
        return key, *self.store.get(key, take.film)

    def _request(self, part: Part, look: Look, line: Line, again: int) -> TalkRequest:
        whole = self.request
        content = f"{whole.seed}\n{again}\n{same_name(part.speaker)}\n{line.directed}"
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()
        return TalkRequest(
            avatar=part.avatar,
            text=_between_pauses(line.directed),
            seed=int.from_bytes(digest[:4], "big"),
            head_motion=whole.head_motion,
            expressiveness=whole.expressiveness,
            mood_in_voice=whole.mood_in_voice,
            look=look,
        )

    def _pane_look(self, pane: int) -> Look:
        rows, columns = self.panes[pane]
        size = columns.stop - columns.start, rows.stop - rows.start
        look = replace(self.request.look, mark="off", captions="off")
        if size == (look.width, look.height):
            return look
        return PaneLook(**{f.name: getattr(look, f.name) for f in fields(look)}, pane=size)

    def _join(self, pieces: list[_Filmed], writer: VideoWriter | AlphaWriter) -> None:
        look = self.request.look
        mark = Mark(look.width, look.height, look.mark)
        kept = CLEAR_PICTURE if self.clear else PICTURE
        frame = np.zeros((look.height, look.width, 4 if self.clear else 3), np.uint8)
        total = sum(piece.facts.frames for piece in pieces)
        for piece in pieces:
            burned = BurnedCaptions(look, piece.facts.words) if look.captions != "off" else None
            with contextlib.ExitStack() as stack:
                pictures = [
                    stack.enter_context(
                        contextlib.closing(
                            read_frames(folder / kept, columns.stop - columns.start, rows.stop - rows.start, self.clear)
                        )
                    )
                    for folder, (rows, columns) in zip(piece.folders, self.panes, strict=True)
                ]
                speaker = piece.folders[self._pane_of(piece)]
                for number, samples in enumerate(_sound(speaker / SOUND, piece.facts.frames)):
                    if self.cancelled():
                        raise Cancelled("Stopped: no video was made; the lines that were finished are kept.")
                    for (rows, columns), source in zip(self.panes, pictures, strict=True):
                        picture = next(source, None)
                        if picture is None:
                            self._lost(piece)
                        frame[rows, columns] = multiplied_alpha(picture) if self.clear else picture
                    if burned is not None:
                        burned.draw(frame, number, piece.facts.written)
                    mark.draw(frame)
                    writer.write(straight_alpha(frame) if self.clear else frame, samples)
                    self.progress(Progress("joining", writer.frames, total))
            if burned is not None and burned.remark:
                self.remarks[burned.remark] = None

    def _pane_of(self, piece: _Filmed) -> int:
        return list(self.parts).index(same_name(piece.line.speaker)) if len(piece.folders) > 1 else 0

    def _lost(self, piece: _Filmed) -> None:
        for key in piece.keys:
            self.store.forget(key)
        raise VideoError(
            f"Line {piece.line.number} ({piece.line.speaker}): what was kept of it is damaged and has been "
            "removed. Try again."
        )

    def _title(self) -> str:
        first = self.request.screenplay.lines[0].text
        return f"{', '.join(self.request.screenplay.speakers)}: {' '.join(first.split())[:60]}"


def panes(look: Look, count: int) -> list[tuple[slice, slice]]:
    """(rows, columns) of `count` equal parts of a picture, with even sides: from left to right, or from top to bottom
    where it is taller than wide."""
    along = max(look.width, look.height) if look.height > look.width else look.width
    edges = [2 * round(along * i / count / 2) for i in range(count + 1)]
    parts = [slice(start, end) for start, end in itertools.pairwise(edges)]
    if look.height > look.width:
        return [(part, slice(0, look.width)) for part in parts]
    return [(slice(0, look.height), part) for part in parts]


def towards(listener: tuple[slice, slice], speaker: tuple[slice, slice]) -> tuple[float, float]:
    """Where somebody in one pane (rows, columns) looks to see somebody in another: degrees to the right and up, as in
    the picture. Neighbours stand at an angle to each other, so that both are seen well; whoever is further off is
    further round."""
    down, right = (
        round((theirs.start + theirs.stop - mine.start - mine.stop) / 2 / (mine.stop - mine.start))
        for mine, theirs in zip(listener, speaker, strict=True)
    )
    return math.copysign(_BESIDE[abs(right)], right), -math.copysign(_ABOVE[abs(down)], down)


def scene_captions(lines: tuple[SpokenLine, ...], takes: list[TakeFacts]) -> tuple[Caption, ...]:
    """The captions of a scene: each holds words of one speaker, and none stays into the next line."""
    found: list[Caption] = []
    for line, facts in zip(lines, takes, strict=True):
        for caption in captions(facts.words, facts.written):
            start = round(line.start + caption.start, 3)
            found.append(Caption(start, round(line.start + caption.end, 3), caption.text))
    return tuple(
        replace(caption, end=min(caption.end, after.start)) if after else caption
        for caption, after in itertools.zip_longest(found, found[1:])
    )


def _between_pauses(text: str) -> str:
    return f"[pause {BEFORE}] {text} [pause {BEHIND}]"


def _spoken_lines(pieces: list[_Filmed]) -> Iterator[SpokenLine]:
    start = 0
    for piece in pieces:
        end = start + piece.facts.frames
        yield SpokenLine(piece.line.speaker, piece.facts.written, start / FPS, end / FPS, piece.reused)
        start = end


def _sound(path: Path, frames: int) -> Iterator[np.ndarray]:
    """The samples [640] of each frame of a take."""
    with wave.open(str(path), "rb") as file:
        for _ in range(frames):
            data = np.frombuffer(file.readframes(SAMPLES_PER_FRAME), "<i2")
            yield np.pad(data.astype(np.float32) / 32767, (0, SAMPLES_PER_FRAME - len(data)))
