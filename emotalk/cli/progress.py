"""How far a piece of work is, on standard error: a bar in a terminal, else a line now and then."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotalk.core.progress import Progress
    from emotalk.tracking import TrackedVideo

_LINES = 10  # for a whole stage
_STEPS = 250  # done without a line, where it is not known how much there is to do


class ProgressBar:
    """How far something is. Options as for tqdm; they are for terminals. Elsewhere, as in a log, there is a line after
    every tenth of a stage."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._told: tuple[str, int] | None = None  # stage, tenths or steps

    def __enter__(self) -> ProgressBar:
        from tqdm import tqdm

        self._bar = tqdm(disable=None, leave=False, desc="starting", **self._options)
        return self

    def __call__(self, news: Progress) -> None:
        bar = self._bar
        psnr = getattr(news, "psnr", None)  # only a fit has one
        told = (f"{psnr:.1f} dB" if psnr is not None else "", news.time_left)
        if bar.disable:
            self._line(news, told)
            return
        bar.set_description(news.stage, refresh=False)
        bar.total = news.total or bar.total
        bar.set_postfix_str(", ".join(filter(None, told)), refresh=False)
        bar.update(news.done - bar.n)

    def _line(self, news: Progress, told: tuple[str, ...]) -> None:
        steps = int(news.share * _LINES) if news.total else int(news.done // _STEPS)
        if not steps or self._told == (news.stage, steps):
            return
        self._told = news.stage, steps
        far = f"{100 * steps // _LINES} %" if news.total else f"{news.done}"
        print(", ".join(filter(None, (f"{news.stage}: {far}", *told))), file=sys.stderr, flush=True)

    def tracked(self, video: TrackedVideo) -> None:
        """The sentences on a video or photo, once, above the bar."""
        for sentence in video.quality.sentences:
            self._bar.write(sentence, file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def fit_bar() -> ProgressBar:
    """The bar of a command that makes an avatar."""
    return ProgressBar(total=1, bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]")
