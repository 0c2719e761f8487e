"""What a person does without thinking: wait until the page is there, look until it says what it should.

A page changes when its server's message has come, not when a test happens to look; so nothing that follows a message is
read once, it is looked at until it is right.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
TOAST = "[data-testid=toast-body]"
COMPLAINTS = ("error", "assert")
"""Kinds of lines in a browser's console that say that something is wrong (Gradio warns of itself at the end of every
stream)."""
LEAVING = ("AbortError", "Connection errored out")
"""What Gradio says in the console when a page is left, or loaded anew, with something under way."""


def expect(locator):
    """Playwright's assertions about a place on the page; they look again until they hold, or fail after 30 s."""
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    return expect(locator)


def expect_toast(tab, words: str) -> None:
    """A message that says these words comes up."""
    expect(tab.locator(TOAST).filter(has_text=words).first).to_be_visible()


def dismiss_toasts(tab) -> None:
    """Close the messages that are up, so that the next one is a new one."""
    tab.evaluate("document.querySelectorAll('[data-testid=toast-close]').forEach((button) => button.click())")
    expect(tab.locator(TOAST)).to_have_count(0)


# Whether anything lies over the middle of the pad.
VEILED = """() => {
  const pad = document.querySelector('#mood-pad .pad');
  const { left, top, width, height } = pad.getBoundingClientRect();
  const there = document.elementsFromPoint(left + width / 2, top + height / 2);
  return there.includes(pad) && !pad.contains(there[0]);
}"""


def wait_until_open(tab) -> None:
    """The face is drawn, the pad is there, the row of faces has been told by the server, and Gradio's veil over the
    opening page, which takes every click, is gone."""
    tab.wait_for_selector("#stage .face[src]")
    tab.wait_for_selector("#mood-pad .knob")
    tab.get_by_role("radio", checked=True).first.wait_for()
    tab.wait_for_function(f"() => !({VEILED})()")


@contextmanager
def watched(tab, served: str) -> Iterator[None]:
    """Fails at the end on any script error of a tab, any complaint in its console and any call to another host than
    the one at the address `served`."""
    errors: list[str] = []
    outside: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))

    def heard(told) -> None:
        if told.type in COMPLAINTS and not any(words in told.text for words in LEAVING):
            errors.append(f"{told.text} {told.location}")

    tab.on("console", heard)
    tab.on(
        "request",
        lambda request: outside.append(request.url) if not request.url.startswith((served, "data:", "blob:")) else None,
    )
    yield
    assert errors == [], errors
    assert outside == [], outside


def box_of(locator) -> dict[str, float]:
    """Where it stands on the screen: x, y, width, height. The page may be putting it up anew at this moment."""
    for _ in range(100):
        locator.wait_for()
        box = locator.bounding_box()
        if box is not None:
            return box
        locator.page.wait_for_timeout(50)
    raise AssertionError(f"{locator} has no place on the page")


def free_port() -> int:
    """A port on this machine that nobody listens on, as the system gives it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def running_app(folder: Path, **settings: str) -> Iterator[str]:
    """The address of a running `python app.py` without a network, its files in `folder`; nothing that it writes may be
    a traceback."""
    port = free_port()
    settings |= {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "HF_HUB_OFFLINE": "1",
    }
    log = folder / "app.txt"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=file, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(1500):  # five minutes and more: a guard against hanging, no verdict
            try:
                urlopen(url, timeout=60).read()
                break
            except (URLError, OSError):
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
        else:
            raise AssertionError(log.read_text())
        yield url
    finally:
        process.terminate()
        process.wait(120)
    assert "Traceback" not in log.read_text(), log.read_text()
