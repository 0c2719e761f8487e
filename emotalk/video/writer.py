"""Frames and samples in, a playing H.264/AAC mp4 out - while it is being made and when it is done.

One ffmpeg process (the one that comes with imageio-ffmpeg; nothing has to be on the PATH) reads raw frames with
their samples and writes a fragmented mp4, which a `<video>` element plays while it grows. The pieces go to
`on_piece` and to a hidden temporary file; closing rewrites that file once, without encoding again, with its
index in front (faststart), and moves it into place. So the target is either absent or complete.

    frames ─► interleave ─► ffmpeg (x264, aac) ─► fragmented mp4 ─► on_piece ─► browser
                                                       └──► .part file ─► faststart copy ─► target
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError, VideoError
from emotalk.core.rates import FPS
from emotalk.video.fragments import FragmentSplitter
from emotalk.video.interleave import SAMPLES_PER_FRAME, frame_parts, stream_header

log = logging.getLogger(__name__)

SYNTHETIC_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's digital source type for media made by a generative model."""
SYNTHETIC_COMMENT = (
    f"AI-generated synthetic video of a talking head, made with emotalk. DigitalSourceType: {SYNTHETIC_SOURCE}"
)
LARGEST_SIDE = 2048
_PIPE_BYTES = 1 << 20  # a whole 512² frame fits: the renderer seldom waits for the encoder


@dataclass(frozen=True)
class Encoding:
    """How the file is compressed. The defaults were chosen for speed on two cores.

    `quality` is x264's CRF (lower is better and larger, 18-28 is sensible), `preset` x264's name for
    effort. `piece_seconds` is how much video one streamed piece holds; `keyframe_seconds` how finely a player
    can seek. B-frames stay off: they save a tenth of the size and delay the first piece.
    """

    quality: int = 20
    preset: str = "veryfast"
    piece_seconds: float = 0.4
    keyframe_seconds: float = 2.0
    audio_kbit: int = 96

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 51:
            raise InputError(f"Encoding.quality must lie in 0..51, found {self.quality}.")
        if not 0.04 <= self.piece_seconds <= 60:
            raise InputError(f"Encoding.piece_seconds must lie in 0.04..60, found {self.piece_seconds}.")


def ffmpeg_path() -> str:
    """The ffmpeg that comes with imageio-ffmpeg (or the one that IMAGEIO_FFMPEG_EXE names)."""
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise VideoError(f"No ffmpeg was found ({error}). Install it with: pip install imageio-ffmpeg") from error


