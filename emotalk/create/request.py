"""What somebody asks for when they make an avatar of a person, and what they get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar.gallery import folder_name
from emotalk.core.checks import check_number
from emotalk.core.errors import InputError

if TYPE_CHECKING:
    from emotalk.avatar import AvatarCard

CONSENT = (
    "I am the person in this video, or that person has agreed: an avatar of them may be made, "
    "and it can be made to say anything."
)
"""What somebody agrees to before a real person's avatar is made; it is kept in the avatar's card."""


@dataclass(frozen=True)
class PersonalizeRequest:
    """One avatar to be made. `consent` is the sentence that was agreed to (`CONSENT`); without one nothing is made.

    `minutes` bounds the fit (tracking comes before it), `size` is the side of the square pictures it learns from.
    `device` ("auto", "cpu" or "cuda") is where the fit is computed. With `resume`, a run that was stopped goes on with
    the consent and settings it was started with, on any device; where there is none, it starts. Raises InputError.
    """

    video: str | Path
    name: str  # what the person is called; the avatar's folder is named after it
    consent: str = ""
    minutes: float = 2.0
    size: int = 512
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    seconds: float | None = None  # of the video that are used at most

    def __post_init__(self) -> None:
        folder_name(self.name)
        if not isinstance(self.video, str | Path):
            raise InputError(f"The video must be the path of a file, found {type(self.video).__name__}.")
        if not Path(self.video).is_file():
            raise InputError(f"There is no video {Path(self.video).name!r}; check the name.")
        if not isinstance(self.consent, str) or len(self.consent) > 2000:
            raise InputError("The consent must be a sentence of at most 2000 characters.")
        if not self.resume:
            need_consent(self.consent)
        check_number("The minutes for the fit", self.minutes, 0.1, 120)
        if self.seconds is not None:
            check_number("The seconds of the video", self.seconds, 2, 3600)
        if self.size not in (256, 512):
            raise InputError(f"An avatar is fitted at 256 or 512 pixels, found {self.size!r:.60}.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise InputError(f"The seed must be a whole number from 0 to {2**32 - 1}, found {self.seed!r:.60}.")


@dataclass(frozen=True)
class PersonalizeResult:
    """What was made."""

    name: str  # what the gallery and `talk --avatar` call it
    folder: Path
    card: AvatarCard
    quality: tuple[str, ...]  # what tracking says of the video, in sentences
    seconds: float  # of this run


def need_consent(consent: str) -> None:
    """Raise InputError unless somebody agreed to something."""
    if not isinstance(consent, str) or not consent.strip():
        raise InputError(f'An avatar of a person needs consent. With --consent you say: "{CONSENT}"')
