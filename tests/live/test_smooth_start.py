"""A video that is still being made begins to play when it never has to wait any more; it is said before when that is.

The clock is the test's. What a browser has is played by the oracle below from the seconds at which frames are made."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.core.progress import Progress
from emotalk.core.rates import FPS
from emotalk.live.smooth_start import LISTENING_SECONDS, SmoothStart

PIECE, HELD = 10, 11
"""Frames of a piece of the growing file, and those that the encoder holds back while more come (measured)."""
LOOKS = 0.1
"""Seconds after which the page looks again."""


def made_at(rate: float, total: int, starting: float = 0.3, voice: float = 0.0, phrase: int = 60) -> list[float]:
    """The seconds at which each frame is made; a voice works `voice` seconds for each second of a phrase."""
    now, times = starting, []
    for frame in range(total):
        if frame % phrase == 0:
            now += voice * min(phrase, total - frame) / FPS
        now += 1 / rate
        times.append(now)
    return times


def watch(times: Sequence[float], estimated: Callable[[int], int | None] | None = None) -> tuple[float, float | None]:
    """The second at which the video begins (its end is made, at the latest), and the one that was said first."""
    now, said = 0.0, None
    start = SmoothStart(lambda: now)
    while not start.ready:
        now += LOOKS
        done = bisect_right(times, now)
        if done == len(times):
            break
        if done:
            total = len(times) if estimated is None else estimated(done)
            start.note(Progress("frames", done, total, times[done - 1]))
        left = start.seconds_left
        if said is None and left:
            said = now + left
    return now, said


def spare(times: Sequence[float], begun: float) -> float:
    """By how many seconds the piece that comes closest to being late is early, where playing begins at `begun`, or when
    the first piece is there."""
    there = [times[min(piece + PIECE + HELD, len(times)) - 1] for piece in range(0, len(times), PIECE)]
    begun = max(begun, there[0])
    return min(begun + number * PIECE / FPS - at for number, at in enumerate(there))


@pytest.mark.parametrize("seconds", [3, 10, 40, 300])
def test_at_15_frames_a_second_it_never_pauses_and_begins_when_it_was_said(seconds: int) -> None:
    times = made_at(15, seconds * FPS)
    begun, said = watch(times)
    assert spare(times, begun) >= 0
    assert said == pytest.approx(begun, rel=0.25)
    # It does not wait until everything is made, nor much longer than it must.
    least = max(at - frame / FPS for frame, at in enumerate(times))
    assert least <= begun <= least * 1.2 + 2 < times[-1] + 2


@given(rate=st.floats(2, 150), total=st.integers(25, 1500), starting=st.floats(0, 8))
def test_at_no_rate_it_pauses_and_what_is_said_holds(rate: float, total: int, starting: float) -> None:
    times = made_at(rate, total, starting)
    begun, said = watch(times)
    assert spare(times, begun) >= -1e-9
    # A longer start is taken for a voice that works again; what is no second is not said to anybody.
    if said is not None and starting <= LISTENING_SECONDS and begun >= 1:
        assert said == pytest.approx(begun, rel=0.25, abs=2 * LOOKS)


@given(rate=st.floats(6, 80), total=st.integers(50, 1000), voice=st.floats(0, 0.6), phrase=st.integers(30, 75))
def test_a_voice_that_works_between_the_frames_makes_no_pause(
    rate: float, total: int, voice: float, phrase: int
) -> None:
    times = made_at(rate, total, 0.3, voice, phrase)
    # Of 8,000 drawn at random two were late, by .06 s at most: short phrases, drawn at 60 frames a second and more.
    assert spare(times, watch(times)[0]) >= -0.1


@given(rate=st.floats(15, 24), total=st.integers(100, 1000), wrong=st.floats(-0.08, 0.3))
def test_a_length_that_is_judged_a_little_wrong_makes_no_pause(rate: float, total: int, wrong: float) -> None:
    """At 6 frames a second the margin bears a length that is 2 % longer than judged, at 15 one that is 10 %."""
    times = made_at(rate, total)
    begun, _ = watch(times, lambda done: max(done, round(total * (1 + wrong))))
    assert spare(times, begun) >= -1e-9


def test_a_quick_machine_begins_at_once() -> None:
    times = made_at(55, 250)
    begun, said = watch(times)
    assert begun <= 1.0
    assert said is None or said <= 1.0


def test_frames_that_come_at_once_at_the_start_tell_little() -> None:
    times = [0.01 * frame for frame in range(12)] + made_at(15, 988, 0.3)
    assert spare(times, watch(times)[0]) >= 0


def test_of_an_unknown_length_it_begins_where_more_is_made_than_played_and_nothing_is_said() -> None:
    quick, slow = made_at(40, 500), made_at(24, 500)
    begun, said = watch(quick, lambda _: None)
    assert begun < 4
    assert spare(quick, begun) >= 0
    assert said is None
    assert watch(slow, lambda _: None)[0] >= slow[-1] - LOOKS


def test_while_nothing_comes_it_begins_later() -> None:
    now = 0.0
    start = SmoothStart(lambda: now)
    for frame in range(1, 31):
        start.note(Progress("frames", frame, 500, 0.3 + frame / 15))
    assert start.rate == pytest.approx(15)
    before = start.seconds_left
    now = 5.0
    assert start.seconds_left > before
    assert not start.ready


def test_once_it_may_play_it_may_for_good_and_other_news_tell_nothing() -> None:
    start = SmoothStart(lambda: 0.0)
    start.note(Progress("speech"))
    assert (start.ready, start.rate, start.seconds_left) == (False, None, None)
    start.note(Progress("frames", 90, 100, 2.0))
    assert start.ready
    start.note(Progress("frames", 91, 5000, 9.0))
    assert start.ready
    assert start.seconds_left == 0


def test_what_is_told_are_whole_seconds_to_the_end_of_a_wait_and_nothing_of_a_short_one() -> None:
    def told(rate: float) -> list[int | None]:
        start = SmoothStart(lambda: 0.0)
        seen = []
        for frame in range(1, 251):
            start.note(Progress("frames", frame, 250, 0.3 + frame / rate))
            seen.append(start.told_wait())
        return seen

    slow = [seconds for seconds in told(15) if seconds is not None]
    assert slow[0] >= 8
    assert set(range(1, slow[0] + 1)) == set(slow)
    assert set(told(50)) == {None}
