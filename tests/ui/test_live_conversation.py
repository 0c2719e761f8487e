"""Talking with the living face on the page, with answers that a test gives in place of a model."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tests.chat.standin import DONE, StandIn, delta
from tests.conftest import CHROMIUM
from tests.ui.accessibility import assert_accessible
from tests.ui.browsing import expect
from tests.ui.live_canvas import SOFTWARE_WEBGL
from tests.ui.live_sound import end, record, rows, sound
from tests.ui.lively_studio import LivelyStudio
from tests.ui.test_live_stage import LIVE, WATCHED, Seen, choose, frames_pass

pytestmark = pytest.mark.slow
KEY = "sk-not-to-be-kept"
SPOKEN = """window.ears = [];
window.SpeechRecognition = class {
  constructor() { ears.push(this); }
  start() { this.on = true; }
  abort() { this.on = false; }
  says(words, isFinal) { this.onresult({ results: [Object.assign([{ transcript: words }], { isFinal })] }); }
};
// A microphone that hears what `speaks` plays.
window.asked = 0;
navigator.mediaDevices.getUserMedia = async () => {
  asked++;
  const context = new AudioContext(), into = context.createMediaStreamDestination(), gain = context.createGain();
  gain.gain.value = 0;
  const tone = context.createOscillator(), beat = context.createOscillator(), depth = context.createGain();
  tone.frequency.value = 500;
  beat.frequency.value = 9;
  depth.gain.value = 0.1;
  beat.connect(depth).connect(gain.gain);
  tone.connect(gain);
  tone.start();
  beat.start();
  window.speaks = () => { gain.connect(into); gain.gain.value = 0.15; };
  return into.stream;
};
// What the log says, and the second of the answer that is heard then.
window.logged = [];
document.addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  const log = document.querySelector("#chat .log");
  const text = log && log.innerText;
  if (log && text !== logged.at(-1)?.[0]) logged.push([text, alive?.voice ? alive.voice.frame / 25 : null]);
}).observe(document.body, { subtree: true, childList: true, characterData: true }));
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> LivelyStudio:
    return LivelyStudio(tmp_path_factory.mktemp("lively"))


@pytest.fixture(scope="module")
def painter(browser) -> Iterator:
    """A browser that draws by software and sounds without a press."""
    switches = [*SOFTWARE_WEBGL, "--autoplay-policy=no-user-gesture-required"]
    opened = browser.browser_type.launch(executable_path=CHROMIUM, args=switches)
    yield opened
    opened.close()


class Model:
    """Stands in for the server's half: `said` = sentences and the seconds where they start, of `seconds` of sound."""

    def __init__(self, page) -> None:
        self.page, self.about = page, {"offered": True, "typed": False, "model": "stand-in"}
        self.said: list[tuple[str, float]] = [("Hello! I am glad.", 0.0), ("And you?", 1.0)]
        self.seconds, self.refusal = 2.0, None
        self.asked: list[dict] = []
        self.who: dict | None = None
        page.route("**/live-face/converse*", self._answer)

    def _answer(self, route) -> None:
        if route.request.method == "GET":
            route.fulfill(json=self.about) if self.about else route.fulfill(status=404, json={"detail": "Nothing."})
            return
        self.asked.append(json.loads(route.request.post_data))
        head = record("H", {"version": 1, "rate": 16000, "fps": 25, "row": 173, "who": self.who, "words": False})
        if self.refusal:
            body = head + record("X", {"error": self.refusal})
        else:
            times = np.arange(round(16000 * self.seconds)) / 16000
            tone = np.round(3000 * np.sin(2 * np.pi * 220 * times)).astype(np.int16)
            texts = b"".join(record("T", {"text": text, "start": start}) for text, start in self.said)
            body = head + texts + sound(tone) + rows(0, round(25 * self.seconds)) + end(self.seconds)
        route.fulfill(status=200, content_type="application/octet-stream", body=body)


