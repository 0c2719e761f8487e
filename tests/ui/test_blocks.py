"""Whatever a client posts to a handler has a sentence for an answer, and no traceback in the log."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.routes import App
from gradio.state_holder import SessionState
from starlette.testclient import TestClient

from emotalk.core.errors import InputError
from emotalk.ui.blocks import CALL_ERRORS, Page, check_values
from emotalk.ui.toasts import friendly
from tests.core.test_pictures import jpeg_that_claims
from tests.loops import run_alone

FILE = {"_type": "gradio.FileData"}


def nested(depth: int) -> list:
    whole: list = []
    for _ in range(depth):
        whole = [whole]
    return whole


class Posting:
    """A page with one control of each kind, built once; `handler` is what stands behind it."""

    def __init__(self, uploads: Path) -> None:
        self.uploads = uploads
        self.handler: Any = None
        with Page(analytics_enabled=False) as self.page:
            inputs = [
                gr.Textbox(label="text"), gr.Number(label="seed"), gr.Slider(-1, 1, 0, label="valence"),
                gr.Checkbox(label="consent"), gr.Radio([256, 512], label="size"), gr.Dropdown(["a", "b"], label="mark"),
                gr.Audio(type="filepath", label="audio"),
                gr.Image(type="filepath", image_mode=None, label="picture"), gr.HTML("mira", elem_id="faces"),
                gr.HTML({"keys": []}, elem_id="timeline"), gr.ColorPicker(label="colour"),
            ]  # fmt: skip
            gr.Button().click(lambda *values: self.handler(*values), inputs, gr.Textbox(), api_name="given")
            gr.Button().click(None, inputs, gr.Textbox(), js="(...values) => ''")

    def post(self, values: list[Any], handler: Any = None, state: Any = None, event: int = 0) -> Any:
        """What a client gets that posts these values."""
        self.handler = handler or (lambda *_: pytest.fail("the handler was reached"))
        state = SessionState(self.page) if state is None else state
        call = self.page.process_api(block_fn=self.page.fns[event], inputs=values, state=state)
        return run_alone(call)["data"][0]


@pytest.fixture(scope="module")
def posting(tmp_path_factory: pytest.TempPathFactory) -> Posting:
    uploads = tmp_path_factory.mktemp("gradio") / "uploads"
    uploads.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_TEMP_DIR", str(uploads))
        return Posting(uploads)


GOOD = {
    "text": "Hi.", "seed": 1, "valence": 0.5, "consent": True, "size": 256, "mark": "a", "audio": None,
    "picture": None, "faces": "mira", "timeline": {"keys": []}, "colour": "#ffffff",
}  # fmt: skip


def test_values_of_the_right_kind_reach_the_handler(posting: Posting) -> None:
    sound = posting.uploads / "a.wav"
    sound.write_bytes(b"sound")
    got = posting.post(
        list((GOOD | {"audio": {"path": str(sound), "meta": FILE}}).values()), lambda *values: repr(values)
    )
    assert got == repr(tuple((GOOD | {"audio": str(sound)}).values()))


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
def test_a_value_of_another_kind_is_refused_with_a_sentence(posting: Posting, name: str, value: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_values(posting.page.fns[0], list((GOOD | {name: value}).values()))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("text", 5, "a text is needed"), ("seed", "1", "a number"), ("valence", 3, "greater than maximum"),
     ("audio", "/etc/passwd", "uploaded file"), ("timeline", {"keys": nested(100_000)}, "nested too deep"),
     ("size", [256], "one of the choices")],
)  # fmt: skip
def test_a_refusal_reaches_the_client_in_words_and_leaves_no_traceback(
    posting: Posting, name: str, value: Any, said: str, capfd: pytest.CaptureFixture
) -> None:
    with pytest.raises(gr.Error) as caught:
        posting.post(list((GOOD | {name: value}).values()))
    assert said in caught.value.message
    assert not caught.value.print_exception
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["audio", "picture", "timeline", "text"])
@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../etc/passwd", "http://127.0.0.1/x.png", "https://example.org/x", "", "a\0b", "\ud800",
             None, 5, ["x"], "UPLOADS/../secret.png", "UPLOADS/link.png", "UPLOADS/absent.png", "UPLOADS"],
)  # fmt: skip
def test_only_a_file_that_was_uploaded_is_taken(posting: Posting, name: str, path: Any) -> None:
    secret, link = posting.uploads.parent / "secret.png", posting.uploads / "link.png"
    secret.write_bytes(b"a picture of somebody")
    if not link.is_symlink():
        link.symlink_to(secret)
    if isinstance(path, str):
        path = path.replace("UPLOADS", str(posting.uploads))
    for sent in ({"path": path, "meta": FILE}, {"path": path, "url": "data:image/png;base64,AA==", "meta": FILE}):
        value = {"keys": [sent]} if name == "timeline" else sent
        with pytest.raises(InputError, match="uploaded"):
            check_values(posting.page.fns[0], list((GOOD | {name: value}).values()))


INK = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("name", ["audio", "picture"])
@pytest.mark.parametrize("meta", [{}, {"_type": "x"}, {"_type": None}, {"_type": ["gradio.FileData"]}, None, "x"])
def test_a_file_is_marked_as_gradio_marks_its_own(posting: Posting, name: str, meta: Any) -> None:
    own = posting.uploads / "own.jpg"
    own.write_bytes(jpeg_that_claims(64, 64))
    for more in ({}, {"url": INK}):  # which Gradio would unpack for any file that it does not know
        with pytest.raises(InputError, match=r"uploaded"):
            check_values(posting.page.fns[0], list((GOOD | {name: {"path": str(own), "meta": meta} | more}).values()))


@pytest.mark.parametrize("name", ["audio", "picture", "timeline"])
@pytest.mark.parametrize("address", [INK, INK.upper(), " " + INK, "data:,", "DATA:image/svg+xml,<svg/>"])
def test_a_file_that_is_written_into_its_address_is_not_taken(posting: Posting, name: str, address: str) -> None:
    own = posting.uploads / "own.jpg"
    own.write_bytes(jpeg_that_claims(64, 64))
    sent = {"path": str(own), "url": address, "meta": FILE}
    with pytest.raises(InputError, match="has to be uploaded"):
        check_values(
            posting.page.fns[0], list((GOOD | {name: {"keys": [sent]} if name == "timeline" else sent}).values())
        )


def test_nothing_of_an_address_is_unpacked(posting: Posting, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: Any, **__: Any) -> None:
        pytest.fail("an address was unpacked")

    for name in ("decode_base64_to_file", "decode_base64_to_image", "decode_base64_to_image_array"):
        monkeypatch.setattr(f"gradio.image_utils.{name}", unpack)
    own = posting.uploads / "own.jpg"
    own.write_bytes(jpeg_that_claims(64, 64))
    for meta in ({}, {"_type": "x"}, FILE):
        sent = {"path": str(own), "url": INK, "meta": meta}
        with pytest.raises(gr.Error, match="uploaded"):
            posting.post(list((GOOD | {"picture": sent}).values()))
    # The address of the page itself, which browsers send along, is not heeded.
    sent = {"path": str(own), "url": f"http://127.0.0.1:7860/gradio_api/file={own}", "meta": FILE}
    assert posting.post(list((GOOD | {"picture": sent}).values()), lambda *given: given[7]) == str(own)


def test_a_picture_too_large_is_told_before_gradio_opens_it(posting: Posting) -> None:
    bomb = posting.uploads / "bomb.jpg"
    bomb.write_bytes(jpeg_that_claims(65500, 65500))
    for kind in ("jpg", "svg", "png"):  # what the sender calls it is not believed
        sent = {"path": str(bomb), "orig_name": f"x.{kind}", "meta": FILE}
        with pytest.raises(gr.Error, match="4290 megapixels; at most 40"):
            posting.post(list((GOOD | {"picture": sent}).values()))


def test_too_few_values_and_a_control_that_only_the_browser_runs_are_refused(posting: Posting) -> None:
    with pytest.raises(gr.Error, match="11 values are needed here, found 2"):
        posting.post(["Hi.", 1])
    with pytest.raises(gr.Error, match="in the browser alone"):
        posting.post(list(GOOD.values()), event=1)


def test_choices_that_a_page_got_later_can_be_chosen(posting: Posting) -> None:
    state = SessionState(posting.page)
    menu = posting.page.fns[0].inputs[5]
    later = gr.Dropdown(["mine"], label="mark")
    later._id = menu._id
    state[menu._id] = later
    values = list((GOOD | {"mark": "mine"}).values())
    assert posting.post(values, lambda *values: values[5], state) == "mine"
    with pytest.raises(gr.Error, match="one of the choices"):
        posting.post(values)


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
    posting: Posting, error: Exception, said: str, capfd: pytest.CaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise error

    with pytest.raises(gr.Error) as caught:
        posting.post(list(GOOD.values()), fail)
    assert said in caught.value.message
    assert not caught.value.print_exception
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("run/predict", {"data": [], "fn_index": 10**9}),
        ("run/nothing", {"data": []}),
        ("call/nothing", {"data": []}),
        ("call/v2/nothing", {}),
        ("call/v2/given", {"nonsense": 1}),
        ("queue/join", {"data": [], "fn_index": 10**9, "session_hash": "x"}),
    ],
)
def test_a_call_of_what_there_is_not_is_a_sentence_and_no_traceback(
    posting: Posting, route: str, body: dict[str, Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    application = App.create_app(posting.page, app_kwargs={"exception_handlers": CALL_ERRORS})
    answer = TestClient(application).post(f"/gradio_api/{route}", json=body)
    assert answer.status_code == 400
    assert "nothing here that takes such a request" in answer.json()["error"]
    assert "Traceback" not in capfd.readouterr().err
    assert not any(record.exc_info for record in caplog.records)


def test_an_upload_onto_a_full_disk_is_told_in_words(
    posting: Posting, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    async def parse(_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gradio.route_utils.GradioMultiPartParser.parse", parse)
    monkeypatch.setattr(posting.page, "max_file_size", None, raising=False)  # as a launch sets it
    application = App.create_app(posting.page, app_kwargs={"exception_handlers": CALL_ERRORS})
    answer = TestClient(application).post("/gradio_api/upload", files={"files": b"a sound"})
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["detail"]
    assert "Traceback" not in capfd.readouterr().err


def test_strangers_do_not_read_where_things_lie_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "card.json in /home/ann/.cache/emotalk/hub/org--x/1a2b lacks name; see https://hf.co/org/x or org/x/y."
    monkeypatch.setenv("EMOTALK_PUBLIC", "0")
    assert friendly(InputError(told)).message == told
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    assert friendly(InputError(told)).message == "card.json in 1a2b lacks name; see https://hf.co/org/x or org/x/y."


def test_the_unforeseen_is_logged_once_and_shown_without_its_details(
    posting: Posting, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("/home/somebody/secret")

    with pytest.raises(gr.Error) as caught:
        posting.post(list(GOOD.values()), fail)
    assert "unexpected" in caught.value.message
    assert "secret" not in caught.value.message
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_a_photo_for_an_avatar_may_be_as_large_as_phones_make_them(
    posting: Posting, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotalk.portrait.photo import MAX_PIXELS
    from emotalk.ui.your_face_tab import PHOTO_PIXELS

    assert PHOTO_PIXELS == MAX_PIXELS
    picture = next(block for block in posting.page.blocks.values() if isinstance(block, gr.Image))
    path = posting.uploads / "large.jpg"
    path.write_bytes(jpeg_that_claims(8160, 6120))
    values = list((GOOD | {"picture": {"path": str(path), "meta": FILE}}).values())
    with pytest.raises(gr.Error, match="at most 40 are taken"):
        posting.post(values)
    monkeypatch.setattr(picture, "most_pixels", PHOTO_PIXELS, raising=False)
    assert posting.post(values, lambda *given: given[7]) == str(path)
    path.write_bytes(jpeg_that_claims(8160, 6300))
    with pytest.raises(gr.Error, match=r"at most 50\.5 are taken"):
        posting.post(values)
