"""What a person asks for: who speaks, what, in which mood, and how it shall look. Checked before any work."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.checks import check_number, check_whole
from emotalk.core.errors import InputError
from emotalk.core.file_names import file_name_of
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.emotion import NAMED_EMOTIONS, EmotionCurve, load_curve
from emotalk.speech.direction import parse
from emotalk.speech.encoders import EMBEDDED
from emotalk.speech.text import MAX_CHARACTERS, clean_text
from emotalk.talk.background import Background
from emotalk.talk.shots import GAZE_DEGREES, GAZES, SHOTS
from emotalk.video import CAPTION_STYLES, MARK_POSITIONS

SIZES = (256, 512, 720, 1024)
"""Shorter sides of the pictures that the app offers, in pixels."""
SHAPES: dict[str, tuple[int, int]] = {"1:1": (1, 1), "9:16": (9, 16), "16:9": (16, 9)}
"""Shapes of pictures, width to height: for pages, phones and television."""
LARGEST_SIZE = 1080
"""Pixels of a picture's shorter side at most."""
LARGEST_SEED = 2**32 - 1
WORDS_PER_SECOND = 2.6
"""Slow read-aloud English, to tell how long a text will last before it is spoken."""
LETTERS_PER_SECOND = 25
"""Faster than any voice: bounds a text of few and endless words."""
LONGEST_KEYS = 20_000
"""Letters of key frames that are written as a text."""
MAX_NAME = 100
"""Letters in the name of a voice."""


@dataclass(frozen=True)
class Look:
    """How the picture is taken: `size` is its shorter side in pixels (even, 64 to 1080), `shape` one of SHAPES.

    `yaw` turns the camera around the head (degrees, positive: seen from the person's left), `pitch` raises it,
    `zoom` > 1 comes nearer. `background` is None (the avatar's own), a `Colour`, a `PictureFile`,
    `Blurred()` or `Transparent()`. `mark` places the visible "AI generated" label: one of MARK_POSITIONS. `captions`
    paints what is said into the picture: one of CAPTION_STYLES. `shot` moves the camera: one of `shots.SHOTS`. `gaze`
    is where the person looks: one of `shots.GAZES`, or a point (degrees to the right and up, as seen in the picture).
    """

    size: int = 512
    yaw: float = 0.0
    pitch: float = 0.0
    zoom: float = PORTRAIT_ZOOM
    background: Background | None = None
    mark: str = "bottom-right"
    shape: str = "1:1"
    captions: str = "off"
    shot: str = "still"
    gaze: str | tuple[float, float] = "ahead"

    @property
    def width(self) -> int:
        """Pixels, even."""
        return self._side(0)

    @property
    def height(self) -> int:
        """Pixels, even."""
        return self._side(1)

    def _side(self, axis: int) -> int:
        ratio = SHAPES[self.shape]
        return 2 * round(self.size * ratio[axis] / min(ratio) / 2)

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size % 2:
            raise InputError(f"The size must be an even number of pixels, found {self.size!r}.")
        check_number("The size", self.size, 64, LARGEST_SIZE)
        if self.shape not in tuple(SHAPES):
            raise InputError(f"There is no shape {self.shape!r:.40}; choose one of {', '.join(SHAPES)}.")
        check_number("The camera's yaw", self.yaw, -60, 60)
        check_number("The camera's pitch", self.pitch, -30, 30)
        check_number("The camera's zoom", self.zoom, 0.5, 2.5)
        if self.captions not in CAPTION_STYLES:
            raise InputError(f"There are no captions {self.captions!r:.40}; choose one of {', '.join(CAPTION_STYLES)}.")
        if self.shot not in SHOTS:
            raise InputError(f"There is no shot {self.shot!r:.40}; choose one of {', '.join(SHOTS)}.")
        if isinstance(self.gaze, str) and self.gaze not in GAZES:
            raise InputError(
                f"Nobody looks {self.gaze!r:.40}; choose one of {', '.join(GAZES)}, or a point: two numbers of degrees."
            )
        if not isinstance(self.gaze, str):
            self._check_point()
        if self.mark not in MARK_POSITIONS:
            raise InputError(f"There is no mark position {self.mark!r}; choose one of {', '.join(MARK_POSITIONS)}.")
        if self.background is not None and not isinstance(self.background, Background):
            raise InputError(
                "The background must be None, a Colour, a PictureFile, Blurred() or Transparent(), found "
                f"{self.background!r:.60}; write "
                'Colour.parse("#d8e4f0") or PictureFile(Path("room.jpg")).'
            )

    def _check_point(self) -> None:
        if not isinstance(self.gaze, tuple) or len(self.gaze) != 2:
            raise InputError(f"A point to look at is two numbers of degrees, found {self.gaze!r:.60}.")
        for name, degrees, most in zip(("to the right", "up"), self.gaze, GAZE_DEGREES, strict=True):
            check_number(f"The gaze {name}", degrees, -most, most)


