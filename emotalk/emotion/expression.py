"""Valence and arousal -> a face: a continuous field of ARKit expressions over the whole square, and what arousal
does to the rest of the body language.

The field is 0 at (0, 0). Along a ray only the strength grows; around the circle every shape follows a monotone cubic
through the prototypes, so the face changes smoothly (C1, no overshoot, no standstill at a prototype) everywhere but
at the origin, where it is continuous.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PchipInterpolator

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES, LOOK_RADIANS
from emotalk.emotion.prototypes import HEAD_GAINS, PROTOTYPES, arkit_row

if TYPE_CHECKING:
    from torch import Tensor

BOOST = 2.2
"""Strength is (1 + BOOST) r / (1 + BOOST r): .76 at half radius, since with a straight line viewers (and five
expression recognisers) take half-strength faces for neutral; still rising at the border, so no slider goes dead."""

LID_SHAPES = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
LOOK_SHAPES = [i for name, i in ARKIT_INDEX.items() if name.startswith("eyeLook")]
PAIRS = [
    (ARKIT_INDEX[name], ARKIT_INDEX[name[: -len("Left")] + "Right"])
    for name in ARKIT_NAMES
    if name.endswith("Left") and name[: -len("Left")] + "Right" in ARKIT_INDEX and name not in ("jawLeft", "mouthLeft")
]


@cache
def _table() -> tuple[Tensor, Tensor]:
    """(knots [3P] in radians, cubic coefficients [3P - 1, 4, 52] of the face between them, highest power first).

    The circle is laid out three times so that the middle round is periodic.
    """
    import torch  # here: a voice needs the names of moods only

    weights = arkit_row(HEAD_GAINS)
    gains = np.where(weights > 0, weights, 1.0)
    angles = np.radians([degrees for degrees, _ in PROTOTYPES.values()])
    faces = np.stack([arkit_row(face) for _, face in PROTOTYPES.values()]) * gains
    knots = np.concatenate([angles - 2 * np.pi, angles, angles + 2 * np.pi])
    cubic = PchipInterpolator(knots, np.tile(faces, (3, 1)))
    return torch.tensor(cubic.x), torch.tensor(cubic.c).transpose(0, 1).contiguous()


def field_pieces() -> tuple[np.ndarray, np.ndarray]:
    """(angles [P] in radians, ascending, at which the pieces of the field begin, the cubics [P, 4, 52] of the face over
    the angle past them, highest power first): those of [0, 2 pi] alone, for whoever computes the field elsewhere."""
    knots, cubics = (table.numpy() for table in _table())
    used = (knots[1:] > 0) & (knots[:-1] <= 2 * np.pi)
    return knots[:-1][used], cubics[used]


def expression_tensor(va: Tensor) -> Tensor:
    """The field as a differentiable function: [..., 2] valence and arousal -> [..., 52] ARKit weights >= 0.

    Values outside [-1, 1] are clamped. Weights may exceed 1 where the shipped head needs it (HEAD_GAINS); the
    columns eyeBlink* and eyeLookDown* hold drooping lids and lowered gaze, which `split_eyes` moves out.
    """
    import torch  # here: a voice needs the names of moods only

    knots, cubics = (table.to(va.device) for table in _table())
    v, a = va.double().clamp(-1, 1).unbind(-1)
    squared = v * v + a * a - v * v * a * a
    inside = squared > 1e-12  # sqrt and atan2 have no gradient at the origin
    r = torch.where(inside, squared, torch.ones_like(squared)).sqrt()
    turn = torch.atan2(torch.where(inside, a, torch.zeros_like(a)), torch.where(inside, v, torch.ones_like(v)))
    turn = torch.remainder(turn, 2 * torch.pi)
    piece = torch.searchsorted(knots, turn.detach().contiguous(), right=True) - 1
    past = (turn - knots[piece])[..., None]
    c3, c2, c1, c0 = cubics[piece].unbind(-2)
    face = ((c3 * past + c2) * past + c1) * past + c0
    strength = torch.where(inside, (1 + BOOST) * r / (1 + BOOST * r), torch.zeros_like(r))
    return (strength[..., None] * face).to(va.dtype)


def expression_field(
    valence: np.ndarray | float,  # [T] or scalar
    arousal: np.ndarray | float,  # [T] or scalar
    gains: np.ndarray | None = None,  # [52]
) -> np.ndarray:
    """The emotional face without speech: [T, 52] float32 ARKit weights for T points (scalars give T = 1).

    `gains` [52] makes it one person's (see `idiosyncrasy`); without it the face is symmetric.
    """
    import torch  # here: a voice needs the names of moods only

    v, a = np.broadcast_arrays(np.atleast_1d(valence), np.atleast_1d(arousal))
    field = expression_tensor(torch.tensor(np.stack([v, a], -1), dtype=torch.float64)).numpy()
    return (field if gains is None else field * gains).astype(np.float32)


def idiosyncrasy(face: int, strength: float = 1.0) -> np.ndarray:
    """The way of making faces of person number `face`: [52] factors around 1, to multiply the field with.

    Every shape gets its own liveliness (log-normal, 10 %), one half of the face is a little stronger everywhere
    (posed and felt smiles alike are rarely equal on both sides; Ekman, Hager & Friesen 1981) and every pair of
    shapes has its own imbalance (6 %). `strength` scales all of it; 0 gives a perfectly symmetric average person.
    """
    random = np.random.default_rng([0x1D10, face])
    logs = np.zeros(len(ARKIT_NAMES))
    logs += 0.10 * random.standard_normal(len(logs))
    dominant = 0.05 * random.standard_normal()
    for left, right in PAIRS:
        logs[right] = logs[left]
        imbalance = np.clip(dominant + 0.06 * random.standard_normal(), -0.18, 0.18)
        logs[left] += imbalance
        logs[right] -= imbalance
    return np.exp(strength * np.clip(logs, -0.35, 0.35)).astype(np.float32)


def split_eyes(expression: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(expression [T, 52] without eye blinks and looks, eyelid closure [T, 2], gaze yaw and pitch [T, 2] radians).

    HeadMotion keeps lids and gaze in channels of their own; this moves them there from plain ARKit coefficients.
    """
    expression = np.array(expression, np.float32)
    look = {name: expression[:, i] for name, i in ARKIT_INDEX.items() if name.startswith("eyeLook")}
    yaw = (look["eyeLookOutLeft"] - look["eyeLookInLeft"] + look["eyeLookInRight"] - look["eyeLookOutRight"]) / 2
    pitch = sum(look[f"eyeLookUp{side}"] - look[f"eyeLookDown{side}"] for side in ("Left", "Right")) / 2
    gaze = np.stack([yaw * LOOK_RADIANS[0], pitch * LOOK_RADIANS[1]], -1)
    eyelids = expression[:, LID_SHAPES].copy()
    expression[:, LID_SHAPES + LOOK_SHAPES] = 0
    return expression, eyelids, gaze


