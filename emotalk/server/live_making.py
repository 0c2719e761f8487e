"""What live faces are made with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.live.pack import LivePack
    from emotalk.motion import MotionModel, MotionStyle
    from emotalk.server.live_puppets import Hearing
    from emotalk.talk.request import TalkRequest
    from emotalk.talk.studio import Studio


class Making:
    """What live faces are made with; a test gives its own."""

    def talk(self, studio: Studio, request: TalkRequest, stopped: Callable[[], bool]) -> Iterator[bytes]:
        """The records of a talk."""
        # Imported here: as all below, with the first live face.
        from emotalk.live.hearing import LiveTalk

        return LiveTalk(studio, request, stopped).records()

    def converse(
        self,
        studio: Studio,
        request: TalkRequest,
        sentences: Iterator[str],
        stopped: Callable[[], bool],
        max_seconds: float,
    ) -> Iterator[bytes]:
        """The records of an answer whose sentences are still being written."""
        from emotalk.live.growing import GrowingTalk

        return GrowingTalk(studio, request, sentences, stopped, max_seconds=max_seconds).records()

    def puppet(self, studio: Studio, avatar: str) -> Hearing:
        """What follows a microphone."""
        from emotalk.live.puppet import Puppet

        return Puppet(studio, avatar)

    def pack(self, avatar: GaussianAvatar) -> LivePack:
        """The avatar for a browser."""
        from emotalk.live.pack import live_pack

        return live_pack(avatar)

    def face(self, model: MotionModel) -> LivePack:
        """What moves any face, for a browser."""
        from emotalk.live.face_pack import face_pack

        return face_pack(model)

    def who(self, model: MotionModel, style: MotionStyle) -> dict[str, Any]:
        """What makes the motion one person's."""
        from emotalk.live.who import who_of

        return who_of(model, style)
