"""The network of eyes learned from recordings: the chances of jumps and blinks and the density of the next look by
maximum likelihood, shapes of blinks as they were recorded.

Captured faces come without sound. Whether they speak, and where phrases begin and end, is told from their lips
(`rhythm_of_lips`). Of filmed readers only the blinks are used: what a tracker says of their gaze trembles by more than
it moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from scipy.signal import medfilt
from torch import Tensor

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.learning.body_training import traces_of
from emotalk.motion.body import Body
from emotalk.motion.body_network import load_body
from emotalk.motion.eye_network import (
    BREAKS,
    CHOICE,
    FEATURES,
    LOOKS,
    PROFILE,
    EyeWeights,
    choice_features,
    event_features,
    far,
)
from emotalk.motion.eye_statistics import SACCADE_SPEED, blink_tops, measure_eyes, saccades
from emotalk.motion.eyes import FOLLOW
from emotalk.motion.rhythm import LOOKAHEAD, Rhythm, RhythmTracker
from emotalk.motion.style import MotionStyle

BEFORE_TOP = 3
"""Frames from a blink's beginning to its top."""
FULL = 0.75
"""Share of the median of a person's blinks from which on they are taken to be full: phones sample at 30 Hz, many tops
fall between."""
_MOUTH = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("jaw", "mouth"))]
_LIP_SPEED = 0.5  # ARKit weights a second, over a quarter of a second, above which lips are taken to speak
_MOODS = ((0.0, 0.0), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7))
"""Valence and arousal of the talks that rates are sized on."""
_SUDDEN = 0.2  # closure within two frames that tells a blink from a squint, in tracked films


@dataclass(frozen=True)
class EyeRecord:
    """One recording's events with what the network sees of each frame. T frames, S jumps."""

    name: str
    breaks: np.ndarray  # [T, 2] whether a phrase begins, ends
    features: np.ndarray  # [T, FEATURES]
    events: np.ndarray  # [T, 2] whether a jump, a blink begins
    open: np.ndarray  # [T, 2] whether one might begin and would be seen
    looks: np.ndarray  # [S, 2] where the eyes went, from where they rest
    origins: np.ndarray  # [S, 2] where they were
    choices: np.ndarray  # [S, CHOICE]


def rhythm_of_lips(expression: np.ndarray) -> np.ndarray:
    """[T, 6] `Rhythm.row()` as the lips of ARKit weights [T, 52] tell it: silent where they hardly move, the louder
    the further the jaw opens."""
    mouth = expression[:, _MOUTH]
    speed = np.linalg.norm(np.diff(mouth, axis=0, prepend=mouth[:1]), axis=1) * FPS
    speaks = uniform_filter1d(speed, 7) > _LIP_SPEED
    jaw = expression[:, ARKIT_NAMES.index("jawOpen")]
    loudness = 30 * np.clip(jaw / max(float(np.quantile(jaw, 0.99)), 1e-3), 0, 1) - 45
    tracker = RhythmTracker()
    quiet = (1.0, -70.0, 0.0, 0.0)
    heard = [(0.0, float(loud), 0.9, 0.0) if on else quiet for on, loud in zip(speaks, loudness, strict=True)]
    beats = [tracker.push(*frame) for frame in heard + [quiet] * LOOKAHEAD]
    return np.array([beat.row() for beat in beats if beat is not None]).reshape(-1, 6)


def captured(name: str, motion: HeadMotion) -> EyeRecord:
    """Jumps and blinks of a Live Link capture."""
    starts, _ = saccades(motion.gaze, motion.eyelids)
    tops = blink_tops(motion.eyelids)
    return _record(name, motion, rhythm_of_lips(motion.expression), starts, tops)


