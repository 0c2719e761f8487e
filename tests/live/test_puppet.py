"""A microphone: every frame 120 ms after its sound, once and in order, near to what the whole recording says."""

import tracemalloc

import numpy as np
import pytest

from emotalk.core.errors import AudioError, InputError
from emotalk.live import wire
from emotalk.live.puppet import LAG_SECONDS, Puppet
from emotalk.motion import MotionStyle
from emotalk.speech import say
from emotalk.speech.mel import SMALL_GROUP
from tests.live.hearing_studio import HearingStudio


@pytest.fixture(scope="module")
def studio() -> HearingStudio:
    return HearingStudio()


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return say("My big boat came by at five, and people were moving.", "flite:slt").samples


def rows_of(data: bytes) -> np.ndarray:
    found = [wire.content(kind, payload) for kind, payload in wire.records(data) if kind == "M"]
    return np.concatenate([np.zeros((0, wire.ROW.size), np.float32), *found])


@pytest.mark.parametrize("piece", [320, 1000, 2000, 9000])
def test_every_frame_leaves_120_ms_after_its_sound_and_none_twice(studio, sound, piece):
    sound = sound[:24000]
    puppet, sent = Puppet(studio, "mira"), 0
    for start in range(0, len(sound), piece):
        sent += len(rows_of(puppet.push(sound[start : start + piece])))
        heard = min(start + piece, len(sound))
        assert sent == max(0, (heard - round(LAG_SECONDS * 16000)) // 640)
    rest = puppet.finish()
    assert sent + len(rows_of(rest)) == -(-len(sound) // 640)
    assert [kind for kind, _ in wire.records(rest)] == ["M", "E"]
    assert puppet.finish() == b""


def test_lips_follow_the_whole_recording(studio, sound):
    puppet = Puppet(studio, "mira")
    parts = [rows_of(puppet.push(sound[start : start + 2000])) for start in range(0, len(sound), 2000)]
    rows = np.concatenate([*parts, rows_of(puppet.finish())])
    stream = studio.motion.code_stream(MotionStyle(face=3))
    encoder = studio.encoder.stream()
    features = [encoder.push(sound), encoder.finish()]
    whole = np.concatenate([*map(stream.push, features), stream.finish()])
    opening = wire.ROW.lips.start
    assert np.corrcoef(rows[:, opening], whole[:, opening])[0, 1] > 0.95


def test_a_push_of_everything_gives_the_rows_of_the_whole(studio, sound):
    puppet = Puppet(studio, "mira")
    rows = np.concatenate([rows_of(puppet.push(sound)), rows_of(puppet.finish())])
    stream, features = studio.motion.code_stream(MotionStyle(face=3)), studio.encoder.stream(SMALL_GROUP)
    given = [features.push(sound), features.finish()]
    whole = np.concatenate([*map(stream.push, given), stream.finish()])
    settled = len(rows) - 30  # what comes before the last look-ahead is final when it leaves
    np.testing.assert_allclose(rows[:settled], whole[:settled], atol=0.01)


def test_the_head_says_whose_code_comes(studio):
    ((kind, payload),) = wire.records(Puppet(studio, "mira").head)
    head = wire.content(kind, payload)
    assert (kind, head["row"], head["words"]) == ("H", 173, False)
    assert len(head["who"]["quiet"]) == 173


def test_a_microphone_is_bounded(studio, sound):
    puppet = Puppet(studio, "mira", max_seconds=2)
    puppet.push(sound[:32000])
    with pytest.raises(AudioError, match="on for 2 seconds"):
        puppet.push(sound[:1])
    assert len(rows_of(puppet.finish()))
    with pytest.raises(InputError, match="switched off"):
        puppet.push(sound[:1])
    with pytest.raises(InputError, match="mono"):
        Puppet(studio, "mira").push(np.zeros((2, 3), np.float32))


def test_memory_does_not_grow(studio, sound):
    puppet = Puppet(studio, "mira")
    for start in range(0, 32000, 4000):
        puppet.push(sound[start : start + 4000])
    tracemalloc.start()
    puppet.push(sound[:4000])
    before = tracemalloc.get_traced_memory()[0]
    for start in range(0, 32000, 4000):
        puppet.push(sound[start : start + 4000])
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 200_000
