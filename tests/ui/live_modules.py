"""Modules of the live face in a real browser without a face to draw: what tests compare with the Python modules."""

from __future__ import annotations

from typing import Any

from emotalk.ui.live_script import live_script

ADDRESS = "http://localhost/"
_OPEN = """async (names) => {
    window.live = Object.assign({}, ...await Promise.all(names.map((name) => import(`/${name}.js`))));
    if (live.readPack) window.pack = live.readPack(await (await fetch("/pack")).arrayBuffer());
}"""


class LiveModules:
    """A blank page with `live`, all that the named modules export, and `pack`, where `pack` is one of them."""

    def __init__(self, page: Any, *names: str, pack: bytes = b"") -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        answers = {f"{name}.js": ("text/javascript", live_script(name).encode()) for name in names}
        answers |= {"": ("text/html", b"<!doctype html>"), "pack": ("application/octet-stream", pack)}

        def answer(route: Any) -> None:
            kind, body = answers.get(route.request.url.removeprefix(ADDRESS), ("text/plain", b""))
            route.fulfill(status=200, content_type=kind, body=body)

        page.route("**/*", answer)
        page.goto(ADDRESS)
        page.evaluate(_OPEN, list(names))

    def run(self, script: str, argument: object = None) -> Any:
        """What a function of the page gives for an argument, both as JSON."""
        return self.page.evaluate(script, argument)
