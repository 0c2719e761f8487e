"""How much of each pixel is the person: an alpha matte with the detail of hair, and the person's colours without what
is behind them.

classes ─► trimap ─► alpha (closed-form matting) ─► colours of person and background

Segmentation knows a head to a few pixels and no strand of hair; the picture knows them where hair differs from what is
behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from emotalk.tracking.masks import BACKGROUND, HAIR

OUTSIDE, INSIDE = 5, 5
"""Pixels at 512 on either side of the outline that are not certain."""
OUTSIDE_HAIR, INSIDE_HAIR = 18, 9
"""The same around hair: strands reach far beyond any mask, and the background shines through hair within it."""
WINDOW = 6
"""Pixels at 512: radius of the neighbourhoods in which person and background each have few colours."""
EVENNESS = 2e-4
"""Variance of colours that is noise."""
KNOWN, TRUST = 10.0, 0.02
"""Weight, in that of a whole neighbourhood, of what the mask says of pixels that are certain, and of those that are
not."""
ROUNDS = 60
"""Of conjugate gradients at most: about 30 do."""
RESIDUAL = 2e-3
SPREADS = (45, 5)
"""Pixels at 512: radii over which the colours of person and background are continued, the coarse one first."""
FAINT = 1e-3
"""Weight of colours where neither is: far from either, what was found before stays."""
CLEAR, FULL = 0.03, 0.97
"""Alphas that count as 0 and 1."""


@dataclass(frozen=True)
class Matte:
    """A picture as person over background: picture = alpha foreground + (1 - alpha) background."""

    alpha: np.ndarray  # [H, W] float32 in [0, 1]
    foreground: np.ndarray  # [H, W, 3] float32 in [0, 1], continued beyond the person
    background: np.ndarray  # [H, W, 3] float32 in [0, 1], continued behind the person


def matte_of(
    picture: np.ndarray,  # [H, W, 3] uint8
    classes: np.ndarray,  # [H, W] of tracking.masks
) -> Matte:
    """The matte of the person whose classes are known to some pixels."""
    color = picture.astype(np.float32) / 255
    alpha = find_alpha(color, *trimap(classes))
    return Matte(alpha, *separated(color, alpha))


def trimap(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the classes [H, W] say of a picture: the person [H, W] (bool), and where that is certain [H, W] (bool)."""
    person, hair = classes != BACKGROUND, classes == HAIR
    outside = _grown(person, OUTSIDE) | _grown(hair, OUTSIDE_HAIR)
    # What lies beyond the picture is as what lies at its border: a head that is cut off has no outline there.
    inside = _grown(~person, INSIDE) | (_grown(~person, INSIDE_HAIR) & hair)
    return person, ~(outside & inside)


def find_alpha(
    color: np.ndarray,  # [H, W, 3] float32 in [0, 1]
    person: np.ndarray,  # [H, W] bool
    certain: np.ndarray,  # [H, W] bool
) -> np.ndarray:
    """Alpha [H, W] in [0, 1] of a trimap by closed-form matting (Levin, Lischinski & Weiss 2008): within every small
    neighbourhood alpha is a linear function of the colour. The matting Laplacian is applied by box filters, as a guided
    filter is (He, Sun & Tang 2010), so that neighbourhoods can be large and few rounds suffice."""
    alpha = person.astype(np.float32)
    rows, columns = np.nonzero(~certain)
    if not len(rows) or person.all():
        return alpha
    radius = max(1, round(WINDOW * len(color) / 512))
    margin = 2 * radius + 1
    part = tuple(
        slice(max(0, side.min() - margin), min(length, side.max() + margin + 1))
        for side, length in zip((rows, columns), color.shape[:2], strict=True)
    )
    guide = _Guide(color[part], radius)
    wanted, known = alpha[part], certain[part]
    weight = np.where(known, np.float32(KNOWN), np.float32(TRUST))

    def applied(values: np.ndarray) -> np.ndarray:
        return values - guide.filtered(values) + weight * values

    found = _solved(applied, weight * wanted, wanted.copy(), 1 + weight)
    found = np.where(known, wanted, np.clip((found - CLEAR) / (FULL - CLEAR), 0, 1))
    alpha[part] = found
    return alpha


