"""The head model seen through 478 face landmarks only: small arrays, with derivatives, for fitting.

Fitting needs the landmarks a thousand times a second, not the 9,000 vertices. Every control moves them linearly
(shapes, lids, jaw swing) except the gaze, which rotates the irises and takes the lids along. Lids being pushed out of
the eyeballs moves these landmarks by less than 0.6 mm, mostly towards the camera (0.1 mm vertically): left out here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.landmarks import LANDMARKS
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel

_ELSEWHERE = {"eyeBlink": "eyelids", "eyeLook": "gaze", "jawLeft": "jaw", "jawRight": "jaw", "tongueOut": "nothing"}
"""Shapes that other channels of `HeadMotion` stand for, or that landmarks do not show."""
EXPRESSIONS: tuple[int, ...] = tuple(
    i for i, name in enumerate(ARKIT_NAMES) if not any(name.startswith(prefix) for prefix in _ELSEWHERE)
)
"""Columns of ARKIT_NAMES that are fitted as `HeadMotion.expression`."""
JAW, LID_LEFT, LID_RIGHT, YAW, PITCH = range(len(EXPRESSIONS), len(EXPRESSIONS) + 5)
CONTROLS = len(EXPRESSIONS) + 5
"""Controls of a face: the fitted shapes, jaw yaw (rad), left and right lid, gaze yaw and pitch (rad)."""
CONTROL_LOW = np.array([0.0] * len(EXPRESSIONS) + [-0.12, 0.0, 0.0, -0.7, -0.6])
CONTROL_HIGH = np.array([1.0] * len(EXPRESSIONS) + [0.12, 1.0, 1.0, 0.7, 0.5])
_SWING = 0.02  # rad at which the jaw's swing is measured; at 0.12 rad a straight line is off by 0.5 mm


@dataclass(frozen=True)
class FaceRig:
    """One person's landmarks, in metres relative to the head joint (head's axes)."""

    identity: np.ndarray  # [I] this person
    neutral: np.ndarray  # [478, 3]
    linear: np.ndarray  # [CONTROLS, 478, 3] per unit of a control; rows of the gaze are 0
    people: np.ndarray  # [I, 478, 3] per unit of an identity component, relative to the head joint
    looks: np.ndarray  # [2 yaw > 0, yaw < 0; 2 pitch > 0, pitch < 0][478, 3] per radian: what lids do with the gaze
    eyes: np.ndarray  # [2, 3] centres of the left and right eyeball
    joints: np.ndarray  # [6, 3] in the model's own frame (see HeadModel)

    @staticmethod
    def of(head: HeadModel, identity: np.ndarray) -> FaceRig:
        """The rig of a person of `head` (the unpersonalised model) with `identity` [I]."""
        with torch.no_grad():
            person = head.with_identity(torch.as_tensor(identity, dtype=torch.float32))

            def marks(vertices: torch.Tensor) -> np.ndarray:
                return head.landmarks(vertices).double().numpy()

            template = marks(person.template[None])[0]
            shapes = marks(person.shapes)
            people = marks(head.identity_basis) - head.joint_identity[:, 2:3].double().numpy()
            swing = marks(person(jaw=torch.tensor([[0.0, _SWING, 0.0]])).vertices)[0]
            swing = (swing - marks(person(jaw=torch.zeros(1, 3)).vertices)[0]) / _SWING
            joints = person.joints.double().numpy()
            up, down, inward, outward = person.look_angles.double().tolist()
        linear = np.zeros((CONTROLS, LANDMARKS, 3))
        linear[: len(EXPRESSIONS)] = shapes[list(EXPRESSIONS)]
        linear[JAW] = swing
        linear[LID_LEFT], linear[LID_RIGHT] = shapes[ARKIT_INDEX["eyeBlinkLeft"]], shapes[ARKIT_INDEX["eyeBlinkRight"]]

        def look(first: str, second: str, first_angle: float, second_angle: float) -> np.ndarray:
            a, b = shapes[ARKIT_INDEX[f"eyeLook{first}"]], shapes[ARKIT_INDEX[f"eyeLook{second}"]]
            return a / first_angle + b / second_angle

        looks = np.stack([
            look("OutLeft", "InRight", outward, inward), look("InLeft", "OutRight", inward, outward),
            look("UpLeft", "UpRight", up, up), look("DownLeft", "DownRight", down, down),
        ])  # fmt: skip
        looks[:, 468:] = 0  # irises turn with the eyeballs instead
        neutral = template - joints[2]
        return FaceRig(
            np.asarray(identity, np.float64), neutral, linear, people, looks, joints[4:6] - joints[2], joints
        )

    def points(self, controls: np.ndarray) -> np.ndarray:
        """Landmarks [m, 478, 3] of `controls` [m, CONTROLS], head's axes, metres from the head joint."""
        flat = self.linear.reshape(CONTROLS, -1)
        points = (controls @ flat).reshape(-1, LANDMARKS, 3) + self.neutral
        yaw, pitch = controls[:, YAW], controls[:, PITCH]
        amounts = np.stack([np.maximum(yaw, 0), np.maximum(-yaw, 0), np.maximum(pitch, 0), np.maximum(-pitch, 0)], 1)
        points += np.tensordot(amounts, self.looks, 1)
        turn = gaze_rotation(yaw, pitch)[0]
        for side, first in ((0, 473), (1, 468)):
            own = self.neutral[first : first + 5] - self.eyes[side]
            points[:, first : first + 5] = self.eyes[side] + own @ turn.transpose(0, 2, 1)
        return points

    def gaze_slopes(self, controls: np.ndarray) -> np.ndarray:
        """Derivatives [m, 2, 478, 3] of `points` by gaze yaw and pitch."""
        yaw, pitch = controls[:, YAW], controls[:, PITCH]
        # At 0 the slope is that of both sides' mean, so that a resting gaze can leave either way.
        share = lambda x: np.clip(0.5 + x / 0.02, 0, 1)[:, None, None]  # noqa: E731
        right, up = share(yaw), share(pitch)
        slopes = np.stack([
            right * self.looks[0] - (1 - right) * self.looks[1], up * self.looks[2] - (1 - up) * self.looks[3]
        ], 1)  # fmt: skip
        _, by_yaw, by_pitch = gaze_rotation(yaw, pitch)
        for side, first in ((0, 473), (1, 468)):
            own = self.neutral[first : first + 5] - self.eyes[side]
            for k, turn in enumerate((by_yaw, by_pitch)):
                slopes[:, k, first : first + 5] = own @ turn.transpose(0, 2, 1)
        return slopes


