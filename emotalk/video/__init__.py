"""Video files and streams: H.264 and AAC through the ffmpeg of imageio-ffmpeg."""

from emotalk.video.caption_painter import CAPTION_STYLES
from emotalk.video.frames import FrameFolder
from emotalk.video.mark import MARK_POSITIONS, Mark
from emotalk.video.writer import Encoding, VideoWriter, ffmpeg_path

__all__ = ["CAPTION_STYLES", "MARK_POSITIONS", "Encoding", "FrameFolder", "Mark", "VideoWriter", "ffmpeg_path"]
