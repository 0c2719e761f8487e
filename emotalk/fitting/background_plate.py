"""The picture behind a person: what the frames of a video show where nobody stands, the rest filled in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

SAFE = 9
"""Pixels around the person that do not count as background: masks are coarse there, and hair is translucent."""
SEEN = 3
"""Frames that must show a pixel's background before it is trusted."""


def background_plate(frames: Iterable[tuple[np.ndarray, np.ndarray]]) -> Tensor:
    """The background [H, W, 3] in [0, 1] of frames given as (picture [H, W, 3] uint8, person [H, W] bool).

    Median over time of what is not the person; where the person always is, colours of the surroundings flow in.
    """
    pictures, free = [], []
    for picture, person in frames:
        pictures.append(picture)
        free.append(~_grown(person, SAFE))
    stack, seen = np.stack(pictures), np.stack(free)
    count = seen.sum(0)
    # Hidden pixels sort behind all others, so that the median of the seen ones is at half their count.
    ordered = np.sort(np.where(seen[..., None], stack, 255), axis=0)
    rows, columns = np.indices(count.shape)
    plate = ordered[np.maximum(count - 1, 0) // 2, rows, columns].astype(np.float32) / 255
    return filled(torch.from_numpy(plate), torch.from_numpy(count >= min(SEEN, len(stack))))


def filled(picture: Tensor, known: Tensor) -> Tensor:
    """A picture [H, W, 3] whose pixels outside `known` [H, W] are smooth continuations of the known ones.

    Pull-push (Gortler et al. 1996): averages of ever larger neighbourhoods, the finest that knows anything wins.
    A picture without any known pixel becomes grey.
    """
    weight = known.float()[None, None]
    color = picture.permute(2, 0, 1)[None] * weight
    if not bool(known.any()):
        return torch.full_like(picture, 0.5)
    levels = [(color, weight)]
    while max(levels[-1][0].shape[2:]) > 1:
        color, weight = levels[-1]
        odd = (0, color.shape[3] % 2, 0, color.shape[2] % 2)
        color, weight = (torch.nn.functional.pad(part, odd) for part in (color, weight))
        color, weight = (torch.nn.functional.avg_pool2d(part, 2) * 4 for part in (color, weight))
        # Full weight is enough: beyond it, large known areas would drown the finer knowledge of the next levels.
        scale = weight.clamp_max(1) / weight.clamp_min(1e-8)
        levels.append((color * scale, weight * scale))
    result = levels[-1][0] / levels[-1][1].clamp_min(1e-8)
    for color, weight in reversed(levels[:-1]):
        size = color.shape[2:]
        # To the finer grid of even size, then without the row that was added.
        even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        coarse = torch.nn.functional.interpolate(result, even, mode="bilinear", align_corners=False)
        result = color + (1 - weight) * coarse[:, :, : size[0], : size[1]]
    return result[0].permute(1, 2, 0).clamp(0, 1).contiguous()


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask [H, W] with everything within so many pixels of it."""
    planes = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None]
    for pad in ((0, 0, pixels, pixels), (pixels, pixels, 0, 0)):
        kernel = (2 * max(pad[2:]) + 1 if pad[2] else 1, 2 * pad[0] + 1 if pad[0] else 1)
        planes = torch.nn.functional.max_pool2d(planes, kernel, 1, (pad[2], pad[0]))
    return planes[0, 0].numpy() > 0.5
