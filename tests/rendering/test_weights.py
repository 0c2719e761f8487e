"""How much every Gaussian adds to a picture, and how much the picture would miss it, against pictures without it."""

from __future__ import annotations

import torch

from emotalk.core.gaussians import GaussianCloud
from emotalk.rendering import rasterize
from emotalk.rendering.weights import missed, shown_weights
from tests.rendering.scenes import camera, random_cloud


def recoloured(cloud: GaussianCloud, colors: torch.Tensor) -> GaussianCloud:
    return GaussianCloud(cloud.means, cloud.scales, cloud.quats, cloud.opacities, colors)


def test_the_weights_are_the_pixels_that_each_one_colours() -> None:
    cloud, view = random_cloud(40), camera(64, 48)
    weights = shown_weights(cloud, view)
    for i in (0, 7, 23):
        alone = torch.zeros_like(cloud.colors)
        alone[i] = 1
        drawn = rasterize(recoloured(cloud, alone), view, torch.zeros(3)).image[..., 0]
        torch.testing.assert_close(weights[i], drawn.sum(), rtol=1e-4, atol=1e-4)


def test_together_they_make_up_what_is_covered() -> None:
    cloud, view = random_cloud(60, seed=1), camera(64, 48)
    covered = rasterize(cloud, view).alpha.sum()
    torch.testing.assert_close(shown_weights(cloud, view).sum(), covered, rtol=1e-4, atol=1e-3)


def test_colours_do_not_matter_and_learn_nothing() -> None:
    cloud, view = random_cloud(30, seed=2), camera(32, 32)
    learning = recoloured(cloud, torch.zeros_like(cloud.colors).requires_grad_())
    torch.testing.assert_close(shown_weights(learning, view), shown_weights(cloud, view))
    assert learning.colors.grad is None


def without(cloud: GaussianCloud, i: int) -> GaussianCloud:
    opacities = cloud.opacities.clone()
    opacities[i] = 0
    return GaussianCloud(cloud.means, cloud.scales, cloud.quats, opacities, cloud.colors)


def test_who_is_missed_is_told_by_the_picture_without_them() -> None:
    cloud, view = random_cloud(30, seed=3), camera(32, 32)
    backgrounds = torch.rand(64, 3, generator=torch.Generator().manual_seed(1))
    wanted = torch.zeros(len(cloud.means))
    for i in range(len(wanted)):
        for background in backgrounds:
            pictures = [rasterize(c, view, background).image for c in (cloud, without(cloud, i))]
            wanted[i] += (pictures[0] - pictures[1]).square().sum() / len(backgrounds)
    generator = torch.Generator().manual_seed(2)
    found = sum(missed(cloud, view, generator) for _ in range(800)) / 800
    seen = wanted > 0.01 * wanted.max()
    assert seen.sum() > 10
    torch.testing.assert_close(found[seen], wanted[seen], rtol=0.35, atol=0)


def test_every_one_counts_as_if_it_stood_out_by_the_contrast() -> None:
    cloud, view = random_cloud(30, seed=4), camera(32, 32)
    plain, counted = (
        sum(missed(cloud, view, generator, contrast) for _ in range(400)) / 400
        for contrast, generator in ((0.0, torch.Generator().manual_seed(5)), (0.5, torch.Generator().manual_seed(5)))
    )
    for i in shown_weights(cloud, view).topk(5).indices:
        alone = torch.zeros_like(cloud.colors)
        alone[i] = 1
        shown = rasterize(recoloured(cloud, alone), view, torch.zeros(3)).image
        torch.testing.assert_close((counted - plain)[i], 0.5**2 * shown.square().sum(), rtol=0.2, atol=0)
