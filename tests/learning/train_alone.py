"""Trainings as torchrun starts them, in several processes: `-m tests.learning.train_alone FOLDER NAME...`.

Each is an epoch over the corpus in FOLDER beside its spoken clips, from the state that is called NAME if there is one.
"""

import sys
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import save_file

from emotalk.learning import pretrain as module
from emotalk.learning.corpus import load_corpus
from emotalk.learning.motion_data import load_clips
from emotalk.learning.pretrain import PretrainConfig, pretrain
from emotalk.learning.shared_batch import distributed
from emotalk.learning.tracked_windows import TrackedWindows, steps_of
from emotalk.motion.network import MotionNetwork, NetworkConfig


class Stopped(Exception):
    """The run is not to go on."""


def begun() -> MotionNetwork:
    """The network before it has learned anything."""
    torch.manual_seed(1)
    return MotionNetwork(NetworkConfig(hidden=48, inner=64, style_hidden=16, dilations=(1, 2)))


def train(folder: Path, name: str, stop: int = 0) -> None:
    """One training, stopped after so many steps (0: never). Its weights go into NAME.safetensors."""
    corpus, clips = load_corpus(folder / "corpus"), load_clips(folder / "clips.npz")
    steps = steps_of(1, len(TrackedWindows(corpus.clips, 40, 0)), batch=4, share=0.5)
    config = PretrainConfig(steps=steps, batch=4, frames=40, warmup=2, save_every=1, bfloat16=False)
    assert stop < steps
    rate = module.learning_rate_at

    def rate_or_stop(step: int, config: PretrainConfig) -> float:
        if stop and step == stop:
            raise Stopped
        return rate(step, config)

    with mock.patch.object(module, "learning_rate_at", rate_or_stop):
        trained = pretrain(begun(), clips, config, folder / f"{name}.state", list(corpus.clips))
    if distributed()[0] == 0:
        weights = {key: value.contiguous() for key, value in trained.state_dict().items()}
        save_file(weights, folder / f"{name}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for asked in sys.argv[2:]:
        train(Path(sys.argv[1]), asked)
