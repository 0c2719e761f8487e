"""A finished clip as other files: each made once, when asked for, named after what is said, and what it claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.core.clip import Clip
from emotalk.core.errors import VideoError
from emotalk.server.clip_files import MEDIA_TYPES, file_of, offered
from emotalk.server.clips import LiveClips
from emotalk.talk.background import Transparent
from emotalk.talk.request import Look, TalkRequest
from tests.ui.drawn_studio import DrawnStudio

WORDS = ((0.1, 0.5, "hello"), (0.5, 1.0, "there"))
TEXT = "1\n00:00:00,100 --> 00:00:01,100\nHello there.\n"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> LiveClips:
    folder = tmp_path_factory.mktemp("clips")
    return LiveClips(DrawnStudio(folder).talk, folder / "sessions")


def made(clips: LiveClips, look: Look):
    clip = clips.start("a", TalkRequest(text="Hello there.", look=look))
    clip.join(120)
    assert clip.error is None
    return clip


@pytest.fixture(scope="module")
def opaque(clips):
    return made(clips, Look(size=64))


@pytest.fixture(scope="module")
def clear(clips):
    return made(clips, Look(size=64, background=Transparent()))


def test_the_video_comes_first_and_captions_only_where_words_are_known() -> None:
    whole = Clip("a.mp4", 1.0, 25, 64, 64, motion_path="a.csv", words=WORDS)
    assert offered(whole) == ["mp4", "m4a", "wav", "srt", "vtt", "png", "gif", "webp", "csv"]
    assert offered(Clip("a.webm", 1.0, 25, 64, 64)) == ["webm", "m4a", "wav", "png", "gif", "webp"]
    for clip, ending in ((Clip("a.mp4", 1.0, 25, 64, 64), "srt"), (whole, "exe"), (whole, "../x"), (whole, "webm")):
        with pytest.raises(VideoError, match=r"This clip is not there as \.{}".format(ending.replace(".", r"\."))):
            file_of(clip, ending)


def test_every_address_gives_what_it_says_and_its_name(clips, opaque) -> None:
    client = TestClient(Starlette(routes=clips.routes()))
    starts = {
        "mp4": (4, b"ftyp"), "m4a": (4, b"ftyp"), "wav": (0, b"RIFF"), "png": (1, b"PNG"), "gif": (0, b"GIF8"),
        "webp": (8, b"WEBP"), "vtt": (0, b"WEBVTT"), "csv": (0, b"Timecode"), "srt": (0, TEXT.encode()),
    }  # fmt: skip
    assert set(offered(opaque.clip)) == set(starts)
    for ending, (at, first) in starts.items():
        answer = client.get(f"/{opaque.files_path}.{ending}")
        assert answer.status_code == 200
        assert answer.content[at:].startswith(first), ending
        assert answer.headers["content-type"].startswith(MEDIA_TYPES[ending])
        kind = "inline" if ending == "mp4" else "attachment"
        assert answer.headers["content-disposition"] == f'{kind}; filename="hello-there.{ending}"'


@pytest.mark.parametrize("ending", ["exe", "webm", "mp4.exe", "part", "%2e%2e%2fx"])
def test_other_endings_are_not_there(clips, opaque, ending: str) -> None:
    answer = TestClient(Starlette(routes=clips.routes())).get(f"/{opaque.files_path}.{ending}")
    assert answer.status_code == 404
    assert str(clips.folder) not in answer.text


def test_what_was_made_once_is_kept(opaque) -> None:
    first = file_of(opaque.clip, "gif")
    changed = first.stat().st_mtime_ns
    assert file_of(opaque.clip, "gif") == first
    assert first.stat().st_mtime_ns == changed


@pytest.mark.parametrize("ending", ["png", "gif", "webp"])
def test_pictures_of_a_transparent_clip_are_transparent(clear, ending: str) -> None:
    assert Path(clear.clip.path).suffix == ".webm"
    assert clear.final_path.endswith(".webm")
    assert not clear.playable  # nothing to be seen before it is finished
    with Image.open(file_of(clear.clip, ending)) as picture:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    assert alpha[2, 2] <= 8
    assert alpha[32, 32] >= 245


def test_the_sound_of_a_transparent_clip(clear) -> None:
    assert file_of(clear.clip, "m4a").stat().st_size > 1000
    assert file_of(clear.clip, "wav").stat().st_size > 50_000
