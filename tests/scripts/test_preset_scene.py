"""The parts of the preset studio that need neither Blender nor the MakeHuman data."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from scripts.preset_scene import facial_hair, film
from scripts.preset_scene.garment import cut, neckline
from scripts.preset_scene.sheet import CHARACTERS, Garment, Glasses, Phenotype, load_sheet
from scripts.preset_scene.shots import as_json, merged, shots
from scripts.preset_scene.spectacles import centrelines
from scripts.preset_scene.strands import Roots, Scalp, Strands, clump, ride
from scripts.preset_scene.subject import Pose


def sphere(rings: int = 16, around: int = 24, radius: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A closed ball: vertices and outward triangles."""
    polar = np.linspace(0, np.pi, rings)[1:-1, None]
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)[None]
    ring = np.stack([np.sin(polar) * np.sin(angle), np.cos(polar) + 0 * angle, np.sin(polar) * np.cos(angle)], -1)
    vertices = np.concatenate([[[0, 1, 0]], ring.reshape(-1, 3), [[0, -1, 0]]]) * radius
    triangles, last = [], len(vertices) - 1
    for k in range(around):
        n = (k + 1) % around
        triangles += [(0, 1 + k, 1 + n), (last, last - around + n, last - around + k)]
        for r in range(rings - 3):
            a, b = 1 + r * around, 1 + (r + 1) * around
            triangles += [(a + k, b + k, b + n), (a + k, b + n, a + n)]
    return vertices, np.array(triangles)


