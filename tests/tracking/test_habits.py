"""Lids and lips that the detector leaves apart meet; open ones stay where they were seen."""

import numpy as np

from emotalk.tracking.habits import without_habits
from emotalk.tracking.points import LANDMARKS, PAIR_GROUPS, PAIRS, pair_gaps


def face(gaps: dict[str, float]) -> np.ndarray:
    """Landmarks [478, 2] with all pairs of a group a gap apart, in an upright face 200 px high."""
    points = np.zeros((LANDMARKS, 2))
    points[10], points[152] = (100, 0), (100, 200)
    points[33], points[263] = (50, 80), (150, 80)
    for name, pairs in PAIR_GROUPS.items():
        for k, (upper, lower) in enumerate(PAIRS[pairs]):
            points[upper] = (80 + 3 * k, 100 - gaps[name] / 2)
            points[lower] = (80 + 3 * k, 100 + gaps[name] / 2)
    return points


def film(eyes: np.ndarray, mouth: np.ndarray) -> np.ndarray:
    return np.stack([face({"mouth": m, "right eye": e, "left eye": e}) for e, m in zip(eyes, mouth, strict=True)])


EYES = np.r_[np.full(40, 10.0), 6.0, 2.5, 2.5, 6.0, np.full(40, 10.0)]


def test_a_blink_shuts_the_eye_and_an_open_eye_stays():
    seen = film(EYES, np.full(len(EYES), 1.0))
    gaps = pair_gaps(without_habits(seen, 100.0))[:, PAIR_GROUPS["left eye"]]
    np.testing.assert_allclose(gaps[41:43], 0.0, atol=1e-6)
    np.testing.assert_allclose(gaps[:40], 10.0, atol=1e-6)
    assert (gaps[40] < 6.0).all()
    assert (gaps[40] > 0.0).all()


def test_the_upper_lid_does_most_of_the_moving():
    seen = film(EYES, np.full(len(EYES), 1.0))
    moved = np.abs(without_habits(seen, 100.0) - seen)[41, :, 1]
    upper, lower = PAIRS[PAIR_GROUPS["left eye"]][2]
    assert moved[upper] > 3 * moved[lower]


def test_a_mouth_at_rest_is_shut_and_one_that_never_shuts_is_left_alone():
    resting = film(np.full(60, 10.0), np.r_[np.full(40, 2.0), np.linspace(2, 20, 20)])
    shut = pair_gaps(without_habits(resting, 100.0))[:, PAIR_GROUPS["mouth"]]
    np.testing.assert_allclose(shut[:40], 0.0, atol=0.05)
    agape = film(np.full(60, 10.0), np.linspace(12, 20, 60))
    kept = pair_gaps(without_habits(agape, 100.0))[:, PAIR_GROUPS["mouth"]]
    np.testing.assert_allclose(kept, pair_gaps(agape)[:, PAIR_GROUPS["mouth"]], atol=1e-6)


def test_frames_without_a_face_stay_unknown():
    seen = film(EYES, np.full(len(EYES), 1.0))
    seen[5] = np.nan
    done = without_habits(seen, 100.0)
    assert np.isnan(done[5]).all()
    assert np.isfinite(done[6]).all()
