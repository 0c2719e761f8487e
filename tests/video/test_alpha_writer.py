"""Videos with a transparent background, decoded again."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from emotalk.core.errors import InputError, VideoError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.video import Mark, ffmpeg_path
from emotalk.video.alpha_writer import ALPHA_FORMATS, AlphaWriter, straight_alpha
from emotalk.video.caption_painter import CaptionPainter, CaptionWord
from tests.video.test_writer import SILENCE, clap_offsets, describe

SIDE = 64
DECODER = {".webm": ["-c:v", "libvpx-vp9"], ".mov": []}


def decoded(path: Path, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Frames [T, H, W, 4]; ffmpeg's own VP9 decoder knows no alpha."""
    command = [ffmpeg_path(), "-v", "error", *DECODER[path.suffix], "-i", str(path), "-an"]
    command += ["-vf", "scale=flags=accurate_rnd+full_chroma_int", "-pix_fmt", "rgba", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 4)


def half(colour: tuple[int, int, int], alpha: int = 255) -> np.ndarray:
    """A picture whose left half has that colour; nothing is in the right half."""
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    picture[:, : SIDE // 2] = (*colour, alpha)
    return picture


@pytest.mark.parametrize("ending", ALPHA_FORMATS)
def test_what_is_behind_shows_through(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    with AlphaWriter(path, SIDE, SIDE) as writer:
        for alpha in (255, 255, 128, 128):
            writer.write(half((200, 90, 40), alpha), SILENCE)
    frames = decoded(path).astype(int)
    assert len(frames) == 4
    assert frames[:, :, 36:, 3].max() <= 6
    assert np.abs(frames[1, :, :28] - [200, 90, 40, 255]).max() <= 6
    assert np.abs(frames[3, :, :28, 3] - 128).max() <= 6
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert "AI-generated synthetic video" in describe(path)


@pytest.mark.parametrize(("ending", "codecs"), [(".webm", ["vp9", "opus"]), (".mov", ["prores", "4444", "pcm_s16le"])])
def test_sound_and_picture_stay_together(tmp_path, ending, codecs):
    path, claps = tmp_path / f"a{ending}", [10, 30]
    burst = np.sin(2 * np.pi * 2000 * np.arange(160) / SAMPLE_RATE).astype(np.float32) * 0.8
    with AlphaWriter(path, SIDE, SIDE) as writer:
        for number in range(50):
            samples = SILENCE.copy()
            samples[: len(burst)] = burst if number in claps else 0
            picture = np.full((SIDE, SIDE, 4), 255 if number in claps else 90, np.uint8)
            writer.write(picture, samples)
    assert all(codec in describe(path) for codec in codecs)
    assert np.abs(clap_offsets(path, claps, burst)).max() <= 0.02


def test_colours_are_freed_of_their_alpha():
    rng = np.random.default_rng(0)
    alpha = rng.integers(1, 256, (40, 40, 1))
    colour = rng.integers(0, 256, (40, 40, 3))
    multiplied = np.concatenate([np.rint(colour * alpha / 255), alpha], -1).astype(np.uint8)
    freed = straight_alpha(multiplied)
    assert (freed[..., 3:] == alpha).all()
    assert (np.abs(freed[..., :3] - colour) <= 128 / alpha + 1).all()
    assert not straight_alpha(np.zeros((2, 2, 4), np.uint8)).any()


@pytest.mark.parametrize("paint", [
    lambda frame: Mark(256, 256).draw(frame),
    lambda frame: _captions().draw(frame, 0.5),
])  # fmt: skip
def test_mark_and_captions_stand_on_nothing_as_on_a_picture(paint):
    clear, dark, light = np.zeros((256, 256, 4), np.uint8), *(np.full((256, 256, 3), v, np.uint8) for v in (0, 255))
    for frame in (clear, dark, light):
        paint(frame)
    assert clear[..., 3].max() > 100
    shares = clear[..., 3:].astype(int)
    assert np.abs(clear[..., :3].astype(int) - dark).max() <= 1
    assert np.abs(clear[..., :3] + (255 - shares) - light).max() <= 2


def _captions() -> CaptionPainter:
    painter = CaptionPainter(256, 256, "highlight")
    painter.add([CaptionWord(0.0, 1.0, "Hello")])
    return painter


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"is a \.webm .* or a \.mov"):
        AlphaWriter(tmp_path / name, SIDE, SIDE)
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_of_what_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), AlphaWriter(tmp_path / "a.webm", SIDE, SIDE) as writer:
        writer.write(half((1, 2, 3)), np.zeros(1 // 0))
    with pytest.raises(VideoError, match="no frame"), AlphaWriter(tmp_path / "a.mov", SIDE, SIDE):
        pass
    with pytest.raises(InputError, match=r"uint8 \[64, 64, 4\]"), AlphaWriter(tmp_path / "a.mov", SIDE, SIDE) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8), SILENCE)
    assert list(tmp_path.iterdir()) == []
