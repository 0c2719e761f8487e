"""What the README and the pages of docs/ show can be done as it stands there: every Python example runs, and every
command is understood (links, settings and scripts: test_help_pages).

What takes minutes (fits, tracking a video) is stood in for by doubles with the true signatures.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec, patch

import numpy as np
import pytest
import soundfile
import tyro

from emotalk import create
from emotalk.avatar import load_avatar
from emotalk.cli import COMMANDS
from emotalk.core.motion import HeadMotion
from emotalk.create.request import PersonalizeResult
from emotalk.emotion import EmotionCurve
from emotalk.evaluation import evaluate
from emotalk.evaluation.protocols import held_out
from emotalk.fitting.personalize import PersonalizeFit
from emotalk.motion import MotionModel
from emotalk.speech import SpeechEncoder, say
from emotalk.talk import Studio
from emotalk.tracking import track_video
from tests.chat.standin import DONE, StandIn, delta
from tests.tracking.test_tracked import finish, tracked

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    "http.md": "ui/test_http_page.py",
    "landmarks.md": "tracking/test_landmarks_page.py",
    "scale.md": "batch/test_scale_page.py",
    "scenes.md": "talk/test_scenes_page.py",
}
"""Pages whose examples another test runs."""


def examples(page: Path) -> list[str]:
    """The Python blocks of a page."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for kind, text in fenced if kind == "python"]


def run(page: str, number: int = 0, **names: Any) -> dict[str, Any]:
    """Runs a page's Python example, `names` being what its text leaves to the reader; returns all names."""
    path = next(path for path in PAGES if path.name == page)
    exec(compile(examples(path)[number], f"{page} {number}", "exec"), names)
    return names


@contextmanager
def quick_fits() -> Iterator[None]:
    """An avatar is made at once, of files that are there."""
    Path("me.mp4").write_bytes(b"a film")
    Path("me.jpg").write_bytes(b"a photo")
    made = PersonalizeResult("me", Path("me"), load_avatar("mira").card, ("The video is good.",), 1.0)
    with (
        patch("emotalk.create.portrait", create_autospec(create.portrait, return_value=made)),
        patch("emotalk.create.personalize", create_autospec(create.personalize, return_value=made)),
    ):
        yield