class VideoWriter:
    """Writes one video of `width` x `height` (even numbers) at 25 fps with mono sound.

    `target` is where the finished file goes (None: only `on_piece` gets the video). `on_piece(data)` is called
    from a thread with each playable piece; the first begins with the header. Use as a context manager: an
    exception inside aborts and leaves nothing behind. Raises VideoError where ffmpeg or the disk fails.
    """

    def __init__(
        self,
        target: str | Path | None,
        width: int,
        height: int,
        *,
        title: str = "emotalk",
        encoding: Encoding | None = None,
        on_piece: Callable[[bytes], None] | None = None,
    ) -> None:
        if width % 2 or height % 2 or not (16 <= width <= LARGEST_SIDE and 16 <= height <= LARGEST_SIDE):
            raise InputError(
                f"A video's sides must be even and between 16 and {LARGEST_SIDE} pixels, found {width} x {height}."
            )
        self.target = None if target is None else Path(target)
        self.width, self.height, self.frames = width, height, 0
        self._on_piece = on_piece
        self._failure: Exception | None = None
        self._closed = False
        self._part: IO[bytes] | None = None
        self._part_path: Path | None = None
        if self.target is not None:
            self._part, self._part_path = _open_part(self.target)
        # A file, not a pipe: nobody has to drain it, and it is there when ffmpeg has died.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the writer
        try:
            self._process = subprocess.Popen(
                _encode_command(title, encoding or Encoding()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
            )
        except OSError as error:
            self._discard_part()
            raise VideoError(f"ffmpeg could not be started: {error}.") from error
        _enlarge_pipe(self._process.stdin)
        self._reader = threading.Thread(target=self._collect, name="emotalk-video", daemon=True)
        self._reader.start()
        try:
            self._send([stream_header(width, height)])
        except VideoError:
            self.abort()
            raise

    def write(self, frame: np.ndarray, samples: np.ndarray) -> None:
        """Append one frame [H, W, 3] uint8 and its samples [640] (fewer at the very end; the rest is silence).

        The frame's buffer may be reused as soon as this returns.
        """
        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise InputError(
                f"A frame must be uint8 [{self.height}, {self.width}, 3], found {frame.dtype} {list(frame.shape)}."
            )
        if len(samples) > SAMPLES_PER_FRAME:
            raise InputError(f"A frame takes at most {SAMPLES_PER_FRAME} samples, found {len(samples)}.")
        self._send(frame_parts(self.frames, np.ascontiguousarray(frame), samples))
        self.frames += 1

    def close(self) -> Path | None:
        """Finish the video and move it into place; returns the target. Raises VideoError if it has no frame."""
        if self._closed:
            return self.target
        if self.frames == 0:
            self.abort()
            raise VideoError("There is nothing to write: the video has no frame.")
        with contextlib.suppress(OSError):  # a dead ffmpeg is reported below, in words
            self._process.stdin.close()
        self._reader.join()
        code = self._process.wait()
        if code != 0 or self._failure is not None:
            error = self._explain()
            self.abort()
            raise error
        self._closed = True
        self._complaints.close()
        if self._part is not None:
            try:
                self._part.close()
                self._publish()
            finally:
                self._discard_part()
        return self.target

    def abort(self) -> None:
        """Stop ffmpeg and remove everything that was written."""
        self._closed = True
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self._reader is not threading.current_thread():
            self._reader.join()
        self._complaints.close()
        self._discard_part()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            self.abort()

    def _send(self, parts: list[bytes | memoryview]) -> None:
        if self._closed:
            raise VideoError("The video is already closed.")
        if self._failure is not None:
            raise self._explain()
        try:
            for part in parts:
                rest = memoryview(part)
                while len(rest):
                    rest = rest[self._process.stdin.write(rest) :]
        except (BrokenPipeError, OSError) as error:
            # ffmpeg has gone: let the reader come to its end so that the message names the real cause.
            self._process.wait()
            self._reader.join()
            raise self._explain() from error

    def _collect(self) -> None:
        splitter = FragmentSplitter()
        output = self._process.stdout
        try:
            while data := output.read(1 << 16):
                for piece in splitter.push(data):
                    self._keep(piece)
            self._keep(splitter.finish())
        except (OSError, VideoError) as error:
            self._failure = error
            self._process.kill()
        finally:
            output.close()

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        if self._part is not None:
            self._part.write(piece)
        if self._on_piece is not None:
            self._on_piece(piece)

    def _explain(self) -> VideoError:
        where = f" in {self.target.parent}" if self.target is not None else ""
        if isinstance(self._failure, VideoError):
            return self._failure
        if self._failure is not None:
            return VideoError(f"The video could not be written{where}: {self._failure}. Free some space and try again.")
        said = ""
        with contextlib.suppress(OSError, ValueError):
            self._complaints.seek(0)
            lines = self._complaints.read().decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else ""
        code = self._process.poll()
        return VideoError(f"ffmpeg stopped early (exit status {code}). It said: {said or 'nothing'}. Try again.")

    def _publish(self) -> None:
        """Copy the fragmented file to a plain one with its index in front, then move it into place."""
        command = [ffmpeg_path(), "-v", "error", "-nostdin", "-y", "-i", str(self._part_path), "-map", "0"]
        command += ["-c", "copy", "-movflags", "+faststart", "-f", "mp4"]
        try:
            with replacing(self.target) as ready:
                done = subprocess.run([*command, str(ready)], capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    raise VideoError(f"The finished video could not be written: {done.stderr.strip()[-300:]}.")
        except OSError as error:
            raise VideoError(f"The finished video could not be moved to {self.target}: {error}.") from error

    def _discard_part(self) -> None:
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._part.close()
            self._part_path.unlink(missing_ok=True)


def _open_part(target: Path) -> tuple[IO[bytes], Path]:
    if target.suffix.lower() != ".mp4":
        raise InputError(f"The video's name must end in .mp4, found {target.name!r}.")
    if target.is_dir():
        raise InputError(f"{target} is a folder; name a file for the video.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=".part", dir=target.parent)
        return os.fdopen(handle, "wb", buffering=0), Path(name)
    except OSError as error:
        raise VideoError(f"The video cannot be written to {target.parent}: {error}.") from error


def _enlarge_pipe(pipe: IO[bytes]) -> None:
    """Linux only, and only a matter of speed."""
    try:
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (ImportError, AttributeError, OSError) as error:
        log.debug("the pipe to ffmpeg keeps its size: %s", error)


def _encode_command(title: str, encoding: Encoding) -> list[str]:
    keyframe = max(1, round(encoding.keyframe_seconds * FPS))
    return [
        ffmpeg_path(), "-v", "error", "-nostdin",
        # The header says everything: probing would only delay the first piece ("-fflags nobuffer" loses its frame).
        "-probesize", "32", "-analyzeduration", "0", "-f", "matroska", "-i", "pipe:0",
        "-c:v", "libx264", "-preset", encoding.preset, "-crf", str(encoding.quality), "-pix_fmt", "yuv420p",
        "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709", "-color_primaries", "bt709",
        "-color_trc", "bt709", "-color_range", "tv",
        "-bf", "0", "-g", str(keyframe), "-x264-params", "rc-lookahead=8:sync-lookahead=0",
        "-threads", "2", "-r", str(FPS), "-fps_mode", "cfr",
        # 48 kHz plays everywhere, and the codec's own delay (1024 samples, told in the edit list) is shortest.
        "-c:a", "aac", "-ar", "48000", "-ac", "1", "-b:a", f"{encoding.audio_kbit}k",
        "-metadata", f"title={title}", "-metadata", f"comment={SYNTHETIC_COMMENT}",
        "-metadata", "genre=AI-generated", "-metadata", "artist=emotalk (synthetic)",
        # delay_moov lets the header tell the audio codec's delay; without it sound would come 21 ms late.
        "-movflags", "+empty_moov+default_base_moof+delay_moov",
        "-frag_duration", str(round(encoding.piece_seconds * 1_000_000)), "-flush_packets", "1",
        "-f", "mp4", "pipe:1",
    ]  # fmt: skip
