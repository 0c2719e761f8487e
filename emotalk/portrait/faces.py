"""Which faces a photo shows, and which of them is meant."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from emotalk.core.errors import InputError, TrackingError
from emotalk.tracking.landmarks import FaceFinder, FoundFace

LOOKED_AT = 640
"""Pixels of the longer side of what the detector is shown; it looks at 192 of them itself."""
PADDING = 0.5
"""Share of the picture that is added on each side for one of the looks: faces that fill a picture are found so."""
TILED = 700
"""Pixels of the longer side from which on parts of the picture are looked at too: small faces are found so."""
TILE = 0.6
"""Side of such a part as a share of the picture's."""
SURE = 0.6
"""Score of the detector from which on a face counts, in one of the looks (0.5 is where it begins)."""
UPRIGHT, UPRIGHT_GAIN = 0.85, 0.08
"""Score from which a photo surely stands as it should, and by how much a turned one must be better (the photos of
shared/data/portraits: 0.75 to 0.98 as they stand)."""
SAME = 0.35
"""Overlap (intersection over union) of two boxes that are one face."""
LARGEST = 1.6
"""Times that a face must be as high as any other to be the one that is meant."""
WALLPAPER = 0.25
"""Faces lower than this share of the highest one's are passers-by, pictures on walls or slips of the detector."""


@dataclass(frozen=True)
class PhotoFace:
    """A face of a photo, in its pixels."""

    number: int  # from 1, left to right
    box: tuple[float, float, float, float]  # left, top, right, bottom
    score: float  # of the detector, in [0, 1]
    points: np.ndarray  # [6, 2] right eye, left eye, nose, mouth, right ear, left ear (of the person)

    @property
    def height(self) -> float:
        """Pixels from the brows to the chin, about."""
        return self.box[3] - self.box[1]

    @property
    def centre(self) -> np.ndarray:
        """The middle of its box [2]."""
        left, top, right, bottom = self.box
        return np.array([(left + right) / 2, (top + bottom) / 2])

    @property
    def pupils(self) -> float:
        """Pixels between the eyes as they are seen: about those between the pupils, less in a turned head."""
        return float(np.linalg.norm(self.points[1] - self.points[0]))

    @property
    def roll(self) -> float:
        """Radians that the line of the eyes is turned, clockwise as seen; 0 for a head held straight."""
        across = self.points[1] - self.points[0]
        return float(np.arctan2(across[1], across[0]))


class SeveralFaces(InputError):
    """A photo shows several faces, and none was chosen. `faces` are those that can be."""

    def __init__(self, message: str, faces: tuple[PhotoFace, ...]) -> None:
        super().__init__(message)
        self.faces = faces


def find_faces(
    picture: np.ndarray,  # [H, W, 3] uint8
) -> tuple[PhotoFace, ...]:
    """The faces of a picture from left to right, numbered from 1; none where there is none."""
    height, width = picture.shape[:2]
    found: list[tuple[np.ndarray, float, np.ndarray]] = []
    with FaceFinder() as finder:
        best = 0.0
        # A photo that lies on its side, or upside down: looked at where nothing is clearly upright.
        for quarters in range(4):
            lying = _seen(finder, np.ascontiguousarray(np.rot90(picture, quarters)))
            score = max((score for _, score, _ in lying), default=0.0)
            if score > best + UPRIGHT_GAIN:
                best, found = score, [_turned_back(one, quarters, width, height) for one in lying]
            if best > UPRIGHT:
                break
    kept: list[tuple[np.ndarray, float, np.ndarray]] = []
    for one in sorted(found, key=lambda one: -one[1]):
        if all(_overlap(one[0], other[0]) < SAME for other in kept):
            kept.append(one)
    highest = max((box[3] - box[1] for box, _, _ in kept), default=0.0)
    kept = [one for one in kept if one[0][3] - one[0][1] >= WALLPAPER * highest]
    kept.sort(key=lambda one: (one[0][0] + one[0][2], one[0][1]))
    return tuple(
        PhotoFace(number, tuple(float(edge) for edge in box), float(score), points)
        for number, (box, score, points) in enumerate(kept, 1)
    )


