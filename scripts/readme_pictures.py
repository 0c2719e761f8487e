"""The README's pictures: a clip in five moods (docs/images/moods.mp4, moods.gif) and the page (page.png).

    python -m scripts.readme_pictures            # all of them
    python -m scripts.readme_pictures --no-page

The page needs Chromium and playwright (requirements-dev.txt).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import tyro

from emotalk.emotion import EmotionCurve
from emotalk.talk.request import TalkRequest
from emotalk.talk.studio import Studio
from emotalk.video.writer import ffmpeg_path

if TYPE_CHECKING:
    from emotalk.ui.assemble import App

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
STORY = (
    ("Hello! How lovely that you came.", (0.75, 0.35)),
    ("Wait, what was that?", (0.1, 0.9)),
    ("I told you not to touch it!", (-0.75, 0.6)),
    ("Now it is broken, and I liked it so much.", (-0.75, -0.5)),
    ("Never mind. Let us have some tea.", (0.65, -0.2)),
)
"""Sentences and the mood, (valence, arousal), in which each is said."""
SWITCH = 0.15
"""Seconds before and after the end of a sentence in which the mood moves on to the next one's."""
GIF = "fps=12.5,scale=256:-1:flags=lanczos,split[a][b];[a]palettegen=max_colors=96[p];[b][p]paletteuse=dither=none"


def story_curve(seconds: float) -> EmotionCurve:
    """The moods of the story over a clip of this length; a sentence takes time by its letters."""
    letters = list(accumulate((len(text) for text, _ in STORY), initial=0))
    ends = [seconds * n / letters[-1] for n in letters]
    keys = []
    for (_, mood), (start, end) in zip(STORY, pairwise(ends), strict=True):
        keys += [(start + SWITCH, *mood), (end - SWITCH, *mood)]
    return EmotionCurve.from_keys(keys)


def make_moods(avatar: str, studio: Studio, images: Path) -> None:
    text, target = " ".join(text for text, _ in STORY), images / "moods.mp4"
    seconds = studio.talk(TalkRequest(avatar, text), None).seconds
    studio.talk(TalkRequest(avatar, text, emotion=story_curve(seconds), seed=1), target)
    subprocess.run(
        [ffmpeg_path(), "-y", "-loglevel", "error", "-i", str(target), "-vf", GIF, str(target.with_suffix(".gif"))],
        check=True,
    )


def make_page(studio: Studio, images: Path) -> None:
    """The page as it looks a moment after opening, its face alive, 1280 x 900."""
    from emotalk.ui import build_app

    # A cache of its own: no avatar that somebody has personalised here may stand in the README.
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, EMOTALK_CACHE=folder):
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


def main(avatar: str = "kofi", page: bool = True, images: Path = IMAGES) -> None:
    studio = Studio()
    make_moods(avatar, studio, images)
    if page:
        make_page(studio, images)


if __name__ == "__main__":
    tyro.cli(main)
