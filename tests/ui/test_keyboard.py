"""Everything on the page is reached with the keyboard, and whoever uses it sees where they are."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.ui.browsing import expect, wait_until_open, watched

pytestmark = pytest.mark.slow
MAIN = ("faces", "starters", "camera", "source", "say", "directions", "voice", "listen", "mood-pad",
        "follow-voice", "fine-tune", "talk-row", "generate", "stop", "video", "sheet-button")  # fmt: skip
HERE = """() => {
  const here = document.activeElement;
  if (here === document.body || here === null) return null;
  // What is seen of it: Gradio's own switches lie hidden in their labels.
  const shown = here.matches("input[type=radio], input[type=checkbox]") ? here.closest("label") || here : here;
  shown.scrollIntoView({ block: "center", behavior: "instant" });
  const box = shown.getBoundingClientRect(), within = [];
  for (let at = here; at; at = at.parentElement) if (at.id) within.push(at.id);
  window.order ||= new Map();
  if (!order.has(here)) order.set(here, order.size);
  return {
    number: order.get(here), within, box: [box.x, box.y, box.width, box.height],
    words: here.outerHTML.slice(0, 120), name: here.getAttribute("aria-label") || here.innerText || here.tagName,
  };
}"""
BLUR = """() => { window.was = document.activeElement; was.blur(); }"""
AGAIN = """() => was.focus({ focusVisible: true, preventScroll: true })"""


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser, served: str) -> Iterator:
    """The page of somebody who wants no movement (a picture of it is then the same whenever it is taken)."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme=request.param, reduced_motion="reduce"
    )
    tab = context.new_page()
    with watched(tab, served):
        tab.goto(served)
        wait_until_open(tab)
        yield tab
        context.close()


def seen(page, box: list[float]) -> np.ndarray:
    """What the page shows around a box, as numbers."""
    x, y, width, height = box
    left, top = max(0.0, x - 8), max(0.0, y - 8)
    clip = {"x": left, "y": top, "width": min(1280 - left, width + 16), "height": min(900 - top, height + 16)}
    picture = page.screenshot(clip=clip, caret="hide", animations="disabled")
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), np.int16)


def walk(page, most: int = 120) -> Iterator[dict]:
    """Every place that Tab leads to, once, in its order."""
    known = set()
    for _ in range(most):
        page.keyboard.press("Tab")
        here = page.evaluate(HERE)
        if here is None:
            continue  # past the last one, or the row of faces was told anew under the focus: Tab goes on from there
        if here["number"] in known:
            return
        known.add(here["number"])
        yield here
    raise AssertionError(f"Tab did not come round in {most} steps")


def test_tab_leads_through_all_of_it_and_every_place_shows_that_it_is_there(page) -> None:
    reached, unseen = set(), []
    page.locator("#masthead").click()
    for here in walk(page):
        reached |= set(here["within"])
        with_focus = seen(page, here["box"])
        page.evaluate(BLUR)
        without = seen(page, here["box"])
        page.evaluate(AGAIN)
        # Some of it differs clearly: a ring or a border of at least its own length.
        if (np.abs(with_focus - without).max(-1) > 40).sum() < 30:
            unseen.append((here["name"], here["words"]))
    assert [name for name in MAIN if name not in reached] == []
    assert unseen == [], "\n".join(map(str, unseen))


def test_the_mood_a_face_and_a_video_are_had_without_a_pointer(page) -> None:
    page.locator("#faces [role=radio][aria-checked=true]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#faces [role=radio][data-name=kofi]")).to_have_attribute("aria-checked", "true")
    page.locator("#mood-pad .pad").focus()
    page.keyboard.press("Home")
    expect(page.locator("#mood-pad .name")).to_have_text("neutral")
    page.locator("#generate").focus()
    page.keyboard.press("Enter")
    replay = page.get_by_role("button", name="Play the clip again")
    replay.wait_for()
    replay.focus()
    page.keyboard.press("Space")
    summary = page.locator(".more summary")
    summary.focus()
    page.keyboard.press("Enter")
    page.locator(".more li a").first.wait_for()
    page.keyboard.press("Escape")
    expect(page.locator(".more li a").first).to_be_hidden()


def test_nothing_moves_by_itself_or_under_the_pointer_where_no_movement_is_wanted(page) -> None:
    moving = """() => document.getAnimations().filter((one) => one.playState === "running")
        .map((one) => one.effect.target.outerHTML.slice(0, 120))"""
    assert page.evaluate(moving) == []
    page.locator("#faces button").nth(1).hover()
    page.keyboard.press("Tab")
    # Not read once: the row is told by the server, and a picture of the row before has no style any more.
    page.wait_for_function("() => getComputedStyle(document.querySelectorAll('#faces img')[1]).transform === 'none'")
    assert [image for image in page.evaluate(moving) if image.startswith("<img")] == []