def opened_page(painter, served: str, more: str = SPOKEN, software: bool = True) -> tuple:
    page = painter.new_context(viewport={"width": 1000, "height": 700}).new_page()
    seen = Seen(page, served)
    page.add_init_script((WATCHED if software else WATCHED.replace("Software = true", "Software = false")) + more)
    model = Model(page)
    page.goto(served)
    return page, seen, model


@pytest.fixture
def opened(painter, served: str) -> Iterator[tuple]:
    page, seen, model = opened_page(painter, served)
    page.wait_for_function(LIVE)
    page.get_by_role("radio", checked=True).first.wait_for()
    model.who = page.evaluate("JSON.parse(JSON.stringify(alive.actor.life.who))")
    yield page, seen, model
    page.context.close()
    assert seen.errors == []
    assert seen.outside == []


@pytest.fixture
def page(opened):
    return opened[0]


@pytest.fixture
def seen(opened) -> Seen:
    return opened[1]


@pytest.fixture
def model(opened) -> Model:
    return opened[2]


def begin(page) -> None:
    """Choose a conversation and wait until it can begin."""
    with page.expect_response(lambda response: "/live-face/script-" in response.url):
        page.get_by_role("radio", name="Conversation").check()
    expect(page.locator("#chat .log")).to_be_attached()


def line(page):
    return page.get_by_role("textbox", name="What you say")


def tell(page, words: str) -> None:
    line(page).fill(words)
    line(page).press("Enter")


def until(page, *events: str) -> None:
    page.wait_for_function("(wanted) => voices.join(' ').includes(wanted)", arg=" ".join(events), timeout=60_000)


def turns(page) -> list[str]:
    return [re.sub(r"\s+", " ", text).strip() for text in page.locator("#chat .log p").all_text_contents()]


# --- the whole way, with nothing in the server's place ------------------------------------------------------------


