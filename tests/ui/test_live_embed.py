"""docs/embed.html: this page of another site shows a face that speaks, as it stands there, and no other site's does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotalk.avatar import GaussianAvatar
from emotalk.live.pack import LivePack
from emotalk.motion import MotionModel
from emotalk.server.live_making import Making
from emotalk.speech import SpeechEncoder
from tests.conftest import CHROMIUM
from tests.live.doubles import sparse_avatar
from tests.ui.browsing import expect
from tests.ui.drawn_studio import DrawnStudio
from tests.ui.live_canvas import SOFTWARE_WEBGL
from tests.ui.static_site import file_server, whole_pack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian: apt-get install chromium)"),
]
SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "embed.html"
SERVER = "https://faces.example/"
_SOFTWARE_COUNTS = """
const before = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  const gl = before.call(this, kind, { ...options, failIfMajorPerformanceCaveat: false });
  if (kind === "webgl2") {
    const extension = gl.getExtension;
    gl.getExtension = (name) => (name === "WEBGL_debug_renderer_info" ? null : extension.call(gl, name));
  }
  return gl;
};
"""
"""A page takes this browser's software for a graphics processor."""
_LISTEN = """
window.loudest = 0;
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  for (const sample of this.buffer.getChannelData(0)) window.loudest = Math.max(window.loudest, Math.abs(sample));
  return start.apply(this, when);
};
"""
_LENT = """async ([server, script]) => {
  const { Living } = await import(server + script), ended = {};
  for (const does of ["say", "undress"]) {
    const living = new Living(document.createElement("div"), (path) => server + path, () => {});
    // What lends it a microphone, without one.
    const puppet = { state: "live", stop() { this.state = "stopped"; } };
    living.actor = { life: { quiet: [] }, speak() {}, hush() {}, wear() {} };
    living.puppet = puppet;
    living[does]({});
    ended[does] = puppet.state;
    living.close();
  }
  return ended;
}"""


class SparseStudio(DrawnStudio):
    """Its faces are of few Gaussians and are heard and moved by the shipped networks."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.motion, self.encoder = MotionModel.load(), SpeechEncoder.load()
        self._sparse = sparse_avatar()

    def avatar(self, name: str) -> GaussianAvatar:
        super().avatar(name)
        return self._sparse

    def motion_of(self, name: str) -> MotionModel:
        return self.motion

    def voice_for(self, avatar: str, language: str = "en") -> str:
        return "flite:slt"


class WholePacks(Making):
    """No Gaussian is left out of a pack."""

    def pack(self, avatar: GaussianAvatar) -> LivePack:
        return whole_pack(avatar)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """A folder that two sites of this machine show, and their origins."""
    folder = tmp_path_factory.mktemp("site")
    with file_server(folder) as named, file_server(folder) as other:
        yield folder, named, other


@pytest.fixture(scope="module")
def app(sites, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A page that is being served, whose owner has named the first site, which has docs/embed.html."""
    from emotalk.ui import build_app

    folder, named, _ = sites
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTALK_EMBED_ORIGINS", named)
        built = build_app(SparseStudio(tmp_path_factory.mktemp("drawn")), server_name="127.0.0.1")
        built.faces._making = WholePacks()
        built.launch(prevent_thread_lock=True, quiet=True)
    url = built.blocks.local_url
    page = SAMPLE.read_text(encoding="utf-8")
    assert page.count(SERVER) == 1
    (folder / "index.html").write_text(page.replace(SERVER, url), encoding="utf-8")
    yield built
    built.blocks.close(verbose=False)
    built.clips.close()
    built.faces.close()


@pytest.fixture(scope="module")
def drawing(browser) -> Iterator:
    """A browser that draws without a graphics processor."""
    opened = browser.browser_type.launch(executable_path=CHROMIUM, args=SOFTWARE_WEBGL)
    yield opened
    opened.close()


@pytest.fixture
def tab(drawing) -> Iterator:
    context = drawing.new_context()
    context.add_init_script(_SOFTWARE_COUNTS + _LISTEN)
    yield context.new_page()
    context.close()


def seen(tab) -> np.ndarray:
    """The face's canvas as it is on the screen [H, W, 3], 0 to 1."""
    picture = Image.open(io.BytesIO(tab.locator("#face canvas").screenshot())).convert("RGB")
    return np.asarray(picture, np.float32) / 255


def test_the_sample_page_shows_a_face_that_speaks_and_stops(app, sites, tab) -> None:
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(sites[1])
    expect(tab.locator("#told")).to_have_text("shown")
    assert seen(tab).shape == (360, 360, 3)
    assert seen(tab)[60:300, 60:300].std() > 0.05  # a face of many colours, where a canvas is of one
    tab.locator("#talk").click()
    expect(tab.locator("#told")).to_have_text("speaking")
    assert tab.evaluate("loudest") > 0.05
    expect(tab.locator("#told")).to_have_text("silent")  # all is said
    tab.locator("#talk").click()
    expect(tab.locator("#told")).to_have_text("speaking")
    tab.locator("#stop").click()
    expect(tab.locator("#told")).to_have_text("silent")
    assert errors == []


def test_it_shows_nothing_on_a_site_that_was_not_named(app, sites, tab) -> None:
    before = len(app.faces.tickets)
    with tab.expect_event("pageerror") as failed:
        tab.goto(sites[2])
    assert "fetch" in str(failed.value)
    assert tab.locator("canvas").count() == 0
    assert len(app.faces.tickets) == before


def test_a_face_that_speaks_or_is_another_lets_the_microphone_go(app, sites, tab) -> None:
    tab.goto(sites[1])
    expect(tab.locator("#told")).to_have_text("shown")
    calls = tab.evaluate(_LENT, [app.blocks.local_url, app.faces.script_path])
    assert calls == {"say": "stopped", "undress": "stopped"}
