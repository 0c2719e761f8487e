"""Any sound file into blocks of raw samples, one second at a time.

soundfile reads WAV and FLAC; everything else goes through the ffmpeg that comes with imageio-ffmpeg, as a
subprocess. ffmpeg is handed an open file and may use no other protocol: a name can be neither an option nor a
URL to it, and a playlist inside an upload cannot make it read other files.
"""

from __future__ import annotations

import contextlib
import re
import stat
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from emotalk.core.errors import AudioError
from emotalk.core.pictures import MAX_PIXELS

_STALL_SECONDS = 60.0  # ffmpeg that gives no sound for so long is stuck on a damaged file
MAX_BLOCK = 2**23
"""Numbers in one block: a second of 43 channels at 192 kHz."""
_AU_HEADER = struct.Struct(">4s5I")  # magic, data offset, data size, encoding, rate, channels


class RawSound(NamedTuple):
    """A sound as its file holds it."""

    rate: int  # samples per second
    blocks: Iterator[np.ndarray]  # float32 [n, channels], one second each (MAX_BLOCK numbers at most), the last shorter


@contextlib.contextmanager
def open_sound(source: str | Path | bytes) -> Iterator[RawSound]:
    """Opens a sound file by path or by its bytes; the blocks can be read while the context is open.

    Raises AudioError where there is no such file, or where it is empty, not audio or without a sound track.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_open(source))
        name = sound_name(source)
        try:
            head = file.read(12)
            file.seek(0)
        except OSError as error:
            raise AudioError(
                f"{name} cannot be read ({error.strerror}). Copy it to another disk, or export it again."
            ) from (error)
        if not head:
            raise AudioError(f"{name} is empty (0 bytes). Choose another audio file, or record it again.")
        if head[:4] in (b"RIFF", b"RF64", b"fLaC"):
            import soundfile

            try:
                careful = _Seekable(file)
                sound = stack.enter_context(soundfile.SoundFile(careful))
            except soundfile.LibsndfileError:
                file.seek(0)  # some odd codec, or not WAV after all: ask ffmpeg
            else:
                yield RawSound(sound.samplerate, _soundfile_blocks(sound, careful, name))
                return
        yield stack.enter_context(_ffmpeg_blocks(file, name))


def sound_name(source: str | Path | bytes) -> str:
    """What to call the source in a message: the file's name, never its whole path."""
    return "The recording" if isinstance(source, bytes) else Path(source).name or "The file"


def sound_seconds(source: str | Path) -> float | None:
    """The length that the file's header claims, None where it claims none: for progress bars, not for limits."""
    import imageio_ffmpeg
    import soundfile

    with _open(source) as file:
        with contextlib.suppress(soundfile.LibsndfileError):
            return float(soundfile.info(_Seekable(file)).duration)
        file.seek(0)
        command = [imageio_ffmpeg.get_ffmpeg_exe(), *_input_arguments()]
        with contextlib.suppress(subprocess.TimeoutExpired):
            said = subprocess.run(command, stdin=file, capture_output=True, timeout=20).stderr
            if match := re.search(rb"Duration: (\d+):(\d+):([\d.]+)", said):
                hours, minutes, seconds = (float(group) for group in match.groups())
                return 3600 * hours + 60 * minutes + seconds
    return None