def rotation(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


class TestSheets:
    @pytest.mark.parametrize("name", sorted(p.stem for p in CHARACTERS.glob("*.json")))
    def test_every_character_sheet_is_complete(self, name):
        sheet = load_sheet(name)
        assert sheet.title
        assert sheet.about
        assert 3000 < sheet.hair.strands < 30_000

    def test_an_unknown_entry_is_named(self, tmp_path):
        sheet = json.loads((CHARACTERS / "mira.json").read_text())
        sheet["skin"]["colour"] = [1, 1, 1]
        (tmp_path / "odd.json").write_text(json.dumps(sheet))
        with pytest.raises(InputError, match=r"skin has unknown entries \['colour'\]"):
            load_sheet("odd", tmp_path)

    def test_an_unknown_character_lists_the_known(self):
        with pytest.raises(InputError, match="mira"):
            load_sheet("nobody")

    def test_ethnicities_must_share_out_one(self):
        with pytest.raises(InputError, match=r"sum to 1, found 1\.50"):
            Phenotype(african=0.5, asian=0.5, caucasian=0.5)


class TestShots:
    def test_held_out_pictures_show_poses_no_training_picture_shows(self):
        taken = shots()
        seen = {json.dumps(as_json(s.pose), sort_keys=True) for s in taken if s.split == "train"}
        held = [json.dumps(as_json(s.pose), sort_keys=True) for s in taken if s.split == "test"]
        assert len(held) >= 10
        assert not seen & set(held)

    def test_teeth_are_seen_from_both_sides(self):
        yaws = [np.degrees(s.yaw) for s in shots() if s.label in ("teeth", "smile half", "smile open", "smile aa")]
        assert max(yaws) >= 30
        assert min(yaws) <= -30

    def test_half_a_set_already_holds_every_kind_of_picture(self):
        half = shots()[:50]
        labels = [s.label for s in half]
        assert labels.count("neutral") >= 12
        assert any(s.split == "test" for s in half)
        assert any(s.pose.eyelids == (1.0, 1.0) for s in half)
        assert any(s.pose.expression.get("jawOpen") == 1.0 for s in half)
        assert any(s.pose.head_pose[1] > 0.3 for s in half)
        assert any(s.pose.head_pose[1] < -0.3 for s in half)

    def test_every_shape_has_its_name_and_a_sane_weight(self):
        for shot in shots():
            assert all(name in ARKIT_INDEX for name in shot.pose.expression)
            assert all(-0.01 <= weight <= 1.9 for weight in shot.pose.expression.values()), shot.label

    def test_lips_lids_brows_jaw_and_tongue_all_move(self):
        used = {name for s in shots() if s.split == "train" for name, w in s.pose.expression.items() if w >= 0.3}
        wanted = {
            "jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthRollLower", "tongueOut", "mouthSmileRight",
            "mouthFrownLeft", "browInnerUp", "browDownLeft", "noseSneerRight", "cheekPuff",
        }  # fmt: skip
        assert wanted <= used

    def test_merging_takes_the_stronger_shape_and_adds_turns(self):
        both = merged(
            Pose({"jawOpen": 0.2}, gaze=(0.1, 0.0)), Pose({"jawOpen": 0.5, "mouthPucker": 0.3}, gaze=(0.2, 0.1))
        )
        assert both.expression == {"jawOpen": 0.5, "mouthPucker": 0.3}
        assert both.gaze == pytest.approx((0.3, 0.1))


class TestFilm:
    def test_base_colours_pass_almost_unchanged(self):
        grey = np.full((4, 3), 0.4)
        assert film.neutral_tone(grey) == pytest.approx(grey - 0.04)

    def test_highlights_roll_off_below_one_and_keep_their_order(self):
        bright = film.neutral_tone(np.linspace(0.5, 20, 50)[:, None] * np.array([1.0, 0.9, 0.8]))
        assert (np.diff(bright[:, 0]) > 0).all()
        assert bright.max() < 1

    def test_opaque_detail_stays_sharp(self):
        picture = np.random.default_rng(0).random((32, 32, 4))
        picture[..., 3] = 1
        assert film.quiet(picture) == pytest.approx(picture)

    def test_a_silhouette_softens_by_a_pixel_at_most(self):
        picture = np.zeros((32, 32, 4))
        picture[:, 16:] = [0.3, 0.2, 0.1, 1.0]
        alpha = film.quiet(picture)[16, :, 3]
        assert alpha[:13].max() < 0.01
        assert alpha[19:].min() > 0.99

    def test_speckled_alpha_is_smoothed_and_covers_as_much(self):
        rng = np.random.default_rng(0)
        picture = np.zeros((64, 64, 4))
        picture[16:48, 16:48] = [0.3, 0.2, 0.1, 1.0]
        picture[16:48, 16:48] *= rng.random((32, 32, 1)) < 0.5
        smooth = film.quiet(picture)
        inside = smooth[20:44, 20:44, 3]
        assert inside.std() < 0.6 * picture[20:44, 20:44, 3].std()
        assert inside.mean() == pytest.approx(picture[20:44, 20:44, 3].mean(), abs=0.02)

    def test_straight_alpha_does_not_darken_thin_coverage(self):
        thin = film.develop(np.tile([0.1, 0.05, 0.02, 0.25], (8, 8, 1)))
        full = film.develop(np.tile([0.4, 0.2, 0.08, 1.0], (8, 8, 1)))
        assert np.abs(thin[..., :3].astype(int) - full[..., :3]).max() <= 1


class TestStrands:
    def strands(self) -> tuple[np.ndarray, np.ndarray, Strands]:
        vertices, triangles = sphere()
        scalp = Scalp(vertices, triangles)
        roots = scalp.sample(200, lambda points: (points[:, 1] > 0.03).astype(float), np.random.default_rng(0))
        points = roots.position[:, None] + roots.normal[:, None] * np.linspace(0, 0.01, 5)[None, :, None]
        return vertices, triangles, Strands(points, np.full((200, 5), 1e-4), np.zeros((200, 5, 3)), None, roots)

    def test_roots_grow_only_where_hair_grows(self):
        _, _, strands = self.strands()
        assert (strands.roots.position[:, 1] > 0.01).all()
        assert np.linalg.norm(strands.roots.position, axis=1) == pytest.approx(0.1, abs=0.002)

    def test_riding_a_resting_head_changes_nothing(self):
        vertices, triangles, strands = self.strands()
        assert ride(vertices, vertices, triangles, strands) == pytest.approx(strands.points, abs=1e-12)

    def test_riding_a_turned_head_turns_the_strands(self):
        vertices, triangles, strands = self.strands()
        turned = vertices @ rotation(0.7).T + [0.01, 0.02, 0.03]
        moved = ride(vertices, turned, triangles, strands)
        assert moved == pytest.approx(strands.points @ rotation(0.7).T + [0.01, 0.02, 0.03], abs=1e-9)

    def test_height_above_a_ball_is_measured_outwards(self):
        vertices, triangles = sphere(48, 64)
        height, normal = Scalp(vertices, triangles).nearest(np.array([[0.0, 0.0, 0.12], [0.0, 0.0, 0.09]]))
        assert height == pytest.approx([0.02, -0.01], abs=0.001)
        assert normal[:, 2] == pytest.approx(1, abs=0.01)

    def test_clumping_moves_tips_and_leaves_roots(self):
        rng = np.random.default_rng(1)
        points = rng.normal(size=(50, 8, 3))
        together = clump(points, points[:, 0], 5, 0.8, rng)
        assert together[:, 0] == pytest.approx(points[:, 0])
        assert together[:, -1].std() < points[:, -1].std()

    def test_roots_can_be_picked_by_rows(self):
        _, _, strands = self.strands()
        few = strands.roots[np.array([3, 5])]
        assert isinstance(few, Roots)
        assert len(few) == 2


class TestGreyHair:
    def test_as_many_hairs_are_white_as_asked_for_and_the_others_keep_their_colour(self):
        color = np.full((4000, 4, 3), 0.05)
        mixed = facial_hair._greyed(color, np.repeat([0.0, 0.5], 2000), np.random.default_rng(0))
        white = (mixed > 0.2).all((1, 2))
        assert not white[:2000].any()
        assert 0.45 < white[2000:].mean() < 0.55
        assert (mixed[~white] == 0.05).all()

    def test_no_grey_takes_no_chance(self):
        rng = np.random.default_rng(0)
        assert facial_hair._greyed(np.ones((3, 2, 3)), np.zeros(3), rng) is not None
        assert rng.random() == np.random.default_rng(0).random()  # other grooms of the same seed stay as they are


class TestGarment:
    def test_cloth_ends_at_the_neckline_and_lies_off_the_skin(self):
        vertices, triangles = sphere(40, 60, 0.08)
        cloth = cut(vertices, triangles, 0.0, Garment((0.5, 0.5, 0.5)), smoothing=0)
        draped = cloth.vertices(vertices)
        above = neckline(cloth.operator @ vertices, 0.0, "crew")
        assert above.max() < 0.003
        assert above.max() > -0.003
        assert np.linalg.norm(draped, axis=1).min() > 0.08

    def test_cloth_follows_a_turn_of_the_body(self):
        vertices, triangles = sphere(20, 30)
        cloth = cut(vertices, triangles, 0.0, Garment((0.5, 0.5, 0.5)))
        turned = cloth.vertices(vertices @ rotation(0.4).T)
        assert turned == pytest.approx(cloth.vertices(vertices) @ rotation(0.4).T, abs=1e-9)


class TestSpectacles:
    EYES = (np.array([0.031, 0.035, 0.09]), np.array([-0.031, 0.035, 0.09]))

    def rims(self, half: bool) -> list[tuple[np.ndarray, bool]]:
        anchors = SimpleNamespace(
            eye_left=self.EYES[0], eye_right=self.EYES[1], eye_height=0.035, skull=np.array([0.0, 0.035, 0.0])
        )
        return centrelines(Glasses((0.1, 0.1, 0.1), half=half), anchors)[:2]

    def test_whole_rims_run_around_the_eyes(self):
        for (line, closed), eye in zip(self.rims(half=False), self.EYES, strict=True):
            assert closed
            assert line[:, 1].min() < eye[1] - 0.015
            assert line[:, 1].max() > eye[1] + 0.01

    def test_half_rims_end_beside_the_eyes_and_leave_the_lower_lids_free(self):
        for (line, closed), eye in zip(self.rims(half=True), self.EYES, strict=True):
            assert not closed
            assert line[:, 1].max() > eye[1] + 0.01
            assert line[np.abs(line[:, 0] - eye[0]) < 0.012, 1].min() > eye[1] + 0.01
            ends = line[[0, -1]]
            assert (np.abs(ends[:, 0] - eye[0]) > 0.012).all()
