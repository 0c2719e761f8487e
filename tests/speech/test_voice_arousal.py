import numpy as np
import pytest
from scipy.signal import lfilter

from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.emotion.space import EmotionCurve
from emotalk.speech.loudness import normalise
from emotalk.speech.pitch import prosody_frames
from emotalk.speech.voice_arousal import VoiceArousal, voice_emotion


def voice(seconds: float, pitch: float, brightness: float = 0.9, level: float = 0.05, seed: int = 0) -> np.ndarray:
    """Syllables of a pulse train; `brightness` in 0..1 is how little the source falls off towards high harmonics."""
    generator = np.random.default_rng(seed)
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    melody = 1 + 0.08 * np.sin(2 * np.pi * 0.7 * t + generator.uniform(0, 6)) + 0.04 * np.sin(2 * np.pi * 2.3 * t)
    pulses = (np.diff(np.floor(np.cumsum(pitch * melody) / SAMPLE_RATE), prepend=0) > 0).astype(float)
    tilted = lfilter([1], np.poly([0.9, 0.995 * brightness]), pulses)  # -12 dB per octave, the second 6 from a corner
    tilted *= level / tilted.std() * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * t))
    return (tilted + generator.normal(0, 1e-4, len(t))).astype(np.float32)


def heard(samples: np.ndarray) -> float:
    return float(voice_emotion(Speech(normalise(samples))).arousal.mean())


def test_the_result_has_a_row_for_each_video_frame_and_no_valence():
    speech = Speech(normalise(voice(3.3, 120)))
    result = voice_emotion(speech)
    assert result.values.shape == (speech.frames, 2)
    assert result.confidence.shape == (speech.frames,)
    assert not result.values[:, 0].any()
    assert np.abs(result.arousal).max() <= 1
    assert 0 < result.confidence.min() <= result.confidence.max() <= 1


@pytest.mark.parametrize("rest", [110, 200], ids=["man", "woman"])
def test_a_raised_pressed_voice_is_aroused_and_a_low_soft_one_is_not(rest):
    calm = heard(voice(4, rest * 0.94, 0.97))
    excited = heard(voice(4, rest * 1.5, 0.55))
    assert excited > 0.15  # not more: a man at 165 Hz might be a woman at rest
    assert calm < 0
    assert excited - calm > 0.4


def test_the_same_pitch_means_more_to_who_has_heard_the_voice_before():
    raised = Speech(normalise(voice(3, 165, 0.85, seed=5)))
    stranger = voice_emotion(raised)
    listener = VoiceArousal()
    listener.listen(Speech(normalise(voice(60, 110, 0.93))))
    friend = listener.listen(raised)
    assert friend.arousal.mean() > stranger.arousal.mean() + 0.05
    assert friend.confidence.mean() > stranger.confidence.mean()


def test_an_outburst_within_a_recording_is_found_where_it_is():
    calm, outburst = voice(12, 115, 0.95, 0.03), voice(4, 180, 0.6, 0.12, seed=3)
    result = voice_emotion(Speech(normalise(np.concatenate([calm, outburst, calm]))))
    inside = result.arousal[13 * 25 : 15 * 25].mean()
    outside = np.concatenate([result.arousal[: 10 * 25], result.arousal[18 * 25 :]]).mean()
    assert inside > 0.4
    assert inside - outside > 0.5


def test_louder_stretches_of_a_long_recording_are_more_aroused():
    parts = [voice(10, 120, 0.93, level) for level in (0.02, 0.06, 0.02, 0.06)]
    arousal = voice_emotion(Speech(normalise(np.concatenate(parts)))).arousal
    soft = np.concatenate([arousal[50:200], arousal[550:700]]).mean()
    loud = np.concatenate([arousal[300:450], arousal[800:950]]).mean()
    assert loud - soft > 0.1


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros(5000), np.zeros(2 * SAMPLE_RATE), np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE)],
    ids=["nothing", "short silence", "silence", "noise"],
)
def test_without_a_voice_there_is_no_arousal_and_no_confidence(samples):
    result = voice_emotion(Speech(samples))
    assert not result.values.any()
    assert not result.confidence.any()


