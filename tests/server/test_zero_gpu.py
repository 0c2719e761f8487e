"""ZeroGPU Spaces, with a double of their `spaces` package: what is asked for, and what happens when it is refused."""

from __future__ import annotations

import pickle
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import gradio as gr
import pytest

from emotalk.core.errors import AvatarError, Cancelled, InputError, VideoError
from emotalk.server import zero_gpu
from emotalk.server.zero_gpu import (
    LEAST_SECONDS,
    MOST_SECONDS,
    START_SECONDS,
    expected_seconds,
    page_device,
    talker,
)
from emotalk.talk.request import Look, TalkRequest
from tests.ui.browsing import expect_toast, wait_until_open
from tests.ui.drawn_studio import DrawnStudio

SMALL = Look(size=64)


class Spaces(ModuleType):
    """`spaces.GPU` as ZeroGPU wraps generators: a duration asked for at each call, `gr.Error` where it is refused."""

    def __init__(self) -> None:
        super().__init__("spaces")
        self.wishes: list[float] = []
        self.refusal: gr.Error | None = None
        self.taken_after = ""  # a kind of news
        self.closed = 0

    def GPU(self, duration):
        def decorate(task):
            def borrowed(*arguments):
                self.wishes.append(duration(*arguments))
                if self.refusal is not None:
                    raise self.refusal
                # As another process sees and sends it: everything pickled, there and back.
                inner = task(*pickle.loads(pickle.dumps(arguments)))
                try:
                    for item in inner:
                        yield pickle.loads(pickle.dumps(item))
                        if self.taken_after == item[0]:
                            raise gr.Error("GPU task aborted", title="ZeroGPU worker error")
                finally:
                    self.closed += 1
                    inner.close()

            return borrowed

        return decorate


class GpuStudio(DrawnStudio):
    """A drawn studio that says where it drew."""

    drew_on = "cpu"

    def forked(self, device: str) -> GpuStudio:
        self.drew_on = device
        return self


@pytest.fixture
def studio(tmp_path: Path) -> GpuStudio:
    return GpuStudio(tmp_path)


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> Spaces:
    double = Spaces()
    monkeypatch.setitem(sys.modules, "spaces", double)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(zero_gpu, "gpu_problem", lambda: None)
    return double


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(zero_gpu.gr, "Warning", said.append)
    return said


