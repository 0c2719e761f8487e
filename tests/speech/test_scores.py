"""The benchmark's scores on tracks whose right score is known."""

import numpy as np
import pytest

from benchmarks.results_file import with_remarks, with_sections
from benchmarks.speech_scores import (
    BILABIAL,
    VISEME_OF,
    VISEMES,
    Score,
    Track,
    closures_of,
    collapsed,
    correlation,
    sequence_error,
    track_of_segments,
    visemes_of,
)
from emotalk.core.speech import PHONES


def segments(names: str, each: float = 0.1) -> list[tuple[float, float, int]]:
    return [(i * each, (i + 1) * each, PHONES.index(name)) for i, name in enumerate(names.split())]


def test_every_phone_has_one_viseme():
    assert len(VISEME_OF) == len(PHONES)
    assert sorted(phone for phones in VISEMES.values() for phone in phones.split()) == sorted(PHONES)


def test_the_truth_scores_full_marks_against_itself():
    truth = track_of_segments(segments("sil b aa t iy m uw sil"), 40)
    score = Score()
    score.add(truth, truth)
    assert score.viseme_accuracy == score.phone_accuracy == score.closure_precision == score.closure_recall == 1
    assert score.closure_bias == 0
    assert score.jaw_correlation == pytest.approx(1)


def test_a_late_track_shows_its_delay():
    names = "sil b aa t iy m uw sil sil"
    truth = track_of_segments(segments(names), 45)
    late = track_of_segments([(a + 0.04, b + 0.04, p) for a, b, p in segments(names)], 45)
    score = Score()
    score.add(late, truth)
    assert score.closure_bias == pytest.approx(0.04, abs=0.003)
    assert score.closure_error == pytest.approx(0.04, abs=0.003)
    assert 0.4 < score.phone_accuracy < 0.8


def test_closures_beyond_the_tolerance_and_said_twice_do_not_count():
    empty = np.zeros(50, int)
    truth = Track(empty, empty, np.array([0.2, 0.6]), np.arange(50.0))
    said = Track(empty, empty, np.array([0.19, 0.22, 0.75]), np.arange(50.0))
    score = Score()
    score.add(said, truth)
    assert score.closure_precision == pytest.approx(1 / 3)
    assert score.closure_recall == pytest.approx(1 / 2)


def test_silence_does_not_count_as_speech():
    truth = track_of_segments(segments("sil sil sil sil aa"), 25)
    always_silent = track_of_segments([], 25)
    score = Score()
    score.add(always_silent, truth)
    assert score.viseme_accuracy == 0
    assert score.viseme_accuracy_with_silence == pytest.approx(0.8)


def test_closures_are_the_centres_of_shut_stretches():
    closure = np.zeros(50)
    closure[10:14] = 1.0
    closure[30] = 0.8
    closure[40] = 0.4
    np.testing.assert_allclose(closures_of(closure), [0.24, 0.61])


def test_visemes_add_up_the_probabilities_of_their_phones():
    phones = np.zeros((1, len(PHONES)), np.float32)
    phones[0, PHONES.index("s")] = 0.4
    phones[0, [PHONES.index(name) for name in "pbm"]] = 0.2
    assert visemes_of(phones)[0] == BILABIAL


def test_sequence_error_counts_edits():
    assert sequence_error([1, 2, 3], [1, 2, 3]) == 0
    assert sequence_error([1, 3], [1, 2, 3]) == pytest.approx(1 / 3)
    assert sequence_error([4, 1, 9, 3], [1, 2, 3]) == pytest.approx(2 / 3)
    assert collapsed(np.array([0, 0, 5, 5, 0, 0, 5, 5, 7, 3, 3])) == [5, 3]


def test_correlation_of_what_does_not_move_is_zero():
    assert correlation(np.ones(5), np.arange(5.0)) == 0
    assert correlation(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1)


@pytest.mark.parametrize("lag", [-3, 0, 2])
def test_the_offset_between_sound_and_picture_is_found(lag):
    lips = pytest.importorskip("benchmarks.speech_lips")
    course = np.convolve(np.random.default_rng(0).standard_normal(240), np.ones(5), "same")
    said, seen = course[20:220], course[20 - lag : 220 - lag]
    assert lips.best_lag(said, seen) == lag
    assert lips.at_lag(said, seen, lag) == pytest.approx(1)


def test_drift_is_removed_and_syllables_stay():
    lips = pytest.importorskip("benchmarks.speech_lips")
    moments = np.arange(250) / 25
    syllables = np.sin(2 * np.pi * 3 * moments)
    rest = lips.without_drift(syllables + 5 * moments)[50:-50]
    assert np.abs(rest - syllables[50:-50]).max() < 0.05


def test_measuring_one_part_again_keeps_the_others():
    text = with_sections("# Title\n", ["## A\n\n1", "## B\n\n2\n"])
    assert with_sections(text, ["## A\n\n3"]) == "# Title\n\n## A\n\n3\n\n## B\n\n2\n"


def test_remarks_written_by_hand_stay_when_tables_are_written_anew(tmp_path) -> None:
    path = tmp_path / "table.md"
    assert with_remarks("# Title\n\n1\n", path) == "# Title\n\n1\n"
    path.write_text("# Title\n\n1\n\n## Remarks\n\n- It rained.\n")
    assert with_remarks("# Title\n\n2", path) == "# Title\n\n2\n\n## Remarks\n\n- It rained.\n"