def gaze_rotation(yaw: np.ndarray, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eyeball rotations [m, 3, 3] (as `head.rotations.yaw_pitch_matrix`) and their derivatives by yaw and pitch."""
    cy, sy, cp, sp, o = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.zeros_like(yaw)

    def matrix(*rows: np.ndarray) -> np.ndarray:
        return np.stack(rows, -1).reshape(-1, 3, 3)

    return (
        matrix(cy, -sy * sp, sy * cp, o, cp, sp, -sy, -cy * sp, cy * cp),
        matrix(-sy, -cy * sp, cy * cp, o, o, o, -cy, sy * sp, -sy * cp),
        matrix(o, -sy * cp, -sy * sp, o, -sp, cp, o, -cy * cp, -cy * sp),
    )


def motion_of(
    rig: FaceRig,
    rotation: np.ndarray,  # [T, 3, 3] of the head
    place: np.ndarray,  # [T, 3] of the head joint, world metres
    controls: np.ndarray,  # [T, CONTROLS]
) -> HeadMotion:
    """`HeadMotion` [T] of poses and controls.

    Neck and head joint each turn by half, so the head joint swings around the neck; the root makes up the rest.
    """
    vector = axis_angle(rotation)
    neck, head = rig.joints[1], rig.joints[2]
    half = rotation_matrix(0.5 * vector)
    root = place - (neck + (half @ (head - neck)))
    expression = np.zeros((len(controls), len(ARKIT_NAMES)))
    expression[:, list(EXPRESSIONS)] = controls[:, : len(EXPRESSIONS)]
    jaw = np.zeros((len(controls), 3))
    jaw[:, 1] = controls[:, JAW]
    return HeadMotion(
        expression=expression,
        jaw=jaw,
        gaze=controls[:, [YAW, PITCH]],
        eyelids=controls[:, [LID_LEFT, LID_RIGHT]],
        head_pose=np.concatenate([vector, root], 1),
    )


def pose_of(rig: FaceRig, motion: HeadMotion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The inverse of `motion_of`: head rotations [T, 3, 3], places of the head joint [T, 3], controls."""
    vector = motion.head_pose[:, :3].astype(np.float64)
    neck, head = rig.joints[1], rig.joints[2]
    place = neck + rotation_matrix(0.5 * vector) @ (head - neck) + motion.head_pose[:, 3:]
    controls = np.zeros((len(motion), CONTROLS))
    controls[:, : len(EXPRESSIONS)] = motion.expression[:, list(EXPRESSIONS)]
    controls[:, JAW] = motion.jaw[:, 1]
    controls[:, [LID_LEFT, LID_RIGHT]] = motion.eyelids
    controls[:, [YAW, PITCH]] = motion.gaze
    return rotation_matrix(vector), place, controls


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] of axis-angle vectors [..., 3] (Rodrigues)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix().reshape(*vector.shape[:-1], 3, 3)


def axis_angle(matrix: np.ndarray) -> np.ndarray:
    """Axis-angle vectors [..., 3] of rotation matrices [..., 3, 3]."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_rotvec().reshape(matrix.shape[:-1])
