"""The starting avatar of a fit on disk, in full precision, so that a killed fit goes on from the very same numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar import AvatarCard, BoundGaussians, GaussianAvatar
from emotalk.core import checkpoint
from emotalk.core.errors import EmotalkError
from emotalk.fitting.starting_avatar import Start
from emotalk.head import HeadModel

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo


def save_start(path: Path, start: Start, stamp: str) -> None:
    """Write a start, all or nothing; `stamp` says of which video and settings."""
    g = start.avatar.gaussians
    state = {f.name: getattr(g, f.name) for f in dataclasses.fields(g)}
    state |= {"background": start.avatar.background, "torso": start.torso}
    checkpoint.save(path, state, {"stamp": stamp, "reference": str(start.reference)})


def load_start(path: Path, stamp: str, card: AvatarCard, tracked: TrackedVideo) -> Start | None:
    """The start in a file; None where there is none, or it is damaged or of another video or other settings."""
    try:
        stored = checkpoint.read(path)
        state, notes = stored.tensors, stored.notes
        if notes.get("stamp") != stamp:
            return None
        gaussians = BoundGaussians(**{f.name: state[f.name] for f in dataclasses.fields(BoundGaussians)})
        identity = torch.from_numpy(np.asarray(tracked.identity, np.float32))
        avatar = GaussianAvatar(
            HeadModel.load(), identity, gaussians, card, background=state["background"], camera=tracked.camera
        )
        return Start(avatar, int(notes["reference"]), state["torso"])
    except (OSError, KeyError, ValueError, EmotalkError):
        return None
