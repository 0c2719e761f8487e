"""`python app.py` as people meet it: a browser opens the page, types, picks moods, and watches real faces talk."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emotalk.video import ffmpeg_path
from tests.ui.browsing import box_of, running_app, wait_until_open

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
VIDEO = "document.querySelector('#stage video')"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running `python app.py`, without a network."""
    with running_app(tmp_path_factory.mktemp("app")) as url:
        yield url


def choose_mood(page, valence: float, arousal: float) -> None:
    box = box_of(page.locator("#mood-pad .pad"))
    page.mouse.click(box["x"] + (0.5 + valence / 2) * box["width"], box["y"] + (0.5 - arousal / 2) * box["height"])


def watch(page, text: str, target: Path) -> str:
    """Type, generate, watch to the end with sound, save the file; returns the mood's name."""
    page.locator("#say textarea").fill(text)
    page.click("#generate")
    page.wait_for_function(f"() => {VIDEO}.currentTime > 0.2")
    early = page.evaluate(f"{VIDEO}.currentTime")
    page.wait_for_function(f"(early) => {VIDEO}.currentTime > early + 0.3", arg=early)
    page.wait_for_function(f"() => {VIDEO}.webkitAudioDecodedByteCount > 0")
    assert page.evaluate(f"!{VIDEO}.muted && {VIDEO}.videoWidth == 512")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    page.wait_for_function("() => document.querySelector('.stage').dataset.state === 'ready'")
    with page.expect_download() as waiting:
        page.locator("#save-video").click()
    waiting.value.save_as(target)
    return page.locator("#mood-pad .name").inner_text()


def decoded(path: Path) -> np.ndarray:
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-vf", "scale=128:128", "-pix_fmt", "rgb24"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 128, 128, 3).astype(float)


def test_typed_words_become_a_playing_video_whose_face_shows_the_mood(
    browser, address: str, tmp_path: Path, shots: Path
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    outside: list[str] = []
    errors: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    wait_until_open(page)
    page.screenshot(path=shots / "desktop.png", full_page=True)

    first = page.locator("#stage .face").get_attribute("src")
    choose_mood(page, 0.9, 0.4)
    page.wait_for_function("(old) => document.querySelector('#stage .face').src !== old", arg=first)
    happy = watch(page, "Good morning, my dear.", tmp_path / "happy.mp4")
    page.screenshot(path=shots / "happy.png")
    choose_mood(page, -0.85, 0.7)
    angry = watch(page, "Good morning, my dear.", tmp_path / "angry.mp4")
    assert (happy.split()[-1], angry.split()[-1]) == ("happy", "angry")

    one, two = decoded(tmp_path / "happy.mp4"), decoded(tmp_path / "angry.mp4")
    face = (slice(None), slice(40, 90), slice(40, 88))
    difference = np.abs(one[face].mean(0) - two[face].mean(0)).mean()
    motion = np.abs(np.diff(one[face], axis=0)).mean()
    assert difference > 1.0  # grey levels: the mean face is another one
    assert motion > 0.1  # and it moves

    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=shots / "phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert outside == []
    assert errors == []


def test_an_uploaded_recording_is_spoken_along_with(browser, address: str, tmp_path: Path) -> None:
    import wave

    t = np.arange(16_000 * 2) / 16_000
    buzz = np.sign(np.sin(2 * np.pi * 130 * t)) * 0.3 * (np.sin(2 * np.pi * 2 * t) > 0)
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((buzz * 32767).astype("<i2").tobytes())
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(address)
    wait_until_open(page)
    page.get_by_label("Audio", exact=True).check()
    page.set_input_files("#audio input[type=file]", tmp_path / "voice.wav")
    page.wait_for_selector("#audio audio, #audio .waveform-container, #audio #waveform", state="attached")
    page.wait_for_timeout(500)
    page.click("#generate")
    page.wait_for_function("() => document.querySelector('#status').innerText.startsWith('2.0 s of video')")
    page.wait_for_function(f"() => {VIDEO}.currentTime > 0.2")
    context.close()
