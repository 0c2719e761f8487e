"""One device from the studio to the avatars; on a GPU the same face comes out as on the CPU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from emotalk.core.errors import InputError
from emotalk.emotion import EmotionCurve
from emotalk.rendering.device import cuda_problem
from emotalk.talk import Look, Studio, TalkRequest

needs_gpu = pytest.mark.skipif(cuda_problem() is not None, reason=f"no CUDA renderer: {cuda_problem()}")


class Recorded(SimpleNamespace):
    """An avatar that only says where it lies."""

    def to(self, device: torch.device) -> Recorded:
        return Recorded(device=device, moves=self.moves + 1)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says it has a GPU, with avatars that can go there."""
    named = {"auto": "cuda:0", "cuda": "cuda:0", "cpu": "cpu"}
    monkeypatch.setattr("emotalk.rendering.device.resolve_device", lambda name: torch.device(named[name]))
    monkeypatch.setattr(
        "emotalk.avatar.hub_avatars.load_avatar", lambda *_, **__: Recorded(device=torch.device("cpu"), moves=0)
    )


@pytest.mark.parametrize(("device", "moves"), [("auto", 1), ("cuda", 1), ("cpu", 0)])
def test_an_avatar_is_moved_to_the_studios_device_once(gpu: None, device: str, moves: int) -> None:
    studio = Studio(device=device)
    for _ in range(2):
        avatar = studio.avatar("mira")
        assert avatar.device == studio.device
        assert avatar.moves == moves


def test_a_studio_in_a_forked_process_moves_what_was_loaded_to_its_own_device(gpu: None) -> None:
    studio = Studio(device="cpu")
    studio.avatar("mira")
    assert studio.forked("cuda").avatar("mira").device.type == "cuda"
    assert studio.avatar("mira").device.type == "cpu"


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotalk.rendering.device.cuda_problem", lambda: "torch finds no CUDA device")
    with pytest.raises(InputError, match="no CUDA device"):
        Studio(device="cuda").talk(TalkRequest(text="Hi."), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="one of auto, cpu, cuda"):
        Studio(device="tpu").still("mira", Look(64), 0, 0)


@pytest.mark.gpu
@needs_gpu
def test_the_face_on_the_gpu_is_the_one_on_the_cpu() -> None:
    here, there = (Studio(device=device) for device in ("cpu", "cuda"))
    for mood in ((0.0, 0.0), (0.8, 0.5), (-0.7, -0.4)):
        one, other = (studio.still("mira", Look(256), *mood).astype(int) for studio in (here, there))
        assert np.abs(one - other).mean() < 0.5
        assert (np.abs(one - other) > 8).mean() < 1e-3


@pytest.mark.gpu
@needs_gpu
def test_a_clip_made_on_the_gpu_has_the_same_motion_and_nearly_the_same_frames(tmp_path: Path) -> None:
    wave = tmp_path / "tone.wav"
    t = np.arange(24_000) / 16_000
    soundfile.write(wave, 0.3 * np.sign(np.sin(2 * np.pi * 120 * t)) * (np.sin(2 * np.pi * 3 * t) > 0), 16_000)
    request = TalkRequest(audio=wave, emotion=EmotionCurve.constant(0.5, 0.2), look=Look(128))
    pictures = []
    for device in ("cpu", "cuda"):
        folder, csv = tmp_path / device, tmp_path / f"{device}.csv"
        Studio(device=device).talk(request, tmp_path / f"{device}.mp4", motion_out=csv, frames_dir=folder)
        pictures.append(np.stack([np.asarray(Image.open(path), int) for path in sorted(folder.iterdir())]))
    assert (tmp_path / "cpu.csv").read_bytes() == (tmp_path / "cuda.csv").read_bytes()
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.5
