"""The frames of a tracked video that a fit learns from: a varied choice of them, held in little memory."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull
from torch import Tensor

from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.ssim import planar
from emotalk.fitting.samples import Target, shrink_camera

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emotalk.tracking import TrackedVideo

UNSURE = 5
"""Pixels at 512 on either side of the person's outline where the mask is not trusted."""
CLASS_WEIGHTS = (0.6, 1.0, 2.0, 2.0)
"""How much a pixel counts, by class: a viewer looks at the face."""
MOVING_GROWN = 4
"""Pixels at 512 by which lids and lips reach beyond their landmarks."""
MOVING_WEIGHT = 4.0
"""How much their pixels count: two of a hundred pixels, in which one looks for speech and feeling."""
_UNSURE_BIT = 8
_MOVING_BIT = 16
_UNLIKE = np.random.default_rng(0).normal(0, 1e-3, (64, 2))
"""Pixels that keep a hull from failing where points coincide."""


class ExtraPair(NamedTuple):
    """A picture that the video does not hold, and the motion that shows it."""

    picture: np.ndarray  # [H, W, 3] uint8 through the video's camera
    motion: HeadMotion  # one frame
    weights: np.ndarray | None = None  # [H, W] numbers >= 0, how much its pixels count beside the video's; None: all 1
    torso: Tensor | None = None  # how the shoulders move in it, as the avatar's frames have it; None: not at all
    row: int | None = None  # frame of the video that it was made from: what is learned of its pose holds here as well


@dataclass(frozen=True)
class KeptPair:
    """An extra pair in little memory."""

    motion: HeadMotion
    torso: Tensor | None
    row: int | None
    share: float  # mean weight of a pixel
    _picture: bytes
    _weights: bytes | None

    @classmethod
    def of(cls, pair: ExtraPair) -> KeptPair:
        """The same pair, its picture and weights packed without loss."""
        file = io.BytesIO()
        Image.fromarray(pair.picture).save(file, "png", compress_level=1)
        weights = None if pair.weights is None else np.asarray(pair.weights, np.float32)
        share = 1.0 if weights is None else float(weights.mean())
        packed = None if weights is None else zlib.compress(weights.tobytes(), 1)
        return cls(pair.motion, pair.torso, pair.row, share, file.getvalue(), packed)

    @property
    def picture(self) -> np.ndarray:
        """[H, W, 3] uint8."""
        return np.array(Image.open(io.BytesIO(self._picture)))

    def weights(self, size: tuple[int, int]) -> np.ndarray:
        """[H, W] float32 of that size; 1 where none were given."""
        if self._weights is None:
            return np.ones(size, np.float32)
        return np.frombuffer(bytearray(zlib.decompress(self._weights)), np.float32).reshape(size)


