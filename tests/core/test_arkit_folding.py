"""HeadMotion.to_arkit folds gaze, eyelids and jaw into plain coefficients."""

import dataclasses

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion


def _with(**channels) -> HeadMotion:
    return dataclasses.replace(HeadMotion.neutral(1), **{k: np.float32([v]) for k, v in channels.items()})


def _nonzero(motion: HeadMotion) -> set[str]:
    row = motion.to_arkit()[0]
    return {name for name, i in ARKIT_INDEX.items() if row[i] > 0}


def test_each_channel_reaches_its_own_coefficients():
    assert _nonzero(HeadMotion.neutral(1)) == set()
    assert _nonzero(_with(gaze=[0.2, 0.0])) == {"eyeLookOutLeft", "eyeLookInRight"}
    assert _nonzero(_with(gaze=[-0.2, 0.0])) == {"eyeLookInLeft", "eyeLookOutRight"}
    assert _nonzero(_with(gaze=[0.0, 0.2])) == {"eyeLookUpLeft", "eyeLookUpRight"}
    assert _nonzero(_with(eyelids=[0.5, 0.0])) == {"eyeBlinkLeft"}
    assert _nonzero(_with(jaw=[0.1, 0.05, 0.0])) == {"jawOpen", "jawLeft"}


def test_coefficients_stay_in_zero_to_one():
    loud = _with(expression=np.full(52, 1.7), eyelids=[1, 1], gaze=[2.0, -2.0])
    assert loud.to_arkit().max() == 1.0
    assert loud.to_arkit().min() >= 0.0
