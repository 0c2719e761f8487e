"""A page without a server in a real browser: it lives, speaks, follows its pad and asks nobody for anything."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.live import wire
from emotalk.talk.request import talk_request
from emotalk.ui.recorded_page import FILES, recorded_page, write_page
from tests.conftest import CHROMIUM, SWITCHES
from tests.ui.browsing import expect
from tests.ui.live_canvas import SOFTWARE_WEBGL
from tests.ui.lively_studio import LivelyStudio
from tests.ui.static_site import file_server, whole_pack
from tests.ui.test_recorded_page import part

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian: apt-get install chromium)"),
]
DOC = Path(__file__).resolve().parents[2] / "docs" / "export.md"
JAW = ARKIT_NAMES.index("jawOpen")
_WATCH = """(jaw) => {
  const { life } = main.living.actor, frame = life.frame;
  window.steps = [];
  life.frame = function (row, at, v, a, more) {
    const motion = frame.call(this, row, at, v, a, more);
    steps.push({ row: row && Array.from(row), v, a, jaw: motion[jaw] });
    return motion;
  };
}"""
"""Keeps what the face is made of, frame by frame."""
_HOST = """<!doctype html><meta charset="utf-8"><iframe src="{page}" allow="autoplay" width="400" height="700"></iframe>
<script>
  const heard = [], frame = document.querySelector("iframe");
  addEventListener("message", ({{ data }}) => heard.push(data.emotalk));
  const tell = (message) => frame.contentWindow.postMessage(message, "*");
</script>"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    studio = LivelyStudio(tmp_path_factory.mktemp("drawn"))
    request = talk_request(text="Papa made a bamboo boat.", voice="espeak:en-us")
    return recorded_page(studio, request, pack=whole_pack).files


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "page"
    write_page(files, folder)
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with file_server(folder) as origin:
        yield origin


@pytest.fixture(scope="module")
def drawing(browser) -> Iterator:
    """A browser that draws without a graphics processor."""
    opened = browser.browser_type.launch(executable_path=CHROMIUM, args=[*SOFTWARE_WEBGL, SWITCHES[-1]])
    yield opened
    opened.close()


@pytest.fixture
def tab(drawing) -> Iterator:
    context = drawing.new_context(viewport={"width": 700, "height": 900})
    context.add_init_script(
        "window.emotalkSoftware = true; "
        "addEventListener('DOMContentLoaded', () => (window.main = document.querySelector('main')))"
    )
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def open_page(tab, address: str) -> None:
    tab.goto(address)
    tab.wait_for_selector("main.drawn")


def until(tab, holds: str) -> None:
    """Looks until an expression of the page holds. Playwright's own way evaluates text, which the page forbids."""
    for _ in range(1200):  # a minute and more: a guard against hanging, no verdict
        if tab.evaluate(holds):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(f"{holds} never came")


def seen(tab) -> np.ndarray:
    """The face's canvas as it is on the screen [H, W, 3], 0 to 1."""
    picture = Image.open(io.BytesIO(tab.locator(".alive canvas").screenshot())).convert("RGB")
    return np.asarray(picture, np.float32) / 255


@pytest.mark.parametrize("how", ["served", "from the disk"])
def test_the_face_lives_and_says_what_was_recorded(tab, site, folder, how) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    home = site if how == "served" else folder.as_uri()
    open_page(tab, f"{home}/index.html")
    drawn = tab.evaluate("main.living.actor.drawn")
    first = seen(tab)
    assert first[60:300, 60:300].std() > 0.05  # a face of many colours, where a canvas is of one
    until(tab, f"main.living.actor.drawn > {drawn} + 10")
    assert np.abs(seen(tab) - first).max() > 0.02  # it breathes
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_selector('main[data-voice="speaking"]')
    tab.evaluate("window.voice = main.living.voice")
    expect(tab.locator(".caption")).to_have_text("Papa made a bamboo boat.")
    until(tab, "voice.state === 'over'")
    expect(tab.get_by_role("button", name="Play")).to_be_visible()
    expect(tab.locator(".caption")).to_have_text("")
    kept = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert sorted(kept) == sorted(f"{home}/{name}" for name in FILES)


def test_the_mouth_is_moved_by_the_recorded_rows(tab, site, files) -> None:
    open_page(tab, site)
    tab.evaluate(_WATCH, JAW)
    until(tab, "steps.length > 5")
    tab.get_by_role("button", name="Play").click()
    until(tab, "steps.filter((step) => step.row).length > 10 && main.dataset.voice === 'silent'")
    steps = tab.evaluate("steps")
    rows = [wire.content(kind, payload) for kind, payload in wire.records(part(files, "talk")) if kind == "M"]
    recorded = np.concatenate(rows)
    spoken = [step for step in steps if step["row"]]
    shown = [int(np.abs(recorded - np.float32(step["row"])).sum(1).argmin()) for step in spoken]
    np.testing.assert_allclose(recorded[shown], [step["row"] for step in spoken], atol=1e-6)
    assert shown == sorted(shown)
    jaw = [step["jaw"] for step in spoken]
    assert max(jaw) - min(jaw) > 0.1
    assert all(step["row"] is None for step in steps[:5])


