"""Whatever a client posts to a handler has a sentence for an answer, and no traceback in the log."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from emotalk.core.errors import InputError
from emotalk.ui.blocks import Page

FILE = {"_type": "gradio.FileData"}


def nested(depth: int) -> list:
    whole: list = []
    for _ in range(depth):
        whole = [whole]
    return whole


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


def page(handler: Any) -> Page:
    with Page(analytics_enabled=False) as blocks:
        inputs = [
            gr.Textbox(label="text"), gr.Number(label="seed"), gr.Slider(-1, 1, 0, label="valence"),
            gr.Checkbox(label="consent"), gr.Radio([256, 512], label="size"), gr.Dropdown(["a", "b"], label="mark"),
            gr.Audio(type="filepath", label="audio"), gr.Image(type="filepath", image_mode=None, label="picture"),
            gr.HTML("mira", elem_id="faces"), gr.HTML({"keys": []}, elem_id="timeline"), gr.ColorPicker(label="colour"),
        ]  # fmt: skip
        gr.Button().click(handler, inputs, gr.Textbox())
    return blocks


GOOD = {
    "text": "Hi.", "seed": 1, "valence": 0.5, "consent": True, "size": 256, "mark": "a", "audio": None,
    "picture": None, "faces": "mira", "timeline": {"keys": []}, "colour": "#ffffff",
}  # fmt: skip


def post(blocks: Page, values: list[Any]) -> Any:
    call = blocks.process_api(block_fn=blocks.fns[0], inputs=values, state=SessionState(blocks))
    return asyncio.run(call)["data"][0]


def test_values_of_the_right_kind_reach_the_handler(uploads: Path) -> None:
    (uploads / "a.wav").write_bytes(b"sound")
    sent = GOOD | {"audio": {"path": str(uploads / "a.wav"), "meta": FILE}}
    got = post(page(lambda *values: repr(values)), list(sent.values()))
    assert got == repr((*list(GOOD.values())[:6], str(uploads / "a.wav"), *list(GOOD.values())[7:]))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *(("text", value, "text: a text is needed") for value in (5, ["Hi."], {"a": 1}, True)),
        *(
            (name, value, f"{name}: a number is needed")
            for name in ("seed", "valence")
            for value in ("1", [1], {}, True, float("nan"), float("inf"), 10**400)
        ),
        ("valence", None, "valence: a number is needed"),
        ("valence", 3, "greater than maximum"),
        *(("consent", value, "consent: true or false") for value in ("yes", 1, [True], {"a": 1})),
        *(("size", value, "one of the choices") for value in ("512", 511, True, [256], {})),
        *(("mark", value, "one of the choices") for value in ("off", 1, ["a"], {"a": "a"})),
        *((name, value, "uploaded file") for name in ("audio", "picture") for value in ("/etc/passwd", 5, [], {})),
        *(("faces", value, "faces: a text") for value in (None, 5, ["mira"], {})),
        *(("timeline", value, "timeline: a table") for value in (5, "keys", [[0, 0, 0]])),
        ("timeline", {"keys": nested(100_000)}, "nested too deep"),
        ("colour", 7, "colour: a text"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_a_sentence(
    name: str, value: Any, said: str, capfd: pytest.CaptureFixture
) -> None:
    blocks = page(lambda *values: pytest.fail("the handler was reached"))
    with pytest.raises(gr.Error) as caught:
        post(blocks, list((GOOD | {name: value}).values()))
    assert said in caught.value.message
    assert not caught.value.print_exception
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["audio", "picture", "timeline", "text"])
@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../etc/passwd", "http://127.0.0.1/x.png", "https://example.org/x", "", "a\0b", "\ud800",
             None, 5, ["x"], "UPLOADS/../secret.png", "UPLOADS/link.png", "UPLOADS/absent.png", "UPLOADS"],
)  # fmt: skip
def test_only_a_file_that_was_uploaded_is_taken(name: str, path: Any, uploads: Path) -> None:
    secret = uploads.parent / "secret.png"
    secret.write_bytes(b"a picture of somebody")
    (uploads / "link.png").symlink_to(secret)
    if isinstance(path, str):
        path = path.replace("UPLOADS", str(uploads))
    blocks = page(lambda *values: pytest.fail("the handler was reached"))
    for sent in ({"path": path, "meta": FILE}, {"path": path, "url": "data:image/png;base64,AA==", "meta": FILE}):
        value = {"keys": [sent]} if name == "timeline" else sent
        with pytest.raises(gr.Error, match="uploaded"):
            post(blocks, list((GOOD | {name: value}).values()))


def test_too_few_values_and_a_control_that_only_the_browser_runs_are_refused() -> None:
    with pytest.raises(gr.Error, match="11 values are needed here, found 2"):
        post(page(lambda *values: ""), ["Hi.", 1])
    with pytest.raises(gr.Error, match="in the browser alone"):
        post(page(None), list(GOOD.values()))


def test_choices_that_a_page_got_later_can_be_chosen() -> None:
    blocks = page(lambda *values: values[5])
    state = SessionState(blocks)
    menu = blocks.fns[0].inputs[5]
    state[menu._id] = gr.Dropdown(["mine"], label="mark")
    state[menu._id]._id = menu._id
    values = list((GOOD | {"mark": "mine"}).values())
    call = blocks.process_api(block_fn=blocks.fns[0], inputs=values, state=state)
    assert asyncio.run(call)["data"] == ["mine"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("There is nothing to say: <b>."), "There is nothing to say: &lt;b&gt;."),
        (MemoryError(), "too little memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (InputError("a half letter: \ud800"), "a half letter: ?"),
    ],
)
def test_what_goes_wrong_in_a_handler_is_told_in_words(
    error: Exception, said: str, capfd: pytest.CaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise error

    with pytest.raises(gr.Error) as caught:
        post(page(fail), list(GOOD.values()))
    assert said in caught.value.message
    assert not caught.value.print_exception
    assert "Traceback" not in capfd.readouterr().err


def test_the_unforeseen_is_logged_once_and_shown_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("/home/somebody/secret")

    with pytest.raises(gr.Error) as caught:
        post(page(fail), list(GOOD.values()))
    assert "unexpected" in caught.value.message
    assert "secret" not in caught.value.message
    assert len([record for record in caplog.records if record.exc_info]) == 1
