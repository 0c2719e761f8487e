"""Real jobs: what a batch makes is what the command makes."""

import json

import pytest

from emotalk.batch import read_jobs, run_batch, run_jobs
from emotalk.batch.places import place_of
from emotalk.batch.pools import InlinePool
from emotalk.cli import main
from emotalk.motion import MotionModel
from emotalk.speech import SpeechEncoder

pytestmark = pytest.mark.slow
SAID = {"text": "[happy] Hello.", "voice": "espeak:en-us", "size": 128, "seed": 3}


def test_a_talk_and_a_scene_are_made_once_and_are_those_of_the_command(tmp_path, capsys, monkeypatch):
    (tmp_path / "scene.txt").write_text("Mira: Hi.\nKofi: Ho.\n")
    jobs = [
        {"kind": "talk", "out": "en/hello", "captions": "srt", "motion_out": True, "landmarks_out": "npz", **SAID},
        {"kind": "scene", "out": "scene", "script": str(tmp_path / "scene.txt"), "size": 64},
        {"kind": "talk", "out": "no-face", "audio": str(tmp_path / "scene.txt")},
    ]
    path, out = tmp_path / "jobs.jsonl", tmp_path / "out"
    path.write_text("\n".join(map(json.dumps, jobs)))
    # With as many threads as this process has: on some machines matrices in two pieces give another last digit.
    assert main(["batch", str(path), "--out", str(out), "--workers", "1", "--threads", "1"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("Of 3 jobs 2 made, 1 failed in ")
    assert "3 jobs, 1 worker\n" in said.err
    assert "Line 3 (no-face): " in said.err
    assert "3 of 3 jobs, 1 failed, " in said.err
    made = {path.name for path in (out / "en" / "hello").iterdir()}
    assert made == {"talk.mp4", "talk.srt", "motion.csv", "landmarks.npz", "job.json"}
    order = [f"--{name}={value}" for name, value in SAID.items()]
    beside = ["--motion-out", str(tmp_path / "m.csv"), "--captions", str(tmp_path / "h.srt")]
    assert main(["talk", *order, "-o", str(tmp_path / "h.mp4"), *beside]) == 0
    for one, other in (("talk.mp4", "h.mp4"), ("motion.csv", "m.csv"), ("talk.srt", "h.srt")):
        assert (out / "en" / "hello" / one).read_bytes() == (tmp_path / other).read_bytes()
    assert sorted(path.name for path in (out / "scene").iterdir()) == ["job.json", "scene.mp4"]
    assert json.loads((out / "scene" / "job.json").read_bytes())["facts"]["frames"] > 20
    path.write_text("\n".join(map(json.dumps, jobs[:2])))
    report = run_batch(path, out, 1)
    assert (report.made, report.already) == (0, 2)


def test_models_of_a_job_hear_and_move_in_it(tmp_path):
    SpeechEncoder.load().save_pretrained(tmp_path / "hears")
    MotionModel.load().save_pretrained(tmp_path / "moves")
    another = MotionModel.load()
    for tensor in another.network.state_dict().values():
        tensor.mul_(0.95)
    another.save_pretrained(tmp_path / "another")
    named = {"own": {}, "copies": {"encoder": "hears", "motion_model": "moves"}, "another": {"motion_model": "another"}}
    jobs = [
        {"kind": "talk", "out": name, "motion_out": True, **SAID, "size": 64}
        | {option: str(tmp_path / folder) for option, folder in models.items()}
        for name, models in named.items()
    ]
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    place = place_of(tmp_path / "out")
    report = run_jobs(read_jobs(tmp_path / "jobs.jsonl"), place, InlinePool(place.address))
    assert (report.made, report.failures) == (3, ())
    own, copies, another = ((place.folder / name / "motion.csv").read_bytes() for name in named)
    assert own == copies
    assert own != another
