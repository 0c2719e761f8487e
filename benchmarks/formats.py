"""Every kind of finished video, made and decoded again: what is in it, and whether sound, alpha, captions and framing
are where they belong. Writes benchmarks/results/formats.md.

    python -m benchmarks.formats
"""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.results_file import with_remarks
from emotalk.avatar import load_avatar
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.talk import Colour, Look, Studio, TalkRequest, Transparent
from emotalk.talk.captions import as_srt, as_vtt, captions
from emotalk.talk.request import SHAPES
from emotalk.talk.scene import camera_of, head_box
from emotalk.video import CAPTION_STYLES, VideoWriter, ffmpeg_path
from emotalk.video.alpha_writer import ALPHA_FORMATS, AlphaWriter
from emotalk.video.formats import FORMATS, convert
from emotalk.video.reader import read_frames

RESULTS = Path(__file__).parent / "results" / "formats.md"
PRESETS = ("mira", "kofi", "elena", "jun", "asha", "henrik")
SIZES = (256, 512, 720, 1024)
VOICE, TEXT = "espeak:en-us", "Good morning, everybody."
CLAP_SECONDS, CLAPS = 4, (10, 37, 64, 91)
SAMPLES = SAMPLE_RATE // FPS
SAFE = {"1:1": (0.03, 0.97, 0.6, 0.93), "9:16": (0.03, 0.97, 0.6, 0.86), "16:9": (0.03, 0.97, 0.6, 0.93)}
"""Left, right, top and bottom of the area in which captions may stand, as shares of the picture: below the face, above
the mark, and on phones above the buttons that lie over a video."""
BURST = (0.3 * np.random.default_rng(0).standard_normal(SAMPLES // 2)).clip(-0.9, 0.9).astype(np.float32)


def clapped(path: Path, width: int, height: int) -> Path:
    """A video in the format of its name with a white frame and 20 ms of noise at every clap."""
    alpha = path.suffix in ALPHA_FORMATS
    frames = [np.full((height, width, 4 if alpha else 3), level, np.uint8) for level in (90, 255)]
    for frame in frames if alpha else ():
        frame[..., 3] = 255
    with (AlphaWriter if alpha else VideoWriter)(path, width, height) as writer:
        for number in range(CLAP_SECONDS * FPS):
            samples = np.zeros(SAMPLES, np.float32)
            if number in CLAPS:
                samples[: len(BURST)] = BURST
            writer.write(frames[number in CLAPS], samples)
    return path


def sound_of(path: Path) -> np.ndarray:
    """Samples [N] at 16 kHz, placed by their time stamps."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-f", "f32le"]
    command += ["-af", f"aresample={SAMPLE_RATE}:async=1:first_pts=0", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.float32)


def flashes_of(path: Path) -> list[int]:
    """The frames that are white, placed by their time stamps."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-an", "-vf", f"scale=8:8,fps={FPS}:start_time=0"]
    raw = subprocess.run([*command, "-pix_fmt", "gray", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.flatnonzero(np.frombuffer(raw, np.uint8).reshape(-1, 64).mean(1) > 180).tolist()


def offset_of(path: Path, seen: bool = True) -> float:
    """Milliseconds by which the sound comes after the picture at most, of all claps; without a picture after the time
    when it was due."""
    flashes, sound, reach = flashes_of(path) if seen else list(CLAPS), sound_of(path), SAMPLE_RATE // 5
    if tuple(flashes) != CLAPS:
        return float("nan")
    offsets = [
        np.argmax(np.correlate(sound[clap * SAMPLES - reach : clap * SAMPLES + reach + len(BURST)], BURST, "valid"))
        for clap in flashes
    ]
    return 1000 * float(max(np.array(offsets) - reach, key=abs)) / SAMPLE_RATE


def codecs_of(path: Path) -> str:
    """What ffmpeg says of a file's streams."""
    told = subprocess.run([ffmpeg_path(), "-hide_banner", "-i", str(path)], capture_output=True, text=True).stderr
    streams = [line.split(": ", 2)[2].split(",")[0].split(" (")[0] for line in told.splitlines() if "Stream #" in line]
    return " + ".join(streams)


def framing_rows(studio: Studio) -> Iterator[str]:
    """How far heads at rest are from the borders, in percent of the sides."""
    for shape in SHAPES:
        look = Look(512, shape=shape)
        free = []
        for name in PRESETS:
            avatar = load_avatar(name)
            left, top, right, bottom = head_box(avatar, camera_of(avatar, look))
            free.append((left / look.width, top / look.height, 1 - right / look.width, 1 - bottom / look.height))
        low = 100 * np.min(free, 0)
        yield f"| {shape} | {low[0]:.0f} % | {low[2]:.0f} % | {low[1]:.0f} % | {low[3]:.0f} % |"


def shape_rows(folder: Path) -> Iterator[str]:
    """Sizes of decoded videos and their sound against the picture."""
    for shape in SHAPES:
        for size in SIZES:
            look = Look(size, shape=shape)
            path = clapped(folder / "shape.mp4", look.width, look.height)
            frames = sum(1 for _ in read_frames(path, look.width, look.height))
            counted = f"{look.width} x {look.height} | {frames} of {CLAP_SECONDS * FPS}"
            yield f"| {shape}, {size} | {counted} | {offset_of(path):+.2f} |"


def format_rows(folder: Path) -> Iterator[str]:
    """Every format: its streams, and its sound against its picture."""
    plain = clapped(folder / "plain.mp4", 256, 456)
    for ending in FORMATS:
        path = folder / f"made{ending}"
        convert(plain, path) if ending != ".mp4" else path.write_bytes(plain.read_bytes())
        yield _format_row(ending, path)
    for ending in ALPHA_FORMATS:
        yield _format_row(f"{ending}, transparent", clapped(folder / f"clear{ending}", 256, 456))


def _format_row(name: str, path: Path) -> str:
    if path.suffix in (".gif", ".webp", ".png"):
        with Image.open(path) as picture:
            count, size = getattr(picture, "n_frames", 1), f"{picture.width} x {picture.height}"
        return f"| {name} | {codecs_of(path)} | {size}, {count} pictures | no sound |"
    sound_only = path.suffix in (".m4a", ".wav")
    shown = "no picture" if sound_only else f"256 x 456, {sum(1 for _ in read_frames(path, 256, 456))} pictures"
    return f"| {name} | {codecs_of(path)} | {shown} | {offset_of(path, not sound_only):+.2f} |"


def alpha_rows(studio: Studio, folder: Path) -> Iterator[str]:
    """A transparent talk put on a colour, against the same talk made on that colour."""
    for shape, ending in (("1:1", ".webm"), ("9:16", ".webm"), ("9:16", ".mov")):
        look = Look(256, shape=shape, background=Transparent(), mark="off")
        clear = folder / f"alpha{ending}"
        studio.talk(TalkRequest(text=TEXT, voice=VOICE, look=look), clear)
        ground = Colour(0.1, 0.6, 0.3)
        studio.talk(
            TalkRequest(text=TEXT, voice=VOICE, look=dataclasses.replace(look, background=ground)), folder / "on.mp4"
        )
        errors, corners, faces, tops, sides = [], [], [], [], []
        pairs = zip(
            read_frames(clear, look.width, look.height, alpha=True),
            read_frames(folder / "on.mp4", look.width, look.height),
            strict=True,
        )
        for picture, solid in pairs:
            share = picture[..., 3:] / 255
            colour = 255 * np.array([ground.red, ground.green, ground.blue])
            errors.append(np.mean((picture[..., :3] * share + (1 - share) * colour - solid) ** 2))
            corners.append(picture[:8, :, 3].max())
            middle = picture[look.height // 3 : look.height // 2, 2 * look.width // 5 : 3 * look.width // 5, 3]
            faces.append(middle.min())
            rows, columns = np.nonzero(picture[: look.height // 2, :, 3] > 128)
            tops.append(rows.min() / look.height)
            sides.append(min(columns.min(), look.width - 1 - columns.max()) / look.width)
        psnr = 10 * np.log10(255**2 / np.mean(errors))
        yield (
            f"| {shape} {ending} | {max(corners)} | {min(faces)} | {psnr:.1f} dB | {100 * min(tops):.0f} % | "
            f"{100 * min(sides):.0f} % |"
        )


def caption_rows(studio: Studio, folder: Path) -> Iterator[str]:
    """Where captions stand in decoded talks: their pixels are those that a talk without them does not have."""
    for shape in SHAPES:
        look = Look(256, shape=shape, mark="off")
        said = studio.talk(TalkRequest(text=TEXT, voice=VOICE, look=look), folder / "bare.mp4")
        bare = [frame.astype(np.int16) for frame in read_frames(folder / "bare.mp4", look.width, look.height)]
        for style in (style for style in CAPTION_STYLES if style != "off"):
            with_words = dataclasses.replace(look, captions=style)
            studio.talk(TalkRequest(text=TEXT, voice=VOICE, look=with_words), folder / "words.mp4")
            shown = [
                np.abs(one - other).max(-1) > 48
                for one, other in zip(read_frames(folder / "words.mp4", look.width, look.height), bare, strict=True)
            ]
            spoken = sum(shown[round(FPS * (start + end) / 2)].any() for start, end, _ in said.words)
            rows, columns = np.nonzero(np.logical_or.reduce(shown))
            left, right = columns.min() / look.width, (columns.max() + 1) / look.width
            top, bottom = rows.min() / look.height, (rows.max() + 1) / look.height
            area = SAFE[shape]
            inside = area[0] <= left and right <= area[1] and area[2] <= top and bottom <= area[3]
            yield (
                f"| {shape} | {style} | {100 * left:.0f} to {100 * right:.0f} % | "
                f"{100 * top:.0f} to {100 * bottom:.0f} % | "
                f"{'yes' if inside else 'no'} | {spoken} of {len(said.words)} |"
            )


def captions_line(studio: Studio, folder: Path) -> str:
    """How many captions the two kinds of files hold."""
    clip = studio.talk(TalkRequest(text=TEXT, voice=VOICE, look=Look(64)), folder / "small.mp4")
    found = captions(clip.words, clip.said)
    cues = [text.count(" --> ") for text in (as_srt(found), as_vtt(found))]
    return f"Caption files of the same sentence: {cues[0]} caption in .srt, {cues[1]} in .vtt, {found[0].text!r}."


def main() -> None:
    """Make everything and write the table."""
    studio = Studio(device="cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [
            "# Formats",
            "`python -m benchmarks.formats`: each file is made, decoded by ffmpeg and measured. Milliseconds: sound "
            "after picture, the worst of four claps (a white frame, 20 ms of noise), by cross-correlation and time "
            "stamps; 20 are allowed. A loop has every second picture.",
            "## Shapes and sizes (.mp4)\n\n| look | decoded | frames | ms |\n|---|---|---|---|\n"
            + "\n".join(shape_rows(folder)),
            "## Formats\n\n| file | streams | decoded | ms |\n|---|---|---|---|\n" + "\n".join(format_rows(folder)),
            captions_line(studio, folder),
            "## Framing\n\nFree space around heads at rest with their hair, the least of six presets.\n\n"
            "| shape | left | right | above | below the chin |\n|---|---|---|---|---|\n"
            + "\n".join(framing_rows(studio)),
            f"## Transparent\n\nmira says {TEXT!r}; alpha of 255. Put on a colour, against the same talk made on that "
            "colour. Above and beside: the least free space around the head in any frame.\n\n"
            "| video | upper border, most | face, least | on a colour | above | beside |\n|---|---|---|---|---|---|\n"
            + "\n".join(alpha_rows(studio, folder)),
            "## Captions in the picture\n\nSafe area: 3 to 97 % of the width, 60 to 93 % of the height (9:16: to 86 "
            "%). Words: during how many of them something is shown.\n\n"
            "| shape | style | across | down | in the safe area | words |\n|---|---|---|---|---|---|\n"
            + "\n".join(caption_rows(studio, folder)),
        ]
    RESULTS.write_text(with_remarks("\n\n".join(parts) + "\n", RESULTS), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
