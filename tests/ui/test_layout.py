"""What is seen without scrolling, at six sizes of screen, light and dark: face, faces, pad and the main button."""

import itertools
from collections.abc import Iterator

import pytest

from tests.ui.browsing import box_of, wait_until_open

pytestmark = pytest.mark.slow
SIZES = [(1366, 768), (1024, 768), (1280, 720), (1920, 1080), (768, 1024), (390, 844)]
MAIN = {"face": "#stage .stage", "faces": "#faces .faces", "pad": "#mood-pad .pad", "button": "#generate"}
DESKTOP = {"text": "#say textarea", "voice": "#voice", "stop": "#stop"}
Box = dict[str, float]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def sized(request: pytest.FixtureRequest, browser, served: str) -> Iterator:
    """The page as it opens on a screen of a size, every second one dark; its size."""
    width, height = request.param
    scheme = ("light", "dark")[SIZES.index(request.param) % 2]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(served)
    wait_until_open(tab)
    yield tab, width, height
    context.close()


def inside(box: Box, width: int, height: int) -> bool:
    """Whether a box lies on a screen of this size as a whole."""
    return (
        box["x"] >= -0.5 and box["x"] + box["width"] <= width + 0.5
        and box["y"] >= -0.5 and box["y"] + box["height"] <= height + 0.5
    )  # fmt: skip


def apart(one: Box, other: Box) -> bool:
    """Whether two boxes have no point in common (half a pixel aside)."""
    across = max(one["x"], other["x"]) - min(one["x"] + one["width"], other["x"] + other["width"])
    down = max(one["y"], other["y"]) - min(one["y"] + one["height"], other["y"] + other["height"])
    return max(across, down) >= -0.5


def test_the_main_parts_are_seen_together_and_nothing_covers_another(sized) -> None:
    tab, width, height = sized
    parts = MAIN | (DESKTOP if width > 640 else {})
    boxes = {name: box_of(tab.locator(place)) for name, place in parts.items()}
    assert {name for name, box in boxes.items() if not inside(box, width, height)} == set()
    assert [pair for pair in itertools.combinations(boxes, 2) if not apart(*(boxes[name] for name in pair))] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert min(boxes["face"]["width"], boxes["pad"]["width"]) >= 200


def test_nothing_jumps_while_the_pad_is_dragged(sized) -> None:
    tab, _, _ = sized
    places = (*MAIN.values(), "#fine-tune", "#say", "#starters")
    before = [box_of(tab.locator(place)) for place in places]
    pad = box_of(tab.locator("#mood-pad .pad"))
    tab.mouse.move(pad["x"] + 0.5 * pad["width"], pad["y"] + 0.5 * pad["height"])
    tab.mouse.down()
    for x, y in ((0.05, 0.1), (0.3, 0.05), (0.95, 0.5), (0.5, 0.95), (0.1, 0.7)):
        tab.mouse.move(pad["x"] + x * pad["width"], pad["y"] + y * pad["height"], steps=2)
        for place, was in zip(places, before, strict=True):
            now = box_of(tab.locator(place))
            assert max(abs(now[side] - was[side]) for side in was) <= 2, (place, x, y)
    tab.mouse.up()


def test_no_ready_made_line_stands_alone_or_is_cut(sized) -> None:
    tab, _, _ = sized
    buttons = tab.locator("#starters button")
    # All in one look, and as often as it takes: a page that is being put up moves them one by one.
    tab.wait_for_function(
        """() => {
            const buttons = [...document.querySelectorAll("#starters button")];
            const rows = buttons.map((button) => Math.round(button.getBoundingClientRect().y));
            return rows.length > 1 && rows.every((row) => rows.filter((other) => other === row).length >= 2);
        }"""
    )
    cut = (
        "(all) => all.filter((button) => button.scrollWidth > button.clientWidth + 1).map((button) => button.innerText)"
    )
    assert buttons.evaluate_all(cut) == []


def test_on_a_phone_the_face_stays_in_sight_and_the_button_in_reach(browser, served: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    tab = context.new_page()
    tab.goto(served)
    wait_until_open(tab)
    for place in ("#say", "#sheet-button"):
        tab.locator(place).scroll_into_view_if_needed()
        assert inside(box_of(tab.locator("#stage .stage")), 390, 844), place
        assert inside(box_of(tab.locator("#generate")), 390, 844), place
    # The last control can be scrolled clear of the bar of buttons.
    tab.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    assert apart(box_of(tab.locator("#sheet-button")), box_of(tab.locator("#generate-row")))
    context.close()
