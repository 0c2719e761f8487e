"""The part of the Talk tab that brings faces from the Hugging Face Hub, and shares one's own where people log in."""

from __future__ import annotations

import html
import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.avatar.hub_avatars import push_avatar
from emotalk.core.errors import EmotalkError, InputError
from emotalk.hub import HubAddress
from emotalk.ui.hub_faces import HubFaces
from emotalk.ui.toasts import friendly

if TYPE_CHECKING:
    from emotalk.avatar import AvatarInfo

MAX_ADDRESS = 1000
"""Letters of what somebody pastes that are looked at."""
OwnAvatars = Callable[[str], "list[AvatarInfo]"]
"""page session -> the avatars that were made there."""


def login_offered() -> bool:
    """Whether people can log in here: on a Space with `hf_oauth: true`, whose image has what it takes."""
    needed = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL", "SPACE_ID")
    return all(os.environ.get(name) for name in needed) and all(
        importlib.util.find_spec(name) for name in ("authlib", "itsdangerous")
    )


class HubRow:
    """Builds its controls where it is made; `connect` adds the handlers."""

    def __init__(self, hub: HubFaces) -> None:
        self.hub = hub
        self.note = gr.HTML("", elem_id="hub-note", padding=False)
        with gr.Accordion("A face from the Hugging Face Hub", open=False, elem_id="hub"):
            with gr.Row(elem_id="hub-row"):
                self.address = gr.Textbox(
                    label="Address", placeholder="organisation/name, or a link to its page", max_lines=1, scale=4,
                    elem_id="hub-address",
                )  # fmt: skip
                self.get = gr.Button("Get", elem_id="hub-get", scale=1, min_width=80)
            if login_offered():
                with gr.Row(elem_id="hub-share-row"):
                    gr.LoginButton(size="sm", elem_id="hub-login")
                    self.share = gr.Button("Share the chosen face", size="sm", elem_id="hub-share")
            else:
                self.share = None

    def connect(self, blocks: gr.Blocks, face: gr.HTML, own: OwnAvatars) -> list[Any]:
        """Add the handlers; returns the events after whose success another face is chosen."""
        shared = {
            "outputs": [face, self.note, self.address], "concurrency_id": "hub", "concurrency_limit": 4,
            "show_progress": "hidden", "api_visibility": "private", "trigger_mode": "once",
        }  # fmt: skip
        downloads = [
            self.get.click(self.download, self.address, **shared),
            self.address.submit(self.download, self.address, **shared),
            face.select(self.download_pressed, None, **shared),
        ]
        blocks.load(self.now, None, face, queue=False, show_progress="hidden", api_visibility="private")
        if self.share is not None:

            def share(
                name: str, request: gr.Request, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None
            ) -> str:
                return self.shared(name, own, request.session_hash or "", profile, token)

            self.share.click(share, face, self.note, show_progress="minimal", api_visibility="private")
        return downloads

    def now(self, request: gr.Request) -> dict[str, Any]:
        """The row of faces of a page that opens: what was downloaded since the server started is here."""
        return gr.update(hub_faces=self.hub.faces(request.session_hash or ""))

    def download_pressed(self, pressed: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        """A face that is not here yet was pressed."""
        try:
            address = pressed.address
        except (AttributeError, TypeError):  # no such event comes from the page
            address = None
        yield from self.download(address, request)

    def download(self, text: str | None, request: gr.Request) -> Iterator[tuple]:
        """Download the face behind an address, reporting it, and choose it."""
        session = request.session_hash or ""
        text = text[:MAX_ADDRESS] if isinstance(text, str) else ""
        try:
            address = HubAddress.pasted(text)
            if address is None:
                raise InputError(
                    f"{text.strip()[:80]!r} is no address on the Hub; write organisation/name, or paste the link of "
                    "the avatar's page."
                )
            download = self.hub.fetch(address)
            yield gr.skip(), _line(f"Looking for {address} ..."), gr.skip()
            while not download.wait(0.3):
                if (news := download.progress).total:
                    done, whole = news.done / 1e6, news.total / 1e6
                    yield gr.skip(), _line(f"Downloading {address}: {done:.1f} of {whole:.1f} MB"), gr.skip()
            if download.error is not None:
                raise download.error
        except Exception as error:
            # The row of faces anew: a face that was pressed stops saying that it comes.
            yield gr.update(hub_faces=self.hub.faces(session), answered=time.monotonic()), "", gr.skip()
            raise friendly(error) from error
        self.hub.keep(session, address)
        faces = self.hub.faces(session)
        about = next((face["about"] for face in faces if face["name"] == str(address)), str(address))
        yield gr.update(value=str(address), hub_faces=faces), _line(about, escaped=True), ""

    def shared(
        self, name: str, own: OwnAvatars, session: str, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None
    ) -> str:
        """Upload one of the page's own avatars to the person who logged in, private; the line that says where."""
        try:
            if profile is None or token is None:
                raise InputError("Nobody is logged in; press the button beside this one first.")
            info = next((info for info in own(session) if info.name == name), None)
            if info is None:
                raise InputError("Only a face that was made here can be shared; make one and choose it.")
            repo = f"{profile.username}/{info.folder.name}"
            where = push_avatar(info.folder, repo, private=True, token=token.token)
        except EmotalkError as error:
            raise friendly(error) from error
        return _line(f"Shared with nobody but you so far: {where}")


def _line(text: str, escaped: bool = False) -> str:
    return f'<div class="line">{text if escaped else html.escape(text)}</div>'
