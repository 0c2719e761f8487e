"""What a person can set on the Talk tab, and how it becomes a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from emotalk.emotion import EmotionCurve
from emotalk.server.limits import max_seconds
from emotalk.talk.request import Look, TalkRequest, talk_request

FIRST_FACE = "mira"
FIRST_MOOD = (0.62, 0.3)
FIRST_TEXT = "Hello! Type anything you like, pick a mood, and I will say it for you."
STARTERS = {
    "A warm hello": (FIRST_TEXT, 0.62, 0.3),
    "We did it!": ("We did it! After all these years, we actually did it!", 0.8, 0.8),
    "Don't touch that": ("I told you not to touch that. Now look what you have done.", -0.7, 0.62),
    "Nobody came": ("I waited by the window all day, and nobody came.", -0.75, -0.45),
    "Take a breath": ("Close your eyes and take a deep breath. Everything is all right.", 0.6, -0.55),
    "What was that?": ("Wait, what was that sound? Is somebody there?", -0.4, 0.9),
}
"""Ready-made lines: what a button says -> (text, valence, arousal)."""
OWN, COLOUR, PICTURE = "The avatar's own", "A colour", "A picture"
TYPED, HEARD = "Type", "Audio"


@dataclass
class Controls:
    """Everything a person can set, in the order in which the handlers take the values."""

    face: gr.HTML
    source: gr.Radio
    text: gr.Textbox
    voice: gr.Dropdown
    audio: gr.Audio
    follow: gr.Checkbox
    valence: gr.Slider
    arousal: gr.Slider
    timeline: gr.HTML
    seed: gr.Number
    head_motion: gr.Slider
    expressiveness: gr.Slider
    yaw: gr.Slider
    pitch: gr.Slider
    zoom: gr.Slider
    size: gr.Radio
    ground: gr.Radio
    colour: gr.ColorPicker
    picture: gr.Image
    mark: gr.Dropdown

    def all(self) -> list[Any]:
        """Every control, in the order of `request_of`."""
        return list(vars(self).values())

    def of_still(self) -> list[Any]:
        """What the picture on the stage shows before anything is generated."""
        names = (
            "face", "valence", "arousal", "expressiveness", "yaw", "pitch", "zoom", "ground", "colour", "picture",
            "mark",
        )  # fmt: skip
        return [getattr(self, name) for name in names]


def look_of(
    size: int, yaw: float, pitch: float, zoom: float, ground: str, colour: str, picture: str, mark: str
) -> Look:
    """The camera and background from the controls' values."""
    background = {COLOUR: _hex(colour), PICTURE: picture}.get(ground)
    return Look(int(size), yaw, pitch, zoom, background, mark)


def _hex(text: str | None) -> str | None:
    """The colour picker says #rrggbb or rgba(r, g, b, a)."""
    if not text or not text.startswith("rgb"):
        return text
    numbers = [float(x) for x in text[text.index("(") + 1 : text.rindex(")")].split(",")[:3]]
    return "#" + "".join(f"{max(0, min(255, round(x))):02x}" for x in numbers)


def curve_of(valence: float, arousal: float, timeline: dict | None) -> EmotionCurve:
    """Key frames where there are any, else the pad's mood from beginning to end."""
    keys = (timeline or {}).get("keys") or []
    if keys:
        return EmotionCurve.from_keys([(float(t), float(v), float(a)) for t, v, a in keys])
    return EmotionCurve.constant(valence, arousal)


def request_of(
    face: str, source: str, text: str, voice: str | None, audio: str | None, follow: bool,
    valence: float, arousal: float, timeline: dict | None, seed: float, head_motion: float, expressiveness: float,
    yaw: float, pitch: float, zoom: float, size: int, ground: str, colour: str, picture: str | None, mark: str,
) -> TalkRequest:  # fmt: skip
    """The controls' values as a request; raises InputError with a sentence."""
    return talk_request(
        avatar=face,
        text=text if source == TYPED else None,
        audio=audio if source == HEARD else None,
        voice=voice,
        valence=valence,
        arousal=arousal,
        emotion="auto" if follow else curve_of(valence, arousal, timeline),
        seed=seed,
        head_motion=head_motion,
        expressiveness=expressiveness,
        look=look_of(size, yaw, pitch, zoom, ground, colour, picture, mark),
        max_seconds=max_seconds(),
    )
