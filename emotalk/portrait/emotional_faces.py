"""Lip-aligned emotional faces of a person who was filmed without emotion: pictures that a fit learns their moods from.

    frame of the video, its motion ─────────────────► flow of the picture (`portrait.flow`) ─┐
    mood: the frame's lips and jaw, the field's brows, lids and cheeks, a turn of the head ──┴─► picture
    ─► is it the same person, with the same lips? ─► pair of picture and motion, or dropped

The idea of EmoTalkingGaussian (arXiv 2502.00654, section 3.3): a short video holds few emotions, so a generator makes,
from its frames, faces of the same person at other valence and arousal whose lips are those of the frame; they supervise
the avatar's emotion branch. There a network edits the picture; here the frame itself is moved as the head model says.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import minimum_filter, uniform_filter

from emotalk.core.camera import project
from emotalk.core.landmarks import EYE_CORNERS, EYES, INNER_OPENINGS, MOUTH, OUTER_LIPS, OVAL
from emotalk.core.motion import HeadMotion
from emotalk.core.pictures import eight_bit
from emotalk.core.ssim import ssim
from emotalk.emotion import behaviour, expression_field, split_eyes
from emotalk.emotion.prototypes import PROTOTYPES, circle_position
from emotalk.fitting.frame_poses import LEVER
from emotalk.fitting.video_corrections import EMOTIONS, FELT
from emotalk.fitting.video_frames import ExtraPair, varied
from emotalk.portrait.flow import FlowFrame, PhotoFlow, normalised, sampling_grid
from emotalk.tracking.landmarks import FaceLandmarks
from emotalk.tracking.masks import SKIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotalk.avatar import GaussianAvatar
    from emotalk.fitting.starting_avatar import Start
    from emotalk.fitting.video_frames import VideoFrames

log = logging.getLogger(__name__)

OPEN_EYES = 0.1
"""Closure of the lids beyond the usual up to which a frame's eyes count as open: shut ones show no emotion."""
SPREAD = 15.0
"""Degrees on the circle of emotions around each family's own place."""
HOLD = (*EYE_CORNERS, 168, 6, 197, 195, 5, 4)
"""Landmarks by which two pictures of a head are laid over each other: corners of the eyes, and the nose."""
LIPS_TOLERANCE = 0.018
"""Eye distances that the lips' landmarks may be on the average from where the frame has them, seen as its head is
turned, both mouths at one place: what the landmarker makes of one and the same mouth twice differs by .006."""
OPENING_TOLERANCE = 0.02
"""Eye distances by which the lips' opening may differ from that."""
STILL = 0.012
"""Eye distances: pixels that the mood moves by less than that beside the head must look as they did."""
LEAST_ALIKE = 0.75
"""SSIM of those pixels with the frame."""
MOST_TINTED = 0.03
"""Difference of their mean colour."""
RIM = 0.03
"""Eye distances by which the skin that counts ends before its outline."""
AROUND = 0.25
"""Eye distances around the outline of the face up to which skin counts: neck and ears next to it."""
MOUTH_REACH, MOUTH_EDGE = 0.12, 0.02
"""Eye distances around a pixel over which the flow of the mouth is averaged, and by which it goes beyond the lips."""
LIPS = 0.02
"""Share of the mouth from which a pixel counts as lips."""
SKIN_WEIGHT = 2.0
"""How much a pixel of skin counts, as in the video."""
LEAST_STILL = 200
"""Pixels that must be left to compare."""


@dataclass(frozen=True)
class FacesConfig:
    """Which faces are made."""

    sources: int = 12  # frames of the video, at most
    moods: int = 7  # of each frame
    strength: tuple[float, float] = (0.5, 1.0)  # radius of the moods: 1 is the border of the field
    turn: float = 3.0  # degrees, standard deviation of the head's turn beside the frame's, about each axis
    seed: int = 0