class VideoFrames:
    """Responsibilities: choose frames of a tracked video, and hand them out as targets of a fit.

    Of each frame its marks are kept (256 KB at 512 x 512); its picture is decoded anew each time, 2 % of a step, which
    spares three times that; an extra pair is kept packed (about 350 KB). As only so many frames are chosen, memory is
    bounded whatever the length of the video.
    """

    def __init__(self, tracked: TrackedVideo, rows: Iterable[int]) -> None:
        self.tracked = tracked
        self.rows = np.asarray(list(rows), np.int64)
        if not len(self.rows):
            raise InputError("The video has no frame with a well tracked face; record it again in better light.")
        self.camera = tracked.camera
        self._marks: dict[int, np.ndarray] = {}
        self.extra: list[KeptPair] = []

    def __len__(self) -> int:
        return len(self.rows) + len(self.extra)

    @property
    def motion(self) -> HeadMotion:
        """The motion of all frames, one after the other: as it was tracked, then that of the extra pairs."""
        return HeadMotion.concatenate([self.filmed, *(pair.motion for pair in self.extra)])

    @property
    def filmed(self) -> HeadMotion:
        """The tracked motion of the frames of the video."""
        return HeadMotion(**{name: value[self.rows] for name, value in vars(self.tracked.motion).items()})

    @property
    def times(self) -> np.ndarray:
        """Numbers [len(self)] of the frames in the video; an extra pair is far from all others."""
        last = self.rows[-1] if len(self.rows) else 0
        return np.concatenate([self.rows, last + 1000 * np.arange(1, len(self.extra) + 1)])

    def add(self, pairs: Iterable[ExtraPair | tuple[np.ndarray, HeadMotion]]) -> None:
        """More training pairs through the same camera: pictures [H, W, 3] uint8 with one frame of motion each."""
        size = (self.camera.height, self.camera.width, 3)
        for pair in pairs:
            pair = ExtraPair(*pair)
            picture, motion, weights = pair.picture, pair.motion, pair.weights
            if picture.shape != size or picture.dtype != np.uint8 or len(motion) != 1:
                raise InputError(
                    f"An extra training pair is a picture {list(size)} uint8 and one frame of motion, found "
                    f"{list(picture.shape)} {picture.dtype} and {len(motion)} frames."
                )
            if weights is not None and (weights.shape != size[:2] or not (weights >= 0).all() or not weights.any()):
                raise InputError(
                    f"The weights of an extra training pair must be {list(size[:2])} numbers >= 0, not all of them 0, "
                    f"found {list(weights.shape)}."
                )
            self.extra.append(KeptPair.of(pair))

    def picture(self, k: int) -> np.ndarray:
        """Frame k of the choice, [H, W, 3] uint8."""
        if k >= len(self.rows):
            return self.extra[k - len(self.rows)].picture
        return self.tracked.frame_bytes(int(self.rows[k]))

    def classes(self, k: int) -> np.ndarray:
        """Its classes [H, W] uint8: BACKGROUND, BODY, HAIR or SKIN."""
        return self._marked(k) & 3

    def unsure(self, k: int) -> np.ndarray:
        """Where [H, W] (bool) it is not certain whether a pixel is the person: near the outline."""
        return (self._marked(k) & _UNSURE_BIT) > 0

    def target(self, k: int, shrink: int = 1) -> Target:
        """Frame k at 1/shrink of its resolution, with weights and, where sure, the coverage by the person."""
        marks = self._marked(k)
        color = torch.from_numpy(self.picture(k)).permute(2, 0, 1).float() / 255
        weights, alpha = self.weights(k), torch.from_numpy((marks & 3) > 0).float()
        sure = torch.from_numpy((marks & _UNSURE_BIT) == 0).float()
        if k >= len(self.rows):  # a generated picture has no mask
            weights = torch.from_numpy(self.extra[k - len(self.rows)].weights(marks.shape))
            sure = torch.zeros_like(alpha)
        if shrink > 1:
            color = torch.nn.functional.avg_pool2d(color, shrink)
            maps = torch.nn.functional.avg_pool2d(torch.stack([weights, alpha, sure])[None], shrink)[0]
            weights, alpha, sure = maps[0], maps[1], (maps[2] > 0.999).float()
        camera = shrink_camera(self.camera, shrink)
        return Target(planar(color.permute(1, 2, 0)), alpha, camera, False, weights, sure)

    def weights(self, k: int) -> Tensor:
        """How much its pixels [H, W] count: by their class, and most of all where lids and lips move."""
        marks = self._marked(k)
        weights = torch.tensor(CLASS_WEIGHTS)[torch.from_numpy(marks & 3).long()]
        weights[torch.from_numpy((marks & _MOVING_BIT) > 0)] = MOVING_WEIGHT
        return weights

    def _marked(self, k: int) -> np.ndarray:
        """Class and marks [H, W] uint8 of frame k."""
        if k >= len(self.rows):
            return np.zeros((self.camera.height, self.camera.width), np.uint8)
        if k not in self._marks:
            row = int(self.rows[k])
            classes = self.tracked.labels(row).astype(np.uint8)
            marks = classes | (_outline(classes > 0) * np.uint8(_UNSURE_BIT))
            marks |= _moving(self.tracked.landmarks[row], len(classes)) * np.uint8(_MOVING_BIT)
            self._marks[k] = marks
        return self._marks[k]


def usable_rows(tracked: TrackedVideo) -> np.ndarray:
    """Numbers [R] of the frames with a face that was tracked well: `seen`, without the worst fits."""
    good = np.asarray(tracked.seen, bool)
    error = np.where(good, tracked.error, np.nan)
    if good.any():
        good = good & (np.nan_to_num(error, nan=np.inf) <= max(3 * float(np.nanmedian(error)), 1e-6))
    return np.flatnonzero(good)


