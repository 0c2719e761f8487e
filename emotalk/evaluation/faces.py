"""How alike two faces are that a landmarker saw: landmark distance, lip movement, blendshapes of the upper and the
lower face.

Every function takes two clips frame by frame and leaves out the frames where either shows no face. Lengths are in
percent of the recorded face's distance between the outer corners of the eyes (about 9 cm, so 1 % is about 0.9 mm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.landmarks import EYES, MOUTH, apertures
from emotalk.evaluation.detections import Detections
from emotalk.sync.lip_measures import MEASURES, measures_of_landmarks

UPPER = tuple(i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("brow", "eye", "cheekSquint")))
"""The blendshapes of brows, eyes and lids."""
LOWER = tuple(i for i, name in enumerate(ARKIT_NAMES) if i not in UPPER and name != "tongueOut")
"""Those of jaw, mouth, cheeks and nose."""


@dataclass(frozen=True)
class LipAgreement:
    """How the rendered mouth follows the recorded one."""

    correlation: float  # of the openings, -1 to 1
    slope: float  # rendered opening per recorded opening; 1 is right, 0 a dead mouth
    width_correlation: float


def landmark_distance(rendered: Detections, recorded: Detections) -> tuple[np.ndarray, np.ndarray]:
    """(mouth [T], whole face [T]) mean distance of the landmarks in percent of the eye distance, NaN without a face.

    The mouth's is LMD (Chen et al., "Lip Movements Generation at a Glance", ECCV 2018): both mouths are moved to the
    same centre first, so that it tells their shapes apart and not where the heads are. The face's compares all 478
    points where they are.
    """
    a, b = rendered.landmarks.astype(np.float64), recorded.landmarks.astype(np.float64)
    if a.shape != b.shape:
        raise InputError(f"Two clips must have the same frames, found {len(a)} and {len(b)}.")
    unit = np.linalg.norm(b[:, EYES[0]] - b[:, EYES[1]], axis=-1) / 100
    mouth_a, mouth_b = a[:, MOUTH], b[:, MOUTH]
    centred = (mouth_a - mouth_a.mean(1, keepdims=True)) - (mouth_b - mouth_b.mean(1, keepdims=True))
    return np.linalg.norm(centred, axis=-1).mean(-1) / unit, np.linalg.norm(a - b, axis=-1).mean(-1) / unit


def lip_agreement(rendered: Detections, recorded: Detections) -> LipAgreement | None:
    """How openings and widths of the two mouths go together; None where too few frames show a face.

    The slope is that of a straight line through rendered against recorded inner lip openings (least squares).
    """
    both = rendered.found & recorded.found
    if both.sum() < 10:
        return None
    ours, theirs = (measures_of_landmarks(detections.landmarks[both]) for detections in (rendered, recorded))
    opening, width = MEASURES.index("inner"), MEASURES.index("width")
    return LipAgreement(
        _correlation(ours[:, opening], theirs[:, opening]),
        _slope(ours[:, opening], theirs[:, opening]),
        _correlation(ours[:, width], theirs[:, width]),
    )


def lid_agreement(rendered: Detections, recorded: Detections) -> tuple[float, float] | None:
    """(correlation, slope) of the openings of both eyes, rendered against recorded; None where too few frames show a
    face, or where the recorded person never blinks (the opening varies by less than 1 % of the eye distance)."""
    both = rendered.found & recorded.found
    if both.sum() < 10:
        return None
    ours, theirs = (_lid_opening(detections.landmarks[both]) for detections in (rendered, recorded))
    if theirs.std() < 0.01:
        return None
    return _correlation(ours, theirs), _slope(ours, theirs)


def _lid_opening(points: np.ndarray) -> np.ndarray:
    """[T] mean opening of both eyes in distances of their outer corners."""
    unit = np.linalg.norm(points[:, EYES[0]] - points[:, EYES[1]], axis=-1)
    return apertures(points)[:, 1:].mean(-1) / unit


def blendshape_error(rendered: Detections, recorded: Detections) -> tuple[float, float] | None:
    """(upper face, lower face) mean absolute difference of the blendshapes a landmarker saw, in percent of their
    range; None without blendshapes.

    The idea of AUE-U and AUE-L (TalkingGaussian, ECCV 2024), which compare OpenFace's action units: the numbers are
    not comparable with theirs. The landmarker hardly sees cheekSquint and noseSneer.
    """
    if rendered.blendshapes is None or recorded.blendshapes is None:
        return None
    both = np.isfinite(rendered.blendshapes).all(1) & np.isfinite(recorded.blendshapes).all(1)
    if not both.any():
        return None
    difference = 100 * np.abs(rendered.blendshapes[both] - recorded.blendshapes[both])
    return float(difference[:, UPPER].mean()), float(difference[:, LOWER].mean())


def _slope(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of a straight line through `ours` against `theirs` (least squares)."""
    return float(np.cov(ours, theirs, bias=True)[0, 1] / max(theirs.var(), 1e-12))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where either does not move."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 1e-12 else 0.0
