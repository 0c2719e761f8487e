"""Is a photo good enough, and what would make it better: measures of the face in it, and sentences.

Limits were chosen on the thirty CC0 photos of shared/data/portraits (as they are; blurred, shrunk, darkened and
brightened; eight of them with masks and scarves painted over mouth and nose) and on the four shipped characters, which
pass. So few pictures choose an order of magnitude, no more: most limits lie in the middle of a wide gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import (
    BROWS,
    CHIN,
    FOREHEAD,
    LEFT_SIDE,
    MOUTH,
    OUTLINES,
    OVAL,
    RIGHT_SIDE,
    apertures,
    eye_distance,
)  # fmt: skip
from emotalk.portrait.photo_landmarks import PhotoLandmarks
from emotalk.tracking.landmark_bias import eye_contrast
from emotalk.tracking.quality import sharpness

LEAST_PUPILS, FEW_PUPILS = 32.0, 60.0
"""Pixels between the pupils below which a photo is refused, and below which it is called small. The frame of 512 pixels
has 62 for a whole head with shoulders."""
PROFILE, ASIDE = 28.0, 18.0
"""Degrees of turn from which a photo is refused, and from which it is said that a side is guessed."""
UNSURE_PROFILE = 22.0
"""The same where the looks differ by UNSURE: landmarks in profile are drawn back to the front."""
UNSURE = 0.030
"""Mean distance of the landmarks' looks from each other, in eye distances, that a face which is seen freely does not
reach (photos: 0.011 to 0.029; under painted masks 0.030 to 0.073, behind a camera 0.050, half in profile 0.045)."""
LOST = 0.055
"""The same from which landmarks are not to be used at all."""
NOD = 28.0
"""Degrees up or down from which a photo is refused."""
BLURRED, SOFT = 0.15, 0.24
"""`tracking.quality.sharpness` of the face in the frame below which it is refused, or called soft (in focus: 0.41 to 1;
blurred by 4 of 1000 pixels 0.13 to 0.21, by 8 0.08 to 0.11)."""
DARK, DIM = 24.0, 34.0
"""CIE lightness (0 to 100) of the face's brightest twentieth: the darkest of the photos has 52, of any skin."""
BURNT, BRIGHT = 0.4, 0.12
"""Share of the face's pixels that are white."""
SHUT = 0.028
"""Opening of the eyes in eye distances (narrowed by a laugh: 0.045; shut: up to 0.017)."""
BLANK = 20.0
"""Grey levels of contrast between the lids below which there is no eye to be seen (open: 46 and more)."""
OPEN_MOUTH, WIDE_MOUTH = 0.06, 0.2
"""Opening of the mouth in eye distances from which it is mentioned, and from which it counts as a fault."""
SHADED, TINTED = 18.0, 24.0
"""How far what surrounds the eyes differs from the cheek beside it, in CIE Lab (lightness at 0.4) and in hundredths of
log chromaticity, on both sides, under sunglasses (four pairs: 19 to 37, and 29 to 68; without: 17 and 38 at most, none
in both)."""
STRONG = 4.5
"""Sum of the ARKit weights from which an expression is called strong."""
TOUCHED, HELD = 0.03, 0.1
"""Share of the face's outline under hands that is mentioned, and of the mouth that is refused; of the whole face it is
twice that."""
PAPER = 60.0
"""Lightness that everything in a colourless face has on paper, hair lines and eyes apart."""
COLOURLESS = 3.0
FLAT = 0.45
"""Share of the face in patches of one single colour (photos up to 0.13, renders 0.26, traced drawings more)."""
_AROUND_EYES = ((222, 223, 224, 225, 229, 230, 119, 120), (442, 443, 444, 445, 449, 450, 348, 349))
"""Skin between brow and upper lid and below the lower lid: right, left."""
_CHEEKS = ((50, 205, 36, 187), (280, 425, 266, 411))
_GREY_LIPS = (2.5, 6.0, 6.0)
"""Lips differ from what surrounds them by less than this in redness and lightness, and their seam from them: none."""