def test_page_server_voice_and_a_model_that_writes_slowly_make_a_conversation(
    page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.unroute("**/live-face/converse*")
    page.evaluate("""() => {
      window.moods = [];
      const told = alive.actor.life.frame;
      alive.actor.life.frame = function (row, at, valence, ...rest) {
        if (row) moods.push(Math.round(100 * valence) / 100);
        return told.call(this, row, at, valence, ...rest);
      };
    }""")
    heard = threading.Event()
    with StandIn(
        delta("[sad] It rains "), delta("here. [happy] B"), heard, delta("ut I like "), delta("it!"), DONE
    ) as llm:
        monkeypatch.setenv("EMOTALK_CHAT_URL", llm.url)
        begin(page)
        tell(page, "How is the weather?")
        until(page, "waiting", "speaking")
        page.wait_for_function("() => document.querySelector('#chat .log').textContent.includes('It rains here.')")
        heard.set()  # the first sentence was spoken while the model had not written the second
        until(page, "waiting", "speaking", "silent")
        assert turns(page) == ["You: How is the weather?", "The face: It rains here. But I like it!"]
        moods = page.evaluate("moods")
        assert min(moods) < -0.5 < 0.5 < moods[-1]
        tell(page, "Go on.")
        page.wait_for_function("() => document.querySelectorAll('#chat .log p').length === 4")
        until(page, "silent", "waiting", "speaking", "silent")
        said = llm.messages()
    assert [role for role, _ in said] == ["system", "user", "assistant", "user"]
    assert said[1][1] == "How is the weather?"
    assert said[2][1] == "[sad] It rains here. [happy] But I like it!"


# --- by typing ----------------------------------------------------------------------------------------------------


def test_a_typed_turn_is_answered_sentence_by_sentence_as_they_are_heard(page, model: Model) -> None:
    begin(page)
    tell(page, "Hello, who are you?")
    until(page, "waiting", "speaking", "silent")
    assert turns(page) == ["You: Hello, who are you?", "The face: Hello! I am glad. And you?"]
    logged = page.evaluate("logged")
    for sentence, start in model.said:
        shown = next(second for text, second in logged if sentence in text)
        assert start <= shown <= start + 1.5  # a busy browser without a GPU draws, and tells, a second late
    [asked] = model.asked
    assert {"avatar": "mira", "text": "Hello, who are you?", "fresh": True, "valence": 0.62}.items() <= asked.items()
    assert set(asked) >= {"arousal", "expressiveness", "head_motion", "mood_in_voice", "seed", "voice"}
    assert line(page).input_value() == ""
    assert_accessible(page)


def test_a_key_in_the_line_silences_the_face_in_the_same_moment(page, model: Model) -> None:
    model.seconds = 20.0
    begin(page)
    tell(page, "Go on.")
    until(page, "waiting", "speaking")
    page.wait_for_function("() => alive.voice.frame > 10")
    states = page.evaluate("""() => {
      const place = document.querySelector("#chat .words"), was = alive.voice, before = was.state;
      place.value = "N";
      place.dispatchEvent(new InputEvent("input", { bubbles: true, data: "N" }));
      return [before, was.state, alive.voice, alive.actor.life.listening];
    }""")
    assert states == ["speaking", "stopped", None, True]  # its sound fades within 40 ms (voice.js)
    assert turns(page)[-1] == "The face: Hello! I am glad. –"
    expect(page.locator("#chat .state")).to_have_text("Listening")
    tell(page, "No.")
    until(page, "silent", "waiting", "speaking")
    assert 0.3 <= model.asked[1]["heard"] <= 5
    assert "fresh" not in model.asked[1]


def test_stop_ends_an_answer_too_and_is_there_only_meanwhile(page, model: Model) -> None:
    model.seconds = 20.0
    begin(page)
    stop = page.locator("#stop")
    expect(stop).to_have_css("visibility", "hidden")
    tell(page, "Go on.")
    until(page, "waiting", "speaking")
    stop.click()
    until(page, "speaking", "silent")
    expect(stop).to_have_css("visibility", "hidden")
    assert turns(page)[-1].endswith(" –")


def test_what_a_model_says_is_text_and_nothing_else(page, model: Model) -> None:
    model.said = [('<img src=x onerror="window.bad = 1"><b>Hi</b>', 0.0)]
    begin(page)
    tell(page, "<i>Hello</i><script>window.bad = 1</script>")
    until(page, "speaking", "silent")
    assert "<b>Hi</b>" in turns(page)[1]
    assert page.locator("#chat .log :is(b, i, img, script)").count() == 0
    assert page.evaluate("window.bad") is None


def test_a_failure_is_told_and_the_next_turn_is_taken(page, model: Model) -> None:
    model.refusal = "The model does not answer; try again."
    begin(page)
    tell(page, "Hello?")
    until(page, "waiting", "silent")
    expect(page.locator("#chat .hint")).to_have_text(model.refusal)
    expect(page.locator("#stage .note")).to_have_text(model.refusal)
    assert_accessible(page)
    model.refusal = None
    tell(page, "Hello!")
    until(page, "silent", "waiting", "speaking")
    expect(page.locator("#chat .hint")).to_be_hidden()
    assert "heard" not in model.asked[1]


def test_it_begins_anew(page, model: Model) -> None:
    model.seconds = 20.0
    begin(page)
    tell(page, "Hello?")
    until(page, "waiting", "speaking")
    page.get_by_role("button", name="Start anew").click()
    until(page, "speaking", "silent")
    assert turns(page) == []
    tell(page, "Hello again.")
    until(page, "silent", "waiting", "speaking")
    assert model.asked[1]["fresh"] is True
    assert "heard" not in model.asked[1]


# --- by voice -----------------------------------------------------------------------------------------------------


def test_a_spoken_turn_needs_consent_and_is_interrupted_by_a_voice(page, model: Model) -> None:
    model.seconds = 20.0
    begin(page)
    ear = page.get_by_role("button", name="Talk into your microphone")
    ear.click()
    expect(page.get_by_text("may send your voice to its maker")).to_be_visible()
    assert_accessible(page)
    assert page.evaluate("asked") == 0
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_text("may send your voice to its maker")).to_be_hidden()
    ear.click()
    page.get_by_role("button", name="Use the microphone").click()
    page.wait_for_function("() => ears.length && ears.at(-1).on")
    open_ear = page.get_by_role("button", name="Switch the microphone off")
    expect(open_ear).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("alive.actor.life.listening") is True
    page.evaluate("ears.at(-1).says('how are', false)")
    expect(line(page)).to_have_value("how are")
    page.evaluate("ears.at(-1).says('how are you', true)")
    until(page, "waiting", "speaking")
    assert model.asked[0]["text"] == "how are you"
    assert page.evaluate("[ears.at(-1).on, alive.actor.life.listening]") == [False, False]
    page.evaluate("speaks()")
    until(page, "speaking", "silent")
    assert turns(page)[-1].endswith(" –")
    page.wait_for_function("() => ears.length > 1 && ears.at(-1).on")
    page.evaluate("ears.at(-1).says('wait', true)")
    until(page, "silent", "waiting", "speaking")
    assert model.asked[1]["text"] == "wait"
    assert model.asked[1]["heard"] > 0
    open_ear.click()
    expect(ear).to_have_attribute("aria-pressed", "false")


