"""How often people blink and how their eyes move, measured on motion."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks, medfilt

from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS

SACCADE_SPEED = np.radians(20.0)
"""Radians per second above which the eyes jump rather than follow (at 25 fps, where a saccade lasts 1-3 frames)."""


@dataclass(frozen=True)
class EyeStatistics:
    """Blinks and gaze of one recording or, as medians, of several."""

    blinks_per_minute: float
    blink_interval: float  # seconds, median
    blink_interval_spread: float  # standard deviation of its natural logarithm
    blink_amplitude: float  # closure at the top, median
    blink_profile: tuple[float, ...]  # closure over frames, top = 1, starting three frames before the top
    saccades_per_second: float
    saccade_degrees: float  # median
    saccade_degrees_spread: float  # of the logarithm
    fixation: float  # seconds between saccades, median
    fixation_spread: float  # of the logarithm
    yaw_degrees: float  # standard deviation of gaze in the head
    pitch_degrees: float
    drift_degrees_per_second: float  # median speed between saccades
    lid_per_pitch: float  # lid closure for each radian that gaze is lowered


def blink_tops(eyelids: np.ndarray) -> np.ndarray:
    """Frames at which the lids [T, 2] are shut in a blink: peaks of .2 above a 1-s running median, <= .5 s."""
    closure = eyelids.mean(1)
    above = closure - medfilt(closure, 25)
    tops, _ = find_peaks(above, height=0.2, distance=4, width=(1, 12), rel_height=0.5)
    return tops


def saccades(gaze: np.ndarray, eyelids: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(first frames, radians) of the jumps of gaze [T, 2] of one degree and more, without those under a blink."""
    speed = np.linalg.norm(np.diff(gaze, axis=0), axis=1) * FPS
    fast = np.flatnonzero(speed > SACCADE_SPEED)
    blink = np.zeros(len(gaze), bool)
    if eyelids is not None:
        closure = eyelids.mean(1)
        blink = closure - medfilt(closure, 25) > 0.15
    starts, sizes = [], []
    for run in np.split(fast, np.flatnonzero(np.diff(fast) > 1) + 1) if len(fast) else ():
        size = float(np.linalg.norm(gaze[run[-1] + 1] - gaze[run[0]]))
        if size > np.radians(1) and not blink[max(run[0] - 2, 0) : run[-1] + 4].any():
            starts.append(run[0])
            sizes.append(size)
    return np.array(starts, int), np.array(sizes)


def measure_eyes(motion: HeadMotion) -> EyeStatistics:
    """The statistics of one motion of at least about half a minute."""
    closure = motion.eyelids.mean(1)
    above = closure - medfilt(closure, 25)
    tops = blink_tops(motion.eyelids)
    intervals = np.diff(tops) / FPS
    whole = [above[top - 3 : top + 7] for top in tops if 3 <= top < len(above) - 7]
    profile = np.mean(whole, 0) / np.mean(whole, 0)[3] if whole else np.zeros(10)
    starts, sizes = saccades(motion.gaze, motion.eyelids)
    fixations = np.diff(starts) / FPS
    speed = np.linalg.norm(np.diff(motion.gaze, axis=0), axis=1) * FPS
    open_seconds = (above < 0.15).sum() / FPS
    still = above < 0.1
    lid = -np.polyfit(motion.gaze[still, 1], closure[still], 1)[0] if motion.gaze[still, 1].std() > 1e-3 else 0.0

    def median(values: np.ndarray) -> float:
        return float(np.median(values)) if len(values) else 0.0

    def log_spread(values: np.ndarray) -> float:
        return float(np.std(np.log(values))) if len(values) > 1 else 0.0

    return EyeStatistics(
        blinks_per_minute=60 * FPS * len(tops) / len(closure),
        blink_interval=median(intervals),
        blink_interval_spread=log_spread(intervals),
        blink_amplitude=median(above[tops]),
        blink_profile=tuple(float(x) for x in np.clip(profile, 0, 1)),
        saccades_per_second=len(sizes) / max(open_seconds, 1e-6),
        saccade_degrees=float(np.degrees(median(sizes))),
        saccade_degrees_spread=log_spread(sizes),
        fixation=median(fixations),
        fixation_spread=log_spread(fixations),
        yaw_degrees=float(np.degrees(motion.gaze[:, 0].std())),
        pitch_degrees=float(np.degrees(motion.gaze[:, 1].std())),
        drift_degrees_per_second=float(np.degrees(median(speed[speed < SACCADE_SPEED]))),
        lid_per_pitch=float(lid),
    )


def median_of(statistics: list[EyeStatistics]) -> EyeStatistics:
    """The typical person of several recordings: the median of each number."""
    return EyeStatistics(
        **{
            f.name: tuple(np.median([getattr(s, f.name) for s in statistics], axis=0).tolist())
            if f.name == "blink_profile"
            else float(np.median([getattr(s, f.name) for s in statistics]))
            for f in dataclasses.fields(EyeStatistics)
        }
    )
