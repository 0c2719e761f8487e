"""The skin of a person as a few thousand points on the head model, posed as cheaply as landmarks are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from emotalk.head import HeadModel
from emotalk.tracking.rig import CONTROLS, EXPRESSIONS, JAW, LID_LEFT, LID_RIGHT
from emotalk.types import ARKIT_INDEX

SAMPLES = 4000
"""About one for every 3 x 3 pixels of a face 250 pixels high."""
REGIONS = ("face", "ears", "scalp")
ELSEWHERE = ("lids", "lips", "eyes", "inner_mouth", "teeth", "gums", "tongue", "lashes", "neck", "shoulders")
"""What moves on its own, or changes its looks as it moves."""
FACING = -0.2
"""Least z of a normal at rest: what lies further round the back no camera in front sees."""
_SWING = 0.02  # rad at which the jaw's swing is measured, as in `rig`


@dataclass(frozen=True)
class Skin:
    """Points spread evenly over face, ears and scalp, in metres relative to the head joint (head's axes)."""

    neutral: np.ndarray  # [N, 3] float32
    normals: np.ndarray  # [N, 3] float32, at rest
    linear: np.ndarray  # [CONTROLS, 3 N] float32 per unit of a control (see `rig`)

    @staticmethod
    def of(head: HeadModel, identity: np.ndarray, count: int = SAMPLES, seed: int = 0) -> Skin:
        """The skin of a person of `head` (the unpersonalised model) with `identity` [I]."""
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
        return Skin(
            (at(template) - joint).astype(np.float32), normals[chosen].astype(np.float32), linear.reshape(CONTROLS, -1)
        )

    def __len__(self) -> int:
        return len(self.neutral)

    def points(self, controls: np.ndarray) -> np.ndarray:
        """Points [N, 3] float32 under `controls` [CONTROLS]."""
        return self.neutral + (controls.astype(np.float32) @ self.linear).reshape(-1, 3)
