"""Four numbers for a mouth - how far it opens inside and outside, how wide it is, how low the jaw - from ARKit
coefficients or from face landmarks, in the same unit, so that generated and filmed lips can be compared.

The unit is the distance between the outer corners of the eyes (about 9 cm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from emotalk.core.errors import InputError
from emotalk.core.landmarks import CHIN, EYES, INNER_OPENINGS, MOUTH_CORNERS, NOSE_BASE, NOSE_BRIDGE, OUTER_OPENINGS
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS

MEASURES = ("inner", "outer", "width", "jaw")
POINTS: tuple[int, ...] = tuple(
    sorted(
        {i for pair in (*INNER_OPENINGS, *OUTER_OPENINGS, MOUTH_CORNERS, EYES) for i in pair}
        | {NOSE_BRIDGE, NOSE_BASE, CHIN}
    )
)
"""The landmarks that the measures need, in the order of `LipBasis`."""
_AT = {index: row for row, index in enumerate(POINTS)}


def _measure(points: Tensor) -> Tensor:
    """[..., 4] of points [..., len(POINTS), D], unscaled."""

    def apart(pairs: tuple[tuple[int, int], ...]) -> Tensor:
        first, second = ([_AT[pair[k]] for pair in pairs] for k in (0, 1))
        return (points[..., first, :] - points[..., second, :]).norm(dim=-1).mean(-1)

    return torch.stack(
        [apart(INNER_OPENINGS), apart(OUTER_OPENINGS), apart((MOUTH_CORNERS,)), apart(((NOSE_BASE, CHIN),))], -1
    )


@dataclass(frozen=True)
class LipBasis:
    """The needed landmarks of the shipped head and how each ARKit shape moves them (metres)."""

    neutral: Tensor  # [P, 3] in the order of POINTS
    shapes: Tensor  # [52, P, 3]

    @classmethod
    def of_head(cls, head) -> LipBasis:
        """Read off a HeadModel by moving one shape at a time (the head is linear in its shapes)."""
        with torch.no_grad():
            count = head.shapes.shape[0]
            coefficients = torch.cat([torch.zeros(1, count), torch.eye(count)])
            points = head.landmarks(head(expression=coefficients).vertices, "mediapipe478")[:, list(POINTS)].cpu()
        return cls(points[0].clone(), (points[1:] - points[:1]).clone())

    def measures(self, expression: Tensor) -> Tensor:
        """[..., 4] in eye distances of ARKit coefficients [..., 52]; differentiable."""
        neutral, shapes = self.neutral.to(expression), self.shapes.to(expression)
        # Measured in the face's own plane, as a frontal camera sees it.
        points = neutral[:, :2] + torch.einsum("...k,kpc->...pc", expression, shapes[..., :2])
        scale = (neutral[_AT[EYES[0]]] - neutral[_AT[EYES[1]]]).norm()
        return _measure(points + 1e-7) / scale


def measures_of_motion(motion: HeadMotion, basis: LipBasis) -> np.ndarray:
    """[T, 4] in eye distances."""
    return basis.measures(torch.from_numpy(motion.expression)).numpy()


def measures_of_landmarks(points: np.ndarray, fps: float = FPS) -> np.ndarray:
    """[T', 4] at 25 fps in eye distances, from MediaPipe face-mesh points [T, 468 or 478, 2 or 3] in pixels.

    Only x and y are used (the mesh's depth is a guess). The face's size is that of eyes and nose together, smoothed
    over a fifth of a second, so that neither a turned head nor a trembling landmark looks like speech. Frames without
    a face (NaN) are bridged. Raises InputError for other shapes or where no frame has a face.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 3 or points.shape[1] < 468 or points.shape[2] < 2:
        raise InputError(f"Face-mesh points must have shape [T, 468 or 478, 2 or 3], found {list(points.shape)}.")
    points = points[:, list(POINTS), :2]
    seen = np.isfinite(points).all((1, 2))
    if not seen.any():
        raise InputError("No frame of these landmarks shows a face.")
    measures = _measure(torch.from_numpy(points[seen])).numpy()
    eyes = np.linalg.norm(points[seen, _AT[EYES[0]]] - points[seen, _AT[EYES[1]]], axis=-1)
    nose = np.linalg.norm(points[seen, _AT[NOSE_BRIDGE]] - points[seen, _AT[NOSE_BASE]], axis=-1)
    # Yaw shortens the eye distance, pitch the nose: the larger of both, in the person's own proportion, is the size.
    proportion = np.percentile(eyes, 90) / max(np.percentile(nose, 90), 1e-9)
    size = gaussian_filter1d(np.maximum(eyes, proportion * nose), 0.2 * fps)
    frames = max(1, round(len(points) / fps * FPS))
    at, known = (np.arange(frames) + 0.5) / FPS, (np.flatnonzero(seen) + 0.5) / fps
    return np.stack([np.interp(at, known, column) for column in (measures / size[:, None]).T], -1).astype(np.float32)


def quick(course: np.ndarray) -> np.ndarray:
    """A course [T, ...] at 25 fps without what is slower than about 0.6 s: expressions and poses open lips, too."""
    return course - gaussian_filter1d(course, 15, axis=0)


def lip_gap(points: Tensor) -> Tensor:
    """[...] metres between upper and lower inner lip, mean of three pairs, of points [..., 478, 3]; signed along the
    vertical of the head, so lips pressed into each other are below 0."""
    upper, lower = ([pair[k] for pair in INNER_OPENINGS] for k in (0, 1))
    return (points[..., upper, 1] - points[..., lower, 1]).mean(-1)


def jitter(measures: np.ndarray) -> float:
    """How shaky lips are: share of the power of their movement above 6 Hz, 0 (smooth) to 1, from [T, 4] at 25 fps.

    Speech moves lips below about 6 Hz (Chandrasekaran et al. 2009: 2-7 Hz); a sync score does not see trembling,
    this does. Needs a second of motion, else InputError.
    """
    if len(measures) < FPS:
        raise InputError(f"Jitter needs at least {FPS} frames, found {len(measures)}.")
    moving = np.diff(measures[:, :3], axis=0)
    spectrum = np.abs(np.fft.rfft(moving * np.hanning(len(moving))[:, None], axis=0)) ** 2
    fast = np.fft.rfftfreq(len(moving), 1 / FPS) > 6.0
    return float(spectrum[fast].sum() / max(spectrum.sum(), 1e-12))
