"""Videos whose background is transparent: VP9 in WebM for pages, ProRes 4444 for programs that cut films.

frames with alpha ─► interleave ─► ffmpeg (libvpx-vp9 and opus, or prores_ks and PCM) ─► .part file ─► target
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError, VideoError
from emotalk.core.rates import FPS
from emotalk.video.interleave import SAMPLES_PER_FRAME, frame_parts, stream_header
from emotalk.video.writer import SYNTHETIC_COMMENT, ffmpeg_path

_VP9 = (
    "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-crf", "26", "-b:v", "0", "-deadline",
    "realtime", "-cpu-used", "5", "-row-mt", "1", "-c:a", "libopus", "-ar", "48000", "-b:a", "96k", "-f", "webm",
)  # fmt: skip
_PRORES = ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", "-alpha_bits", "16", "-vendor",
           "apl0", "-c:a", "pcm_s16le", "-ar", "48000", "-f", "mov")  # fmt: skip
ALPHA_FORMATS = {".webm": _VP9, ".mov": _PRORES}
"""What a transparent video can be, by the ending of its name."""


def check_alpha_format(path: Path) -> None:
    """InputError where the ending is none of ALPHA_FORMATS, or a folder has that name. For asking before the work."""
    if path.suffix.lower() not in ALPHA_FORMATS:
        raise InputError(
            "A video with a transparent background is a .webm (for pages) or a .mov (ProRes 4444, for programs that "
            f"cut films); found {path.name[-40:]!r}."
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file for the video.")


def straight_alpha(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 4] uint8 whose colours were multiplied by its alpha, with colours that were not."""
    alpha = picture[..., 3:].astype(np.uint16)
    shown = np.maximum(alpha, 1)
    colours = np.minimum((picture[..., :3].astype(np.uint16) * 255 + shown // 2) // shown, 255)
    return np.concatenate([colours, alpha], -1).astype(np.uint8)


def multiplied_alpha(picture: np.ndarray) -> np.ndarray:
    """The opposite: a picture [H, W, 4] uint8 with straight alpha, with colours that are multiplied by it."""
    alpha = picture[..., 3:].astype(np.uint16)
    colours = (picture[..., :3].astype(np.uint16) * alpha + 127) // 255
    return np.concatenate([colours, alpha], -1).astype(np.uint8)


class AlphaWriter:
    """Writes one video of `width` x `height` (even numbers) with alpha at 25 fps and mono sound, in the format of the
    target's name.

    Use as a context manager: the file is moved into place when the block ends well, else nothing stays behind. Raises
    InputError for another ending, VideoError where ffmpeg or the disk fails.
    """

    def __init__(self, target: str | Path, width: int, height: int, *, title: str = "emotalk") -> None:
        self.target, self.width, self.height, self.frames = Path(target), width, height, 0
        check_alpha_format(self.target)
        self._title = title
        self._open = ExitStack()
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> AlphaWriter:
        with ExitStack() as stack:
            try:
                part = stack.enter_context(replacing(self.target))
                # A file, not a pipe: nobody has to drain it.
                self._complaints = stack.enter_context(tempfile.TemporaryFile())
                self._process = subprocess.Popen(
                    self._command(part), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._complaints
                )
            except OSError as error:
                raise VideoError(f"The video cannot be written to {self.target.parent}: {error}.") from error
            stack.callback(self._stop)
            self._send([stream_header(self.width, self.height, alpha=True)])
            self._open = stack.pop_all()
        return self

    def write(self, frame: np.ndarray, samples: np.ndarray) -> None:
        """Append one frame [H, W, 4] uint8 with straight alpha and its samples [640], or fewer at the very end."""
        if frame.shape != (self.height, self.width, 4) or frame.dtype != np.uint8:
            raise InputError(
                f"A frame must be uint8 [{self.height}, {self.width}, 4], found {frame.dtype} {list(frame.shape)}."
            )
        if len(samples) > SAMPLES_PER_FRAME:
            raise InputError(f"A frame takes at most {SAMPLES_PER_FRAME} samples, found {len(samples)}.")
        self._send(frame_parts(self.frames, np.ascontiguousarray(frame), samples))
        self.frames += 1

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self._finish()
        except BaseException as failure:
            self._open.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._open.__exit__(*error)

    def _finish(self) -> None:
        if self.frames == 0:
            raise VideoError("There is nothing to write: the video has no frame.")
        with contextlib.suppress(OSError):  # a dead ffmpeg is reported below, in words
            self._process.stdin.close()
        if self._process.wait() != 0:
            raise self._explained()

    def _send(self, parts: list[bytes | memoryview]) -> None:
        try:
            for part in parts:
                self._process.stdin.write(part)
        except OSError as error:
            self._process.wait()
            raise self._explained() from error

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _explained(self) -> VideoError:
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        return VideoError(f"{self.target.name} could not be made; ffmpeg said: {said[0][-300:]}")

    def _command(self, part: Path) -> list[str]:
        return [
            ffmpeg_path(), "-v", "error", "-nostdin", "-y",
            "-probesize", "32", "-analyzeduration", "0", "-f", "matroska", "-i", "pipe:0",
            "-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int",
            "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
            "-r", str(FPS), "-fps_mode", "cfr",
            *ALPHA_FORMATS[self.target.suffix.lower()],
            "-metadata", f"title={self._title}", "-metadata", f"comment={SYNTHETIC_COMMENT}", str(part),
        ]  # fmt: skip
