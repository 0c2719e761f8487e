"""The half of the motion network that a browser computes: from what is said and a mood to the 52 shapes of a face.

Everything that `MotionNetwork.apply_emotion`, its lip rules, the field of faces and the glide between moods know, once:
the browser has no number of theirs of its own. Weights keep the half precision of their file, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotalk.emotion.expression import BOOST, field_pieces
from emotalk.live.container import Packed, floats, halves, whole
from emotalk.motion import lip_rules
from emotalk.motion import network as network_module
from emotalk.motion.lip_branch import LIP_COURSES
from emotalk.motion.model import GLIDE
from emotalk.motion.person import FADING
from emotalk.motion.rhythm import Rhythm

if TYPE_CHECKING:
    from torch import nn

    from emotalk.motion.network import MotionNetwork

_SILENCE = Rhythm(0, 0, 0, False, False, 0)


def show_arrays(network: MotionNetwork) -> tuple[dict[str, Packed], dict[str, object]]:
    """The network's part of a face pack: its arrays, named `show_*`, and the table `show` of its meta.

    H hidden channels, S numbers of a style's code. Layers are weights [outputs, inputs] and a bias [outputs, 1]:
    contact [2, H], base [52, H + S], mood [32, 5 + S], modulation [64, H + 32], modulation_last [52, 64] and gate
    [7, H + 32].
    """
    layers = {
        "contact": network.contact, "base": network.base, "mood": network.mood[0], "modulation": network.modulation[0],
        "modulation_last": network.modulation[2], "gate": network.gate,
    }  # fmt: skip
    arrays: dict[str, Packed] = {}
    for name, layer in layers.items():
        arrays |= _dense(f"show_{name}", layer)
    kinds = [network.of_lips, network.spoken, network.voiced, network.region]
    angles, cubics = field_pieces()
    arrays |= {
        "show_lip_shapes": halves(network.lip_shapes.cpu().numpy()),  # [5, 8]
        "show_lip_level": halves(network.lip_level.cpu().numpy()),  # [8, 1]
        "show_moves": halves(network.moves.cpu().numpy()),  # [8, 52]
        "show_kinds": whole(np.stack([kind.cpu().numpy().astype(np.uint8) for kind in kinds])),  # [4, 52]
        "show_masks": floats(np.stack([mask.numpy() for mask in lip_rules.MASKS.values()])),  # [5, 52]
        "show_field": floats(cubics.reshape(len(cubics), -1)),  # [P, 4 * 52]
    }
    return arrays, {
        "row": _row(network.config.hidden),
        "learned": float(network.learned),
        **network_module.NUMBERS,
        "fading": FADING,
        "rules": {"masks": list(lip_rules.MASKS), **lip_rules.NUMBERS},
        "field": {"boost": BOOST, "angles": angles.tolist()},
        "glide": GLIDE,
    }


def _row(hidden: int) -> dict[str, int]:
    """Where the parts of a row of speech code begin, the first at 0, and the numbers of all."""
    rhythm = hidden + LIP_COURSES + 2
    return {
        "lips": hidden, "closure": rhythm - 2, "silent": rhythm - 1, "rhythm": rhythm,
        "size": rhythm + len(_SILENCE.row()),
    }  # fmt: skip


def _dense(name: str, layer: nn.Linear) -> dict[str, Packed]:
    return {
        name: halves(layer.weight.detach().cpu().numpy()),
        f"{name}_bias": halves(layer.bias.detach().cpu().numpy()),
    }
