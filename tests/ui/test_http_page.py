"""docs/http.md does what it says: its Python and its JavaScript get a video from a page that is served."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
PROGRAM, SCRIPT = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("python", "js"))

pytestmark = pytest.mark.slow


def test_its_program_saves_a_video(served: str, drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(PROGRAM.replace("http://127.0.0.1:7860", served.rstrip("/")), "docs/http.md", "exec"), {})
    assert (tmp_path / "morning.mp4").read_bytes()[4:8] == b"ftyp"
    assert (drawn.requests[-1].text, drawn.requests[-1].emotion.at(1)[0, 0]) == ("Good morning!", pytest.approx(0.7))


def test_its_script_gets_a_video_and_a_refusal(page) -> None:
    page.evaluate(f"() => {{ {SCRIPT}; window.talk = talk; }}")
    url = page.evaluate("async () => (await talk('', { text: 'Good morning!' }))[0].url")
    assert page.request.get(url).headers["content-type"] == "video/mp4"
    assert "failed" in page.evaluate("() => talk('', { text: '' }).catch((error) => `failed ${error.message}`)")
