"""The CPU renderer against the float64 reference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotalk.core.gaussians import GaussianCloud
from emotalk.rendering import rasterize
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
    "head": lambda: (random_cloud(120, 1), camera(333, 517)),
    "dense": lambda: (random_cloud(300, 2, size=0.02), camera(133, 97)),
    "inside": lambda: (random_cloud(300, 3, size=0.01), near_camera(160, 120)),
    "tiny": lambda: (random_cloud(400, 4, size=0.0002), camera(97, 61, zoom=2.0)),
    "large": lambda: (random_cloud(60, 5, size=0.2), camera(120, 200)),
    "wide": lambda: (random_cloud(40, 6, size=0.2), camera(700, 40)),  # wider than all the columns of one vector
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


def random_scenes(smallest: int):
    """Arguments of a random scene whose picture is at least `smallest` pixels wide and high."""
    return {
        "count": st.integers(1, 120),
        "seed": st.integers(0, 2**31),
        "size": st.floats(1e-4, 0.1),
        "width": st.integers(smallest, 70),
        "height": st.integers(smallest, 70),
        "yaw": st.floats(-3.2, 3.2),
        "pitch": st.floats(-1.4, 1.4),
        "zoom": st.floats(0.3, 5.0),
    }


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(**random_scenes(smallest=1))
def test_pictures_of_random_scenes_equal_the_reference(count, seed, size, width, height, yaw, pitch, zoom):
    cloud, view = random_cloud(count, seed, size), camera(width, height, yaw, pitch, zoom)
    assert max(picture_errors(cloud, view, BACKGROUND, False)[:2]) <= 1e-4
    assert max(picture_errors(cloud, view, BACKGROUND, True)[:2]) <= 2e-3


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(**random_scenes(smallest=20))
def test_gradients_of_random_scenes_equal_the_reference(count, seed, size, width, height, yaw, pitch, zoom):
    # Of a picture of a few pixels the gradient may rest on one nearly opaque Gaussian, where the colour behind it is
    # a small difference divided by 1 - alpha; float32 then leaves 1e-4 to 1e-3. Such pictures are tested below.
    cloud, view = random_cloud(count, seed, size), camera(width, height, yaw, pitch, zoom)
    errors = gradient_errors(cloud, view, BACKGROUND, early_stop=False)
    assert max(errors.values()) <= 1e-4, errors


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 40), (40, 1), (2, 3), (17, 16)])
def test_tiny_pictures(width, height):
    cloud, view = random_cloud(55, 0, 0.06), camera(width, height, 0.0, 0.0, 0.5)
    assert max(picture_errors(cloud, view, BACKGROUND, False)[:2]) <= 1e-4
    assert max(gradient_errors(cloud, view, BACKGROUND, early_stop=False).values()) <= 1e-3


@pytest.mark.slow
def test_pictures_that_are_finished_long_before_their_last_gaussian_equal_the_reference():
    """Solid Gaussians over the left of the picture, in so many layers that no light could be written down there."""
    wall, rest = random_cloud(1500, seed=2, size=0.012), random_cloud(400, seed=3)
    left = torch.tensor([0.1, 0.0, 0.0])
    both = GaussianCloud(
        *(torch.cat([getattr(wall, name), getattr(rest, name)]) for name in ("means", "scales", "quats")),
        torch.cat([torch.full((1500,), 0.9999), rest.opacities]),
        torch.cat([wall.colors, rest.colors]),
    )
    both.means[:1500] -= left
    view = camera(96, 48, yaw=0.0)
    image, alpha, hair = picture_errors(both, view, BACKGROUND, early_stop=True)
    assert hair < 0.1
    assert max(image, alpha) <= 2e-3
    image, alpha, _ = picture_errors(both, view, BACKGROUND, early_stop=False)
    assert max(image, alpha) <= 1e-4
    assert max(gradient_errors(both, view, BACKGROUND, early_stop=False).values()) <= 1e-3


def test_background_picture_and_its_gradient():
    cloud, view = random_cloud(200, 8), camera(50, 40)
    g = torch.Generator().manual_seed(1)
    background = torch.rand(40, 50, 3, generator=g)
    assert max(picture_errors(cloud, view, background, False)[:2]) <= 1e-4
    assert max(gradient_errors(cloud, view, background, early_stop=False).values()) <= 1e-4
    weights = torch.rand(40, 50, 3, generator=g)
    for behind in (background, BACKGROUND):
        leaf = behind.clone().requires_grad_()
        drawn = rasterize(cloud, view, leaf, "cpu")
        (drawn.image * weights).sum().backward()
        through = (1 - drawn.alpha.detach())[..., None] * weights
        expected = through if leaf.ndim == 3 else through.sum((0, 1))
        assert torch.allclose(leaf.grad, expected, atol=1e-5)


def test_a_colour_is_the_same_as_a_picture_of_that_colour():
    cloud, view = random_cloud(200, 9), camera(50, 40)
    one = rasterize(cloud, view, (0.1, 0.5, 0.9), "cpu").image
    other = rasterize(cloud, view, torch.tensor([0.1, 0.5, 0.9]).expand(40, 50, 3), "cpu").image
    assert torch.equal(one, other)


def test_double_and_half_precision_clouds_are_drawn_and_get_gradients_of_their_own_kind():
    cloud, view = random_cloud(50, 10), camera(32, 32)
    leaves = [getattr(double(cloud), name).requires_grad_() for name in NAMES]
    drawn = rasterize(GaussianCloud(*leaves), view, backend="cpu")
    assert torch.equal(drawn.image, rasterize(cloud, view, backend="cpu").image)
    drawn.image.sum().backward()
    assert all(leaf.grad.dtype == torch.float64 for leaf in leaves)
    half = GaussianCloud(*(getattr(cloud, name).half() for name in NAMES))
    assert rasterize(half, view, backend="cpu").image.dtype == torch.float32


def test_equal_depths_keep_the_order_of_the_cloud():
    red, blue = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    for first, second in ((red, blue), (blue, red)):
        cloud = GaussianCloud(
            torch.zeros(2, 3),
            torch.full((2, 3), 0.5),
            torch.tensor([[1.0, 0, 0, 0]] * 2),
            torch.tensor([0.999, 0.999]),
            torch.stack([first, second]),
        )
        middle = rasterize(cloud, camera(9, 9, 0.0, 0.0), (0.0, 0.0, 0.0), "cpu").image[4, 4]
        assert torch.allclose(middle, first, atol=2e-3)


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch):
    from emotalk.core.kernels import workers

    cloud, view = random_cloud(3000, 11), camera(200, 300)

    def gradient():
        leaf = cloud.means.clone().requires_grad_()
        moved = GaussianCloud(leaf, cloud.scales, cloud.quats, cloud.opacities, cloud.colors)
        rasterize(moved, view, backend="cpu").image.square().sum().backward()
        return leaf.grad

    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(workers, "_pool", workers.WorkerPool(threads))
        results.append(gradient())
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
