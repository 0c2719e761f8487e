"""How much of each pixel is the person: strands that no mask knows, and colours without what is behind them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.fitting.matte import find_alpha, matte_of, separated, trimap
from emotalk.tracking.masks import BACKGROUND, BODY, HAIR

SIZE = 160
HAIR_COLOR = np.array([0.35, 0.2, 0.1])


def strands(wave: float = 26.0) -> tuple[np.ndarray, np.ndarray]:
    """(true alpha [SIZE, SIZE], background [SIZE, SIZE, 3]): a disc whose rim frays into strands, before a gradient."""
    rows, columns = np.indices((SIZE, SIZE)) - SIZE / 2 + 0.5
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    reach = 36 + 6 * (0.5 + 0.5 * np.sin(wave * angle)) ** 2
    alpha = np.clip((reach - radius) / 2 + 0.5, 0, 1)
    across = (columns / SIZE + 0.5)[..., None]
    return alpha, np.array([0.45, 0.6, 0.8]) * (1 - across) + np.array([0.7, 0.75, 0.7]) * across


def photographed(alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    shade = 1 + 0.15 * np.sin(np.indices(alpha.shape)[0] / 3)[..., None]
    return np.round(255 * (alpha[..., None] * HAIR_COLOR * shade + (1 - alpha[..., None]) * background)).astype(
        np.uint8
    )


def coarse(alpha: np.ndarray, kind: int = HAIR) -> np.ndarray:
    """What a segmentation knows: a disc."""
    rows, columns = np.indices(alpha.shape) - SIZE / 2 + 0.5
    return np.where(np.hypot(rows, columns) < 38, kind, BACKGROUND).astype(np.uint8)


def test_strands_that_the_mask_does_not_know_are_found():
    alpha, background = strands()
    classes = coarse(alpha)
    found = matte_of(photographed(alpha, background), classes).alpha
    before = np.abs((classes > 0) - alpha).mean()
    assert np.abs(found - alpha).mean() < 0.25 * before


def test_the_persons_colours_have_nothing_of_the_background_in_them():
    alpha, background = strands()
    picture = photographed(alpha, background)
    matte = matte_of(picture, coarse(alpha))
    mixed = (alpha > 0.3) & (alpha < 0.8)
    off = np.abs(matte.foreground[mixed] - HAIR_COLOR).mean()
    assert off < 0.35 * np.abs(picture[mixed] / 255 - HAIR_COLOR).mean()


def test_person_over_background_is_the_picture_again():
    alpha, background = strands()
    picture = photographed(alpha, background)
    matte = matte_of(picture, coarse(alpha))
    share = matte.alpha[..., None]
    again = share * matte.foreground + (1 - share) * matte.background
    assert np.abs(again - picture / 255).mean() < 0.01


def test_around_hair_more_is_uncertain_than_around_cloth():
    alpha, _ = strands()
    uncertain = {kind: int((~trimap(coarse(alpha, kind))[1]).sum()) for kind in (HAIR, BODY)}
    assert uncertain[HAIR] > 1.5 * uncertain[BODY]


def test_what_is_certain_stays_as_the_mask_has_it():
    alpha, background = strands()
    classes = coarse(alpha)
    person, certain = trimap(classes)
    found = find_alpha(photographed(alpha, background).astype(np.float32) / 255, person, certain)
    assert np.array_equal(found[certain], person[certain].astype(np.float32))


@pytest.mark.parametrize("kind", [BACKGROUND, BODY, HAIR])
def test_a_picture_of_one_class_is_all_or_nothing(kind):
    picture = np.full((32, 32, 3), 90, np.uint8)
    matte = matte_of(picture, np.full((32, 32), kind, np.uint8))
    assert (matte.alpha == (kind != BACKGROUND)).all()
    assert np.isfinite(matte.foreground).all()
    assert np.isfinite(matte.background).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(8, 40), st.integers(8, 40), st.integers(0, 1000))
def test_whatever_the_picture_a_matte_is_in_range(height, width, seed):
    rng = np.random.default_rng(seed)
    matte = matte_of(
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8), rng.integers(0, 4, (height, width), dtype=np.uint8)
    )
    for part in (matte.alpha, matte.foreground, matte.background):
        assert part.dtype == np.float32
        assert part.min() >= 0
        assert part.max() <= 1


def test_colours_are_continued_behind_and_beyond_the_person():
    alpha = np.zeros((64, 64), np.float32)
    alpha[:, 32:] = 1
    color = np.where(alpha[..., None] > 0, np.float32(0.2), np.float32(0.9)) * np.ones(3, np.float32)
    front, behind = separated(color, alpha)
    assert np.abs(front[:, 28:32] - 0.2).max() < 0.02
    assert np.abs(behind[:, 32:36] - 0.9).max() < 0.02
