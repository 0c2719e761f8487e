"""On a slow machine a video begins when it was said, plays without a pause, and a smaller one is proposed.

The pauses are those that the browser tells itself (`waiting`). A video plays by the clock on the wall, so a machine
that is busy with something else for seconds can make one. Every other verdict is about the order of things."""

import re
from collections.abc import Iterator

import pytest

from tests.ui.accessibility import assert_accessible
from tests.ui.browsing import expect
from tests.ui.drawn_studio import DrawnStudio

pytestmark = pytest.mark.slow
WATCH = """() => {
  const video = document.querySelector("#stage video"), say = document.querySelector("#stage .say");
  window.seen = [];
  for (const kind of ["playing", "waiting", "stalled", "ended", "error"]) {
    video.addEventListener(kind, () => window.seen.push([kind, video.currentTime, video.src]));
  }
  new MutationObserver(() => window.seen.push(["say", say.textContent])).observe(say, { childList: true });
}"""
ENDED = "() => window.seen.some(([kind]) => kind === 'ended')"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnStudio:
    return DrawnStudio(tmp_path_factory.mktemp("slow"))


@pytest.fixture
def slow(drawn: DrawnStudio) -> Iterator[DrawnStudio]:
    """The studio on a machine that makes 15 frames a second."""
    drawn.most_rate, drawn.frames = 15.0, 150
    yield drawn
    drawn.most_rate, drawn.frames = None, 75


def test_at_15_frames_a_second_it_begins_after_it_was_said_and_never_pauses(page, slow: DrawnStudio) -> None:
    for _ in range(3):  # in one of three: what else the machine does is not the page's affair
        page.evaluate(WATCH)
        page.click("#generate")
        page.wait_for_function(ENDED)
        seen = page.evaluate("window.seen")
        begun = next(k for k, event in enumerate(seen) if event[0] == "playing")
        assert any(re.fullmatch(r"Starts in \d+ s", words) for kind, words, *_ in seen[:begun] if kind == "say")
        assert "/live/" in seen[begun][2]
        # Before it moves it gathers, and at its very end a browser tells that nothing comes any more.
        pauses = [event for event in seen[begun:] if event[0] == "waiting" and 0.1 < event[1] < 5.9]
        if not pauses:
            return
    raise AssertionError(pauses)


def test_a_smaller_video_is_proposed_and_made(page, slow: DrawnStudio) -> None:
    slow.frames = 1500
    page.click("#generate")
    smaller = page.get_by_role("button", name="At 256 pixels it starts sooner")
    smaller.wait_for()
    assert_accessible(page)
    expect(page.locator("#stage .said")).to_contain_text(re.compile(r"starts in about \d+ seconds"))
    count = len(slow.requests)
    slow.frames = 75
    smaller.click()
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    assert [request.look.size for request in slow.requests[count - 1 :]] == [512, 256]
    expect(smaller).to_be_hidden()


def test_a_quick_machine_says_nothing_of_it(page, drawn: DrawnStudio) -> None:
    page.evaluate(WATCH)
    page.click("#generate")
    page.wait_for_function(ENDED)
    assert not any("Starts in" in str(words) for kind, words, *_ in page.evaluate("window.seen") if kind == "say")
    expect(page.get_by_text("it starts sooner")).to_be_hidden()


def test_a_browser_that_cannot_play_what_grows_is_shown_the_finished_file(page, slow: DrawnStudio) -> None:
    slow.most_rate, slow.frames = 40.0, 75
    page.evaluate(WATCH)
    page.route(re.compile("/emotalk/live/"), lambda route: route.fulfill(content_type="video/mp4", body="no video"))
    page.click("#generate")
    page.wait_for_function(ENDED)
    assert "/clip/" in next(event[2] for event in page.evaluate("window.seen") if event[0] == "playing")


def test_stopped_before_it_starts_nothing_is_said_of_it_any_more(page, slow: DrawnStudio) -> None:
    page.click("#generate")
    expect(page.locator("#stage .say")).to_contain_text("Starts in")
    page.click("#stop")
    page.wait_for_function("() => !document.body.classList.contains('emotalk-busy')")
    expect(page.locator("#stage .say")).to_have_text("")
    expect(page.locator("#stage .said")).to_have_text("There is no video")
