"""Whether somebody speaks into a microphone: speech is noticed within a tenth of a second, clicks and hums are not."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfilt

from emotalk.core.errors import EmotalkError
from emotalk.speech import say
from tests.ui.live_modules import LiveModules

RATE = 48000
STEP = RATE // 100
PIECE = 1024
"""Samples that a browser's microphone brings at a time (microphone.js)."""
_HEAR = """([text, rate, guarded]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), sound = new Float32Array(bytes.buffer);
    const starts = [], levels = [], floors = [];
    let at = 0;
    const activity = new live.VoiceActivity(rate, () => starts.push(at / rate));
    activity.guarded = guarded;
    const step = activity.step.bind(activity);
    activity.step = (power) => {
        levels.push(10 * Math.log10(power + 1e-12));
        step(power);
    };
    while (at < sound.length) {
        const piece = sound.subarray(at, at + PIECE);
        at += PIECE;
        activity.push(piece);
    }
    return { starts, levels, talking: activity.talking, level: activity.level };
}""".replace("PIECE", str(PIECE))
SENTENCES = [
    "Hello there.", "What do you mean by that?", "No.", "I think you are wrong.", "Four five six.", "Wait a moment.",
    "And who are you?",
]  # fmt: skip


@pytest.fixture(scope="module")
def heard(browser):
    """What `VoiceActivity` makes of a sound [N], given in pieces: starts in seconds, decibels of each step."""
    context = browser.new_context()
    page = LiveModules(context.new_page(), "dialogue")

    def run(sound: np.ndarray, guarded: bool = False) -> dict:
        return page.run(_HEAR, [base64.b64encode(sound.astype("<f4").tobytes()).decode(), RATE, guarded])

    yield run
    context.close()
    assert page.errors == []


def room(seconds: float, decibels: float = -60) -> np.ndarray:
    """The noise of a room."""
    return np.random.default_rng(0).normal(size=round(seconds * RATE)) * 10 ** (decibels / 20)


def decibels_of(sound: np.ndarray) -> np.ndarray:
    whole = sound[: len(sound) // STEP * STEP].reshape(-1, STEP)
    return 10 * np.log10(np.mean(whole**2, axis=1) + 1e-12)


def spoken(text: str, voice: str, before: float = 1.0, noise: float = -60) -> tuple[np.ndarray, float]:
    """A sentence after a second of the room's noise, at -24 dB, and the second at which its sound begins."""
    try:
        samples = say(text, voice).samples
    except EmotalkError as error:
        pytest.skip(str(error))
    sound = resample_poly(samples.astype(float), 3, 1)
    levels = decibels_of(sound)
    loud = 10 * np.log10(np.mean(10 ** (levels[levels > levels.max() - 30] / 10)))
    sound = np.concatenate([np.zeros(round(before * RATE)), sound * 10 ** ((-24 - loud) / 20), np.zeros(RATE)])
    begins = np.argmax(decibels_of(sound) > -42) / 100
    return sound + room(len(sound) / RATE, noise), begins


def hum(seconds: float, hertz: float, begins: float) -> np.ndarray:
    """A hum with overtones at about -20 dB, in a quiet room."""
    times = np.arange(round(seconds * RATE)) / RATE
    parts = sum(10 ** (-order / 3) * np.sin(2 * np.pi * hertz * order * times) for order in (1, 2, 3, 5))
    return 0.1 * parts * (times > begins) + room(seconds)


def test_levels_are_those_of_the_band_of_speech(heard) -> None:
    sound = room(1.0, -20)
    high = butter(2, 250, "high", fs=RATE, output="sos")
    low = butter(2, 3400, "low", fs=RATE, output="sos")
    wanted = decibels_of(sosfilt(low, sosfilt(high, sound.astype("f4").astype(float))))
    np.testing.assert_allclose(heard(sound)["levels"], wanted, atol=0.01)


@pytest.mark.parametrize("voice", ["flite:slt", "flite:rms", "flite:awb"])
@pytest.mark.parametrize("text", SENTENCES)
def test_speech_is_noticed_within_a_tenth_of_a_second_and_once(heard, voice: str, text: str) -> None:
    sound, begins = spoken(text, voice)
    found = heard(sound)
    (start,) = found["starts"]
    assert -0.02 <= start - begins <= 0.1
    assert found["talking"] is False  # a second of silence follows


def test_speech_in_a_louder_room_is_noticed_too(heard) -> None:
    late = []
    for text in SENTENCES:
        sound, begins = spoken(text, "flite:rms", noise=-48)
        late.append(heard(sound)["starts"][0] - begins)
    assert max(late) <= 0.13
    assert np.median(late) <= 0.1


def test_while_the_face_sounds_an_echo_of_it_is_no_visitor(heard) -> None:
    sound, begins = spoken("What do you mean by that?", "flite:slt")
    echo = 10 ** (-25 / 20) * sound + room(len(sound) / RATE)
    assert heard(echo, guarded=True)["starts"] == []
    assert heard(sound, guarded=True)["starts"][0] - begins <= 0.13


@pytest.mark.parametrize("milliseconds", [0.02, 1, 5, 10, 20, 30])
def test_a_click_is_no_speech(heard, milliseconds: float) -> None:
    sound = room(4)
    length = max(1, round(milliseconds * RATE / 1000))
    for at in (1.0, 1.3, 2.0, 2.211):
        first = round(at * RATE)
        sound[first : first + length] += np.random.default_rng(1).normal(size=length) * 0.3
    assert heard(sound)["starts"] == []


@pytest.mark.parametrize("begins", [0, 1.503])
@pytest.mark.parametrize("hertz", [50, 100, 120, 220, 440, 1000])
def test_a_steady_hum_is_no_speech_whenever_it_begins(heard, hertz: float, begins: float) -> None:
    found = heard(hum(4, hertz, begins))
    assert found["starts"] == []
    assert found["talking"] is False


@pytest.mark.parametrize("decibels", [-120, -60, -45, -30])
def test_a_room_that_only_hisses_says_nothing(heard, decibels: float) -> None:
    assert heard(room(4, decibels))["starts"] == []


def test_somebody_who_speaks_beside_a_hum_is_noticed(heard) -> None:
    sound, begins = spoken("What do you mean by that?", "flite:rms", before=2.0)
    starts = heard(sound + 0.3 * hum(len(sound) / RATE, 100, 0.0))["starts"]
    assert begins - 0.02 <= starts[0] <= begins + 0.15