def test_a_microphone_that_moves_the_face_is_off_in_a_conversation(page) -> None:
    page.locator("#stage .mic").click()
    until(page, "listening")
    begin(page)
    until(page, "listening", "silent")


def test_a_face_that_listens_nods(page) -> None:
    begin(page)
    frames_pass(page)
    page.evaluate("""() => {
      window.nods = 0;
      const { presence } = alive.actor.life, agree = presence.agree.bind(presence);
      presence.agree = () => { nods++; agree(); };
      const place = document.querySelector("#chat .words");
      window.typing = setInterval(() => place.dispatchEvent(new InputEvent("input", { bubbles: true })), 150);
    }""")
    page.wait_for_function("() => nods > 0", timeout=60_000)
    page.evaluate("clearInterval(typing)")


# --- who may, and what is kept ------------------------------------------------------------------------------------


def test_a_models_key_goes_with_the_words_alone_and_is_kept_nowhere(page, seen: Seen, model: Model) -> None:
    model.about = {"offered": False, "typed": True, "model": None}
    begin(page)
    tell(page, "Hello?")
    expect(page.locator("#chat .hint")).to_contain_text("which model answers")
    assert model.asked == []
    place = page.get_by_label("Key")
    expect(place).to_have_attribute("type", "password")
    expect(place).to_have_attribute("autocomplete", "off")
    page.get_by_label("Address").fill("http://localhost:8080/v1")
    place.fill(KEY)
    page.get_by_label("Model", exact=True).fill("small")
    tell(page, "Hello!")
    until(page, "speaking", "silent")
    [asked] = model.asked
    assert (asked["url"], asked["key"], asked["model"]) == ("http://localhost:8080/v1", KEY, "small")
    assert [path.partition("?")[0] for _, path, body in seen.sent if KEY in body + path] == [
        "emotalk/live-face/converse"
    ]
    assert [path for _, path, body in seen.sent if "Hello!" in body and "live-face/converse" not in path] == []
    kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])")
    assert KEY not in kept
    assert "Hello" not in kept
    page.reload()
    page.wait_for_function(LIVE)
    page.get_by_role("radio", name="Conversation").check()
    expect(page.get_by_label("Key")).to_have_value("")


