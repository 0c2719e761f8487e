"""Lids and lips that the detector leaves apart meet; open ones stay where they were seen."""

import numpy as np

from emotalk.core.landmarks import LANDMARKS, PAIR_GROUPS, PAIRS, pair_gaps
from emotalk.tracking.landmark_bias import eye_contrast, openness, without_bias


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
    gaps = pair_gaps(without_bias(seen, 100.0))[:, PAIR_GROUPS["left eye"]]
    np.testing.assert_allclose(gaps[41:43], 0.0, atol=1e-6)
    np.testing.assert_allclose(gaps[:40], 10.0, atol=1e-6)
    assert (gaps[40] < 6.0).all()
    assert (gaps[40] > 0.0).all()


def test_the_upper_lid_does_most_of_the_moving():
    seen = film(EYES, np.full(len(EYES), 1.0))
    moved = np.abs(without_bias(seen, 100.0) - seen)[41, :, 1]
    upper, lower = PAIRS[PAIR_GROUPS["left eye"]][2]
    assert moved[upper] > 3 * moved[lower]


def test_a_mouth_at_rest_is_shut_and_one_that_never_shuts_is_left_alone():
    resting = film(np.full(60, 10.0), np.r_[np.full(40, 2.0), np.linspace(2, 20, 20)])
    shut = pair_gaps(without_bias(resting, 100.0))[:, PAIR_GROUPS["mouth"]]
    np.testing.assert_allclose(shut[:40], 0.0, atol=0.05)
    agape = film(np.full(60, 10.0), np.linspace(12, 20, 60))
    kept = pair_gaps(without_bias(agape, 100.0))[:, PAIR_GROUPS["mouth"]]
    np.testing.assert_allclose(kept, pair_gaps(agape)[:, PAIR_GROUPS["mouth"]], atol=1e-6)


def test_frames_without_a_face_stay_unknown():
    seen = film(EYES, np.full(len(EYES), 1.0))
    seen[5] = np.nan
    done = without_bias(seen, 100.0)
    assert np.isnan(done[5]).all()
    assert np.isfinite(done[6]).all()


def test_a_blink_that_the_landmarks_miss_is_seen_by_the_eyes_contrast():
    seen = film(np.full(60, 10.0), np.full(60, 1.0))
    contrast = np.full(60, 120.0)
    contrast[30:32] = 20.0
    contrast[5] = np.nan
    gaps = pair_gaps(without_bias(seen, 100.0, contrast))[:, PAIR_GROUPS["right eye"]]
    np.testing.assert_allclose(gaps[30:32], 0.0, atol=1e-6)
    np.testing.assert_allclose(gaps[:30], 10.0, atol=1e-6)


def test_contrast_says_nothing_of_dark_or_softly_lit_eyes():
    assert (openness(np.r_[np.full(50, 25.0), 3.0]) == 1).all()


def test_an_open_eye_has_more_contrast_than_a_lid():
    points = np.zeros((LANDMARKS, 2))
    points[[33, 133]], points[[362, 263]] = [(20, 50), (60, 50)], [(100, 50), (140, 50)]
    lid = np.full((100, 160), 150, np.uint8)
    eye = lid.copy()
    for x in (40, 120):
        eye[44:56, x - 5 : x + 5] = 20
    assert eye_contrast(eye, points) > 100
    assert eye_contrast(lid, points) == 0
