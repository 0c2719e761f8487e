"""What gate and residual of the motion network are worth: each taken away, in the same talks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.motion_lips import SHUT, WITHIN, Line, frames_near, mesh_points
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.emotion import EmotionCurve
from emotalk.head import HeadModel
from emotalk.learning.lip_freedom import load_freedom, strain
from emotalk.learning.motion_data import rhythm_of
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.emotion_recogniser import EmotionRecogniser, concordance
from emotalk.sync.lip_measures import LipBasis, lip_gap
from emotalk.sync.network import SyncModel

MOODS = tuple((v, a) for v in (-1.0, 0.0, 1.0) for a in (-1.0, 0.0, 1.0) if v or a)
_LOUDNESS = 2  # column of `Rhythm.row()`
_OPEN_VOWELS = ("aa", "ae", "ay", "ao")
_BROWS = [i for name, i in ARKIT_INDEX.items() if name.startswith(("brow", "cheek", "nose"))]


class Constant(nn.Module):
    """In the place of a layer: the same number for all of its outputs."""

    def __init__(self, outputs: int, value: float) -> None:
        super().__init__()
        self.outputs, self.value = outputs, value

    def forward(self, x: Tensor) -> Tensor:
        """[..., outputs] whatever `x` [..., N] is."""
        return x.new_full((*x.shape[:-1], self.outputs), self.value)


class Deaf(nn.Module):
    """A layer that hears nothing: the usual speech [H] in the place of what is said."""

    def __init__(self, layer: nn.Module, usual: Tensor) -> None:
        super().__init__()
        self.layer, self.usual = layer, usual

    def forward(self, x: Tensor) -> Tensor:
        """The layer's answer [..., N] to `x` [..., H + M] with its first H numbers replaced."""
        still = self.usual.expand(*x.shape[:-1], -1)
        return self.layer(torch.cat([still, x[..., self.usual.shape[-1] :]], -1))


def variants(model: MotionModel, lines: list[Line]) -> dict[str, MotionModel]:
    """The model as it is and with parts of it taken away, by name."""
    usual = torch.cat([_channels(model, line) for line in lines]).mean(0)
    outputs = model.network.gate.out_features
    networks = {name: copy.deepcopy(model.network) for name in _NAMES}
    networks["no gate"].gate = Constant(outputs, 30.0)
    networks["no residual"].gate = Constant(outputs, -30.0)
    networks["gate without speech"].gate = Deaf(networks["gate without speech"].gate, usual)
    deaf = networks["residual without speech"]
    deaf.modulation = Deaf(deaf.modulation, usual)
    models = {name: copy.copy(model) for name in networks}
    for name, network in networks.items():
        models[name].network = network
    return models


_NAMES = ("as it is", "no gate", "gate without speech", "residual without speech", "no residual")


def _channels(model: MotionModel, line: Line) -> Tensor:
    stream = model.code_stream(MotionStyle())
    rows = np.concatenate([stream.push(line.known), stream.finish()])
    return torch.from_numpy(rows[:, stream.layout.channels])


@dataclass(frozen=True)
class Effect:
    """Of one variant, over all lines and moods."""

    strain: float  # root mean square, while something is said
    silent: float  # the same in silence
    closed: float  # share of p b m whose lips meet within 40 ms
    openings: float  # median opening of long open vowels against that of the neutral face
    sync: float  # mean score by the network that nothing was trained to please
    emotion: tuple[float, float]  # concordance of valence and arousal that are read in faces alone
    swell: float  # correlation of what brows, cheeks and nose show with the loudness of the voice