@dataclass(frozen=True)
class PhotoMeasures:
    """What the checks go by."""

    pupils: float  # pixels of the photo between the pupils
    spread: float  # of the landmarks over several looks, in eye distances
    outside: tuple[str, ...]  # parts of the face that the photo's border cuts off
    hair_cut: bool  # the photo ends within the hair
    sharpness: float
    lightness: float  # CIE L of the brightest twentieth of the face
    white: float  # share of the face
    eyes: float  # opening of both, in eye distances
    eye_contrast: float  # grey levels
    mouth: float  # opening, in eye distances
    shades: tuple[float, float]  # how far eyes differ from cheeks: Lab, log chromaticity; the lesser side
    lips: tuple[float, float, float]  # redness, lightness, seam (see _GREY_LIPS)
    hands: float  # share of the face under hands
    mouth_hands: float  # share of the mouth under hands
    flat: float  # share of the face in patches of one colour
    chroma: float
    darkest: float  # CIE L of the darkest twentieth of the face


@dataclass(frozen=True)
class PhotoVerdict:
    """What is said of a photo that is accepted."""

    verdict: Literal["good", "usable"]
    sentences: tuple[str, ...]


def measure_photo(
    frame: np.ndarray,  # [size, size, 3] uint8, the tracked square
    points: np.ndarray,  # [478, 2 or more] landmarks in it, px
    seen: PhotoLandmarks,
    width: int,  # of the whole photo
    height: int,
    hands: list[np.ndarray],  # [21, 2] joints of each hand in the frame, px
) -> PhotoMeasures:
    """Measures of a face in its frame."""
    flat = points[:, :2]
    scale = eye_distance(flat[None])
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    lab = cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    face = _filled(flat[list(OVAL)], grey.shape)
    low, high = np.clip(flat.min(0), 0, len(grey) - 8).astype(int), np.clip(flat.max(0) + 1, 8, len(grey)).astype(int)
    opening, right, left = apertures(flat[None])[0] / scale
    kernel = np.ones((5, 5), np.uint8)
    even = (cv2.dilate(grey, kernel) - cv2.erode(grey, kernel)) <= 2
    lightness = lab[face][:, 0] if face.any() else np.full(1, 50.0)
    outside, hair_cut = _cut_off(seen, width, height)
    return PhotoMeasures(
        pupils=seen.pupils,
        spread=seen.spread,
        outside=outside,
        hair_cut=hair_cut,
        sharpness=sharpness(grey[low[1] : high[1], low[0] : high[0]]),
        lightness=float(np.percentile(lightness, 95)),
        white=float((grey[face] >= 250).mean()) if face.any() else 0.0,
        eyes=float(0.5 * (right + left)),
        eye_contrast=eye_contrast(grey, flat),
        mouth=float(opening),
        shades=_shades(frame, lab, flat, scale),
        lips=_lips(lab, flat, scale),
        hands=_under(flat[list(OVAL)], hands),
        mouth_hands=_under(flat[list(MOUTH)], hands),
        flat=float(even[face].mean()) if face.any() else 0.0,
        chroma=float(np.hypot(*np.median(lab[face][:, 1:], 0))) if face.any() else 0.0,
        darkest=float(np.percentile(lightness, 5)),
    )


def check_size(pupils: float, name: str = "the photo") -> None:
    """Raise TrackingError where there are too few pixels between the `pupils`."""
    if pupils < LEAST_PUPILS:
        raise TrackingError(
            f"The face in {name} is too small: {pupils:.0f} pixels between the eyes, at least {LEAST_PUPILS:.0f} are "
            "needed and 100 are good. Come nearer, or choose a larger picture."
        )


