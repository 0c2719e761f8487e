"""docs/landmarks.md does what it says: its JSON is read, its Python runs."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from emotalk.tracking.landmark_file import read_landmarks
from emotalk.tracking.landmark_layouts import LAYOUTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "landmarks.md").read_text(encoding="utf-8")
SAMPLE, PROGRAM = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("json", "python"))


def test_every_layout_is_told():
    assert all(f"`{layout}`" in PAGE for layout in LAYOUTS)


def test_its_json_is_read(tmp_path):
    told = json.loads(SAMPLE)
    frame = np.random.default_rng(0).uniform(100, 400, (LAYOUTS[told["layout"]], 2)).tolist()
    frame[:2] = told["points"][0]
    told["points"] = [frame, *told["points"][1:], frame]
    (tmp_path / "face.json").write_text(json.dumps(told))
    track = read_landmarks(tmp_path / "face.json")
    assert (track.layout, track.fps, track.size) == (told["layout"], told["fps"], tuple(told["size"]))
    np.testing.assert_array_equal(track.neutral, frame)


@pytest.mark.slow
def test_its_program_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = PROGRAM.replace("size=512", "size=64")
    assert small != PROGRAM
    exec(compile(small, "docs/landmarks.md", "exec"), {})
    said = re.match(r"(\d+) frames, points off by (\d\.\d) %", capsys.readouterr().out)
    assert int(said[1]) > 10
    assert float(said[2]) < 1.5
    assert {"hello.mp4", "kofi.mp4", "hello68.npz"} <= {path.name for path in tmp_path.iterdir()}