def effect(
    model: MotionModel, lines: list[Line], head: HeadModel, sync: SyncModel, recogniser: EmotionRecogniser
) -> Effect:
    """Plays every line in every mood."""
    basis, freedom = LipBasis.of_head(head), torch.from_numpy(load_freedom())
    with torch.inference_mode():
        rest = float(lip_gap(head.landmarks(head(expression=torch.zeros(1, 52)).vertices, "mediapipe478"))[0])
    style = MotionStyle(blink_rate=0.0, face=0)
    columns: dict[str, list] = {name: [] for name in ("said", "silent", "closed", "open", "sync", "read", "swell")}
    neutral_open: list[float] = []
    moods: list[tuple[float, float]] = []
    for line in lines:
        calm = model(line.known, EmotionCurve.constant(0, 0), style, 1)
        neutral_open += _openings(_gap(head, calm, rest), line)
        phones = torch.from_numpy(line.known.at_video_rate().phones[: len(calm)])
        loud = rhythm_of(line.known)[: len(calm), _LOUDNESS]
        for mood in MOODS:
            motion = model(line.known, EmotionCurve.constant(*mood), style, 1)
            pair = (torch.from_numpy(m.expression)[None] for m in (motion, calm))
            strained = strain(*pair, phones[None], basis, freedom)[0].square()
            columns["said"].append(strained[phones[:, 0] < 0.5])
            columns["silent"].append(strained[phones[:, 0] > 0.5])
            gap = _gap(head, motion, rest)
            for start, end, phone in line.speech.phones:
                if phone in ("p", "b", "m") and (near := frames_near((start + end) / 2, len(gap), WITHIN)):
                    columns["closed"].append(gap[near].min() <= SHUT)
            columns["open"] += _openings(gap, line)
            columns["sync"].append(sync.score(line.heard, sync.lips(motion)))
            still = HeadMotion.neutral(len(motion))
            face = HeadMotion(motion.expression, still.jaw, still.gaze, motion.eyelids, still.head_pose)
            columns["read"].append(recogniser(face).mean(0))
            moods.append(mood)
            shown = np.abs(motion.expression - calm.expression)[:, _BROWS].sum(1)
            if shown.std() > 1e-6:
                columns["swell"].append(np.corrcoef(shown[loud > 0], loud[loud > 0])[0, 1])
    read, wanted = np.array(columns["read"]), np.array(moods)
    return Effect(
        *(float(torch.cat(columns[name]).mean().sqrt()) for name in ("said", "silent")),
        float(np.mean(columns["closed"])),
        float(np.median(columns["open"]) / np.median(neutral_open)),
        float(np.mean(columns["sync"])),
        (concordance(read[:, 0], wanted[:, 0]), concordance(read[:, 1], wanted[:, 1])),
        float(np.mean(columns["swell"])) if columns["swell"] else 0.0,
    )


def _gap(head: HeadModel, motion: HeadMotion, rest: float) -> np.ndarray:
    return (lip_gap(mesh_points(head, motion)[0]) - rest).numpy()


def _openings(gap: np.ndarray, line: Line) -> list[float]:
    return [
        float(gap[near].max())
        for start, end, phone in line.speech.phones
        if phone in _OPEN_VOWELS and end - start > 0.1 and (near := frames_near((start + end) / 2, len(gap)))
    ]


def table(
    model: MotionModel, lines: list[Line], head: HeadModel, sync: SyncModel, recogniser: EmotionRecogniser
) -> Iterator[str]:
    """Lines of the table: every variant on every third line, known phones, in eight moods."""
    chosen = lines[::3]
    seconds = sum(len(line.known) for line in chosen) / 2 / FPS
    yield (
        f"{len(chosen)} sentences ({seconds:.0f} s) in eight moods at the border of the square, phones known. Strain "
        "is how far the emotion moves the lip measures of the same speech, in units of the spread that lips of filmed "
        "people have at the sound.\n"
    )
    yield (
        "| variant | strain, speech | silence | p b m closed | open vowels, of neutral | sync score | "
        "valence CCC (face) | arousal CCC (face) | r upper face, loudness |"
    )
    yield "|" + "---|" * 9
    for name, variant in variants(model, lines).items():
        e = effect(variant, chosen, head, sync, recogniser)
        yield (
            f"| {name} | {e.strain:.2f} | {e.silent:.2f} | {e.closed:.3f} | {e.openings:.2f} | {e.sync:.3f} | "
            f"{e.emotion[0]:.3f} | {e.emotion[1]:.3f} | {e.swell:.2f} |"
        )
