"""The motion a speaker should make, from what is exactly known of synthetic speech: phone times, emotion, style.

It is what the motion network learns to produce from what can merely be heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from emotalk.emotion.expression import expression_tensor
from emotalk.motion.lip_rules import combine
from emotalk.motion.network import REGIONS, region_of_shapes
from emotalk.motion.visemes import CLOSURE, LABIODENTAL, PUCKER, SILENCE, speech_shapes

# How much the emotion of a region swells between soft and loud speech, and how much stressed syllables add.
_SWELL = torch.tensor([0.20, 0.15, 0.20, 0.25, 0.15, 0.15])
_ON_STRESS = torch.tensor([0.30, 0.20, 0.10, 0.08, 0.0, 0.0])
_RELAXED = 0.88  # what is left of an expression while its owner is silent


@dataclass(frozen=True)
class Taught:
    """The teacher's motion of T frames; fields as in `network.NetworkOutput`, contacts as probabilities."""

    expression: Tensor  # [B, T, 52]
    speech: Tensor  # [B, T, 52]
    emotion: Tensor  # [B, T, 52]
    gate: Tensor  # [B, T, 6]
    contacts: Tensor  # [B, T, 3]


def smoothed(values: Tensor, frames: float) -> Tensor:
    """[B, T] through a causal one-pole low-pass of that time constant in frames."""
    keep = torch.exp(torch.tensor(-1.0 / frames))
    out, now = [], values[:, 0]
    for column in values.unbind(1):
        now = column + (now - column) * keep
        out.append(now)
    return torch.stack(out, 1)


def teach(
    articulation: Tensor,  # [B, T, 6] from phone times
    phones: Tensor,  # [B, T, 40] true phones, 0 to 1
    rhythm: Tensor,  # [B, T, 6] `Rhythm.row()`
    va: Tensor,  # [B, T, 2]
    style: Tensor,  # [B, 16]
    gains: Tensor,  # [B, 52]
) -> Taught:
    """The target motion of a batch."""
    who = style[:, None]
    speaking, stress, loudness = rhythm[..., :3].unbind(-1)
    speech = speech_shapes(articulation, phones, who)
    closure, labiodental = articulation[..., CLOSURE], articulation[..., LABIODENTAL]
    rest = smoothed(phones[..., SILENCE], 1.5)
    contacts = torch.stack([closure, labiodental, rest], -1).clamp(0, 1)

    pucker = articulation[..., PUCKER].clamp(0, 1)
    one = torch.ones_like(pucker)
    # Rounded lips cannot smile, and lips that touch leave the emotion little room beyond what the lip rules take.
    gate = torch.stack(
        [
            one,
            one,
            1 - 0.15 * closure,
            1 - 0.45 * pucker,
            1 - 0.6 * torch.maximum(closure, labiodental) - 0.3 * pucker * (1 - closure),
            1 - 0.6 * closure,
        ],
        -1,
    ).clamp(0.05, 1)
    assert gate.shape[-1] == len(REGIONS)
    swing = torch.exp(0.5 * style[:, 5])[:, None] * (smoothed(loudness, 8.0) - 0.45)
    relaxed = _RELAXED + (1 - _RELAXED) * smoothed(speaking, 6.0)
    lively = relaxed[..., None] * (1 + _SWELL * swing[..., None]) + _ON_STRESS * stress[..., None]
    shown = torch.exp(0.25 * style[:, 4])[:, None, None]
    region = region_of_shapes()
    emotion = (gate * lively)[..., region] * shown * expression_tensor(va) * gains[:, None]
    face = combine(speech, emotion, *contacts.unbind(-1))
    return Taught(face, speech, emotion, gate, contacts)
