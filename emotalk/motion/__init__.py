"""Speech and emotion to motion: lips, expression, gaze, blinks and head pose together."""

from emotalk.motion.livelink import read_livelink, write_livelink
from emotalk.motion.model import MotionModel, MotionStream
from emotalk.motion.style import MotionStyle

__all__ = ["MotionModel", "MotionStream", "MotionStyle", "read_livelink", "write_livelink"]
