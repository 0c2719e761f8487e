"""The CPU renderer against the float64 reference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotalk.rendering import rasterize
from emotalk.types import GaussianCloud
from tests.rendering import reference
from tests.rendering.scenes import camera, double, near_camera, random_cloud

NAMES = ("means", "scales", "quats", "opacities", "colors")


def picture_errors(cloud, view, background, early_stop):
    """Largest errors of image and alpha, and the share of pixels that hang on a hair (left out)."""
    drawn = rasterize(cloud, view, background, "cpu", early_stop=early_stop)
    image, alpha, hair = reference.render(double(cloud), view, background, early_stop)
    keep = ~hair
    return (
        float(((drawn.image - image).abs().amax(2) * keep).max()),
        float(((drawn.alpha - alpha).abs() * keep).max()),
        float(hair.double().mean()),
    )


def gradient_errors(cloud, view, background, early_stop, seed=0):
    """Relative L2 error of the gradient by each parameter for a random linear loss on image and alpha."""
    g = torch.Generator().manual_seed(seed)
    hair = reference.render(double(cloud), view, background, early_stop)[2]
    grad_image = torch.randn(view.height, view.width, 3, generator=g) * ~hair[..., None]
    grad_alpha = torch.randn(view.height, view.width, generator=g) * ~hair
    leaves = [getattr(cloud, name).clone().requires_grad_() for name in NAMES]
    screen = torch.zeros(len(cloud.means), 2)
    drawn = rasterize(GaussianCloud(*leaves), view, background, "cpu", early_stop=early_stop, screen_gradients=screen)
    torch.autograd.backward([drawn.image, drawn.alpha], [grad_image, grad_alpha])
    expected = reference.gradients(double(cloud), view, background, grad_image, grad_alpha, early_stop)
    errors = {
        name: float((leaf.grad - truth).norm() / truth.norm().clamp_min(1e-12))
        for name, leaf, truth in zip(NAMES, leaves, expected, strict=False)
    }
    ours, truth = screen[:, 0].double().sort().values, expected[5].norm(dim=1).sort().values
    ours = ours[len(ours) - len(truth) :]  # those behind the camera collected nothing
    errors["screen means"] = float((ours - truth).norm() / truth.norm().clamp_min(1e-12))
    return errors


SCENES = {
    "head": lambda: (random_cloud(500, 1), camera(333, 517)),
    "dense": lambda: (random_cloud(400, 2, size=0.02), camera(333, 517)),
    "inside": lambda: (random_cloud(300, 3, size=0.01), near_camera(160, 120)),
    "tiny": lambda: (random_cloud(400, 4, size=0.0002), camera(97, 61, zoom=2.0)),
    "large": lambda: (random_cloud(60, 5, size=0.2), camera(120, 200)),
}
BACKGROUND = torch.tensor([0.2, 0.7, 1.0])


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(("early_stop", "tolerance"), [(False, 1e-4), (True, 2e-3)])
def test_picture_equals_the_reference(scene, early_stop, tolerance):
    cloud, view = SCENES[scene]()
    image, alpha, hair = picture_errors(cloud, view, BACKGROUND, early_stop)
    assert image <= tolerance
    assert alpha <= tolerance
    assert hair < 0.01


@pytest.mark.parametrize("scene", SCENES)
def test_gradients_equal_the_reference(scene):
    cloud, view = SCENES[scene]()
    errors = gradient_errors(cloud, view, BACKGROUND, early_stop=False)
    assert max(errors.values()) <= 1e-4, errors


def test_gradients_with_early_stop_stay_close():
    cloud, view = SCENES["dense"]()
    errors = gradient_errors(cloud, view, BACKGROUND, early_stop=True)
    assert max(errors.values()) <= 5e-3, errors


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(1, 120),
    seed=st.integers(0, 2**31),
    size=st.floats(1e-4, 0.1),
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    yaw=st.floats(-3.2, 3.2),
    pitch=st.floats(-1.4, 1.4),
    zoom=st.floats(0.3, 5.0),
)
def test_random_scenes_equal_the_reference(count, seed, size, width, height, yaw, pitch, zoom):
    cloud, view = random_cloud(count, seed, size), camera(width, height, yaw, pitch, zoom)
    assert max(picture_errors(cloud, view, BACKGROUND, False)[:2]) <= 1e-4
    assert max(picture_errors(cloud, view, BACKGROUND, True)[:2]) <= 2e-3
    expected_scale = gradient_errors(cloud, view, BACKGROUND, early_stop=False)
    assert max(expected_scale.values()) <= 1e-4, expected_scale
