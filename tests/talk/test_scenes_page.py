"""docs/scenes.md does what it says: its script is read, its Python runs."""

import re
from pathlib import Path

import pytest

from emotalk.talk.screenplay import parse_screenplay

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scenes.md").read_text(encoding="utf-8")
SCRIPT, PROGRAM = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("text", "python"))


def test_its_script_has_three_speakers():
    assert parse_screenplay(SCRIPT).speakers == ("Mira", "Kofi", "Anna")


@pytest.mark.slow
def test_its_program_makes_the_scene(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOTALK_VOICE", "espeak:en-us")
    monkeypatch.setattr("emotalk.talk.take_store.cache_dir", lambda name: tmp_path / name)
    (tmp_path / "cellar.txt").write_text(SCRIPT, encoding="utf-8")
    small = PROGRAM.replace("size=512", "size=64")
    assert small != PROGRAM
    exec(compile(small, "docs/scenes.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[1] for line in said[:3]] == [
        "Mira: Did you hear that?", "Kofi: No. There is nothing.", ["Anna: I did. It came", "from the cellar."][0],
    ]  # fmt: skip
    assert said[-1] == "0 of 3 lines were made before"
    assert {"cellar.mp4", "cellar.srt"} <= {path.name for path in tmp_path.iterdir()}
