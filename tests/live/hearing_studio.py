"""A studio of nothing but ears: the shipped encoder and motion network, and avatars that are never drawn."""

from __future__ import annotations

from types import SimpleNamespace

from emotalk.core.errors import AvatarError
from emotalk.motion import MotionModel
from emotalk.speech import SpeechEncoder


class HearingStudio:
    """Stands in for `emotalk.talk.Studio`; counts how often the encoder was asked for."""

    def __init__(self, motion: MotionModel | None = None) -> None:
        self.motion = motion or MotionModel.load()
        self._encoder = SpeechEncoder.load()
        self.asked = 0

    @property
    def encoder(self) -> SpeechEncoder:
        self.asked += 1
        return self._encoder

    def avatar(self, name: str) -> SimpleNamespace:
        if name != "mira":
            raise AvatarError(f"There is no avatar {name!r}.")
        return SimpleNamespace(card=SimpleNamespace(face=3), motion=None)

    def motion_of(self, avatar: str) -> MotionModel:
        self.avatar(avatar)
        return self.motion

    def voice_for(self, avatar: str, language: str = "en") -> str | None:
        return "flite:slt"
