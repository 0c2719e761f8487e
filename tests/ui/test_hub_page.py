"""Faces from the Hugging Face Hub in the page: a real browser, the real client, a Hub on this machine."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from emotalk.avatar import AvatarInfo
from emotalk.core.paths import CHECKPOINTS
from emotalk.ui import hub_row
from emotalk.ui.hub_faces import HubFaces
from tests.hub.local_hub import LocalHub
from tests.ui.browsing import TOAST, expect, expect_toast, wait_until_open
from tests.ui.drawn_studio import DrawnStudio

CHOSEN = "() => document.querySelector('.faces [aria-checked=true]').dataset.name"
ELENA = {f"ada/{path.name}": path.read_bytes() for path in (CHECKPOINTS / "avatars" / "elena").iterdir()}


@pytest.fixture
def studio(hub: LocalHub, tmp_path, monkeypatch) -> DrawnStudio:
    """A studio whose page recommends one face of a Hub that holds two."""
    index = tmp_path / "index.json"
    entry = {"address": "org/faces/ada", "title": "Ada", "licence": "CC0-1.0"}
    index.write_text(json.dumps({"avatars": [entry]}))
    monkeypatch.setenv("EMOTALK_AVATAR_INDEX", str(index))
    hub.add("org/faces", ELENA | {"code.py": b"x"})
    hub.add("me/kofi", {path.name: path.read_bytes() for path in (CHECKPOINTS / "avatars" / "kofi").iterdir()})
    return DrawnStudio(tmp_path)


@pytest.fixture
def address(studio: DrawnStudio) -> Iterator[str]:
    from emotalk.ui import build_app

    app = build_app(studio)
    app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield app.blocks.local_url
    app.blocks.close(verbose=False)
    app.clips.close()


def opened(browser, address: str):
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    wait_until_open(page)
    return page


def get(page, text: str) -> None:
    if not page.locator("#hub-get").is_visible():
        page.get_by_role("button", name="A face from the Hugging Face Hub").click()
        page.locator("#hub-get").wait_for()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.locator("#hub-address").locator("input, textarea").fill(text)
    page.click("#hub-get")


def wait_until_chosen(page, name: str) -> None:
    page.wait_for_function(f"(name) => ({CHOSEN})() === name", arg=name)


@pytest.mark.slow
class TestThePage:
    def test_a_recommended_face_says_what_pressing_it_does_and_then_talks(
        self,
        browser,
        address: str,
        hub: LocalHub,
        studio: DrawnStudio,
    ) -> None:
        page = opened(browser, address)
        ada = page.get_by_role("button", name=re.compile("^Ada"))
        expect(ada).to_contain_text("downloads on first use; CC0-1.0")
        assert hub.requests == []
        old = page.locator("#stage .face").get_attribute("src")
        ada.click()
        wait_until_chosen(page, "org/faces/ada")
        page.wait_for_function("(old) => document.querySelector('#stage .face').src !== old", arg=old)
        expect(page.locator("#hub-note")).to_contain_text("a synthetic person; licence CC0-1.0")
        assert sorted(hub.downloads()) == sorted(ELENA)
        expect(page.get_by_role("radio", name="Elena").locator("img")).to_have_count(1)  # with its picture now
        page.click("#generate")
        page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
        assert studio.requests[-1].avatar == "org/faces/ada"
        later = opened(browser, address)  # the next visitor finds it here
        expect(later.get_by_role("radio", name="Elena")).to_have_count(1)
        page.context.close()
        later.context.close()

    def test_a_pasted_link_brings_a_face_for_this_page_alone(self, browser, address: str) -> None:
        page = opened(browser, address)
        get(page, "https://huggingface.co/me/kofi")
        wait_until_chosen(page, "me/kofi")
        page.get_by_role("radio", name="Mira").click()
        wait_until_chosen(page, "mira")
        other = opened(browser, address)
        assert other.locator("[data-name='me/kofi']").count() == 0
        page.context.close()
        other.context.close()

    def test_what_goes_wrong_is_a_toast_and_the_face_stays(
        self,
        browser,
        address: str,
        hub: LocalHub,
    ) -> None:
        page = opened(browser, address)
        for text, said in (
            ("<b>what", "'<b>what' is no address on the Hub"),
            ("org/nobody", "There is no org/nobody on the Hub"),
            ("../../etc/passwd", "'../../etc/passwd' is no address on the Hub"),
        ):
            get(page, text)
            expect_toast(page, said)
            assert page.locator(TOAST).locator("b", has_text="what").count() == 0
        hub.status = 500
        page.get_by_role("button", name=re.compile("^Ada")).click()
        expect_toast(page, "trouble of its own (500)")
        page.wait_for_function("() => !document.querySelector('.faces .coming')")
        assert page.evaluate(CHOSEN) == "mira"
        page.context.close()


@pytest.mark.slow
def test_programs_are_told_of_recommended_faces_too(address: str) -> None:
    from gradio_client import Client

    listed = Client(address, verbose=False).predict(api_name="/avatars")
    assert listed[-1] == {
        "name": "org/faces/ada", "title": "Ada", "licence": "CC0-1.0", "kind": "on the Hugging Face Hub"
    }  # fmt: skip


def test_the_row_told_anew_leaves_a_choice_alone_that_was_made_meanwhile(studio: DrawnStudio) -> None:
    from emotalk.server.fits import FitSessions
    from emotalk.ui import parts
    from emotalk.ui.your_face_tab import YourFaceTab

    fits = FitSessions(studio)
    with gr.Blocks() as blocks, gr.Tabs() as tabs:
        tab = YourFaceTab(studio, fits, blocks, parts.faces([], ""), tabs)
    visitor = SimpleNamespace(session_hash="a")
    for face in ("kofi", "org/faces/ada"):
        assert "value" not in tab.gallery(face, visitor)[0]
    assert tab.gallery("deleted", visitor)[0]["value"] == "mira"
    fits.close()


class TestAvatarDownloads:
    def test_progress_counts_to_the_last_byte(self, studio: DrawnStudio) -> None:
        download = HubFaces(studio).fetch(hub_row.HubAddress.parse("me/kofi"))
        assert download.wait(60)
        assert download.error is None
        assert download.progress.done == download.progress.total > 100_000

    def test_a_face_that_cannot_be_loaded_is_not_kept(self, studio: DrawnStudio, monkeypatch) -> None:
        from emotalk.core.errors import AvatarError

        def refuse(name: str) -> None:
            raise AvatarError("It was made for another head.")

        monkeypatch.setattr(studio, "avatar", refuse)
        row = unbuilt_row(studio)
        with pytest.raises(gr.Error, match="another head"):
            list(row.download("me/kofi", SimpleNamespace(session_hash="a")))
        assert [face["name"] for face in row.hub.faces("a")] == ["org/faces/ada"]

    def test_a_closed_page_is_forgotten(self, studio: DrawnStudio) -> None:
        row = unbuilt_row(studio)
        told = list(row.download(" me/kofi ", SimpleNamespace(session_hash="a")))
        assert told[-1][0]["value"] == "me/kofi"
        assert "Looking for me/kofi" in told[0][1]
        assert [face["name"] for face in row.hub.faces("a")] == ["org/faces/ada", "me/kofi"]
        row.hub.end_session("a")
        assert [face["name"] for face in row.hub.faces("a")] == ["org/faces/ada"]

    def test_a_broken_index_recommends_nothing_and_is_logged(self, studio, tmp_path, caplog) -> None:
        (tmp_path / "index.json").write_text("{")
        assert HubFaces(studio).faces() == []
        assert "No avatar is recommended" in caplog.text

    def test_a_download_holds_up_nobody(self, hub: LocalHub, studio: DrawnStudio) -> None:
        from emotalk.talk.studio import Studio

        real = Studio()
        hub.silent.set()
        came = []
        waiting = threading.Thread(target=lambda: came.append(real.avatar("me/kofi")), daemon=True)
        waiting.start()
        while not hub.requests:
            time.sleep(0.01)
        assert real.avatar("mira").card.name  # another person's talk, meanwhile
        assert waiting.is_alive()
        hub.silent.clear()
        waiting.join(60)
        assert came


def unbuilt_row(studio: DrawnStudio) -> hub_row.HubRow:
    with gr.Blocks():
        return hub_row.HubRow(HubFaces(studio))


OAUTH = dict.fromkeys(
    ("SPACE_ID", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL"), "given"
)


class TestSharing:
    def test_the_login_is_offered_on_a_space_that_has_one_and_nowhere_else(self, studio, monkeypatch) -> None:
        def kinds() -> list[str]:
            with gr.Blocks() as blocks:
                hub_row.HubRow(HubFaces(studio))
            return [component["type"] for component in blocks.config["components"]] + [
                component["props"].get("elem_id") for component in blocks.config["components"]
            ]

        for name in OAUTH:
            monkeypatch.delenv(name, raising=False)
        assert "hub-login" not in kinds()
        for name, value in OAUTH.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(hub_row.importlib.util, "find_spec", lambda name: object())
        monkeypatch.setattr("gradio.routes.attach_oauth", lambda app: None)  # its routes need what Spaces install
        assert {"hub-login", "hub-share"} <= set(kinds())

    def test_ones_own_face_goes_to_ones_own_account_and_stays_private(
        self,
        hub: LocalHub,
        studio,
        tmp_path,
    ) -> None:
        shutil.copytree(CHECKPOINTS / "avatars" / "mira", tmp_path / "my-face")
        mine = AvatarInfo("my-face-123", tmp_path / "my-face", None, None, False)
        row = unbuilt_row(studio)
        profile, token = SimpleNamespace(username="me"), SimpleNamespace(token="hf_of_the_visitor")

        def share(name: str, who=profile, key=token) -> str:
            return row.shared(name, lambda session: [mine] if session == "a" else [], "a", who, key)

        assert "/me/my-face/commit/" in share("my-face-123")
        assert hub.repositories["me/my-face"].private
        # Every request is the visitor's own (the store of large files takes none); the server's token stays out of it.
        assert {request.token for request in hub.requests if request.token} == {"Bearer hf_of_the_visitor"}
        with pytest.raises(gr.Error, match="Nobody is logged in"):
            share("my-face-123", None, None)
        with pytest.raises(gr.Error, match="Only a face that was made here"):
            share("mira")


def test_downloads_are_bounded_though_their_pages_have_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emotalk.core.errors import HubError
    from emotalk.ui import hub_faces

    go_on = threading.Event()
    monkeypatch.setattr(hub_faces, "resolve_avatar", lambda *_, **__: go_on.wait(20))
    faces = hub_faces.HubFaces(DrawnStudio(tmp_path))
    address = hub_row.HubAddress.parse("me/kofi")
    running = [faces.fetch(address) for _ in range(hub_faces.AT_ONCE)]  # whoever asked may be gone: they go on
    with pytest.raises(HubError, match="try again in a minute"):
        faces.fetch(address)
    go_on.set()
    assert all(download.wait(20) for download in running)
    assert faces.fetch(address).wait(20)