def check_picture(found: PhotoMeasures, name: str = "the photo") -> None:
    """Raise TrackingError, with a sentence, where a face cannot be used as it is seen, whatever its pose."""
    check_size(found.pupils, name)
    if found.outside:
        raise TrackingError(
            f"{_begin(name)} cuts off {' and '.join(found.outside)}. Choose one that shows the whole face, best with "
            "hair and shoulders."
        )
    if found.lightness < DARK:
        raise TrackingError(
            f"The face in {name} is too dark: its brightest parts have {found.lightness:.0f} % of white's lightness. "
            "Turn towards a window or a lamp and take another one."
        )
    if found.white > BURNT:
        raise TrackingError(
            f"The face in {name} is over-exposed: {100 * found.white:.0f} % of it is plain white. Take another one "
            "with less light or without flash."
        )
    if found.sharpness < BLURRED:
        raise TrackingError(
            f"The face in {name} is blurred: sharpness {found.sharpness:.2f}, at least {BLURRED} is needed. Clean the "
            "lens, hold still, let the camera focus on the face."
        )
    covered, what = (found.mouth_hands, "mouth") if found.mouth_hands > HELD else (found.hands, "face")
    if covered > (HELD if what == "mouth" else 2 * HELD):
        raise TrackingError(
            f"A hand covers {100 * covered:.0f} % of the {what} in {name}. Choose one with nothing before the face."
        )
    redness, lightness, seam = (value < limit for value, limit in zip(np.abs(found.lips), _GREY_LIPS, strict=True))
    if found.spread > UNSURE and redness and lightness and seam:
        raise TrackingError(
            f"The mouth cannot be seen in {name}: something covers it, a mask, a scarf or a hand. Choose one with "
            "nothing before the face."
        )
    # After the mouth: a mask on the cheeks makes the skin around the eyes look odd too.
    if min(found.shades[0] / SHADED, found.shades[1] / TINTED) > 1:
        raise TrackingError(
            f"Sunglasses cover the eyes in {name}. Take them off: clear glasses are fine, but eyes must be seen."
        )
    if found.flat > FLAT or (found.chroma < COLOURLESS and found.darkest > PAPER):
        raise TrackingError(
            f"{_begin(name)} looks like a drawing: plain areas instead of skin. Choose a photograph of a person, or a "
            "picture that is as detailed as one."
        )
    if found.eyes < SHUT or found.eye_contrast < BLANK:
        raise TrackingError(
            f"The eyes are shut in {name}, or cannot be seen. Choose one in which they look into the camera."
        )


def check_pose(
    found: PhotoMeasures,
    yaw: float,  # degrees
    pitch: float,
    name: str = "the photo",
) -> None:
    """Raise TrackingError, with a sentence, where a head is turned too far or its landmarks cannot be relied on."""
    turned = abs(yaw) > PROFILE or (found.spread > UNSURE and abs(yaw) > UNSURE_PROFILE)
    if turned:
        raise TrackingError(
            f"The head in {name} is turned aside by about {abs(yaw):.0f} degrees, so that one half of the face is "
            "hidden. Choose one from the front, looking into the camera."
        )
    if abs(pitch) > NOD:
        way = "down" if pitch > 0 else "up"
        raise TrackingError(
            f"The head in {name} looks {way} by about {abs(pitch):.0f} degrees. Choose one with the camera at the "
            "height of the eyes."
        )
    if found.spread > LOST:
        raise TrackingError(
            f"The face in {name} cannot be made out with certainty: something covers a part of it. Choose one from the "
            "front with nothing before the face."
        )


def judge_photo(found: PhotoMeasures, yaw: float, expression: float) -> PhotoVerdict:
    """The verdict on an accepted photo. `yaw` is in degrees; `expression` is the sum of the ARKit weights of the face
    that it makes."""
    sentences, faults = [], 0

    def say(sentence: str, fault: bool = True) -> None:
        nonlocal faults
        sentences.append(sentence)
        faults += fault

    if found.pupils < FEW_PUPILS:
        say(f"The face is small ({found.pupils:.0f} pixels between the eyes): a larger picture shows more detail.")
    if found.sharpness < SOFT:
        say("The face is a little blurred, and the avatar will be.")
    if found.lightness < DIM:
        say("The face is rather dark: more light would show more of it.")
    if found.white > BRIGHT:
        say(f"{100 * found.white:.0f} % of the face is plain white: with less light its shape could be seen.")
    if abs(yaw) > ASIDE:
        say(f"The head is turned by {abs(yaw):.0f} degrees: the far side of the face is guessed.")
    if found.spread > UNSURE:
        say("The face is not seen freely (hair, a hand or glasses before it, or turned): parts of it are guessed.")
    if found.hands > TOUCHED:
        say("A hand touches the face and will become a part of it: a photo without it is better.")
    if found.mouth > WIDE_MOUTH:
        say("The mouth is wide open: it is shut by a guess. A photo with a calm face gives a better avatar.")
    elif found.mouth > OPEN_MOUTH:
        say("The mouth is open and is shut by a guess: a photo with shut lips is better.", fault=False)
    if expression > STRONG:
        say("The face makes a strong expression, which is taken out: folds of it may stay. A calm face is better.")
    if found.hair_cut:
        say("The photo ends within the hair: a little more room above the head is better.", fault=False)
    if not faults:
        sentences.insert(0, "The photo is good.")
    return PhotoVerdict("usable" if faults else "good", tuple(sentences))


