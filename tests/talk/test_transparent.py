"""A talk in front of nothing: the person opaque, the rest see-through, and the same picture on any ground."""

import dataclasses

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.talk import Colour, Look, Studio, TalkRequest, Transparent
from tests.video.test_alpha_writer import decoded

LOOK = Look(size=64, background=Transparent(), mark="off")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(device="cpu")


@pytest.mark.parametrize("shape", ["1:1", "16:9"])
def test_a_still_on_nothing_is_the_same_on_any_ground(studio, shape):
    look = dataclasses.replace(LOOK, shape=shape)
    still = studio.still("mira", look, 0.3, 0.2).astype(float)
    assert still[2, 2, 3] == 0
    assert still[look.height // 2, look.width // 2, 3] >= 254
    share = still[..., 3:] / 255
    for colour in (Colour(0, 0, 0), Colour(0.2, 0.9, 0.5)):
        ground = np.array([colour.red, colour.green, colour.blue]) * 255
        solid = studio.still("mira", dataclasses.replace(look, background=colour), 0.3, 0.2)
        assert np.abs(still[..., :3] * share + (1 - share) * ground - solid).max() <= 2.5


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".webm", ".mov"])
def test_a_talk_on_nothing(studio, tmp_path, ending):
    path = tmp_path / f"a{ending}"
    clip = studio.talk(TalkRequest(text="Hi.", look=LOOK), path)
    frames = decoded(path)
    assert len(frames) == clip.frames
    assert frames[:, :4, :4, 3].max() <= 6
    assert frames[:, 30:40, 28:36, 3].min() >= 245
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_cannot_hold_alpha_is_refused_before_the_work(studio, tmp_path):
    request = TalkRequest(text="Hi.", look=LOOK)
    with pytest.raises(InputError, match=r"\.webm .* or a \.mov"):
        studio.talk(request, tmp_path / "a.mp4")
    with pytest.raises(InputError, match="cannot be streamed"):
        next(studio.stream(request))
    with pytest.raises(InputError, match=r"must end in one of \.mp4"):
        studio.talk(TalkRequest(text="Hi.", look=Look(size=64)), tmp_path / "a.mov")
    assert list(tmp_path.iterdir()) == []
