"""The CUDA backend (gsplat) against the same reference. Runs where a CUDA device is at hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emotalk.core.gaussians import CloudBatch, GaussianCloud
from emotalk.rendering import FrameRenderer, rasterize
from emotalk.rendering.device import cuda_problem
from tests.rendering import reference
from tests.rendering.scenes import camera, double, random_cloud

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(cuda_problem() is not None, reason=f"no CUDA renderer: {cuda_problem()}"),
]
NAMES = ("means", "scales", "quats", "opacities", "colors")
BACKGROUND = torch.tensor([0.2, 0.7, 1.0])


def on_gpu(cloud: GaussianCloud, **options) -> GaussianCloud:
    return GaussianCloud(*(getattr(cloud, name).cuda().requires_grad_(**options) for name in NAMES))


def test_the_picture_equals_the_reference():
    # Sparse: gsplat always stops early and leaves out the Gaussian that finishes a pixel.
    cloud, view = random_cloud(120, 1), camera(333, 517)
    drawn = rasterize(on_gpu(cloud), view, BACKGROUND)
    assert drawn.image.is_cuda
    image, alpha, hair = reference.render(double(cloud), view, BACKGROUND, early_stop=True)
    assert float(((drawn.image.detach().cpu() - image).abs().amax(2) * ~hair).max()) <= 2e-3
    assert float(((drawn.alpha.detach().cpu() - alpha).abs() * ~hair).max()) <= 2e-3


def test_gradients_and_statistics_equal_the_cpu_backend():
    cloud, view = random_cloud(120, 1), camera(133, 97)
    weights = torch.rand(97, 133, 3)
    results = []
    for moved in (cloud, on_gpu(cloud)):
        leaves = [getattr(moved, name).detach().requires_grad_() for name in NAMES]
        screen = torch.zeros(120, 2, device=leaves[0].device)
        drawn = rasterize(GaussianCloud(*leaves), view, BACKGROUND, screen_gradients=screen)
        (drawn.image * weights.to(drawn.image)).sum().backward()
        results.append([leaf.grad.cpu() for leaf in leaves] + [screen.cpu()])
    counts = [result[-1][:, 1] for result in results]
    assert float((counts[0] - counts[1]).abs().sum()) <= 4  # gsplat rounds what a Gaussian reaches up to whole pixels
    results = [[*result[:-1], result[-1][:, 0]] for result in results]
    for ours, theirs in zip(*results, strict=True):
        assert float((ours - theirs).norm() / ours.norm()) <= 1e-2


def test_frames_come_from_the_gpu():
    cloud, view = random_cloud(200, 2), camera(64, 48)
    (picture,) = FrameRenderer(64, 48).frames([on_gpu(cloud)], view)
    expected = rasterize(cloud, view, backend="cpu").image.clamp(0, 1).mul(255)
    assert (torch.from_numpy(picture) - expected).abs().max() <= 2


@pytest.mark.parametrize("background", [None, (0.2, 0.7, 1.0), "picture"])
def test_frames_that_are_drawn_together_are_those_that_are_drawn_alone(background):
    if background == "picture":
        background = torch.rand(48, 64, 3, generator=torch.Generator().manual_seed(0))
    clouds = [on_gpu(random_cloud(200, seed)) for seed in range(9)]
    views = [camera(64, 48, yaw=0.05 * t) for t in range(9)]
    batches = [CloudBatch.stack(clouds[:4]), clouds[4], CloudBatch.stack(clouds[5:])]
    renderer = FrameRenderer(64, 48, background)
    # Not copied: a picture of a batch is there as long as somebody holds it.
    together = [
        picture.copy() if k == 4 else picture for k, picture in enumerate(renderer.frames(batches, views.__getitem__))
    ]
    alone = [picture.copy() for picture in renderer.frames(clouds, views.__getitem__)]
    assert len(together) == len(alone) == 9
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