def test_a_new_mood_is_in_the_next_frame_also_while_it_speaks(tab, site) -> None:
    open_page(tab, site)
    tab.evaluate(_WATCH, JAW)
    tab.get_by_role("button", name="Play").click()
    until(tab, "steps.some((step) => step.row)")
    before = tab.evaluate("(main.querySelector('.pad').focus(), steps.length)")
    tab.locator(".pad").press("Shift+ArrowRight")
    until(tab, f"steps.length > {before} + 3 && steps.at(-1).v > 0")
    moods = tab.evaluate(f"steps.slice({before}).map((step) => [step.v, step.a])")
    assert sorted(moods) == moods  # no frame went back to the old one
    assert moods[-1] == [0.25, 0]
    box = tab.locator(".pad").bounding_box()
    tab.mouse.click(box["x"] + 0.1 * box["width"], box["y"] + 0.75 * box["height"])
    until(tab, "steps.at(-1).v < -0.7")
    assert tab.evaluate("[steps.at(-1).v, steps.at(-1).a]") == pytest.approx([-0.8, -0.5], abs=0.02)
    assert tab.locator(".pad").get_attribute("aria-valuetext").startswith("valence -0.8")


def test_sound_that_the_browser_holds_back_is_let_go_by_the_button(tab, site) -> None:
    open_page(tab, site)
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_selector('main[data-voice="speaking"]')
    tab.evaluate("(window.voice = main.living.voice, main.living.context.suspend())")
    tab.get_by_role("button", name="Play").click()  # as it says now
    tab.wait_for_selector('main[data-voice="speaking"]')
    assert tab.evaluate("main.living.voice === voice")


def test_stop_ends_it_and_play_begins_anew(tab, site) -> None:
    open_page(tab, site)
    for _ in range(2):
        tab.get_by_role("button", name="Play").click()
        tab.wait_for_selector('main[data-voice="speaking"]')
        assert tab.evaluate("main.living.voice.frame") < 25
        tab.evaluate("window.voice = main.living.voice")
        tab.get_by_role("button", name="Stop").click()
        assert tab.evaluate("[voice.state, main.dataset.voice]") == ["stopped", "silent"]


def test_without_webgl_the_picture_stands_and_the_sound_plays(tab, site) -> None:
    tab.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    tab.goto(site)
    expect(tab.locator(".note")).to_contain_text("cannot draw a living face")
    expect(tab.locator(".poster")).to_be_visible()
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_selector('main[data-voice="speaking"]')
    tab.evaluate("window.voice = main.living.voice")
    until(tab, "voice.state === 'over'")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_screens_and_phones_in_light_and_dark(drawing, site, width, scheme) -> None:
    context = drawing.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(site)
    expect(tab.get_by_role("button", name="Play")).to_be_in_viewport()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    page = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (page == "rgb(21, 18, 31)") == (scheme == "dark")
    context.close()


def test_the_page_of_the_docs_steers_it_in_a_frame(tab, folder, tmp_path) -> None:
    (host,) = re.findall(r"```html\n(<iframe.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "host.html").write_text(f'<!doctype html><meta charset="utf-8">{host}')
    (tmp_path / "hello").symlink_to(folder)
    with file_server(tmp_path) as origin:
        tab.goto(f"{origin}/host.html")
        framed = tab.frames[1]
        framed.wait_for_selector("main.drawn")
        tab.evaluate("tell({ emotalk: 'mood', valence: 0.5, arousal: -2 })")
        tab.evaluate("for (const odd of [null, 3, 'play', {}, { emotalk: 'mood', valence: 'x' }]) tell(odd)")
        expect(framed.locator(".pad")).to_have_attribute("aria-valuetext", "valence 0.50, arousal -1.00")
        with tab.expect_console_message(lambda message: message.text == "speaking"):
            tab.evaluate("tell({ emotalk: 'play' })")
        with tab.expect_console_message(lambda message: message.text == "silent"):
            tab.evaluate("tell({ emotalk: 'stop' })")


def test_other_sites_steer_it_only_where_they_are_named(tab, site, files, tmp_path) -> None:
    (tmp_path / "host.html").write_text(_HOST.format(page=f"{site}/index.html"))
    with file_server(tmp_path) as elsewhere:
        tab.goto(f"{elsewhere}/host.html")
        framed = tab.frames[1]
        framed.wait_for_selector("main.drawn")
        tab.evaluate("tell({ emotalk: 'mood', valence: 0.5, arousal: 0.5 })")
        framed.evaluate("new Promise((done) => setTimeout(done, 0))")
        framed.get_by_role("button", name="Play").click()
        framed.wait_for_selector('main[data-voice="speaking"]')
        assert framed.locator(".pad").get_attribute("aria-valuetext") == "valence 0.00, arousal 0.00"
        assert tab.evaluate("heard") == []

        named = tmp_path / "named"
        named.mkdir()
        for name, data in files.items():
            (named / name).write_bytes(data.replace(b'data-parent=""', f'data-parent="{elsewhere}"'.encode()))
        with file_server(named) as another:
            (tmp_path / "host.html").write_text(_HOST.format(page=f"{another}/index.html"))
            tab.goto(f"{elsewhere}/host.html")
            tab.frames[1].wait_for_selector("main.drawn")
            tab.evaluate("tell({ emotalk: 'play' })")
            tab.wait_for_function("heard.includes('speaking')")
