"""Lips on a photo."""

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import project
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.portrait.lips import between_lips, lip_colors, lips_among, mouth_is_open
from emotalk.rendering import portrait_camera

SKIN = torch.tensor([0.75, 0.58, 0.50])
LIPS = torch.tensor([0.55, 0.30, 0.28])
TEETH, GAP = torch.tensor([0.95, 0.93, 0.88]), torch.tensor([0.04, 0.03, 0.03])


def places(count: int = 60) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 0.02, (count, 3))


def some_lips(count: int = 60) -> torch.Tensor:
    return LIPS + 0.02 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0))


def mouths() -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [478, 2] of a shut mouth and of one that is wide open, on 256 pixels."""
    head, camera = HeadModel.load(), portrait_camera(256)
    motion = HeadMotion.neutral(2)
    motion.expression[1, ARKIT_INDEX["jawOpen"]] = 0.6
    with torch.no_grad():
        points = head.landmarks(head(expression=torch.from_numpy(motion.expression)).vertices).double().numpy()
    return tuple(project(points[t], camera)[0] for t in range(2))


def test_teeth_and_gaps_between_them_are_no_lips():
    colors = some_lips()
    colors[:10], colors[10:18] = TEETH, GAP
    assert lips_among(colors, SKIN).tolist() == [False] * 18 + [True] * 42
    found = lip_colors(colors, places(), lips_among(colors, SKIN), places())
    assert float((found - LIPS).abs().max()) < 0.06


def test_lips_half_in_a_shadow_are_lips():
    colors = some_lips()
    colors[30:] *= 0.7
    assert bool(lips_among(colors, SKIN).all())


def test_a_photo_without_colour_has_lips_all_the_same():
    grey = some_lips().mean(1, keepdim=True).expand(60, 3)
    assert bool(lips_among(grey, SKIN.mean().expand(3)).all())


def test_lips_that_a_photo_does_not_show_are_not_made_of_teeth():
    colors = torch.stack([TEETH, GAP]).repeat(30, 1)
    assert lip_colors(colors, places(), lips_among(colors, SKIN), places()) is None


def test_an_open_mouth_is_told_from_a_shut_one():
    shut, wide = mouths()
    assert not mouth_is_open(shut)
    assert mouth_is_open(wide)


def test_the_gap_of_an_open_mouth_is_told_from_the_lips():
    shut, wide = mouths()
    gap = between_lips(wide, (256, 256))
    assert gap.sum() > 2 * between_lips(shut, (256, 256)).sum()
    pixels = wide.astype(int)
    assert gap[(pixels[13, 1] + pixels[14, 1]) // 2, pixels[13, 0]]  # between the lips' inner lines
    for outer in (0, 17):
        assert not gap[pixels[outer, 1], pixels[outer, 0]]
