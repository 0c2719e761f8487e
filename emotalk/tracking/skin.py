"""A person's looks as a few thousand points on and around the head model, posed as cheaply as landmarks are.

Skin lies on the mesh. The rim of head and hair has no surface: what is seen there is wherever the head's bulk turns
away. For small turns that is a flat ring around the middle of the head, at the depth of the ears.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.head import HeadModel
from emotalk.tracking.masks import FACE, HAIR
from emotalk.tracking.rig import CONTROLS, EXPRESSIONS, JAW, LID_LEFT, LID_RIGHT
from emotalk.tracking.solve import Lens

SAMPLES = 4000
"""About one for every 3 x 3 pixels of a face 250 pixels high."""
REGIONS = ("face", "ears", "scalp")
ELSEWHERE = ("lids", "lips", "eyes", "inner_mouth", "teeth", "gums", "tongue", "lashes", "neck", "shoulders")
"""What moves on its own, or changes its looks as it moves."""
FACING = -0.2
"""Least z of a normal at rest: what lies further round the back no camera in front sees."""
VIEWED = (0.25, 0.45)
"""Cosines of normal and view between which skin begins to count."""
RIM_VIEWED = (0.93, 0.985)
"""The same for the rim, whose normal is straight ahead: at turns of 22 and 10 degrees."""
RIM_SHARE = 0.3
"""How much a point of the rim counts."""
RIM_DEPTH = (0.003, 0.015)
"""Metres before the middle of the ears at which the rim lies, beside and on top of the head."""
TOP = 0.05
"""Metres above the rim's middle from which on it is the top."""
RIM_BAND = (14, 8, 3)
"""Pixels at 512: how far the rim reaches inwards and outwards of the outline, and the distance of its points."""
UNDER_NOSE = (2, 164)
"""Landmarks below which there is no rim: jaws move and hair hangs."""
_SWING = 0.02  # rad at which the jaw's swing is measured, as in `rig`


@dataclass(frozen=True)
class Skin:
    """Points with normals, in metres relative to the head joint (head's axes)."""

    neutral: np.ndarray  # [N, 3] float32
    normals: np.ndarray  # [N, 3] float32, at rest
    linear: np.ndarray  # [CONTROLS, 3 N] float32 per unit of a control (see `rig`)
    viewed: np.ndarray  # [N, 2] float32: cosines of normal and view at which a point begins to count, and fully counts
    share: np.ndarray  # [N] float32: how much it counts
    depth: float  # z of the middle of the ears

    @staticmethod
    def of(head: HeadModel, identity: np.ndarray, count: int = SAMPLES, seed: int = 0) -> Skin:
        """Points spread evenly over face, ears and scalp of a person of `head` (the unpersonalised model) with
        `identity` [I]."""
        with torch.no_grad():
            person = head.with_identity(torch.as_tensor(identity, dtype=torch.float32))
            template, joint = person.template.double().numpy(), person.joints[2].double().numpy()
            swung = [person(jaw=torch.tensor([[0.0, angle, 0.0]])).vertices[0].numpy() for angle in (_SWING, 0.0)]
        wanted = torch.stack([head.regions[name] for name in REGIONS]).any(0)
        wanted &= ~torch.stack([head.regions[name] for name in ELSEWHERE]).any(0)
        wanted &= head.weights[:, :2].sum(1) < 0.01  # what the neck does not take along
        corners = head.triangles.numpy()
        corners = corners[wanted.numpy()[corners].all(1)]
        a, b, c = (template[corners[:, k]] for k in range(3))
        normals = np.cross(b - a, c - a)
        area = np.linalg.norm(normals, axis=1)
        normals /= np.maximum(area, 1e-15)[:, None]
        area = area * (normals[:, 2] > FACING)
        random = np.random.default_rng(seed)
        # One point for each equal share of the area, so that they are spread more evenly than by chance.
        shares = (np.arange(count) + random.random(count)) / count
        chosen = np.minimum(np.searchsorted(np.cumsum(area) / area.sum(), shares), len(corners) - 1)
        u, v = np.sqrt(random.random(count)), random.random(count)
        barycentric = np.stack([1 - u, u * (1 - v), u * v], 1)

        def at(vertices: np.ndarray) -> np.ndarray:
            return np.einsum("nk,...nkc->...nc", barycentric, vertices[..., corners[chosen], :])

        linear = np.zeros((CONTROLS, count, 3), np.float32)
        shapes = person.shapes.numpy()
        linear[: len(EXPRESSIONS)] = at(shapes[list(EXPRESSIONS)])
        linear[JAW] = at(swung[0] - swung[1]) / _SWING
        for control, name in ((LID_LEFT, "eyeBlinkLeft"), (LID_RIGHT, "eyeBlinkRight")):
            linear[control] = at(shapes[ARKIT_INDEX[name]])
        ears = template[head.regions["ears"].numpy(), 2]
        return Skin(
            (at(template) - joint).astype(np.float32),
            normals[chosen].astype(np.float32),
            linear.reshape(CONTROLS, -1),
            np.tile(np.float32(VIEWED), (count, 1)),
            np.ones(count, np.float32),
            float(0.5 * (ears.min() + ears.max()) - joint[2]),
        )

    def __len__(self) -> int:
        return len(self.neutral)

    def points(self, controls: np.ndarray) -> np.ndarray:
        """Points [N, 3] float32 under `controls` [CONTROLS]."""
        return self.neutral + (controls.astype(np.float32) @ self.linear).reshape(-1, 3)

    def with_rim(self, points: np.ndarray) -> Skin:
        """The same with points [R, 3] of the rim, which no expression moves."""
        count = len(points)
        forward = np.tile(np.float32([0, 0, 1]), (count, 1))
        still = np.zeros((CONTROLS, 3 * count), np.float32)
        return replace(
            self,
            neutral=np.concatenate([self.neutral, points.astype(np.float32)]),
            normals=np.concatenate([self.normals, forward]),
            linear=np.concatenate([self.linear, still], 1),
            viewed=np.concatenate([self.viewed, np.tile(np.float32(RIM_VIEWED), (count, 1))]),
            share=np.concatenate([self.share, np.full(count, RIM_SHARE, np.float32)]),
        )


