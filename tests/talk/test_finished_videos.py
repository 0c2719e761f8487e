"""Finished videos of every shape, decoded again: sound with its picture, heads and captions where they belong."""

import pytest

from benchmarks.formats import PRESETS, clapped, offset_of
from emotalk.avatar import load_avatar
from emotalk.talk import Look
from emotalk.talk.request import SHAPES
from emotalk.talk.scene import camera_of, head_box
from emotalk.video.alpha_writer import ALPHA_FORMATS
from emotalk.video.formats import convert

SOUND_ALONE = (".m4a", ".wav")


@pytest.mark.parametrize("size", [256, 720])
@pytest.mark.parametrize("shape", SHAPES)
def test_sound_comes_with_its_picture_in_every_shape(tmp_path, shape, size):
    look = Look(size, shape=shape)
    assert abs(offset_of(clapped(tmp_path / "a.mp4", look.width, look.height))) <= 20


@pytest.mark.parametrize("ending", [".webm", *SOUND_ALONE, *(f"clear{ending}" for ending in ALPHA_FORMATS)])
def test_sound_comes_with_its_picture_in_every_format(tmp_path, ending):
    path = tmp_path / f"made{ending}"
    if ending.startswith("clear"):
        clapped(path, 256, 456)
    else:
        convert(clapped(tmp_path / "plain.mp4", 256, 456), path)
    assert abs(offset_of(path, seen=ending not in SOUND_ALONE)) <= 20


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_keeps_the_whole_head_in_the_picture(shape):
    look = Look(256, shape=shape)
    for name in PRESETS:
        avatar = load_avatar(name)
        left, top, right, bottom = head_box(avatar, camera_of(avatar, look))
        assert min(left, look.width - right) > 0.04 * look.width, name
        assert top > 0.02 * look.height, name
        assert bottom < 0.9 * look.height, name
