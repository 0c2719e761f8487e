"""Fits, poses and pictures run where their tensors are: the plain torch path gives what the compiled one gives, and no
tensor of the CPU gets among those of a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emotalk.avatar import Consent, binding
from emotalk.avatar.thumbnail import render_thumbnail
from emotalk.core.errors import InputError
from emotalk.fitting import gaussian_parameters
from emotalk.fitting.gaussian_fit import FitConfig, GaussianFit, score
from emotalk.fitting.gaussian_parameters import GaussianParameters
from emotalk.fitting.personalize import PersonalizeConfig, PersonalizeFit
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_fit import VideoFit, draw_frame, scores
from emotalk.fitting.video_frames import VideoFrames, box_mask, head_box, usable_rows
from emotalk.rendering import FrameRenderer, resolve_device
from tests.avatar.doubles import make_motion
from tests.fitting.synthetic_video import make_video
from tests.fitting.test_gaussian_fit import camera, one_thread, person, samples, start  # noqa: F401 (fixtures)
from tests.fitting.test_personalize import make_card
from tests.rendering.pretend_gpu import GpuTensor, plain, pretend_gpu

pytestmark = pytest.mark.slow

CONFIG = FitConfig(steps=6, densify_every=3, densify_until=1.0, corrections_from=0.0, coarse=0.5, budget=900)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("video"), "mira", frames=30, size=96)[0]


@pytest.fixture(scope="module")
def frames(video):
    return VideoFrames(video, usable_rows(video))


@pytest.fixture(scope="module")
def begun(frames):
    return starting_avatar(frames, make_card(), 4000)


def picture_and_gradients(fit: GaussianFit) -> list[torch.Tensor]:
    """What one drawing gives, and the gradients of all groups and of the frame's pose by it."""
    fit.seconds = 60 * fit.config.minutes / 2 if np.isfinite(fit.config.minutes) else 0.0
    target = fit._target(3, 1)
    image, alpha = fit.draw(3, target, fit._background(target) * 0 + 0.5, True)
    (image.square().sum() + alpha.sum()).backward()
    found = {name: value.grad for name, value in fit.parameters.values.items()}
    found |= {name: leaf.grad for name, leaf in getattr(fit, "_leaves", {}).items()}
    return [image.detach(), alpha.detach(), *[grad for grad in found.values() if grad is not None]]


def fit_of_video(frames, begun, **options) -> VideoFit:
    fit = VideoFit(begun.avatar, frames, begun.torso[: len(frames)], FitConfig(steps=10, budget=4000), **options)
    fit.skipped = 0.5  # poses and corrections take part
    return fit


@pytest.mark.parametrize("kind", ["samples", "video"])
def test_plain_torch_draws_and_pulls_as_the_kernels_do(kind, start, samples, frames, begun, monkeypatch):  # noqa: F811
    def make():
        return GaussianFit(start, samples, CONFIG) if kind == "samples" else fit_of_video(frames, begun)

    ours = picture_and_gradients(make())
    monkeypatch.setattr(binding, "compiled", lambda tensor: False)
    theirs = picture_and_gradients(make())
    assert len(ours) == len(theirs) >= (8 if kind == "samples" else 10)
    for one, other in zip(ours, theirs, strict=True):
        assert float((one - other).norm()) <= 2e-3 * float(one.norm()) + 1e-6


def test_the_plain_pose_equals_the_compiled_one(start, monkeypatch):  # noqa: F811
    motion = make_motion()
    ours = start.pose(motion, 1, camera(0.2))
    monkeypatch.setattr(binding, "compiled", lambda tensor: False)
    theirs = start.replace().pose(motion, 1, camera(0.2))
    for name in ("means", "scales", "opacities", "colors"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-6, rtol=1e-4)


