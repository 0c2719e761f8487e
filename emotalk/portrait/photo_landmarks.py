"""478 landmarks of a face in one photo, from several looks at it.

A detector's landmarks tremble by a percent of the eye distance with where it happens to look. A video has hundreds of
frames to take the mean of; a photo is looked at several times, moved, enlarged, turned and mirrored a little.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.landmarks import EYE_CORNERS, EYES
from emotalk.head import HeadModel
from emotalk.portrait.faces import PhotoFace
from emotalk.portrait.square import Square
from emotalk.tracking.landmarks import open_landmarks

SIZE = 384
"""Pixels of each look; the detector cuts 192 out of the face's part."""
SIDE = 4.2
"""Side of a look in distances between the pupils."""
LOOKS = ((0.0, 0.0, 1.0, 0.0), (0.06, 0.03, 0.95, 0.05), (-0.05, 0.05, 1.05, -0.05), (0.03, -0.06, 1.1, 0.03),
         (-0.04, -0.03, 0.9, -0.03))  # fmt: skip
"""Moved (shares of the side), enlarged and turned (radians); each is taken as it is and mirrored."""
_SIDES = ("Left", "Right")


@dataclass(frozen=True)
class PhotoLandmarks:
    """What was seen of a face."""

    points: np.ndarray  # [478, 3] in the photo's pixels, depth too (negative towards the camera)
    spread: float  # mean distance of a look's points from the mean, in eye distances
    looks: int  # in how many looks a face was found
    blendshapes: np.ndarray | None  # [52] where the landmark model knows them

    @property
    def eyes(self) -> np.ndarray:
        """The middle of both eyes [2]."""
        return self.points[list(EYE_CORNERS), :2].mean(0)

    @property
    def roll(self) -> float:
        """Radians that the line of the eyes is turned, clockwise as seen."""
        across = self.points[EYES[1], :2] - self.points[EYES[0], :2]
        return float(np.arctan2(across[1], across[0]))

    @property
    def pupils(self) -> float:
        """Pixels between the pupils as from the front: a turn of the head, which brings them together, is undone by
        the detector's depths."""
        return float(np.linalg.norm(self.points[468] - self.points[473]))


def find_landmarks(
    picture: np.ndarray,  # [H, W, 3] uint8
    face: PhotoFace,
) -> PhotoLandmarks | None:
    """The landmarks of a face of a picture; None where most looks do not show them."""
    # A turned head brings the pupils together but not eyes and mouth.
    pupils = max(face.pupils, float(np.linalg.norm(face.points[3] - face.points[:2].mean(0))), 2.0)
    centre, roll = face.points[:4].mean(0), face.roll
    found: list[np.ndarray] = []
    shapes: list[np.ndarray] = []
    with open_landmarks() as model:

        def look(right: float, down: float, grown: float, turned: float) -> None:
            """Both as it is and mirrored; what is seen goes to `found` and `shapes`."""
            side = SIDE * pupils * grown
            square = Square(tuple(centre + np.array([right, down]) * side), side, roll + turned)
            view = square.draw(picture, SIZE)[0]
            for mirrored in (False, True):
                points = model.find(np.ascontiguousarray(view[:, ::-1]) if mirrored else view)
                if points is None:
                    continue
                points = points.astype(np.float64)
                if mirrored:
                    points = points[mirror()]
                    points[:, 0] = SIZE - points[:, 0]
                flat = square.from_square(points[:, :2], SIZE)
                found.append(np.concatenate([flat, points[:, 2:] * (side / SIZE)], 1))
                if model.blendshapes is not None:
                    shapes.append(model.blendshapes[_mirrored_shapes()] if mirrored else model.blendshapes)

        look(0.0, 0.0, 1.0, 0.0)
        if found:  # the first look was where the box is; the next ones are where the face is
            mean = np.mean(found, 0)
            first = PhotoLandmarks(mean, 0.0, len(found), None)
            pupils, roll, centre = first.pupils, first.roll, mean[:, :2].mean(0)
        found.clear()
        shapes.clear()
        for place in LOOKS:
            look(*place)
    if len(found) < len(LOOKS):
        return None
    points = np.median(found, 0)
    scale = float(np.linalg.norm(points[EYES[0], :2] - points[EYES[1], :2]))
    spread = float(np.linalg.norm(np.array(found)[..., :2] - points[:, :2], axis=-1).mean() / max(scale, 1e-6))
    return PhotoLandmarks(points, spread, len(found), np.mean(shapes, 0) if shapes else None)


@functools.cache
def mirror() -> np.ndarray:
    """[478] for each landmark the one on the other side of the face."""
    head = HeadModel.load()
    with torch.no_grad():
        neutral = head.landmarks(head.template[None])[0].double().numpy()
    apart = np.linalg.norm(neutral[:, None] - neutral * (-1.0, 1.0, 1.0), axis=-1)
    return apart.argmin(0)


def _mirrored_shapes() -> list[int]:
    """For each blendshape the one on the other side of the face."""
    other = dict(zip(_SIDES, reversed(_SIDES), strict=True))
    swapped = [
        next((name[: -len(side)] + other[side] for side in _SIDES if name.endswith(side)), name) for name in ARKIT_NAMES
    ]
    return [ARKIT_INDEX.get(name, ARKIT_INDEX[own]) for name, own in zip(swapped, ARKIT_NAMES, strict=True)]
