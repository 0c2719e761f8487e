"""What the living face shows at which moment: 25 frames of motion a second on the voice's clock or the page's own."""

from __future__ import annotations

import pytest

from emotalk.ui.live_script import live_script

ADDRESS = "http://localhost/"
_SET = """async () => {
  const { Actor } = await import("/actor.js");
  // Motion that says what it was made of: frame number, code, mood.
  window.life = { steps: [], changes: 0, change() { this.changes++; }, frame(row, at, v, a) {
    this.steps.push({ row: row ? row[0] : null, v, a });
    const motion = new Float32Array(65);
    motion[0] = row ? row[0] : 0;
    motion[1] = v;
    motion[59] = this.steps.length;
    return motion;
  } };
  // A voice whose frame is set by hand; its code is 100 + the frame's number.
  window.voice = {
    state: "speaking", frame: 0, row: (i) => (i < 40 ? Float32Array.of(100 + i) : null),
    moodAt: (i) => (i < 20 ? null : [0.5, 0.25]),
  };
  window.walk = (from, to) => {
    for (let f = from; f < to; f += 0.5) {
      voice.frame = f;
      at(0);
    }
    voice.frame = to;
    return at(0);
  };
  window.actor = new Actor(life);
  window.at = (ms) => Array.from(actor.motion(ms));
}"""


@pytest.fixture
def page(browser):
    opened = browser.new_context().new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))

    def answer(route) -> None:
        script = route.request.url.endswith("actor.js")
        kind, body = ("text/javascript", live_script("actor")) if script else ("text/html", "<!doctype html>")
        route.fulfill(status=200, content_type=kind, body=body)

    opened.route("**/*", answer)
    opened.goto(ADDRESS)
    opened.evaluate(_SET)
    yield opened
    opened.context.close()
    assert errors == []


def test_a_silent_face_lives_25_times_a_second_by_the_clock_of_the_page(page):
    steps = page.evaluate("[0, 16, 33, 50, 66, 83, 100, 400].map((ms) => (at(ms), life.steps.length))")
    # One frame to begin with; frame k is the one around (k + 1/2) * 40 ms. After a hitch four are made up for.
    assert steps == [1, 1, 2, 2, 3, 3, 4, 8]
    assert page.evaluate("life.steps.every((step) => step.row === null)")


def test_pictures_between_two_frames_of_motion_lie_between_them(page):
    page.evaluate("at(20)")
    first, middle, last = page.evaluate("[60, 80, 99.999].map((ms) => at(ms)[59])")
    assert middle == pytest.approx((first + last) / 2, abs=1e-3)
    assert last - first == pytest.approx(1, abs=1e-3)


def test_lips_are_those_of_the_sound_that_is_heard_now(page):
    page.evaluate("at(1000); actor.speak(voice); voice.frame = 0; at(1005)")
    # Frames 8, 9... so late that nothing of the silence before is mixed in.
    shown = page.evaluate("[8.5, 9, 9.5, 12.25].map((f) => walk(voice.frame, f)[0])")
    assert shown == pytest.approx([108, 108.5, 109, 111.75])


def test_a_new_mood_is_in_the_very_next_frame_of_motion(page):
    page.evaluate("at(0); at(40)")
    before = page.evaluate("life.steps.length")
    page.evaluate("actor.mood(0.8, -0.2)")
    moods = page.evaluate(f"(at(90), life.steps.slice({before}).map((step) => [step.v, step.a]))")
    assert moods
    assert all(mood == pytest.approx([0.8, -0.2]) for mood in moods)


def test_a_talk_with_moods_of_its_own_shows_them_until_somebody_sets_one(page):
    page.evaluate("actor.mood(-1, 0); at(0); actor.speak(voice)")
    mood = "life.steps.at(-1).v"
    assert page.evaluate(f"(walk(0, 10), {mood})") == -1
    assert page.evaluate(f"(walk(10, 25), {mood})") == 0.5
    page.evaluate("actor.mood(-1, 0)")  # said again, not changed
    assert page.evaluate(f"(walk(25, 27), {mood})") == 0.5
    page.evaluate("actor.mood(0.9, 0)")
    assert page.evaluate(f"(walk(27, 29), {mood})") == pytest.approx(0.9)


def test_expressiveness_makes_the_set_mood_more_or_less_within_the_square(page):
    page.evaluate("actor.mood(0.6, -0.4); actor.expressiveness = 2; at(0)")
    assert page.evaluate("[life.steps[0].v, life.steps[0].a]") == pytest.approx([1, -0.8])


def test_life_is_told_whenever_another_mouth_takes_over(page):
    assert page.evaluate("at(0); at(40); life.changes") == 1
    page.evaluate("actor.speak(voice); walk(0, 10)")
    assert page.evaluate("life.changes") == 2
    page.evaluate("actor.speak({ ...voice, frame: 3 }); at(800)")  # interrupts
    assert page.evaluate("life.changes") == 3
    page.evaluate("actor.hush(); at(1200); at(1240)")
    assert page.evaluate("life.changes") == 4
    assert page.evaluate("life.steps.at(-1).row") is None


def test_a_voice_that_waits_leaves_the_face_alive(page):
    page.evaluate("at(0); voice.state = 'waiting'; actor.speak(voice)")
    before = page.evaluate("life.steps.length")
    page.evaluate("at(200)")
    assert page.evaluate("life.steps.length") > before
    assert page.evaluate("life.steps.at(-1).row") is None
