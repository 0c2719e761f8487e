"""The body of a live face for a browser: the networks of head, brows and eyes, and every number that
`motion.body`, `motion.headpose`, `motion.eyes` and `emotion.expression` compute with."""

from __future__ import annotations

from typing import Any

from emotalk.core.arkit import ARKIT_INDEX, LOOK_RADIANS
from emotalk.core.rates import FPS
from emotalk.emotion.expression import BODY_LANGUAGE, LID_SHAPES
from emotalk.live.container import Packed, floats
from emotalk.motion import eyes as gaze
from emotalk.motion import headpose
from emotalk.motion.body import JAW, LOWERED, RAISED, WIDE
from emotalk.motion.body_network import NOISE_RATES, BodyWeights, RhythmTraces, noise_filters
from emotalk.motion.eye_network import BREAKS, FADING, FAR, PROFILE, EyeWeights
from emotalk.motion.visemes import JAW_SWING


def body_arrays(weights: BodyWeights, eyes: EyeWeights) -> tuple[dict[str, Packed], dict[str, Any]]:
    """(arrays `body_<name>` and `eyes_<name>` of the networks' weights as they are in `BodyWeights` and `EyeWeights`,
    a vector being one column; the content of the pack's meta key `body`: each constant under the name it has in Python,
    in its unit there, angles in radians)."""
    arrays = {f"body_{name}": floats(array) for name, array in vars(weights).items()}
    arrays |= {f"eyes_{name}": floats(array) for name, array in vars(eyes).items()}
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
            "fading": list(FADING),
            "far": FAR,
            "breaks": [BREAKS.start, BREAKS.stop],
            "profile": PROFILE,
            "listener": list(gaze.LISTENER),
            "anywhere": gaze.ANYWHERE,
            "turn": gaze.TURN,
            "turns": [gaze.BEGUN, gaze.ENDED],
            "steady": gaze.STEADY,
            "end_blinks": gaze.END_BLINKS,
            "jump_blinks": list(gaze.JUMP_BLINKS),
            "early": gaze.EARLY,
            "reach": gaze.REACH,
            "sideways": gaze.SIDEWAYS,
            "follow": gaze.FOLLOW,
            "shut": gaze.SHUT,
        },
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
