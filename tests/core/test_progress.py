"""How far a piece of work is, in the words and numbers that bars and pages show."""

from __future__ import annotations

import pytest

from emotalk.core.progress import FitProgress, Progress


def test_the_share_stays_within_what_is_known() -> None:
    assert Progress("frames", 5, 20).share == 0.25
    assert Progress("frames", 5).share == 0
    assert Progress("frames", 25, 20).share == 1
    assert Progress("bytes", 0, 0).share == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.0, "0:00 left"), (65.9, "1:05 left"), (3601, "60:01 left")]
)
def test_the_time_left_is_told_in_minutes_and_seconds(seconds, words) -> None:
    assert Progress("fit", 1, 2, remaining=seconds).time_left == words


def test_a_fit_is_progress_too() -> None:
    news = FitProgress("fit", 5, 10, 3.0, 3.0, psnr=27.5)
    assert isinstance(news, Progress)
    assert (news.share, news.psnr, news.preview) == (0.5, 27.5, None)
