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
from emotalk.motion.visemes import CLOSURE, LABIODENTAL, speech_shapes

# How much the emotion of a region swells between soft and loud speech, and how much stressed syllables add.
_SWELL = torch.tensor([0.20, 0.15, 0.20, 0.25, 0.15, 0.15, 0.15])
_ON_STRESS = torch.tensor([0.30, 0.20, 0.10, 0.08, 0.0, 0.0, 0.0])
_RELAXED = 0.88  # what is left of an expression while its owner is silent


@dataclass(frozen=True)
class Taught:
    """The teacher's motion of T frames; fields as in `network.NetworkOutput`, contacts as probabilities. It knows no
    gate: how much of an emotion may show beside speech is for the losses to find out."""

    expression: Tensor  # [B, T, 52] speech and the whole residual, but for contacts
    speech: Tensor  # [B, T, 52]
    residual: Tensor  # [B, T, 52]
    contacts: Tensor  # [B, T, 2]


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
    contacts = torch.stack([closure, labiodental], -1).clamp(0, 1)
    assert len(_SWELL) == len(REGIONS)
    swing = torch.exp(0.5 * style[:, 5])[:, None] * (smoothed(loudness, 8.0) - 0.45)
    relaxed = _RELAXED + (1 - _RELAXED) * smoothed(speaking, 6.0)
    lively = relaxed[..., None] * (1 + _SWELL * swing[..., None]) + _ON_STRESS * stress[..., None]
    shown = torch.exp(0.25 * style[:, 4])[:, None, None]
    region = region_of_shapes()
    residual = lively[..., region] * shown * expression_tensor(va) * gains[:, None]
    return Taught(combine(speech, residual, *contacts.unbind(-1)), speech, residual, contacts)