def test_elsewhere_nothing_changes_and_spaces_is_not_even_imported(studio: GpuStudio, monkeypatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.setitem(sys.modules, "spaces", None)  # an import would fail
    assert talker(studio) == studio.talk


def test_a_talk_is_made_on_the_borrowed_gpu(studio: GpuStudio, spaces: Spaces, tmp_path: Path) -> None:
    pieces, seen = [], []
    clip = talker(studio)(
        TalkRequest(text="Hello.", look=SMALL), tmp_path / "a.mp4", motion_out=tmp_path / "a.csv",
        on_piece=pieces.append, progress=seen.append,
    )  # fmt: skip
    assert studio.drew_on == "cuda"
    assert clip.path == str(tmp_path / "a.mp4")
    assert Path(clip.path).stat().st_size > 1000
    assert (tmp_path / "a.csv").is_file()
    assert b"".join(pieces)[4:8] == b"ftyp"
    assert seen[-1].done == 75


class TestDurations:
    def test_a_text_is_judged_by_its_words(self) -> None:
        short, longer = TalkRequest(text="Hello."), TalkRequest(text="word " * 100)
        assert expected_seconds(short) == LEAST_SECONDS
        assert START_SECONDS + 30 < expected_seconds(longer) < START_SECONDS + 50
        assert expected_seconds(TalkRequest(text="word " * 1000)) == MOST_SECONDS

    def test_a_recording_by_its_length(self, tmp_path: Path) -> None:
        with wave.open(str(tmp_path / "a.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(b"\0" * 2 * 8000 * 30)
        assert expected_seconds(TalkRequest(audio=tmp_path / "a.wav")) == START_SECONDS + 30
        assert expected_seconds(TalkRequest(audio=tmp_path / "a.wav", max_seconds=10)) == START_SECONDS + 10
        (tmp_path / "a.xyz").write_bytes(b"x" * 640_000)
        assert expected_seconds(TalkRequest(audio=tmp_path / "a.xyz")) == START_SECONDS + 40

    def test_it_is_what_the_gpu_is_asked_for(self, studio: GpuStudio, spaces: Spaces, tmp_path: Path) -> None:
        request = TalkRequest(text="word " * 100, look=SMALL)
        talker(studio)(request, tmp_path / "a.mp4")
        assert spaces.wishes == [expected_seconds(request)]


class TestWithoutAGpu:
    def test_a_used_up_quota_is_a_warning_and_the_cpu_goes_on(
        self, studio: GpuStudio, spaces: Spaces, warnings: list[str], tmp_path: Path
    ) -> None:
        spaces.refusal = gr.Error("You have exceeded your <b>quota</b>.", title="ZeroGPU quota exceeded")
        pieces = []
        clip = talker(studio)(TalkRequest(text="Hi.", look=SMALL), tmp_path / "a.mp4", on_piece=pieces.append)
        assert studio.drew_on == "cpu"
        assert Path(clip.path).is_file()
        assert pieces
        assert warnings == [
            "No GPU just now, so it takes a little longer. You have exceeded your &lt;b&gt;quota&lt;/b&gt;."
        ]

    def test_where_gsplat_cannot_draw_no_gpu_is_asked_for(
        self, studio: GpuStudio, spaces: Spaces, warnings: list[str], monkeypatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(zero_gpu, "gpu_problem", lambda: "gsplat has no CUDA code")
        assert talker(studio)(TalkRequest(text="Hi.", look=SMALL), tmp_path / "a.mp4").frames == 75
        assert spaces.wishes == warnings == []

    def test_a_gpu_taken_away_half_way_is_a_sentence(
        self, studio: GpuStudio, spaces: Spaces, warnings: list[str], tmp_path: Path
    ) -> None:
        spaces.taken_after = "piece"
        with pytest.raises(VideoError, match="taken away before the clip was finished: GPU task aborted"):
            talker(studio)(TalkRequest(text="Hi.", look=SMALL), tmp_path / "a.mp4")
        assert warnings == []

    def test_one_taken_away_before_the_first_piece_costs_nothing_but_time(
        self, studio: GpuStudio, spaces: Spaces, warnings: list[str], tmp_path: Path
    ) -> None:
        spaces.taken_after = "progress"
        assert talker(studio)(TalkRequest(text="Hi.", look=SMALL), tmp_path / "a.mp4").frames == 75
        assert len(warnings) == 1


class TestTheDeviceOfThePage:
    def test_it_is_found_by_itself_or_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EMOTALK_DEVICE", raising=False)
        assert page_device() == "auto"
        monkeypatch.setenv("EMOTALK_DEVICE", " CPU ")
        assert page_device() == "cpu"
        monkeypatch.setattr("emotalk.rendering.device.resolve_device", lambda name: name)  # whatever is there
        monkeypatch.setenv("EMOTALK_DEVICE", "cuda")
        assert page_device() == "cuda"

    def test_a_gpu_that_is_not_there_keeps_the_page_from_opening(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("emotalk.rendering.device.cuda_problem", lambda: "torch finds no CUDA device")
        monkeypatch.setenv("EMOTALK_DEVICE", "cuda")
        with pytest.raises(InputError, match="no CUDA device"):
            page_device()

    def test_a_zero_gpu_space_draws_its_own_pictures_on_the_cpu(self, spaces: Spaces, monkeypatch) -> None:
        monkeypatch.setattr("emotalk.rendering.device.resolve_device", lambda name: name)  # torch says it is there
        monkeypatch.setenv("EMOTALK_DEVICE", "cuda")
        assert page_device() == "cpu"


def test_errors_come_back_as_what_they_were(studio: GpuStudio, spaces: Spaces, tmp_path: Path) -> None:
    with pytest.raises(AvatarError, match="no avatar called 'nobody'"):
        talker(studio)(TalkRequest(text="Hi.", avatar="nobody", look=SMALL), tmp_path / "a.mp4")


def test_stop_gives_the_gpu_back(studio: GpuStudio, spaces: Spaces, tmp_path: Path) -> None:
    studio.frame_seconds = 0.02
    with pytest.raises(Cancelled):
        talker(studio)(TalkRequest(text="Hi.", look=SMALL), tmp_path / "a.mp4", cancelled=lambda: True)
    assert spaces.closed == 1
    assert studio.cancelled == 1


@pytest.fixture
def refused(studio: GpuStudio, spaces: Spaces) -> Iterator[str]:
    """The address of a page whose visitors have used up their quota."""
    from emotalk.ui import build_app

    spaces.refusal = gr.Error("You have exceeded your quota.", title="ZeroGPU quota exceeded")
    app = build_app(studio)
    app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield app.blocks.local_url
    app.blocks.close(verbose=False)
    app.clips.close()


@pytest.mark.slow
def test_the_page_says_so_and_plays_the_clip(browser, refused: str) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    page.goto(refused)
    wait_until_open(page)
    page.click("#generate")
    expect_toast(page, "No GPU just now")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    page.context.close()
