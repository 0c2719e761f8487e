"""PSNR and SSIM."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.core.image_metrics import psnr, ssim


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(30, 40, 3, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_known_error():
    image = torch.full((8, 8, 3), 0.5)
    assert psnr(image, image + 0.1) == pytest.approx(20.0, abs=1e-4)
    assert psnr(image, image + 0.01) == pytest.approx(40.0, abs=1e-3)
    assert psnr(image, image) == math.inf


def test_eight_bit_pictures_and_arrays_are_taken_as_they_are():
    a, b = (picture(k).mul(255).to(torch.uint8) for k in range(2))
    assert psnr(a, b) == pytest.approx(psnr(a.float() / 255, b.numpy()))
    assert ssim(a.numpy(), b) == pytest.approx(ssim(a.float() / 255, b.float() / 255))


def test_a_mask_selects_pixels():
    image, other = picture(), picture()
    other[:, 20:] += 0.1
    left = np.zeros((30, 40), bool)
    left[:, :20] = True
    assert psnr(image, other, left) == math.inf
    assert psnr(image, other, ~left) == pytest.approx(20.0, abs=1e-3)
    assert psnr(image, other) == pytest.approx(20 + 10 * math.log10(2), abs=1e-3)
    far_left = torch.zeros(30, 40)
    far_left[:, :14] = 1  # no window reaches column 20
    assert ssim(image, other, far_left) == pytest.approx(1.0, abs=1e-6)
    assert ssim(image, other, ~left) < 0.999


def test_ssim_of_equal_and_of_unrelated_pictures():
    assert ssim(picture(), picture()) == pytest.approx(1.0, abs=1e-6)
    assert abs(ssim(picture(0), picture(1))) < 0.1
    assert ssim(picture(), 1 - picture()) < -0.5


def test_ssim_falls_with_noise():
    target = picture() * 0.2 + torch.linspace(0.2, 0.6, 40)[None, :, None]
    scores = [ssim(target + noise * (picture(5) - 0.5), target) for noise in (0.01, 0.05, 0.2, 0.5)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.99


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((picture(), picture()[:20]), "same shape"),
        ((picture()[..., 0], picture()[..., 0]), r"shape \[H, W, 3\]"),
        ((picture().mul(255).int(), picture()), "8-bit"),
        ((picture() * float("nan"), picture()), "NaN"),
        ((picture(), picture(), torch.zeros(30, 40)), "at least one pixel"),
        ((picture(), picture(), torch.ones(40, 30)), "mask must have shape"),
    ],
)
def test_misuse_is_explained(metric, arguments, message):
    with pytest.raises(InputError, match=message):
        metric(*arguments)
