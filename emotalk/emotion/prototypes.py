"""The faces that the emotional field passes through: ARKit weights around the valence/arousal circle.

Where an emotion sits on the circle follows Russell & Mehrabian, "Evidence for a three-factor theory of emotions"
(J. Research in Personality 11, 1977), and Russell, "A circumplex model of affect" (JPSP 39, 1980). Anger and fear
nearly coincide in that plane (they differ in dominance), so they stand 27 degrees apart around their common place,
and disgust, displeasure and sadness share the negative end in the order of their arousal.

Which muscles an emotion uses follows the EMFACS prototypes of Ekman, Friesen & Hager, "Facial Action Coding System:
Investigator's guide" (2002), table 10-2; the action units (AU) are named beside each face. The low-arousal faces,
which EMFACS does not hold, use the units for drooping lids (AU 43) and lowered gaze (AU 64).
A name ending in * stands for its Left and Right shape.
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES

PROTOTYPES: dict[str, tuple[float, dict[str, float]]] = {
    # name: (degrees on the circle from +valence towards +arousal, full weights on a face of average mobility)
    "pleased": (  # AU 6+12
        0,
        {"mouthSmile*": 0.9, "cheekSquint*": 0.75, "eyeSquint*": 0.3, "mouthDimple*": 0.15, "mouthUpperUp*": 0.3,
         "mouthLowerDown*": 0.1, "browOuterUp*": 0.08},
    ),
    "happy": (  # AU 6+12+25
        32,
        {"mouthSmile*": 1.0, "cheekSquint*": 0.95, "eyeSquint*": 0.2, "mouthUpperUp*": 0.6, "mouthLowerDown*": 0.45,
         "jawOpen": 0.06, "browInnerUp": 0.05, "browOuterUp*": 0.18},
    ),
    "excited": (  # AU 1+2+5+12+25+26
        56,
        {"mouthSmile*": 0.95, "mouthStretch*": 0.15, "cheekSquint*": 0.7, "mouthUpperUp*": 0.55,
         "mouthLowerDown*": 0.5, "jawOpen": 0.2, "browInnerUp": 0.3, "browOuterUp*": 0.6, "eyeWide*": 0.4},
    ),
    "surprised": (  # AU 1+2+5+26
        86,
        {"browInnerUp": 0.8, "browOuterUp*": 1.1, "eyeWide*": 1.0, "jawOpen": 0.3, "mouthFunnel": 0.15},
    ),
    "afraid": (  # AU 1+2+4+5+20+26
        115,
        {"browInnerUp": 1.15, "browOuterUp*": 0.25, "browDown*": 0.25, "eyeWide*": 1.05, "mouthStretch*": 0.8,
         "jawOpen": 0.16, "mouthLowerDown*": 0.4, "mouthFrown*": 0.15},
    ),
    "angry": (  # AU 4+5+7+9+10+25, teeth bared; filmed corners rise a little and lids narrow
        142,
        {"browDown*": 1.35, "eyeSquint*": 0.65, "eyeWide*": 0.1, "noseSneer*": 0.75, "mouthUpperUp*": 0.5,
         "mouthLowerDown*": 0.45, "mouthStretch*": 0.35, "jawOpen": 0.05, "jawForward": 0.25, "mouthShrugLower": 0.2,
         "cheekSquint*": 0.2, "mouthSmile*": 0.06},
    ),
    "disgusted": (  # AU 4+7+9+10+17+25
        164,
        {"noseSneer*": 1.15, "browDown*": 0.75, "mouthUpperUp*": 0.85, "mouthLowerDown*": 0.25, "mouthFrown*": 0.35,
         "cheekSquint*": 0.6, "eyeSquint*": 0.7, "eyeBlink*": 0.04, "mouthShrugLower": 0.3, "mouthStretch*": 0.1},
    ),
    "displeased": (  # AU 1+4+9+10+15+17
        183,
        {"browDown*": 0.7, "browInnerUp": 0.7, "noseSneer*": 0.75, "mouthUpperUp*": 0.45, "mouthFrown*": 0.85,
         "mouthShrugLower": 0.65, "eyeSquint*": 0.6, "eyeBlink*": 0.06, "mouthStretch*": 0.15, "cheekSquint*": 0.35},
    ),
    "sad": (  # AU 1+4+7+15+17+43+64
        206,
        {"browInnerUp": 1.35, "browDown*": 0.55, "mouthFrown*": 0.9, "mouthShrugLower": 0.85, "mouthStretch*": 0.1,
         "eyeSquint*": 0.5, "eyeBlink*": 0.06, "eyeLookDown*": 0.14, "cheekSquint*": 0.35, "noseSneer*": 0.1,
         "mouthUpperUp*": 0.08},
    ),
    "gloomy": (  # AU 1+4+15+17+43+64
        231,
        {"browInnerUp": 1.3, "browDown*": 0.5, "mouthFrown*": 0.9, "mouthShrugLower": 0.8, "eyeBlink*": 0.12,
         "eyeLookDown*": 0.2, "eyeSquint*": 0.45, "mouthStretch*": 0.05, "cheekSquint*": 0.3, "noseSneer*": 0.08},
    ),
    "weary": (  # AU 1+15+43+64
        252,
        {"browInnerUp": 0.95, "browDown*": 0.15, "mouthFrown*": 0.7, "mouthShrugLower": 0.42, "eyeBlink*": 0.2,
         "eyeLookDown*": 0.2},
    ),
    "sleepy": (  # AU 43
        271,
        {"eyeBlink*": 0.36, "eyeLookDown*": 0.15, "browOuterUp*": 0.15, "browInnerUp": 0.1, "jawOpen": 0.04},
    ),
    "calm": (  # AU 12 slight
        296,
        {"mouthSmile*": 0.4, "mouthDimple*": 0.1, "cheekSquint*": 0.2, "eyeBlink*": 0.16, "eyeSquint*": 0.05},
    ),
    "relaxed": (  # AU 6+12 slight
        328,
        {"mouthSmile*": 0.68, "cheekSquint*": 0.45, "eyeBlink*": 0.08, "eyeSquint*": 0.18, "mouthDimple*": 0.15,
         "mouthUpperUp*": 0.1},
    ),
}  # fmt: skip

HEAD_GAINS: dict[str, float] = {
    # How much weaker than a phone's average face each shape of the shipped head (checkpoints/head.npz) moves, from
    # renders rated by expression recognisers. Another head asset brings its own table.
    "browInnerUp": 1.4, "browOuterUp*": 1.2, "browDown*": 1.3, "eyeWide*": 1.35, "eyeSquint*": 1.25,
    "noseSneer*": 1.5, "mouthFrown*": 1.3,
}  # fmt: skip


def arkit_row(weights: dict[str, float]) -> np.ndarray:
    """[52] float32 from names to weights, where `name*` stands for its Left and Right shape."""
    row = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, weight in weights.items():
        sides = [name[:-1] + "Left", name[:-1] + "Right"] if name.endswith("*") else [name]
        for side in sides:
            row[ARKIT_INDEX[side]] = weight
    return row


def circle_position(degrees: float) -> tuple[float, float]:
    """(valence, arousal) where the ray at that angle meets the border of the square [-1, 1]^2."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    reach = 1.0 / max(abs(c), abs(s))
    return round(c * reach, 4), round(s * reach, 4)
