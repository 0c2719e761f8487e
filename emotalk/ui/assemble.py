"""Puts the tabs together and says how the page is served."""

from __future__ import annotations

import atexit
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.middleware import Middleware

from emotalk.core.errors import InputError
from emotalk.live.whole_blocks import in_whole_blocks
from emotalk.server.answers import ABOUT, Answers
from emotalk.server.clips import LiveClips
from emotalk.server.embedding import Embedding, embed_origins
from emotalk.server.fits import FitSessions
from emotalk.server.gate import Gate
from emotalk.server.health import health_routes
from emotalk.server.housekeeping import Housekeeping, Shelf
from emotalk.server.limits import limits
from emotalk.server.line import FairQueue
from emotalk.server.live_faces import LiveFaces
from emotalk.server.meters import METERS, Gauges
from emotalk.server.running import gauges_of, running_of
from emotalk.server.same_pages import SamePages
from emotalk.server.serving import Serving, serve_at, settle
from emotalk.server.stopping import SENTENCE
from emotalk.server.temporary import folder_for, uploads_folder
from emotalk.server.zero_gpu import talker
from emotalk.ui.api import add_endpoints
from emotalk.ui.blocks import CALL_ERRORS, Page
from emotalk.ui.hub_faces import HubFaces
from emotalk.ui.live_script import live_script
from emotalk.ui.talk_tab import TalkTab
from emotalk.ui.theme import static, theme
from emotalk.ui.your_face_tab import YourFaceTab

if TYPE_CHECKING:
    from emotalk.talk.studio import Studio

MASTHEAD = f"<h1>emotalk</h1><p>{ABOUT}</p>"


@dataclass(frozen=True)
class App:
    """The page and what it serves. `launch` takes whatever `gr.Blocks.launch` takes."""

    blocks: gr.Blocks
    clips: LiveClips
    faces: LiveFaces
    fits: FitSessions
    housekeeping: Housekeeping
    serving: Serving

    def launch(self, **options: Any) -> Any:
        """Serve the page; the clip addresses are part of the same server.

        Where it is served was said to `build_app`: InputError for options that would open a page to strangers which was
        built for its owner.
        """
        options.setdefault("server_name", self.serving.address)
        options.setdefault("share", self.serving.share)
        wanted = serve_at(options["server_name"], options["share"])
        if wanted.public and not self.serving.public:
            raise InputError(
                f"This page was built for this machine alone, not to be served at {wanted.address!r:.80}; give "
                "server_name or share to build_app, or say EMOTALK_PUBLIC=0 if nobody else can reach it."
            )
        settle(replace(wanted, public=self.serving.public))
        options.setdefault("theme", theme())
        options.setdefault("css", static("page.css"))
        options.setdefault("js", static("names.js"))
        options.setdefault("footer_links", ["api", "settings"])
        # The Node front end of server-side rendering adds nothing here and would sit between browser and clips.
        options.setdefault("ssr_mode", False)
        options.setdefault("max_file_size", limits().upload_megabytes * 2**20)
        # Neither statistics for whoever asks nor a copy of what somebody said in a browser that others use too.
        options.setdefault("enable_monitoring", False)
        options.setdefault("run_history", False)
        middleware = [Middleware(Answers, title=self.blocks.title), Middleware(Gate, line=lambda: self.blocks._queue)]
        if not options.get("auth") and not options.get("auth_dependency"):
            middleware.append(Middleware(SamePages))
        self.housekeeping.start()
        origins = embed_origins()
        parts = {
            "routes": [
                *health_routes(self.gauges), *self.clips.routes(), *self.faces.routes(embedded=bool(origins)),
            ],
            "middleware": middleware,
            "exception_handlers": CALL_ERRORS, "lifespan": Embedding(None, origins).in_front,
        }  # fmt: skip
        return self.blocks.launch(app_kwargs=parts, **options)

    def running(self) -> dict[str, int]:
        """What runs now and should come to its end before the server does (`server.stopping`)."""
        return running_of(self.blocks._queue, self.faces, self.fits)

    def dismiss(self) -> None:
        """Tell everybody who waits in line that their turn will not come."""
        self.blocks._queue.dismiss(SENTENCE)

    def cut(self) -> None:
        """Let the server end without waiting for connections: every open page holds one."""
        server = getattr(self.blocks, "server", None)
        if server is not None:
            server.force_exit = True
            logging.getLogger("uvicorn.error").disabled = True  # it would tell of every one that was cut off

    def gauges(self) -> Gauges:
        """What is there now, for `GET /metrics`."""
        return gauges_of(self.blocks._queue, self.faces, self.housekeeping)


def build_app(studio: Studio, server_name: str | None = None, share: bool | None = None) -> App:
    """The whole page for one studio, to be served at `server_name` (GRADIO_SERVER_NAME, or this machine alone).

    Where strangers can reach it, its limits are theirs (`server.serving`). Raises OSError where there is no room for
    temporary files.
    """
    serving = settle(serve_at(server_name, share))
    uploads = uploads_folder()  # before a part of the page is made, which remembers it
    talk_on = METERS.counted(talker(studio))
    clips = LiveClips(in_whole_blocks(talk_on))
    faces = LiveFaces(studio, lambda: live_script("living"), dialogue=lambda: live_script("dialogue"))
    fits = FitSessions(studio, forgotten=faces.forget, deleted=clips.forget)
    hub = HubFaces(studio)
    atexit.register(clips.close)
    atexit.register(faces.close)
    atexit.register(fits.close)
    # Gradio's own deletion (delete_cache) goes by a file's age, not its last use: the housekeeping does that.
    with Page(title="emotalk", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(MASTHEAD, elem_id="masthead", padding=False)
        with gr.Tabs() as tabs:
            with gr.Tab("Talk", id="talk"):
                talk = TalkTab(studio, clips, hub, fits.own, faces, blocks)
            with gr.Tab("Your face", id="your-face"):
                YourFaceTab(studio, fits, blocks, talk.controls.face, tabs)
        add_endpoints(studio, talk_on, clips)

        def leave(request: gr.Request) -> None:
            clips.end_session(request.session_hash or "")
            faces.end_session(request.session_hash or "")
            fits.end_session(request.session_hash or "")
            hub.end_session(request.session_hash or "")

        blocks.unload(leave)
    blocks.queue(default_concurrency_limit=2)

    def seen(session: str) -> None:
        fits.touch(session)
        faces.touch(session)

    blocks._queue = queue = FairQueue(blocks, seen=seen)
    sent = Shelf(uploads, lambda: queue.paths_in_use() | fits.in_use())
    calls = Shelf(folder_for("calls"))
    housekeeping = Housekeeping([clips.leftovers, faces.leftovers, fits.leftovers, sent.leftovers, calls.leftovers])
    return App(blocks, clips, faces, fits, housekeeping, serving)
