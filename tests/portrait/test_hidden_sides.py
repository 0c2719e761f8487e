"""What a photo does not show of a head is taken from where it does."""

import numpy as np
import pytest
import torch

from emotalk.core.camera import Camera
from emotalk.portrait.hidden_sides import BESIDE, RATIO, RIM, SAME, WELL, hung_colors, mirrored_colors, reflected_colors
from emotalk.tracking.masks import BACKGROUND, HAIR, SKIN

RNG = np.random.default_rng(3)


def half_a_face(count: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(places [N, 3], what is painted there [N, 3], the light that falls there [N, 1]): paint is alike on both sides,
    light comes from one of them."""
    right = RNG.uniform((0.001, -0.08, 0), (0.07, 0.08, 0.05), (count, 3))
    places = np.concatenate([right, right * (-1, 1, 1)])
    paint = 0.5 + 0.2 * np.sin(places[:, 1:2] * 200 + np.arange(3)) * np.cos(places[:, :1] * 120)
    return places, paint, 0.8 + 0.3 * np.tanh(places[:, :1] / 0.015)


def test_a_hidden_cheek_is_that_of_the_other_side_in_its_own_light():
    places, paint, light = half_a_face()
    color = paint * light
    shown = np.where(places[:, 0] > 0, 0.9, np.where(places[:, 0] > -0.03, 0.7, 0.0))
    found, known = mirrored_colors(np.where(shown[:, None] > 0, color, 0.5), places, shown)
    hidden = shown == 0
    assert (known == 1).all()
    assert np.abs(found - color)[hidden].mean() < 0.04
    in_the_other_light = paint * (1.6 - light)
    assert np.abs(found - color)[hidden].mean() < 0.25 * np.abs(in_the_other_light - color)[hidden].mean()


def test_what_the_photo_shows_well_stays_as_it_is():
    places, paint, light = half_a_face()
    shown = np.where(places[:, 0] > -0.02, WELL + 0.01, 0.1)
    found, _ = mirrored_colors(paint * light, places, shown)
    assert np.array_equal(found[shown > WELL], (paint * light)[shown > WELL])


def test_where_neither_side_is_seen_nothing_is_made_up():
    places, paint, light = half_a_face()
    shown = np.where(np.abs(places[:, 0]) < 0.03, 0.9, 0.0)
    found, known = mirrored_colors(paint * light, places, shown)
    neither = np.abs(places[:, 0]) > 0.03 + SAME
    assert np.array_equal(found[neither], (paint * light)[neither])
    assert (known[neither] == 0).all()


def test_light_is_never_believed_to_differ_beyond_all_measure():
    places, paint, _ = half_a_face()
    shown = np.where(places[:, 0] > -0.02, 0.9, 0.0)
    color = np.where(places[:, :1] > 0, paint, 0.0)
    found, _ = mirrored_colors(color, places, shown)
    assert (found >= 0).all()
    assert found.max() <= RATIO[1] * color.max()


def test_hair_goes_on_beyond_the_rim_as_it_came_there():
    ray = RNG.normal(size=(4000, 3))
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    view = np.array([0, 0, 1.0])
    strand = np.sin(6 * np.arctan2(ray[:, 1], ray[:, 0]))[:, None]
    color = np.repeat(0.5 + 0.4 * strand, 3, 1)
    angle = np.arccos(ray[:, 2])
    known = (angle < RIM).astype(float)
    found = reflected_colors(np.where(known[:, None] > 0, color, 0.5), ray * 0.1, view, known)
    near = (angle > RIM) & (angle < RIM + 0.5)
    assert np.abs(found - color)[near].mean() < 0.3 * np.abs(0.5 - color)[near].mean()
    assert np.array_equal(found[known > 0], color[known > 0])


@pytest.mark.parametrize(("beside", "is_hair"), [(HAIR, True), (BACKGROUND, False), (SKIN, False)])
def test_behind_a_cheek_beside_which_hair_hangs_there_is_hair(beside, is_hair):
    pose = torch.eye(4)
    camera = Camera(pose, 512.0, 512.0, 256.0, 256.0, 512, 512)
    classes = np.full((512, 512), SKIN, np.uint8)
    classes[:, 300:] = beside
    picture = np.full((512, 512, 3), 200, np.uint8)
    picture[:, 300:] = (51, 0, 0)
    point = np.array([[(299.0 - 256) / 512, 0, 1]])
    color, found = hung_colors(point, np.array([[0.9, 0, 0.1]]), camera, picture, classes)
    assert found.tolist() == [is_hair]
    if is_hair:
        assert np.allclose(color, [[0.2, 0, 0]])
    inwards = hung_colors(point - (2 * max(BESIDE) / 512, 0, 0), np.array([[-1.0, 0, 0]]), camera, picture, classes)
    assert not inwards[1].any()
