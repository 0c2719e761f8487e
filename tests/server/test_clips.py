"""What a page leaves on the disk: its clips while it is open, and nothing afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.live.smooth_start import SmoothStart
from emotalk.server.clips import LiveClips, folder_of
from emotalk.server.limits import limits
from emotalk.talk.request import TalkRequest
from emotalk.ui.talk_tab import _stage
from tests.ui.drawn_studio import DrawnStudio


@pytest.fixture
def drawn(tmp_path: Path) -> DrawnStudio:
    (tmp_path / "drawn").mkdir()
    return DrawnStudio(tmp_path / "drawn")


@pytest.fixture
def clips(drawn: DrawnStudio, tmp_path: Path) -> LiveClips:
    return LiveClips(drawn.talk, tmp_path / "sessions")


def files(clips: LiveClips) -> list[Path]:
    return [path for path in clips.folder.rglob("*") if path.is_file()]


def made(clips: LiveClips, session: str):
    clip = clips.start(session, TalkRequest(text="Hello."))
    clip.join(60)
    assert clip.error is None
    return clip


@pytest.mark.slow
@pytest.mark.parametrize("public", ["0", "1"])
def test_a_page_keeps_its_newest_clips_only(clips: LiveClips, monkeypatch, public: str) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", public)
    count = limits().kept_clips
    tokens = [made(clips, "a").token for _ in range(count + 1)]
    assert [clips.find(token) is not None for token in tokens] == [False, *[True] * count]
    assert len(list(clips.folder.glob(f"{folder_of('a')}/*"))) == count


def test_a_closed_page_takes_its_files_and_nobody_elses(clips: LiveClips) -> None:
    mine, other = made(clips, "a"), made(clips, "b")
    clips.end_session("a")
    assert clips.find(mine.token) is None
    assert not (clips.folder / folder_of("a")).exists()
    assert Path(clips.find(other.token).clip.path).is_file()


def test_clips_of_a_deleted_avatar_are_gone_from_every_page(clips: LiveClips) -> None:
    theirs = [clips.start(session, TalkRequest(text="Hello.", avatar="kofi")) for session in "ab"]
    other = made(clips, "a")
    for clip in theirs:
        clip.join(60)
    clips.forget("kofi")
    for clip in theirs:
        assert clips.find(clip.token) is None
        assert not clip.folder.exists()
    assert clips.find(other.token) is other
    assert len(clips.leftovers()) == 1


@pytest.mark.parametrize(
    ("text", "name"), [("Hello.", "hello.mp4"), ("Guten Tag, Größe!", "guten-tag-gr%C3%B6%C3%9Fe.mp4")]
)
def test_a_clip_that_is_saved_is_named_after_what_is_said(clips: LiveClips, text: str, name: str) -> None:
    clip = clips.start("a", TalkRequest(text=text))
    clip.join(60)
    answer = TestClient(Starlette(routes=clips.routes())).get(f"/{clip.final_path}")
    said = answer.headers["content-disposition"]
    assert said.startswith("inline;")  # it plays in the page all the same
    assert name in said
    assert answer.headers["content-type"] == "video/mp4"


def test_no_session_name_leads_out_of_the_folder(clips: LiveClips, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.write_text("x")
    made(clips, "../../keep")
    clips.end_session("../../keep")
    clips.end_session("..")
    assert keep.is_file()
    assert clips.folder.is_dir()


def test_the_end_of_the_server_leaves_nothing(clips: LiveClips) -> None:
    made(clips, "a")
    made(clips, "b")
    assert files(clips)
    clips.close()
    assert not clips.folder.exists()


def test_a_page_that_is_closed_while_its_clip_is_made_leaves_nothing_either(
    clips: LiveClips, drawn: DrawnStudio
) -> None:
    drawn.frame_seconds = 0.05
    clip = clips.start("a", TalkRequest(text="Hello."))
    while not clip.playable:
        clip.wait(0.05)
    clips.end_session("a")
    clip.join(60)
    assert files(clips) == []


@pytest.mark.slow
def test_a_stopped_talk_says_so_from_then_on(clips: LiveClips, drawn: DrawnStudio) -> None:
    drawn.frame_seconds = 0.05
    finished = made(clips, "a")
    clip = clips.start("a", TalkRequest(text="Hello."))
    start = SmoothStart()
    before = _stage(clip, start)
    clips.cancel_session("a")
    after = _stage(clip, start)
    assert (before["state"], after["state"]) == ("working", "stopped")
    assert after["at"] > before["at"]  # the page knows which came last, whichever arrives last
    assert _stage(finished, start)["state"] == "done"
    clip.join(60)


@pytest.mark.parametrize("one", ["a", "", "Ab-1", "\ud800", "x" * 5000, "../../a", "a\0b"])
def test_every_session_has_a_folder_of_its_own(one: str) -> None:
    others = [one + "/", one + "-", one.swapcase() + ".", "A b-1"]
    names = {folder_of(other) for other in [one, *others]}
    assert len(names) == 1 + len(others)
    assert all(name.isalnum() and len(name) == 32 for name in names)
