"""What somebody asks for when they make an avatar of a person, and what they get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from emotalk.avatar.gallery import folder_name
from emotalk.core.checks import check_number
from emotalk.core.errors import InputError

if TYPE_CHECKING:
    from emotalk.avatar import AvatarCard
    from emotalk.create.verdict import Verdict

AvatarRequest: TypeAlias = "PersonalizeRequest | PortraitRequest | ImproveRequest"
"""What makes an avatar, or makes it better."""

CONSENT = (
    "I am the person in this video or photo, or that person has agreed: an avatar of them may be made, "
    "it can be made to say anything, and where it is shown live, its numbers go to the browser of whoever watches."
)
"""What somebody agrees to before a real person's avatar is made; it is kept in the avatar's card."""
CONSENT_VIDEO_ONLY = (
    "I am the person in this video or photo, or that person has agreed: an avatar of them may be made, "
    "and it can be made to say anything, in finished videos only: it is never drawn live in a browser."
)
"""The narrower sentence of those who choose that; no browser then gets the avatar's numbers to draw it."""
_PHOTO_BRANDS = (b"avif", b"heic", b"heix", b"heim", b"heis", b"mif1")
"""What the first box of an ISO media file (ISO/IEC 14496-12) calls a picture; everything else there moves."""
MINUTES = (0.1, 120)
"""The least and the most that a fit may be given."""
MOST_FACES = 99
"""The highest number that somebody may give to a face in a photo."""


@dataclass(frozen=True)
class PersonalizeRequest:
    """One avatar to be made of a video. `consent` is the sentence that was agreed to (`consent_to`); without one
    nothing is made. With `video_only` the avatar may not be drawn live in a browser (`Consent.live`).

    `minutes` bounds the fit (tracking comes before it), `size` is the side of the square pictures it learns from.
    `device` ("auto", "cpu" or "cuda") is where the fit is computed. With `resume`, a run that was stopped goes on with
    the consent and settings it was started with, on any device, for videos only where it or this request says so; where
    there is none, it starts. Raises InputError.
    """

    SOURCE: ClassVar[str] = "video"

    video: str | Path
    name: str  # what the person is called; the avatar's folder is named after it
    consent: str = ""
    minutes: float = 2.0
    size: int = 512
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    seconds: float | None = None  # of the video that are used at most
    video_only: bool = False
    keep_frames: bool = True  # with the state of the fit, so that `improve` can go on from there

    def __post_init__(self) -> None:
        _check_avatar(self, needs_consent=not self.resume)
        if not isinstance(self.keep_frames, bool):
            raise InputError(f"Whether frames are kept must be true or false, found {_short(self.keep_frames)}.")
        if _is_photo(Path(self.video)):
            raise InputError(
                f"{Path(self.video).name!r:.80} is a photo, and a video is needed here. For a photo there is "
                "`python -m emotalk portrait`, and Photo on the page."
            )
        check_number("The minutes for the fit", self.minutes, *MINUTES)
        if self.seconds is not None:
            check_number("The seconds of the video", self.seconds, 2, 3600)


@dataclass(frozen=True)
class PortraitRequest:
    """One avatar to be made of a photo. `consent` is the sentence that was agreed to (`consent_to`); without one
    nothing is made. With `video_only` the avatar may not be drawn live in a browser (`Consent.live`).

    `face` chooses among several people: 1 is the one furthest left. `size` is the side of the square picture that is
    learned from, `device` ("auto", "cpu" or "cuda") where the fit is computed. Raises InputError.
    """

    SOURCE: ClassVar[str] = "photo"

    photo: str | Path
    name: str  # what the person is called; the avatar's folder is named after it
    consent: str = ""
    face: int | None = None
    size: int = 512
    seed: int = 0
    device: str = "auto"
    video_only: bool = False

    def __post_init__(self) -> None:
        _check_avatar(self, needs_consent=True)
        whole = isinstance(self.face, int) and not isinstance(self.face, bool)
        if self.face is not None and not (whole and 1 <= self.face <= MOST_FACES):
            raise InputError(
                f"The face must be a whole number from 1 (the one furthest left) to {MOST_FACES}, found "
                f"{_short(self.face)}."
            )


