"""`who_of`: what makes speech code one person's in one style, for the half of the network that shows it."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from typing import Any

import numpy as np
import torch

from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.habits import manner_of
from emotalk.motion.network import MotionNetwork

_KEPT = 64
_quiet: weakref.WeakKeyDictionary[MotionNetwork, dict[tuple[bytes, ...], list[float]]] = weakref.WeakKeyDictionary()
"""The row of lasting silence by network and whose it is; making it takes a run of the network."""
_lock = threading.Lock()


def who_of(model: MotionModel, style: MotionStyle) -> dict:
    """What `MotionNetwork.apply_emotion` and the body need beside the rows of `model.code_stream(style)`, as JSON takes
    it (numbers to six decimals):

    `style` [48] (the code for AdaIN), `sizes` [8] and `size` (factors on lips and jaw), `gains` [52] (on the emotion),
    `person` (None, or `down` [160, 4], `up` [4, 52], `gain` [52] as logarithms and `rest` [52] of a
    `MotionAdaptation`), `quiet` [173] (the row of lasting silence), `head` (the fields of `headpose.Manner`), and
    `gaze` [2] (radians), `gaze_wander`, `blink_rate` and `sideways`: the style's with the person's habits.
    """
    network, person, habits = model.network, model.person, model.habits
    vector = torch.from_numpy(style.vector)[None]
    with torch.inference_mode():
        code = network.style(vector)[0]
        if person is not None:
            code = code + person.code
        sizes = torch.exp(vector @ network.lip_style)[0]
    own = None
    if person is not None:
        own = {name: _numbers(getattr(person, name)) for name in ("down", "up", "gain", "rest")}
    return {
        "style": _numbers(code),
        "sizes": _numbers(sizes),
        "gains": _numbers(style.gains),
        "size": round(network.size_of(style), 6),
        "person": own,
        "quiet": _quiet_row(model, style),
        "head": {name: _numbers(value) for name, value in dataclasses.asdict(manner_of(style, habits)).items()},
        "gaze": _numbers(habits.gaze),
        "gaze_wander": _numbers(style.gaze_wander * habits.wander),
        "blink_rate": _numbers(style.blink_rate * habits.blinks),
        "sideways": style.sideways,
    }


def _quiet_row(model: MotionModel, style: MotionStyle) -> list[float]:
    own = () if model.person is None else (model.person.code, model.person.lips)
    key = (style.vector.tobytes(), *(part.detach().numpy().tobytes() for part in own))
    with _lock:
        kept = _quiet.setdefault(model.network, {})
        if key not in kept:
            while len(kept) >= _KEPT:
                kept.pop(next(iter(kept)))
            kept[key] = _numbers(model.code_stream(style).silence())
        return list(kept[key])


def _numbers(values: Any) -> Any:
    array = np.asarray(values.detach() if isinstance(values, torch.Tensor) else values, np.float64)
    return (np.round(array, 6) + 0.0).tolist()
