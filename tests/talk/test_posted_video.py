"""A video as it is posted, decoded again: upright, its words in the safe area and on the mark's other side, in step."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_opening

from emotalk.talk import Look, Studio, TalkRequest
from emotalk.talk.captions import captions
from emotalk.video.reader import read_frames

pytestmark = pytest.mark.slow
VOICE = "espeak:en-us"  # it tells its words on every machine
LOOK = Look(size=144, shape="9:16", mark="off")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(device="cpu")


@pytest.fixture(scope="module")
def plain(studio, tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "a.mp4"
    clip = studio.talk(TalkRequest(text="Good morning.", voice=VOICE, look=LOOK), path)
    return clip, list(read_frames(path, LOOK.width, LOOK.height))


def test_a_clip_knows_its_words_and_what_was_said(plain):
    clip, frames = plain
    assert (clip.width, clip.height, clip.frames) == (144, 256, len(frames))
    assert [word.lower().strip(".") for *_, word in clip.words] == ["good", "morning"]
    assert captions(clip.words, clip.said)[0].text == "Good morning."
    assert all(0 <= start < end <= clip.seconds for start, end, _ in clip.words)


@pytest.mark.parametrize(
    ("shape", "style"),
    [("9:16", "lines"), ("9:16", "highlight"), ("9:16", "words"), ("1:1", "lines"), ("16:9", "highlight")],
)
def test_captions_of_a_real_talk_stand_in_the_safe_area(studio, plain, tmp_path: Path, shape: str, style: str):
    look = dataclasses.replace(LOOK, shape=shape, captions=style)
    width, height = look.width, look.height
    bare = plain[1]
    if shape != LOOK.shape:
        request = TalkRequest(text="Good morning.", voice=VOICE, look=dataclasses.replace(look, captions="off"))
        studio.talk(request, tmp_path / "bare.mp4")
        bare = list(read_frames(tmp_path / "bare.mp4", width, height))
    clip = studio.talk(TalkRequest(text="Good morning.", voice=VOICE, look=look), tmp_path / "a.mp4")
    # The same frames but for the words, up to what the encoder changes: a single pixel of an eye, say.
    shown = [
        binary_opening(np.abs(one.astype(int) - other).max(-1) > 48, np.ones((2, 2)))
        for one, other in zip(read_frames(tmp_path / "a.mp4", width, height), bare, strict=True)
    ]
    said = [round(25 * (start + end) / 2) for start, end, _ in clip.words]
    assert all(shown[frame].any() for frame in said)
    rows, columns = np.nonzero(np.logical_or.reduce(shown))
    assert rows.min() >= 0.6 * height  # the face is above
    assert rows.max() <= (0.86 if shape == "9:16" else 0.93) * height  # a phone's buttons or the mark are below
    assert columns.min() >= 0.03 * width
    assert columns.max() <= 0.97 * width
