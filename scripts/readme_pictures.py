"""The README's pictures: a story in five moods (docs/images/moods.mp4, moods.webp), what becomes of a photo
(portrait.webp) and the page (page.png).

    python -m scripts.readme_pictures                          # all of them
    python -m scripts.readme_pictures --only portrait page

The page needs Chromium and playwright (requirements-dev.txt). The photo, docs/images/photo.jpg, shows nobody: it is the
first picture that `python -m scripts.make_preset nora --no-fit --limit 1 --size 768 --samples 64` draws, on a wall.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch

import tyro

from emotalk.create import CONSENT, PortraitRequest, portrait
from emotalk.talk.background import Colour
from emotalk.talk.play import PlayRequest, play
from emotalk.talk.request import Look, TalkRequest
from emotalk.talk.screenplay import parse_screenplay
from emotalk.talk.studio import Studio
from emotalk.video.writer import ffmpeg_path

if TYPE_CHECKING:
    from emotalk.ui.assemble import App

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
STORY = """
Mira [happy]: Hello! How lovely that you came.
Henrik [surprised]: Wait, what was that?
Asha [angry]: I told you not to touch it!
Kofi [sad]: Now it is broken, and I liked it so much.
Elena [relaxed]: Never mind. Let us have some tea.
"""
SAID = (("Hello, it is me.", "happy"), ("What have you done?", "angry 0.7"), ("Oh! That is me.", "surprised 0.8"))
"""What the avatar of the photo says, and in which moods."""
LOOP = "fps=12.5,scale=-2:{height}:flags=lanczos"


def make_moods(studio: Studio, images: Path) -> None:
    target = images / "moods.mp4"
    play(studio, PlayRequest(parse_screenplay(STORY), "cut", Look(size=512)), target)
    _loop(["-i", target], LOOP.format(height=400), images / "moods.webp")


def make_portrait(studio: Studio, images: Path) -> None:
    """The photo beside what its avatar says."""
    with _own_cache() as folder:
        portrait(PortraitRequest(images / "photo.jpg", "nora", CONSENT))
        said = folder / "said.mp4"
        words = " ".join(f"[{mood}] {text}" for text, mood in SAID)
        studio.talk(TalkRequest("nora", words, look=Look(512, background=Colour.parse("#c9d1cc"))), said)
        beside = "[0:v]scale=360:360,setsar=1[photo];[1:v]scale=360:360,setsar=1[said];[photo][said]hstack=shortest=1"
        _loop(["-loop", "1", "-i", images / "photo.jpg", "-i", said], f"{beside},fps=12.5", images / "portrait.webp")


def _loop(inputs: list[str | Path], filters: str, target: Path) -> None:
    settings = ["-c:v", "libwebp_anim", "-quality", "70", "-compression_level", "6", "-loop", "0", "-an"]
    command = [ffmpeg_path(), "-y", "-loglevel", "error", *map(str, inputs), "-filter_complex", filters, *settings]
    subprocess.run([*command, str(target)], check=True)


@contextmanager
def _own_cache() -> Iterator[Path]:
    """A cache of its own: no avatar that somebody has made here may stand in the README."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, EMOTALK_CACHE=folder):
        yield Path(folder)


def make_page(studio: Studio, images: Path) -> None:
    """The page as it looks a moment after opening, its face alive, 1280 x 900."""
    from emotalk.ui import build_app

    with _own_cache():
        _photograph(build_app(studio), images / "page.png")


def _photograph(app: App, target: Path) -> None:
    from playwright.sync_api import sync_playwright

    app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    # Drawn without a graphics processor, which the page would not ask of a browser by itself.
    software = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=software)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script("window.emotalkSoftware = true")
        page.goto(app.blocks.local_url)
        page.wait_for_selector("body.emotalk-live", timeout=180_000)
        page.wait_for_timeout(4_000)
        page.screenshot(path=target)
        browser.close()
    app.blocks.close(verbose=False)
    app.clips.close()


MAKERS = {"moods": make_moods, "portrait": make_portrait, "page": make_page}


@dataclass(frozen=True)
class Options:
    """Draw the README's pictures."""

    only: tuple[Literal["moods", "portrait", "page"], ...] = tuple(MAKERS)
    """Which of them."""
    images: Path = IMAGES
    """Where they go; the photo is read there."""


def main(options: Options) -> None:
    studio = Studio()
    for name in options.only:
        MAKERS[name](studio, options.images)


if __name__ == "__main__":
    main(tyro.cli(Options))
