"""The detector's bias, which leaves shut eyes and lips a little open, taken out of its landmarks.

FaceMesh hardly ever lets lids meet: in blinks its lid points stay 10 to 30 % of the open eye apart. A face model fitted
to them would never shut its eyes. What the gap falls to when this person's eyes are shut is taken as zero and the range
between shut and open stretched accordingly; an open eye stays where it was seen. Behind glasses blinks can be missed
altogether, so the eyes' own contrast is asked too: white, iris and pupil are gone in a blink.
"""

from __future__ import annotations

import numpy as np

from emotalk.core.landmarks import (
    CHIN,
    FOREHEAD,
    LEFT_EYE_ENDS,
    PAIR_GROUPS,
    PAIRS,
    RIGHT_EYE_ENDS,
    pair_gaps,
)

BLINK = 0.5
"""A gap below this share of the usual one is taken for a blink."""
RESIDUE = 0.22
"""Share of the open gap that FaceMesh leaves in a shut eye, where the video shows no blink (measured on six clips)."""
MOUTH_REST = 0.035
"""Eye distances of inner-lip gap up to which a mouth counts as shut; one that is never shut is left alone."""
LEAST_CONTRAST = 40.0
"""Grey levels between lids below which a picture is too dark or soft to tell open from shut."""
GONE, THERE = 0.3, 0.5
"""Shares of the usual contrast at which an eye is surely shut, and surely not."""


def shut_gaps(points: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(gap when shut [17], gap when open [17]) in pixels of the pairs of `pair_gaps`, of landmarks [T, 478, 2]."""
    gaps = pair_gaps(points)
    shut, open_ = np.zeros(len(PAIRS)), np.percentile(gaps, 60, axis=0)
    few = max(2, len(gaps) // 100)
    for name, pairs in PAIR_GROUPS.items():
        middle = gaps[:, pairs].mean(1)
        lowest = np.argsort(middle)[:few] if name != "mouth" else np.argsort(middle)[: 3 * few]
        at_rest = np.median(gaps[lowest][:, pairs], axis=0)
        if name == "mouth":
            open_[pairs] = np.maximum(np.percentile(gaps[:, pairs], 95, axis=0), 0.03 * scale)
            shut[pairs] = at_rest if at_rest.mean() < MOUTH_REST * scale else 0.0
        elif at_rest.mean() < BLINK * open_[pairs].mean():
            shut[pairs] = np.minimum(at_rest, 0.35 * open_[pairs])
        else:
            shut[pairs] = RESIDUE * open_[pairs]
    return shut, open_


def eye_contrast(grey: np.ndarray, points: np.ndarray) -> float:
    """Range of brightness (5th to 95th percentile, mean of both eyes) between the lids of landmarks [478, 2] in a grey
    picture [h, w] uint8."""
    ranges = []
    for first, second in (RIGHT_EYE_ENDS, LEFT_EYE_ENDS):
        a, b = points[first], points[second]
        middle, width = 0.5 * (a + b), float(np.linalg.norm(b - a))
        half = np.array([0.32 * width, 0.12 * width])  # the middle of the eye, where the iris is
        low, high = np.maximum((middle - half).astype(int), 0), (middle + half).astype(int) + 1
        patch = grey[low[1] : high[1], low[0] : high[0]]
        ranges.append(float(np.ptp(np.percentile(patch, (5, 95)))) if patch.size >= 12 else np.nan)
    return float(np.mean(ranges))


def openness(contrast: np.ndarray) -> np.ndarray:
    """[T] 1 where the eyes' contrast [T] is as usual, 0 where nearly all of it is gone (NaN counts as usual)."""
    usual = np.nanpercentile(contrast, 60) if np.isfinite(contrast).any() else 0.0
    if usual < LEAST_CONTRAST:
        return np.ones(len(contrast))
    share = np.nan_to_num(contrast / usual, nan=1.0)
    return np.clip((share - GONE) / (THERE - GONE), 0, 1)


def without_bias(points: np.ndarray, scale: float, contrast: np.ndarray | None = None) -> np.ndarray:
    """Landmarks `points` [T, 478, 2 or more] with lips and lids that meet where they do in life; rows of NaN stay so.

    `contrast` [T] are the frames' `eye_contrast`, where known.
    """
    there = np.isfinite(points).all((1, 2))
    if not there.any():
        return points
    flat = points[there][..., :2]
    shut, open_ = shut_gaps(flat, scale)
    gaps = pair_gaps(flat)
    span = np.maximum(open_ - shut, 0.2 * np.abs(open_) + 1e-6)
    wanted = np.where(gaps >= open_, gaps, (gaps - shut) * open_ / span)
    if contrast is not None:
        eyes = np.r_[PAIR_GROUPS["right eye"], PAIR_GROUPS["left eye"]]
        wanted[:, eyes] = np.where(
            wanted[:, eyes] > 0, wanted[:, eyes] * openness(contrast)[there, None], wanted[:, eyes]
        )
    change = wanted - gaps
    down = flat[:, CHIN] - flat[:, FOREHEAD]
    down = down / np.maximum(np.linalg.norm(down, axis=-1, keepdims=True), 1e-9)
    fixed = points.copy()
    corrected = fixed[there]
    # Lips give way to each other; of the lids the upper one does the moving.
    upper_share = np.full(len(PAIRS), 0.8)
    upper_share[PAIR_GROUPS["mouth"]] = 0.5
    upper, lower = np.array(PAIRS).T
    corrected[:, upper, :2] -= (upper_share * change)[..., None] * down[:, None]
    corrected[:, lower, :2] += ((1 - upper_share) * change)[..., None] * down[:, None]
    fixed[there] = corrected
    return fixed
