"""The endpoint /talk, apart from a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr
import pytest

from emotalk.core.clip import Clip
from emotalk.ui.api import add_endpoints
from tests.ui.drawn_studio import DrawnStudio


def endpoint(folder: Path, clip: Clip) -> Callable:
    """The function behind /talk, whose talks all become this clip."""
    with gr.Blocks() as blocks:
        add_endpoints(DrawnStudio(folder), lambda *_, **__: clip)
    return next(fn.fn for fn in blocks.fns.values() if fn.api_name == "talk")


def test_what_could_not_be_followed_is_told_beside_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", told.append)
    remarks = ("The transcript does not fit the recording.", "[<b>oops</b>] is no direction.")
    made = endpoint(tmp_path, Clip("a.mp4", 1.0, 25, 64, 64, motion_path="a.csv", remarks=remarks))
    assert made(text="Hello.") == ("a.mp4", "a.csv")
    assert told == [remarks[0], "[&lt;b&gt;oops&lt;/b&gt;] is no direction."]


def test_a_talk_without_remarks_warns_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gr, "Warning", lambda *_: pytest.fail("nothing is to be told"))
    assert endpoint(tmp_path, Clip("a.mp4", 1.0, 25, 64, 64, motion_path="a.csv"))(text="Hello.")[0] == "a.mp4"
