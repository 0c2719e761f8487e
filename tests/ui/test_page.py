"""The page in a real browser, with drawn faces: every control does something, and nothing gets lost."""

import itertools
import json
import re
import time
from pathlib import Path

import pytest

from emotalk.emotion import nearest_emotions
from emotalk.emotion.prototypes import PROTOTYPES
from emotalk.talk import Colour, Transparent
from emotalk.talk.request import TalkRequest
from emotalk.ui.controls import STARTERS
from tests.ui.browsing import TOAST, box_of, dismiss_toasts, expect, expect_toast, wait_until_open
from tests.ui.drawn_studio import DrawnStudio

pytestmark = pytest.mark.slow
IDLE = "() => !document.body.classList.contains('emotalk-busy')"
FINE = ("Valence", "Arousal", "Expressiveness", "Head motion")
STATE = "document.querySelector('.stage').dataset.state"
WORDS = """() => [...document.querySelectorAll('#mood-pad .names span')].map((word) => {
  const range = document.createRange();
  range.selectNodeContents(word);
  const box = range.getBoundingClientRect();
  return [word.textContent, box.left, box.top, box.right, box.bottom];
})"""


def slider(page, label: str):
    return page.get_by_label(f"number input for {label}")


def set_slider(page, label: str, value: float) -> None:
    box = slider(page, label)
    if label in FINE and not box.is_visible():
        page.click("#fine-tune")
    box.fill(str(value))
    box.press("Enter")
    box.blur()


def still(page) -> str:
    return page.locator("#stage .face").get_attribute("src")


def wait_for_new_still(page, old: str) -> str:
    page.wait_for_function("(old) => document.querySelector('#stage .face').src !== old", arg=old)
    return still(page)