def _open(source: str | Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        # ffmpeg needs a real file to seek in: MP4 may keep its index at the end.
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (open_sound closes it)
        file.write(source)
        file.seek(0)
        return file
    shown = str(source).replace("\0", "\\0")
    shown = shown if len(shown) <= 200 else f"{shown[:200]}..."
    if not shown.strip() or "\0" in str(source):
        raise AudioError(f"{shown!r} is not a file name. Give the path of an audio file.")
    path = Path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.open("rb", buffering=0)  # ffmpeg starts where the descriptor stands, not Python's buffer
    except FileNotFoundError as error:
        hint = " Links cannot be opened: download the file first." if "://" in shown else " Check the path."
        raise AudioError(f"There is no file {shown}.{hint}") from error
    except ValueError as error:
        raise AudioError(f"{shown!r} is not a file name. Give the path of an audio file.") from error
    except OSError as error:
        raise AudioError(f"{shown} cannot be opened ({error.strerror}). Check the path and its permissions.") from error
    kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
    raise AudioError(f"{shown} is {kind}, not a file. Give the path of an audio file.")


class _Seekable:
    """A file as soundfile reads it. The headers of some damaged files (RF64) ask for places that no file has, and an
    error in one of soundfile's calls back into Python would end as noise on the terminal: such a seek goes nowhere."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell
        self.fault: OSError | None = None

    def read(self, count: int = -1) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            self.fault = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return self._file.tell()


def _soundfile_blocks(sound, file: _Seekable, name: str) -> Iterator[np.ndarray]:
    import soundfile

    frames = _block_frames(sound.samplerate, sound.channels)
    while True:
        try:
            block = sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{name} is damaged: {error}. Export it again, or choose another file.") from error
        if file.fault is not None:
            raise AudioError(f"{name} cannot be read to its end ({file.fault.strerror}).") from file.fault
        if not len(block):
            return
        yield block


def _block_frames(rate: int, channels: int) -> int:
    """A second of sound, or what of it fits: a header may claim a thousand channels at any rate."""
    return max(1, min(rate, MAX_BLOCK // max(1, channels)))


def _input_arguments() -> list[str]:
    # A recording may carry a picture (its cover), whose claimed size ffmpeg would find room for.
    pixels = ["-max_pixels", str(MAX_PIXELS)]
    return ["-hide_banner", "-nostdin", *pixels, "-protocol_whitelist", "fd", "-fd", "0", "-i", "fd:"]


@contextlib.contextmanager
def _ffmpeg_blocks(file: BinaryIO, name: str) -> Iterator[RawSound]:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *_input_arguments()]
    command += ["-map", "0:a:0", "-vn", "-sn", "-dn", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    with tempfile.TemporaryFile() as complaints:  # a pipe could fill up and stop ffmpeg
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=complaints)
        reader = _Watched(process, name)
        try:
            header = reader.read(_AU_HEADER.size)
            if len(header) < _AU_HEADER.size:
                process.wait(_STALL_SECONDS)
                complaints.seek(0)
                raise AudioError(_why_not(name, complaints.read(4000).decode(errors="replace")))
            _, offset, _, _, rate, channels = _AU_HEADER.unpack(header)
            reader.read(offset - _AU_HEADER.size)
            yield RawSound(rate, _au_blocks(reader, rate, channels))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _au_blocks(reader: _Watched, rate: int, channels: int) -> Iterator[np.ndarray]:
    while data := reader.read(_block_frames(rate, channels) * channels * 4):
        whole = len(data) // (channels * 4) * channels
        yield np.frombuffer(data, ">f4", whole).reshape(-1, channels).astype(np.float32)


class _Watched:
    """ffmpeg's output; ffmpeg is ended when a read takes longer than _STALL_SECONDS."""

    def __init__(self, process: subprocess.Popen, name: str) -> None:
        self._process, self._name, self._stalled = process, name, False

    def read(self, count: int) -> bytes:
        timer = threading.Timer(_STALL_SECONDS, self._end)
        timer.daemon = True
        timer.start()
        try:
            data = self._process.stdout.read(count)
        finally:
            timer.cancel()
        if self._stalled:
            seconds = f"{_STALL_SECONDS:.0f} seconds"
            raise AudioError(f"{self._name} gave no sound for {seconds}: it is damaged. Export it again as WAV.")
        return data

    def _end(self) -> None:
        self._stalled = True
        self._process.kill()


def _why_not(name: str, complaint: str) -> str:
    """A sentence for what ffmpeg wrote when it found no sound."""
    if "matches no streams" in complaint:
        return f"{name} holds no sound: it is a picture or a video without a sound track. Choose a file with sound."
    if "Protocol not found" in complaint or "Unrecognized option 'fd'" in complaint:
        return (
            "The installed ffmpeg is older than version 6 and cannot read an open file. "
            "Unset IMAGEIO_FFMPEG_EXE and run `pip install -r requirements.txt`, which brings a newer one."
        )
    last = complaint.strip().splitlines()[-1] if complaint.strip() else "no sound came out"
    return (
        f"{name} is not an audio file that ffmpeg can read ({last}). "
        "Choose WAV, FLAC, MP3, M4A, OGG, OPUS or a video with sound; if it is one of these, it is damaged."
    )
