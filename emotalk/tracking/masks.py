"""Who is where in a frame: background, person, hair, facial skin.

The person comes from MediaPipe's selfie segmentation. Inside, each pixel is hair, skin or clothes by its colour (as
frequent as in this video's own hair, cheeks and chest) and by where it lies: above the brows clothes are unlikely,
below the chin hair is, and hair hangs together with the crown. Colours are learned from a dozen frames of the video.
"""

from __future__ import annotations

import os

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from emotalk.core.landmarks import (
    BROWS,
    CHIN,
    FOREHEAD,
    LEFT_LOWER_LID,
    LEFT_SIDE,
    LEFT_UPPER_LID,
    OUTER_LIPS,
    OVAL,
    RIGHT_LOWER_LID,
    RIGHT_SIDE,
    RIGHT_UPPER_LID,
)

BACKGROUND, PERSON, HAIR, FACE = range(4)
BACKGROUND, BODY, HAIR, SKIN = 0, 1, 2, 3
"""Classes of `TrackedVideo.labels`."""
WORK = 256
"""Side of the pictures that masks are made on; the segmentation knows no more."""
_BITS = 5  # per channel of the colour tables
_HAIR, _SKIN, _CLOTHES = range(3)
_FEATURES = (
    OUTER_LIPS, (*BROWS[:10], *RIGHT_UPPER_LID, *RIGHT_LOWER_LID), (*BROWS[10:], *LEFT_UPPER_LID, *LEFT_LOWER_LID)
)  # fmt: skip
_BALD = 0.12  # of the crown's pixels: less that is unlike skin is no hair


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
        """[256, 256] float32 probabilities of a square picture [256, 256, 3] uint8."""
        return self._model.process(picture).segmentation_mask


class Zones:
    """Parts of a picture of WORK pixels, told by the landmarks [478, 2] in it."""

    def __init__(self, points: np.ndarray) -> None:
        top, chin, left, right = points[FOREHEAD], points[CHIN], points[LEFT_SIDE], points[RIGHT_SIDE]
        self.height = max(float(np.linalg.norm(top - chin)), 1e-6)
        self.width = max(float(np.linalg.norm(left - right)), 1e-6)
        up = (top - chin) / self.height
        middle = 0.5 * (left + right)
        rows, columns = np.mgrid[:WORK, :WORK].astype(np.float32) + 0.5
        # Pixels in the face's own frame: 0 at the chin, 1 at the top of the outline; and away from the middle.
        self.above = ((columns - chin[0]) * up[0] + (rows - chin[1]) * up[1]) / self.height
        self.across = np.abs((columns - middle[0]) * -up[1] + (rows - middle[1]) * up[0]) / self.width
        self.brows = float((points[[105, 334]].mean(0) - chin) @ up) / self.height
        self.face = _polygon(points[list(OVAL)])
        bare = cv2.erode(self.face.astype(np.uint8), np.ones((9, 9), np.uint8))
        for feature in _FEATURES:
            cv2.fillConvexPoly(bare, cv2.convexHull(points[list(feature)].astype(np.int32)), 0)
        self.bare = bare.astype(bool)  # facial skin alone

    @property
    def crown(self) -> np.ndarray:
        """Where hair grows on most heads, [WORK, WORK] bool; MediaPipe's outline ends near the hairline."""
        return (self.above > 1.05) & (self.above < 1.7) & (self.across < 0.6)

    @property
    def chest(self) -> np.ndarray:
        """Clothes, where long hair seldom reaches, [WORK, WORK] bool."""
        return (self.above < -0.3) & ((self.across < 0.35) | (self.across > 0.8) | (self.above < -0.7))

    def priors(self) -> np.ndarray:
        """[3, WORK, WORK] how likely hair, skin and clothes are by place alone."""
        high = np.clip((self.above - self.brows) / 0.1 + 0.5, 0, 1)
        low = np.clip(-self.above / 0.15 + 0.2, 0, 1)
        beside = (1 - high) * (1 - low)
        out = np.clip((self.across - 0.55) / 0.1, 0, 1)  # beyond the ears
        hair = 0.7 * high + beside * (0.25 + 0.45 * out) + low * 0.08
        skin = 0.28 * high + beside * (0.7 - 0.5 * out) + low * np.where(self.across < 0.4, 0.4, 0.08)
        return np.stack([hair, skin, np.maximum(1 - hair - skin, 0.02)])


