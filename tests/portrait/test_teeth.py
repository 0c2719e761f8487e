"""The colour of teeth in the light of a photo."""

import numpy as np
import pytest

from emotalk.core.landmarks import INNER_LIPS
from emotalk.portrait.teeth import EYES, IN_SHADOW, IRISES, LIT, SIDES, side_shadow, tooth_color

SKIN = np.array([0.75, 0.52, 0.42])


def face(gap: float = 0.0, between: tuple[float, float, float] = (0, 0, 0), light: float = 1.0):
    """(picture [512, 512, 3], landmarks [478, 2], skin [100, 3]): lips `gap` pixels apart, eyes hidden."""
    points = np.full((478, 2), 256.0)
    turn = np.linspace(0, 2 * np.pi, len(INNER_LIPS), endpoint=False)
    points[list(INNER_LIPS)] = np.stack([256 + 40 * np.cos(turn), 340 + gap / 2 * np.sin(turn)], 1)
    picture = np.tile((light * SKIN).astype(np.float32), (512, 512, 1))
    if gap:
        rows = slice(340 - int(gap / 2), 340 + int(gap / 2))
        picture[rows, 216:296] = np.float32(between) * light
    return picture, points, light * np.tile(SKIN, (100, 1))


def with_eyes(picture, points, white):
    points, picture = points.copy(), picture.copy()
    for x, lids, irises in zip((200, 310), EYES, IRISES, strict=True):
        turn = np.linspace(0, 2 * np.pi, len(lids), endpoint=False)
        points[list(lids)] = np.stack([x + 18 * np.cos(turn), 240 + 8 * np.sin(turn)], 1)
        points[list(irises)] = (x, 240)
        points[list(irises[1:])] += [[7, 0], [0, 7], [-7, 0], [0, -7]]
        picture[230:250, x - 20 : x + 20] = white
        picture[233:247, x - 7 : x + 7] = 0.1
    return picture, points


def test_teeth_that_the_photo_shows_tell_their_colour():
    found = tooth_color(*face(gap=30, between=(0.86, 0.82, 0.74)))
    assert found.mean() == pytest.approx(LIT * np.mean([0.86, 0.82, 0.74]), abs=0.01)
    assert found[0] > found[1] > found[2]


def test_a_tongue_or_a_dark_gap_between_open_lips_is_no_tooth():
    for between in ((0.6, 0.25, 0.25), (0.07, 0.02, 0.02)):
        assert tooth_color(*face(gap=30, between=between)) == pytest.approx(tooth_color(*face()), abs=1e-6)


@pytest.mark.parametrize("light", [0.7, 1.0])
def test_else_they_are_as_light_as_bright_skin_and_less_tinted(light):
    found, skin = tooth_color(*face(light=light)), light * SKIN
    assert found.mean() == pytest.approx(LIT * skin.mean(), abs=0.01)
    assert 1 < found[0] / found[2] < 1.4 < skin[0] / skin[2]


def test_in_a_dark_face_the_white_of_its_eyes_tells_their_light():
    picture, points, skin = face(light=0.5)
    picture, points = with_eyes(picture, points, 0.8)
    assert tooth_color(picture, points, skin).mean() == pytest.approx(LIT * 0.85 * 0.8, abs=0.02)


def test_a_photo_without_colour_has_teeth_without_colour():
    picture, points, skin = face()
    grey = (picture.mean(-1, keepdims=True).repeat(3, -1), points, skin.mean(-1, keepdims=True).repeat(3, -1))
    found = tooth_color(*grey)
    assert found.max() - found.min() < 1e-6


def test_teeth_are_never_orange():
    found = tooth_color(*face(gap=30, between=(0.8, 0.5, 0.3)))
    assert found[0] / found[2] <= 1.5 + 1e-6


def test_side_teeth_lie_in_the_shadow_of_the_cheeks():
    across = np.linspace(-0.035, 0.035, 29)
    share = side_shadow(np.stack([across, np.zeros(29), np.full(29, 0.09)], 1))
    assert np.array_equal(share, share[::-1])
    assert (share[np.abs(across) <= SIDES[0]] == 1).all()
    assert share[0] == pytest.approx(IN_SHADOW)
    assert (np.diff(share[14:]) <= 0).all()
