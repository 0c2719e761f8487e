"""A recorded person's habits of head, eyes and brows (`motion.habits`), from some seconds of tracked motion.

What a few seconds show is partly chance: somebody may just not have turned. So every number is compared with what the
average person's generator does over the same seconds of the same speech, again and again with other seeds: the mean of
these takes is what would be expected of nobody special (length, pauses and stresses of the speech included). Between
the average person and what was seen, the likeliest person is found by empirical Bayes (Efron & Morris 1975): the less
people differ (`PEOPLE`) against chance, the nearer to average. Chance is how much films of one person differ
(`MOMENTS`), or takes of the generator where these differ more.

Nods are not measured apart: films show no stroke at a stress that differs from person to person, so they are as large
against the average person's as all of the head's turning is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.motion.body import LOWERED, RAISED, Body
from emotalk.motion.eye_statistics import blink_tops
from emotalk.motion.habits import Habits
from emotalk.motion.model import MotionModel
from emotalk.motion.rhythm import Rhythm
from emotalk.motion.style import MotionStyle

TAKES = 12
LONGEST = 60 * FPS
"""Frames that are compared; more hardly change a habit."""
_SMOOTH = 1.0  # frames: a tracker trembles by some tenths of a degree
_SHUT = 0.35  # of the lids: where a shut eye looks is not known


@dataclass(frozen=True)
class HabitNumbers:
    """What is measured of one motion. Logarithms where people differ by factors."""

    pose: np.ndarray  # [3] radians, median
    size: np.ndarray  # [3] logarithm of the standard deviation of pitch, yaw, roll
    tempo: float  # logarithm of speed over size, of all axes together
    gaze: np.ndarray  # [2] radians: yaw, pitch in the world, median
    wander: float  # logarithm of the standard deviation of the same
    brows: float  # logarithm of the standard deviation of the brows
    blinks: float  # number


PEOPLE = {"pose": 0.069, "size": 0.33, "tempo": 0.15, "gaze": 0.057, "wander": 0.22, "brows": 0.91, "blinks": 0.5}
"""Standard deviation of each of `HabitNumbers` between people, as `python -m scripts.fit_habits` finds it in 105 films
of eight speakers (GRID). But for two: their tempo differs by no more than chance, which so few and short films leave as
much room for as given here; of blinks they hold too few (.15; four captures .17). In Bentivoglio et al. (1997) 150
people's rates are log-normal, twice as high in talk as at rest in the mean, yet lower in a quarter of them: that takes
a spread of about .5 in either."""
MOMENTS = {"pose": 0.030, "size": 0.45, "tempo": 0.275, "gaze": 0.037, "wander": 0.45, "brows": 0.65}
"""Standard deviation between films of 3 s of one person, from the same films."""
_FILM = 3.0 * FPS


def habit_numbers(motion: HeadMotion, seen: np.ndarray) -> HabitNumbers:
    """The numbers of a motion of T frames, of which `seen` [T] are good (at least two)."""
    known = np.flatnonzero(seen)
    frames = np.arange(len(motion))

    def whole(columns: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(frames, known, column[known]) for column in columns.T], 1).astype(float)

    raw = whole(motion.head_pose[:, :3])
    angles = gaussian_filter1d(raw, _SMOOTH, axis=0)
    moved = angles[known] - angles[known].mean(0)
    both = seen[1:] & seen[:-1]
    speed = np.diff(angles, axis=0)[both] * FPS
    world = whole(motion.gaze) + raw[:, [1, 0]] * [1, -1]
    opened = seen & (motion.eyelids.mean(1) < _SHUT)
    eyes = world[opened if opened.sum() > FPS else seen]
    # Brows that an unseen hand raised for a moment, a squint or a cut, say little: middle 90 %.
    brow = whole(motion.expression)[:, RAISED] - whole(motion.expression)[:, [LOWERED[0], *LOWERED]]
    lively = np.subtract(*np.percentile(brow[known], [95, 5], axis=0))
    gaze = np.median(eyes, 0)
    return HabitNumbers(
        pose=np.median(raw[known], 0),
        size=np.log(moved.std(0) + 1e-4),
        tempo=float(np.log((np.sqrt((speed**2).sum(1).mean()) + 1e-4) / (np.sqrt((moved**2).sum(1).mean()) + 1e-4))),
        gaze=gaze,
        wander=float(np.log(np.sqrt(((eyes - gaze) ** 2).sum(1).mean()) + 1e-3)),
        brows=float(np.log(lively.mean() + 1e-3)),
        blinks=float(len([top for top in blink_tops(motion.eyelids) if seen[top]])),
    )


def expected(beats: list[Rhythm], seen: np.ndarray, model: MotionModel, takes: int = TAKES) -> list[HabitNumbers]:
    """What the average person's takes show of the frames `seen` [T] of the same speech."""
    still = HeadMotion.neutral(len(beats)).expression
    calm = np.zeros((len(beats), 2), np.float32)
    bodies = [Body(model.eyes, model.body, MotionStyle(), seed) for seed in range(takes)]
    return [habit_numbers(body.play(still, beats, calm), seen) for body in bodies]


def habits_of(motion: HeadMotion, seen: np.ndarray, beats: list[Rhythm], model: MotionModel) -> Habits:
    """The likeliest habits of the person of a tracked motion of T frames with the rhythm of their speech [T], `seen`
    [T] frames with a well-tracked face. The average person's where less than 2 s are seen."""
    frames = min(len(motion), len(beats), LONGEST)
    motion, seen, beats = motion[:frames], np.asarray(seen, bool)[:frames], beats[:frames]
    if seen.sum() < 2 * FPS:
        return Habits()
    found, takes = habit_numbers(motion, seen), expected(beats, seen, model)

    def beyond(name: str) -> np.ndarray:
        """How far the person is from average, as far as that is no chance."""
        chance = np.array([getattr(take, name) for take in takes])
        off = getattr(found, name) - chance.mean(0)
        moments = MOMENTS[name] ** 2 * _FILM / seen.sum()
        return off * PEOPLE[name] ** 2 / (PEOPLE[name] ** 2 + np.maximum(chance.var(0, ddof=1), moments))

    # Blinks are counted, not measured: gamma and Poisson.
    usual = float(np.mean([take.blinks for take in takes]))
    prior = PEOPLE["blinks"] ** -2
    return Habits.within(
        pose=beyond("pose"),
        size=np.exp(beyond("size")),
        tempo=float(np.exp(beyond("tempo"))),
        gaze=beyond("gaze"),
        wander=float(np.exp(beyond("wander"))),
        blinks=(found.blinks + prior) / (usual + prior),
        brows=float(np.exp(beyond("brows"))),
    )