class Colours:
    """How frequent colours are in this person's hair, skin and clothes."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 1 << (3 * _BITS)))
        self._tables: np.ndarray | None = None

    def learn(self, picture: np.ndarray, person: np.ndarray, zones: Zones) -> None:
        """Take in a `picture` [WORK, WORK, 3] uint8 with its `person` mask [WORK, WORK] in [0, 1]."""
        cells, surely = _cells(picture), person > 0.8
        for kind, where in ((_HAIR, zones.crown & surely), (_SKIN, zones.bare),
                            (_CLOTHES, zones.chest & surely)):  # fmt: skip
            self._counts[kind] += np.bincount(cells[where], minlength=self._counts.shape[1])
        self._tables = None

    def likelihoods(self, picture: np.ndarray) -> np.ndarray:
        """[3, 256, 256] of hair, skin and clothes by colour alone."""
        if self._tables is None:
            self._tables = self._learned()
        return self._tables[:, _cells(picture)]

    def _learned(self) -> np.ndarray:
        hair, skin, clothes = (_smooth(counts) for counts in self._counts)
        crown = max(self._counts[_HAIR].sum(), 1)
        # The crown of many heads shows forehead too: what is more like skin than hair there is taken out.
        kept = self._counts[_HAIR] * (hair > 1.5 * skin)
        if kept.sum() < _BALD * crown:
            hair = np.zeros_like(hair)
        else:
            hair = _smooth(kept)
        floor = 1e-6  # an unknown colour is decided by its place
        return np.stack([hair + (floor if hair.any() else 0), skin + floor, clothes + floor]).astype(np.float32)


def label_frame(
    picture: np.ndarray,  # [256, 256, 3] uint8
    person: np.ndarray,  # [256, 256] probability
    points: np.ndarray | None,  # [478, 2] landmarks in its pixels
    colours: Colours,
    size: int,
) -> np.ndarray:
    """[size, size] uint8: BACKGROUND, PERSON (neck, clothes, all else), HAIR or FACE (skin with ears and eyes)."""
    someone = person > 0.5
    labels = someone.astype(np.uint8)
    if points is not None:
        zones = Zones(points)
        evidence = colours.likelihoods(picture) * zones.priors()
        evidence /= evidence.sum(0)
        evidence = np.stack([cv2.GaussianBlur(e, (0, 0), 1.2) for e in evidence])
        inside = cv2.erode(zones.face.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        hair = someone & (evidence[_HAIR] > np.maximum(evidence[_SKIN], evidence[_CLOTHES]))
        # Within the outline hair is fringe over the brows, seen very clearly; lower down it would be beard or shadow.
        hair &= ~inside | ((zones.above > zones.brows + 0.04) & (evidence[_HAIR] > 0.85))
        hair = _hanging(cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), zones.crown)
        skin = someone & (evidence[_SKIN] > evidence[_CLOTHES]) & (zones.above > 0) & (zones.across < 0.75)
        # Shining hair can have the colour of skin, but it does not hang together with the face.
        skin = _hanging((skin & ~hair | inside).astype(np.uint8), inside)
        if hair.any():
            hair |= someone & (zones.above > zones.brows) & ~skin & ~inside
        labels[skin | inside] = FACE
        labels[hair] = HAIR
        labels = cv2.medianBlur(labels, 5)
    return cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)


def small_picture(picture: np.ndarray) -> np.ndarray:
    """A square picture [h, h, 3] uint8 at WORK pixels, [WORK, WORK, 3]."""
    return cv2.resize(picture, (WORK, WORK), interpolation=cv2.INTER_AREA)


def _cells(picture: np.ndarray) -> np.ndarray:
    part = (picture >> (8 - _BITS)).astype(np.int32)
    return (part[..., 0] << (2 * _BITS)) | (part[..., 1] << _BITS) | part[..., 2]


def _smooth(counts: np.ndarray) -> np.ndarray:
    """Frequencies smoothed over neighbouring colours, summing to 1."""
    smooth = gaussian_filter(counts.reshape((1 << _BITS,) * 3), 1.0, mode="nearest").ravel()
    return smooth / max(smooth.sum(), 1e-9)


def _polygon(points: np.ndarray) -> np.ndarray:
    mask = np.zeros((WORK, WORK), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 8).astype(np.int32)], 1, shift=3)
    return mask.astype(bool)


def _hanging(mask: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The connected parts of `mask` that reach into `seed`."""
    count, parts = cv2.connectedComponents(mask, connectivity=8)
    keep = np.zeros(count, bool)
    near = cv2.dilate(seed.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    keep[np.unique(parts[near & (mask > 0)])] = True
    keep[0] = False
    return keep[parts]