def filmed(name: str, motion: HeadMotion, rhythm: np.ndarray) -> EyeRecord:
    """Blinks of a tracked film whose speech has `rhythm` [T, 6]; from the first one on, as nobody knows when the one
    before was."""
    closure = motion.eyelids.mean(1)
    tops = [top for top in blink_tops(motion.eyelids) if top >= 4 and np.diff(closure[top - 4 : top + 1], 2).max() > 0]
    tops = [top for top in tops if max(closure[k + 2] - closure[k] for k in range(top - 4, top - 1)) > _SUDDEN]
    record = _record(name, motion, rhythm, np.zeros(0, int), np.array(tops, int))
    record.open[:, 0] = False
    return record


def _record(name: str, motion: HeadMotion, rhythm: np.ndarray, starts: np.ndarray, tops: np.ndarray) -> EyeRecord:
    frames = len(motion)
    gaze = motion.gaze - np.median(motion.gaze, 0)
    traces = traces_of(rhythm)[:, BREAKS]
    closure = motion.eyelids.mean(1)
    shut = closure - medfilt(closure, 25) > 0.15
    events, watched = np.zeros((frames, 2), bool), np.ones((frames, 2), bool)
    events[starts, 0] = True
    events[np.maximum(tops - BEFORE_TOP, 0), 1] = True
    for first in np.flatnonzero(events[:, 1]):
        watched[first + 1 : first + PROFILE, 1] = False
    for frame in np.flatnonzero(shut):  # jumps so near to a blink are not told from it
        watched[max(frame - 3, 0) : frame + 3, 0] = False
    watched[starts, 0] = True
    speed = np.linalg.norm(np.diff(motion.gaze, axis=0), axis=1) * FPS
    ends = [_end(speed, start) for start in starts]
    for start, end in zip(starts, ends, strict=True):
        watched[start + 1 : end, 0] = False
    since = np.full(2, np.inf)
    rows = []
    point = gaze[0]
    jumps = dict(zip(starts.tolist(), ends, strict=True))
    looks, origins, choices = [], [], []
    for i in range(frames):
        since += 1 / FPS
        away = far(*point)
        rows.append(event_features(*since, away, traces[i]))
        if i in jumps:
            looks.append(gaze[jumps[i]])
            origins.append(gaze[i])
            choices.append(choice_features(far(*gaze[i]), traces[i]))
            point = gaze[jumps[i]]
        since[events[i]] = 0.0
    # Before the first event of a kind nobody knows how long ago the last one was.
    for kind in (0, 1):
        known = np.flatnonzero(events[:, kind])
        watched[: known[0] + 1 if len(known) else frames, kind] = False
    shaped = [np.array(part, float).reshape(-1, width) for part, width in ((looks, 2), (origins, 2), (choices, CHOICE))]
    return EyeRecord(name, rhythm[:, 4:6] > 0.5, np.array(rows), events, watched, *shaped)


def _end(speed: np.ndarray, start: int) -> int:
    """The frame at which a jump that begins with frame `start` has landed."""
    end = start
    while end < len(speed) and speed[end] > SACCADE_SPEED:
        end += 1
    return end


@dataclass(frozen=True)
class EyeConfig:
    """How strongly small coefficients are preferred: weights of their squares, features in units of their spread."""

    rates: float = 10.0
    looks: float = 5.0


def train_eyes(
    records: Sequence[EyeRecord], blinks: np.ndarray, drift: float, lid_slope: float, config: EyeConfig
) -> EyeWeights:
    """Eyes like those of `records`, with the bank `blinks` [N, PROFILE] and both numbers as they are in `EyeWeights`;
    InputError where the records hold no jump or no blink."""
    if not all(any(record.events[:, kind].any() for record in records) for kind in (0, 1)) or not len(blinks):
        raise InputError("The recordings show too few jumps and blinks of the eyes to learn from.")
    slopes, levels = zip(*(fit_rates(records, kind, config.rates) for kind in (0, 1)), strict=True)
    looks = fit_looks(records, config.looks)
    one = {"drift": np.array([drift]), "lid_slope": np.array([lid_slope])}
    return EyeWeights(rates=np.stack(slopes), rates_bias=np.array(levels), blinks=blinks, **looks, **one)