class EmotionalFaces:
    """Responsibilities: make emotional faces from the frames of a fit, keep those that pass, and count the others.

    The same frames, start and seed give the same faces. It is an `ExtraPairs` of `fitting.personalize`.
    """

    def __init__(self, config: FacesConfig | None = None) -> None:
        self.config = config if config is not None else FacesConfig()
        self.counts: Counter[str] = Counter()
        """Faces of the last call that were kept ("kept"), and dropped by reason ("no face", "lips", "person")."""

    def __call__(self, start: Start, frames: VideoFrames) -> Iterator[ExtraPair]:
        """Pairs of picture and motion, made as they are taken; none where no frame has a face with open eyes."""
        self.counts = Counter()
        random = np.random.default_rng(self.config.seed)
        moods = mood_points(self.config, random)
        with FaceLandmarks() as finder:
            for row in source_rows(frames, self.config.sources):
                picture = frames.tracked.frame(row)
                seen = _look(finder, picture)
                chosen = [next(moods) for _ in range(self.config.moods)]
                turns = np.radians(random.normal(0, self.config.turn, (self.config.moods, 3)))
                if seen is None:
                    self.counts["no face"] += self.config.moods
                    continue
                motion, torso = frames.tracked.motion[row : row + 1], start.torso[row]
                skin = (frames.tracked.labels(row) == SKIN) & near_face(seen, len(picture))
                source = Source(picture, seen, skin)
                flow = PhotoFlow(start.avatar, picture, motion, 0, torso)
                for mood, turn in zip(chosen, turns, strict=True):
                    felt = in_mood(motion, mood, turn)
                    frame = flow.draw(felt, 0, torso)
                    drawn = eight_bit(source.with_its_mouth(frame))
                    found = _look(finder, drawn)
                    wrong = source.fault(frame, drawn, found, turned_points(start.avatar, motion, felt))
                    self.counts[wrong or "kept"] += 1
                    if wrong is None:
                        yield ExtraPair(drawn, felt, source.weights(frame), torso, row)
        log.info("emotional faces: %s", dict(self.counts))


def _look(finder: FaceLandmarks, picture: np.ndarray) -> np.ndarray | None:
    """Landmarks [478, 2] px in a picture; None where there is no face. A look before takes the finder there, which
    follows a face from picture to picture."""
    finder.find(eight_bit(picture))
    found = finder.find(eight_bit(picture))
    return None if found is None else found[:, :2].astype(np.float64)


