"""Pretraining of the motion network: learns what the teacher knows, resumes where it stopped, alone or in parallel."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.speech import SpeechFeatures
from emotalk.learning.critics import as_tracked, contrast, undershot
from emotalk.learning.motion_data import ClipSampler, load_clips, load_tracked, save_clips, spoken_clip
from emotalk.learning.pretrain import PretrainConfig, learning_rate_at, pretrain, run_network, taught_loss
from emotalk.learning.teacher import teach
from emotalk.learning.tracked_windows import TrackedWindows
from emotalk.motion.network import MotionNetwork, NetworkConfig
from tests.learning.test_corpus import clip, corpus_of
from tests.learning.train_alone import Stopped, begun, train
from tests.motion.test_model import spoken

SMALL = NetworkConfig(hidden=48, inner=64, style_hidden=16, dilations=(1, 2))
QUICK = PretrainConfig(steps=60, batch=4, frames=40, warmup=5, save_every=20)


@pytest.fixture(scope="module")
def clips() -> list:
    speech, features = spoken(2)
    return [spoken_clip(speech, [features])]


def _network() -> MotionNetwork:
    torch.manual_seed(1)
    return MotionNetwork(SMALL)


def _error(network: MotionNetwork, clips: list) -> float:
    batch = ClipSampler(clips, 60, 5).spoken(8)
    taught = teach(batch.articulation, batch.phones, batch.rhythm, batch.va, batch.style, batch.gains)
    with torch.no_grad():
        return float(taught_loss(run_network(network, batch), taught, QUICK)["face"])


def _same(a: MotionNetwork, b: MotionNetwork) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.slow
def test_training_brings_the_network_towards_the_teacher(clips):
    trained = pretrain(_network(), clips, QUICK)
    assert _error(trained, clips) < 0.5 * _error(_network().eval(), clips)


def test_the_same_seed_gives_the_same_weights(clips):
    config = dataclasses.replace(QUICK, steps=6)
    assert _same(pretrain(_network(), clips, config), pretrain(_network(), clips, config))


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(clips, tmp_path):
    config = dataclasses.replace(QUICK, steps=8, save_every=4)
    whole = pretrain(_network(), clips, config, tmp_path / "whole.state")

    class Stop(Exception):
        pass

    calls = 0

    def critic(output, batch):
        nonlocal calls
        calls += 1
        if calls == 6:
            raise Stop
        return output.expression.sum() * 0

    with pytest.raises(Stop):
        pretrain(_network(), clips, config, tmp_path / "cut.state", critics={"stop": (0.0, critic)})
    resumed = pretrain(_network(), clips, config, tmp_path / "cut.state")
    for x, y in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(x, y, atol=1e-6, rtol=1e-5)


@pytest.mark.slow
def test_a_critic_is_part_of_what_is_learned(clips):
    def less_jaw(output, batch):
        return output.speech[..., ARKIT_INDEX["jawOpen"]].mean()

    free = pretrain(_network(), clips, QUICK)
    held = pretrain(_network(), clips, QUICK, critics={"jaw": (50.0, less_jaw)})
    batch = ClipSampler(clips, 40, 3).spoken(4)
    with torch.no_grad():
        jaws = [run_network(n, batch).speech[..., ARKIT_INDEX["jawOpen"]].mean() for n in (free, held)]
    assert jaws[1] < 0.8 * jaws[0]


def _write_tracked(folder: Path, name: str = "me.npz", **changes) -> Path:
    random = np.random.default_rng(0)
    frames = 60
    widths = {"expression": 52, "jaw": 3, "gaze": 2, "eyelids": 2, "head_pose": 6}
    arrays = {key: random.random((frames, width)).astype(np.float32) * 0.3 for key, width in widths.items()}
    arrays |= {"audio": random.standard_normal(frames * 640).astype(np.float32) * 0.1} | changes
    np.savez(folder / name, **{key: value for key, value in arrays.items() if value is not None})
    return folder / name


def _encode(speech) -> SpeechFeatures:
    return spoken(1)[1]


def test_tracked_videos_can_be_pretrained_on(clips, tmp_path):
    video = load_tracked(_write_tracked(tmp_path), _encode)
    assert isinstance(video.motion, HeadMotion)
    config = dataclasses.replace(QUICK, tracked_share=1.0, steps=40)
    trained = pretrain(_network(), clips, config, tracked=[video])
    batch = TrackedWindows([video], 40, 0).batch(range(4))
    with torch.no_grad():
        before, after = (
            (run_network(n, batch).expression - batch.expression).abs().mean() for n in (_network(), trained)
        )
    assert after < 0.8 * before


@pytest.mark.parametrize(
    "changes", [{"audio": None}, {"gaze": None}, {"emotion": np.zeros((3, 2))}, {"seen": np.ones(3, bool)}]
)
def test_a_bad_tracked_video_is_explained(tmp_path, changes):
    with pytest.raises(InputError, match=r"me\.npz"):
        load_tracked(_write_tracked(tmp_path, **changes), _encode)


def test_clips_survive_their_file(clips, tmp_path):
    save_clips(tmp_path / "clips.npz", clips * 2)
    again = load_clips(tmp_path / "clips.npz")
    assert len(again) == 2
    np.testing.assert_allclose(again[1].articulation, clips[0].articulation, atol=1e-3)
    np.testing.assert_array_equal(again[1].rows, clips[0].rows)


def test_the_learning_rate_rises_then_falls():
    rates = [learning_rate_at(step, QUICK) for step in range(QUICK.steps)]
    assert np.argmax(rates) in (4, 5)
    assert rates[-1] < 0.05 * max(rates)
    assert rates[0] < 0.3 * max(rates)


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="steps"):
        PretrainConfig(steps=0)


def test_the_teacher_keeps_neutral_silence_at_rest(clips):
    batch = ClipSampler(clips, 40, 0).spoken(2)
    phones = torch.zeros_like(batch.phones)
    phones[..., 0] = 1
    zero = torch.zeros_like
    taught = teach(zero(batch.articulation), phones, zero(batch.rhythm), zero(batch.va), batch.style, batch.gains)
    assert taught.expression.abs().max() < 1e-6


def test_true_pairs_contrast_with_false_ones():
    random = torch.Generator().manual_seed(0)
    heard = torch.nn.functional.normalize(torch.randn(3, 20, 16, generator=random), dim=-1)
    sharpness = torch.tensor(3.0)
    assert contrast(heard, heard, sharpness) < 0.1 * contrast(heard, heard.flip(0), sharpness)


def test_tracked_and_undershot_lips_still_follow_the_original():
    random = torch.Generator().manual_seed(0)
    t = torch.arange(75.0)[None, :, None]
    measures = torch.sin(t * torch.tensor([0.5, 0.6, 0.4, 0.7])).repeat(16, 1, 1) * 0.05
    seen = as_tracked(measures, random)
    assert seen.shape == measures.shape
    related = [np.corrcoef(seen[i, :, k], measures[i, :, k])[0, 1] for i in range(16) for k in range(4)]
    assert np.median(related) > 0.5
    loose = undershot(torch.full((4, 30, 6), 0.8), random)
    assert 0 < loose.min() < 0.7
    assert loose.max() < 1.3


@pytest.mark.slow
def test_an_epoch_in_two_processes_is_one_in_one_process(clips, tmp_path):
    """torchrun with gloo on the CPU over a corpus of shards: the same windows in the same order, each process half of
    every batch; also where one process began and two go on."""
    save_clips(tmp_path / "clips.npz", clips)
    corpus_of(tmp_path / "corpus", [clip(f"{i}.mp4", 30 + 25 * i) for i in range(4)], [clip("4.mp4", 140)])
    train(tmp_path, "alone")
    with pytest.raises(Stopped):
        train(tmp_path, "stopped", stop=3)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    order = [*launch, "-m", "tests.learning.train_alone", str(tmp_path), "together", "stopped"]
    done = subprocess.run(order, env=environment, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    alone, together, stopped = (
        load_file(tmp_path / f"{name}.safetensors") for name in ("alone", "together", "stopped")
    )  # fmt: skip
    before = begun().state_dict()
    moved = max(float((alone[name] - before[name]).abs().max()) for name in alone)
    assert moved > 0.001
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, atol=0.01 * moved, rtol=0)
        torch.testing.assert_close(stopped[name], value, atol=0.01 * moved, rtol=0)
