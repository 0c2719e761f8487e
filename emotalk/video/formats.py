"""Finished videos in other formats: loops for chats, WebM for pages, the sound alone, a poster.

The talk is made as mp4 in any case (a transparent one as WebM); ffmpeg makes the wanted file of it when it is done.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError, VideoError
from emotalk.video.writer import SYNTHETIC_COMMENT, ffmpeg_path

_LOOP_FPS = 12.5  # every second frame
_GIF = (
    f"[0:v]fps={_LOOP_FPS},split[one][two];[one]palettegen=stats_mode=diff[palette];"
    "[two][palette]paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"
)
FORMATS: dict[str, tuple[str, ...]] = {
    ".mp4": (),
    ".webm": ("-c:v", "libvpx-vp9", "-crf", "32", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "5", "-row-mt",
              "1", "-c:a", "libopus", "-b:a", "64k", "-f", "webm"),
    ".gif": ("-filter_complex", _GIF, "-loop", "0", "-an", "-f", "gif"),
    ".webp": ("-vf", f"fps={_LOOP_FPS}", "-c:v", "libwebp", "-quality", "72", "-loop", "0", "-an", "-f", "webp"),
    ".m4a": ("-vn", "-c:a", "copy", "-movflags", "+faststart", "-f", "ipod"),
    ".wav": ("-vn", "-c:a", "pcm_s16le", "-f", "wav"),
    ".png": ("-vf", "thumbnail=50", "-frames:v", "1", "-an", "-c:v", "png", "-f", "image2pipe"),
}  # fmt: skip
"""What a finished video can be, by the ending of its name, and how ffmpeg makes it of the video: a loop without sound
(.gif, .webp), the sound alone (.m4a, .wav), the frame that stands best for the first two seconds (.png)."""


def check_format(path: Path) -> None:
    """InputError where the ending is none of FORMATS, or a folder has that name. For asking before the work."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"The file's name must end in one of {', '.join(FORMATS)}; found {path.name[-40:]!r}.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file for the video.")


@contextmanager
def made_as(target: str | Path | None) -> Iterator[Path | None]:
    """Yields where the mp4 has to be written so that `target` holds it in the format of its name when the block ends
    well: `target` itself, None for none, or a temporary file.

    Raises InputError for an unknown ending, VideoError where the other format cannot be made.
    """
    if target is None:
        yield None
        return
    target = Path(target)
    check_format(target)
    if target.suffix.lower() == ".mp4":
        yield target
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.parent / f".{target.stem[:40]}.{secrets.token_hex(6)}.mp4"
    try:
        yield made
        convert(made, target)
    finally:
        made.unlink(missing_ok=True)


def convert(video: Path, target: Path) -> None:
    """Make `target`, in the format of its name, of a finished .mp4, or of a .webm with alpha, which pictures and loops
    keep; moved into place when complete.

    Raises InputError for an unknown ending, VideoError where ffmpeg or the disk fails.
    """
    check_format(target)
    how = FORMATS[target.suffix.lower()]
    command = [ffmpeg_path(), "-v", "error", "-nostdin", "-y"]
    if video.suffix.lower() == ".webm":
        command += ["-c:v", "libvpx-vp9"]  # the other decoder knows nothing of alpha
        how = tuple("aac" if part == "copy" else part for part in how)  # the sound of a .webm is no AAC
    command += ["-i", str(video), *how, "-metadata", f"comment={SYNTHETIC_COMMENT}"]
    try:
        with replacing(target) as ready:
            done = subprocess.run([*command, str(ready)], capture_output=True, text=True, errors="replace", check=False)
            if done.returncode != 0:
                said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
                raise VideoError(
                    f"{target.name} could not be made of the finished video; ffmpeg said: {said[0][-300:]}"
                )
    except OSError as error:
        raise VideoError(f"The video cannot be written to {target.parent}: {error.strerror or error}.") from error
