"""Do these lips belong to this sound? Measures of a mouth, and the network that compares them with speech."""

from emotalk.sync.lip_measures import MEASURES, LipBasis, measures_of_landmarks, measures_of_motion
from emotalk.sync.network import Offset, SyncModel, SyncNetwork

__all__ = [
    "MEASURES",
    "LipBasis",
    "Offset",
    "SyncModel",
    "SyncNetwork",
    "measures_of_landmarks",
    "measures_of_motion",
]