@dataclass(frozen=True)
class TalkRequest:
    """One talk. Exactly one of `text` (spoken by `voice`) and `audio` (a file) is given. `transcript` says what is said
    in the audio, where that is known: then its words can be captions, and the lips follow them.

    `motion`, at 25 fps, drives the head in place of what the sound would make it do: a capture (`read_livelink`), or
    what somebody's landmarks show (`tracking.landmark_drive`). An audio file, about as long, is then what is heard, or
    there is silence; of the emotion only the upper face is added, `head_motion` scales the poses.

    `emotion` is a curve over time or "auto": arousal follows the voice (valence, which cannot be heard, stays
    with `valence_in_auto`). `head_motion` scales how much the head moves (0: still, 1: natural), `expressiveness`
    how strongly the mood shows (1: as chosen), `mood_in_voice` whether a voice that reads a text has it too. The same
    request with the same `seed` gives the same video. `encoder` names what hears the voice, one of the studio's
    (`Studio.encoders`). Raises InputError for what cannot be said or done.
    """

    avatar: str = "mira"
    text: str | None = None
    audio: str | Path | None = None
    voice: str | None = None
    emotion: EmotionCurve | str = field(default_factory=lambda: EmotionCurve.constant(0.0, 0.0))
    valence_in_auto: float = 0.0
    seed: int = 0
    head_motion: float = 1.0
    expressiveness: float = 1.0
    mood_in_voice: bool = True
    look: Look = field(default_factory=Look)
    max_seconds: float | None = None
    transcript: str | None = None
    encoder: str = EMBEDDED
    motion: HeadMotion | None = field(default=None, repr=False)

    @property
    def file_name(self) -> str:
        """A name without an ending for a file of this talk: its first words, or that of the recording."""
        return file_name_of(Path(self.audio).stem if self.audio is not None else parse(self.text or "").written)

    def __post_init__(self) -> None:
        if not isinstance(self.avatar, str) or not self.avatar.strip():
            raise InputError("No avatar is chosen; name one of those that `python -m emotalk avatars` lists.")
        if self.text is not None:
            object.__setattr__(self, "text", _checked_text("text", self.text, self.max_seconds))
        has_text = self.text is not None and bool(self.text.strip())
        if has_text and self.audio is not None:
            raise InputError("Both a text and an audio file were given; give one of them.")
        if self.motion is not None:
            self._check_motion(has_text)
        elif not has_text and self.audio is None:
            raise InputError("There is nothing to say: type a sentence or give an audio file.")
        if self.audio is not None and not isinstance(self.audio, str | Path):
            raise InputError(f"The audio must be the path of a file, found {type(self.audio).__name__}.")
        if self.audio is not None and not Path(self.audio).is_file():
            raise InputError(f"There is no audio file {Path(self.audio).name!r}; check the name.")
        if self.transcript is not None:
            object.__setattr__(self, "transcript", _checked_text("transcript", self.transcript, self.max_seconds))
            if self.audio is None:
                raise InputError("A transcript belongs to an audio file; what a voice is to say is the text itself.")
        if not isinstance(self.emotion, EmotionCurve) and self.emotion != "auto":
            raise InputError(f'The emotion must be an EmotionCurve or "auto", found {self.emotion!r}.')
        check_number("Valence", self.valence_in_auto, -1, 1)
        check_number("The head motion amount", self.head_motion, 0, 2)
        check_number("The expressiveness", self.expressiveness, 0, 2)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"The seed must be a whole number from 0 to {LARGEST_SEED}, found {self.seed!r:.60}.")
        if self.voice is not None and (not isinstance(self.voice, str) or len(self.voice) > MAX_NAME):
            raise InputError(f"There is no voice {self.voice!r:.60}. `python -m emotalk voices` lists all.")
        if not isinstance(self.encoder, str) or not self.encoder.strip():
            raise InputError(f"A speech encoder is named by a text such as {EMBEDDED!r}, found {self.encoder!r:.60}.")

    def _check_motion(self, has_text: bool) -> None:
        if not isinstance(self.motion, HeadMotion) or not len(self.motion):
            raise InputError(f"The motion must be a HeadMotion of at least one frame, found {self.motion!r:.60}.")
        if has_text:
            raise InputError(
                "A motion brings lips of its own, which no voice would follow: leave the text out, or give the sound "
                "that belongs to it as the audio."
            )
        if self.audio is None and self.emotion == "auto":
            raise InputError("There is no sound to hear the mood in: name an emotion, or give the audio.")
        if self.max_seconds is not None and len(self.motion) > self.max_seconds * FPS:
            raise InputError(
                f"The motion lasts {len(self.motion) / FPS:.0f} seconds; at most {self.max_seconds:.0f} are made here. "
                "Cut it shorter."
            )


