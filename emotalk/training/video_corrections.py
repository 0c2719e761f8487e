"""Expression-dependent corrections in the units of one video: what varies much in it is learned, nothing beyond it."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from emotalk.avatar import Corrections, GaussianAvatar
from emotalk.avatar.gaussians import SIGNAL_WIDTH, signals
from emotalk.training.locality import locality
from emotalk.training.photometric import blank_corrections
from emotalk.types import HeadMotion

HEAD_TURN = slice(SIGNAL_WIDTH - 3, SIGNAL_WIDTH)
"""Where a signal holds the head's rotation."""
LEAST_SPREAD = 0.15
"""Of a muscle group's latent: one that moves less in the video is not blown up to full size."""
LEAST_TURN = 0.02
"""Radians that count as one unit of head rotation at least."""


def video_corrections(avatar: GaussianAvatar, motion: HeadMotion) -> Corrections:
    """Corrections that change nothing yet.

    Latents are muscle groups, lids, gaze and the head's rotation, counted from the video's usual pose in standard
    deviations of the video. As latents are clipped at 2.5, corrections stop growing where the video stops: a smile
    twice as wide as any that was seen gets the shading of the widest one. The rotation takes the place of colours
    that depend on the view, which are not clipped and run away at turns that the video never shows.
    """
    blank = blank_corrections(avatar)
    signal = torch.from_numpy(signals(motion))
    usual = signal.median(0).values
    spread = ((signal - usual) @ blank.matrix.T).std(0, correction=0).clamp_min(LEAST_SPREAD)
    turn = torch.zeros(3, SIGNAL_WIDTH)
    unit = signal[:, HEAD_TURN].std(0, correction=0).clamp_min(LEAST_TURN)
    turn[:, HEAD_TURN] = torch.diag(1 / unit)
    matrix = torch.cat([blank.matrix / spread[:, None], turn])
    nothing = torch.zeros(len(matrix), len(blank.index), 3)
    return dataclasses.replace(blank, mean=usual, matrix=matrix, position=nothing, color=nothing.clone())


def allowed(avatar: GaussianAvatar, corrections: Corrections) -> Tensor:
    """Where each correction of `video_corrections` may act, [K, C] in {0, 1}, for Gaussians `corrections.index`: near
    skin that its muscles move (measured at full strength, whatever the video shows); head rotation acts everywhere."""
    groups = blank_corrections(avatar).matrix
    blank = torch.zeros(len(groups), len(corrections.index), 3)
    full = Corrections(torch.zeros(SIGNAL_WIDTH), groups, corrections.index, blank, blank)
    near = locality(avatar, full)
    return torch.cat([near, torch.ones(3, near.shape[1])])
