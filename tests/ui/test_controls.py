"""What is posted for the Talk tab's controls becomes a request or a sentence, and names no file but an upload."""

from __future__ import annotations

import base64
import contextlib
import io
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from emotalk.core.errors import InputError
from emotalk.server.stills import CROWD
from emotalk.talk import Blurred, Colour, PictureFile, Transparent
from emotalk.ui.blocks import Page
from emotalk.ui.controls import (
    BLUR,
    CLEAR,
    COLOUR,
    CONVERSED,
    HEARD,
    OWN,
    PICTURE,
    TYPED,
    curve_of,
    look_of,
    marks_offered,
    request_of,
)
from emotalk.ui.pictures import people_of
from tests.core.test_pictures import jpeg_that_claims
from tests.loops import run_alone
from tests.ui.drawn_studio import DrawnStudio


@pytest.fixture(autouse=True)
def on_ones_own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTALK_PUBLIC", raising=False)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, list[Any]]:
    """The tab and the /talk function of a page that is not served, and what was asked of the studio."""
    made: list[Any] = []
    with Page(analytics_enabled=False) as blocks:
        tab, talk = _talk_tab(DrawnStudio(tmp_path_factory.mktemp("drawn")), blocks, made)
    return tab, talk, made


VALUES = {
    "face": "mira", "source": TYPED, "text": "Hi.", "voice": "", "audio": None, "follow": False, "valence": 0.5,
    "arousal": 0.2, "timeline": None, "seed": 0, "head_motion": 1, "expressiveness": 1, "yaw": 0, "pitch": 0,
    "zoom": 1, "size": 256, "ground": OWN, "colour": "#ffffff", "picture": None, "mark": "bottom-right",
    "mood_in_voice": True, "transcript": "", "shape": "1:1", "captions": "off", "shot": "still", "gaze": "ahead",
    "encoder": "embedded",
}  # fmt: skip


class TestBackground:
    def test_the_colour_control_is_a_colour_and_nothing_else(self, photo: Path) -> None:
        def ground(colour: Any, picture: Any = None) -> Any:
            return look_of(256, 0, 0, 1, COLOUR, colour, picture, "bottom-right").background

        assert ground("#336699") == Colour.parse("#336699")
        assert ground("rgba(51, 102, 153, 1)") == Colour.parse("#336699")
        assert ground("", str(photo)) is None
        for posted in (str(photo), "/etc/passwd", "rgba(", "rgba(a,b,c)", "\0", 5, ["#fff"]):
            with pytest.raises(InputError, match="A colour is written"):
                ground(posted)

    def test_the_picture_control_is_the_upload(self, photo: Path) -> None:
        look = look_of(256, 0, 0, 1, PICTURE, "/etc/passwd", str(photo), "bottom-right")
        assert look.background == PictureFile(photo)
        assert look_of(256, 0, 0, 1, PICTURE, "/etc/passwd", None, "bottom-right").background is None
        assert look_of(256, 0, 0, 1, BLUR, "/etc/passwd", str(photo), "off").background == Blurred(PictureFile(photo))
        assert look_of(256, 0, 0, 1, BLUR, "/etc/passwd", None, "off").background == Blurred()
        assert look_of(256, 0, 0, 1, CLEAR, "/etc/passwd", str(photo), "off").background == Transparent()
        for ground in (OWN, None, "Anything", ["A picture"]):
            assert look_of(256, 0, 0, 1, ground, str(photo), str(photo), "bottom-right").background is None


class TestMoodOverTime:
    def test_key_frames_in_any_order_make_a_curve(self) -> None:
        curve = curve_of(0, 0, {"mood": [0, 0], "keys": [[2, 0.5, 0], [0, -0.5, 1]]})
        assert curve.times == (0, 2)
        assert curve_of(0.25, 0.5, {"keys": []}).values == ((0.25, 0.5),)
        assert curve_of(0.25, 0.5, None).values == ((0.25, 0.5),)

    @pytest.mark.parametrize(
        "keys",
        [
            "keys", 5, {"0": [0, 0, 0]}, [5], ["abc"], [[0, 0]], [[0, 0, 0, 0]], [[0, 0, None]], [["0", 0, 0]],
            [[[0], 0, 0]], [[float("nan"), 0, 0]], [[0, float("inf"), 0]], [[0, 2, 0]], [[-1, 0, 0]],
            [[10**400, 0, 0]], [[0, 10**400, 0]], [[0, 0, 0], [0, 1, 1]],
            [[0, 0, 0], [1e-300, 1, 1]], [[1e9, 0, 0]], [[i, 0, 0] for i in range(1001)],
        ],
    )  # fmt: skip
    def test_whatever_else_is_a_sentence(self, keys: Any) -> None:
        with pytest.raises(InputError):
            curve_of(0, 0, {"keys": keys})


@pytest.mark.parametrize("name", [name for name in VALUES if name not in ("source", "follow", "ground", "picture")])
@pytest.mark.parametrize(
    "value", [None, "abc", 5e9, 10**400, float("nan"), float("inf"), [1], {"a": 1}, "\0", "\ud800", True], ids=ascii
)
def test_any_value_for_any_control_is_a_request_or_a_sentence(name: str, value: Any) -> None:
    with contextlib.suppress(InputError):
        request_of(**VALUES | {name: value})


def test_a_transcript_counts_for_audio_alone(photo: Path) -> None:
    assert request_of(**VALUES | {"transcript": "Other words."}).transcript is None
    heard = VALUES | {"source": HEARD, "audio": str(photo), "transcript": "What is said."}
    assert request_of(**heard).transcript == "What is said."
    assert request_of(**heard | {"transcript": ""}).transcript is None