def separated(
    color: np.ndarray,  # [H, W, 3] float32 in [0, 1]
    alpha: np.ndarray,  # [H, W] float32 in [0, 1]
) -> tuple[np.ndarray, np.ndarray]:
    """The colours of person and background, [H, W, 3] each: those of neighbours that are wholly one or the other, put
    right where both show (the blur fusion of Forté 2021)."""
    share = alpha[..., None]
    front, behind = color, color
    for spread in SPREADS:
        radius = max(1, round(spread * len(color) / 512))
        front = _mean(front, share + FAINT, radius)
        behind = _mean(behind, 1 - share + FAINT, radius)
        off = color - share * front - (1 - share) * behind
        front = np.clip(front + share * off, 0, 1)
        behind = np.clip(behind + (1 - share) * off, 0, 1)
    return front.astype(np.float32), behind.astype(np.float32)


class _Guide:
    """A picture of which other planes are locally linear functions (He, Sun & Tang 2013, equation 14)."""

    def __init__(self, color: np.ndarray, radius: int) -> None:
        self.color, self.radius = color, radius
        self.mean = self._mean(color)
        outer = self._mean((color[..., :, None] * color[..., None, :]).reshape(*color.shape[:2], 9))
        covariance = outer.reshape(*color.shape[:2], 3, 3) - self.mean[..., :, None] * self.mean[..., None, :]
        self.inverse = np.linalg.inv(covariance + EVENNESS * np.eye(3, dtype=np.float32)).astype(np.float32)

    def filtered(self, plane: np.ndarray) -> np.ndarray:
        """The nearest [H, W] to a plane [H, W] that is locally linear in the picture."""
        both = self._mean(np.concatenate([self.color * plane[..., None], plane[..., None]], -1))
        mean = both[..., 3]
        slope = np.einsum("hwij,hwj->hwi", self.inverse, both[..., :3] - self.mean * mean[..., None])
        offset = mean - (slope * self.mean).sum(-1)
        again = self._mean(np.concatenate([slope, offset[..., None]], -1))
        return (again[..., :3] * self.color).sum(-1) + again[..., 3]

    def _mean(self, planes: np.ndarray) -> np.ndarray:
        return _blurred(planes, self.radius)


def _solved(applied, wanted: np.ndarray, start: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Conjugate gradients, with a diagonal preconditioner."""
    found = start
    rest = wanted - applied(found)
    scaled = rest / diagonal
    way, before = scaled.copy(), float((rest * scaled).sum())
    limit = RESIDUAL**2 * max(float((wanted * wanted / diagonal).sum()), 1e-12)
    for _ in range(ROUNDS):
        if before <= limit:
            break
        step = applied(way)
        length = before / max(float((way * step).sum()), 1e-12)
        found = found + length * way
        rest = rest - length * step
        scaled = rest / diagonal
        now = float((rest * scaled).sum())
        way, before = scaled + (now / before) * way, now
    return found


def _blurred(planes: np.ndarray, radius: int) -> np.ndarray:
    """Means of planes [H, W] or [H, W, C] over squares of side 2 radius + 1."""
    size = (2 * radius + 1, 2 * radius + 1)
    planes = np.ascontiguousarray(planes, np.float32)
    return cv2.boxFilter(planes, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT).reshape(planes.shape)


def _mean(planes: np.ndarray, weight: np.ndarray, radius: int) -> np.ndarray:
    """Means of [H, W, C] over squares, weighted by [H, W, 1]."""
    return _blurred(planes * weight, radius) / _blurred(weight[..., 0], radius)[..., None]


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    radius = max(1, round(pixels * len(mask) / 512))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
