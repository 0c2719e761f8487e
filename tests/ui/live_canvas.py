"""A live face in a real browser, as arrays: what tests and benchmarks compare with the Python renderer."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from emotalk.ui.live_script import live_script

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = "http://localhost/"
SOFTWARE_WEBGL = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""Switches of a Chromium that draws WebGL2 on any machine."""
_PAGE = '<!doctype html><meta charset="utf-8"><canvas id="face"></canvas>'
_OPEN = """async () => {
    const live = await import("/live.js"), canvas = document.getElementById("face");
    const bytes = await (await fetch("/pack")).arrayBuffer();
    window.live = live;
    window.face = new live.LiveFace(canvas, bytes, { software: true });
}"""
_DRAW = """({ row, size, view, background, stale }) => {
    const { face } = window, { gl } = face, started = performance.now();
    if (size !== face.size) face.resize(size);
    face.look(view);
    face.setBackground(background);
    face.sorting.last = Infinity; // nothing is sorted unless asked for
    if (!face.draw(row, 0, stale ? 0 : null)) return null;
    face.sorting.last = -Infinity;
    const p = new Uint8Array(4 * size * size);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(0, 0, size, size, gl.RGBA, gl.UNSIGNED_BYTE, p);
    const spent = performance.now() - started;
    let text = "";
    for (let i = 0; i < p.length; i += 8192) text += String.fromCharCode(...p.subarray(i, i + 8192));
    return { pixels: btoa(text), mark: face.markArea, spent };
}"""


class LiveCanvas:
    """A page with one live face on it."""

    def __init__(self, page: Any, pack: bytes) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        answers = {
            "": ("text/html", _PAGE.encode()),
            "live.js": ("text/javascript", live_script().encode()),
            "pack": ("application/octet-stream", pack),
        }

        def answer(route: Any) -> None:
            kind, body = answers.get(route.request.url.removeprefix(ADDRESS), ("text/plain", b""))
            route.fulfill(status=200, content_type=kind, body=body)

        page.route("**/*", answer)
        page.goto(ADDRESS)
        page.evaluate(_OPEN)

    def draw(
        self,
        row: np.ndarray,  # [65]
        size: int = 512,
        background: list[float] | None = None,
        stale: bool = False,
        **view: float,
    ) -> np.ndarray:
        """The canvas [size, size, 3] uint8 after this frame, seen from yaw, pitch (radians) and zoom; `stale` draws it
        in the order of the frame before."""
        view = {"yaw": 0.0, "pitch": 0.0, "zoom": 1.25} | view
        self.last = self.page.evaluate(
            _DRAW,
            {"row": [float(x) for x in row], "size": size, "view": view, "background": background, "stale": stale},
        )
        pixels = np.frombuffer(base64.b64decode(self.last["pixels"]), np.uint8).reshape(size, size, 4)
        return pixels[::-1, :, :3].copy()

    def without_mark(self, picture: np.ndarray) -> np.ndarray:
        """Which pixels [H, W] (bool) of the last drawn `picture` [H, W, 3] are not under the mark."""
        left, top, width, height = (int(x) for x in self.last["mark"])
        free = np.ones(picture.shape[:2], bool)
        free[top : top + height, left : left + width] = False
        return free


@contextmanager
def software_browser(executable: str) -> Iterator[Any]:
    """A Chromium that can draw WebGL2 without a graphics processor."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=executable, args=SOFTWARE_WEBGL)
        yield opened
        opened.close()
