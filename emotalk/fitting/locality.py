"""Where an expression-dependent correction may act, and how smoothly.

A handful of pictures shows each expression, with the noise and the chance combinations of just those pictures. Left
free, corrections learn them and show blotches in every other combination. So a correction acts only near skin that its
muscles move, and neighbours learn together.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar.gaussians import Corrections
from emotalk.avatar.model import GaussianAvatar
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.motion import HeadMotion

MOVED = 3e-4
"""Metres that a latent of 1 must move a Gaussian for its correction to act there."""
NEAR = 0.008
"""Metres around such Gaussians within which it may act as well: folds cast shadows beside them."""
NEIGHBOURS = 12
SPREAD = 0.0025
"""Metres: standard deviation of the weights with which neighbours learn together."""


def motion_of_latents(corrections: Corrections) -> HeadMotion:
    """One frame for every latent: the smallest signal that makes it 1."""
    matrix = corrections.matrix
    signal = (matrix / matrix.square().sum(1, keepdim=True).clamp_min(1e-12) + corrections.mean).cpu().numpy()
    ends = np.cumsum([len(ARKIT_NAMES), 3, 2, 2, 3])
    parts = np.split(signal, ends[:-1], axis=1)
    place = np.zeros((len(signal), 3), np.float32)
    return HeadMotion(*parts[:4], np.concatenate([parts[4], place], 1))


@torch.no_grad()
def locality(avatar: GaussianAvatar, corrections: Corrections) -> Tensor:
    """1 where correction k may act on the c-th corrected Gaussian, else 0; [K, C]."""
    if not len(corrections.matrix) or not len(corrections.index):
        return torch.ones(len(corrections.matrix), len(corrections.index), device=avatar.device)
    bare = avatar.replace(corrections=None)
    rest = bare.pose(HeadMotion.neutral(), 0).means[corrections.index].cpu().numpy()
    motion, masks = motion_of_latents(corrections), []
    for k in range(len(motion)):
        moved = bare.pose(motion, k).means[corrections.index].cpu().numpy()
        sources = rest[np.linalg.norm(moved - rest, axis=1) > MOVED]
        near = cKDTree(sources).query(rest, distance_upper_bound=NEAR)[0] < NEAR if len(sources) else rest[:, 0] * 0
        masks.append(torch.from_numpy(np.asarray(near, np.float32)))
    return torch.stack(masks).to(avatar.device)


@torch.no_grad()
def neighbourhood(avatar: GaussianAvatar, index: Tensor) -> Tensor:
    """A sparse matrix [C, C] that averages over nearby corrected Gaussians of the same region; rows sum to 1."""
    points = avatar.replace(corrections=None).pose(HeadMotion.neutral(), 0).means[index].cpu().numpy()
    region = avatar.gaussians.region[index].cpu().numpy()
    rows, columns, weights = [], [], []
    for name in np.unique(region):
        own = np.flatnonzero(region == name)
        count = min(NEIGHBOURS, len(own))
        distance, nearest = cKDTree(points[own]).query(points[own], k=count)
        share = np.exp(-0.5 * np.square(distance.reshape(len(own), count) / SPREAD))
        rows.append(np.repeat(own, count))
        columns.append(own[nearest.reshape(-1)])
        weights.append((share / share.sum(1, keepdims=True)).reshape(-1))
    if not rows:
        return torch.zeros(0, 0, device=avatar.device)
    places = torch.from_numpy(np.stack([np.concatenate(rows), np.concatenate(columns)]))
    values = torch.from_numpy(np.concatenate(weights).astype(np.float32))
    matrix = torch.sparse_coo_tensor(places, values, (len(index), len(index)), check_invariants=True).coalesce()
    return matrix.to(avatar.device)