def recorded_blinks(motions: Sequence[HeadMotion]) -> np.ndarray:
    """[N, PROFILE] closures of every recorded blink that began from open eyes and came back to them. One that is
    FULL of its person's median shuts the eye, smaller ones do not."""
    bank = []
    for motion in motions:
        closure = motion.eyelids.mean(1)
        above = closure - medfilt(closure, 25)
        tops = blink_tops(motion.eyelids)
        full = FULL * float(np.median(above[tops])) if len(tops) else 1.0
        for top in tops:
            course = above[top - BEFORE_TOP : top - BEFORE_TOP + PROFILE]
            if top >= BEFORE_TOP and len(course) == PROFILE and max(course[0], course[-1]) < 0.3 * above[top]:
                bank.append(np.clip(course / full, 0, 1))
    return np.array(bank).reshape(-1, PROFILE)


def trembling(motion: HeadMotion) -> float:
    """Median change, from frame to frame, of the speed of a fixating eye: radians a second."""
    speed = np.linalg.norm(np.diff(motion.gaze, axis=0), axis=1) * FPS
    closure = motion.eyelids.mean(1)
    steady = np.ones(len(motion), bool)
    for frame in np.flatnonzero(speed > SACCADE_SPEED):
        steady[max(frame - 1, 0) : frame + 4] = False
    for frame in np.flatnonzero(closure - medfilt(closure, 25) > 0.05):
        steady[max(frame - 3, 0) : frame + 4] = False
    change = np.linalg.norm(np.diff(motion.gaze, 2, axis=0), axis=1) * FPS
    return float(np.median(change[steady[1:-1]]))


def drift_that_trembles(change: float) -> float:
    """`EyeWeights.drift` with which eyes of a still head tremble by `change`."""
    keep = 1 - FOLLOW
    # The variance of second differences of a first-order autoregression with unit noise.
    variance = FOLLOW**2 / (1 - keep**2) * (6 - 8 * keep + 2 * keep**2)
    return change / (FPS * math.sqrt(2 * math.log(2) * variance))


def sized(weights: EyeWeights, rhythm: np.ndarray, targets: Sequence[float]) -> EyeWeights:
    """The same eyes, which during a talk whose `Rhythm.row()` are `rhythm` [T, 6] are measured to jump and blink as
    often a second as `targets` [2] say, in the geometric mean over calm and strong moods. Eyes that hold their point
    while an excited head nods are taken for jumping ones, too, and `motion.eyes` adds to what is learned."""
    beats, moves = [Rhythm.of(row) for row in rhythm], load_body()
    face = np.zeros((len(beats), len(ARKIT_NAMES)), np.float32)
    for _ in range(4):
        found = []
        for seed, mood in enumerate(_MOODS):
            motion = Body(weights, moves, MotionStyle(), seed).play(face, beats, np.tile(mood, (len(beats), 1)))
            measured = measure_eyes(motion)
            found.append(np.log([measured.saccades_per_second, measured.blinks_per_minute / 60]))
        weights = replace(weights, rates_bias=weights.rates_bias + np.log(targets) - np.mean(found, 0))
    return weights


def log_likelihood(rates: np.ndarray, events: np.ndarray) -> float:
    """Of events [T] (bool) that come with chances of `rates` [T] a second, in nats."""
    missed = np.asarray(rates, float) / FPS
    return float(np.where(events, np.log(-np.expm1(-missed) + 1e-12), -missed).sum())


