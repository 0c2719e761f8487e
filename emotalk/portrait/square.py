"""The square of a photo that becomes the tracked frame: head and shoulders, straightened where the head lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from emotalk.tracking.survey import SPAN

LEAST_SPAN = 4.2
"""Side of the smallest square in distances between the pupils: a face. Where a photo ends within the hair, so does the
square: padding would pretend that there is none."""
EYES_AT = 0.43
"""Height of the eyes in the square, from its top, as `tracking.survey.crop_for` has it."""
SLACK = 0.12
"""Share of the side by which the square is moved to stay within the photo."""
STRAIGHTENED = np.radians(18.0)
"""Roll from which the square is turned with the head. A head that is tilted less is posed so on upright shoulders,
which turning the square would tilt instead."""
SOFT = 0.05
"""Share of the side over which what lies beyond the photo's border loses its details."""


@dataclass(frozen=True)
class Square:
    """A square of a photo, in its pixels; `roll` is how far it is turned, clockwise as seen."""

    centre: tuple[float, float]
    side: float
    roll: float = 0.0  # radians

    def to_square(self, size: int) -> np.ndarray:
        """The affine map [2, 3] of the photo's pixels to those of the square drawn with `size` pixels."""
        scale = size / self.side
        c, s = np.cos(self.roll) * scale, np.sin(self.roll) * scale
        linear = np.array([[c, s], [-s, c]])
        return np.concatenate([linear, (size / 2 - linear @ np.array(self.centre))[:, None]], 1)

    def from_square(self, points: np.ndarray, size: int) -> np.ndarray:
        """`points` [..., 2] of the drawn square in the photo's pixels [..., 2]."""
        matrix = self.to_square(size)
        return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T

    def draw(self, picture: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """([size, size, 3] uint8, [size, size] bool: within the photo) of a `picture` [H, W, 3] uint8. Beyond its
        border the colours of the border go on and lose their details."""
        # Area means first where it gets smaller: a warp alone would alias.
        shrink = min(1.0, 1.25 * size / self.side)
        square = self
        if shrink < 0.8:
            high, wide = (max(1, round(shrink * side)) for side in picture.shape[:2])
            ratio = np.array([wide / picture.shape[1], high / picture.shape[0]])
            picture = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA)
            square = replace(self, centre=tuple(np.array(self.centre) * ratio), side=self.side * float(ratio.mean()))
        matrix = square.to_square(size)
        # OpenCV puts the middle of the first pixel at 0, landmarks have it at a half.
        matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
        drawn = cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        whole = np.full(picture.shape[:2], 255, np.uint8)
        inside = cv2.warpAffine(whole, matrix, (size, size), flags=cv2.INTER_NEAREST) > 0
        return (drawn if inside.all() else _softened(drawn, inside)), inside


def square_of(
    eyes: np.ndarray,  # [2] the middle of the pupils in the photo
    pupils: float,  # pixels between them, as from the front
    roll: float,  # radians
    width: int,
    height: int,
) -> Square:
    """The square of a photo of `width` x `height` pixels around a face. Like that of a video it stays within the
    picture as far as head and hair fit in."""
    (x, y), side = eyes, min(SPAN * pupils, width, height)
    near = 0.5 - SLACK
    for room, share in ((x, near), (width - x, near), (y, EYES_AT - SLACK), (height - y, 1 - EYES_AT - SLACK)):
        side = min(side, max(room, 0.0) / share)
    side = max(side, LEAST_SPAN * pupils)
    if abs(roll) > STRAIGHTENED:
        middle = np.array(eyes) + (0.5 - EYES_AT) * side * np.array([-np.sin(roll), np.cos(roll)])
        return Square((float(middle[0]), float(middle[1])), float(side), float(roll))

    def placed(at: float, share: float, extent: int) -> float:
        begin = at - share * side
        low, high = sorted((0.0, extent - side))
        return float(np.clip(np.clip(begin, low, high), begin - SLACK * side, begin + SLACK * side)) + side / 2

    return Square((placed(x, 0.5, width), placed(y, EYES_AT, height)), float(side))


def _softened(drawn: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """`drawn` with what is not `inside` ever softer away from the border."""
    distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    size = len(drawn)
    soft = drawn.astype(np.float32)
    for k, sigma in enumerate((0.01, 0.03, 0.08)):
        # Only what lies beyond the border is blurred, so that the face keeps its outline.
        blurred = cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), sigma * size)
        share = np.clip(distance / (SOFT * size * (k + 1)), 0, 1)[..., None]
        soft = soft * (1 - share) + blurred * share
    return np.where(inside[..., None], drawn, np.clip(soft + 0.5, 0, 255).astype(np.uint8))
