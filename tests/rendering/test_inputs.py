"""Bad input gives a sentence; odd but meaningful input gives a correct picture."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
import torch

from emotalk.core.camera import Camera
from emotalk.core.errors import InputError
from emotalk.core.gaussians import GaussianCloud, Render
from emotalk.rendering import portrait_camera, rasterize
from tests.rendering import reference
from tests.rendering.scenes import camera, double, random_cloud

NAMES = ("means", "scales", "quats", "opacities", "colors")
VIEW = camera(40, 30)


def with_value(name: str, value: float) -> dict[str, torch.Tensor]:
    tensors = {n: getattr(random_cloud(5, 1), n).clone() for n in NAMES}
    tensors[name].view(-1)[3] = value
    return tensors


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(name, value):
    with pytest.raises(InputError, match=rf"GaussianCloud\.{name} holds NaN or infinite values"):
        GaussianCloud(**with_value(name, value))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scales", -0.01, "scales must be >= 0.*logarithms"),
        ("opacities", 1.01, r"opacities must lie in \[0, 1\].*sigmoid"),
        ("opacities", -0.2, r"opacities must lie in \[0, 1\]"),
    ],
)
def test_values_out_of_range_are_refused(name, value, message):
    with pytest.raises(InputError, match=message):
        GaussianCloud(**with_value(name, value))


def test_a_quaternion_of_length_zero_is_refused():
    tensors = with_value("quats", 0.0)
    tensors["quats"][2] = 0
    with pytest.raises(InputError, match="length 0"):
        GaussianCloud(**tensors)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("means", (5, 2)),
        ("means", (5,)),
        ("scales", (4, 3)),
        ("quats", (5, 3)),
        ("opacities", (5, 1)),
        ("colors", (3, 5)),
    ],
)
def test_wrong_shapes_are_refused_with_both_shapes_named(name, shape):
    tensors = {n: getattr(random_cloud(5, 1), n) for n in NAMES} | {name: torch.rand(shape)}
    with pytest.raises(InputError, match=rf"GaussianCloud\.{name} must have shape \[.*\], found \[{shape[0]}"):
        GaussianCloud(**tensors)


def test_other_types_than_float_tensors_are_refused():
    tensors = {n: getattr(random_cloud(5, 1), n) for n in NAMES}
    with pytest.raises(InputError, match="must be a torch tensor, found ndarray"):
        GaussianCloud(**tensors | {"means": np.zeros((5, 3), np.float32)})
    with pytest.raises(InputError, match=r"must hold floating-point numbers, found torch\.int64"):
        GaussianCloud(**tensors | {"colors": torch.zeros(5, 3, dtype=torch.int64)})


def test_tensors_on_different_devices_are_refused():
    tensors = {n: getattr(random_cloud(5, 1), n) for n in NAMES}
    with pytest.raises(InputError, match="is on meta but means are on cpu"):
        GaussianCloud(**tensors | {"colors": torch.zeros(5, 3, device="meta")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": 0.0}, "fx must be a finite number greater than 0"),
        ({"fy": float("nan")}, "fy must be"),
        ({"cx": float("inf")}, "cx must be a finite number"),
        ({"near": -1.0}, "near must be"),
        ({"width": 0}, "width must be a whole number of pixels"),
        ({"height": 2.5}, "height must be a whole number of pixels"),
        ({"width": 100_000}, "from 1 to 16384"),
        ({"world_to_camera": torch.eye(3)}, r"must have shape \[4, 4\]"),
        ({"world_to_camera": torch.eye(4) * float("nan")}, "NaN"),
        ({"world_to_camera": torch.eye(4) * 2}, "rotation and a translation"),
        ({"world_to_camera": torch.tensor(VIEW.world_to_camera.numpy().T)}, "do not transpose"),
    ],
)
def test_bad_cameras_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(VIEW, **changes)


@pytest.mark.parametrize(
    ("background", "message"),
    [
        ((1.0, 1.0), "3 numbers or a picture"),
        (torch.zeros(40, 30, 3), r"\[30, 40, 3\]"),
        (torch.zeros(30, 40, 3, dtype=torch.uint8), "divide by 255"),
        ((1.0, float("nan"), 0.0), "NaN"),
        ("white", "3 numbers"),
    ],
)
def test_bad_backgrounds_are_refused(background, message):
    with pytest.raises(InputError, match=message):
        rasterize(random_cloud(5), VIEW, background)


def test_unknown_and_unusable_backends_are_refused():
    with pytest.raises(InputError, match="backend must be one of auto, cpu, cuda"):
        rasterize(random_cloud(5), VIEW, backend="opengl")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match=r"cannot be used.*no CUDA device.*Use backend"):
            rasterize(random_cloud(5), VIEW, backend="cuda")


@pytest.mark.parametrize(
    "statistics", [torch.zeros(5), torch.zeros(4, 2), torch.zeros(5, 2).double(), torch.zeros(5, 2, requires_grad=True)]
)
def test_a_wrong_statistics_tensor_is_refused(statistics):
    with pytest.raises(InputError, match="screen_gradients"):
        rasterize(random_cloud(5), VIEW, screen_gradients=statistics)


def test_a_picture_and_its_coverage_must_fit():
    with pytest.raises(InputError, match=r"Render\.alpha must have shape \[4, 5\]"):
        Render(torch.zeros(4, 5, 3), torch.zeros(5, 4))


def empty_cloud(**options) -> GaussianCloud:
    return GaussianCloud(*(torch.zeros(shape, **options) for shape in ((0, 3), (0, 3), (0, 4), (0,), (0, 3))))


def test_zero_gaussians_leave_the_background():
    drawn = rasterize(empty_cloud(), VIEW, (0.1, 0.2, 0.3))
    assert torch.equal(drawn.image, torch.tensor([0.1, 0.2, 0.3]).expand(30, 40, 3))
    assert not drawn.alpha.any()
    rasterize(empty_cloud(requires_grad=True), VIEW).image.sum().backward()


def test_gaussians_behind_the_camera_leave_the_background_and_get_no_gradient():
    cloud = random_cloud(50, 2)
    behind = cloud.means + torch.tensor([0.0, 0.0, 5.0])
    leaf = behind.clone().requires_grad_()
    drawn = rasterize(
        GaussianCloud(leaf, cloud.scales, cloud.quats, cloud.opacities, cloud.colors), camera(40, 30, 0, 0)
    )
    assert torch.equal(drawn.image.detach(), torch.ones(30, 40, 3))
    drawn.image.sum().backward()
    assert not leaf.grad.any()


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-3, 1.0, 1e3, 1e8, 1e18, 1e37])
def test_any_scale_gives_the_reference_picture(scale):
    cloud = random_cloud(20, 3)
    cloud = dataclasses.replace(cloud, scales=torch.full_like(cloud.scales, scale))
    leaf = cloud.scales.clone().requires_grad_()
    drawn = rasterize(dataclasses.replace(cloud, scales=leaf), VIEW, early_stop=False)
    # The reference inverts the covariance, which float64 cannot where it is huge: there exp(-s) is 1 all over.
    expected = double(dataclasses.replace(cloud, scales=cloud.scales.clamp(max=1e3)))
    image, _, hair = reference.render(expected, VIEW, torch.ones(3), False)
    assert float(((drawn.image.detach() - image).abs().amax(2) * ~hair).max()) <= 1e-4
    drawn.image.sum().backward()
    assert torch.isfinite(leaf.grad).all()


def test_needles_are_exact():
    """Length to width 1 : 10,000, across the whole picture at any angle: where a float32 quadratic form fails."""
    cloud = random_cloud(30, 4)
    scales = torch.tensor([1.0, 1e-5, 1e-5]).expand(30, 3)
    cloud = dataclasses.replace(cloud, scales=scales)
    view = camera(200, 300)
    drawn = rasterize(cloud, view, early_stop=False)
    image, _, hair = reference.render(double(cloud), view, torch.ones(3), False)
    assert float(((drawn.image - image).abs().amax(2) * ~hair).max()) <= 1e-4


def test_a_picture_of_one_pixel():
    drawn = rasterize(random_cloud(100, 5), portrait_camera(1))
    assert drawn.image.shape == (1, 1, 3)
    assert torch.isfinite(drawn.image).all()


def test_threads_rendering_at_once_get_their_own_pictures():
    clouds = [random_cloud(2000, seed) for seed in range(4)]
    views = [camera(120 + 16 * k, 90 + 31 * k) for k in range(4)]

    def work(k: int) -> tuple[torch.Tensor, torch.Tensor]:
        leaf = clouds[k].means.clone().requires_grad_()
        image = rasterize(dataclasses.replace(clouds[k], means=leaf), views[k]).image
        image.square().sum().backward()
        return image.detach(), leaf.grad

    alone = [work(k) for k in range(4)]
    mismatches: list[int] = []

    def repeat(k: int) -> None:
        for _ in range(10):
            image, gradient = work(k)
            if not (torch.equal(image, alone[k][0]) and torch.equal(gradient, alone[k][1])):
                mismatches.append(k)

    threads = [threading.Thread(target=repeat, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not mismatches


def test_the_camera_frames_a_bust():
    view = portrait_camera(512)

    def pixel(x: float, y: float, z: float) -> tuple[float, float]:
        p = view.world_to_camera @ torch.tensor([x, y, z, 1.0])
        return float(view.fx * p[0] / p[2] + view.cx), float(view.fy * p[1] / p[2] + view.cy)

    top, chin = pixel(0, 0.19, 0.03), pixel(0, -0.05, 0.08)
    assert 0.05 * 512 < top[1] < chin[1] < 0.75 * 512
    assert pixel(0.05, 0, 0)[0] > pixel(-0.05, 0, 0)[0]  # the person's left is on the right
    assert pixel(0, -0.2, 0)[1] < 512  # shoulders


def test_the_camera_orbits():
    def eye(view: Camera) -> torch.Tensor:
        return -view.world_to_camera[:3, :3].T @ view.world_to_camera[:3, 3]

    front = eye(portrait_camera())
    assert eye(portrait_camera(yaw=0.5))[0] > front[0] + 0.3
    assert eye(portrait_camera(pitch=0.5))[1] > front[1] + 0.3
    centre = torch.tensor([0.0, 0.02, 0.03])
    for yaw, pitch in ((0.0, 0.0), (2.0, -1.0), (-0.7, 1.2)):
        assert torch.allclose((eye(portrait_camera(yaw=yaw, pitch=pitch)) - centre).norm(), (front - centre).norm())
    assert portrait_camera(zoom=2.0).fx == 2 * portrait_camera().fx


@pytest.mark.parametrize(
    "bad", [{"size": 0}, {"size": (10, 2.5)}, {"pitch": 1.6}, {"yaw": float("nan")}, {"zoom": 0.0}]
)
def test_bad_portrait_cameras_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad)) if "size" not in bad else "size"):
        portrait_camera(**bad)