def fit_rates(records: Sequence[EyeRecord], kind: int, ridge: float) -> tuple[np.ndarray, float]:
    """(coefficients [FEATURES], bias) of the logarithm of the rate of jumps (kind 0) or blinks (1)."""
    features = torch.from_numpy(np.concatenate([record.features[record.open[:, kind]] for record in records]))
    events = torch.from_numpy(np.concatenate([record.events[record.open[:, kind], kind] for record in records]))
    middle, spread = features.mean(0), features.std(0) + 1e-3
    seen = (features - middle) / spread
    slope = torch.zeros(FEATURES, dtype=torch.float64, requires_grad=True)
    level = torch.log(events.double().mean() * FPS).requires_grad_()

    def loss() -> Tensor:
        expected = torch.exp((seen @ slope + level).clamp(max=6)) / FPS
        happens = torch.log(-torch.expm1(-expected) + 1e-12)
        return -torch.where(events, happens, -expected).sum() + ridge / 2 * slope.square().sum()

    _minimise([slope, level], loss)
    slopes = (slope.detach() / spread).numpy()
    return slopes, float(level.detach()) - float(slopes @ middle.numpy())


def fit_looks(records: Sequence[EyeRecord], ridge: float) -> dict[str, np.ndarray]:
    """`choice` [LOOKS, CHOICE], `pull` [LOOKS, 2], `rise` [LOOKS] and `spread` [LOOKS, 2] of `EyeWeights`."""
    looks, origins, choices = (
        torch.from_numpy(np.concatenate([getattr(record, name) for record in records]))
        for name in ("looks", "origins", "choices")
    )
    looks, origins = torch.rad2deg(looks), torch.rad2deg(origins)
    # They begin as the listener's face, which stays where it is, the neighbourhood near and wide, and anywhere.
    choice = torch.zeros(LOOKS, CHOICE, dtype=torch.float64, requires_grad=True)
    pulled = torch.tensor([[0.9, 0.9], [0.8, 0.8], [0.3, 0.3]], dtype=torch.float64, requires_grad=True)
    risen = torch.zeros(LOOKS - 1, dtype=torch.float64, requires_grad=True)
    spread = torch.tensor([[2.0, 2.0], [1.5, 1.5], [4.0, 4.0], [12.0, 7.0]], dtype=torch.float64).log().requires_grad_()
    begun = spread.detach().clone()

    def held() -> tuple[Tensor, Tensor]:
        return torch.cat([torch.zeros_like(pulled[:1]), pulled]), torch.cat([torch.zeros_like(risen[:1]), risen])

    def loss() -> Tensor:
        pull, rise = held()
        density = _density(looks, origins, choices, choice, pull, rise, spread)
        small = choice[:, 1:].square().sum() + 0.1 * choice[:, 0].square().sum()
        return -density.sum() + ridge * (small / 2 + (spread - begun).square().sum() + 0.05 * rise.square().sum())

    _minimise([choice, pulled, risen, spread], loss)
    pull, rise = held()
    return {
        "choice": choice.detach().numpy(),
        "pull": pull.detach().numpy(),
        "rise": np.radians(rise.detach().numpy()),
        "spread": np.radians(spread.detach().exp().numpy()),
    }


def look_likelihood(record: EyeRecord, looks: dict[str, np.ndarray]) -> np.ndarray:
    """[S] logarithms of the density, in square degrees, at the looks of a record."""
    given = map(torch.from_numpy, (np.degrees(record.looks), np.degrees(record.origins), record.choices))
    rise, spread = np.degrees(looks["rise"]), np.log(np.degrees(looks["spread"]))
    return _density(*given, *map(torch.from_numpy, (looks["choice"], looks["pull"], rise, spread))).numpy()


def _density(
    looks: Tensor,
    origins: Tensor,
    choices: Tensor,
    choice: Tensor,
    pull: Tensor,
    rise: Tensor,
    spread: Tensor,  # its logarithm
) -> Tensor:
    middle = origins[:, None] * pull + torch.stack([torch.zeros_like(rise), rise], -1)
    off = (looks[:, None] - middle) / spread.exp()
    each = -0.5 * off.square().sum(-1) - spread.sum(-1) - math.log(2 * math.pi)
    return torch.logsumexp(torch.log_softmax(choices @ choice.T, -1) + each, -1)


def _minimise(numbers: list[Tensor], loss: Callable[[], Tensor]) -> None:
    optimizer = torch.optim.LBFGS(numbers, max_iter=400, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(step)
