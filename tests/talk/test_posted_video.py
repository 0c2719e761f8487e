"""A video as it is posted, decoded again: upright, its words in the safe area and on the mark's other side, in step."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize("style", ["lines", "highlight", "words"])
def test_captions_of_a_real_talk_stand_in_the_safe_area(studio, plain, tmp_path: Path, style: str):
    _, without = plain
    look = dataclasses.replace(LOOK, captions=style)
    clip = studio.talk(TalkRequest(text="Good morning.", voice=VOICE, look=look), tmp_path / "a.mp4")
    # The same frames but for the words, up to what the encoder changes.
    shown = [
        np.abs(one.astype(int) - other).max(-1) > 48
        for one, other in zip(read_frames(tmp_path / "a.mp4", 144, 256), without, strict=True)
    ]
    said = [round(25 * (start + end) / 2) for start, end, _ in clip.words]
    assert all(shown[frame].any() for frame in said)
    rows, columns = np.nonzero(np.logical_or.reduce(shown))
    assert rows.min() >= 0.6 * 256  # the face is above
    assert rows.max() <= 0.86 * 256  # a phone's buttons are below
    assert columns.min() >= 0.03 * 144
    assert columns.max() <= 0.97 * 144
