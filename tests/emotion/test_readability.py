import numpy as np
import pytest

from benchmarks.readability import REGIONS, ReadAvatar, missing_lines, point_lines, summary_lines
from benchmarks.readability_clips import changes
from benchmarks.readability_features import (
    FEATURES,
    FOLDS,
    GEOMETRY,
    PATCHES,
    SCALE,
    flattened,
    folds,
    frontalised,
    geometry,
    template,
)
from benchmarks.readability_moods import MOODS, SIGNS, MoodReader, accuracy, without_folds

NEUTRAL = np.zeros(len(FEATURES))
UNITS = np.where(np.isin(FEATURES, FOLDS), 50.0, 3.0)


def actor(strength: float = 1.0) -> dict[str, np.ndarray]:
    """Someone who shows exactly the known signs, and speaks a little."""
    speech = np.random.default_rng(0).normal(0, 0.1, (40, len(FEATURES))) * UNITS
    signs = {mood: np.array([SIGNS[mood].get(name, 0.0) for name in FEATURES]) for mood in MOODS}
    return {mood: strength * signs[mood] * UNITS + speech for mood in MOODS}


@pytest.fixture(scope="module")
def reader() -> MoodReader:
    return MoodReader.calibrated([actor()])


def turned(points: np.ndarray, yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def picture_of(points: np.ndarray, brightness) -> np.ndarray:
    """A grey picture [480, 480, 3] whose brightness is a function of x and y in pixels."""
    y, x = np.mgrid[:480, :480]
    return np.repeat(np.clip(brightness(x, y), 0, 255).astype(np.uint8)[..., None], 3, -1)


def test_a_turned_and_enlarged_head_has_the_same_geometry():
    points = template()
    seen = 130 * turned(points, 0.2) + [240, 200, 0]
    np.testing.assert_allclose(geometry(frontalised(seen)), geometry(points), atol=1e-6)


def test_raised_brows_and_an_open_mouth_are_what_geometry_says():
    points = template().copy()
    before = dict(zip(GEOMETRY, geometry(points), strict=True))
    points[[107, 55, 66, 65, 336, 285, 296, 295], 1] -= 0.05  # y goes down
    points[[87, 14, 317], 1] += 0.08
    after = dict(zip(GEOMETRY, geometry(points), strict=True))
    changed = {
        name: round(after[name] - before[name], 6) for name in GEOMETRY if abs(after[name] - before[name]) > 1e-6
    }
    assert changed == {"inner brows": 5.0, "brow slant": 5.0, "lip gap": 8.0}


def test_the_template_shows_a_picture_where_its_landmarks_are():
    points = 130 * template() + [240, 200, 0]
    flat = flattened(picture_of(points, lambda x, y: 40 + 0.3 * x), points)
    # Half an eye distance further to the right on the template is 65 pixels of the picture.
    row, column = flat.shape[0] // 2, flat.shape[1] // 2
    steps = np.exp(flat[row, column + SCALE // 2]) - np.exp(flat[row, column])
    assert steps == pytest.approx(0.3 * 65, abs=0.5)


def test_a_line_between_the_brows_is_a_frown_and_nothing_else():
    points = 130 * template() + [240, 200, 0]
    x0, y0, _ = points[list(PATCHES["frown lines"][0].middle)].mean(0)
    plain = folds(flattened(picture_of(points, lambda x, y: 150 + 0 * x), points))
    lined = picture_of(points, lambda x, y: 150 - 60 * ((np.abs(x - x0) < 3) & (np.abs(y - y0) < 12)))
    change = dict(zip(FOLDS, folds(flattened(lined, points)) - plain, strict=True))
    assert change["frown lines"] > 50
    assert change["nasolabial folds"] == pytest.approx(0, abs=1)
    assert change["under eyes"] == pytest.approx(0, abs=1)


def test_broad_shadow_is_no_fold():
    points = 130 * template() + [240, 200, 0]
    plain = folds(flattened(picture_of(points, lambda x, y: 150 + 0 * x), points))
    shaded = folds(flattened(picture_of(points, lambda x, y: 100 + 0.2 * x), points))
    assert np.abs(shaded - plain).max() < 60  # a line of 40 % darkens by far more
    assert shaded[FOLDS.index("nasolabial folds")] - plain[FOLDS.index("nasolabial folds")] < 25


def test_every_acted_mood_is_read_and_stillness_is_neutral(reader):
    clips, frames = accuracy(reader, actor())
    assert clips == {mood: mood for mood in MOODS}
    assert frames > 0.99
    assert reader.read(NEUTRAL).mood == "neutral"


def test_a_faint_face_is_neutral_and_an_exaggerated_one_keeps_its_mood(reader):
    for mood in MOODS[1:]:
        assert reader.read(0.1 * actor()[mood].mean(0)).mood == "neutral"
        assert reader.read(2.0 * actor()[mood].mean(0)).mood == mood


def test_one_exaggerated_sign_does_not_stand_for_those_that_are_missing(reader):
    brows = NEUTRAL.copy()
    brows[FEATURES.index("inner brows")] = -10 * UNITS[0]
    assert reader.read(brows).mood == "neutral"


def test_joyful_surprise_counts_as_happy(reader):
    both = 0.75 * (actor()["happy"] + actor()["surprise"]).mean(0)
    assert reader.read(both).mood == "happy"


def test_nearness_is_above_one_where_the_mood_is_read(reader):
    reading = reader.read(actor()["sad"].mean(0))
    assert reading.mood == "sad"
    assert reading.nearness("sad") > 1
    assert reader.read(NEUTRAL).nearness("sad") < 1


def test_what_is_missing_names_the_feature_that_was_left_out(reader):
    sad = reader.faces[MOODS.index("sad")].copy()
    sad[FEATURES.index("frown lines")] = 0
    (name, more), *_ = reader.missing(sad, "sad")
    assert name == "frown lines"
    assert more > 0


def test_leaving_folds_out_leaves_landmarks():
    bare = without_folds(actor())["happy"]
    np.testing.assert_array_equal(bare[:, : len(GEOMETRY)], actor()["happy"][:, : len(GEOMETRY)])
    assert not bare[:, len(GEOMETRY) :].any()
    reader = MoodReader.calibrated([without_folds(actor())])
    assert reader.read(bare.mean(0)).mood == "happy"


def test_regions_are_16_points_of_the_border_and_name_known_moods():
    assert len(REGIONS) == 16
    for (valence, arousal), moods in REGIONS.items():
        assert max(abs(valence), abs(arousal)) == 1
        assert set(moods) <= set(MOODS)


def test_tables_count_what_is_read_as_a_mood_of_its_region(reader):
    avatar = ReadAvatar("someone")
    for strength, change in (("border", actor()["sad"].mean(0)), ("half", NEUTRAL)):
        avatar.differences[strength] = [change] * len(REGIONS)
        avatar.readings[strength] = [reader.read(change)] * len(REGIONS)
    assert avatar.right("border") == (5, 16)
    assert avatar.right("half") == (4, 16)
    assert avatar.sad("border") == (2, 2)
    assert avatar.sad("half") == (0, 2)
    summary = list(summary_lines([avatar]))[-1]
    assert summary.startswith("| someone | 31 % | 25 % | 100 % | 0 % |")
    rows = list(point_lines([avatar]))[-2:]
    assert rows[0].count("**sad**") == 11
    assert rows[1].count("**neutral**") == 12
    assert sum(row.startswith("| someone") for row in missing_lines([avatar], reader)) == 11


def test_without_the_clips_there_is_nobody_to_learn_from(tmp_path):
    assert changes(tmp_path) == {}
