"""The video file: exact sound, playable pieces, honest labels, and never half a file."""

import errno
import os
import signal
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from emotalk.core.errors import InputError, VideoError
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.video import VideoWriter, ffmpeg_path
from emotalk.video import writer as writer_module

SIDE = 64
PER_FRAME = SAMPLE_RATE // FPS
GREY = np.full((SIDE, SIDE, 3), 90, np.uint8)
SILENCE = np.zeros(PER_FRAME, np.float32)


def decoded_sound(path: Path) -> np.ndarray:
    """Samples at 16 kHz placed by their time stamps (a gap or a late start shows up as silence)."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-vn"]
    command += ["-af", f"aresample={SAMPLE_RATE}:async=1:first_pts=0", "-ac", "1", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.float32)


def decoded_brightness(path: Path) -> np.ndarray:
    """Mean grey level of every frame, placed by time stamp."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-an", "-vf", f"scale=8:8,fps={FPS}:start_time=0"]
    command += ["-pix_fmt", "gray", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 64).mean(1)


def describe(path: Path) -> str:
    return subprocess.run([ffmpeg_path(), "-hide_banner", "-i", str(path)], capture_output=True, text=True).stderr


def write_claps(writer: VideoWriter, frames: int, claps: list[int], burst: np.ndarray) -> None:
    """Grey frames in silence; at a clap the picture flashes white and a 10 ms burst starts."""
    white = np.full_like(GREY, 255)
    with writer:
        for index in range(frames):
            samples = SILENCE.copy()
            if index in claps:
                samples[: len(burst)] = burst
            writer.write(white if index in claps else GREY, samples)


def clap_offsets(path: Path, claps: list[int], burst: np.ndarray) -> np.ndarray:
    """Seconds by which each burst comes after its flash, by cross-correlation."""
    assert list(np.flatnonzero(decoded_brightness(path) > 180)) == claps
    sound = decoded_sound(path)
    reach = SAMPLE_RATE // 5
    offsets = []
    for clap in claps:
        due = clap * PER_FRAME
        window = sound[due - reach : due + reach + len(burst)]
        offsets.append((np.argmax(np.correlate(window, burst, "valid")) - reach) / SAMPLE_RATE)
    return np.array(offsets)


def write_frames(writer: VideoWriter, frame: np.ndarray, count: int, then: Exception | None = None) -> None:
    """`count` silent frames; with `then`, something goes wrong after them."""
    with writer:
        for _ in range(count):
            writer.write(frame, SILENCE)
        if then is not None:
            raise then


@pytest.fixture
def burst() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(160) * 0.3).astype(np.float32)


