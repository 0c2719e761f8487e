"""What the page shows of an avatar that is being made: the picture's part, the report on the photo or video."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.create.verdict import likeness

if TYPE_CHECKING:
    from emotalk.create.news import FitNews


def view_of(news: FitNews, shown: FitNews | None) -> dict[str, Any]:
    """The value of the picture's part (`parts.fit`); a picture is sent only where it is another than in `shown`."""
    value = {
        "state": "working",
        "note": news.stage,
        "detail": _detail(news),
        "share": share_of(news),
        "curve": [[round(at, 1), round(level, 2)] for at, level in news.curve],
        "axis": f"likeness: {likeness(news.psnr)}" if news.psnr is not None else "",
    }
    if news.preview and (shown is None or shown.preview != news.preview):
        value["preview"] = news.preview
    return value


def share_of(news: FitNews) -> float:
    """How much of the whole time is over: one bar for all stages, which does not begin anew with each of them."""
    if news.remaining is None:
        return 0.0
    return news.seconds / max(news.seconds + news.remaining, 1e-9)


def verdict_of(judged: tuple[str, tuple[str, ...]] | None) -> str:
    """HTML of what is said of a finished avatar of a video; empty where nothing is."""
    if judged is None:
        return ""
    word, sentences = judged
    signs = {"good": "A good avatar", "usable": "A usable avatar", "poor": "A poor avatar"}
    lines = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="verdict {html.escape(word)} made"><b>{signs.get(word, "Done")}</b><ul>{lines}</ul></div>'


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