def mood_points(config: FacesConfig, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless points [2] (valence, arousal) of the field: one family of `EMOTIONS` after the other."""
    places = [PROTOTYPES[name][0] for name in EMOTIONS.values()]
    while True:
        for k in random.permutation(len(places)):
            toward = np.array(circle_position(places[k] + random.uniform(-SPREAD, SPREAD)))
            yield toward * random.uniform(*config.strength)


def source_rows(frames: VideoFrames, count: int) -> list[int]:
    """Frames of the video that faces are made from: varied ones among those that are learned from, eyes open."""
    shut = frames.filmed.eyelids.max(1)
    rows = frames.rows[shut <= np.median(shut) + OPEN_EYES]
    return [int(row) for row in varied(frames.tracked, rows, count)]


def in_mood(motion: HeadMotion, mood: np.ndarray, turn: np.ndarray) -> HeadMotion:
    """One frame of motion in a `mood` [2] (valence, arousal): its own lips, jaw and gaze, the field's brows, lids and
    cheeks, and the head turned by `turn` [3] radians, and as the mood has it, about its middle."""
    face, lids, _ = split_eyes(expression_field(*mood))
    expression = motion.expression.copy()
    expression[:, FELT] += face[:, FELT]
    turn = np.asarray(turn, np.float32) - np.float32([behaviour(mood[None]).head_pitch[0], 0, 0])
    pose = motion.head_pose + np.concatenate([turn, -np.cross(turn, LEVER)])[None].astype(np.float32)
    changed = {"expression": expression, "eyelids": motion.eyelids + lids, "head_pose": pose}
    return HeadMotion(**(vars(motion) | changed))


@torch.no_grad()
def turned_points(avatar: GaussianAvatar, motion: HeadMotion, felt: HeadMotion) -> np.ndarray:
    """How far [478, 2] in pixels landmarks go from one frame of motion to another where the head turns and nothing
    else does."""
    turned = HeadMotion(**(vars(motion) | {"head_pose": felt.head_pose}))
    places = avatar.head.landmarks(torch.cat([avatar.mesh(one)[0] for one in (motion, turned)])).double().numpy()
    before, after = (project(points, avatar.camera)[0] for points in places)
    return after - before


@dataclass(frozen=True)
class Source:
    """A frame of the video that faces are made from."""

    picture: np.ndarray  # [H, W, 3] float32
    points: np.ndarray  # [478, 2] px
    skin: np.ndarray  # [H, W] bool

    @property
    def eye_distance(self) -> float:
        """Pixels between the outer corners of the eyes."""
        return float(np.linalg.norm(self.points[EYES[0]] - self.points[EYES[1]]))

    @cached_property
    def mouth(self) -> torch.Tensor:
        """Where its lips are and what is between them [H, W] in [0, 1], with a soft edge."""
        inside = Image.new("1", self.skin.shape[::-1])
        draw = ImageDraw.Draw(inside)
        outline = [tuple(point) for point in self.points[list(OUTER_LIPS)].tolist()]
        edge = max(1, round(MOUTH_EDGE * self.eye_distance))
        draw.polygon(outline, fill=1)
        draw.line([*outline, outline[0]], fill=1, width=2 * edge, joint="curve")
        return _mean_around(torch.from_numpy(np.array(inside)).float()[None], edge)[0]

    def with_its_mouth(self, frame: FlowFrame) -> np.ndarray:
        """The picture [H, W, 3] float32 of a frame with the mouth that this one shows: as lips are held, they and the
        teeth go along with the head. (A flow of Gaussians does not know the teeth: behind lips that move, others show.)
        """
        known = torch.cat([frame.flow * frame.shown, frame.shown[None]])
        around = _mean_around(known, max(2, round(MOUTH_REACH * self.eye_distance)))
        grid = sampling_grid(around[:2] / around[2].clamp_min(1e-3), self.skin.shape)
        planes = torch.cat([torch.from_numpy(self.picture).permute(2, 0, 1), self.mouth[None]])
        there = torch.nn.functional.grid_sample(planes[None], grid, align_corners=False)[0]
        return torch.lerp(frame.blended, there[:3], there[3]).permute(1, 2, 0).numpy()

    def fault(
        self, frame: FlowFrame, drawn: np.ndarray, points: np.ndarray | None, turned: np.ndarray | None = None
    ) -> str | None:
        """What is wrong with a face that was made of it, None where nothing is: `drawn` is its picture [H, W, 3] uint8,
        `points` [478, 2] what the landmarker sees there, `turned` [478, 2] pixels by which the turn of the head alone
        moves landmarks (`turned_points`)."""
        if points is None:
            return "no face"
        wanted = self.points if turned is None else self.points + turned
        lips, own = points[list(MOUTH)], wanted[list(MOUTH)]
        apart = np.linalg.norm((lips - lips.mean(0)) - (own - own.mean(0)), axis=1).mean()
        gap, unit = opening(points) - opening(wanted), self.eye_distance
        if apart > LIPS_TOLERANCE * unit or abs(gap) > OPENING_TOLERANCE * unit:
            return "lips"
        back = similarity(points[list(HOLD)], self.points[list(HOLD)])  # from the drawn picture to the frame
        return None if self._same_person(frame, drawn, back) else "person"

    def _same_person(self, frame: FlowFrame, drawn: np.ndarray, back: np.ndarray) -> bool:
        """Does skin that the mood leaves where it was look as in the frame, both laid over each other by landmarks?"""
        size = self.skin.shape
        y, x = np.mgrid[: size[0], : size[1]] + 0.5
        here = np.stack([x, y], -1)
        head = moved(here.reshape(-1, 2), back).reshape(*size, 2)
        beside = np.linalg.norm(here + frame.flow.permute(1, 2, 0).numpy() - head, axis=-1)
        grid = normalised(torch.from_numpy(head.astype(np.float32)), size)[None]
        planes = torch.from_numpy(np.concatenate([self.picture, self.skin[..., None]], -1, dtype=np.float32))
        there = torch.nn.functional.grid_sample(planes.permute(2, 0, 1)[None], grid, align_corners=False)[0]
        still = (beside < STILL * self.eye_distance) & (frame.shown.numpy() > 0.9) & (there[3].numpy() > 0.99)
        if still.sum() < LEAST_STILL:
            return False
        mask, wanted = torch.from_numpy(still).float(), there[:3].permute(1, 2, 0).contiguous()
        made = torch.from_numpy(drawn).float() / 255
        tinted = float((made - wanted)[torch.from_numpy(still)].mean(0).abs().max())
        return float(ssim(made, wanted, mask)) >= LEAST_ALIKE and tinted <= MOST_TINTED

    @cached_property
    def inside(self) -> torch.Tensor:
        """The skin without its rim, [1, 1, H, W] in {0, 1}."""
        reach = max(1, round(RIM * self.eye_distance))
        return torch.from_numpy(minimum_filter(self.skin, 2 * reach + 1)).float()[None, None]

    def weights(self, frame: FlowFrame) -> np.ndarray:
        """How much the pixels [H, W] uint8 of a face count that was made of it: skin that the frame shows, as in the
        video. Lips do not: they are the frame's, and what the fit knows of them it knows from there."""
        grid = sampling_grid(frame.flow, self.skin.shape)
        planes = torch.cat([self.inside[0], self.mouth[None]])[None]
        skin, mouth = torch.nn.functional.grid_sample(planes, grid, align_corners=False)[0]
        return np.rint(SKIN_WEIGHT * (skin * frame.shown * (mouth < LIPS)).numpy()).astype(np.uint8)


def _mean_around(planes: torch.Tensor, reach: int) -> torch.Tensor:
    """Means of planes [P, H, W] over squares of pixels that reach so far."""
    return torch.from_numpy(uniform_filter(planes.numpy(), 2 * reach + 1, axes=(1, 2), mode="nearest"))


def opening(points: np.ndarray) -> float:
    """Pixels between the inner lines of the lips of landmarks [478, 2]."""
    return float(np.mean([np.linalg.norm(points[a] - points[b]) for a, b in INNER_OPENINGS]))


def similarity(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The rotation, size and shift [2, 3] that takes points [n, 2] nearest to others (Umeyama 1991)."""
    middle, aim = points.mean(0), to.mean(0)
    a, b = points - middle, to - aim
    along, across = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    turn = np.array([[along, -across], [across, along]]) / np.square(a).sum()
    return np.concatenate([turn, (aim - turn @ middle)[:, None]], 1)


def moved(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Points [n, 2] moved by a transform [2, 3]."""
    return points @ by[:, :2].T + by[:, 2]


def near_face(points: np.ndarray, size: int) -> np.ndarray:
    """Pixels [size, size] (bool) of a face with landmarks [478, 2] and a little around it."""
    outline = [tuple(point) for point in points[list(OVAL)].tolist()]
    around = AROUND * np.linalg.norm(points[EYES[0]] - points[EYES[1]])
    picture = Image.new("1", (size, size))
    draw = ImageDraw.Draw(picture)
    draw.polygon(outline, fill=1)
    draw.line([*outline, outline[0]], fill=1, width=max(1, round(2 * around)), joint="curve")
    return np.array(picture)
