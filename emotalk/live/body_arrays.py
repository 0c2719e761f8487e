"""The body of a live face for a browser: the network of head and brows, statistics of eyes, and every number that
`motion.body`, `motion.headpose`, `motion.eyes` and `emotion.expression` compute with."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from emotalk.core.arkit import ARKIT_INDEX, LOOK_RADIANS
from emotalk.core.rates import FPS
from emotalk.emotion.expression import BODY_LANGUAGE, LID_SHAPES
from emotalk.live.container import Packed, floats
from emotalk.motion import eyes as gaze
from emotalk.motion import headpose
from emotalk.motion.body import JAW, LOWERED, RAISED, WIDE
from emotalk.motion.body_network import NOISE_RATES, BodyWeights, RhythmTraces, noise_filters
from emotalk.motion.eye_statistics import EyeStatistics
from emotalk.motion.visemes import JAW_SWING


def body_arrays(weights: BodyWeights, eyes: EyeStatistics) -> tuple[dict[str, Packed], dict[str, Any]]:
    """(arrays `body_<name>` of the network's weights as they are in `BodyWeights`, a vector being one column; the
    content of the pack's meta key `body`: each constant under the name it has in Python, in its unit there, angles in
    radians)."""
    arrays = {f"body_{name}": floats(array) for name, array in vars(weights).items()}
    spreads, roots = noise_filters()
    meta = {
        "fps": FPS,
        "noise": {
            "rates": (headpose.TEMPO * NOISE_RATES).ravel().tolist(),
            "spreads": spreads.tolist(),
            "roots": roots.tolist(),
        },
        "traces": {"keep": RhythmTraces.KEEP.tolist(), "soft": RhythmTraces.SOFT},
        "head": {
            "nod": headpose.NOD,
            "omega": headpose.OMEGA,
            "flash": headpose.FLASH.tolist(),
            "silent": headpose.SILENT,
            "reach": headpose.REACH,
        },
        "gaze": {
            "on_listener": gaze.ON_LISTENER,
            "hold": gaze.HOLD,
            "face": math.radians(gaze.FACE_DEGREES),
            "reach": gaze.REACH,
            "shut": gaze.SHUT,
        },
        "eyes": dataclasses.asdict(eyes),
        "mood": {name: list(sums) for name, sums in BODY_LANGUAGE.items()},
        "look_radians": list(LOOK_RADIANS),
        "jaw_swing": JAW_SWING,
        "shapes": {
            "wide": WIDE,
            "jaw": JAW,
            "raised": RAISED,
            "lowered": LOWERED,
            "lids": LID_SHAPES,
            # Those of the left eye, then those of the right one.
            "looks": [
                [ARKIT_INDEX[f"eyeLook{way}{side}"] for way in ("Out", "In", "Up", "Down")]
                for side in ("Left", "Right")
            ],
        },
    }
    return arrays, meta
