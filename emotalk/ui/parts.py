"""The page's own components: the stage, the row of faces, the mood pad and the mood timeline.

Each is a `gr.HTML` with a template, a style and a script from `static/`; nothing is fetched from elsewhere.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from emotalk.emotion.prototypes import PROTOTYPES
from emotalk.talk.shots import GAZE_DEGREES
from emotalk.ui.theme import static


def _part(name: str, value: Any, *, elem_id: str, busy: bool = False, **props: Any) -> gr.HTML:
    """The component of `static/<name>.*`; a `busy` one also has a veil with a spinner, and a bar that fills."""
    return gr.HTML(
        value,
        html_template=static(f"{name}.html"),
        css_template=(static("busy.css") if busy else "") + static(f"{name}.css"),
        js_on_load=static(f"{name}.js"),
        apply_default_css=False,
        elem_id=elem_id,
        container=False,
        **props,
    )


def stage(first: str) -> gr.HTML:
    """The big face. Its value is the clip's state (see static/stage.js); `first` is a picture's data address."""
    return _part("stage", {"state": "idle"}, elem_id="stage", busy=True, first=first)


def still() -> gr.HTML:
    """Invisible; a picture's data address as its value appears on the stage.

    A part of its own, so that a new picture and a new state of the clip cannot overwrite each other.
    """
    return _part("still", "", elem_id="still")


def living(script: str) -> gr.HTML:
    """Invisible; brings the stage to life where the browser can draw a face. `script` is the address of its module; the
    value is {} or what `server.live_faces` tells of the chosen face (see static/living.js)."""
    return _part("living", {}, elem_id="living", script=script)


def chat(script: str) -> gr.HTML:
    """Talking with the living face in turns: what was said, a line to type in, a microphone. `script` is the address of
    the module that is loaded for it. It has no value: what is said goes to the server by `POST converse` alone."""
    return _part("chat", "", elem_id="chat", script=script)


def faces(
    people: list[dict[str, str]],
    chosen: str,
    hub_faces: list[dict[str, str]] | None = None,
    elem_id: str = "faces",
) -> gr.HTML:
    """The row of avatars, `people` = [{name, title, about, picture, ...}]; its value is the chosen name.

    `hub_faces` are faces from the Hub, shown behind them. One with a `note` is not here yet: pressing it does not
    choose it but fires `select` with its name as `address`; every new `answered` says that this has had its answer.
    """
    shown = [{key: person[key] for key in ("name", "title", "about", "picture")} for person in people]
    return _part("faces", chosen, elem_id=elem_id, people=shown, hub_faces=hub_faces or [], answered=0)


def fit() -> gr.HTML:
    """An avatar taking shape: picture, progress and the curve of its likeness (see static/fit.js for its value)."""
    return _part("fit", {"state": "idle"}, elem_id="fit", busy=True)


def saves() -> gr.HTML:
    """Sharing and saving of the finished clip; its value is {} or {"base": address without an ending, "name": of its
    files, "endings": [those of `server.clip_files.offered`]}."""
    return _part("saves", {}, elem_id="saves")


def mood_pad(valence: float, arousal: float) -> gr.HTML:
    """The valence/arousal plane; its value is [valence, arousal] in [-1, 1]."""
    names = [[name, degrees] for name, (degrees, _) in PROTOTYPES.items()]
    return _part("mood_pad", [valence, arousal], elem_id="mood-pad", names=names)


def gaze(ways: dict[str, str]) -> gr.HTML:
    """Where the person looks: one of `ways` (title -> word), or a point, which is chosen in a small field or with arrow
    keys. Its value is what `talk.shots.parse_gaze` takes."""
    return _part("gaze", "ahead", elem_id="gaze", ways=[list(way) for way in ways.items()], most=list(GAZE_DEGREES))


def timeline(valence: float, arousal: float) -> gr.HTML:
    """Mood key frames; its value is {"mood": [v, a], "keys": [[second, v, a], ...]}.

    `said` holds the moods of the last talk's directions in the same way: shown, not to be changed here.
    """
    return _part("timeline", {"mood": [valence, arousal], "keys": []}, elem_id="timeline", said=[])
