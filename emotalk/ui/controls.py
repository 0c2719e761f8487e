"""What a person can set on the Talk tab, and how it becomes a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.core.checks import check_number, check_whole
from emotalk.core.errors import InputError
from emotalk.emotion import EmotionCurve
from emotalk.emotion.space import checked_point
from emotalk.server.limits import is_public, max_seconds
from emotalk.talk.background import Background, Blurred, Colour, PictureFile, Transparent
from emotalk.talk.request import LARGEST_SIZE, Look, TalkRequest, talk_request
from emotalk.talk.shots import parse_gaze
from emotalk.video import MARK_POSITIONS

if TYPE_CHECKING:
    from emotalk.speech.voice import VoiceInfo

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
    "I am so sorry": ("I am so sorry. I never meant to hurt you.", -0.55, -0.2),
}
"""Ready-made lines: what a button says -> (text, valence, arousal)."""
BEST = 4
"""Quality of a voice from which on it counts among the best."""
CAPTIONS = {"Off": "off", "Lines": "lines", "Highlighted": "highlight", "Word by word": "words"}
"""How the captions in the picture are called on the page."""
SHOTS = {"Still": "still", "Slowly nearer": "push-in", "Drifting": "drift", "Cutting in": "cut-in"}
"""How the camera's ways are called on the page."""
GAZES = {"Straight ahead": "ahead", "At you": "camera", "Aside": "aside"}
"""How where people look is called on the page."""
OWN, COLOUR, PICTURE = "The avatar's own", "A colour", "A picture"
BLUR, CLEAR = "Blurred", "Transparent"
GROUNDS = (OWN, COLOUR, PICTURE, BLUR, CLEAR)
TYPED, HEARD, CONVERSED = "Type", "Audio", "Conversation"
"""Where the words come from."""
MAX_KEYS = 1000
"""Key frames of a mood over time."""
LAST_KEY = 24 * 3600.0
"""Seconds."""


DIRECTIONS = {
    "happy": ("[happy] ", ""), "sad": ("[sad] ", ""), "angry": ("[angry] ", ""), "surprised": ("[surprised] ", ""),
    "back": ("[/] ", ""), "pause": ("[pause 0.5] ", ""), "stress": ("*", "*"),
}  # fmt: skip
"""Buttons below the text, and what each puts around the marked words, or where the cursor stands."""
SURPRISE = """(face, typed, lines) => {
  const any = (of) => of[Math.floor(Math.random() * of.length)];
  const faces = [...document.querySelectorAll("#faces [role=radio]")].map((button) => button.dataset.name);
  const near = (x) => Math.round(100 * Math.max(-1, Math.min(1, x + 0.3 * (Math.random() - 0.5)))) / 100;
  const [text, valence, arousal] = any(lines);
  return [any(faces.filter((name) => name !== face)) || face, typed, text, near(valence), near(arousal)];
}"""
"""Another face than the one that is chosen, a ready-made line, and a mood near the line's."""
PUT_DIRECTION = """(text, before, behind) => {
  const area = document.querySelector("#say textarea");
  const [start, end] = area ? [area.selectionStart, area.selectionEnd] : [text.length, text.length];
  const marked = text.slice(start, end) || (behind ? "word" : "");
  return text.slice(0, start) + before + marked + behind + text.slice(end);
}"""


def voice_choices(voices: Iterable[VoiceInfo]) -> list[tuple[str, str]]:
    """What the voice menu offers, (title, id): the best ones, then English, then other languages by name."""
    ranked = []
    for voice in voices:
        english = voice.language.split("-")[0] == "en"
        group = "Best" if english and voice.quality >= BEST else "English" if english else "Other languages"
        order = ("Best", "English", "Other languages").index(group)
        title = f"{group} · {voice.description} ({voice.language}, {voice.licence.split(' (')[0]})"
        ranked.append(((order, -voice.quality if english else 0, "" if english else voice.language), title, voice.id))
    return [(title, name) for _, title, name in sorted(ranked, key=lambda entry: entry[0])]


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
    mood_in_voice: gr.Checkbox
    transcript: gr.Textbox
    shape: gr.Radio
    captions: gr.Radio
    shot: gr.Radio
    gaze: gr.HTML
    encoder: gr.Dropdown

    def all(self) -> list[Any]:
        """Every control, in the order of `request_of`."""
        return list(vars(self).values())

    def of_still(self) -> list[Any]:
        """What the picture on the stage shows before anything is generated."""
        names = (
            "face", "valence", "arousal", "expressiveness", "yaw", "pitch", "zoom", "ground", "colour", "picture",
            "mark", "shape", "captions", "gaze",
        )  # fmt: skip
        return [getattr(self, name) for name in names]


