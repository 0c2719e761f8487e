"""Training of the body network (`motion.body_network`) on filmed people.

The loss is the energy score (Gneiting & Raftery 2007, "Strictly proper scoring rules"): of two motions that the network
plays from different noise for the same speech, mean distance from the filmed one less half their distance from each
other. Its least value has the network whose motions are spread as people's are; the mean of all of them costs, and so
does stillness. Distances are taken over short courses of positions and of changes over several spans, so that tempo
counts as much as place.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from emotalk.motion.body_network import COURSES, NOISE_HERTZ, TRACES, BodyWeights, NoiseBank, RhythmTraces
from emotalk.motion.rhythm import Rhythm

log = logging.getLogger(__name__)

_SPANS = (1, 3, 8, 20, 45)  # frames over which changes are compared
_GROUPS = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 1, 2, 6, 7, 8))
"""Courses that are compared together: turns, shifts, brows, and turns with brows."""
_TREMBLE = 2.4
"""Frames (standard deviation) over which tracked courses are smoothed. Trackers tremble: at 1.0 the network learned
twice the share of head power above 2 Hz that filmed talks show, and the eyes, which make up for it, saccades without
end."""
_STEPS = 4  # how many moments, `span` apart, make one course that is compared
_TAKES, _TALK = 24, 750
"""How many talks, of how many frames, sizes are measured on."""
_NOISES = len(COURSES) * len(NOISE_HERTZ)


@dataclass(frozen=True)
class BodyClip:
    """One film: what the rhythm of its speech was, and what head and brows did, in units of this speaker's usual."""

    speaker: str
    rhythm: np.ndarray  # [T, 6] `Rhythm.row()`
    courses: np.ndarray  # [T, len(COURSES)] standardised


@dataclass(frozen=True)
class BodyConfig:
    """How the body network is trained."""

    steps: int = 800
    batch: int = 24
    frames: int = 72
    hidden: int = 32
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    seed: int = 0


def brow_courses(expression: np.ndarray) -> np.ndarray:
    """[T, 3] how far inner, left outer and right outer brow are raised (> 0) or lowered, of ARKit weights [T, 52]."""
    columns = [expression[:, ARKIT_INDEX[f"brow{name}"]] for name in ("InnerUp", "OuterUpLeft", "OuterUpRight")]
    left, right = (expression[:, ARKIT_INDEX[f"browDown{side}"]] for side in ("Left", "Right"))
    return np.stack([columns[0] - 0.5 * (left + right), columns[1] - left, columns[2] - right], -1)


