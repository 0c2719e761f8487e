"""The living face on the page, drawn by software: it moves with the pad, talks, listens, and steps aside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.ui.controls import STARTERS
from tests.conftest import CHROMIUM
from tests.ui.accessibility import assert_accessible
from tests.ui.browsing import box_of, expect, wait_until_open
from tests.ui.live_canvas import SOFTWARE_WEBGL
from tests.ui.lively_studio import LivelyStudio

pytestmark = pytest.mark.slow
JAW = ARKIT_NAMES.index("jawOpen")
FAKE_MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
LONG = "This is a long sentence that goes on and on, and then it goes on a little more, until nobody listens. " * 3
WATCHED = """window.emotalkSoftware = true;
const living = () => [...document.querySelectorAll("*")].find((element) => element.living)?.living;
Object.defineProperty(window, "alive", { get: living });
window.voices = [];
window.steps = [];
document.addEventListener("emotalk-voice", ({ detail }) => voices.push(detail));
// Every frame of motion from now on: its mood, its jaw, and whether it is of speech.
window.hook = () => {
  const { life } = alive.actor, frame = life.frame.bind(life);
  window.steps = [];
  life.frame = (row, at, v, a, more) => {
    const made = frame(row, at, v, a, more);
    steps.push({ spoken: row !== null, v, a, jaw: made[JAW], row: row && Array.from(row) });
    return made;
  };
};
window.loudest = () => {
  const analyser = alive.context.createAnalyser(), data = new Float32Array(analyser.fftSize = 16384);
  alive.voice.gain.connect(analyser);
  window.peak = 0;
  const look = () => {
    analyser.getFloatTimeDomainData(data);
    peak = data.reduce((most, x) => Math.max(most, Math.abs(x)), peak);
    if (alive?.voice) setTimeout(look, 50);
  };
  look();
};""".replace("JAW", str(JAW))
VOICE = "document.querySelector('#stage .stage').dataset.voice"
LIVE = "() => document.body.classList.contains('emotalk-live') && alive.actor.drawn > 2"
WORDS_OF = "() => document.querySelector('#stage .note').textContent"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> LivelyStudio:
    return LivelyStudio(tmp_path_factory.mktemp("lively"))


@pytest.fixture(scope="module")
def painter(browser) -> Iterator:
    """A browser that draws by software, sounds without a press and has a microphone that beeps."""
    switches = [*SOFTWARE_WEBGL, "--autoplay-policy=no-user-gesture-required", *FAKE_MICROPHONE]
    opened = browser.browser_type.launch(executable_path=CHROMIUM, args=switches)
    yield opened
    opened.close()


class Seen:
    """What a page has asked for: `sent` = [(method, address below the page's, body)]."""

    def __init__(self, page, served: str) -> None:
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.sent: list[tuple[str, str, str]] = []
        self._served = served
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)

    def _asked(self, request) -> None:
        if request.url.startswith(self._served):
            self.sent.append((request.method, request.url.removeprefix(self._served), request.post_data or ""))
        elif not request.url.startswith(("data:", "blob:")):
            self.outside.append(request.url)

    def of(self, part: str) -> list[tuple[str, str, str]]:
        return [asked for asked in self.sent if part in asked[1]]

    def said(self) -> list[dict]:
        return [json.loads(body) for _, _, body in self.of("live-face/say")]


def opened_page(painter, served: str, software: bool = True) -> tuple:
    """A fresh page, and what it asks for. Small: software draws every pixel."""
    page = painter.new_context(viewport={"width": 1000, "height": 560}).new_page()
    seen = Seen(page, served)
    page.add_init_script(WATCHED if software else WATCHED.replace("Software = true", "Software = false"))
    page.goto(served)
    if not software:
        wait_until_open(page)
    return page, seen


@pytest.fixture
def opened(painter, served: str) -> Iterator[tuple]:
    page, seen = opened_page(painter, served)
    page.wait_for_function(LIVE)
    page.get_by_role("radio", checked=True).first.wait_for()
    page.locator("#mood-pad .knob").wait_for()
    page.evaluate("hook()")
    yield page, seen
    page.context.close()
    assert seen.errors == []
    assert seen.outside == []


@pytest.fixture
def page(opened):
    return opened[0]


@pytest.fixture
def seen(opened) -> Seen:
    return opened[1]


def until(page, *events: str) -> None:
    """Wait until the voice has told these, one after the other."""
    wanted = " ".join(events)
    page.wait_for_function("(wanted) => voices.join(' ').includes(wanted)", arg=wanted, timeout=60_000)


def choose(page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()


def set_slider(page, label: str, value: float) -> None:
    box = page.get_by_label(f"number input for {label}")
    if not box.is_visible():
        page.click("#fine-tune")
    box.fill(str(value))
    box.press("Enter")
    box.blur()


def press_pad(page, across: float, up: float) -> None:
    """Press the pad at a valence and an arousal in [-1, 1]."""
    box = box_of(page.locator("#mood-pad .pad"))
    page.mouse.click(box["x"] + (across + 1) / 2 * box["width"], box["y"] + (1 - up) / 2 * box["height"])


def frames_pass(page, count: int = 3) -> None:
    page.evaluate("window.after = alive.actor.frames")
    page.wait_for_function(f"() => alive.actor.frames >= after + {count}")


def quiet(page, seen: Seen) -> None:
    """Wait until whatever opening the page asks for was asked."""
    count = -1
    while count != len(seen.sent):
        count = len(seen.sent)
        page.wait_for_timeout(1500)


# --- life ---------------------------------------------------------------------------------------------------------


def test_the_page_comes_to_life(page, seen: Seen) -> None:
    canvas = page.locator("#stage .alive canvas")
    expect(canvas).to_be_visible()
    expect(canvas).to_have_attribute("aria-label", re.compile("alive"))
    expect(page.locator("#stage .face")).to_be_hidden()
    buttons = page.locator("#generate-row button").all_inner_texts()
    assert buttons == ["Talk", "Make video", "Stop"]
    expect(page.locator("#talk")).to_be_visible()
    assert_accessible(page)
    assert len(seen.of("live-face/packs/")) == len(seen.of("live-face/face-")) == 1
    shown = page.evaluate("Array.from(alive.actor.shown)")
    frames_pass(page)
    assert page.evaluate("Array.from(alive.actor.shown)") != shown


def test_the_pad_is_in_the_very_next_frame_and_asks_the_server_for_nothing(
    page, seen: Seen, drawn: LivelyStudio
) -> None:
    quiet(page, seen)
    looks, sent = len(drawn.looks), len(seen.sent)
    # In the same turn of the page: no frame comes between the press and the look.
    page.evaluate("""() => {
      const pad = document.querySelector("#mood-pad .pad"), box = pad.getBoundingClientRect();
      const at = (v, a) => ({ bubbles: true, pointerId: 1, button: 0, buttons: 1,
        clientX: box.left + box.width * (v + 1) / 2, clientY: box.top + box.height * (1 - a) / 2 });
      [pad.setPointerCapture, pad.hasPointerCapture] = [() => {}, () => true];
      pad.dispatchEvent(new PointerEvent("pointerdown", at(0, 0)));
      pad.dispatchEvent(new PointerEvent("pointermove", at(-0.8, 0.6)));
      window.first = steps.length;
    }""")
    page.wait_for_function("() => steps.length > first")
    next_frame = page.evaluate("steps[first]")
    assert [next_frame["v"], next_frame["a"]] == pytest.approx([-0.8, 0.6], abs=0.02)
    box = box_of(page.locator("#mood-pad .pad"))
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.7 * box["height"], steps=8)
    page.mouse.up()
    page.wait_for_function("() => steps.at(-1).v > 0.7")
    frames_pass(page, 10)
    assert len(drawn.looks) == looks
    assert seen.sent[sent:] == []


def test_on_a_phone_both_buttons_are_as_high(page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    heights = "() => ['#talk', '#generate'].map((place) => document.querySelector(place).offsetHeight)"
    page.wait_for_function(f"() => ({heights})().every((height) => height >= 52)")


def test_a_lost_context_leaves_the_page_alive(page) -> None:
    page.evaluate("window.lose = alive.face.gl.getExtension('WEBGL_lose_context'); lose.loseContext()")
    page.wait_for_function("() => alive.face.lost")
    frames_pass(page)
    page.evaluate("lose.restoreContext()")
    page.wait_for_function("() => !alive.face.lost")
    page.evaluate("window.before = alive.actor.drawn")
    page.wait_for_function("() => alive.actor.drawn > before")


def test_without_a_graphics_processor_the_page_is_as_it_was(painter, served: str) -> None:
    page, seen = opened_page(painter, served, software=False)
    quiet(page, seen)
    expect(page.locator("#talk")).to_be_hidden()
    expect(page.locator("#generate")).to_be_visible()
    expect(page.locator("#stage .face")).to_be_visible()
    assert page.locator("#stage canvas").count() == 0
    page.locator("#say textarea").press("Enter")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    assert [asked for asked in seen.of("live-face/") if "script-" not in asked[1]] == []
    page.context.close()
    assert seen.errors == []


# --- talking ------------------------------------------------------------------------------------------------------


def test_talk_sounds_and_moves_the_mouth_and_ends_at_rest(page, seen: Seen) -> None:
    frames_pass(page, 20)
    idle = max(page.evaluate("steps.map((step) => step.jaw)"))
    page.locator("#say textarea").fill("Hello, how are you?")
    page.click("#talk")
    until(page, "waiting", "speaking")
    assert page.evaluate(VOICE) == "speaking"
    assert page.evaluate("document.body.classList.contains('emotalk-speaking')")
    page.evaluate("loudest()")
    early = page.evaluate("alive.voice.frame")
    page.wait_for_function(f"() => !alive.voice || alive.voice.frame > {early + 3}")
    assert page.evaluate("alive.context.state") == "running"
    until(page, "speaking", "silent")
    assert page.evaluate(VOICE) == "silent"
    assert page.evaluate("peak") > 0.02
    frames_pass(page, 15)
    steps = page.evaluate("steps.map(({ spoken, jaw }) => ({ spoken, jaw }))")
    spoken = [i for i, step in enumerate(steps) if step["spoken"]]
    assert max(steps[i]["jaw"] for i in spoken) > idle + 0.05
    assert max(step["jaw"] for step in steps[spoken[-1] + 13 :]) < idle + 0.05  # 13 frames: half a second
    [said] = seen.said()
    assert (said["avatar"], said["text"]) == ("mira", "Hello, how are you?")


def test_stop_silences_in_the_middle_and_the_mouth_closes(page) -> None:
    frames_pass(page, 20)
    idle = max(page.evaluate("steps.map((step) => step.jaw)"))
    page.locator("#say textarea").fill(LONG)
    page.click("#talk")
    until(page, "speaking")
    page.evaluate("window.was = alive.voice")
    page.click("#stop")
    until(page, "speaking", "silent")
    assert page.evaluate("was.state") == "stopped"
    assert page.evaluate("alive.voice") is None
    frames_pass(page, 16)
    assert page.evaluate("Math.max(...steps.slice(-2).map((step) => step.jaw))") < idle + 0.05
    assert page.evaluate("steps.slice(-12).some((step) => step.spoken)") is False


def test_a_new_text_interrupts_the_old_one(page, seen: Seen) -> None:
    page.locator("#say textarea").fill(LONG)
    page.click("#talk")
    until(page, "speaking")
    page.evaluate("window.was = alive.voice")
    page.locator("#say textarea").fill("No.")
    page.locator("#say textarea").press("Enter")
    until(page, "silent", "waiting", "speaking", "silent")
    assert page.evaluate("was.state") == "stopped"
    assert [said["text"] for said in seen.said()] == [LONG, "No."]


def test_a_ready_made_line_is_said_in_its_mood(page, seen: Seen) -> None:
    page.get_by_role("button", name="Nobody came").click()
    until(page, "speaking")
    text, valence, arousal = STARTERS["Nobody came"]
    [said] = seen.said()
    assert (said["text"], said["valence"], said["arousal"]) == (text, valence, arousal)
    page.wait_for_function(f"() => steps.at(-1).v === {valence}")


def test_surprise_me_is_said_by_another_face(page, seen: Seen, drawn: LivelyStudio) -> None:
    page.evaluate("Math.random = () => 0")  # the first of the others, and the first line
    count = len(drawn.requests)
    page.click("#surprise")
    until(page, "speaking")
    [said] = seen.said()
    assert (said["avatar"], said["text"]) == ("kofi", next(iter(STARTERS.values()))[0])
    expect(page.get_by_role("radio", name="Kofi", exact=True)).to_be_checked()
    assert len(seen.of("live-face/packs/")) == 2
    assert len(drawn.requests) == count


def test_directions_change_the_mood_until_the_pad_is_moved(page) -> None:
    press_pad(page, 0.0, 0.0)
    page.locator("#say textarea").fill("[sad] Nobody came to the party today, and nobody wrote a letter. " + LONG)
    page.click("#talk")
    page.wait_for_function("() => steps.at(-1).spoken && steps.at(-1).v < -0.4")
    press_pad(page, 0.8, 0.4)
    page.wait_for_function("() => steps.at(-1).v > 0.7")
    frames_pass(page, 10)
    assert page.evaluate("steps.at(-1).spoken")
    assert page.evaluate("steps.slice(-8).every((step) => step.v > 0.7)")


@pytest.mark.parametrize(("text", "sentence"), [("   ", "There is nothing to say"), ("word " * 10_000, "10,000 words")])
def test_what_cannot_be_said_is_told_on_the_stage_every_time(page, text: str, sentence: str) -> None:
    page.locator("#say textarea").fill(text)
    for _ in range(2):
        page.evaluate("voices.length = 0; document.querySelector('#stage .note').textContent = ''")
        page.click("#talk")
        until(page, "waiting", "silent")
        assert sentence in page.evaluate(WORDS_OF)
        expect(page.locator("#stage .note")).to_have_class(re.compile("told"))
    assert page.evaluate("steps.some((step) => step.spoken)") is False


def test_a_server_that_is_away_is_told_and_the_face_lives_on(page) -> None:
    page.context.set_offline(True)
    page.click("#talk")
    until(page, "waiting", "silent")
    assert page.evaluate(WORDS_OF) == "The server cannot be reached; check the connection and try again."
    frames_pass(page)
    page.context.set_offline(False)
    page.click("#talk")
    until(page, "waiting", "silent", "waiting", "speaking")


def test_an_answer_that_breaks_off_ends_with_a_sentence_and_a_closed_mouth(page) -> None:
    def cut(route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.body()[: len(answer.body()) // 3])

    page.route("**/live-face/say?**", cut)
    page.locator("#say textarea").fill("One two three four five six seven eight nine ten.")
    page.click("#talk")
    until(page, "speaking", "silent")
    assert page.evaluate(WORDS_OF) == "The connection broke off before all was said; try again."
    frames_pass(page, 16)
    assert page.evaluate("steps.slice(-8).some((step) => step.spoken)") is False


# --- whose face ---------------------------------------------------------------------------------------------------


def test_a_face_for_videos_only_is_a_picture_and_the_next_one_lives_again(page, seen: Seen) -> None:
    packs = len(seen.of("live-face/packs/"))
    choose(page, "Anna")
    expect(page.locator("#talk")).to_be_hidden()
    expect(page.locator("#stage .face")).to_be_visible()
    expect(page.locator("#stage .mic")).to_be_hidden()
    assert page.locator("#stage canvas").count() == 0
    assert len(seen.of("live-face/packs/")) == packs
    choose(page, "Kofi")
    expect(page.locator("#stage canvas")).to_be_visible()
    expect(page.locator("#talk")).to_be_visible()


def test_a_face_for_videos_only_ends_what_is_said_and_heard(page) -> None:
    page.locator("#stage .mic").click()
    until(page, "listening")
    page.evaluate("window.was = alive.puppet")
    choose(page, "Anna")
    until(page, "listening", "silent")
    assert page.evaluate("was.state") == "stopped"


def test_a_real_persons_live_face_needs_the_pages_ticket(page, seen: Seen) -> None:
    choose(page, "Berta")
    page.wait_for_function("() => document.querySelector('#stage canvas') && alive.actor.drawn > 0")
    expect(page.locator("#talk")).to_be_visible()
    page.wait_for_function("() => alive.ticket")
    for _ in range(100):
        if len(seen.of("live-face/packs/")) == 2:
            break
        page.wait_for_timeout(100)
    path = seen.of("live-face/packs/")[-1][1]
    bare, _, ticket = path.partition("?")
    assert ticket.startswith("ticket=")
    served = page.url
    assert page.request.get(served + path).status == 200
    assert page.request.get(served + bare).status == 404
    page.click("#talk")
    until(page, "speaking")


def test_a_face_whose_pack_comes_too_late_changes_nothing(page, seen: Seen) -> None:
    late = []
    page.route("**/live-face/packs/**", lambda route: route.continue_() if late else late.append(route))
    page.evaluate("window.worn = alive.face")
    choose(page, "Kofi")
    for _ in range(200):
        if late:
            break
        page.wait_for_timeout(50)
    choose(page, "Berta")
    page.wait_for_function("() => alive.face && alive.face !== worn")
    page.evaluate("window.worn = alive.face")
    late[0].continue_()
    frames_pass(page, 10)
    assert page.evaluate("alive.face === worn")
    page.click("#talk")
    until(page, "speaking")
    assert seen.said()[-1]["avatar"] == "berta"


def test_a_pack_that_cannot_be_had_leaves_a_picture_and_the_next_face_lives(page) -> None:
    page.route("**/live-face/packs/**", lambda route: route.abort(), times=1)
    choose(page, "Kofi")
    expect(page.locator("#talk")).to_be_hidden()
    expect(page.locator("#stage .face")).to_be_visible()
    choose(page, "Mira")
    expect(page.locator("#stage canvas")).to_be_visible()
    expect(page.locator("#talk")).to_be_visible()


# --- beside the rest of the page ----------------------------------------------------------------------------------


def test_what_only_the_server_can_draw_is_shown_as_a_picture(page, drawn: LivelyStudio) -> None:
    section = page.get_by_role("button", name="Video and background")
    section.click()
    canvas, face = page.locator("#stage canvas"), page.locator("#stage .face")
    for label, back in (("9:16", "1:1"), ("Lines", "Off"), ("Blurred", "The avatar's own")):
        page.get_by_label(label, exact=True).check()
        expect(canvas).to_be_hidden()
        expect(face).to_be_visible()
        expect(page.locator("#talk")).to_be_hidden()
        page.get_by_label(back, exact=True).check()
        expect(canvas).to_be_visible()
    page.get_by_label("A colour").check()
    page.wait_for_function("() => Array.isArray(alive.background)")
    expect(canvas).to_be_visible()
    before = page.evaluate("alive.actor.drawn")
    page.wait_for_function(f"() => alive.actor.drawn > {before}")


def test_a_picture_that_hides_the_face_silences_it(page) -> None:
    page.get_by_role("button", name="Video and background").click()
    page.locator("#say textarea").fill(LONG)
    page.click("#talk")
    until(page, "speaking")
    page.get_by_label("9:16", exact=True).check()
    until(page, "speaking", "silent")


def test_a_video_is_made_and_played_in_front_and_the_face_comes_back(page, drawn: LivelyStudio) -> None:
    stage, video, canvas = page.locator("#stage .stage"), page.locator("#stage video"), page.locator("#stage canvas")
    page.locator("#say textarea").fill(LONG)
    page.click("#talk")
    until(page, "speaking")
    page.click("#generate")
    until(page, "speaking", "silent")  # the video has the word
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    expect(video).to_have_css("opacity", "1")
    expect(stage).to_have_attribute("data-state", "ready")
    expect(video).to_have_css("opacity", "1")
    press_pad(page, -0.5, -0.5)
    expect(video).to_have_css("opacity", "0")
    expect(canvas).to_be_visible()
    page.locator("#stage .replay").click()
    expect(video).to_have_css("opacity", "1")
    page.locator("#say textarea").fill("And I again.")
    page.evaluate("voices.length = 0")
    page.click("#talk")
    expect(video).to_have_css("opacity", "0")
    until(page, "speaking", "silent")
    assert page.evaluate("document.querySelector('#stage video').paused")


# --- a microphone -------------------------------------------------------------------------------------------------


def test_a_microphone_is_heard_until_its_button_is_pressed_again(page, seen: Seen) -> None:
    button = page.locator("#stage .mic")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("() => steps.some((step) => step.spoken)")  # rows came back and are shown
    assert seen.of("live-face/puppet")
    page.evaluate("window.was = alive.puppet")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("was.state") == "stopped"
    assert page.evaluate("was.microphone.stream.getTracks().every((track) => track.readyState === 'ended')")
    frames_pass(page, 10)
    assert page.evaluate("steps.slice(-5).some((step) => step.spoken)") is False


@pytest.mark.parametrize("ends", ["#talk", "#stop", "#generate"])
def test_whatever_takes_the_word_switches_the_microphone_off(page, ends: str) -> None:
    page.locator("#stage .mic").click()
    until(page, "listening")
    page.evaluate("window.was = alive.puppet")
    page.click(ends)
    page.wait_for_function("() => was.state === 'stopped'")
    expect(page.locator("#stage .mic")).to_have_attribute("aria-pressed", "false")


@pytest.fixture
def calm(painter, served: str) -> Iterator:
    """The page of somebody who wants no movement that nobody asked for."""
    context = painter.new_context(viewport={"width": 1000, "height": 560}, reduced_motion="reduce")
    tab = context.new_page()
    tab.add_init_script(WATCHED)
    tab.goto(served)
    tab.wait_for_function(LIVE)
    tab.locator("#mood-pad .knob").wait_for()
    yield tab
    context.close()


RESTS = "() => alive.rests(performance.now())"


def test_where_no_movement_is_wanted_a_face_that_says_nothing_stands_still_with_open_eyes(calm) -> None:
    calm.wait_for_function(RESTS)
    drawn = calm.evaluate("alive.actor.drawn")
    calm.mouse.move(30, 300)  # it does not look after the pointer
    calm.mouse.move(600, 100)
    # Twenty pictures of the screen later nothing was drawn.
    calm.evaluate(
        """() => new Promise((done) => {
            let left = 20;
            const next = () => (left-- ? requestAnimationFrame(next) : done());
            next();
        })"""
    )
    assert calm.evaluate("alive.actor.drawn") == drawn
    assert calm.evaluate("alive.actor.life.last[57]") < 0.1  # the left lid


def test_where_no_movement_is_wanted_the_pad_and_speech_move_the_face_all_the_same(calm) -> None:
    calm.wait_for_function(RESTS)
    drawn = calm.evaluate("alive.actor.drawn")
    press_pad(calm, -0.5, 0.5)
    calm.wait_for_function("(drawn) => alive.actor.drawn > drawn", arg=drawn)
    calm.wait_for_function(RESTS)
    calm.evaluate("hook()")
    calm.locator("#say textarea").fill("Hello there.")
    calm.click("#talk")
    until(calm, "speaking", "silent")
    assert calm.evaluate("steps.some((step) => step.spoken)")
    calm.wait_for_function(RESTS)