def settle(page) -> None:
    """Two animation frames: what was put into the page is painted, so a person could see and use it."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def open_section(page, title: str) -> None:
    """Open a section and wait until its controls are painted.

    Gradio puts them into the page when the section opens and writes their first values before the next paint; whoever
    is faster than a frame, as only a program is, has its value overwritten.
    """
    header = page.get_by_role("button", name=title)
    header.click()
    header.locator("xpath=..").locator("input, .track").first.wait_for()
    settle(page)


def wait_for_mood(page, valence: float, arousal: float) -> None:
    """The pad says this mood; the timeline, which hears of it together with the pad, knows it too."""
    page.wait_for_function(
        "(end) => document.querySelector('.pad').getAttribute('aria-valuetext').endsWith(end)",
        arg=f"valence {valence:.2f}, arousal {arousal:.2f}",
    )
    settle(page)


def wait_until_playing(page, after: float = 0.1) -> None:
    page.wait_for_function(f"() => document.querySelector('#stage video').currentTime > {after}")


def wait_until_at_work(page) -> None:
    expect(page.locator("#status")).to_contain_text("s of video are made")


def generate(page, drawn: DrawnStudio) -> TalkRequest:
    """Press Generate, wait for the finished clip, and return what the studio was asked for."""
    count = len(drawn.requests)
    page.click("#generate")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    page.wait_for_function(IDLE)
    assert len(drawn.requests) == count + 1
    return drawn.requests[-1]


def test_the_pad_names_the_mood_moves_the_sliders_and_changes_the_face(page) -> None:
    old = still(page)
    box = box_of(page.locator("#mood-pad .pad"))
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.2 * box["height"], steps=5)
    page.mouse.up()
    wait_for_new_still(page, old)
    # The picture may be of a moment of the drag; the sliders follow to its end.
    near = "([box, wanted]) => Math.abs(Number(box.value) - wanted) < 0.03"
    for label, wanted in (("Valence", -0.8), ("Arousal", 0.6)):
        page.wait_for_function(near, arg=[slider(page, label).element_handle(), wanted])
    expect(page.locator("#mood-pad .name")).to_contain_text("angry")


@pytest.mark.parametrize(("width", "apart"), [(1280, 4), (390, 4), (320, 0.5)])
def test_no_word_on_the_pad_touches_another_or_the_edge(browser, served: str, width: int, apart: float) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    tab = context.new_page()
    tab.goto(served)
    wait_until_open(tab)
    pad = box_of(tab.locator("#mood-pad .pad"))
    words = {name: box for name, *box in tab.evaluate(WORDS)}
    assert set(words) == set(PROTOTYPES)
    for left, top, right, bottom in words.values():
        assert pad["x"] < left < right < pad["x"] + pad["width"]
        assert pad["y"] < top < bottom < pad["y"] + pad["height"]
    for (one, a), (other, b) in itertools.combinations(words.items(), 2):
        across, down = (max(a[i], b[i]) - min(a[i + 2], b[i + 2]) for i in (0, 1))
        assert max(across, down) >= apart, (one, other)
    context.close()


def test_no_word_on_the_pad_is_cut_in_two_by_the_knob(page) -> None:
    pad = box_of(page.locator("#mood-pad .pad"))
    hidden = "() => [...document.querySelectorAll('#mood-pad .behind')].map((word) => word.textContent)"
    for name, left, top, right, bottom in page.evaluate(WORDS):
        page.mouse.click((left + right) / 2, (top + bottom) / 2)
        page.wait_for_function(f"(name) => ({hidden})().includes(name)", arg=name)
    page.mouse.click(pad["x"] + pad["width"] / 2, pad["y"] + pad["height"] / 2)
    page.wait_for_function(f"() => !({hidden})().length")


def test_the_sliders_move_the_pad(page) -> None:
    set_slider(page, "Valence", -0.6)
    set_slider(page, "Arousal", -0.4)
    wait_for_mood(page, -0.6, -0.4)
    said = page.locator("#mood-pad .pad").get_attribute("aria-valuetext")
    assert said.endswith("valence -0.60, arousal -0.40")
    assert nearest_emotions(-0.6, -0.4)[0][0] in said


def test_the_pad_works_from_the_keyboard_and_is_described_to_screen_readers(page) -> None:
    pad = page.get_by_role("slider", name=re.compile("Mood"))
    pad.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowUp")
    wait_for_mood(page, 0.5, 0.05)
    assert pad.get_attribute("aria-valuetext").endswith("valence 0.50, arousal 0.05")
    page.wait_for_function("() => [...document.querySelectorAll('#fine input[type=number]')][0].value == 0.5")


def test_the_browsers_names_are_those_of_the_package(page) -> None:
    points = [(v / 4, a / 4) for v in range(-4, 5, 2) for a in range(-4, 5, 2)]
    for valence, arousal in points:
        set_slider(page, "Valence", valence)
        set_slider(page, "Arousal", arousal)
        wait_for_mood(page, valence, arousal)
        expect(page.locator("#mood-pad .name")).to_contain_text(nearest_emotions(valence, arousal)[0][0])


def test_generate_plays_with_sound_while_it_works_and_offers_both_files(page, drawn: DrawnStudio, tmp_path) -> None:
    drawn.frame_seconds, drawn.frames = 0.05, 250  # it is at work until the page was looked at
    try:
        page.click("#generate")
        wait_until_playing(page)
        assert drawn.running == 1
        assert page.locator("#status").inner_text().count("made in") == 0  # still at work
        assert "/live/" in page.evaluate("document.querySelector('#stage video').src")
    finally:
        drawn.frame_seconds, drawn.frames = 0.0, 75
    page.wait_for_function(f"() => {STATE} === 'ready'")
    # The finished file, which can be scrubbed, takes the place of the growing one.
    page.wait_for_function("() => document.querySelector('#stage video').src.includes('/clip/')")
    page.wait_for_function("() => document.querySelector('#stage video').readyState >= 1")
    assert page.evaluate("document.querySelector('#stage video').duration") == pytest.approx(10.0, abs=0.1)
    page.locator("#stage .replay").click()
    page.wait_for_function("() => document.querySelector('#stage video').webkitAudioDecodedByteCount > 0")
    saved = saved_as(page, "#save-video", tmp_path)
    assert (saved.name, saved.read_bytes()[4:8]) == (f"{drawn.requests[-1].file_name}.mp4", b"ftyp")


def saved_as(page, button: str, folder: Path) -> Path:
    """What the browser saves when this is pressed, under the name that it would have."""
    with page.expect_download() as waiting:
        page.locator(button).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_a_finished_video_can_be_saved_as_captions_sound_picture_loop_and_motion(
    page, drawn: DrawnStudio, tmp_path: Path
) -> None:
    generate(page, drawn)
    page.locator(".more summary").click()
    kinds = page.locator(".more a").evaluate_all("(all) => all.map((link) => link.dataset.kind)")
    assert kinds == ["m4a", "wav", "srt", "vtt", "png", "gif", "webp", "csv"]
    page.keyboard.press("Escape")
    expect(page.locator(".more ul")).to_be_hidden()
    for kind, start in (("srt", b"1\n00:00:00,100 --> "), ("gif", b"GIF8"), ("csv", b"Timecode")):
        page.locator(".more summary").click()
        saved = saved_as(page, f".more a[data-kind={kind}]", tmp_path)
        assert saved.name == f"{drawn.requests[-1].file_name}.{kind}"
        assert saved.read_bytes().startswith(start)


def test_share_hands_the_file_to_the_share_sheet(page, drawn: DrawnStudio) -> None:
    page.evaluate(
        "() => { navigator.canShare = () => true;"
        " navigator.share = async ({files}) => { window.shared = [files[0].name, files[0].type, files[0].size]; }; }"
    )
    generate(page, drawn)
    page.locator(".share", has_text="Share").click()
    expect(page.locator("#saves .told")).to_have_text("Shared.")
    name, kind, size = page.evaluate("window.shared")
    assert (name, kind) == (f"{drawn.requests[-1].file_name}.mp4", "video/mp4")
    assert size > 1000
    # A sheet that is closed is no failure, one that is forbidden saves the file.
    page.evaluate("() => { navigator.share = async () => { throw new DOMException('', 'AbortError'); }; }")
    page.locator(".share").click()
    expect(page.locator("#saves .told")).to_have_text("")
    page.evaluate("() => { navigator.share = async () => { throw new DOMException('', 'NotAllowedError'); }; }")
    with page.expect_download():
        page.locator(".share").click()
    expect(page.locator("#saves .told")).to_contain_text("saved instead")


def test_without_a_share_sheet_the_link_is_copied(page, drawn: DrawnStudio) -> None:
    page.evaluate("() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; }")
    generate(page, drawn)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#saves .told")).to_contain_text("on this computer")
    assert page.request.get(page.evaluate("window.copied")).headers["content-type"] == "video/mp4"


def test_a_transparent_video_is_told_made_and_shown(page, drawn: DrawnStudio, tmp_path: Path) -> None:
    open_section(page, "Video and background")
    page.get_by_label("Transparent").check()
    expect(page.locator("#video-note")).to_contain_text("the video is a .webm")
    expect(page.locator("#stage .face")).to_have_attribute("src", re.compile("^data:image/webp"))
    expect(page.locator("#stage .stage")).to_have_class(re.compile("clear"))
    assert isinstance(generate(page, drawn).look.background, Transparent)
    wait_until_playing(page)
    assert saved_as(page, "#save-video", tmp_path).suffix == ".webm"
    page.get_by_label("The avatar's own").check()
    expect(page.locator("#video-note")).to_have_text("")


def test_what_a_choice_leads_to_is_said(page) -> None:
    open_section(page, "Video and background")
    page.get_by_label("Blurred").check()
    expect(page.locator("#video-note")).to_contain_text("A picture is blurred")
    expect(page.get_by_text("Background picture")).to_be_visible()
    page.get_by_label("1024").check()
    expect(page.locator("#video-note")).to_contain_text("four times as long")
    page.get_by_label("Word by word").check()
    page.get_by_label("Audio", exact=True).check()
    expect(page.locator("#video-note")).to_contain_text("where you say what is said in it")


def test_the_picture_shows_the_captions_that_are_chosen(page, drawn: DrawnStudio) -> None:
    open_section(page, "Video and background")
    page.get_by_label("Highlighted").check()
    wait_for(lambda: drawn.looks[-1].captions == "highlight")


def test_every_control_reaches_the_request(page, drawn: DrawnStudio) -> None:
    page.get_by_role("radio", name="Kofi").click()
    page.locator("#say textarea").fill("Something else.")
    set_slider(page, "Valence", -0.3)
    open_section(page, "Camera")
    open_section(page, "Video and background")
    for label, value in (
        ("Camera left/right (degrees)", 20), ("Camera down/up (degrees)", 10), ("Zoom", 1.3), ("Head motion", 0.5),
        ("Expressiveness", 1.5),
    ):  # fmt: skip
        set_slider(page, label, value)
    page.get_by_label("Cutting in").check()
    page.get_by_label("At you", exact=True).check()
    page.get_by_label("16:9").check()
    page.get_by_label("Lines").check()
    page.get_by_label("256").check()
    page.get_by_label("Seed").fill("7")
    page.get_by_label("A colour").check()
    page.get_by_label("Follow the voice").check()
    settle(page)
    request = generate(page, drawn)
    assert (request.avatar, request.text, request.seed) == ("kofi", "Something else.", 7)
    assert (request.head_motion, request.expressiveness, request.emotion) == (0.5, 1.5, "auto")
    assert request.valence_in_auto == -0.3
    look = request.look
    assert (look.size, look.yaw, look.pitch, look.zoom, look.background) == (256, 20, 10, 1.3, Colour.parse("#cfe3f2"))
    assert (look.shape, look.captions, look.shot, look.gaze) == ("16:9", "lines", "cut-in", "camera")


def test_a_point_to_look_at_is_chosen_with_the_pointer_or_the_keyboard(page, drawn: DrawnStudio) -> None:
    open_section(page, "Camera")
    page.get_by_label("At a point").check()
    field = page.get_by_role("slider", name="The point to look at")
    box = box_of(field)
    old = still(page)
    field.click(position={"x": 0.9 * box["width"], "y": 0.75 * box["height"]})
    expect(field).to_have_attribute("aria-valuetext", "28\u00b0 to the right, 10\u00b0 down")
    wait_for_new_still(page, old)
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    expect(field).to_have_attribute("aria-valuetext", "22\u00b0 to the right, 9\u00b0 down")
    settle(page)
    assert generate(page, drawn).look.gaze == (22.0, -9.0)
    page.get_by_label("Aside", exact=True).check()
    expect(field).to_be_hidden()
    settle(page)
    assert generate(page, drawn).look.gaze == "aside"


@pytest.mark.parametrize(
    ("label", "value"), [("Camera left/right (degrees)", 30), ("Zoom", 1.6), ("Expressiveness", 0.1)]
)
def test_camera_and_expression_controls_change_the_face_at_once(page, label: str, value: float) -> None:
    old = still(page)
    open_section(page, "Camera")
    set_slider(page, label, value)
    assert wait_for_new_still(page, old) != old


def test_the_mark_can_be_moved_and_the_background_coloured(page) -> None:
    open_section(page, "Video and background")
    old = still(page)
    page.get_by_label("A colour").check()
    second = wait_for_new_still(page, old)
    page.get_by_label('"AI generated" mark').click()
    page.get_by_role("option", name="top-left").click()
    assert wait_for_new_still(page, second) not in (old, second)


def test_key_frames_are_added_removed_and_used(page, drawn: DrawnStudio) -> None:
    open_section(page, "Mood over time")
    set_slider(page, "Valence", -0.8)
    wait_for_mood(page, -0.8, 0.3)
    track = page.locator("#timeline .track")
    box = box_of(track)
    page.mouse.click(box["x"] + 1, box["y"] + 15)
    set_slider(page, "Valence", 0.8)
    wait_for_mood(page, 0.8, 0.3)
    page.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 15)
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 15)
    expect(page.locator("#timeline .chips button")).to_have_count(3)
    page.locator("#timeline .chips button").last.click()
    expect(page.locator("#timeline .chips button")).to_have_count(2)
    curve = generate(page, drawn).emotion
    assert curve.times == pytest.approx((0.0, 2.0), abs=0.15)
    assert [v for v, _ in curve.values] == pytest.approx([-0.8, 0.8])


def test_key_frames_are_dragged_steered_by_the_pad_and_moved_by_keys(page, drawn: DrawnStudio) -> None:
    open_section(page, "Mood over time")
    page.locator("#timeline .track").scroll_into_view_if_needed()
    box = box_of(page.locator("#timeline .ramp"))

    def at(share: float) -> tuple[float, float]:
        return box["x"] + share * box["width"], box["y"] + 7

    page.mouse.click(*at(0.0))
    page.mouse.click(*at(0.3))
    dots = page.locator("#timeline .dots button")
    expect(dots).to_have_count(2)
    page.mouse.move(*at(0.3))
    page.mouse.down()
    page.mouse.move(*at(0.5), steps=5)
    page.mouse.up()
    expect(dots).to_have_count(2)  # it moved, and is no third one
    expect(dots.last).to_have_attribute("data-second", "5")
    page.mouse.click(*at(0.5))
    expect(dots.last).to_have_attribute("aria-pressed", "true")
    set_slider(page, "Valence", -0.8)
    expect(page.locator("#timeline .chips button").last).to_contain_text("-0.8")
    expect(page.locator("#timeline .chips button").first).to_contain_text("+0.6")
    dots.last.focus()
    page.keyboard.press("ArrowRight")
    expect(dots.last).to_have_attribute("data-second", "5.1")
    assert generate(page, drawn).emotion.times == pytest.approx((0.0, 5.1))
    dots.last.focus()
    page.keyboard.press("Delete")
    expect(dots).to_have_count(1)


def test_that_key_frames_are_not_used_is_said(page) -> None:
    open_section(page, "Mood over time")
    page.locator("#timeline .track").press("Enter")
    expect(page.locator("#timeline .unused")).to_be_hidden()
    page.get_by_label("Follow the voice").check()
    expect(page.locator("#timeline .unused")).to_be_visible()


def test_moods_that_the_text_set_are_shown_on_the_timeline_and_leave_the_key_frames_alone(
    page, drawn: DrawnStudio
) -> None:
    open_section(page, "Mood over time")
    track = page.locator("#timeline .track")
    box = box_of(track)
    page.mouse.click(box["x"] + 1, box["y"] + 15)
    page.locator("#say textarea").fill("[happy] Good morning. [sad] Nobody came.")
    request = generate(page, drawn)
    assert len(request.emotion.times) == 1
    told = page.locator("#timeline .chips span")
    expect(told).to_have_text(["0.5 s  +0.8 / +0.4  in the text", "1.5 s  -0.7 / -0.4  in the text"])
    expect(page.locator("#timeline .strip")).to_be_visible()
    expect(page.locator("#timeline .chips button")).to_have_count(1)
    page.locator("#say textarea").fill("Good morning.")
    assert generate(page, drawn).emotion.times == request.emotion.times
    expect(told).to_have_count(0)
    expect(page.locator("#timeline .strip")).to_be_hidden()


def test_a_ready_made_line_fills_in_text_and_mood_and_runs(page, drawn: DrawnStudio) -> None:
    count = len(drawn.requests)
    page.get_by_role("button", name="Nobody came").click()
    wait_until_playing(page)
    assert len(drawn.requests) == count + 1
    assert "nobody came" in drawn.requests[-1].text
    assert drawn.requests[-1].emotion.values[0][0] < -0.5
    expect(page.locator("#say textarea")).to_have_value(re.compile("nobody came"))


def test_surprise_me_picks_another_face_and_a_line_and_runs(page, drawn: DrawnStudio) -> None:
    count = len(drawn.requests)
    page.click("#surprise")
    wait_until_playing(page)
    assert len(drawn.requests) == count + 1
    request = drawn.requests[-1]
    assert request.avatar != "mira"
    expect(page.get_by_role("radio", checked=True, name=re.compile(request.avatar, re.IGNORECASE))).to_have_count(1)
    text, valence, arousal = next(line for line in STARTERS.values() if line[0] == request.text)
    said = request.emotion.values[0]
    assert max(abs(said[0] - valence), abs(said[1] - arousal)) <= 0.16
    expect(page.locator("#say textarea")).to_have_value(text)


def test_directions_are_put_where_the_cursor_stands(page) -> None:
    area = page.locator("#say textarea")
    area.fill("I got the job.")
    area.evaluate("area => area.setSelectionRange(0, 0)")
    page.locator("#directions button", has_text="sad").click()
    page.wait_for_function("() => document.querySelector('#say textarea').value === '[sad] I got the job.'")
    area.evaluate("area => area.setSelectionRange(8, 11)")
    page.locator("#directions button", has_text="stress").click()
    page.wait_for_function("() => document.querySelector('#say textarea').value === '[sad] I *got* the job.'")


def test_a_voice_can_be_listened_to_in_the_mood_of_the_pad(page, drawn: DrawnStudio) -> None:
    page.click("#listen")
    page.wait_for_selector("#heard audio", state="attached")
    assert page.locator("#heard audio").get_attribute("src").startswith("data:audio/wav;base64,")
    face, voice, (valence, arousal) = drawn.samples[-1]
    assert (face, voice) == ("mira", None)
    assert valence > 0
    assert arousal > 0


def test_the_mood_sheet_appears(page) -> None:
    page.click("#sheet-button")
    page.wait_for_function("() => document.querySelector('#sheet img')?.naturalWidth === 320")


def test_stop_stops_and_the_page_is_ready_again(page, drawn: DrawnStudio) -> None:
    drawn.frame_seconds = 0.2
    try:
        before = drawn.cancelled
        page.click("#generate")
        wait_until_at_work(page)
        page.click("#stop")
        page.wait_for_function(IDLE)
        page.wait_for_function(f"() => {STATE} === 'still'")
        expect(page.locator("#status")).to_have_text("")
        wait_for(lambda: drawn.cancelled == before + 1)
    finally:
        drawn.frame_seconds = 0.0
    generate(page, drawn)


def test_who_presses_again_in_the_moment_of_the_stop_gets_the_next_talk(page, drawn: DrawnStudio) -> None:
    drawn.frame_seconds = 0.1
    try:
        for _ in range(4):
            count = len(drawn.requests)
            page.click("#generate")
            wait_until_at_work(page)
            page.evaluate("""() => new MutationObserver((_, observer) => {
                if (document.body.classList.contains("emotalk-busy")) return;
                observer.disconnect();
                document.querySelector("#generate").click();
            }).observe(document.body, { attributeFilter: ["class"] })""")
            page.click("#stop")
            wait_for(lambda asked=count + 2: len(drawn.requests) == asked)
            page.click("#stop")
            page.wait_for_function(IDLE)
            wait_for(lambda: drawn.running == 0)
    finally:
        drawn.frame_seconds = 0.0
    generate(page, drawn)


def test_a_second_press_is_no_second_talk(page, drawn: DrawnStudio) -> None:
    count = len(drawn.requests)
    page.evaluate("() => { for (let i = 0; i < 3; i++) document.querySelector('#generate').click(); }")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    generate(page, drawn)
    assert len(drawn.requests) == count + 2


def test_a_second_person_sees_their_place_in_line_and_may_leave_it(
    page, browser, served: str, drawn: DrawnStudio
) -> None:
    drawn.frame_seconds = 1.0
    try:
        page.click("#generate")
        wait_for(lambda: drawn.running == 1)
        count = len(drawn.requests)
        context = browser.new_context()
        second = context.new_page()
        second.goto(served)
        wait_until_open(second)
        second.click("#generate")
        second.get_by_text(re.compile("queue: 1/1")).wait_for()
        second.click("#stop")
        second.wait_for_function(IDLE)
        page.click("#stop")
        wait_for(lambda: drawn.running == 0)
        time.sleep(0.5)
        assert len(drawn.requests) == count  # the second talk was never begun
        context.close()
    finally:
        drawn.frame_seconds = 0.0


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_closing_the_tab_stops_its_talk_and_removes_its_files(browser, served: str, drawn: DrawnStudio, app) -> None:
    drawn.frame_seconds = 0.2
    try:
        before = drawn.cancelled
        folders = set(app.clips.folder.iterdir())
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(served)
        wait_until_open(tab)
        tab.click("#generate")
        wait_for(lambda: drawn.running == 1)
        assert len(set(app.clips.folder.iterdir()) - folders) == 1
        context.close()
        wait_for(lambda: drawn.cancelled == before + 1)
        wait_for(lambda: not set(app.clips.folder.iterdir()) - folders)
    finally:
        drawn.frame_seconds = 0.0


def test_an_empty_text_is_said_in_a_toast_every_time(page) -> None:
    page.locator("#say textarea").fill("   ")
    for _ in range(2):  # the same mistake again is answered again
        page.click("#generate")
        expect_toast(page, "There is nothing to say")
        page.wait_for_function(IDLE)
        assert page.locator("#status").inner_text() == ""  # the message is enough
        dismiss_toasts(page)


def test_enter_says_the_text_and_shift_and_enter_begin_a_line(page, drawn: DrawnStudio) -> None:
    text = page.locator("#say textarea")
    assert box_of(text)["height"] >= 60  # room for two lines, however short the text is
    text.fill("One.")
    text.press("Shift+Enter")
    page.keyboard.type("Two.")
    expect(text).to_have_value("One.\nTwo.")
    text.press("Enter")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    assert drawn.requests[-1].text.split() == ["One.", "Two."]
    expect(text).to_have_value("One.\nTwo.")


def test_who_waits_in_line_is_told_so_in_words(page, browser, served: str, drawn: DrawnStudio) -> None:
    drawn.frame_seconds = 0.2  # somebody else is at work until the page was looked at
    other = browser.new_page()
    try:
        other.goto(served)
        wait_until_open(other)
        other.click("#generate")
        expect(other.locator("#status")).to_contain_text("s of video")
        page.click("#generate")
        shown = "getComputedStyle(document.querySelector('#status .progress-text'), '::after').content"
        page.wait_for_function(f"() => document.querySelector('#status .progress-text') && /moment|line/.test({shown})")
        counter = page.locator("#status .progress-text")
        assert counter.evaluate("(counter) => getComputedStyle(counter).fontSize") == "0px"
    finally:
        drawn.frame_seconds = 0.0
        other.close()
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")


def test_in_the_dark_buttons_are_as_round_as_in_the_light(browser, served: str) -> None:
    looks = {}
    for scheme in ("light", "dark"):
        tab = browser.new_page(color_scheme=scheme)
        tab.goto(served)
        wait_until_open(tab)
        places = ("#listen", "#generate", "#stop", "#fine-tune", "#sheet-button", "#starters button")
        looks[scheme] = [
            tab.locator(place).first.evaluate("(button) => parseFloat(getComputedStyle(button).borderRadius)")
            for place in places
        ]
        tab.close()
    assert looks["dark"] == looks["light"]
    assert min(looks["dark"]) >= 10


def test_a_toast_shows_tags_as_text(page) -> None:
    page.locator("#say textarea").fill("<img src=x onerror=document.title='owned'>")
    page.click("#generate")
    expect_toast(page, "<img src=x")
    assert page.locator(TOAST).locator("img[src=x]").count() == 0
    assert page.title() == "emotalk"
    page.wait_for_function(IDLE)


def test_a_dark_phone_shows_everything_without_sideways_scrolling(browser, served: str, shots: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    tab = context.new_page()
    tab.goto(served)
    wait_until_open(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    face = box_of(tab.get_by_role("radio", checked=True, name="Mira"))
    assert 0 <= face["x"] <= 390 - face["width"]
    tab.locator("#mood-pad .pad").scroll_into_view_if_needed()
    box = box_of(tab.locator("#mood-pad .pad"))
    tab.locator("#mood-pad .pad").tap(position={"x": 0.25 * box["width"], "y": 0.75 * box["height"]})
    tab.wait_for_function("() => document.querySelector('.pad').getAttribute('aria-valuetext').includes('-0.5')")
    tab.screenshot(path=shots / "phone-dark.png", full_page=True)
    assert tab.locator("#generate").is_visible()
    context.close()


def test_eight_people_at_once_all_get_their_clip(served: str, drawn: DrawnStudio) -> None:
    from gradio_client import Client

    drawn.most_running = 0
    clients = [Client(served, verbose=False) for _ in range(8)]
    jobs = [client.submit(text=f"Person {i}.", api_name="/talk") for i, client in enumerate(clients)]
    places = set()
    while not all(job.done() for job in jobs):
        places |= {job.status().rank for job in jobs}
        time.sleep(0.02)
    for job in jobs:
        video, motion, remarks = job.result()
        assert Path(video).stat().st_size > 1000
        assert motion.endswith(".csv")
        assert remarks == ""
    assert drawn.most_running == 1  # two cores: one after the other
    assert places - {None}  # they were told their place


def test_the_api_lists_typed_endpoints_and_refuses_what_is_out_of_range(served: str) -> None:
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    client = Client(served, verbose=False)
    known = client.view_api(return_format="dict")["named_endpoints"]
    assert set(known) == {"/talk", "/stream", "/avatars", "/voices"}
    names = [parameter["parameter_name"] for parameter in known["/talk"]["parameters"]]
    assert names[:5] == ["text", "audio", "avatar", "valence", "arousal"]
    assert [entry["name"] for entry in client.predict(api_name="/avatars")] == ["mira", "kofi"]
    assert client.predict(api_name="/voices")[0]["id"] == "drawn:tone"
    refused = [
        ({"text": "Hi.", "valence": 3.0}, "in [-1, 1]"),
        ({"text": "Hi.", "arousal": float("1e9")}, "in [-1, 1]"),
        ({"text": "Hi.", "avatar": "../../secret"}, "no avatar"),
        ({"text": ""}, "nothing to say"),
        ({"text": "word " * 10_000}, "10,000 words"),
        ({"text": "Hi.", "size": 5000}, "size must lie between"),
        ({"text": "Hi.", "zoom": 0.0}, "zoom must lie between"),
        ({"text": "Hi.", "background": "/etc/passwd"}, "written #rrggbb"),
    ]
    for given, message in refused:
        with pytest.raises(AppError) as caught:
            client.predict(api_name="/talk", **given)
        assert message in str(caught.value)
        assert "&" not in str(caught.value)  # written for programs, not for a page


def test_clips_cannot_be_fetched_by_guessing(served: str) -> None:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    for path in ("emotalk/clip/guess.mp4", "emotalk/live/guess.mp4", "emotalk/clip/..%2f..%2fetc%2fpasswd.mp4"):
        with pytest.raises(HTTPError) as caught:
            urlopen(f"{served.rstrip('/')}/{path}")
        assert caught.value.code == 404


def test_the_endpoint_is_described_for_tools(served: str) -> None:
    from urllib.request import urlopen

    info = json.loads(urlopen(f"{served.rstrip('/')}/gradio_api/info").read())
    talk = info["named_endpoints"]["/talk"]
    assert "animated face" in talk["description"]
    assert all(parameter["python_type"]["type"] for parameter in talk["parameters"])
