"""What the page shows of an avatar that is being made: the picture's part, the report on the photo or video."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

if TYPE_CHECKING:
    from emotalk.create.news import FitNews


def view_of(news: FitNews, shown: FitNews | None) -> dict[str, Any]:
    """The value of the picture's part (`parts.fit`); a picture is sent only where it is another than in `shown`."""
    value = {
        "state": "working",
        "note": news.stage,
        "detail": _detail(news),
        "share": news.share,
        "curve": [[round(at, 1), round(level, 2)] for at, level in news.curve],
        "axis": f"likeness: {likeness(news.psnr)}" if news.psnr is not None else "",
    }
    if news.preview and (shown is None or shown.preview != news.preview):
        value["preview"] = news.preview
    return value


def likeness(psnr: float) -> str:
    """A word for how alike pictures of the avatar and of the person are (dB). Fits of the benchmark's clips
    (benchmarks/results/personalize.md) begin rough and end close or very close."""
    words = ((20.0, "rough"), (24.0, "fair"), (28.0, "close"))
    return next((word for most, word in words if psnr < most), "very close")


def report_of(news: FitNews, shown: FitNews | None, source: str) -> Any:
    """HTML of what tracking says of the `source` ("photo" or "video"), with its picture; unchanged most of the time."""
    if not news.verdict or (shown is not None and shown.overlay == news.overlay):
        return gr.skip()
    signs = {"good": f"Good {source}", "usable": f"Usable {source}", "poor": f"Poor {source}"}
    told = {
        "photo": "What was found on the photo",
        "video": "What was tracked, on three frames of the video",
    }
    lines = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in news.quality)
    return (
        f'<div class="verdict {html.escape(news.verdict)} {source}"><b>{signs.get(news.verdict, source.title())}</b>'
        f'<img src="{news.overlay}" alt="{told[source]}"><ul>{lines}</ul></div>'
    )


def choice_of(faces: tuple[str, ...]) -> tuple[str, list[dict[str, str]]]:
    """The line above a row of faces to choose from, and the row's `people`; both empty where there is no choice."""
    people = [
        {"name": str(number), "title": str(number), "about": f"Face {number} from the left", "picture": picture}
        for number, picture in enumerate(faces, 1)
    ]
    if not people:
        return "", []
    line = f"<b>There are {len(people)} people in the photo.</b> Press the face that the avatar shall have."
    return f'<p class="advice">{line}</p>', people


def _detail(news: FitNews) -> str:
    """One quiet line below the picture."""
    steps = f"step {news.done} of {news.total}" if news.total else ""
    return ", ".join(filter(None, (steps, news.time_left)))
