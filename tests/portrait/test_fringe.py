"""Strands that stand off the outline of the hair."""

import numpy as np

from emotalk.portrait.fringe import FROM_HAIR, MISSING, MOST, missing_strands
from emotalk.tracking.masks import BACKGROUND, HAIR

SIZE = 256


def head(strands: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(alpha, covered, classes): a block of hair, with upright strands above it."""
    covered = np.zeros((SIZE, SIZE), np.float32)
    covered[128:] = 1
    alpha = covered.copy()
    if strands:
        alpha[122:128, 40:200:8] = 0.8
        alpha[122:128, 41:200:8] = 0.8
    return alpha, covered, np.where(covered > 0, HAIR, BACKGROUND).astype(np.uint8)


def test_where_the_avatar_covers_what_the_matte_does_there_are_none():
    pixels, missing, angle = missing_strands(*head(strands=False))
    assert len(pixels) == len(missing) == len(angle) == 0


def test_they_stand_where_coverage_is_missing_and_along_the_strands():
    pixels, missing, angle = missing_strands(*head(strands=True))
    assert len(pixels) > 20
    assert (missing > MISSING).all()
    assert ((pixels[:, 1] > 120) & (pixels[:, 1] < 130)).all()
    assert np.median(np.abs(np.sin(angle))) > 0.9  # upright


def test_far_from_hair_what_is_missing_is_no_strand():
    alpha, covered, classes = head(strands=False)
    alpha[: 127 - FROM_HAIR] = 1
    assert len(missing_strands(alpha, covered, classes)[0]) == 0


def test_there_are_never_too_many():
    alpha, covered, classes = head(strands=False)
    assert len(missing_strands(np.ones_like(alpha), np.zeros_like(covered), np.full_like(classes, HAIR))[0]) == MOST
