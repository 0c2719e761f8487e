"""When phones and words are said, by the durations that the voice itself uses."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.speech import PHONES
from emotalk.speech.kokoro.model import FRAME_SECONDS, Prosody
from emotalk.speech.kokoro.timing import LEAD, Timing, timing_of
from tests.speech.kokoro.synthetic import LOUD, PAUSE, prosody_of, transcript_of


def timed(symbols: str, durations: list[int], energy: list[float] | None = None) -> Timing:
    return timing_of(transcript_of(symbols), prosody_of(symbols, durations, energy))


def frames(spans) -> list[tuple[float, float, str]]:
    """Times in frames of 25 ms."""
    return [(round(a / FRAME_SECONDS, 6), round(b / FRAME_SECONDS, 6), name) for a, b, name in spans]


def check(timing: Timing, prosody: Prosody) -> None:
    """What holds for every timing."""
    seconds = len(prosody) * FRAME_SECONDS
    assert all(end > start for start, end, _ in timing.phones + timing.words)
    assert {name for _, _, name in timing.phones} <= set(PHONES)
    if timing.phones:
        assert timing.phones[0][0] == 0
        assert timing.phones[-1][1] == pytest.approx(seconds)
    for (_, end, _), (start, _, _) in itertools.pairwise(timing.phones):
        assert start == pytest.approx(end)
    for (_, end, _), (start, _, _) in itertools.pairwise(timing.words):
        assert start >= end - 1e-9
    assert all(start >= 0 and end <= seconds + 1e-9 for start, end, _ in timing.words)


# Where sounds begin and end


def test_a_sound_is_where_its_token_is_a_little_earlier():
    """The sound is heard LEAD frames before the frames of its token."""
    timing = timed("mab", [10, 4, 6, 5, 10], [PAUSE] * 5 + [LOUD] * 25 + [PAUSE] * 5)
    assert frames(timing.phones) == [
        (0, 5, "sil"), (5, 14 - LEAD, "m"), (14 - LEAD, 20 - LEAD, "aa"), (20 - LEAD, 30, "b"), (30, 35, "sil")
    ]  # fmt: skip


def test_a_voice_may_be_heard_earlier_than_others():
    energy = [PAUSE] * 5 + [LOUD] * 25 + [PAUSE] * 5
    timing = timing_of(transcript_of("mab"), prosody_of("mab", [10, 4, 6, 5, 10], energy), LEAD + 0.5)
    assert frames(timing.phones)[1:3] == [(5, 13.5 - LEAD, "m"), (13.5 - LEAD, 19.5 - LEAD, "aa")]


def test_a_stress_mark_is_part_of_the_vowel_behind_it_and_a_length_mark_of_the_one_before():
    energy = [PAUSE] * 5 + [LOUD] * 20 + [PAUSE] * 10
    timing = timed("mˈaːb", [10, 4, 3, 5, 2, 4, 7], energy)
    assert [name for _, _, name in timing.phones] == ["sil", "m", "aa", "b", "sil"]
    assert frames(timing.phones)[2][:2] == (14 - LEAD, 24 - LEAD)


def test_the_frames_of_a_space_are_shared_by_its_neighbours():
    timing = timed("ma mi", [10, 4, 4, 4, 4, 4, 10], [PAUSE] * 5 + [LOUD] * 30 + [PAUSE] * 5)
    assert [name for _, _, name in timing.phones] == ["sil", "m", "aa", "m", "iy", "sil"]
    border = 20 - LEAD  # the middle of frames 18 to 22
    assert frames(timing.phones)[2][1] == frames(timing.phones)[3][0] == border
    assert frames(timing.words)[0][1] == frames(timing.words)[1][0] == border


def test_r_and_the_vowel_before_it_are_one_phone():
    names = [name for _, _, name in timed("bɜɹd bəɹ", [5, 3, 3, 3, 3, 2, 3, 3, 3, 5]).phones]
    assert [name for name in names if name != "sil"] == ["b", "er", "d", "b", "er"]


# Silence


def test_silence_before_and_behind_is_no_part_of_a_sound():
    energy = [PAUSE] * 7 + [LOUD] * 12 + [PAUSE] * 9
    timing = timed("ma", [10, 5, 5, 8], energy)
    assert frames(timing.phones)[0] == (0, 7, "sil")
    assert frames(timing.phones)[-1] == (19, 28, "sil")
    assert frames(timing.words) == [(7, 19, "word0")]


def test_a_pause_is_where_it_is_quiet_at_a_mark():
    energy = [LOUD] * 16 + [PAUSE] * 6 + [LOUD] * 18
    timing = timed("ma, mi", [5, 4, 5, 8, 2, 4, 4, 8], energy)
    assert (16, 22, "sil") in frames(timing.phones)
    assert frames(timing.words)[0][1] == 16
    assert frames(timing.words)[1][0] == 22


def test_a_mark_at_which_the_voice_does_not_pause_is_no_silence():
    timing = timed("ma, mi", [5, 4, 5, 8, 2, 4, 4, 8], [LOUD] * 40)
    names = [name for _, _, name in timing.phones]
    assert "sil" not in names[1:-1]


def test_a_stops_closure_is_no_pause():
    """Two quiet frames (50 ms) at a mark are the lips that are shut."""
    energy = [LOUD] * 20 + [PAUSE] * 2 + [LOUD] * 18
    names = [name for _, _, name in timed("ma, pi", [5, 4, 5, 8, 2, 4, 4, 8], energy).phones]
    assert "sil" not in names[1:-1]


def test_quiet_inside_a_word_is_part_of_its_sounds():
    energy = [LOUD] * 12 + [PAUSE] * 5 + [LOUD] * 8
    names = [name for _, _, name in timed("apa", [4, 6, 6, 5, 4], energy).phones]
    assert [name for name in names if name != "sil"] == ["aa", "p", "aa"]
    assert "sil" not in names[1:-1]


# Words


def test_a_word_lasts_from_its_first_sound_to_its_last():
    symbols = "mab dib, kud."
    timing = timed(symbols, [8] + [4] * len(symbols) + [10])
    assert [word for _, _, word in timing.words] == ["word0", "word1", "word2"]
    borders = {round(t, 9) for start, end, _ in timing.phones for t in (start, end)}
    assert all(round(t, 9) in borders for start, end, _ in timing.words for t in (start, end))


SYMBOLS = st.text("mbapiˈː ,.ɜɹəʃk—", min_size=1, max_size=14)


@settings(max_examples=100)
@given(SYMBOLS, st.data())
def test_for_any_durations_and_energies_phones_cover_exactly_the_whole(symbols, data):
    durations = data.draw(st.lists(st.integers(0, 9), min_size=len(symbols) + 2, max_size=len(symbols) + 2))
    total = sum(durations)
    energy = data.draw(st.lists(st.sampled_from([PAUSE, -2.0, LOUD]), min_size=total, max_size=total))
    transcript, prosody = transcript_of(symbols), prosody_of(symbols, durations, np.array(energy))
    check(timing_of(transcript, prosody), prosody)


@settings(max_examples=30)
@given(SYMBOLS)
def test_every_word_of_a_usual_phrase_has_a_time(symbols):
    transcript = transcript_of(symbols)
    prosody = prosody_of(symbols, [8] + [4] * len(symbols) + [10])
    timing = timing_of(transcript, prosody)
    spoken = [
        word for n, word in enumerate(transcript.words)
        if any(o == n and s not in "ˈː" for s, o in zip(symbols, transcript.owner, strict=True))
    ]  # fmt: skip
    assert [word for _, _, word in timing.words] == spoken