def recording(name: str) -> None:
    """A recording of somebody who says "Nobody came.", called as the example has it."""
    with open(name, "wb") as file:
        soundfile.write(file, say("Nobody came.").samples, 16_000, format="WAV")


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_readme() -> None:
    run("README.md")
    assert Path("hello.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.slow
def test_api() -> None:
    pieces: list[bytes] = []
    run("api.md", socket=SimpleNamespace(send=pieces.append))
    assert Path("rain.mp4").is_file()
    assert Path("rain.csv").is_file()
    assert pieces[0][4:8] == b"ftyp"
    with quick_fits():
        run("api.md", 1)


def test_conversation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    with StandIn(delta("The sea. "), delta("And boats."), DONE) as server:
        from emotalk.chat import Endpoint

        monkeypatch.setattr("emotalk.chat.Endpoint", lambda address: Endpoint(server.url))
        run("conversation.md")
    assert [line for line in capsys.readouterr().out.splitlines() if line] == ["The sea.", "And boats."]


def test_direction() -> None:
    run("direction.md")
    assert "cost" in Path("talk.vtt").read_text(encoding="utf-8")
    recording("talk.wav")
    words = [word for _, _, word in run("direction.md", 1)["speech"].words]
    assert [word.strip(".").lower() for word in words] == ["nobody", "came"]


def test_emotion_branch() -> None:
    fits = create_autospec(PersonalizeFit)
    names = run("emotion-branch.md", PersonalizeFit=fits, tracked=None, folder=Path("me"), consent="yes")
    assert fits.call_args.kwargs["extra_pairs"] is names["faces"]


def test_evaluation() -> None:
    film = create_autospec(track_video)
    score = create_autospec(evaluate)
    fit = create_autospec(held_out, return_value=(load_avatar("mira"), []))
    with (
        patch("emotalk.tracking.track_video", film),
        patch("emotalk.evaluation.evaluate", score),
        patch("emotalk.evaluation.protocols.held_out", fit),
        patch("emotalk.avatar.load_avatar", create_autospec(load_avatar)),
        patch("emotalk.evaluation.write_reports") as write_reports,
    ):
        run("evaluation.md")
    assert fit.call_args.args[0] is film.return_value
    assert write_reports.call_args.args == ([score.return_value], "report")


def motion(frames: int = 5) -> HeadMotion:
    return HeadMotion.neutral(frames)


def test_export() -> None:
    run("export.md", motion=motion())
    assert Path("head.glb").read_bytes()[:4] == b"glTF"


def test_hub(hub) -> None:
    assert isinstance(run("hub.md")["model"], MotionModel)


def test_landmark_graph() -> None:
    names = run(
        "landmark-graph.md", avatar=load_avatar("mira"), features=SpeechEncoder.load().encode(say("Hello.")),
        curve=EmotionCurve.constant(0.0, 0.0),
    )  # fmt: skip
    assert len(names["motion"])


@pytest.mark.slow
def test_live_stream() -> None:
    sent: list[bytes] = []
    run("live-stream.md", send=sent.append)
    before = len(sent)
    assert before > 2
    run("live-stream.md", 1, studio=Studio(), send=sent.append, microphone=np.array_split(say("Hello.").samples, 4))
    assert len(sent) > before + 5


def test_motion() -> None:
    run("motion.md")
    assert Path("hello.csv").is_file()


@pytest.mark.parametrize("page", ["personalize.md", "portrait.md"])
def test_fits(page: str) -> None:
    with quick_fits():
        run(page)


def test_rendering() -> None:
    cloud = load_avatar("mira").pose(motion(1), 0)
    cloud = dataclasses.replace(cloud, colors=cloud.colors.clone().requires_grad_())
    names = run("rendering.md", cloud=cloud, clouds=[cloud])
    assert cloud.colors.grad.abs().max() > 0
    assert names["picture"].shape == (512, 512, 3)


@pytest.mark.slow
def test_speech() -> None:
    recording("interview.m4a")
    speech = run("speech.md")["speech"]
    assert speech.words


def test_tracking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "me"
    folder.mkdir(parents=True)
    film = tracked(folder, frames=12)
    finish(film)
    with patch("emotalk.tracking.track_video", create_autospec(track_video, return_value=film)):
        assert len(run("tracking.md")["tracked"]) == 12


def test_every_page_with_an_example_has_a_test() -> None:
    tested = {
        match
        for _, test in inspect.getmembers(sys.modules[__name__], inspect.isfunction)
        if test.__name__.startswith("test_")
        for match in re.findall(r'"([\w-]+\.md)"', inspect.getsource(test))
    }
    with_examples = {page.name for page in PAGES if examples(page)}
    assert with_examples - set(ELSEWHERE) <= tested
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / "tests" / test).read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The words after `python -m emotalk` of every command that has a line of its own."""
    lines = re.findall(
        r"^ *python -m emotalk (.*)$", "\n".join(page.read_text(encoding="utf-8") for page in PAGES), re.MULTILINE
    )
    return list(map(list, dict.fromkeys(tuple(shlex.split(line, comments=True)) for line in lines)))


def understood(arguments: list[str]) -> str:
    """The name of the command that these words call."""
    called: list[str] = []

    def spy(command: Callable) -> Callable:
        @functools.wraps(command)
        def call(*_: Any, **__: Any) -> None:
            called.append(command.__name__)

        return call

    tyro.extras.subcommand_cli_from_dict({name: spy(command) for name, command in COMMANDS.items()}, args=arguments)
    return called[0]


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_is_understood(arguments: list[str]) -> None:
    assert understood(arguments) == arguments[0]