def test_a_script_that_does_not_come_is_told_and_asked_for_again(page, model: Model) -> None:
    expect(page.locator("#chat .log")).to_be_attached()
    page.route("**/live-face/script-**", lambda route: route.abort(), times=1)
    page.get_by_role("radio", name="Conversation").check()
    expect(page.locator("#chat .hint")).to_contain_text("cannot be loaded")
    page.get_by_role("radio", name="Type", exact=True).check()
    expect(page.locator("#chat")).to_be_hidden()
    begin(page)
    expect(page.locator("#chat .hint")).to_be_hidden()
    tell(page, "Hello?")
    until(page, "waiting", "speaking")


def test_a_server_with_a_model_of_its_own_asks_for_none(page, model: Model) -> None:
    begin(page)
    expect(page.locator("#chat .model")).to_be_hidden()


@pytest.mark.parametrize("about", [{"offered": False, "typed": False, "model": None}, None])
def test_where_no_model_can_answer_the_owner_is_told_what_to_set(page, model: Model, about: dict | None) -> None:
    model.about = about
    begin(page)
    expect(page.get_by_text("EMOTALK_CHAT_URL")).to_be_visible()
    expect(line(page)).to_be_hidden()


def test_without_speech_recognition_there_is_typing_alone(painter, served: str) -> None:
    page, seen, _ = opened_page(
        painter, served, "delete window.SpeechRecognition; delete window.webkitSpeechRecognition;"
    )
    page.wait_for_function(LIVE)
    begin(page)
    expect(page.locator("#chat .ear")).to_be_hidden()
    page.context.close()
    assert seen.errors == []


def test_a_conversation_needs_a_living_face(painter, served: str, page) -> None:
    begin(page)
    choose(page, "Anna")  # videos only
    expect(page.get_by_text("A conversation needs a living face")).to_be_visible()
    expect(line(page)).to_be_hidden()
    choose(page, "Kofi")
    expect(line(page)).to_be_visible()
    flat, seen, _ = opened_page(painter, served, software=False)
    flat.get_by_role("radio", name="Conversation").check()
    expect(flat.get_by_text("A conversation needs a living face")).to_be_visible()
    assert seen.of("converse") == []
    flat.context.close()


def test_the_rest_of_the_page_steps_aside_and_comes_back(page, model: Model) -> None:
    model.seconds = 20.0
    away = [
        page.locator(place) for place in ("#say", "#directions", "#talk", "#generate", "#stage .mic", "#follow-voice")
    ]
    begin(page)
    for part in away:
        expect(part).to_be_hidden()
    for part in ("#voice", "#mood-pad .pad", "#listen"):
        expect(page.locator(part)).to_be_visible()
    tell(page, "Go on.")
    until(page, "waiting", "speaking")
    page.get_by_role("radio", name="Type", exact=True).check()
    until(page, "speaking", "silent")
    for part in away:
        expect(part).to_be_visible()
    expect(page.locator("#chat")).to_be_hidden()


def test_everything_has_a_name_and_can_be_reached_by_keys(page) -> None:
    begin(page)
    expect(page.get_by_role("log", name="What was said")).to_have_attribute("aria-live", "polite")
    line(page).focus()
    names = []
    for _ in range(3):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
    assert names == ["Talk into your microphone", "Send", "Start anew"]


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_the_screen(painter, served: str, width: int) -> None:
    page, _, model = opened_page(painter, served)
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function(LIVE)
    model.who = page.evaluate("JSON.parse(JSON.stringify(alive.actor.life.who))")
    model.said = [("A" * 300, 0.0)]
    model.about = {"offered": False, "typed": True, "model": None}
    begin(page)
    page.get_by_label("Address").fill("http://localhost:8080/v1")
    tell(page, "B" * 300)
    until(page, "speaking", "silent")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    place = page.evaluate("""() => {
      const outer = document.querySelector("#chat").getBoundingClientRect();
      return [...document.querySelectorAll("#chat :is(p, input, button)")].map((part) => part.getBoundingClientRect())
        .filter((box) => box.width > 2).map((box) => [box.left - outer.left, outer.right - box.right]);
    }""")
    assert min(min(pair) for pair in place) >= 0
    page.context.close()
