"""What a head does over time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES, JAW_RADIANS, LOOK_RADIANS
from emotalk.core.checks import check_array


@dataclass(frozen=True)
class HeadMotion:
    """What a head does over time, at 25 fps. It holds no identity: any avatar can play it.

    The channels add up and do not repeat each other: jaw opening lives in `expression` (jawOpen), blinks in
    `eyelids`, looking around in `gaze`; `jaw` is rotation on top of the jaw shapes (sideways swing).
    `to_arkit()` folds all of them into plain ARKit coefficients.
    """

    expression: np.ndarray  # [T, 52] in [0, 1] mostly, order of ARKIT_NAMES; eyeBlink*/eyeLook* stay ~0
    jaw: np.ndarray  # [T, 3] axis-angle at the jaw joint, on top of jawOpen/jawLeft/jawRight
    gaze: np.ndarray  # [T, 2] yaw, pitch of both eyes in the head; yaw > 0 to the person's left (+x), pitch > 0 up
    eyelids: np.ndarray  # [T, 2] closure of left, right lid in [0, 1]
    head_pose: np.ndarray  # [T, 6] axis-angle of head against torso (shared by neck and head joint), then root metres

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", check_array("expression", self.expression, len(ARKIT_NAMES)))
        rows = len(self.expression)
        for name, width in (("jaw", 3), ("gaze", 2), ("eyelids", 2), ("head_pose", 6)):
            object.__setattr__(self, name, check_array(name, getattr(self, name), width, rows=rows))

    def __len__(self) -> int:
        return len(self.expression)

    def __getitem__(self, rows: slice) -> HeadMotion:
        return HeadMotion(**{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})

    @staticmethod
    def neutral(frames: int = 1) -> HeadMotion:
        """A motionless, expressionless head looking straight ahead."""
        return HeadMotion(*(np.zeros((frames, width), np.float32) for width in (len(ARKIT_NAMES), 3, 2, 2, 6)))

    def to_arkit(self) -> np.ndarray:
        """[T, 52] plain ARKit coefficients in [0, 1]: gaze as eyeLook*, eyelids as eyeBlink*, the jaw joint as
        jawOpen/jawLeft/jawRight on top of `expression`. Head pose is not part of them (see motion.livelink)."""
        arkit = self.expression.astype(np.float32, copy=True)

        def add(name: str, amount: np.ndarray) -> None:
            arkit[:, ARKIT_INDEX[name]] += np.maximum(amount, 0)

        yaw, pitch = self.gaze[:, 0] / LOOK_RADIANS[0], self.gaze[:, 1] / LOOK_RADIANS[1]
        for name, amount in (("OutLeft", yaw), ("InRight", yaw), ("InLeft", -yaw), ("OutRight", -yaw)):
            add(f"eyeLook{name}", amount)
        for column, side in enumerate(("Left", "Right")):
            add(f"eyeLookUp{side}", pitch)
            add(f"eyeLookDown{side}", -pitch)
            add(f"eyeBlink{side}", self.eyelids[:, column])
        add("jawOpen", self.jaw[:, 0] / JAW_RADIANS[0])
        add("jawLeft", self.jaw[:, 1] / JAW_RADIANS[1])
        add("jawRight", -self.jaw[:, 1] / JAW_RADIANS[1])
        return np.clip(arkit, 0.0, 1.0)

    @staticmethod
    def concatenate(parts: list[HeadMotion]) -> HeadMotion:
        """The frames of all parts, one after another; at least one part."""
        return HeadMotion(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(HeadMotion)}
        )