def held_out(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`rows` [R] split into those to learn from and `count` evenly spread ones to judge by; neighbours in time of the
    latter are left out of the former, as they are nearly the same picture."""
    count = min(count, len(rows) // 10)
    if count == 0:
        return rows, rows[:0]
    places = ((np.arange(count) + 0.5) * len(rows) / count).astype(int)
    near = np.unique(np.clip(places[:, None] + [-1, 0, 1], 0, len(rows) - 1))
    return np.delete(rows, near), rows[places]


def varied(tracked: TrackedVideo, rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the `rows` [R], in order: those that differ most in expression and pose (farthest first)."""
    if len(rows) <= count:
        return rows
    features = pose_features(tracked.motion)[rows]
    chosen = [int(np.square(features - np.median(features, 0)).sum(1).argmin())]
    distance = np.full(len(rows), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.square(features - features[chosen[-1]]).sum(1))
        chosen.append(int(distance.argmax()))
    return rows[np.sort(chosen)]


def pose_features(motion: HeadMotion) -> np.ndarray:
    """[T, D] with distances that weigh expression, lids, gaze and head pose about equally."""
    pose = motion.head_pose * np.array([4, 4, 4, 15, 15, 15], np.float32)
    return np.concatenate([motion.expression, motion.eyelids, 2 * motion.gaze, pose, 3 * motion.jaw], 1)


def head_box(tracked: TrackedVideo) -> tuple[int, int, int, int]:
    """Top, bottom, left, right (pixels) of the head with its hair over the whole video: the box in which head scores
    are taken. The landmarks' box, half its height added above, a quarter of its width at the sides, 12 % below."""
    points = tracked.landmarks[np.asarray(tracked.seen, bool)]
    points = points[np.isfinite(points).all((1, 2))]
    if not len(points):
        raise InputError("No frame of the video shows a face; record it again in better light.")
    low, high = points.min(1), points.max(1)
    wide, tall = (high - low).mean(0)
    (left, top), (right, bottom) = np.median(low, 0), np.median(high, 0)
    box = (top - 0.5 * tall, bottom + 0.12 * tall, left - 0.25 * wide, right + 0.25 * wide)
    return tuple(int(np.clip(round(float(edge)), 0, tracked.size)) for edge in box)


def box_mask(box: tuple[int, int, int, int], size: int) -> Tensor:
    """A mask [size, size] (bool) of a box (top, bottom, left, right)."""
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[box[0] : box[1], box[2] : box[3]] = True
    return mask


def _moving(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Pixels [H, W] (bool) of lips, mouth, lids and eyes, of one frame's landmarks [478, 2]; none where there are
    none."""
    from emotalk.core import landmarks as names  # brings OpenCV along

    mouth = names.OUTER_LIPS
    right = (*names.RIGHT_UPPER_LID, *names.RIGHT_LOWER_LID, *names.RIGHT_EYE_ENDS)
    left = (*names.LEFT_UPPER_LID, *names.LEFT_LOWER_LID, *names.LEFT_EYE_ENDS)
    picture = Image.new("1", (size, size))
    draw = ImageDraw.Draw(picture)
    for group in (mouth, right, left):
        points = landmarks[list(group)].astype(np.float64)
        if not np.isfinite(points).all():
            continue
        outline = [tuple(point) for point in points[ConvexHull(points + _UNLIKE[: len(points)]).vertices].tolist()]
        draw.polygon(outline, fill=1)
        draw.line([*outline, outline[0]], fill=1, width=2 * max(1, round(MOVING_GROWN * size / 512)))
    return np.array(picture)


def _outline(person: np.ndarray) -> np.ndarray:
    """Pixels [H, W] (bool) within `UNSURE` of the border between person and background."""
    height, width = person.shape
    radius = max(1, round(UNSURE * height / 512))
    if min(height, width) >= 256:  # at half the resolution: it is a margin, and four times faster
        return np.repeat(np.repeat(_near_border(person[::2, ::2], (radius + 1) // 2), 2, 0), 2, 1)[:height, :width]
    return _near_border(person, radius)


def _near_border(person: np.ndarray, radius: int) -> np.ndarray:
    planes = torch.from_numpy(np.ascontiguousarray(person, np.float32))[None, None]
    both = torch.cat([planes, 1 - planes], 1)
    for kernel, pad in (((1, 2 * radius + 1), (0, radius)), ((2 * radius + 1, 1), (radius, 0))):
        both = torch.nn.functional.max_pool2d(both, kernel, 1, pad)
    return (both.amin(1)[0] > 0.5).numpy()