@dataclass(frozen=True)
class Behaviour:
    """What the emotion does beside the face; every field is an array [T]."""

    blink_rate: np.ndarray  # factor on the person's own blink rate
    saccade_rate: np.ndarray  # factor on the rate of gaze shifts
    gaze_spread: np.ndarray  # factor on how far gaze wanders
    head_energy: np.ndarray  # factor on the size of head movements
    head_speed: np.ndarray  # factor on their speed
    head_pitch: np.ndarray  # radians the head is raised (> 0) or hung (< 0)


BODY_LANGUAGE: dict[str, tuple[float, float, float]] = {
    "blink_rate": (0.0, 0.15, 0.15),
    "saccade_rate": (0.0, 0.1, 0.0),
    "gaze_spread": (-0.1, 0.1, 0.0),
    "head_energy": (0.04, 0.18, 0.0),
    "head_speed": (0.0, 0.13, 0.0),
    "head_pitch": (0.06, 0.05, 0.0),
}
"""What valence, arousal and distress (negative valence times positive arousal) add to the natural logarithm of each
factor of `Behaviour`, and to its angle itself."""


def behaviour(va: np.ndarray) -> Behaviour:
    """Body language of [T, 2] valence and arousal; every factor is 1 and every angle 0 at (0, 0).

    Directions follow published findings: blinks more often in aroused, negative states and less in calm interest
    (Harrigan & O'Connell 1996); faster and larger head movements with arousal (Busso et al. 2007, "Rigid head motion
    in expressive speech animation"); the head hangs and gaze drops in sadness and rises in pride and joy (Wallbott
    1998; Tracy & Robins 2004). The sizes are ours, chosen to be visible without caricature, and so that no mood's head
    is calmer or wilder than in filmed talks (Busso's actor doubled the speed in happy and angry speech; ours gains
    less, as calm moods would fall below every filmed talk).
    """
    v, a = np.float32(va).T
    distress = np.clip(-v, 0, 1) * np.clip(a, 0, 1)
    sums = {name: by_v * v + by_a * a + by_d * distress for name, (by_v, by_a, by_d) in BODY_LANGUAGE.items()}
    # tanh-free exponentials keep every factor monotone in arousal over the whole slider: no dead zone.
    return Behaviour(**{name: value if name == "head_pitch" else np.exp(value) for name, value in sums.items()})
