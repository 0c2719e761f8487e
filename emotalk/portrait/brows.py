"""Brows that come down as far as brows do.

The head's shapes lower a brow by up to a centimetre, nearly to the lid: drawn brows of shipped avatars stand that high
over their eyes. On photographs they do not: skin between brow and lid would be pressed to a quarter of its height and
the brow to a line across the nose. What is too much is taken back by corrections, which come with the avatar wherever
it goes.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.latents import GROUPS, UNIT
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.head.mesh import triangle_frames

LOWERING = list(GROUPS).index("brows down")
"""The latent that is widened for it."""
SNEER = ("noseSneerLeft", "noseSneerRight")
SNEER_SHARE = 0.45
"""How far a sneer lowers the brow, in what a frown does: of the shipped head."""
FULL = 2.2
"""Frown and `SNEER_SHARE` times sneer of full anger: the latent reaches its limit there."""
KEPT = 0.45
"""Share of the lowering that stays: a brow then comes down by about 5 mm in full anger, as on actors' faces."""
FROM = (0.0008, 0.0020)
"""Metres that a full frown moves skin, from which on it is held back, and wholly so: not lashes."""
LOOKED_AT = 1.0
"""Frown at which what is taken back is measured; it is nearly linear."""


@torch.no_grad()
def with_firm_brows(avatar: GaussianAvatar) -> GaussianAvatar:
    """The avatar (on the CPU, with the default latents) whose brows are lowered by `KEPT` of what the head does."""
    corrections, gaussians = avatar.corrections, avatar.gaussians
    column = (corrections.index < gaussians.mesh_count).nonzero()[:, 0]
    rows = corrections.index[column]
    triangle, weights = gaussians.triangle[rows], gaussians.barycentric[rows][..., None]
    rest, frown = avatar.mesh(HeadMotion.neutral())[0], avatar.mesh(_frown())[0]
    triangles = avatar.head.triangles
    moved = ((frown - rest)[0][triangles[triangle]] * weights).sum(1)  # [C, 3] metres
    length = moved.norm(dim=1, keepdim=True)
    back = -(1 - KEPT) * ((length - FROM[0]) / (FROM[1] - FROM[0])).clamp(0, 1) * moved
    # As the frowning triangle sees it, which has turned and shrunk.
    frames, _, now = triangle_frames(frown, triangles)
    shrunk = (now / triangle_frames(rest, triangles)[2])[0][triangle].clamp_min(0.3)
    local = (frames[0][triangle].transpose(1, 2) @ back[..., None]).squeeze(-1) / shrunk[:, None]

    unit = FULL / 2.5
    matrix, position, color = (getattr(corrections, name).clone() for name in ("matrix", "position", "color"))
    # What else the latent does stays as strong for the same frown.
    matrix[LOWERING] *= UNIT / unit
    position[LOWERING] *= unit / UNIT
    color[LOWERING] *= unit / UNIT
    for name in SNEER:
        matrix[LOWERING, ARKIT_INDEX[name]] = SNEER_SHARE / (unit * len(SNEER))
    position[LOWERING, column] += unit / LOOKED_AT * local
    return avatar.replace(corrections=dataclasses.replace(corrections, matrix=matrix, position=position, color=color))


def _frown() -> HeadMotion:
    motion = HeadMotion.neutral()
    for name in GROUPS["brows down"]:
        motion.expression[:, ARKIT_INDEX[name]] = np.float32(LOOKED_AT)
    return motion