def _begin(name: str) -> str:
    return name[:1].upper() + name[1:]


def _filled(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    return mask.astype(bool)


def _cut_off(seen: PhotoLandmarks, width: int, height: int) -> tuple[tuple[str, ...], bool]:
    """Names of what lies beyond the photo's border, and whether the hair does."""
    points, room = seen.points[:, :2], 0.04 * seen.pupils
    parts = {
        "the chin": points[[CHIN, 148, 377]],
        "the forehead": points[[FOREHEAD, 109, 338]],
        "a side of the face": points[[LEFT_SIDE, RIGHT_SIDE, *BROWS, 132, 361]],
    }
    beyond = [
        name
        for name, part in parts.items()
        if ((part < -room) | (part > np.array([width, height]) + room)).any(1).mean() > 0.05
    ]
    top = seen.eyes - 2.1 * seen.pupils * np.array([-np.sin(seen.roll), np.cos(seen.roll)])
    return tuple(beyond), bool((top < 0).any() or (top > [width, height]).any())


def _discs(values: np.ndarray, points: np.ndarray, at: tuple[int, ...], scale: float) -> np.ndarray:
    """Medians [len(at), C] of a picture `values` [h, w, C] around landmarks."""
    radius, size = max(2, int(0.035 * scale)), len(values)
    found = []
    for x, y in np.clip(points[list(at)], 0, size - 1).astype(int):
        patch = values[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        found.append(np.median(patch.reshape(-1, values.shape[-1]), 0))
    return np.array(found)


def _shades(frame: np.ndarray, lab: np.ndarray, points: np.ndarray, scale: float) -> tuple[float, float]:
    smooth = cv2.GaussianBlur(frame, (0, 0), 1.5).astype(np.float32) + 8
    chroma = 100 * np.stack([np.log(smooth[..., k] / smooth[..., 1]) for k in (0, 2)], -1)
    apart = []
    for eye, cheek in zip(_AROUND_EYES, _CHEEKS, strict=True):
        off = (_discs(lab, points, eye, scale) - np.median(_discs(lab, points, cheek, scale), 0)) * (0.4, 1, 1)
        tint = _discs(chroma, points, eye, scale) - np.median(_discs(chroma, points, cheek, scale), 0)
        apart.append((np.median(np.linalg.norm(off, axis=1)), np.median(np.linalg.norm(tint, axis=1))))
    return tuple(float(value) for value in np.min(apart, 0))


def _lips(lab: np.ndarray, points: np.ndarray, scale: float) -> tuple[float, float, float]:
    """How lips differ from what surrounds them in redness and lightness, and the line between them from the lips."""
    outer = _filled(points[list(OUTLINES[0])], lab.shape)
    inner = _filled(points[list(OUTLINES[1])], lab.shape)
    width = max(3, int(0.12 * scale)) | 1
    ring = (cv2.dilate(outer.astype(np.uint8), np.ones((width, width), np.uint8)) > 0) & ~outer
    lips = outer & ~inner
    if not lips.any() or not ring.any():
        return 0.0, 0.0, 0.0
    x, y = np.clip(points[[13, 14, 82, 312, 87, 317]], 0, len(lab) - 1).astype(int).T
    redness = lab[lips][:, 1].mean() - np.median(lab[ring][:, 1])
    lightness = np.median(lab[lips][:, 0]) - np.median(lab[ring][:, 0])
    return float(redness), float(lightness), float(np.median(lab[y, x, 0]) - np.median(lab[lips][:, 0]))


def _under(outline: np.ndarray, hands: list[np.ndarray]) -> float:
    """Share of the hull of points [n, 2] under hands, in [0, 1]."""
    hull = cv2.convexHull(np.ascontiguousarray(outline, np.float32))
    area = cv2.contourArea(hull)
    if area <= 0:
        return 0.0
    under = [cv2.intersectConvexConvex(hull, cv2.convexHull(hand.astype(np.float32)))[0] for hand in hands]
    return float(min(1.0, sum(under) / area))