def _checked_text(name: str, text: str, max_seconds: float | None) -> str:
    """The text (messages call it by `name`) without what cannot be said; InputError where it is none or far too long.
    It is cheap: nothing is read aloud here."""
    if not isinstance(text, str):
        raise InputError(f"The {name} must be a string, found {type(text).__name__}.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The {name} has {len(text):,} characters; {MAX_CHARACTERS:,} are taken at once. Split it.")
    text = clean_text(text)
    if max_seconds is None:
        return text
    # A margin of two: an estimate must not refuse what would have fitted.
    words = text.split()
    seconds, letters = len(words) / WORDS_PER_SECOND, sum(map(len, words))
    if seconds > 2 * max_seconds:
        raise InputError(
            f"The {name} has {len(words):,} words, about {seconds / 60:.0f} minutes; at most {max_seconds:.0f} seconds "
            "are made here. Shorten it or split it."
        )
    if letters / LETTERS_PER_SECOND > 2 * max_seconds:
        raise InputError(
            f"The {name} has {letters:,} letters; at most {max_seconds:.0f} seconds are made here. Shorten it or split "
            "it."
        )
    return text


def talk_request(
    *,
    avatar: str = "mira",
    text: str | None = None,
    audio: str | Path | None = None,
    voice: str | None = None,
    valence: float = 0.0,
    arousal: float = 0.0,
    emotion: EmotionCurve | Path | str | None = None,
    seed: float = 0,
    head_motion: float = 1.0,
    expressiveness: float = 1.0,
    mood_in_voice: bool = True,
    look: Look | None = None,
    max_seconds: float | None = None,
    transcript: str | None = None,
    encoder: str | None = None,
    motion: HeadMotion | None = None,
) -> TalkRequest:
    """The request that plain values describe, as commands, forms and other programs have them; an empty text, file,
    voice, encoder or (also blank) transcript counts as left out.

    `emotion` takes the place of `valence` and `arousal` (both -1 to 1): a curve, "auto" (arousal follows the voice,
    valence stays), the name of an emotion ("happy"), key frames ("0 happy, 2.5 sad"), or the Path of a file of key
    frames (.json, .csv). A text is never taken for a file. Raises InputError.
    """
    return TalkRequest(
        avatar=avatar,
        text=text or None,
        audio=audio or None,
        voice=voice or None,
        emotion=_emotion(emotion, valence, arousal),
        valence_in_auto=valence,
        seed=check_whole("The seed", seed or 0, 0, LARGEST_SEED),
        head_motion=head_motion,
        expressiveness=expressiveness,
        mood_in_voice=mood_in_voice,
        look=look or Look(),
        max_seconds=max_seconds,
        transcript=transcript if not isinstance(transcript, str) or transcript.strip() else None,
        encoder=encoder or EMBEDDED,
        motion=motion,
    )


def _emotion(emotion: EmotionCurve | Path | str | None, valence: float, arousal: float) -> EmotionCurve | str:
    if emotion is None:
        return EmotionCurve.constant(valence, arousal)
    if isinstance(emotion, Path):
        return load_curve(emotion)
    if isinstance(emotion, EmotionCurve) or emotion == "auto":
        return emotion
    if isinstance(emotion, str) and emotion.strip().lower() in NAMED_EMOTIONS:
        return EmotionCurve.named(emotion)
    if isinstance(emotion, str) and emotion.strip()[:1].isdecimal():
        if len(emotion) > LONGEST_KEYS:
            raise InputError(f"The key frames have {len(emotion):,} letters; {LONGEST_KEYS:,} are taken at most.")
        return EmotionCurve.from_words(emotion)
    raise InputError(
        f"An emotion is auto, key frames, a .json or .csv file, or one of {', '.join(NAMED_EMOTIONS)}; found "
        f"{emotion!r:.80}. "
        "In Python a file is given as a Path."
    )
