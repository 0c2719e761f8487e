"""The rhythm of speech frame by frame: phrases, pauses and stressed syllables."""

import numpy as np

from emotalk.motion.rhythm import LOOKAHEAD, Rhythm, RhythmTracker


def _play(silence, energy, f0) -> list[Rhythm]:
    tracker = RhythmTracker()
    beats = [
        tracker.push(float(s), float(e), 0.0 if s > 0.5 else 1.0, float(f))
        for s, e, f in zip(silence, energy, f0, strict=True)
    ]
    beats += [tracker.push(1.0, -100.0, 0.0, 0.0) for _ in range(LOOKAHEAD)]
    return [beat for beat in beats if beat is not None]


def _talk(frames: int = 150, syllable: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Speech from frame 20 to 120 whose syllables swell every five frames."""
    t = np.arange(frames)
    silence = ((t < 20) | (t >= 120)).astype(float)
    energy = np.where(silence > 0, -80.0, -25 + 5 * np.cos(2 * np.pi * (t - 22) / syllable))
    return silence, energy, np.where(silence > 0, 0.0, 120.0)


def test_every_frame_gets_its_rhythm():
    assert len(_play(*_talk())) == 150


def test_a_phrase_starts_and_ends_where_speech_does():
    beats = _play(*_talk())
    starts = [i for i, beat in enumerate(beats) if beat.phrase_start]
    ends = [i for i, beat in enumerate(beats) if beat.phrase_end]
    assert starts == [20]
    assert ends == [120]
    assert all(beat.speaking == (20 <= i < 120) for i, beat in enumerate(beats))


def test_the_gap_of_a_plosive_is_no_pause():
    silence, energy, f0 = _talk()
    silence[60:63], energy[60:63], f0[60:63] = 1, -70, 0
    beats = _play(silence, energy, f0)
    assert sum(beat.phrase_end for beat in beats) == 1


def test_a_syllable_that_is_louder_and_higher_is_stressed_and_others_are_not():
    silence, energy, f0 = _talk()
    energy[70:75] += 8
    f0[70:75] = 160
    beats = _play(silence, energy, f0)
    # 0.12 s before the nucleus (frame 72) the gesture begins, so that it is there on time.
    nods = [i for i, beat in enumerate(beats) if beat.nod]
    assert nods == [69]
    assert beats[72].stress == max(beat.stress for beat in beats)
    assert beats[60].stress == 0


def test_loudness_is_relative_to_the_speaker():
    silence, energy, f0 = _talk()
    loud = [beat.loudness for beat in _play(silence, energy, f0)]
    quiet = [beat.loudness for beat in _play(silence, energy - 12, f0)]
    np.testing.assert_allclose(loud[90:110], quiet[90:110], atol=0.15)
    assert max(loud[:19]) == 0


def test_rhythm_survives_its_row_form():
    for beat in _play(*_talk())[15:80]:
        assert Rhythm.of(beat.row()) == beat
