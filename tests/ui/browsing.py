"""What a person does without thinking: wait until the page is there, see where a thing stands."""

from __future__ import annotations


def wait_until_open(tab) -> None:
    """The face is drawn, the pad is there, and the row of faces has been told by the server."""
    tab.wait_for_selector("#stage .face[src]")
    tab.wait_for_selector("#mood-pad .knob")
    tab.get_by_role("radio", checked=True).first.wait_for()


def box_of(locator) -> dict[str, float]:
    """Where it stands on the screen: x, y, width, height. The page may be putting it up anew at this moment."""
    for _ in range(100):
        locator.wait_for()
        box = locator.bounding_box()
        if box is not None:
            return box
        locator.page.wait_for_timeout(50)
    raise AssertionError(f"{locator} has no place on the page")