def test_confidence_fades_where_nobody_speaks():
    result = voice_emotion(Speech(np.concatenate([normalise(voice(3, 150)), np.zeros(6 * SAMPLE_RATE, np.float32)])))
    assert result.confidence[40] > 0.2
    assert result.confidence[-1] == 0


@pytest.mark.parametrize("piece", [0.5, 1.0, 2.0, 3.7])
def test_pieces_give_what_the_whole_gives_once_the_voice_is_known(piece):
    calm, outburst = voice(20, 115, 0.95, 0.03), voice(6, 180, 0.6, 0.12, seed=3)
    sound = normalise(np.concatenate([calm, outburst, calm[: 8 * SAMPLE_RATE]]))
    size = round(piece * SAMPLE_RATE)
    listener = VoiceArousal()
    parts = [listener.listen(Speech(sound[i : i + size])) for i in range(0, len(sound), size)]
    pieces = np.concatenate([part.arousal for part in parts])
    whole = voice_emotion(Speech(sound)).arousal
    assert len(pieces) == len(whole)
    assert np.corrcoef(pieces[100:], whole[100:])[0, 1] > 0.8
    assert pieces[23 * 25 : 25 * 25].min() > pieces[15 * 25 : 18 * 25].max() + 0.2
    assert np.abs(np.diff(pieces)).max() < 0.13  # as fast as the outburst itself: no jumps where pieces meet


def test_pieces_of_odd_length_never_lose_a_frame():
    sound = normalise(voice(8, 130))
    listener = VoiceArousal()
    cuts = np.cumsum([1234, 16001, 777, 31, 0, 20_000])
    frames = sum(len(listener.listen(Speech(part)).values) for part in np.split(sound, cuts))
    assert frames == Speech(sound).frames


def test_a_mood_lasts_through_silence():
    listener = VoiceArousal()
    before = listener.listen(Speech(normalise(voice(6, 210, 0.55)))).arousal[-1]
    silence = listener.listen(Speech(np.zeros(4 * SAMPLE_RATE)))
    assert silence.arousal == pytest.approx(before, abs=0.1)
    assert silence.confidence[-1] < 0.05


def test_given_prosody_is_used_and_gives_the_same():
    speech = Speech(normalise(voice(3, 150)))
    given = voice_emotion(speech, prosody_frames(speech.samples))
    np.testing.assert_array_equal(given.values, voice_emotion(speech).values)


def test_the_curve_takes_valence_from_the_slider_and_blends():
    result = voice_emotion(Speech(normalise(voice(3, 260, 0.5))))
    curve = result.curve(valence=-0.4)
    frames = curve.at(len(result.values))
    np.testing.assert_allclose(frames[:, 0], -0.4, atol=1e-6)
    np.testing.assert_allclose(frames[:, 1], result.arousal, atol=1e-5)
    blended = EmotionCurve.constant(0.5, 0.0).blend(curve, valence=0.0, arousal=0.5).at(len(result.values))
    np.testing.assert_allclose(blended[:, 0], 0.5, atol=1e-6)
    np.testing.assert_allclose(blended[:, 1], result.arousal / 2, atol=1e-5)


def test_angry_actors_sound_more_aroused_than_sad_ones(shared_data):
    """A spot check on real voices; benchmarks/voice_emotion.py measures both corpora."""
    import soundfile

    def mean(letter: str) -> float:
        files = sorted((shared_data / "speech" / "emodb").glob(f"*{letter}?.flac"))[::12]
        return float(np.mean([heard(soundfile.read(file, dtype="float32")[0]) for file in files]))

    assert mean("W") > mean("T") + 0.3
