"""A short video of a shipped, synthetic person, made when a test needs one: nobody's likeness is involved."""

from __future__ import annotations

from pathlib import Path

from emotalk.talk.background import Colour
from emotalk.talk.request import Look, TalkRequest
from emotalk.talk.studio import Studio

TEXT = "Good morning, everybody. What a beautiful day."


def preset_video(target: Path, avatar: str = "mira", text: str = TEXT, size: int = 384) -> Path:
    """Some three seconds of a shipped person who talks and moves, as a phone would film them: no mark, a plain wall."""
    look = Look(size, zoom=0.95, background=Colour.parse("#b8c4cc"), mark="off")
    Studio().talk(TalkRequest(avatar=avatar, text=text, head_motion=1.5, look=look), target)
    return target
