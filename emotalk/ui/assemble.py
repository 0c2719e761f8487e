"""Puts the tabs together and says how the page is served."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.server.clips import LiveClips
from emotalk.server.fits import FitSessions
from emotalk.server.limits import limits
from emotalk.server.zero_gpu import talker
from emotalk.ui.api import add_endpoints
from emotalk.ui.hub_faces import HubFaces
from emotalk.ui.personalize_tab import PersonalizeTab
from emotalk.ui.talk_tab import TalkTab
from emotalk.ui.theme import static, theme

if TYPE_CHECKING:
    from emotalk.talk.studio import Studio

MASTHEAD = "<h1>emotalk</h1><p>Type a sentence, pick a mood, watch somebody say it.</p>"


@dataclass(frozen=True)
class App:
    """The page and the clips it serves. `launch` takes whatever `gr.Blocks.launch` takes."""

    blocks: gr.Blocks
    clips: LiveClips
    fits: FitSessions

    def launch(self, **options: Any) -> Any:
        """Serve the page; the clip addresses are part of the same server."""
        options.setdefault("theme", theme())
        options.setdefault("css", static("page.css"))
        options.setdefault("footer_links", ["api", "settings"])
        # The Node front end of server-side rendering adds nothing here and would sit between browser and clips.
        options.setdefault("ssr_mode", False)
        options.setdefault("max_file_size", limits().upload_megabytes * 2**20)
        return self.blocks.launch(app_kwargs={"routes": self.clips.routes()}, **options)


def build_app(studio: Studio) -> App:
    """The whole page for one studio."""
    talk_on = talker(studio)
    clips = LiveClips(talk_on)
    fits = FitSessions(studio)
    hub = HubFaces(studio)
    atexit.register(clips.close)
    atexit.register(fits.close)
    with gr.Blocks(title="emotalk", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as blocks:
        gr.HTML(MASTHEAD, elem_id="masthead", padding=False)
        with gr.Tabs() as tabs:
            with gr.Tab("Talk", id="talk"):
                talk = TalkTab(studio, clips, hub, fits.own, blocks)
            with gr.Tab("Personalise", id="personalise"):
                PersonalizeTab(studio, fits, blocks, talk.controls.face, tabs)
        add_endpoints(studio, talk_on)

        def leave(request: gr.Request) -> None:
            clips.end_session(request.session_hash or "")
            fits.end_session(request.session_hash or "")
            hub.end_session(request.session_hash or "")

        blocks.unload(leave)
    blocks.queue(max_size=limits().waiting_people, default_concurrency_limit=2)
    return App(blocks, clips, fits)
