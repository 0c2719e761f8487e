"""Pictures of a video file, one at a time: any container, codec, rotation, colour space and frame rate ffmpeg reads.

Frame k shows what is on the screen at second start + (k + 1/2) / 25. ffmpeg is handed the open file and may use no
other protocol, so that a playlist inside an upload cannot make it read other files; pictures beyond
`core.pictures.MAX_PIXELS` are refused by their header. Nothing is ever held but the frame in hand.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core.errors import InputError, TrackingError
from emotalk.core.pictures import MAX_PIXELS, check_pixels
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.video import ffmpeg_path

_STALL_SECONDS = 60.0  # ffmpeg that gives no picture for so long is stuck on a damaged file


def _square(most: int) -> str:
    """Anamorphic pixels become square ones. A file that claims absurd ones comes out just too large to be taken."""
    return f"scale='min(iw*sar,{most}/ih+2)':ih,setsar=1"


_SQUARE = _square(MAX_PIXELS)


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, as people see it (turned upright)."""

    width: int
    height: int
    seconds: float | None  # None where the file does not say
    sound: bool
    fps: float | None  # nominal
    hdr: bool = False  # brightness coded for HDR screens; its colours come out pale


@dataclass(frozen=True)
class Crop:
    """A square of the upright picture, in its pixels."""

    left: int
    top: int
    side: int


def probe(video: Path) -> VideoInfo:
    """Size, length and sound of a video; TrackingError where there is none that can be read, or its pictures are larger
    than `core.pictures.MAX_PIXELS`."""
    command = [*_input(), "-map", "0:V:0", "-frames:v", "1", "-vf", _SQUARE]
    command += ["-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "pipe:1"]
    with _opened(video) as file, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=complaints)
        stalled = threading.Event()
        timer = threading.Timer(_STALL_SECONDS, lambda: (stalled.set(), process.kill()))
        timer.daemon = True
        timer.start()
        try:
            head = process.stdout.read(64)  # the size stands first; the picture itself is not wanted here
            if not head:
                process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        complaints.seek(0)
        said = complaints.read(1 << 20).decode(errors="replace")
    if stalled.is_set():
        raise TrackingError(f"{video.name} gave no picture for {_STALL_SECONDS:.0f} seconds: it is damaged.")
    size = re.match(rb"P6\s+(\d+)\s+(\d+)\s", head)
    if not size:
        raise TrackingError(_why_not(video.name, said))
    try:
        check_pixels(video.name, int(size[1]), int(size[2]), MAX_PIXELS)
    except InputError as error:
        raise TrackingError(str(error)) from error
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    seconds = sum(float(x) * y for x, y in zip(length.groups(), (3600, 60, 1), strict=True)) if length else None
    rate = re.search(r"Stream #0.*Video:.*?([\d.]+) fps", said)
    return VideoInfo(
        width=int(size[1]),
        height=int(size[2]),
        seconds=seconds,
        sound=bool(re.search(r"Stream #0.*Audio:", said)),
        fps=float(rate[1]) if rate else None,
        hdr=bool(re.search(r"Video:.*(smpte2084|arib-std-b67)", said)),
    )


def small_frames(video: Path, info: VideoInfo, longest: int, start: float = 0.0, seconds: float | None = None):
    """Frames [h, w, 3] uint8 at 25 fps, shrunk so that no side exceeds `longest`."""
    shrink = min(1.0, longest / max(info.width, info.height))
    width, height = (max(2, round(side * shrink)) for side in (info.width, info.height))
    # Shrinking straight from the coded picture: the anamorphic step alone would cost a full-size copy.
    return _frames(video, f"scale={width}:{height}:flags=fast_bilinear,setsar=1", (width, height), start, seconds)


def crop_frames(video: Path, info: VideoInfo, crop: Crop, size: int, start: float = 0.0, seconds: float | None = None):
    """Frames [size, size, 3] uint8 of a crop at 25 fps."""
    flags = "area" if crop.side > size else "bicubic"
    steps = f"{_SQUARE},crop={crop.side}:{crop.side}:{crop.left}:{crop.top}:exact=1,scale={size}:{size}:flags={flags}"
    return _frames(video, steps, (size, size), start, seconds)


