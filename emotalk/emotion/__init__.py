"""The emotion that drives a talk: valence and arousal over time, and the faces they stand for."""

from emotalk.emotion.expression import (
    Behaviour,
    behaviour,
    expression_field,
    expression_tensor,
    idiosyncrasy,
    split_eyes,
)
from emotalk.emotion.space import (
    NAMED_EMOTIONS,
    EmotionCurve,
    load_curve,
    named_emotion,
    nearest_emotions,
    radius,
)

__all__ = [
    "NAMED_EMOTIONS",
    "Behaviour",
    "EmotionCurve",
    "behaviour",
    "expression_field",
    "expression_tensor",
    "idiosyncrasy",
    "load_curve",
    "named_emotion",
    "nearest_emotions",
    "radius",
    "split_eyes",
]
