"""What people who wait are told: stages in words, and one estimate of all the time that is left."""

import itertools

import numpy as np
import pytest

from emotalk.core.errors import Cancelled
from emotalk.core.progress import FitProgress, Progress
from emotalk.create.stages import SPEAKING, Waiting


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def run(waiting: Waiting, clock: Clock, *, tracking=50.0, fit=120.0, voice=15.0, steps=40, told=None):
    """A whole run at an even pace; yields (seconds since the start, what was told) at every step."""
    track, made, speak = waiting.tracking(), waiting.fitting(), waiting.speaking(lambda: False)
    calls = [(tracking, lambda k: track(Progress("read", k, steps)))]
    calls += [(fit, lambda k: made(FitProgress("fit", 10 * k, 10 * steps, 0.0, None, psnr=20.0)))]
    calls += [(voice, lambda k: speak(Progress("adapt", k, steps)))]
    begun = clock.now
    for seconds, call in calls:
        for k in range(1, steps + 1):
            clock.now += seconds / steps
            call(k)
            yield clock.now - begun, told[-1]


def test_it_is_about_right_from_soon_after_the_start_to_the_end(clock):
    told = []
    waiting = Waiting(told.append, 120.0, 15.0, end_seconds=5.0, clock=clock)
    for passed, news in run(waiting, clock, told=told):
        if passed > 10:  # seconds
            assert passed + news.remaining == pytest.approx(50 + 120 + 15 + 5, rel=0.05)
        assert news.seconds == pytest.approx(passed)


def test_it_glides_where_a_stage_takes_longer_than_was_thought(clock):
    """A busy machine: a fit of two minutes takes six."""
    told, before = [], None
    waiting = Waiting(told.append, 120.0, 15.0, clock=clock)
    for passed, news in run(waiting, clock, fit=360.0, steps=400, told=told):
        end = passed + (news.remaining or 0.0)
        if before is not None and passed > 10:
            assert abs(end - before) < 40  # seconds, of 240 that come as a surprise
        before = end
    assert told[600].seconds + told[600].remaining == pytest.approx(50 + 360 + 15 + 6, rel=0.05)  # half-way in the fit


def test_before_anything_is_known_nothing_is_said(clock):
    told = []
    waiting = Waiting(told.append, 120.0, clock=clock)
    waiting.show("Looking for the face", preview=np.zeros((2, 4, 3), np.uint8))
    waiting.tracking()(Progress("look", 1, 100))
    assert [news.remaining for news in told] == [None, None]
    assert told[0].preview is not None
    assert told[1].stage == "Looking for the face"


def test_what_was_tracked_before_takes_no_time(clock):
    """A run that goes on begins with the fit."""
    told = []
    waiting = Waiting(told.append, 120.0, 15.0, end_seconds=5.0, clock=clock)
    waiting.fitting()(FitProgress("look", remaining=60.0))
    assert told[-1].remaining == pytest.approx(60 + 15 + 5)
    assert told[-1].stage == "Taking the colours"


def test_a_silent_video_teaches_nothing_and_needs_no_time_for_it(clock):
    told = []
    waiting = Waiting(told.append, 120.0, end_seconds=5.0, clock=clock)
    waiting.voice_seconds = 0.0
    waiting.fitting()(FitProgress("look"))
    assert told[-1].remaining == pytest.approx(125)


def test_pictures_and_likeness_pass_through_and_the_end_is_near(clock):
    told, picture = [], np.zeros((2, 4, 3), np.uint8)
    waiting = Waiting(told.append, 60.0, 0.0, end_seconds=1.0, clock=clock)
    tell = waiting.fitting()
    for k in itertools.count(1):
        clock.now += 1
        tell(FitProgress("fit", k, 60, psnr=20.0 + k, preview=picture))
        if k == 60:
            break
    assert (told[-1].psnr, told[-1].preview is picture, told[-1].stage) == (80.0, True, "Fitting the avatar")
    assert told[-1].remaining == pytest.approx(1.0, abs=1.0)
    assert all(news.remaining >= 0 for news in told)


def test_what_a_fit_plans_itself_is_believed_and_a_stage_never_goes_back(clock):
    """On a busy machine a fit is given more time while it runs: what is done is then a smaller share of it."""
    told = []
    waiting = Waiting(told.append, 60.0, 10.0, end_seconds=5.0, clock=clock)
    tell = waiting.fitting()
    for done, total, left in ((30, 100, 70.0), (40, 200, 120.0), (60, 200, 100.0), (100, 200, 50.0)):
        clock.now += 10
        tell(FitProgress("fit", done, total, 0.0, left))
    shares = [news.share for news in told]
    assert shares == pytest.approx([0.3, 0.3, 0.3, 0.5], abs=0.01)
    assert [news.done for news in told] == [30, 40, 60, 100]
    assert told[-1].remaining == pytest.approx(65, rel=0.2)


def test_learning_to_speak_can_be_stopped(clock):
    told = []
    waiting = Waiting(told.append, 60.0, clock=clock)
    waiting.speaking(lambda: False)(Progress("adapt", 1, 120))
    assert told[-1].stage == SPEAKING
    with pytest.raises(Cancelled):
        waiting.speaking(lambda: True)(Progress("adapt", 2, 120))