def write_sound(video: Path, target: Path, start: float = 0.0, seconds: float | None = None) -> None:
    """The sound of that stretch as 16 kHz mono WAV, in step with the frames; TrackingError where ffmpeg fails."""
    with _opened(video) as file:
        # A track that starts late is filled up with silence, so that sample n is second n / 16000 of the picture.
        command = [*_input(start), "-map", "0:a:0", *_length(seconds), "-af", "aresample=async=1:first_pts=0"]
        command += ["-ar", str(SAMPLE_RATE), "-ac", "1", "-c:a", "pcm_s16le", "-f", "wav", "-y", str(target)]
        done = subprocess.run(command, stdin=file, capture_output=True)
    if done.returncode:
        raise TrackingError(f"The sound of {video.name} cannot be read: {_last_line(done.stderr.decode())}.")


def _frames(
    video: Path, steps: str, size: tuple[int, int], start: float, seconds: float | None
) -> Iterator[np.ndarray]:
    width, height = size
    command = [*_input(start), "-map", "0:V:0", *_length(seconds)]
    # fps rounds a frame's time to the nearest tick: tick k then shows what is on the screen at (k + 1/2) / 25.
    command += ["-vf", f"fps={FPS}:start_time=0,{steps}", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]
    with _opened(video) as file, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=complaints, bufsize=1 << 20)
        try:
            while True:
                timer = threading.Timer(_STALL_SECONDS, process.kill)
                timer.daemon = True
                timer.start()
                data = process.stdout.read(width * height * 3)
                timer.cancel()
                if len(data) < width * height * 3:
                    break
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _input(start: float = 0.0) -> list[str]:
    # ffmpeg counts the padding of its buffers too: what is just within the limit must not be refused for that.
    seek = ["-ss", f"{start:.3f}"] if start > 0 else []
    pixels = ["-max_pixels", str(round(1.05 * MAX_PIXELS))]
    return [ffmpeg_path(), "-hide_banner", "-nostdin", "-threads", "1", *seek, *pixels,
            "-protocol_whitelist", "fd", "-fd", "0", "-i", "fd:"]  # fmt: skip


def _length(seconds: float | None) -> list[str]:
    return [] if seconds is None else ["-t", f"{seconds:.3f}"]


@contextlib.contextmanager
def _opened(video: Path):
    try:
        if not video.is_file():
            raise TrackingError(f"There is no video file {video}. Check the path.")
        file = video.open("rb", buffering=0)
    except OSError as error:
        raise TrackingError(f"{video.name} cannot be opened ({error.strerror}). Check its permissions.") from error
    with file:
        if not file.read(1):
            raise TrackingError(f"{video.name} is empty (0 bytes). Upload it again.")
        file.seek(0)
        yield file


def _last_line(complaint: str) -> str:
    lines = complaint.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else "ffmpeg said nothing"


def _why_not(name: str, complaint: str) -> str:
    if "matches no streams" in complaint:
        return f"{name} holds no moving picture (a sound file?). Choose a video of one person who looks at the camera."
    if found := re.search(r"Picture size (\d+)x(\d+) exceeds specified max pixel count", complaint):
        try:
            check_pixels(name, int(found[1]), int(found[2]), MAX_PIXELS)
        except InputError as error:
            return str(error)
    if "Unrecognized option 'fd'" in complaint or "Protocol not found" in complaint:
        return (
            "The installed ffmpeg is older than version 6 and cannot read an open file. "
            "Unset IMAGEIO_FFMPEG_EXE and run `pip install -r requirements.txt`, which brings a newer one."
        )
    return (
        f"{name} is not a video that ffmpeg can read ({_last_line(complaint)}). "
        "Choose MP4, MOV, WebM, MKV or AVI; if it is one of these, it is damaged."
    )
