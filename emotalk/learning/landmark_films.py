"""What filmed faces did, as displacements of the landmark graph's nodes, for the graph network to learn from.

A camera shows two of three directions: across and along the picture a node is where it was seen, in depth where the
head model has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.motion.landmark_graph import KEYS
from emotalk.tracking.rig import CONTROLS, FaceRig, pose_of
from emotalk.tracking.solve import Frames, Lens


@dataclass(frozen=True)
class SeenFace:
    """T frames of a filmed face; rows of NaN where no face was seen."""

    moved: np.ndarray  # [T, N, 3] float32 metres from the face at rest, head's axes
    expression: np.ndarray  # [T, 52] float32 what the tracker made of it

    def __len__(self) -> int:
        return len(self.moved)


def seen_faces(
    rig: FaceRig,
    lens: Lens,
    motions: list[HeadMotion],  # of one person before one camera
    seen: list[np.ndarray],  # [T, 478, 2 or 3] pixels of each, NaN where no face
) -> list[SeenFace]:
    """The nodes as films show them.

    How far the detector's points lie beside the head model's all the time (median over all films) is the person's face,
    not motion: it is left out. Raises InputError where motion and landmarks differ in length, or no face is seen.
    """
    wrong = [(len(m), len(p)) for m, p in zip(motions, seen, strict=True) if len(m) != len(p)]
    if wrong:
        raise InputError(f"Motion and landmarks must have the same number of frames, found {wrong[0]}.")
    keys = list(KEYS)
    rest = rig.points(np.zeros((1, CONTROLS)))[0, keys]
    told, beside = [], []
    for motion, points in zip(motions, seen, strict=True):
        rotation, place, controls = pose_of(rig, motion)
        model = rig.points(controls)[:, keys]
        world = Frames(rotation, place, controls).world(model)
        away = lens.distance - world[..., 2]
        at = world.copy()
        at[..., 0] = (points[:, keys, 0] - lens.cx) * away / lens.focal
        at[..., 1] = (lens.cy - points[:, keys, 1]) * away / lens.focal
        told.append(model - rest)
        beside.append((at - place[:, None]) @ rotation - model)
    every = np.concatenate(beside)
    there = np.isfinite(every).all((1, 2))
    if not there.any():
        raise InputError("No frame of these films shows a face.")
    usual = np.median(every[there], axis=0)
    return [
        SeenFace((model + off - usual).astype(np.float32), motion.expression.astype(np.float32))
        for model, off, motion in zip(told, beside, motions, strict=True)
    ]