def rim_pixels(labels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Pixels [R, 2] along the outline of head and hair in `labels` [size, size] (see `masks`) of a frame with
    `landmarks` [478, 2]."""
    inwards, outwards, step = (max(1, round(n * len(labels) / 512)) for n in RIM_BAND)
    head = ((labels == HAIR) | (labels == FACE)).astype(np.uint8)
    someone = (labels > 0).astype(np.uint8)
    inner, outer = (np.ones((2 * n + 1, 2 * n + 1), np.uint8) for n in (inwards, outwards))
    band = (cv2.dilate(head, outer) > 0) & (cv2.erode(someone, inner) == 0)
    band[max(0, int(landmarks[list(UNDER_NOSE), 1].mean())) :] = False
    row, column = np.nonzero(band[::step, ::step])
    return np.stack([column * step + 0.5, row * step + 0.5], 1)


def rim_points(pixels: np.ndarray, lens: Lens, rotation: np.ndarray, place: np.ndarray, depth: float) -> np.ndarray:
    """Points [R, 3] (head's axes, relative to its joint) of the rim seen at pixels [R, 2] of a head with `rotation`
    [3, 3] at `place` [3] whose ears lie at z = `depth`."""
    rays = np.stack([(pixels[:, 0] - lens.cx) / lens.focal, (lens.cy - pixels[:, 1]) / lens.focal], 1)
    rays = np.concatenate([rays, -np.ones((len(rays), 1))], 1) @ rotation
    eye = (np.array([0.0, 0.0, lens.distance]) - place) @ rotation

    def at(z: np.ndarray) -> np.ndarray:
        return eye + ((z - eye[2]) / rays[:, 2])[:, None] * rays

    height = at(np.full(len(rays), depth))[:, 1]
    top = np.clip((height - np.median(height)) / TOP, 0, 1) if len(height) else height
    return at(depth + RIM_DEPTH[0] + top * (RIM_DEPTH[1] - RIM_DEPTH[0]))
