"""Does a generated motion show the mood that was asked for?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotalk.emotion import EmotionCurve
from emotalk.motion import MotionModel
from emotalk.motion.emotion_recogniser import EmotionRecogniser

if TYPE_CHECKING:
    from emotalk.core.speech import SpeechFeatures

ASKED = tuple((v, a) for v in (-0.7, 0.0, 0.7) for a in (-0.7, 0.0, 0.7))
NOTE = (
    "Moods: the motion model speaks the sound in nine moods and the program's own recogniser reads valence and arousal "
    "off expression, gaze, lids and head. That recogniser learned from people whose fields differ from the program's, "
    "and nothing was trained to please it; but their moods are made ones, too: this tells whether speech leaves the "
    "mood standing, not whether people would agree."
)


def mood_scores(features: SpeechFeatures) -> tuple[dict[str, float], str]:
    """(scores, what they mean): RMSE of shown against asked valence and arousal in [-1, 1], and the share of frames
    with the right sign where one was asked for (the V/A measures of EmoTalkingGaussian, on motion)."""

    model, recognise = MotionModel.load(), EmotionRecogniser.load_judge()
    errors, signs = ([], []), ([], [])
    for asked in ASKED:
        shown = recognise(model(features, EmotionCurve.constant(*asked)))
        for k in range(2):
            errors[k].append(((shown[:, k] - asked[k]) ** 2).mean())
            if asked[k]:
                signs[k].append((np.sign(shown[:, k]) == np.sign(asked[k])).mean())
    scores = {}
    for k, name in enumerate(("valence", "arousal")):
        scores[f"{name}_error"] = float(np.sqrt(np.mean(errors[k])))
        scores[f"{name}_sign"] = 100 * float(np.mean(signs[k]))
    return scores, NOTE
