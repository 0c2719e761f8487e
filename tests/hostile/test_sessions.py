"""What one visitor made is nobody else's: no clip, no avatar, no fit, whatever a session calls itself."""

# ruff: noqa: E501 (the tables below have one kind a line)

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.hostile.parameters import BEGIN, FURTHER, GENERATE, PORTRAIT, STILL
from tests.hostile.pictures import plain, saved
from tests.hostile.running import OpenPage
from tests.hostile.verdicts import files_below
from tests.hostile.videos import video
from tests.hostile.visitor import PREFIX, Visitor

pytestmark = pytest.mark.slow
SESSIONS = [
    "..", ".", "../../climbed", "/etc", "a/b", "a\\b", "", " ", "\0", "a\0b", "\ud800", "\u202e", "é", "\U0001f600" * 60, "a" * 1_000_000,
    "api", "nobody", "con", "-rf", "*", "%2e%2e", "a\r\nb", "<script>alert(1)</script>", "a" * 64, "a" * 65, "null", "None",
]  # fmt: skip
ALIKE = [("ab", "a/b"), ("ab", "a.b"), ("a" * 64 + "b", "a" * 64 + "c"), ("é", "è"), ("", ".."), ("AB", "ab")]
"""Sessions that a careless name for a folder makes one."""


def talked(visitor: Visitor) -> dict:
    """The stage after a short talk: the addresses of its clip."""
    answer = visitor.call("generate", GENERATE)
    assert answer.ok, answer
    return next(part for part in answer.data if isinstance(part, dict) and part.get("state") == "done")


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: repr(session)[:30])
def test_any_name_of_a_session_is_only_a_name(page: OpenPage, session: str) -> None:
    before, visitor = files_below(page.folder), page.visitor(session)
    for name, data in (
        ("still", STILL),
        ("stopped", []),
        ("gallery", ["mira"]),
        ("packed", ["mira"]),
        ("begin", BEGIN),
        ("begin_portrait", PORTRAIT),
        ("begin_further", FURTHER),
    ):
        problems = page.problems(visitor.call(name, data, listen=False), session)
        assert not problems, (name, problems)
    joined = visitor.post(f"{PREFIX}/cancel", {"session_hash": session, "fn_index": 0, "event_id": "a"})
    page.sent += 1
    assert joined.status < 500
    new = files_below(page.folder) - before
    assert all(path.startswith(("tmp/emotalk-", "gradio")) for path in new), new
    assert not any("climbed" in path for path in new)


@pytest.mark.parametrize(("one", "other"), ALIKE, ids=repr)
def test_two_sessions_never_share_a_folder(one: str, other: str, tmp_path: Path) -> None:
    from emotalk.server.clips import LiveClips
    from emotalk.talk import TalkRequest

    clips = LiveClips(lambda request, target, **_: Path(target).write_bytes(b"a clip"), tmp_path / "sessions")
    try:
        first = clips.start(one, TalkRequest(text="Hello."))
        second = clips.start(other, TalkRequest(text="Hello."))
        for clip in (first, second):
            clip.join(30)
        clips.end_session(other)
        kept = {path.read_bytes() for path in (tmp_path / "sessions").rglob("emotalk.mp4")}
        assert kept == {b"a clip"}, "ending one session removed what another had made"
        assert files_below(tmp_path) == {name for name in files_below(tmp_path) if name.startswith("sessions")}
    finally:
        clips.close()


def test_a_clip_is_found_by_its_token_alone(page: OpenPage) -> None:
    owner, stranger = page.visitor(), page.visitor(source="127.0.0.2")
    stage = talked(owner)
    assert stranger.get("/" + stage["final"]).ok  # who was given the address may watch
    token = stage["id"]
    for guess in (
        token[:-1],
        token + "a",
        token.swapcase(),
        token.lower(),
        "*",
        "",
        owner.session,
        f"../{owner.session}/{token}",
    ):
        page.sent += 1
        if guess != token:
            assert stranger.get(f"/emotalk/clip/{guess}.mp4").status in (400, 404), guess
            assert stranger.get(f"/emotalk/live/{guess}.mp4").status in (400, 404), guess
    assert b"mp4" not in stranger.get("/emotalk/clip/").body
    # Its place on the disk is known to its own visitor, and is served to nobody by that name.
    for path in (page.folder / "tmp").rglob("*.mp4"):
        page.sent += 1
        assert stranger.get(f"{PREFIX}/file={path}").status in (403, 404), path
    assert "Traceback" not in page.news()