def look_of(
    size: int, yaw: float, pitch: float, zoom: float, ground: str, colour: str, picture: str, mark: str,
    shape: str = "1:1", captions: str = "off", shot: str = "still", gaze: str = "ahead",
) -> Look:  # fmt: skip
    """The camera and background from the controls' values (`gaze`: a word, or a point "20,-5"); InputError with a
    sentence.

    `picture` is the upload as Gradio hands it over, the one value here that is the name of a file.
    """
    background = _background(ground, colour, picture)
    size = check_whole("The size", size, 64, LARGEST_SIZE)
    return Look(size, yaw, pitch, zoom, background, check_mark(mark), shape, captions, shot, parse_gaze(gaze))


def _background(ground: str | None, colour: str | None, picture: str | None) -> Background | None:
    if ground == COLOUR:
        return Colour.parse(colour) if colour else None
    if ground == PICTURE:
        return PictureFile(Path(picture)) if picture else None
    if ground == BLUR:
        return Blurred(PictureFile(Path(picture)) if picture else None)
    return Transparent() if ground == CLEAR else None


def marks_offered() -> list[str]:
    """Where the "AI generated" mark can stand; it can be left out on one's own machine only."""
    return [position for position in MARK_POSITIONS if position != "off" or not is_public()]


def check_mark(mark: str) -> str:
    """The mark's position, or InputError where this page does not offer it."""
    if mark == "off" and is_public():
        raise InputError(
            'Videos made here carry the "AI generated" mark, since everybody can make them; choose one of '
            f"{', '.join(marks_offered())}."
        )
    return mark


def curve_of(valence: float, arousal: float, timeline: dict | None) -> EmotionCurve:
    """Key frames where there are any, else the pad's mood from beginning to end; InputError with a sentence."""
    keys = timeline.get("keys") if isinstance(timeline, dict) else None
    if not keys:
        return EmotionCurve.constant(valence, arousal)
    triples = isinstance(keys, list) and all(isinstance(key, list | tuple) and len(key) == 3 for key in keys)
    if not triples or len(keys) > MAX_KEYS:
        raise InputError(f"The mood over time is a list of at most {MAX_KEYS} times with their valence and arousal.")
    return EmotionCurve.from_keys(
        (check_number("A key frame's second", second, 0, LAST_KEY), *checked_point(valence, arousal))
        for second, valence, arousal in keys
    )


def request_of(
    face: str, source: str, text: str, voice: str | None, audio: str | None, follow: bool,
    valence: float, arousal: float, timeline: dict | None, seed: float, head_motion: float, expressiveness: float,
    yaw: float, pitch: float, zoom: float, size: int, ground: str, colour: str, picture: str | None, mark: str,
    mood_in_voice: bool, transcript: str | None, shape: str, captions: str, shot: str, gaze: str, encoder: str,
) -> TalkRequest:  # fmt: skip
    """The controls' values as a request; raises InputError with a sentence."""
    return talk_request(
        avatar=face,
        text=text if source in (TYPED, CONVERSED) else None,
        audio=audio if source == HEARD else None,
        voice=voice,
        valence=valence,
        arousal=arousal,
        emotion="auto" if follow else curve_of(valence, arousal, timeline),
        seed=seed,
        head_motion=head_motion,
        expressiveness=expressiveness,
        mood_in_voice=bool(mood_in_voice),
        look=look_of(size, yaw, pitch, zoom, ground, colour, picture, mark, shape, captions, shot, gaze),
        max_seconds=max_seconds(),
        transcript=transcript if source == HEARD else None,
        encoder=encoder,
    )
