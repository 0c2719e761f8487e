"""What the mouth must do -> ARKit shapes of a neutral speaker, before any emotion.

The six articulations (`ARTICULATION_NAMES`) come from a coarticulation model over phone times or from the speech
encoder. Their translation into face shapes follows JALI (Edwards, Landreth, Fiume & Singh, SIGGRAPH 2016): a jaw part
and a lip part of every viseme, which a speaker may weigh differently. The amounts were set on the shipped head so
that the vowels of a calm speaker open it as far as phones record talking people (median jawOpen .05-.25, peaks .6).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.speech import ARTICULATION_NAMES, PHONES, video_pairs

JAW, WIDTH, PUCKER, CLOSURE, LABIODENTAL, TONGUE = range(len(ARTICULATION_NAMES))
SILENCE = PHONES.index("sil")
_SIBILANTS = [PHONES.index(phone) for phone in ("s", "z", "sh", "zh", "ch", "jh")]
_SHUT = [PHONES.index(phone) for phone in ("sil", "p", "b", "m", "f", "v")]
_INTERDENTALS = [PHONES.index(phone) for phone in ("th", "dh")]
JAW_OPEN = 0.44
"""jawOpen of the widest vowel of an average speaker."""

JAW_SWING = 0.012
"""Radians that the jaw of a person with `MotionStyle.sideways` 1 swings to the left at full jawOpen."""


def articulation_at_video_rate(articulation: np.ndarray) -> np.ndarray:
    """True articulation [T50, 6] of phone times as targets at 25 fps [ceil(T50 / 2), 6]: means of row pairs, but the
    stronger row for the contacts (closure, labiodental), which may last one row only and must not be averaged away.

    `SpeechFeatures.at_video_rate`, for rows that an encoder heard, takes plain means.
    """
    pairs = video_pairs(articulation)
    halved = pairs.mean(1)
    halved[:, [CLOSURE, LABIODENTAL]] = pairs[:, :, [CLOSURE, LABIODENTAL]].max(1)
    return halved


def speech_shapes(articulation: Tensor, phones: Tensor, style: Tensor) -> Tensor:
    """ARKit shapes [..., 52] of neutral speech, differentiable; contacts are left to `lip_rules.combine`, brows to
    `headpose`.

    `articulation` [..., 6]; `phones` [..., 40] probabilities; `style` [..., 16] as in `MotionStyle.vector` (broadcast
    over time).
    """
    jaw, width, pucker, _, _, _ = articulation.unbind(-1)
    hyper, jaw_style, lip_style, _, _, _, teeth_style, _ = style[..., :8].unbind(-1)
    sibilant = phones[..., _SIBILANTS].sum(-1)
    jaw_scale = torch.exp(0.18 * hyper + 0.22 * jaw_style)
    lip_scale = torch.exp(0.15 * hyper + 0.22 * lip_style)
    teeth = torch.exp(0.25 * teeth_style)
    spread, narrow = width.clamp(min=0), (-width).clamp(min=0)
    unrounded = 1 - 0.6 * pucker.clamp(0, 1)
    shapes = torch.zeros(*jaw.shape, len(ARKIT_INDEX), dtype=jaw.dtype, device=jaw.device)

    def put(name: str, amount: Tensor) -> None:
        for side in [name[:-1] + "Left", name[:-1] + "Right"] if name.endswith("*") else [name]:
            shapes[..., ARKIT_INDEX[side]] = amount

    # Lips stay parted all through speech but for the phones that shut them.
    parted = (1 - phones[..., _SHUT].sum(-1)).clamp(0, 1) * unrounded
    put("jawOpen", JAW_OPEN * jaw_scale * jaw + 0.02 * parted)
    put("mouthLowerDown*", teeth * lip_scale * (0.22 * jaw * unrounded + 0.26 * sibilant + 0.2 * spread + 0.1 * parted))
    put("mouthUpperUp*", teeth * lip_scale * (0.12 * jaw * unrounded + 0.14 * sibilant + 0.12 * spread + 0.05 * parted))
    put("mouthStretch*", lip_scale * 0.34 * spread)
    put("mouthDimple*", lip_scale * 0.12 * spread)
    put("mouthPucker", lip_scale * (0.62 * pucker + 0.12 * narrow))
    put("mouthFunnel", lip_scale * (0.28 * pucker * (0.4 + jaw) + 0.18 * phones[..., _SIBILANTS[2:]].sum(-1)))
    put("tongueOut", 0.06 * phones[..., _INTERDENTALS].sum(-1))
    return shapes
