"""A studio of nothing but ears: the shipped encoder and motion network, and avatars that are never drawn."""

from __future__ import annotations

from types import SimpleNamespace

from emotalk.core.errors import AvatarError
from emotalk.motion import MotionModel
from emotalk.speech import SpeechEncoder
from emotalk.speech.encoder import EncoderStream


class CountedEncoder(SpeechEncoder):
    """Counts the sounds that it listens to."""

    sounds = 0

    def stream(self, *arguments: int, **options: int) -> EncoderStream:
        self.sounds += 1
        return super().stream(*arguments, **options)


class HearingStudio:
    """Stands in for `emotalk.talk.Studio`; `asked` is how many sounds its encoder has listened to."""

    def __init__(self, motion: MotionModel | None = None) -> None:
        self.motion = motion or MotionModel.load()
        self.encoder = CountedEncoder.load()

    @property
    def asked(self) -> int:
        return self.encoder.sounds

    def avatar(self, name: str) -> SimpleNamespace:
        if name != "mira":
            raise AvatarError(f"There is no avatar {name!r}.")
        return SimpleNamespace(card=SimpleNamespace(face=3, reach=1.0), motion=None)

    def motion_of(self, avatar: str) -> MotionModel:
        self.avatar(avatar)
        return self.motion

    def voice_for(self, avatar: str, language: str = "en") -> str | None:
        return "flite:slt"
