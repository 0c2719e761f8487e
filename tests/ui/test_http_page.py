"""docs/http.md does what it says: its Python and its JavaScript get a video from a page that is served; so does the
client of docs/api.md."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotalk.video.reader import read_frames

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "http.md").read_text(encoding="utf-8")
CLIENT = re.findall(r"```python\n(.*?)```", (DOCS / "api.md").read_text(encoding="utf-8"), re.DOTALL)[-1]
(PROGRAM, GROWING), (SCRIPT, WATCHING) = (
    re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("python", "js")
)

pytestmark = pytest.mark.slow


def run(program: str, served: str) -> dict:
    names = {}
    exec(compile(program.replace("http://127.0.0.1:7860", served.rstrip("/")), "an example", "exec"), names)
    return names


def test_its_program_saves_a_video(served: str, drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(PROGRAM, served)
    assert (tmp_path / "morning.mp4").read_bytes()[4:8] == b"ftyp"
    assert (drawn.requests[-1].text, drawn.requests[-1].emotion.at(1)[0, 0]) == ("Good morning!", pytest.approx(0.7))


def test_its_script_gets_a_video_and_a_refusal(page) -> None:
    page.evaluate(f"() => {{ {SCRIPT}; window.talk = talk; }}")
    url = page.evaluate("async () => (await talk('', { text: 'Good morning!' }))[0].url")
    assert page.request.get(url).headers["content-type"] == "video/mp4"
    assert "failed" in page.evaluate("() => talk('', { text: '' }).catch((error) => `failed ${error.message}`)")


def test_its_program_reads_a_video_while_it_is_made(
    served: str, drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drawn, "frame_seconds", 0.02)  # slow enough that there is something to wait for
    run(GROWING, served)
    growing, finished = ((tmp_path / f"{name}.mp4").read_bytes() for name in ("growing", "finished"))
    assert b"moof" in growing  # pieces, as they came
    assert b"moof" not in finished
    pictures = [len(list(read_frames(tmp_path / f"{name}.mp4", 512, 512))) for name in ("growing", "finished")]
    assert pictures == [75, 75]
    assert (tmp_path / "finished.vtt").read_text(encoding="utf-8").startswith("WEBVTT\n\n00:00:00.100 --> ")
    assert drawn.requests[-1].look.shape == "9:16"


def test_its_script_plays_a_video_while_it_is_made(page, drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "frame_seconds", 0.04)
    page.evaluate(
        f"""() => {{ {WATCHING}; window.watch = watch;
        const video = document.body.appendChild(document.createElement("video"));
        video.muted = true;
        video.addEventListener("playing", () => {{ window.played ??= window.made ? "afterwards" : "meanwhile"; }});
        window.watched = watch("", {{ text: "Good morning!" }}, video).then((made) => (window.made = made)); }}"""
    )
    made = page.evaluate("() => window.watched")
    assert page.evaluate("() => window.played") == "meanwhile"
    for ending, kind in {
        "mp4": "video/mp4",
        "srt": "application/x-subrip",
        "vtt": "text/vtt",
        "png": "image/png",
    }.items():
        assert (
            page.request.get(f"{page.url.rstrip('/')}/{made['files'][ending]}").headers["content-type"].startswith(kind)
        )
    assert (made["seconds"], made["remarks"]) == (3.0, [])
    refused = (
        "() => watch('', { text: '' }, document.createElement('video')).catch((error) => `failed ${error.message}`)"
    )
    assert "There is nothing to say" in page.evaluate(refused)


def test_gradios_own_client_gets_a_video_of_a_recording(
    served: str, drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open("speech.mp3", "wb") as file:
        soundfile.write(file, 0.3 * np.sin(np.arange(32_000) * 0.05), 16_000, format="MP3")
    assert Path(run(CLIENT, served)["video"]).is_file()
    assert (drawn.requests[-1].text, drawn.requests[-1].emotion) == (None, "auto")
