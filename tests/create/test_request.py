"""What somebody asks for when they make an avatar is checked before any work, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from emotalk.core.errors import InputError
from emotalk.create import CONSENT, CONSENT_VIDEO_ONLY, PersonalizeRequest, PortraitRequest, consent_to


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"video": 5}, "path of a file, found int"),
        ({"video": {"path": "me.mp4"}}, "path of a file, found dict"),
        ({"video": "gone\0.mp4"}, "no video"),
        ({"video": "\ud800.mp4"}, "no video"),
        ({"name": None}, "no name"),
        ({"name": ["me"]}, "no name"),
        ({"name": "a\0b"}, "printable"),
        ({"name": "\ud800"}, "printable"),
        ({"consent": True}, "must be a sentence"),
        ({"consent": " "}, "needs consent"),
        ({"consent": "", "video_only": True}, "in finished videos only"),
        ({"consent": CONSENT_VIDEO_ONLY}, "video_only=True"),
        ({"video_only": 1}, "true or false, found 1"),
        ({"video_only": "yes"}, "true or false, found 'yes'"),
        ({"video_only": None}, "true or false, found None"),
        ({"minutes": "2"}, "must be a number"),
        ({"minutes": float("nan")}, "must be a number"),
        ({"minutes": 10**400}, "a far larger one"),
        ({"seconds": [9]}, "must be a number"),
        ({"size": "512"}, "256 or 512"),
        ({"seed": 10**400}, "whole number"),
    ],
)
def test_what_cannot_be_made_is_a_sentence(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    (tmp_path / "me.mp4").write_bytes(b"film")
    with pytest.raises(InputError, match=said) as caught:
        PersonalizeRequest(**{"video": tmp_path / "me.mp4", "name": "me", "consent": CONSENT} | given)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"photo": 5}, "photo must be the path of a file, found int"),
        ({"photo": "gone\0.jpg"}, "no photo"),
        ({"name": None}, "no name"),
        ({"consent": True}, "must be a sentence"),
        ({"consent": " "}, "needs consent"),
        ({"consent": "", "video_only": True}, "in finished videos only"),
        ({"consent": CONSENT_VIDEO_ONLY}, "video_only=True"),
        ({"video_only": 1}, "true or false, found 1"),
        ({"video_only": "yes"}, "true or false, found 'yes'"),
        ({"video_only": None}, "true or false, found None"),
        ({"face": 0}, "from 1"),
        ({"face": True}, "from 1"),
        ({"face": 1.0}, "from 1"),
        ({"face": "2"}, "from 1"),
        ({"face": 10**5000}, "found a far larger one"),
        ({"size": 384}, "256 or 512"),
        ({"size": 10**5000}, "found a far larger one"),
        ({"seed": -1}, "whole number"),
    ],
)
def test_a_portrait_that_cannot_be_made_is_a_sentence(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    (tmp_path / "me.jpg").write_bytes(b"photo")
    with pytest.raises(InputError, match=said) as caught:
        PortraitRequest(**{"photo": tmp_path / "me.jpg", "name": "me", "consent": CONSENT} | given)
    assert len(str(caught.value)) < 300


def test_the_sentence_says_whether_an_avatar_is_drawn_in_browsers() -> None:
    assert "its numbers go to the browser of whoever watches" in CONSENT
    assert "never drawn live in a browser" in CONSENT_VIDEO_ONLY
    assert (consent_to(False), consent_to(True)) == (CONSENT, CONSENT_VIDEO_ONLY)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_who_gives_a_photo_for_a_video_is_told_where_photos_go(tmp_path: Path, format: str) -> None:
    path = tmp_path / "me.mp4"  # whatever it is called
    Image.init()
    if format not in Image.SAVE:
        pytest.skip(f"Pillow was built without {format} here")
    Image.new("RGB", (16, 16)).save(path, format)
    with pytest.raises(InputError, match=r"is a photo, and a video is needed here.*emotalk portrait"):
        PersonalizeRequest(path, "me", CONSENT)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("me.heic", b"\0\0\0\x18ftypheic"), ("me.mp4", b"\0\0\0\x18ftypisom"), ("me.gif", b"GIF89a"),
        ("me.avi", b"RIFF\0\0\0\0AVI "), ("me.mjpeg", b"\xff\xd8\xff\xe0"), ("me.webm", b"\x1aE\xdf\xa3"), ("me", b""),
    ],
)  # fmt: skip
def test_whatever_may_be_a_video_is_tried_as_one(tmp_path: Path, name: str, head: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(head)
    if name == "me.heic":
        with pytest.raises(InputError, match="is a photo"):
            PersonalizeRequest(path, "me", CONSENT)
    else:
        assert PersonalizeRequest(path, "me", CONSENT).video == path
