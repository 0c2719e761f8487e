"""The frames of a video that this program wrote, one after the other."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emotalk.core.errors import VideoError
from emotalk.video.writer import ffmpeg_path


def read_frames(path: str | Path, width: int, height: int, alpha: bool = False) -> Iterator[np.ndarray]:
    """Each frame of a file that `VideoWriter` made, [height, width, 3] uint8 in sRGB, or with `alpha` (straight) of one
    that `AlphaWriter` made, [height, width, 4]; one of them at a time is held.

    Closing the iterator stops the reading. Raises VideoError where the file cannot be decoded.
    """
    decoder = ["-c:v", "libvpx-vp9"] if Path(path).suffix.lower() == ".webm" else []  # the other one drops alpha
    command = [ffmpeg_path(), "-v", "error", "-nostdin", "-threads", "1", *decoder, "-i", str(path), "-an"]
    # Without these flags colours come back two levels darker.
    command += ["-vf", "scale=in_color_matrix=bt709:in_range=tv:out_range=pc:flags=accurate_rnd+full_chroma_int"]
    command += ["-fps_mode", "passthrough", "-pix_fmt", "rgba" if alpha else "rgb24", "-f", "rawvideo", "pipe:1"]
    # Complaints go to a file, not a pipe: nobody has to drain it.
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints)
        except OSError as error:
            raise VideoError(f"ffmpeg could not be started: {error}.") from error
        channels = 4 if alpha else 3
        size = width * height * channels
        try:
            while len(data := process.stdout.read(size)) == size:
                yield np.frombuffer(bytearray(data), np.uint8).reshape(height, width, channels)
            if process.wait() != 0 or data:
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
                raise VideoError(f"{Path(path).name} cannot be decoded; ffmpeg said: {said[0][-300:]}")
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
