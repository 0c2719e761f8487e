"""The colour of teeth in the light of a photo.

A photo of open lips shows it. Of others it is guessed: teeth are about as bright as the brightest skin, as the white of
an eye in the same light where that is in no shadow, and have less of a tint than skin.
"""

from __future__ import annotations

import cv2
import numpy as np

from emotalk.core.landmarks import INNER_LIPS

EYES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
"""Landmarks along the lids of each eye."""
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
"""The middle of each iris and four places on its border."""
BRIGHT_SKIN = 0.9
"""Quantile of the lightness of skin that the brightest quarter of teeth is as light as: the median of eight smiles of
the portraits folder is 1.04 of it, .75 to 1.3."""
OF_WHITE = 0.85
"""Lightness of teeth in that of the white of the eyes."""
LIGHTNESS = (0.3, 0.92)
WARMTH = 0.28
"""Exponent on the ratio of red and blue of skin that gives that of teeth (.2 to .55 in the same smiles)."""
WARMEST = 1.5
"""The redder light of a sunset or a wood makes teeth look like wood."""
LIT = 0.92
"""Lightness of front teeth as a whole in that of their brightest quarter: a donor's have no shadows of their own."""
SIDES = (0.017, 0.030)
"""Metres from the middle of the face at which teeth begin to lie in the shadow of the cheeks, and are wholly in it."""
IN_SHADOW = 0.4
"""Of their light there. In the same smiles teeth have .98 of that of the middle 12 to 16 mm aside, .85 to 20, .65 to 24
and .35 to 28; those of shipped avatars, with a light of their own in the mouth, .9, .85, .8, .76."""
FEWEST = 150
"""Pixels at 512 that must lie between open lips to be read, and a quarter as many in the eyes."""
BRIGHTEST = 0.75, 0.7
"""Quantiles of lightness from which what lies between lips is teeth, and between lids is white."""
LESS_RED = 0.8
"""Redness of teeth, at most, in that of the skin."""


def tooth_color(
    picture: np.ndarray,  # [H, W, 3] in [0, 1]
    landmarks: np.ndarray,  # [478, 2] pixels
    skin: np.ndarray,  # [F, 3] colours of the face in it
) -> np.ndarray:
    """The colour [3] in [0, 1] that front teeth have, or would have, in a photo."""
    middle = np.median(skin, axis=0)
    seen = _brightest(picture, _between(picture, landmarks, INNER_LIPS), BRIGHTEST[0], FEWEST)
    if seen is not None and _redness(seen) < LESS_RED * _redness(middle) + 0.02:
        return _warm(LIT * float(seen.mean()), float(seen[0] / max(seen[2], 0.02)))
    light = float(np.quantile(skin.mean(1), BRIGHT_SKIN))
    white = _brightest(picture, _whites(picture, landmarks), BRIGHTEST[1], FEWEST // 4)
    if white is not None:
        light = max(light, OF_WHITE * float(white.mean()))
    return _warm(LIT * light, float(middle[0] / max(middle[2], 0.02)) ** WARMTH)


def side_shadow(places: np.ndarray) -> np.ndarray:
    """How much of the light of front teeth others have [N] float32, at `places` [N, 3] (metres) of the template."""
    near, far = SIDES
    into = ((np.abs(places[:, 0]) - near) / (far - near)).clip(0, 1)
    return (1 - (1 - IN_SHADOW) * into * into * (3 - 2 * into)).astype(np.float32)


def _warm(light: float, warmth: float) -> np.ndarray:
    """A white [3] of this lightness whose red is `warmth` times its blue. Green lies between: lips make a picture's
    teeth pink, which as the colour of all of them looks wrong."""
    warmth = np.clip(warmth, 1 / WARMEST, WARMEST)
    tint = np.array([warmth**0.5, 1.0, warmth**-0.5])
    return (np.clip(light, *LIGHTNESS) * tint / tint.mean()).clip(0, 1)


def _between(picture: np.ndarray, landmarks: np.ndarray, outline: tuple[int, ...]) -> np.ndarray:
    """Pixels [H, W] (bool) within an outline of landmarks, without its border."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(landmarks[list(outline)] * 8).astype(np.int32)], 1, shift=3)
    width = 1 + 2 * max(1, round(picture.shape[0] / 512))
    return cv2.erode(mask, np.ones((width, width), np.uint8)).astype(bool)


def _whites(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    found = np.zeros(picture.shape[:2], bool)
    for lids, (middle, *border) in zip(EYES, IRISES, strict=True):
        radius = 1.15 * np.linalg.norm(landmarks[border] - landmarks[middle], axis=1).max()
        away = np.hypot(x + 0.5 - landmarks[middle, 0], y + 0.5 - landmarks[middle, 1])
        found |= _between(picture, landmarks, lids) & (away > radius)
    return found


def _brightest(picture: np.ndarray, mask: np.ndarray, quantile: float, fewest: int) -> np.ndarray | None:
    """The mean colour of the brightest pixels of a mask; None where it is too small."""
    pixels = picture[mask]
    if len(pixels) < fewest * (picture.shape[0] / 512) ** 2:
        return None
    light = pixels.mean(1)
    return pixels[light >= np.quantile(light, quantile)].mean(0)


def _redness(color: np.ndarray) -> float:
    return float((color[0] - color[1:].mean()) / max(color.mean(), 0.02))