@pytest.mark.parametrize("seconds", [8, pytest.param(600, marks=pytest.mark.slow)])
def test_sound_and_picture_stay_together(tmp_path: Path, burst: np.ndarray, seconds: int) -> None:
    pieces: list[bytes] = []
    frames = seconds * FPS
    claps = list(range(10, frames - 10, max(37, frames // 60)))
    write_claps(VideoWriter(tmp_path / "clap.mp4", SIDE, SIDE, on_piece=pieces.append), frames, claps, burst)
    streamed = tmp_path / "streamed.mp4"
    streamed.write_bytes(b"".join(pieces))
    for path in (tmp_path / "clap.mp4", streamed):
        offsets = clap_offsets(path, claps, burst)
        assert np.abs(offsets).max() <= 0.020
        assert abs(offsets[-1] - offsets[0]) <= 0.001  # no drift


def test_pieces_come_while_frames_are_still_written_and_the_first_plays_alone(tmp_path: Path) -> None:
    arrived = threading.Event()
    pieces: list[bytes] = []

    def keep(piece: bytes) -> None:
        pieces.append(piece)
        arrived.set()

    with VideoWriter(None, SIDE, SIDE, on_piece=keep) as writer:
        for _ in range(2 * FPS):
            writer.write(GREY, SILENCE)
        assert arrived.wait(10)  # nothing has been closed yet
        first = tmp_path / "first.mp4"
        first.write_bytes(pieces[0])
    assert first.read_bytes()[4:8] == b"ftyp"
    assert 5 <= len(decoded_brightness(first)) <= 2 * FPS
    assert len(pieces) >= 4


def test_finished_file_has_its_index_in_front_and_says_that_it_is_synthetic(tmp_path: Path) -> None:
    target = tmp_path / "talk.mp4"
    with VideoWriter(target, SIDE, SIDE, title="Hello") as writer:
        for _ in range(FPS):
            writer.write(GREY, SILENCE)
    data = target.read_bytes()
    boxes, at = [], 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        boxes.append(kind)
        at += length
    assert boxes.index(b"moov") < boxes.index(b"mdat")
    assert b"moof" not in boxes
    said = describe(target)
    assert "h264" in said
    assert "yuv420p" in said
    assert "aac" in said
    assert "AI-generated synthetic video" in said
    assert "trainedAlgorithmicMedia" in said
    assert "Hello" in said
    assert [p.name for p in tmp_path.iterdir()] == ["talk.mp4"]


def test_colours_survive(tmp_path: Path) -> None:
    frame = np.empty((SIDE, SIDE, 3), np.uint8)
    frame[:] = (200, 120, 40)
    with VideoWriter(tmp_path / "colour.mp4", SIDE, SIDE) as writer:
        for _ in range(10):
            writer.write(frame, SILENCE)
    command = [ffmpeg_path(), "-v", "error", "-i", str(tmp_path / "colour.mp4")]
    command += ["-vf", "scale=in_color_matrix=bt709", "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    mean = np.frombuffer(raw, np.uint8).reshape(-1, 3).mean(0)
    assert np.abs(mean - [200, 120, 40]).max() <= 3


def test_an_exception_leaves_the_previous_file_alone_and_nothing_else_behind(tmp_path: Path) -> None:
    target = tmp_path / "talk.mp4"
    target.write_bytes(b"the good one")
    with pytest.raises(RuntimeError, match="stop"):
        write_frames(VideoWriter(target, SIDE, SIDE), GREY, 30, then=RuntimeError("stop"))
    assert target.read_bytes() == b"the good one"
    assert [p.name for p in tmp_path.iterdir()] == ["talk.mp4"]


def test_a_killed_ffmpeg_is_said_and_leaves_the_previous_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "talk.mp4"
    target.write_bytes(b"the good one")
    writer = VideoWriter(target, SIDE, SIDE)
    writer.write(GREY, SILENCE)
    os.kill(writer._process.pid, signal.SIGKILL)
    with pytest.raises(VideoError, match="ffmpeg stopped early"):
        write_frames(writer, GREY, 200)
    assert target.read_bytes() == b"the good one"
    assert [p.name for p in tmp_path.iterdir()] == ["talk.mp4"]


class FullDisk:
    """A file on a disk that takes `room` bytes and no more."""

    def __init__(self, file, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def close(self) -> None:
        self.file.close()


def test_a_full_disk_is_said_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = writer_module._open_part

    def nearly_full(target: Path):
        file, path = opened(target)
        return FullDisk(file, 4000), path

    monkeypatch.setattr(writer_module, "_open_part", nearly_full)
    noise = np.random.default_rng(0).integers(0, 255, GREY.shape, dtype=np.uint8)
    with pytest.raises(VideoError, match=r"No space left.*Free some space"):
        write_frames(VideoWriter(tmp_path / "talk.mp4", SIDE, SIDE), noise, 200)
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_a_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no frame"):
        write_frames(VideoWriter(tmp_path / "empty.mp4", SIDE, SIDE), GREY, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 4096), (0, 0)])
def test_impossible_sizes_are_refused(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(InputError, match="even and between"):
        VideoWriter(tmp_path / "x.mp4", width, height)


def test_a_wrong_frame_and_a_wrong_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.mp4"):
        VideoWriter(tmp_path / "x.avi", SIDE, SIDE)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        VideoWriter(tmp_path / "folder.mp4", SIDE, SIDE)
    with (
        pytest.raises(InputError, match="A frame must be uint8"),
        VideoWriter(tmp_path / "x.mp4", SIDE, SIDE) as writer,
    ):
        writer.write(np.zeros((SIDE, SIDE, 3), np.float32), SILENCE)