def test_what_is_typed_counts_in_a_conversation_too_and_audio_does_not(photo: Path) -> None:
    request = request_of(**VALUES | {"source": CONVERSED, "audio": str(photo), "transcript": "Other words."})
    assert (request.text, request.audio, request.transcript) == ("Hi.", None, None)


class TestMark:
    def test_the_owner_may_leave_it_out_and_a_stranger_may_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "off" in marks_offered()
        assert request_of(**VALUES | {"mark": "off"}).look.mark == "off"
        monkeypatch.setenv("EMOTALK_PUBLIC", "1")
        assert marks_offered() == ["bottom-right", "bottom-left", "top-right", "top-left"]
        with pytest.raises(InputError, match='carry the "AI generated" mark'):
            request_of(**VALUES | {"mark": "off"})
        assert request_of(**VALUES | {"mark": "top-left"}).look.mark == "top-left"

    def test_no_way_around_it_on_a_page_open_to_everybody(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EMOTALK_PUBLIC", "1")
        made: list[Any] = []
        with Page(analytics_enabled=False) as blocks:
            tab, talk = _talk_tab(DrawnStudio(tmp_path), blocks, made)
        menu = tab.controls.mark
        assert "off" not in [value for _, value in menu.choices]
        sheet, generate = (_handler(blocks, name) for name in ("sheet", "generate"))
        with pytest.raises(InputError, match="carry the"):  # what the stage shows
            look_of(512, 0, 0, 1, OWN, "", None, "off")
        with pytest.raises(gr.Error, match="carry the"):
            sheet("mira", 0, 0, 1, 0, 0, 1, OWN, "", None, "off", "1:1", "off", "ahead")
        with pytest.raises(gr.Error, match="carry the"):
            list(generate(SimpleNamespace(session_hash="a"), *(VALUES | {"mark": "off"}).values()))
        with pytest.raises(gr.Error, match="carry the"):
            talk(text="Hi.", mark="off")
        assert made == []


class TestEndpoint:
    """/talk, called as Python: what Gradio's components would let through."""

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"background": "/etc/passwd"}, "A colour is written"),
            ({"background": ["#fff"]}, "A colour is written"),
            ({"size": None}, "The size must be a number"),
            ({"size": 256.5}, "The size must be a whole number"),
            ({"size": "256"}, "The size must be a number"),
            ({"seed": "x"}, "The seed must be a number"),
            ({"valence": None}, "Valence must be a number"),
            ({"valence": 10**400}, "Valence must be a number"),
            ({"head_motion": [1]}, "must be a number"),
            ({"text": {"a": 1}}, "must be a string"),
            ({"text": "\0"}, "nothing to say"),
            ({"avatar": None}, "No avatar"),
            ({"voice": {"a": 1}}, "no voice"),
            ({"mark": None}, "no mark position"),
            ({"yaw": float("nan")}, "must be a number"),
        ],
    )
    def test_what_cannot_be_done_is_a_sentence(self, built: Any, given: dict[str, Any], said: str) -> None:
        _, talk, made = built
        with pytest.raises(gr.Error, match=said) as caught:
            talk(**{"text": "Hi."} | given)
        assert not caught.value.print_exception
        assert made == []


@pytest.mark.parametrize(
    "data", [None, "address", ["address"], 5, {}, {"address": None}, {"address": ["a/b"]}, {"x": 1}]
)
def test_an_event_that_no_page_sends_is_a_sentence(built: Any, data: Any) -> None:
    tab, _, _ = built
    with pytest.raises(gr.Error, match="is no address on the Hub"):
        list(tab.hub_row.download_pressed(gr.EventData(None, data), SimpleNamespace(session_hash="a")))


def test_a_face_whose_picture_went_bad_is_left_out_and_the_page_opens(tmp_path: Path, caplog) -> None:
    studio = DrawnStudio(tmp_path)
    (tmp_path / "kofi.jpg").write_bytes(jpeg_that_claims(65500, 65500))
    assert [person["name"] for person in people_of(studio)] == ["mira"]
    assert "kofi is not shown" in caplog.text


@pytest.mark.parametrize(("on_their_way", "side"), [(CROWD - 1, 512), (CROWD, 256)])
def test_in_a_crowd_faces_are_drawn_smaller(built: Any, monkeypatch: pytest.MonkeyPatch, on_their_way, side) -> None:
    tab, _, _ = built
    monkeypatch.setattr(tab.stills, "_of_address", Counter({"others": on_their_way}))
    visitor = gr.Request(request=SimpleNamespace(headers={}, client=SimpleNamespace(host="10.0.0.1")), session_hash="a")
    look = ("mira", 0.5, 0.2, 1.0, 0, 0, 1.0, OWN, "#ffffff", None, "bottom-right", "1:1", "off", "ahead")
    address = run_alone(_handler(tab.blocks, "still")(visitor, *look))
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert picture.size == (side, side)


def _talk_tab(studio: DrawnStudio, blocks: Page, made: list[Any]) -> tuple[Any, Any]:
    """The tab and the /talk function of a page that is not served."""
    from emotalk.ui.api import add_endpoints
    from emotalk.ui.hub_faces import HubFaces
    from emotalk.ui.talk_tab import TalkTab

    clips = SimpleNamespace(start=lambda session, request: made.append(request))
    faces = SimpleNamespace(script_path="live.js", dialogue_path="talk.js")
    tab = TalkTab(studio, clips, HubFaces(studio), lambda session: [], faces, blocks)
    add_endpoints(studio, lambda request, target, **_: made.append(request), None)
    return tab, _handler(blocks, "talk")


def _handler(blocks: Page, name: str) -> Any:
    return next(fn.fn for fn in blocks.fns.values() if getattr(fn.fn, "__name__", "") == name)