@dataclass(frozen=True)
class ImproveRequest:
    """An avatar that was made of a video to be fitted for more `minutes`, from where its fit ended: with the consent it
    was made with, and the frames that were kept of its video. `device` as in `PersonalizeRequest`. Raises InputError.
    """

    SOURCE: ClassVar[str] = "improve"

    name: str  # what the person is called, or the avatar's folder
    minutes: float = 1.0
    device: str = "auto"

    def __post_init__(self) -> None:
        folder_name(self.name)
        check_number("The minutes for the fit", self.minutes, *MINUTES)


@dataclass(frozen=True)
class PersonalizeResult:
    """What was made."""

    name: str  # what the gallery and `talk --avatar` call it
    folder: Path
    card: AvatarCard
    quality: tuple[str, ...]  # what tracking says of the video or photo, in sentences
    seconds: float  # of this run
    verdict: Verdict | None = None  # of an avatar made of a video


def source_of(request: AvatarRequest) -> Path | None:
    """The file that the avatar is made of; None where it is what was kept of an earlier one."""
    return None if isinstance(request, ImproveRequest) else Path(getattr(request, request.SOURCE))


def consent_to(video_only: bool) -> str:
    """The sentence that is agreed to: `CONSENT_VIDEO_ONLY` or `CONSENT`."""
    return CONSENT_VIDEO_ONLY if video_only else CONSENT


def need_consent(consent: str, video_only: bool = False) -> None:
    """Raise InputError unless somebody agreed to something; the sentence tells what `--consent` would say."""
    if not isinstance(consent, str) or not consent.strip():
        raise InputError(f'An avatar of a person needs consent. With --consent you say: "{consent_to(video_only)}"')


def _check_avatar(request: PersonalizeRequest | PortraitRequest, needs_consent: bool) -> None:
    """What every request for an avatar is checked for."""
    what, file = request.SOURCE, getattr(request, request.SOURCE)
    folder_name(request.name)
    if not isinstance(file, str | Path):
        raise InputError(f"The {what} must be the path of a file, found {type(file).__name__}.")
    if not Path(file).is_file():
        raise InputError(f"There is no {what} {Path(file).name!r}; check the name.")
    if not isinstance(request.consent, str) or len(request.consent) > 2000:
        raise InputError("The consent must be a sentence of at most 2000 characters.")
    if not isinstance(request.video_only, bool):
        raise InputError(f"Whether it is for videos only must be true or false, found {_short(request.video_only)}.")
    if needs_consent:
        need_consent(request.consent, request.video_only)
    if request.consent.strip() == CONSENT_VIDEO_ONLY and not request.video_only:
        raise InputError("What was agreed to is an avatar for videos only; ask for one with video_only=True.")
    if request.size not in (256, 512):
        raise InputError(f"An avatar is fitted at 256 or 512 pixels, found {_short(request.size)}.")
    seed = request.seed
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"The seed must be a whole number from 0 to {2**32 - 1}, found {_short(seed)}.")


def _is_photo(file: Path) -> bool:
    """Whether a file begins as photos do: JPEG, PNG, TIFF, WebP, HEIC, AVIF. A GIF may be a video."""
    try:
        with file.open("rb") as opened:
            head = opened.read(16)
    except OSError:
        return False
    if head.startswith(b"\xff\xd8\xff"):
        return file.suffix.lower() not in (".mjpeg", ".mjpg")  # videos that are JPEGs in a row
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")):
        return True
    return (head[:4], head[8:12]) == (b"RIFF", b"WEBP") or (head[4:8] == b"ftyp" and head[8:12] in _PHOTO_BRANDS)


def _short(value: object) -> str:
    """A value in a message; a number of thousands of digits cannot even be printed."""
    if isinstance(value, int) and not -(10**15) < value < 10**15:
        return "a far larger one"
    return f"{value!r:.60}"
