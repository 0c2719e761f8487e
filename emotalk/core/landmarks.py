"""Which of MediaPipe's 478 face landmarks is what, and how far each is to be trusted."""

from __future__ import annotations

import numpy as np

LANDMARKS = 478

UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
RIGHT_UPPER_LID = (246, 161, 160, 159, 158, 157, 173)
RIGHT_LOWER_LID = (7, 163, 144, 145, 153, 154, 155)
LEFT_UPPER_LID = (466, 388, 387, 386, 385, 384, 398)
LEFT_LOWER_LID = (249, 390, 373, 374, 380, 381, 382)
EYE_CORNERS = (33, 133, 362, 263)
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
IRISES = tuple(range(468, 478))
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
NOSE = (
    1, 2, 3, 4, 5, 19, 44, 45, 51, 94, 125, 141, 195, 197, 220, 237, 238, 239, 241, 242, 248, 250, 274, 275, 281, 354,
    370, 440, 457, 458, 459, 461, 462,
)  # fmt: skip
FIRM = (33, 133, 263, 362, 168, 6, 197, 5, 4, 2, 10, 109, 338, 127, 356, 234, 454, 9)
"""Points that expressions hardly move: corners of the eyes, nose, forehead, temples."""
EYES = (33, 263)
"""Outer corners of the eyes: their distance is the unit of a face's size."""

MOUTH_CORNERS = (61, 291)
INNER_CORNERS = (78, 308)
"""Where the inner line of the lips ends on either side."""
INNER_LIPS = (INNER_CORNERS[0], *LOWER_LIP, INNER_CORNERS[1], *UPPER_LIP)
MOUTH = (*OUTER_LIPS, *INNER_LIPS)
"""The outer and the inner line of the lips."""
RIGHT_EYE_ENDS, LEFT_EYE_ENDS = EYE_CORNERS[:2], EYE_CORNERS[2:]
FOREHEAD, CHIN, NOSE_BRIDGE, NOSE_BASE = 10, 152, 168, 2
"""The top of the face's outline and its lowest point; the nose between the eyes and where it meets the upper lip."""
LEFT_SIDE, RIGHT_SIDE = 454, 234
"""Where the face's outline passes the person's own left and right ear."""
INNER_OPENINGS = ((82, 87), (13, 14), (312, 317))
"""Points of the upper and the lower lip that face each other, on its inner line."""
OUTER_OPENINGS = ((37, 84), (0, 17), (267, 314))
"""The same on its outer line."""
OUTLINES = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 78),
    (33, *RIGHT_LOWER_LID, 133, *reversed(RIGHT_UPPER_LID), 33),
    (263, *LEFT_LOWER_LID, 362, *reversed(LEFT_UPPER_LID), 263),
    BROWS[:5], BROWS[10:15], (168, 6, 197, 195, 5, 4), (*OVAL, OVAL[0]),
)  # fmt: skip
"""Lines to draw: lips outside and inside, lids, brows, nose, outline of the face."""

IBUG68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""The MediaPipe landmark that lies where each of the 68 of iBUG (and dlib) does: 0-16 jaw, 17-26 brows, 27-35 nose,
36-47 eyes, 48-67 lips; numbered from the person's right. The 30th is the nose's tip, which MediaPipe has points above
and below of."""

MOUTH_PAIRS = tuple(zip(UPPER_LIP[1:-1], LOWER_LIP[1:-1], strict=True))
RIGHT_EYE_PAIRS = tuple(zip(RIGHT_UPPER_LID[1:-1], RIGHT_LOWER_LID[1:-1], strict=True))
LEFT_EYE_PAIRS = tuple(zip(LEFT_UPPER_LID[1:-1], LEFT_LOWER_LID[1:-1], strict=True))
PAIRS = MOUTH_PAIRS + RIGHT_EYE_PAIRS + LEFT_EYE_PAIRS
PAIR_GROUPS = {"mouth": slice(0, 7), "right eye": slice(7, 12), "left eye": slice(12, 17)}
"""Points of upper and lower lips or lids that meet when mouth or eye is shut."""


def landmark_weights() -> np.ndarray:
    """[478] how much each landmark counts: inverse variances, relative to one that errs by 1 % of the eye distance.

    Measured on films of synthetic people whose landmarks are known: what the detector's points move beside the true
    ones. The outline slides along the silhouette as the head turns (2.2 %), the nose's tip swings too far (1.7 %), lids
    and corners of the eyes hold best (0.7 %). Iris centres count more than that: nothing else shows the gaze.
    """
    weights = np.full(LANDMARKS, 0.7)
    for group, weight in (
        (OVAL, 0.2),
        (NOSE, 0.35),
        (OUTER_LIPS, 0.9),
        ((*UPPER_LIP, *LOWER_LIP, *INNER_CORNERS), 1.2),
        (BROWS, 1.2),
        ((*RIGHT_UPPER_LID, *RIGHT_LOWER_LID, *LEFT_UPPER_LID, *LEFT_LOWER_LID), 2.0),
        (EYE_CORNERS, 1.6),
        (IRISES, 1.0),
        ((468, 473), 3.0),
    ):
        weights[list(group)] = weight
    return weights


def pair_gaps(points: np.ndarray) -> np.ndarray:
    """Signed gaps [..., 17] of MOUTH_PAIRS, RIGHT_EYE_PAIRS and LEFT_EYE_PAIRS along the face's own vertical, of points
    [..., 478, 2] in pixels; negative where lips or lids overlap."""
    down = points[..., 152, :] - points[..., 10, :]
    down = down / np.maximum(np.linalg.norm(down, axis=-1, keepdims=True), 1e-9)
    upper, lower = np.array(PAIRS).T
    return ((points[..., lower, :] - points[..., upper, :]) * down[..., None, :]).sum(-1)


def apertures(points: np.ndarray) -> np.ndarray:
    """Openings [..., 3] of mouth, right and left eye (means of the three middle pairs of `pair_gaps`), in pixels."""
    gaps = pair_gaps(points)
    return np.stack([gaps[..., 2:5].mean(-1), gaps[..., 8:11].mean(-1), gaps[..., 13:16].mean(-1)], -1)


def eye_distance(points: np.ndarray) -> float:
    """Pixels between the outer corners of the eyes in [T, 478, 2]: the 90th percentile (a turned head shortens it)."""
    apart = np.linalg.norm(points[:, EYES[0], :2] - points[:, EYES[1], :2], axis=-1)
    return float(np.nanpercentile(apart, 90))
