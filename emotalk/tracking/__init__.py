"""A video of a person -> what their head does, on the package's own head model."""

from emotalk.tracking.track import track_video
from emotalk.tracking.tracked import TrackedVideo, TrackQuality, load_tracked

__all__ = ["TrackQuality", "TrackedVideo", "load_tracked", "track_video"]
