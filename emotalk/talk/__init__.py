"""Talking: a `Studio` loads models and avatars once and makes clips, stills and mood sheets; `talk` makes one clip."""

from emotalk.talk.background import Background, Blurred, Colour, PictureFile, Transparent
from emotalk.talk.request import Look, TalkRequest, talk_request
from emotalk.talk.studio import Studio, talk

__all__ = [
    "Background",
    "Blurred",
    "Colour",
    "Look",
    "PictureFile",
    "Studio",
    "TalkRequest",
    "Transparent",
    "talk",
    "talk_request",
]
