"""Who is where in a frame: background, person, hair, facial skin.

The person comes from MediaPipe's selfie segmentation; the face from the landmarks' outline; hair from colour: what
looks like the pixels above the forehead rather than like this face, these clothes or what stands behind, near the
head. Colours are learned from a dozen frames of the video itself.
"""

from __future__ import annotations

import os

import cv2
import numpy as np

from emotalk.tracking.points import OVAL

BACKGROUND, PERSON, HAIR, FACE = range(4)
_BITS = 5  # per channel of the colour tables
_WORK = 256  # pixels at which masks are made; the segmentation knows no more


class PersonSegmenter:
    """How likely each pixel shows a person (MediaPipe selfie segmentation)."""

    def __init__(self) -> None:
        os.environ.setdefault("GLOG_minloglevel", "3")
        import mediapipe

        self._model = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)

    def __enter__(self) -> PersonSegmenter:
        return self

    def __exit__(self, *_) -> None:
        self._model.close()

    def find(self, picture: np.ndarray) -> np.ndarray:
        """[256, 256] float32 probabilities of a square picture [size, size, 3] uint8."""
        mask = self._model.process(picture).segmentation_mask
        return cv2.resize(mask, (_WORK, _WORK), interpolation=cv2.INTER_AREA)


class HairColours:
    """A table colour -> hair or not, learned from frames of one video."""

    def __init__(self) -> None:
        cells = 1 << (3 * _BITS)
        self._hair, self._other = np.zeros(cells), np.zeros(cells)
        self._table: np.ndarray | None = None

    def learn(self, picture: np.ndarray, person: np.ndarray, points: np.ndarray) -> None:
        """Take in a frame [256, 256, 3] with its person mask and landmarks [478, 2] in its pixels."""
        cells = _cells(picture)
        zone = _zones(points)
        crown = zone["crown"] & (person > 0.8)
        # Skin is what the cheeks look like, also above the brows: a high forehead must not become hair.
        other = zone["cheeks"] | (zone["chest"] & (person > 0.8)) | (person < 0.1)
        self._hair += np.bincount(cells[crown], minlength=len(self._hair))
        self._other += np.bincount(cells[other], minlength=len(self._other))
        self._table = None

    def looks_like_hair(self, picture: np.ndarray) -> np.ndarray:
        """[256, 256] probability in [0, 1] by colour alone."""
        if self._table is None:
            hair, other = (_spread(counts) for counts in (self._hair, self._other))
            self._table = (hair / (hair + other + 1e-9)).astype(np.float32)
        return self._table[_cells(picture)]


def _cells(picture: np.ndarray) -> np.ndarray:
    part = (picture >> (8 - _BITS)).astype(np.int32)
    return (part[..., 0] << (2 * _BITS)) | (part[..., 1] << _BITS) | part[..., 2]


def _spread(counts: np.ndarray) -> np.ndarray:
    """Colour frequencies smoothed over neighbouring colours, summing to 1."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(counts.reshape((1 << _BITS,) * 3), 1.0, mode="nearest").ravel()
    return smooth / max(smooth.sum(), 1e-9)


def _polygon(points: np.ndarray) -> np.ndarray:
    mask = np.zeros((_WORK, _WORK), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 8).astype(np.int32)], 1, shift=3)
    return mask.astype(bool)


def _zones(points: np.ndarray) -> dict[str, np.ndarray]:
    """Parts of the picture [256, 256] bool by landmarks [478, 2]."""
    top, chin, left, right = points[10], points[152], points[454], points[234]
    up = (top - chin) / max(np.linalg.norm(top - chin), 1e-6)
    side = np.array([-up[1], up[0]])
    height = np.linalg.norm(top - chin)
    width = np.linalg.norm(left - right)
    rows, columns = np.mgrid[:_WORK, :_WORK]
    offset = np.stack([columns + 0.5, rows + 0.5], -1) - 0.5 * (left + right)
    across, above = offset @ side, offset @ up
    chin_at, top_at = float((chin - 0.5 * (left + right)) @ up), float((top - 0.5 * (left + right)) @ up)
    return {
        "face": _polygon(points[list(OVAL)]),
        # MediaPipe's outline ends at the hairline or a little under it: keep off it.
        "crown": (above > top_at + 0.12 * height) & (above < top_at + 0.6 * height) & (np.abs(across) < 0.5 * width),
        "cheeks": _polygon(points[[116, 50, 205, 187, 147]]) | _polygon(points[[345, 280, 425, 411, 376]])
        | _polygon(points[[151, 108, 107, 9, 336, 337]]),
        "chest": above < chin_at - 0.55 * height,
        "near": (np.hypot(across / (1.05 * width), (above - 0.3 * height) / (1.15 * height)) < 1)
        | ((np.abs(across) < 1.1 * width) & (above < 0) & (above > chin_at - 0.7 * height)),
        "above_chin": above > chin_at - 0.1 * height,
    }  # fmt: skip


def label_frame(
    picture: np.ndarray,  # [size, size, 3] uint8
    person: np.ndarray,  # [256, 256] probability
    points: np.ndarray | None,  # [478, 2] landmarks in pixels of the picture
    colours: HairColours,
) -> np.ndarray:
    """[size, size] uint8: BACKGROUND, PERSON (also neck, clothes, ears), HAIR or FACE (skin)."""
    size = len(picture)
    small = cv2.resize(picture, (_WORK, _WORK), interpolation=cv2.INTER_AREA)
    someone = person > 0.5
    labels = someone.astype(np.uint8)
    if points is not None:
        zone = _zones(points * (_WORK / size))
        hair = colours.looks_like_hair(small)
        hair = cv2.GaussianBlur(hair, (0, 0), 1.5)
        face = cv2.erode(zone["face"].astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        strands = someone & zone["near"] & ~face & (hair > 0.5)
        strands = _touching(strands, zone["crown"])
        labels[strands] = HAIR
        # Bangs: inside the outline, above the brows.
        brows = points[[105, 334]].mean(0) * (_WORK / size)
        rows = np.arange(_WORK)[:, None]
        labels[face] = FACE
        labels[face & (rows < brows[1]) & (hair > 0.8) & (strands | _touching(face & (hair > 0.8), strands))] = HAIR
    return cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)


def _touching(mask: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The connected parts of `mask` that reach into `seed`."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    keep = np.zeros(count, bool)
    near = cv2.dilate(seed.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    keep[np.unique(parts[near & mask])] = True
    keep[0] = False
    return keep[parts]
