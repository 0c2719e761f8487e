"""Detail in an avatar's file: what is kept comes back, and nothing else gets in."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emotalk.avatar import files, load_avatar
from emotalk.avatar.detail import PictureDetail
from emotalk.avatar.tensors import decode, encode
from emotalk.core.errors import AvatarError
from emotalk.core.image_metrics import peak_ratio
from emotalk.rendering import portrait_camera
from tests.avatar.doubles import EggHead, make_avatar, make_motion

SIZE = 64


def fine_picture() -> np.ndarray:
    random = np.random.default_rng(3)
    return np.clip(random.normal(0, 0.02, (SIZE, SIZE, 1)).repeat(3, 2), -0.2, 0.2).astype(np.float32)


def kept_pose():
    motion = make_motion(1)
    still = {name: np.zeros_like(getattr(motion, name)) for name in ("head_pose", "gaze")}
    return type(motion)(**(vars(motion) | still))


@pytest.fixture
def avatar():
    return make_avatar().replace(camera=portrait_camera(SIZE), detail=PictureDetail(fine_picture(), kept_pose()))


def test_it_comes_back_nearly_as_it_was(avatar, tmp_path):
    loaded = load_avatar(avatar.save(tmp_path / "egg"), EggHead())
    assert peak_ratio(float(np.square(loaded.detail.image - avatar.detail.image).mean())) > 43
    for name in ("expression", "jaw", "eyelids", "gaze", "head_pose"):
        assert np.array_equal(getattr(loaded.detail.pose, name), getattr(avatar.detail.pose, name))


def test_an_avatar_keeps_it_through_changes(avatar):
    assert avatar.replace(thumbnail=None).detail is avatar.detail
    assert avatar.replace(detail=None).detail is None


def arrays_of(avatar) -> dict[str, np.ndarray]:
    return decode(encode(files.pack(avatar)), files.SPEC, files.LIMITS, "It", files.OPTIONAL) | {}


@pytest.mark.parametrize("missing", ["detail.image", "detail.pose", "camera"])
def test_half_of_it_is_refused(avatar, missing):
    arrays = arrays_of(avatar)
    del arrays[missing]
    with pytest.raises(AvatarError, match="detail without its picture, its pose or its camera"):
        files.unpack(arrays, avatar.card, EggHead(), "It")


def webp(width: int, height: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (128, 128, 128)).save(buffer, "WEBP")
    return np.frombuffer(buffer.getvalue(), np.uint8)


@pytest.mark.parametrize("size", [(32, 64), (64, 65), (2000, 2000)])
def test_a_picture_of_another_size_is_refused(avatar, size):
    arrays = arrays_of(avatar) | {"detail.image": webp(*size)}
    with pytest.raises(AvatarError, match="the avatar is damaged"):
        files.unpack(arrays, avatar.card, EggHead(), "It")


@given(st.binary(max_size=200))
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(AvatarError, match="cannot be read"):
        PictureDetail.unpacked(np.frombuffer(data, np.uint8), np.zeros(57, np.float32), (SIZE, SIZE), "It")
