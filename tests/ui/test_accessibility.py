"""Everybody can use the Talk tab, in every state that a person can bring it into (axe-core); the states of the tab Your
face, of the living face and of the page without a server are looked at where they are tested."""

from collections.abc import Iterator

import pytest

from tests.ui.accessibility import assert_accessible
from tests.ui.browsing import TOAST, expect, expect_toast, wait_until_open, watched
from tests.ui.drawn_studio import DrawnStudio

pytestmark = pytest.mark.slow
MADE = "() => document.querySelector('#status').innerText.includes('of video made in')"
SCREENS = {"light": (1280, 1000), "dark": (1280, 1000), "light, a phone": (390, 844), "dark, a phone": (390, 844)}


@pytest.fixture(params=SCREENS)
def page(request: pytest.FixtureRequest, browser, served: str) -> Iterator:
    """The page on a large and on a small screen, light and dark."""
    width, height = SCREENS[request.param]
    scheme = request.param.split(",")[0]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab = context.new_page()
    with watched(tab, served):
        tab.goto(served)
        wait_until_open(tab)
        yield tab
        context.close()


def test_as_it_opens_and_with_everything_unfolded(page) -> None:
    assert_accessible(page)
    page.click("#fine-tune")
    for title in ("Camera", "Mood over time", "Video and background", "A face from the Hugging Face Hub"):
        page.get_by_role("button", name=title).click()
    page.get_by_label("A picture").check()
    page.locator("#timeline .track").focus()
    page.keyboard.press("Enter")
    page.locator("#timeline .chips > *").first.wait_for()
    assert_accessible(page)
    page.get_by_label("Audio", exact=True).check()
    # What is written in a field for files is its name.
    expect(page.locator("#audio button.upload-container")).to_have_accessible_name(
        "Drop Audio Here - or - Click to Upload"
    )
    assert_accessible(page)
    page.get_by_label("Conversation").check()
    page.locator("#chat .needs").wait_for()
    assert_accessible(page)


def test_a_talk_on_its_way_stopped_refused_and_finished_and_the_mood_sheet(page, drawn: DrawnStudio) -> None:
    drawn.frame_seconds = 0.2  # it is at work until the page was looked at
    try:
        page.click("#generate")
        expect(page.locator("#status")).to_contain_text("s of video")
        assert_accessible(page)
        page.click("#stop")
        expect(page.locator("#status")).to_have_text("")
    finally:
        drawn.frame_seconds = 0.0
    page.locator("#say textarea").fill("  ")
    page.click("#generate")
    expect_toast(page, "There is nothing to say")
    assert_accessible(page)
    page.locator("[data-testid=toast-close]").first.click()
    expect(page.locator(TOAST)).to_have_count(0)
    page.locator("#say textarea").fill("Hello there.")
    page.click("#generate")
    page.wait_for_function(MADE)
    page.locator(".more summary").click()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.click("#sheet-button")
    page.locator("#sheet img").wait_for()
    assert_accessible(page)


def test_the_page_says_its_language_and_what_is_typed_runs_its_own_way(page) -> None:
    assert page.evaluate("document.documentElement.lang") == "en"
    field = page.locator("#say textarea")
    for text, way in (("مرحبا بالعالم", "rtl"), ("Hello", "ltr"), ("שלום", "rtl")):
        field.fill(text)
        page.wait_for_function(
            "(way) => getComputedStyle(document.querySelector('#say textarea')).direction === way", arg=way
        )


def test_screen_readers_hear_how_a_video_begins_goes_and_ends(page, drawn: DrawnStudio) -> None:
    said = page.locator("#stage .said")
    bar = page.get_by_role("progressbar", name="How much of the video is made")
    expect(bar).to_have_count(0)  # nothing is made
    drawn.frame_seconds = 0.2
    try:
        page.click("#generate")
        expect(said).to_have_text("Making the video")
        page.wait_for_function("() => Number(document.querySelector('#stage .bar').getAttribute('aria-valuenow')) > 3")
        expect(bar).to_have_count(1)
        expect(said).to_contain_text("The video starts in about")
    finally:
        drawn.frame_seconds = 0.0
    expect(said).to_have_text("The video is there: it can be played and saved")
    expect(bar).to_have_count(0)


def test_names_are_put_right_once_a_picture_however_much_changes(page) -> None:
    rounds = page.evaluate(
        """async () => {
            const all = document.querySelectorAll.bind(document);
            let rounds = 0;
            document.querySelectorAll = (where) => all(where, where === ".progress-text" && rounds++);
            const frame = () => new Promise((done) => requestAnimationFrame(done));
            await frame();
            await frame();
            rounds = 0;
            const place = document.body.appendChild(document.createElement("p"));
            for (let turn = 0; turn < 50; turn++) {
                place.textContent = turn;
                await null; // what watches the page hears of each
            }
            await frame();
            await frame();
            place.remove();
            delete document.querySelectorAll;
            return rounds;
        }"""
    )
    assert 1 <= rounds <= 2