def test_stop_of_one_visitor_stops_nobody_else(page: OpenPage) -> None:
    owner, stranger = page.visitor(), page.visitor(source="127.0.0.3")
    joined = owner.call("generate", GENERATE, listen=False)
    for session in (owner.session + "x", "", stranger.session):
        page.sent += 1
        stranger.session = session
        stranger.call("stopped", [])
    answer = owner.heard(json.loads(joined.body)["event_id"])
    assert answer.ok
    assert any(isinstance(part, dict) and part.get("state") == "done" for part in answer.data)


def uploaded(visitor: Visitor) -> dict:
    """A video of nobody, as the page's own upload."""
    [where] = json.loads(visitor.upload("me.mp4", video()).body)
    return {"path": where, "orig_name": "me.mp4", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "consent", [1, "true", "yes", [True], {"a": True}, 1.0, "I agree", None, False, 0, ""], ids=repr
)
def test_only_true_is_consent(page: OpenPage, consent: object) -> None:
    visitor = page.visitor()
    answer = visitor.call("begin", [uploaded(visitor), "Somebody", 0.25, consent, False])
    assert not answer.ok
    assert not page.problems(answer)
    assert not list((page.folder / "tmp").rglob("job.json")), "a fit was begun"


def photo_of_nobody(visitor: Visitor) -> dict:
    """A picture of a grey wall, as the page's own upload; in noise a detector may see a face. Another visitor's has
    another name, so that it lies elsewhere."""
    wall = saved(Image.new("RGB", (200, 200), (120, 120, 120)), "JPEG")
    [where] = json.loads(visitor.upload(f"me-{visitor.session}.jpg", wall).body)
    return {"path": where, "orig_name": "me.jpg", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("consent", [1, "true", [True], None, False], ids=repr)
def test_only_true_is_consent_to_a_photo_too(page: OpenPage, consent: object) -> None:
    visitor = page.visitor()
    answer = visitor.call("begin_portrait", [photo_of_nobody(visitor), "Somebody", consent, False, ""])
    assert not answer.ok
    assert not page.problems(answer)
    assert not list((page.folder / "tmp").rglob(".*.work")), "a fit was begun"


def test_a_photo_without_a_face_is_a_sentence_and_goes_with_its_page(page: OpenPage) -> None:
    visitor = page.visitor()
    visitor.patience = 300
    photo = photo_of_nobody(visitor)
    answer = visitor.call("begin_portrait", [photo, "Somebody", True, False, ""])
    assert "No face was found in the photo" in answer.error
    assert not page.problems(answer)
    assert not list((page.folder / "tmp").rglob(".*.work"))
    assert Path(photo["path"]).is_file()
    leave(visitor)
    until(lambda: not Path(photo["path"]).exists())


@pytest.mark.parametrize("kind", ["chosen", "without consent", "no picture", "a video"])
def test_what_no_avatar_was_made_of_goes_with_its_page_too(page: OpenPage, kind: str) -> None:
    visitor = page.visitor()
    if kind in ("no picture", "a video"):
        # Pages that send the same content share its file, which goes with the last of them: it is this page's alone.
        name = "me.mp4" if kind == "a video" else "me.jpg"
        [where] = json.loads(visitor.upload(name, f"of {visitor.session}".encode()).body)
        sent = photo_of_nobody(visitor) | {"path": where}
    else:
        sent = photo_of_nobody(visitor)
    if kind == "without consent":
        assert not visitor.call("begin_portrait", [sent, "Somebody", False, False, ""]).ok
    else:
        (handler,) = {
            entry["api_name"]: entry
            for entry in visitor.config()["dependencies"]
            if entry["api_name"].startswith("sent") and len(entry["inputs"]) == 1
            and (kind == "a video") == takes_a_video(visitor, entry["inputs"][0])
        }  # fmt: skip
        answer = visitor.call(handler, [sent])
        assert answer.ok, answer
        assert not page.problems(answer)
    assert Path(sent["path"]).is_file()
    leave(visitor)
    until(lambda: not Path(sent["path"]).exists())


def takes_a_video(visitor: Visitor, component: int) -> bool:
    """Whether a control of the page is one for videos."""
    return any(part["id"] == component and part["type"] == "video" for part in visitor.config()["components"])


def leave(visitor: Visitor) -> None:
    """Close the page, as a browser does: the connection that says it is there ends."""
    with visitor.opened(f"{PREFIX}/heartbeat/{visitor.session}") as open_page:
        heard = b""
        while b"ALIVE" not in heard:  # before that Gradio does not notice the end of it
            heard += (part := open_page.recv(1 << 12))
            assert part, heard


def until(condition: Callable[[], bool]) -> None:
    """Wait for what the server does behind; a minute guards against hanging."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("meta", [{}, {"_type": "x"}, {"_type": "gradio.FileData"}], ids=repr)
def test_a_picture_that_is_written_into_an_address_is_not_unpacked(page: OpenPage, meta: dict) -> None:
    visitor = page.visitor()
    good = photo_of_nobody(visitor)
    before = files_below(page.folder)
    for data in (plain("PNG"), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"):
        address = "data:image/png;base64," + base64.b64encode(data).decode()
        photo = good | {"url": address, "meta": meta}
        still = [*STILL[:7], "A picture", STILL[8], photo, *STILL[10:]]
        for name, values in (
            ("begin_portrait", [photo, "Me", True, False, ""]),
            ("another_photo", [photo]),
            ("still", still),
        ):
            answer = visitor.call(name, values)
            assert not answer.ok, (name, answer)
            assert "upload" in answer.error
            assert not page.problems(answer, address, good["path"])
    assert files_below(page.folder) == before, "something was written"


def test_a_photo_of_one_visitor_is_no_other_visitors(page: OpenPage) -> None:
    owner, stranger = page.visitor(), page.visitor(source="127.0.0.5")
    mine = photo_of_nobody(owner)
    assert len(Path(mine["path"]).parent.name) >= 32, "the folder of an upload can be guessed"
    for photo in (
        mine | {"path": str(Path(mine["path"]).parent)},
        mine | {"path": mine["path"] + "x"},
        mine | {"path": page.secret},
    ):
        answer = stranger.call("begin_portrait", [photo, "Somebody", True, False, ""])
        assert not answer.ok
        assert not page.problems(answer, photo["path"])


def test_a_video_of_one_visitor_is_no_other_visitors(page: OpenPage) -> None:
    """A path on the server is told to who uploaded; somebody who guesses it cannot make an avatar of that person."""
    owner, stranger = page.visitor(), page.visitor(source="127.0.0.4")
    mine = uploaded(owner)
    assert len(Path(mine["path"]).parent.name) >= 32, "the folder of an upload can be guessed"
    climbing = mine | {"path": str(Path(mine["path"]).parent.parent)}
    for video_ in (climbing, mine | {"path": mine["path"] + "x"}, mine | {"path": str(page.folder / "tmp")}):
        answer = stranger.call("begin", [video_, "Somebody", 0.25, True, False])
        assert not answer.ok
        assert not page.problems(answer, video_["path"])


@pytest.mark.parametrize(
    "name", ["mira", "../mira", "/etc", "mira-000000000000", "*", "", ".", "a\0b", None, 1, ["mira"]], ids=repr
)
def test_no_avatar_that_is_not_ones_own_is_packed_or_deleted(page: OpenPage, name: object) -> None:
    visitor = page.visitor()
    for handler, data in (("packed", [name]), ("remove", [name, "mira"]), ("begin_further", [name, 0.25])):
        answer = visitor.call(handler, data)
        assert not page.problems(answer, str(name))
        assert b".zip" not in answer.body
    assert visitor.call("still", STILL).ok, "a shipped face is gone"


@pytest.mark.parametrize(
    "avatar", ["../mira", "/etc", "{root}/checkpoints/avatars/mira", "{tmp}", ".", "..", "mira/../kofi", "checkpoints"]
)
def test_a_face_is_named_and_never_a_folder(page: OpenPage, avatar: str) -> None:
    from tests.ui.browsing import ROOT

    named = avatar.format(root=ROOT, tmp=page.folder / "tmp")
    for name, data in (("still", [named, *STILL[1:]]), ("generate", [named, *GENERATE[1:]])):
        answer = page.visitor().call(name, data)
        assert not answer.ok, "a folder of the server was taken as a face"
        assert not page.problems(answer, named)
