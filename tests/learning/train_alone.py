"""One process of a training, as torchrun starts it: `-m tests.learning.train_alone FOLDER NAME STEPS`.

An epoch over the corpus in FOLDER beside its spoken clips; STEPS are those after which it is stopped, 0: never. The
state and the weights are called NAME.
"""

import sys
from pathlib import Path

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


def main() -> None:
    """All of it."""
    folder, name, stop = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(1)
    rank, _ = distributed()
    corpus, clips = load_corpus(folder / "corpus"), load_clips(folder / "clips.npz")
    windows = len(TrackedWindows(corpus.clips, 40, 0))
    steps = steps_of(1, windows, batch=4, share=0.5)
    config = PretrainConfig(steps=steps, batch=4, frames=40, warmup=2, save_every=1, bfloat16=False)
    assert 0 <= stop < steps
    rate = module.learning_rate_at

    def rate_or_stop(step: int, config: PretrainConfig) -> float:
        if stop and step == stop:  # all processes are here at the same time
            raise Stopped
        return rate(step, config)

    module.learning_rate_at = rate_or_stop
    torch.manual_seed(1)
    network = MotionNetwork(NetworkConfig(hidden=48, inner=64, style_hidden=16, dilations=(1, 2)))
    try:
        trained = pretrain(network, clips, config, folder / f"{name}.state", list(corpus.clips))
    except Stopped:
        trained = None
    if rank == 0 and trained is not None:
        weights = {key: value.contiguous() for key, value in trained.state_dict().items()}
        save_file(weights, folder / f"{name}.safetensors")


if __name__ == "__main__":
    main()