def body_clips(
    films: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[list[BodyClip], dict[str, np.ndarray]]:
    """Clips of films (speaker, rhythm [T, 6], head_pose [T, 6], ARKit weights of the brows' source [T, 52]), and each
    speaker's usual sizes [9] in radians, metres and ARKit weights.

    Turns count from the speaker's mean over all films; shifts and brows from that film's own (between films people
    sit down anew, and what a resting brow is seen as changes with the pose).
    """
    of: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for speaker, rhythm, pose, face in films:
        courses = gaussian_filter1d(np.concatenate([pose, brow_courses(face)], -1), _TREMBLE, axis=0)
        courses[:, 3:] -= courses[:, 3:].mean(0)
        of.setdefault(speaker, []).append((rhythm, courses))
    clips, sizes = [], {}
    for speaker, group in of.items():
        middle = np.mean([courses[:, :3].mean(0) for _, courses in group], 0)
        for _, courses in group:
            courses[:, :3] -= middle
        size = np.sqrt(np.mean([(courses**2).mean(0) for _, courses in group], 0))
        # One amplitude for each kind: which axis moves most is what is learned.
        unit = np.repeat([np.sqrt((size[k : k + 3] ** 2).mean()) for k in (0, 3, 6)], 3)
        sizes[speaker] = size
        clips += [BodyClip(speaker, rhythm, courses / np.maximum(unit, 1e-9)) for rhythm, courses in group]
    return clips, sizes


def traces_of(rhythm: np.ndarray) -> np.ndarray:
    """[T, TRACES] of the rows `Rhythm.row()` [T, 6], from silence on."""
    traces = RhythmTraces()
    return np.stack([traces.step(Rhythm.of(row)) for row in rhythm])


def noise_of(random: np.random.Generator, people: int, frames: int) -> np.ndarray:
    """[people, frames, C * S] of a noise bank."""
    bank = NoiseBank(random, (people, len(COURSES)))
    return np.stack([bank.step() for _ in range(frames)], 1).reshape(people, frames, _NOISES)


class BodyNet(nn.Module):
    """`BodyWeights` as it is trained: courses in units of the speaker's usual."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(_NOISES + TRACES, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, len(COURSES), bias=False)
        self.direct = nn.Linear(_NOISES, len(COURSES), bias=False)
        nn.init.normal_(self.direct.weight, std=0.02)
        with torch.no_grad():
            self.last.weight *= 0.3
            # At first every course is its own noises.
            for course in range(len(COURSES)):
                self.direct.weight[course, course * len(NOISE_HERTZ) : (course + 1) * len(NOISE_HERTZ)] = 0.4

    def forward(self, noise: Tensor, traces: Tensor) -> Tensor:
        """[..., C] of noise [..., C * S] and traces [..., TRACES]."""
        hidden = torch.tanh(self.first(torch.cat([noise, traces], -1)))
        return self.last(torch.tanh(self.second(hidden))) + self.direct(noise)

    def weights(self, clips: Sequence[BodyClip], spread: np.ndarray, seed: int = 0) -> BodyWeights:
        """The network as it is played, `sized` to `spread` [C] over the speech of `clips`."""
        arrays = {name: tensor.detach().double().numpy() for name, tensor in self.named_parameters()}
        raw = BodyWeights(
            arrays["first.weight"], arrays["first.bias"], arrays["second.weight"], arrays["second.bias"],
            arrays["last.weight"], arrays["direct.weight"], np.zeros(len(COURSES)), np.ones(len(COURSES)),
        )  # fmt: skip
        return sized(raw, clips, spread, seed)

    def play(self, rhythm: np.ndarray, random: np.random.Generator, takes: int) -> np.ndarray:
        """[takes, T, C] motions for the speech whose `Rhythm.row()` are `rhythm` [T, 6]."""
        noise = torch.from_numpy(noise_of(random, takes, len(rhythm))).float()
        with torch.no_grad():
            return self(noise, torch.from_numpy(traces_of(rhythm)).float().expand(takes, -1, -1)).double().numpy()


def sized(weights: BodyWeights, clips: Sequence[BodyClip], spread: np.ndarray, seed: int = 0) -> BodyWeights:
    """The same network with courses that have mean 0, and within half a minute of talk (the speech of `clips`, one
    after the other) the standard deviation `spread` [C] in radians, metres and ARKit weights."""
    raw = replace(weights, rest=np.zeros(len(COURSES)), size=np.ones(len(COURSES)))
    speech = np.concatenate([clip.rhythm for clip in clips])
    takes = []
    for take in range(_TAKES):
        start = take * max(0, len(speech) - _TALK) // (_TAKES - 1)
        traces = traces_of(speech[start : start + _TALK])
        bank = NoiseBank(np.random.default_rng([seed, take]))
        takes.append([raw.play(bank.step(), row) for row in traces])
    courses = np.array(takes)
    size = spread / np.sqrt(courses.var(1).mean(0))
    return replace(raw, rest=courses.mean((0, 1)), size=size)


def course_features(courses: Tensor) -> list[Tensor]:
    """What is compared of courses [..., T, C]: for each group, of positions and of changes over every span, short
    courses [..., moments, numbers]. All last dimensions weigh alike."""
    features = []
    for group in _GROUPS:
        chosen = courses[..., list(group)]
        for span in (0, *_SPANS):
            if span >= chosen.shape[-2]:
                continue
            moved = chosen[..., span:, :] - chosen[..., :-span, :] if span else chosen
            pace = max(span, 4)
            count = moved.shape[-2] - (_STEPS - 1) * pace
            if count > 4:
                moved = torch.cat([moved[..., k * pace : k * pace + count, :] for k in range(_STEPS)], -1)
            features.append(moved[..., ::2, :])
    return features


def feature_scales(clips: Sequence[BodyClip], frames: int) -> list[float]:
    """The usual length of each of `course_features` on filmed people, by which its distances are divided."""
    rows = [course_features(torch.from_numpy(clip.courses[:frames]).float()) for clip in clips]
    squares = [[float(part.square().sum(-1).mean()) for part in row] for row in rows]
    return (np.sqrt(np.mean(squares, 0)) + 1e-6).tolist()


def energy_score(played: Tensor, filmed: Tensor, scales: Sequence[float]) -> Tensor:
    """Scalar: the energy score of played motions [M, B, T, C] (M >= 2 of the same speech) against filmed [B, T, C]."""
    total = played.new_zeros(())
    count = len(played)
    made, true = course_features(played), course_features(filmed)
    for scale, a, b in zip(scales, made, true, strict=True):
        off = (a - b).square().sum(-1).add(1e-8).sqrt().mean()
        apart = a.new_zeros(())
        for i in range(count):
            for j in range(i):
                apart = apart + (a[i] - a[j]).square().sum(-1).add(1e-8).sqrt().mean()
        total = total + (off - apart / (count * (count - 1))) / scale
    return total / len(made)


def train_body(clips: Sequence[BodyClip], config: BodyConfig) -> BodyNet:
    """A body network from clips, every speaker drawn as often as the square root of their clips; InputError without."""
    if not clips:
        raise InputError("There is no film to learn body motion from.")
    torch.manual_seed(config.seed)
    random = np.random.default_rng(config.seed)
    frames = min(config.frames, min(len(clip.courses) for clip in clips))
    traces = [torch.from_numpy(traces_of(clip.rhythm)).float() for clip in clips]
    filmed = [torch.from_numpy(clip.courses).float() for clip in clips]
    speakers = [clip.speaker for clip in clips]
    chance = np.array([speakers.count(speaker) ** -0.5 for speaker in speakers])
    chance /= chance.sum()
    scales = feature_scales(clips, frames)
    net = BodyNet(config.hidden)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=config.steps)
    means = {name: value.detach().clone() for name, value in net.named_parameters()}
    for step in range(config.steps):
        rows = random.choice(len(clips), config.batch, p=chance)
        starts = [int(random.integers(len(filmed[row]) - frames + 1)) for row in rows]
        heard = torch.stack([traces[row][start : start + frames] for row, start in zip(rows, starts, strict=True)])
        seen = torch.stack([filmed[row][start : start + frames] for row, start in zip(rows, starts, strict=True)])
        # A mirrored person is a person.
        mirrored = torch.from_numpy(random.random(config.batch) < 0.5)
        seen = torch.where(mirrored[:, None, None], mirror(seen), seen)
        noise = torch.from_numpy(noise_of(random, 2 * config.batch, frames)).float().unflatten(0, (2, -1))
        loss = energy_score(net(noise, heard.expand(2, -1, -1, -1)), seen, scales)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for name, value in net.named_parameters():
                means[name].lerp_(value, 1 - min(0.98, (step + 1) / (step + 10)))
        if (step + 1) % 100 == 0:
            log.info("body step %d: energy score %.4f", step + 1, loss.item())
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(means[name])
    return net.eval()


def mirror(courses: Tensor) -> Tensor:
    """Courses [..., C] of the mirrored person: yaw, roll and the sideways shift turn around, brows change sides."""
    return courses[..., [0, 1, 2, 3, 4, 5, 6, 8, 7]] * courses.new_tensor([1, -1, -1, -1, 1, 1, 1, 1, 1])


def score_of(
    played: Sequence[np.ndarray],  # one a clip: [M, T, C] motions for the clip's speech
    clips: Sequence[BodyClip],
    scales: Sequence[float],
    frames: int,
) -> float:
    """Mean energy score of motions against the clips that they were played for."""
    scores = []
    for made, clip in zip(played, clips, strict=True):
        true = torch.from_numpy(clip.courses[None, :frames]).float()
        scores.append(energy_score(torch.from_numpy(made[:, None, :frames]).float(), true, scales).item())
    return float(np.mean(scores))