def test_a_fit_to_samples_stays_on_its_gpu(start, samples, monkeypatch, tmp_path):  # noqa: F811
    by_cpu = GaussianFit(start, samples, CONFIG).run()
    with pretend_gpu(monkeypatch):
        fit = GaussianFit(start, samples, CONFIG, device="auto")
        avatar = fit.run()
        assert isinstance(avatar.gaussians.color, GpuTensor)
        fit.save_state(tmp_path / "state")
        again = GaussianFit(start, samples, CONFIG, device="cuda")
        again.load_state(tmp_path / "state")
        again.step()
        assert score(avatar, samples)[0] == pytest.approx(score(by_cpu, samples)[0], abs=0.5)
        assert start.device.type == "cpu"
        assert not isinstance(start.head.triangles, GpuTensor)
        picture = FrameRenderer(48, 48).draw(avatar.pose(make_motion(), 0, camera()), camera())
        assert picture.std() > 5


def test_a_fit_to_a_video_stays_on_its_gpu(frames, begun, monkeypatch):
    with pretend_gpu(monkeypatch):
        fit = fit_of_video(frames, begun, device="cuda")
        for _ in range(30):
            fit.step()
        assert all(isinstance(value, GpuTensor) for value in fit.parameters.values.values())
        avatar = fit.result()
        video = frames.tracked
        mask = box_mask(head_box(video), video.size)
        found = scores(avatar, video.motion, begun.torso, video.frame_bytes, np.array([0, 5]), mask)
        assert found["psnr_head"] > 20
        assert draw_frame(avatar, video.motion, 3, begun.torso[3], shrink=2).shape == (48, 48, 3)
        assert len(render_thumbnail(avatar)) > 500


def test_an_avatar_of_a_video_is_made_on_a_gpu(video, monkeypatch, tmp_path):
    config = PersonalizeConfig(steps=3, size=96, gaussians=3000, budget=3500, hold_out=2, device="cuda")
    with pretend_gpu(monkeypatch):
        fit = PersonalizeFit(video, tmp_path, config, name="Mira", consent=Consent("yes", "2026-01-01"))
        avatar = fit.run()
        assert avatar.device.type == "cuda"
        avatar.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "avatar.json").is_file() or any((tmp_path / "saved").iterdir())


def test_names_of_devices(monkeypatch):
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(InputError, match="auto, cpu, cuda"):
        resolve_device("tpu")
    monkeypatch.setattr("emotalk.rendering.device.cuda_problem", lambda: "torch finds no CUDA device")
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(InputError, match="torch finds no CUDA device"):
        resolve_device("cuda")
    with pretend_gpu(monkeypatch):
        assert resolve_device("auto") == torch.device("cuda", 0)
        with pytest.raises(InputError, match="1 CUDA device"):
            resolve_device("cuda:3")
    assert plain(torch.zeros(1)).device.type == "cpu"


def test_steps_that_a_gpu_takes_together_are_those_that_the_cpu_takes_one_by_one(start, samples, monkeypatch):  # noqa: F811
    def stepped() -> GaussianParameters:
        parameters = GaussianFit(start, samples, CONFIG).parameters
        g = torch.Generator().manual_seed(0)
        for active in ([0, 2], [], [1]):
            for value in parameters.values.values():
                value.grad = torch.randn(value.shape, generator=g) * 1e-4
            parameters.step(0.3, torch.tensor(active, dtype=torch.int64), ("view_color",))
        return parameters

    ours = stepped()
    monkeypatch.setattr(gaussian_parameters, "compiled", lambda tensor: False)
    theirs = stepped()
    for part in ("values", "first", "second"):
        for name, value in getattr(ours, part).items():
            torch.testing.assert_close(value, getattr(theirs, part)[name], atol=1e-8, rtol=1e-5)
    assert not torch.equal(ours.values["color"], ours.start["color"])
    assert not torch.equal(ours.values["correction_color"], ours.start["correction_color"])


def test_frames_of_a_video_stay_on_the_gpu_as_far_as_there_is_room(frames, begun, monkeypatch):
    assert fit_of_video(frames, begun)._target(0, 1) is not fit_of_video(frames, begun)._target(0, 1)
    fit = fit_of_video(frames, begun)
    fit._target(0, 1)
    assert not fit._targets
    with pretend_gpu(monkeypatch):
        fit = fit_of_video(frames, begun, device="cuda")
        assert fit._target(0, 1) is fit._target(0, 1)
        fit._room = 0
        assert fit._target(1, 1) is not fit._target(1, 1)
        assert torch.equal(plain(fit._target(1, 1).color), frames.target(1).color)
