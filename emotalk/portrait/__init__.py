"""A photo of a person -> a tracked head, ready to be fitted: the way of `tracking`, from one picture."""

from emotalk.portrait.photo import read_photo
from emotalk.portrait.tracked_photo import track_photo

__all__ = ["read_photo", "track_photo"]
