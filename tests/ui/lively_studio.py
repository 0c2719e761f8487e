"""A studio whose faces live in the browser: few Gaussians, which software draws; ears and moves as shipped."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar import AvatarCard, Consent
from tests.live.doubles import sparse_avatar
from tests.ui.drawn_studio import DrawnStudio

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.motion import MotionModel
    from emotalk.speech import SpeechEncoder

REAL = {"anna": Consent("I agree to videos.", "2026-01-01"), "berta": Consent("I agree.", "2026-01-01", live=True)}
"""Real people: Anna agreed to videos alone, Berta to a live face too."""


class LivelyStudio(DrawnStudio):
    """A `DrawnStudio` (its stills and videos are cartoons) whose avatars can be drawn by a browser and speak by flite.
    `mira` and `kofi` are nobody's likeness, `anna` and `berta` are real."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ("mira", "kofi", *REAL))
        self._infos = [replace(info, card=_card(info.name, info.card)) for info in self._infos]
        self._avatars: dict[str, GaussianAvatar] = {}

    def avatar(self, name: str) -> GaussianAvatar:
        self._check(name)
        if name not in self._avatars:
            seed, card = next((i, info.card) for i, info in enumerate(self._infos) if info.name == name)
            self._avatars[name] = sparse_avatar(400, 100, seed=seed, card=card)
        return self._avatars[name]

    @property
    def motion(self) -> MotionModel:
        return _motion()

    def motion_of(self, avatar: str) -> MotionModel:
        self._check(avatar)
        return _motion()

    @property
    def encoder(self) -> SpeechEncoder:
        return _encoder()

    def voice_for(self, avatar: str, language: str = "en") -> str | None:
        return "flite:slt"


def _card(name: str, card: AvatarCard) -> AvatarCard:
    return replace(card, synthetic=False, consent=REAL[name]) if name in REAL else card


@functools.cache
def _motion() -> MotionModel:
    # Imported here: tests that only look need no models.
    from emotalk.motion import MotionModel

    return MotionModel.load()


@functools.cache
def _encoder() -> SpeechEncoder:
    from emotalk.speech import SpeechEncoder

    return SpeechEncoder.load()
