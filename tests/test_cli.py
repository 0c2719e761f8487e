"""The command line: what people type, what they get, and what it says when they are wrong."""

import io
import re
from pathlib import Path

import pytest

from emotalk.cli import main

HELLO = ["talk", "--text", "Hello.", "--size", "64"]


def test_help_names_every_command_and_every_option_in_words(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for command in ("talk", "avatars", "doctor", "warmup"):
        assert command in said
    with pytest.raises(SystemExit):
        main(["talk", "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in ("what to say", "mood from -1 (unpleasant) to 1 (pleasant)", "Live Link Face CSV", "standard input"):
        assert words in said


def test_talk_writes_video_motion_and_frames_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    video, motion, frames = tmp_path / "hello.mp4", tmp_path / "hello.csv", tmp_path / "frames"
    arguments = ["--valence", "-0.6", "--arousal", "0.3", "-o", video, "--motion-out", motion, "--frames-dir", frames]
    assert main([*HELLO, *map(str, arguments)]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"hello\.mp4: \d\.\d s of video in [\d.]+ s \(speech .*, motion .*, pose .*, render .*, encode", said
    )
    assert video.stat().st_size > 1000
    assert motion.read_text().startswith("Timecode,BlendShapeCount")
    assert len(list(frames.iterdir())) == len(motion.read_text().splitlines()) - 1


def test_talk_reads_the_text_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Good evening.\n"))
    assert main(["talk", "--stdin", "--size", "64", "-o", str(tmp_path / "x.mp4")]) == 0
    assert (tmp_path / "x.mp4").is_file()


@pytest.mark.parametrize("emotion", ["happy", "auto", "curve.json", "curve.csv"])
def test_talk_takes_a_mood_by_name_from_a_file_or_from_the_voice(tmp_path: Path, emotion: str) -> None:
    (tmp_path / "curve.json").write_text('{"keys": [{"time": 0, "valence": 0.5, "arousal": 0.2}]}')
    (tmp_path / "curve.csv").write_text("time,valence,arousal\n0,0.5,0.2\n1,-0.5,0\n")
    given = str(tmp_path / emotion) if "." in emotion else emotion
    assert main([*HELLO, "--emotion", given, "-o", str(tmp_path / "x.mp4")]) == 0
    assert (tmp_path / "x.mp4").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["talk"], "nothing to say"),
        ([*HELLO, "--stdin"], "give one of the three"),
        ([*HELLO, "--avatar", "nobody"], "no avatar"),
        ([*HELLO, "--voice", "opera"], "no voice"),
        ([*HELLO, "--valence", "2"], "[-1, 1]"),
        ([*HELLO, "--emotion", "hungry"], "--emotion takes auto"),
        ([*HELLO, "--emotion", "missing.json"], "missing.json"),
        ([*HELLO, "--size", "63"], "even number"),
        ([*HELLO, "-o", "film.avi"], "must end in .mp4"),
        (["talk", "--audio", "missing.wav"], "missing.wav"),
        ([*HELLO, "--background", "nowhere.png"], "background must be"),
    ],
)
def test_a_mistake_is_a_sentence_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("emotalk: ")
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_avatars_lists_mira(capsys: pytest.CaptureFixture) -> None:
    assert main(["avatars"]) == 0
    assert re.search(r"^mira .*synthetic person", capsys.readouterr().out, re.M)


def test_doctor_reports_every_part_and_how_to_get_what_is_missing(capsys: pytest.CaptureFixture) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for part in ("cores", "torch", "drawing on the CPU", "drawing on a GPU", "video", "voices", "motion.safetensors"):
        assert part in said
    assert all(line[:3] in ("ok ", "-  ") for line in said.strip().splitlines())


def test_doctor_says_what_to_do_about_a_missing_model(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotalk.doctor.CHECKPOINTS", tmp_path)
    assert main(["doctor"]) == 2
    said = capsys.readouterr()
    assert re.search(r"^!! +motion\.safetensors +not there +-> +restore it", said.out, re.M)
    assert "needed part(s) are missing" in said.err