def choose_face(faces: tuple[PhotoFace, ...], wanted: int | None = None) -> PhotoFace:
    """The face that is meant: number `wanted`, or the only one, or one that is much higher than all others.

    Raises TrackingError where there is none, InputError where there is none of that number, and SeveralFaces where it
    is not clear which one is meant.
    """
    if not faces:
        raise TrackingError(
            "No face was found in the photo. Take one from the front, with light on the face and nothing before it, so "
            "that the face takes up at least a quarter of the picture's height."
        )
    if wanted is not None:
        if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= len(faces):
            raise InputError(f"The photo shows {_counted(len(faces))}; face {wanted!r:.20} was asked for.")
        return faces[wanted - 1]
    first, *others = sorted(faces, key=lambda face: -face.height)
    if all(first.height >= LARGEST * other.height for other in others):
        return first
    places = "; ".join(f"{face.number}: {face.height:.0f} pixels high at {_place(face)}" for face in faces)
    raise SeveralFaces(
        f"The photo shows {_counted(len(faces))}, from left to right ({places}). Say whose avatar it is to be by that "
        "number (--face 2), or crop the photo to one person.",
        faces,
    )


def _seen(finder: FaceFinder, picture: np.ndarray) -> list[tuple[np.ndarray, float, np.ndarray]]:
    """(box [4], score, points [6, 2]) in pixels of what the detector finds, the same face more than once."""
    found = []
    for view, left, top, scale in _views(picture):
        height, width = view.shape[:2]
        for face in finder.find(view):
            size = np.array([width, height])
            box = np.array([face.left, face.top, face.left + face.width, face.top + face.height])
            box = box * np.tile(size, 2) / scale + np.tile([left, top], 2)
            if face.score >= SURE and not _cut_by(face, (left, top), picture, view, scale):
                found.append((box, face.score, face.points * size / scale + (left, top)))
    return found


def _turned_back(
    one: tuple[np.ndarray, float, np.ndarray], quarters: int, width: int, height: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """What was found in a photo of `width` x `height` turned anticlockwise by `quarters`, in the photo as it lies."""
    box, score, points = one
    corners = box.reshape(2, 2)

    def back(at: np.ndarray) -> np.ndarray:
        x, y = at[:, 0], at[:, 1]
        places = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))
        return np.stack(places[quarters], 1)

    corners = back(corners)
    return np.concatenate([corners.min(0), corners.max(0)]), score, back(points)


def _views(picture: np.ndarray):
    """(view, left, top, scale): what the detector is shown, where it begins in the picture, and how it is scaled."""
    height, width = picture.shape[:2]
    longest = max(height, width)

    def shown(part: np.ndarray) -> tuple[np.ndarray, float]:
        scale = min(1.0, LOOKED_AT / max(part.shape[:2]))
        if scale == 1.0:
            return np.ascontiguousarray(part), 1.0
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        return cv2.resize(part, size, interpolation=cv2.INTER_AREA), scale

    whole, scale = shown(picture)
    yield whole, 0.0, 0.0, scale
    pad = round(PADDING * max(whole.shape[:2]))
    padded = cv2.copyMakeBorder(whole, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    yield padded, -pad / scale, -pad / scale, scale
    if longest >= TILED:
        tile_high, tile_wide = round(TILE * height), round(TILE * width)
        for top in (0, height - tile_high):
            for left in (0, width - tile_wide):
                view, scale = shown(picture[top : top + tile_high, left : left + tile_wide])
                yield view, float(left), float(top), scale


def _cut_by(face: FoundFace, corner: tuple[float, float], picture: np.ndarray, view: np.ndarray, scale: float) -> bool:
    """Whether a border of the view, where the picture goes on, cuts the face: another view shows it whole."""
    height, width = picture.shape[:2]
    left, top = corner
    right, bottom = left + view.shape[1] / scale, top + view.shape[0] / scale
    return (
        (left > 1 and face.left < 0.02)
        or (top > 1 and face.top < 0.02)
        or (right < width - 1 and face.left + face.width > 0.98)
        or (bottom < height - 1 and face.top + face.height > 0.98)
    )


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.maximum(high - low, 0))
    return float(both / max(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both, 1e-9))


def _place(face: PhotoFace) -> str:
    x, y = face.centre
    return f"{x:.0f}, {y:.0f}"


def _counted(count: int) -> str:
    return "1 face" if count == 1 else f"{count} faces"
