"""The photometric loss: fused kernels against plain torch in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.core.ssim import _blur, _blur_by_matrices, planar, ssim, ssim_map
from emotalk.fitting.losses import photometric_loss


def plain_ssim_map(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """SSIM as in the paper: local means, variances and covariance in an 11 x 11 window, one 2-D convolution each."""
    offsets = torch.arange(11, dtype=x.dtype) - 5
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    kernel = torch.outer(line, line) / line.sum() ** 2

    def mean(picture: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(picture.permute(2, 0, 1)[None], (5, 5, 5, 5), mode="reflect")
        return torch.nn.functional.conv2d(padded, kernel.expand(3, 1, 11, 11), groups=3)[0].permute(1, 2, 0)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))


def plain_loss(image, target, weights, share):
    weights = torch.ones(image.shape[:2], dtype=image.dtype) if weights is None else weights.to(image)
    weights = weights[..., None] / (3 * weights.sum())
    l1 = ((image - target).abs() * weights).sum()
    return (1 - share) * l1 + share * (1 - (plain_ssim_map(image, target) * weights).sum())


def pictures(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth picture with some detail, and a disturbed copy."""
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 2, width), indexing="ij")
    base = 0.5 + 0.3 * torch.stack([torch.sin(4 * x + y), torch.cos(7 * y), torch.sin(9 * x * y)], 2)
    target = (base + 0.1 * torch.randn(height, width, 3, generator=g)).clamp(0, 1)
    return (target + 0.15 * torch.randn(height, width, 3, generator=g)).clamp(0, 1), target


def compare(height, width, seed=0, share=0.2, weighted=False, layout=planar):
    image, target = pictures(height, width, seed)
    g = torch.Generator().manual_seed(seed + 1)
    weights = (
        torch.rand(height, width, generator=g) * (torch.rand(height, width, generator=g) > 0.3) if weighted else None
    )
    ours = layout(image).requires_grad_()
    loss = photometric_loss(ours, layout(target), weights, share)
    (3 * loss).backward()
    exact = image.double().requires_grad_()
    truth = plain_loss(exact, target.double(), weights, share)
    (3 * truth).backward()
    return float((loss - truth).detach().abs()), float((ours.grad - exact.grad).norm() / exact.grad.norm())


@pytest.mark.parametrize("size", [(11, 16), (16, 16), (64, 48), (131, 97), (50, 333)])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_equal_plain_torch(size, weighted):
    value, gradient = compare(*size, weighted=weighted)
    assert value <= 2e-6
    assert gradient <= 1e-4


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_every_share_of_ssim(share):
    value, gradient = compare(40, 70, share=share)
    assert value <= 2e-6
    assert gradient <= 1e-4


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    height=st.integers(11, 80),
    width=st.integers(11, 80),
    seed=st.integers(0, 2**31),
    share=st.floats(0, 1),
    weighted=st.booleans(),
)
def test_random_pictures_equal_plain_torch(height, width, seed, share, weighted):
    value, gradient = compare(height, width, seed, share, weighted)
    assert value <= 5e-6
    assert gradient <= 2e-4


def test_memory_order_does_not_matter():
    image, target = pictures(40, 70)
    gradients = []
    for layout in (torch.Tensor.clone, planar):
        leaf = layout(image).requires_grad_()
        photometric_loss(leaf, layout(target)).backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)


def test_equal_pictures_have_no_loss_and_no_pull():
    image = pictures(40, 40)[0].requires_grad_()
    loss = photometric_loss(image, image.detach().clone())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert image.grad.abs().max() < 1e-7


def test_flat_pictures_have_finite_gradients():
    for shade in (0.0, 1.0):
        image = torch.full((20, 20, 3), shade, requires_grad=True)
        photometric_loss(image, torch.full((20, 20, 3), 1 - shade)).backward()
        assert torch.isfinite(image.grad).all()


def test_pixels_of_weight_zero_do_not_count():
    image, target = pictures(40, 40)
    weights = torch.zeros(40, 40)
    weights[:, :15] = 1
    other = image.clone()
    other[:, 25:] = 0.5  # farther than half a window
    assert torch.allclose(photometric_loss(image, target, weights), photometric_loss(other, target, weights))


def test_the_torch_path_gives_the_same_numbers():
    image, target = pictures(40, 30)
    assert float(photometric_loss(image.double(), target.double())) == pytest.approx(
        float(photometric_loss(image, target)), abs=1e-6
    )
    assert float(ssim(image.double(), target.double())) == pytest.approx(float(ssim(image, target)), abs=1e-6)
    assert torch.allclose(ssim_map(image, target), plain_ssim_map(image, target), atol=1e-4)


def test_ssim_alone_and_its_gradient():
    image, target = pictures(40, 30)
    ours, exact = image.clone().requires_grad_(), image.double().requires_grad_()
    similarity = ssim(ours, target)
    similarity.backward()
    truth = plain_ssim_map(exact, target.double()).mean()
    truth.backward()
    assert float(similarity.detach()) == pytest.approx(float(truth.detach()), abs=2e-6)
    assert (ours.grad - exact.grad).norm() / exact.grad.norm() <= 1e-4


def test_backward_twice_gives_the_same_twice():
    image, target = pictures(30, 30)
    image.requires_grad_()
    loss = photometric_loss(image, target)
    (first,) = torch.autograd.grad(loss, image, retain_graph=True)
    (second,) = torch.autograd.grad(2 * loss, image)
    assert torch.allclose(second, 2 * first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(20, 20, 3), torch.zeros(20, 21, 3)), r"same shape \[H, W, 3\]"),
        ((torch.zeros(20, 20), torch.zeros(20, 20)), r"same shape \[H, W, 3\]"),
        ((torch.zeros(10, 20, 3), torch.zeros(10, 20, 3)), "at least 11 x 11"),
        ((torch.zeros(20, 20, 3), torch.zeros(20, 20, 3), torch.zeros(3)), "weights must have shape"),
        ((torch.zeros(20, 20, 3), torch.zeros(20, 20, 3), torch.zeros(20, 20)), "not all zero"),
        ((torch.zeros(20, 20, 3), torch.zeros(20, 20, 3), -torch.ones(20, 20)), "none negative"),
        ((torch.zeros(20, 20, 3), torch.zeros(20, 20, 3), None, 1.5), "ssim_share"),
    ],
)
def test_misuse_is_explained(arguments, message):
    with pytest.raises(InputError, match=message):
        photometric_loss(*arguments)


@pytest.mark.parametrize(("height", "width"), [(11, 12), (24, 40)])
def test_the_blur_of_a_gpu_is_that_of_the_cpu(height, width):
    planes = torch.rand(5, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = planes.clone().requires_grad_()
    pull = torch.rand(planes.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    theirs = planes.clone().requires_grad_()
    for function, leaf in ((_blur, ours), (_blur_by_matrices, theirs)):
        (function(leaf) * pull).sum().backward()
    torch.testing.assert_close(_blur(planes), _blur_by_matrices(planes), atol=1e-12, rtol=0)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-12, rtol=0)
