"""How far a piece of work is, on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotalk.core.progress import Progress
    from emotalk.tracking import TrackedVideo


class ProgressBar:
    """How far something is, on standard error and in place; silent where that is no terminal. Options as for tqdm."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __enter__(self) -> ProgressBar:
        from tqdm import tqdm

        self._bar = tqdm(disable=None, leave=False, desc="starting", **self._options)
        return self

    def __call__(self, news: Progress) -> None:
        bar = self._bar
        bar.set_description(news.stage, refresh=False)
        bar.total = news.total or bar.total
        psnr = getattr(news, "psnr", None)  # only a fit has one
        told = (f"{psnr:.1f} dB" if psnr is not None else "", news.time_left)
        bar.set_postfix_str(", ".join(filter(None, told)), refresh=False)
        bar.update(news.done - bar.n)

    def tracked(self, video: TrackedVideo) -> None:
        """The sentences on a video or photo, once, above the bar."""
        for sentence in video.quality.sentences:
            self._bar.write(sentence, file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def fit_bar() -> ProgressBar:
    """The bar of a command that makes an avatar."""
    return ProgressBar(total=1, bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]")
