"""The endpoint /talk, apart from a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr
import pytest

from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.clip import Clip
from emotalk.emotion import EmotionCurve
from emotalk.talk import Blurred, Colour, Transparent
from emotalk.ui.api import add_endpoints
from emotalk.ui.controls import request_of
from tests.ui.drawn_studio import DrawnStudio
from tests.ui.test_controls import VALUES


def endpoint(folder: Path, clip: Clip) -> Callable:
    """The function behind /talk, whose talks all become this clip."""
    with gr.Blocks() as blocks:
        add_endpoints(DrawnStudio(folder), lambda *_, **__: clip, None)
    return next(fn.fn for fn in blocks.fns.values() if fn.api_name == "talk")


def test_what_could_not_be_followed_is_told_beside_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", told.append)
    remarks = ("The transcript does not fit the recording.", "[<b>oops</b>] is no direction.")
    made = endpoint(tmp_path, Clip("a.mp4", 1.0, 25, 64, 64, motion_path="a.csv", remarks=remarks))
    assert made(text="Hello.") == ("a.mp4", "a.csv", "\n".join(remarks))
    assert told == list(remarks)  # as they are: programs read them, no page


def test_a_talk_without_remarks_warns_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gr, "Warning", lambda *_: pytest.fail("nothing is to be told"))
    assert endpoint(tmp_path, Clip("a.mp4", 1.0, 25, 64, 64, motion_path="a.csv"))(text="Hello.")[2] == ""


def test_the_page_s_choices_are_arguments_with_the_same_defaults(tmp_path: Path) -> None:
    asked: list[tuple] = []

    def talk(request, target: Path, **_: object) -> Clip:
        asked.append((request, target.suffix))
        return Clip(str(target), 1.0, 25, 64, 64, motion_path="a.csv")

    with gr.Blocks() as blocks:
        add_endpoints(DrawnStudio(tmp_path), talk, None)
    made = next(fn.fn for fn in blocks.fns.values() if fn.api_name == "talk")
    made(text="Hello.")
    plain, ending = asked[-1]
    assert plain.look == request_of(**VALUES | {"size": 512, "zoom": PORTRAIT_ZOOM}).look
    assert ending == ".mp4"
    made(text="Hello.", shot="cut-in", gaze="20,-5", emotion="0 happy, 2 sad", shape="9:16", captions="words")
    request, _ = asked[-1]
    assert (request.look.shot, request.look.gaze, request.look.shape) == ("cut-in", (20.0, -5.0), "9:16")
    assert request.emotion.times == (0.0, 2.0)
    made(text="Hello.", valence=-1, emotion="happy")
    assert asked[-1][0].emotion == EmotionCurve.named("happy")
    grounds = {"blur": Blurred(), "transparent": Transparent(), "#ffffff": Colour(1, 1, 1), "": None}
    for given, ground in grounds.items():
        made(text="Hello.", background=given)
        assert asked[-1][0].look.background == ground
        assert asked[-1][1] == (".webm" if given == "transparent" else ".mp4")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shot": "crane"}, "There is no shot 'crane'"),
        ({"gaze": "away"}, "Nobody looks 'away'"),
        ({"gaze": "90,0"}, "The gaze to the right must lie"),
        ({"gaze": 5}, "A point to look at is two numbers"),
        ({"emotion": "hungry"}, "An emotion is auto"),
        ({"emotion": "/etc/passwd.json"}, "An emotion is auto"),
        ({"emotion": "0 hungry"}, "There is no emotion called 'hungry'"),
        ({"background": "blur:/etc/passwd"}, "A colour is written"),
    ],
)
def test_what_cannot_be_is_told_as_it_is(tmp_path: Path, given: dict, said: str) -> None:
    made = endpoint(tmp_path, Clip("a.mp4", 1.0, 25, 64, 64))
    with pytest.raises(gr.Error, match=said):
        made(**{"text": "Hello."} | given)
