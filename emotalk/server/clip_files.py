"""A finished clip in other formats: each is made when somebody asks for it, and lies beside the clip from then on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.core.atomic import write_text
from emotalk.core.errors import VideoError
from emotalk.talk.captions import as_srt, as_vtt, captions
from emotalk.video.formats import convert

if TYPE_CHECKING:
    from emotalk.core.clip import Clip

MEDIA_TYPES = {
    "mp4": "video/mp4", "webm": "video/webm", "m4a": "audio/mp4", "wav": "audio/wav", "srt": "application/x-subrip",
    "vtt": "text/vtt", "png": "image/png", "gif": "image/gif", "webp": "image/webp", "csv": "text/csv",
}  # fmt: skip
"""What a clip can be saved as, by the ending of the file's name."""
VIDEOS = ("mp4", "webm")
_WRITTEN = {"srt": as_srt, "vtt": as_vtt}


def offered(clip: Clip) -> list[str]:
    """The endings that a clip can be saved with: its own video first; captions where its words are known."""
    own = Path(clip.path).suffix[1:]
    there = {"csv": clip.motion_path is not None, "srt": bool(clip.words), "vtt": bool(clip.words)}
    return [own, *(ending for ending in MEDIA_TYPES if ending not in VIDEOS and there.get(ending, True))]


def file_of(clip: Clip, ending: str) -> Path:
    """The clip as a file with that ending, one of those `offered`; it may take seconds to be made.

    Raises VideoError for another ending, or where the file cannot be made.
    """
    if ending not in offered(clip):
        raise VideoError(f"This clip is not there as .{ending:.10}; there are {', '.join(offered(clip))}.")
    video = Path(clip.path)
    if ending == "csv":
        return Path(clip.motion_path)
    target = video.with_suffix(f".{ending}")
    if target.is_file():
        return target
    if ending not in _WRITTEN:
        convert(video, target)
        return target
    try:
        write_text(target, _WRITTEN[ending](captions(clip.words, clip.said)))
    except OSError as error:
        raise VideoError(f"The captions could not be written: {error.strerror or error}.") from error
    return target
