"""What a video showed of its person, in numbers: how long, how far they turned, how often they blinked, their teeth."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.landmarks import INNER_LIPS, apertures, eye_distance

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo

LOOKS = 40
"""Frames that are looked at for teeth: those with the widest mouths of as many parts of the video."""
OPEN = 0.05
"""Opening of the inner lips in eye distances from which there is anything to be seen between them."""
BRIGHT, PALE = 0.55, 0.35
"""A pixel counts as a tooth that is at least so bright against the cheeks, and whose colour is at most so strong."""
TOOTHY = 0.12
"""Share of the pixels between the lips that must be teeth."""


@dataclass(frozen=True)
class Filmed:
    """Counted over the frames with a well-tracked face."""

    seconds: float
    yaw: float  # degrees from the furthest turn to the right to that to the left, without the outermost 2 %
    pitch: float
    blinks: int
    teeth: float  # share of the moments with an open mouth that showed teeth; 0 where it never opened

    @property
    def metrics(self) -> dict[str, float]:
        """For a card."""
        return {f"filmed_{name}": round(float(value), 3) for name, value in vars(self).items()}


def remembered(metrics: dict[str, float]) -> Filmed | None:
    """What `Filmed.metrics` left in a card; None where it is not there."""
    values = {f.name: metrics.get(f"filmed_{f.name}") for f in dataclasses.fields(Filmed)}
    if any(value is None for value in values.values()):
        return None
    return Filmed(**(values | {"blinks": round(values["blinks"])}))


def filmed(tracked: TrackedVideo) -> Filmed:
    """What a tracked video showed."""
    quality = tracked.quality
    return Filmed(
        seconds=float(tracked.seen.sum()) / tracked.fps,
        yaw=float(np.ptp(quality.yaw)),
        pitch=float(np.ptp(quality.pitch)),
        blinks=quality.blinks,
        teeth=teeth_share(tracked),
    )


def teeth_share(tracked: TrackedVideo) -> float:
    """Share of the open mouths that showed teeth, looked for in at most `LOOKS` frames."""
    rows = np.flatnonzero(tracked.seen)
    if not len(rows):
        return 0.0
    landmarks = tracked.landmarks[rows]
    opening = np.nan_to_num(apertures(landmarks)[:, 0] / eye_distance(landmarks))
    widest = [part[opening[part].argmax()] for part in np.array_split(np.arange(len(rows)), min(LOOKS, len(rows)))]
    shown = [shows_teeth(tracked.frame_bytes(int(rows[k])), landmarks[k]) for k in widest if opening[k] >= OPEN]
    return float(np.mean(shown)) if shown else 0.0


def shows_teeth(
    picture: np.ndarray,  # [H, W, 3] uint8
    landmarks: np.ndarray,  # [478, 2] px
) -> bool:
    """Whether something bright and pale lies between the lips, in the light of the rest of the face."""
    # Imported here: the page shows what this package says of an avatar, and needs no OpenCV.
    import cv2

    between = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(between, [np.rint(landmarks[list(INNER_LIPS)]).astype(np.int32)], 1)
    inside = picture[between > 0].astype(np.float32)
    if len(inside) < 12:
        return False
    face = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(landmarks).astype(np.int32)), 1)
    skin = np.percentile(picture[face > 0].astype(np.float32).max(1), 75)
    bright = inside.max(1)
    pale = (bright - inside.min(1)) / np.maximum(bright, 1)
    return bool(((bright > BRIGHT * skin) & (pale < PALE)).mean() > TOOTHY)
