"""What a person asks for: who speaks, what, in which mood, and how it shall look. Checked before any work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.checks import check_number
from emotalk.core.errors import InputError
from emotalk.emotion import NAMED_EMOTIONS, EmotionCurve, load_curve
from emotalk.video import MARK_POSITIONS

SIZES = (256, 512, 768)
"""Sides of the square pictures that the app offers, in pixels."""
WORDS_PER_SECOND = 2.6
"""Slow read-aloud English, to tell how long a text will last before it is spoken."""


@dataclass(frozen=True)
class Look:
    """How the picture is taken: a square of `size` pixels (even, 64 to 1024).

    `yaw` turns the camera around the head (degrees, positive: seen from the person's left), `pitch` raises it,
    `zoom` > 1 comes nearer. `background` is None (the avatar's own), a colour "#rrggbb", or the path of a
    picture. `mark` places the visible "AI generated" label: one of MARK_POSITIONS.
    """

    size: int = 512
    yaw: float = 0.0
    pitch: float = 0.0
    zoom: float = PORTRAIT_ZOOM
    background: str | None = None
    mark: str = "bottom-right"

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size % 2:
            raise InputError(f"The size must be an even number of pixels, found {self.size!r}.")
        check_number("The size", self.size, 64, 1024)
        check_number("The camera's yaw", self.yaw, -60, 60)
        check_number("The camera's pitch", self.pitch, -30, 30)
        check_number("The camera's zoom", self.zoom, 0.5, 2.5)
        if self.mark not in MARK_POSITIONS:
            raise InputError(f"There is no mark position {self.mark!r}; choose one of {', '.join(MARK_POSITIONS)}.")
        if self.background is not None and not self.background.startswith("#") and not Path(self.background).is_file():
            raise InputError(
                f"The background must be a colour such as #d8e4f0 or a picture file, found {self.background!r}."
            )
        if self.background is not None and self.background.startswith("#"):
            colour(self.background)


def colour(text: str) -> tuple[float, float, float]:
    """(red, green, blue) in [0, 1] of "#rgb" or "#rrggbb"; InputError for anything else."""
    digits = text.removeprefix("#")
    if re.fullmatch(r"[0-9a-fA-F]{3}", digits):
        digits = "".join(2 * d for d in digits)
    if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
        raise InputError(f"A colour is written #rrggbb, for example #d8e4f0; found {text!r}.")
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


@dataclass(frozen=True)
class TalkRequest:
    """One talk. Exactly one of `text` (spoken by `voice`) and `audio` (a file) is given.

    `emotion` is a curve over time or "auto": arousal follows the voice (valence, which cannot be heard, stays
    with `valence_in_auto`). `head_motion` scales how much the head moves (0: still, 1: natural), `expressiveness`
    how strongly the mood shows (1: as chosen). The same request with the same `seed` gives the same video.
    Raises InputError for what cannot be said or done.
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
    look: Look = field(default_factory=Look)
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.avatar, str) or not self.avatar.strip():
            raise InputError("No avatar is chosen; name one of those that `python -m emotalk avatars` lists.")
        has_text = self.text is not None and bool(self.text.strip())
        if has_text and self.audio is not None:
            raise InputError("Both a text and an audio file were given; give one of them.")
        if not has_text and self.audio is None:
            raise InputError("There is nothing to say: type a sentence or give an audio file.")
        if self.audio is not None and not Path(self.audio).is_file():
            raise InputError(f"There is no audio file {Path(self.audio).name!r}; check the name.")
        if not isinstance(self.emotion, EmotionCurve) and self.emotion != "auto":
            raise InputError(f'The emotion must be an EmotionCurve or "auto", found {self.emotion!r}.')
        check_number("Valence", self.valence_in_auto, -1, 1)
        check_number("The head motion amount", self.head_motion, 0, 2)
        check_number("The expressiveness", self.expressiveness, 0, 2)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise InputError(f"The seed must be a whole number from 0 to {2**32 - 1}, found {self.seed!r}.")
        if has_text and self.max_seconds is not None:
            words = len(self.text.split())
            seconds = words / WORDS_PER_SECOND
            # A margin of two: an estimate must not refuse what would have fitted.
            if seconds > 2 * self.max_seconds:
                raise InputError(
                    f"The text has {words:,} words, about {seconds / 60:.0f} minutes; at most "
                    f"{self.max_seconds:.0f} seconds are made here. Shorten it or split it."
                )


def talk_request(
    *,
    avatar: str = "mira",
    text: str | None = None,
    audio: str | Path | None = None,
    voice: str | None = None,
    valence: float = 0.0,
    arousal: float = 0.0,
    emotion: EmotionCurve | str | None = None,
    seed: float = 0,
    head_motion: float = 1.0,
    expressiveness: float = 1.0,
    look: Look | None = None,
    max_seconds: float | None = None,
) -> TalkRequest:
    """The request that plain values describe, as commands, forms and other programs have them; an empty text, file or
    voice counts as left out.

    `emotion` takes the place of `valence` and `arousal` (both -1 to 1): a curve, "auto" (arousal follows the voice,
    valence stays), the name of an emotion ("happy"), or a file of key frames (.json, .csv): check before what comes
    from strangers. Raises InputError.
    """
    return TalkRequest(
        avatar=avatar,
        text=text or None,
        audio=audio or None,
        voice=voice or None,
        emotion=_emotion(emotion, valence, arousal),
        valence_in_auto=valence,
        seed=int(seed or 0),
        head_motion=head_motion,
        expressiveness=expressiveness,
        look=look or Look(),
        max_seconds=max_seconds,
    )


def _emotion(emotion: EmotionCurve | str | None, valence: float, arousal: float) -> EmotionCurve | str:
    if emotion is None:
        return EmotionCurve.constant(valence, arousal)
    if isinstance(emotion, EmotionCurve) or emotion == "auto":
        return emotion
    if Path(emotion).suffix.lower() in (".json", ".csv"):
        return load_curve(emotion)
    if emotion.strip().lower() in NAMED_EMOTIONS:
        return EmotionCurve.named(emotion)
    raise InputError(
        f"An emotion is auto, a .json or .csv file, or one of {', '.join(NAMED_EMOTIONS)}; found {emotion!r:.80}."
    )
