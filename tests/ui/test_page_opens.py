"""The quick look at the page that is made between edits; test_page.py looks at all of it."""

from __future__ import annotations


def test_the_page_opens_and_its_pad_answers_the_keyboard(page) -> None:
    pad = page.locator("#mood-pad .pad")
    before = pad.get_attribute("aria-valuetext")
    pad.focus()
    page.keyboard.press("ArrowRight")
    changed = "(before) => document.querySelector('#mood-pad .pad').getAttribute('aria-valuetext') !== before"
    page.wait_for_function(changed, arg=before)
