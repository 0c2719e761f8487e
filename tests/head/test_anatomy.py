"""The head behaves like a head: one test per anatomical fact."""

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from tests.head.conftest import coefficients

MILLIMETRE = 1e-3
MOUTH, MOUTH_SIZE = (0.0, -0.04), 0.08
SHUT = {
    "rest": {},
    "m, b, p": {"jawOpen": 0.12, "mouthClose": 0.12, "mouthPress": 0.35, "mouthRollLower": 0.2, "mouthRollUpper": 0.15},
    "press": {"mouthPress": 1.0},
    "roll": {"mouthRollLower": 1.0, "mouthRollUpper": 1.0},
    "roll lower": {"mouthRollLower": 0.6},
    "jaw open, mouth closed": {"jawOpen": 1.0, "mouthClose": 1.0},
    "half of it": {"jawOpen": 0.5, "mouthClose": 0.5},
    "closed smile": {"mouthSmile": 0.8},
    "closed frown": {"mouthFrown": 0.8},
    "stretch and press": {"mouthStretch": 0.5, "mouthPress": 0.5},
    "puffed cheeks": {"cheekPuff": 0.8},
}
GAZES = [(0.0, 0.0), (0.45, 0.0), (-0.45, 0.0), (0.0, 0.35), (0.0, -0.4), (0.3, -0.25)]


def lip_gap(posed_vertices, front, faces_of) -> float:
    """Greatest height in metres through which the inside of the mouth is seen from the front."""
    view = front(posed_vertices, MOUTH, MOUTH_SIZE, 800)
    inside = view.shows(faces_of("inner_mouth", "teeth", "gums", "tongue"))
    return float(inside.sum(0).max() * view.pixel)


@pytest.mark.parametrize("pose", SHUT)
def test_lips_touch_when_the_mouth_is_shut(pose, posed, front, faces_of):
    assert lip_gap(posed(**SHUT[pose]), front, faces_of) < 0.5 * MILLIMETRE


def test_the_gap_measure_sees_an_open_mouth(posed, front, faces_of):
    assert lip_gap(posed(jawOpen=0.1), front, faces_of) > 2 * MILLIMETRE


@pytest.mark.parametrize("seed", range(3))
def test_lips_touch_on_other_people(seed, head, posed, front, faces_of):
    person = head.with_identity(torch.randn(head.components, generator=torch.Generator().manual_seed(seed)))
    assert lip_gap(posed(person), front, faces_of) < 0.5 * MILLIMETRE
    assert lip_gap(posed(person, **SHUT["m, b, p"]), front, faces_of) < 0.5 * MILLIMETRE


def eye_height(vertices, head, front, faces_of, side: int) -> tuple[float, np.ndarray]:
    """Greatest height of visible eyeball and, per pixel column, the number of separate visible runs."""
    centre = head.joints[4 + side].numpy()
    view = front(vertices, (centre[0], centre[1]), 0.045)
    own = faces_of("eyes") & (head.triangles.numpy().min(1) >= head.metadata["parts"][f"eye_{'lr'[side]}"][0])
    ball = view.shows(own)
    runs = (np.diff(np.pad(ball.astype(int), ((1, 1), (0, 0))), axis=0) == 1).sum(0)
    return float(ball.sum(0).max() * view.pixel), runs


@pytest.mark.parametrize("side", [0, 1])
def test_lids_meet_in_a_blink(side, head, posed, front, faces_of):
    shut = [0.0, 0.0]
    shut[side] = 1.0
    vertices = posed(eyelids=shut)
    assert eye_height(vertices, head, front, faces_of, side)[0] < 0.2 * MILLIMETRE
    assert eye_height(vertices, head, front, faces_of, 1 - side)[0] > 6 * MILLIMETRE


@pytest.mark.parametrize("seed", range(4))
def test_lids_meet_in_a_blink_of_other_people(seed, head, posed, front, faces_of):
    person = head.with_identity(torch.randn(head.components, generator=torch.Generator().manual_seed(seed)))
    assert eye_height(posed(person, eyelids=[1.0, 1.0]), person, front, faces_of, 0)[0] < 0.5 * MILLIMETRE


@pytest.mark.parametrize("gaze", GAZES)
@pytest.mark.parametrize("closure", [0.0, 0.3, 0.6, 0.85, 1.0])
def test_eyeballs_show_between_the_lids_only(gaze, closure, head, posed, front, faces_of):
    """An eyeball that pokes through a lid would show as a second patch above or below the opening."""
    vertices = posed(gaze=list(gaze), eyelids=[closure, closure])
    for side in (0, 1):
        _, runs = eye_height(vertices, head, front, faces_of, side)
        assert runs.max() <= 1


def test_jaw_opening_moves_lower_teeth_and_tongue_but_not_upper_teeth(head, posed):
    moved = (posed(jawOpen=1.0) - head.template).norm(dim=1)
    upper, lower = (
        slice(*head.metadata["parts"][f"{kind}_{jaw}"]) for kind, jaw in (("teeth", "upper"), ("teeth", "lower"))
    )
    assert moved[upper].max() < 0.01 * MILLIMETRE
    assert moved[slice(*head.metadata["parts"]["gum_upper"])].max() < 0.01 * MILLIMETRE
    assert moved[lower].min() > 5 * MILLIMETRE
    assert moved[head.regions["tongue"]].mean() > 5 * MILLIMETRE


def test_turning_the_jaw_is_jaw_open(head, posed):
    """jaw pitch of `jaw_open_angle` radians == jawOpen 1: for teeth within half a millimetre of 25, for skin (which
    the shape also stretches) within a fifth of its way."""
    by_shape, by_joint = posed(jawOpen=1.0), posed(jaw=[head.jaw_open_angle, 0.0, 0.0])
    apart = (by_shape - by_joint).norm(dim=1)
    assert apart[slice(*head.metadata["parts"]["teeth_lower"])].max() < 0.6 * MILLIMETRE
    moved = (by_shape - head.template).norm(dim=1)
    skin = head.regions["skin"] & (moved > 1 * MILLIMETRE)
    assert apart[skin].mean() < 0.22 * moved[skin].mean()


def test_left_and_right_shapes_mirror_each_other(head):
    """Every shape's mirror image is the shape of the other side."""
    template = head.template
    flip = torch.tensor([-1.0, 1.0, 1.0])
    mirror = torch.cdist(template * flip, template).argmin(1)
    assert (template[mirror] * flip - template).abs().max() < 0.01 * MILLIMETRE
    for name in ARKIT_NAMES:
        other = name
        if name.endswith("Left"):
            other = name[:-4] + "Right"
        elif name.endswith("Right"):
            other = name[:-5] + "Left"
        elif name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            other = {"jawLeft": "jawRight", "jawRight": "jawLeft"}.get(name, name)
        mirrored = head.shapes[ARKIT_INDEX[name]][mirror] * flip
        assert (mirrored - head.shapes[ARKIT_INDEX[other]]).abs().max() < 0.02 * MILLIMETRE, name


def test_eyes_turn_about_their_centres(head, posed):
    yaw, pitch = 0.3, -0.2
    looking = posed(gaze=[yaw, pitch])
    for side, joint in (("eye_l", 4), ("eye_r", 5)):
        piece = slice(*head.metadata["parts"][side])
        centre = head.joints[joint]
        before, after = head.template[piece] - centre, looking[piece] - centre
        torch.testing.assert_close(before.norm(dim=1), after.norm(dim=1), atol=1e-6, rtol=0)
        pupil = after[0] / after[0].norm()
        wanted = torch.tensor([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        torch.testing.assert_close(pupil, wanted.float(), atol=2e-3, rtol=0)


def test_gaze_takes_the_lids_along(head, posed):
    lids = head.landmarks
    upper, lower = 386, 374  # middle of the left upper and lower lid
    rest, up, down = (lids(posed(gaze=[0.0, p])[None])[0, :, 1] for p in (0.0, 0.3, -0.3))
    assert up[upper] - rest[upper] > 0.5 * MILLIMETRE
    assert rest[upper] - down[upper] > 1.5 * MILLIMETRE
    assert rest[lower] - down[lower] > 0.3 * MILLIMETRE


def test_eyelook_shapes_equal_gaze(posed, head):
    """A look given as ARKit coefficients is the same look as one given as angles."""
    up = float(head.look_angles[0])
    torch.testing.assert_close(posed(eyeLookUp=1.0), posed(gaze=[0.0, up]), atol=2e-5, rtol=0)
    out, inward = float(head.look_angles[3]), float(head.look_angles[2])
    assert out == inward
    to_left = {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}
    torch.testing.assert_close(posed(**to_left), posed(gaze=[out, 0.0]), atol=2e-5, rtol=0)


def test_eyelids_channel_is_eye_blink_and_both_add_up_to_shut_at_most(posed):
    shut = posed(eyelids=[1.0, 1.0])
    torch.testing.assert_close(posed(eyeBlink=1.0), shut)
    torch.testing.assert_close(posed(eyeBlink=0.4, eyelids=[0.6, 0.6]), shut)
    torch.testing.assert_close(posed(eyeBlink=0.8, eyelids=[0.8, 0.8]), shut)


def test_rest_is_the_template(head, posed):
    torch.testing.assert_close(posed(), head.template, atol=2e-6, rtol=0)


def test_lashes_move_with_the_lids(head, posed):
    """In a blink the upper lashes sink as far as the lid they grow from; the lower ones stay."""
    moved = posed(eyelids=[1.0, 1.0]) - head.template
    piece = slice(*head.metadata["parts"]["lashes_l"])
    lash, template = moved[piece], head.template[piece]
    lid = head.landmarks((head.template + moved)[None])[0, 386] - head.landmarks(head.template[None])[0, 386]
    middle = (template[:, 0] - head.joints[4, 0]).abs() < 4 * MILLIMETRE
    upper = middle & (template[:, 1] > head.joints[4, 1])
    lower = middle & (template[:, 1] < head.joints[4, 1])
    roots = upper & (template[:, 2] < template[upper, 2].min() + 3 * MILLIMETRE)
    assert lid[1] < -6 * MILLIMETRE
    assert (lash[roots, 1] - lid[1]).abs().max() < 2 * MILLIMETRE
    assert lash[upper, 1].max() < 0.7 * lid[1]
    assert lash[lower, 1].abs().max() < 1.5 * MILLIMETRE
    gap = torch.cdist((template + lash)[roots], (head.template + moved)[head.regions["skin"]]).amin(1)
    assert gap.max() < 1.5 * MILLIMETRE


def test_inner_lip_landmarks_follow_the_jaw(head, posed):
    """Aperture between landmarks 13 and 14 against the true opening, slope near one."""
    opening = []
    for amount in (0.0, 0.25, 0.5, 1.0):
        points = head.landmarks(posed(jawOpen=amount)[None])[0]
        opening.append(float(points[13, 1] - points[14, 1]))
    assert abs(opening[0]) < 0.5 * MILLIMETRE
    assert opening[3] > 25 * MILLIMETRE
    np.testing.assert_allclose(np.diff(opening) / [0.25, 0.25, 0.5], opening[3] - opening[0], rtol=0.1)


@pytest.mark.parametrize(("upper", "lower"), [(386, 374), (159, 145), (385, 380), (158, 153), (387, 373), (160, 144)])
def test_lid_landmarks_follow_the_blink(upper, lower, head, posed):
    gaps = [
        float(p[upper, 1] - p[lower, 1])
        for p in (head.landmarks(posed(eyelids=[a, a])[None])[0] for a in (0.0, 0.5, 1.0))
    ]
    assert gaps[0] > 5 * MILLIMETRE
    assert 0.3 < gaps[1] / gaps[0] < 0.75
    assert abs(gaps[2]) < 1.5 * MILLIMETRE


def test_landmarks_lie_on_what_they_name(head):
    """Within 1.5 mm: irises, corners of the mouth, upper and lower edge of the red of the lips, the profile."""
    points = head.landmarks(head.template[None])[0]
    template = head.template
    lips = template[head.regions["lips"]]
    middle = lips[lips[:, 0].abs() < 1 * MILLIMETRE]
    profile = template[head.regions["skin"] & (template[:, 0].abs() < 1 * MILLIMETRE) & (template[:, 2] > 0.09)]
    nose = profile[profile[:, 2].argmax()]
    features = {
        473: template[head.metadata["parts"]["eye_l"][0]],
        468: template[head.metadata["parts"]["eye_r"][0]],
        291: lips[lips[:, 0].argmax()],
        61: lips[lips[:, 0].argmin()],
        0: middle[middle[:, 1].argmax()],
        17: middle[middle[:, 1].argmin()],
    }
    for index, place in features.items():
        assert (points[index] - place).norm() < 1.5 * MILLIMETRE, index
    assert nose[2] - points[1, 2] < 1.5 * MILLIMETRE  # the tip is round: nothing of the nose stands further out
    tip = head.landmarks(head.template[None], "ibug68")[0, 30]
    ridge = profile[profile[:, 2].topk(2).indices].mean(0)  # the tip is flat between its two foremost vertices
    assert (tip - ridge).norm() < 1.5 * MILLIMETRE
    assert points[1, 1] < tip[1] < points[4, 1]
    for index in (1, 4, 168, 6, 197, 195, 5, 152, 199, 200, 10, 151, 9, 8):
        assert points[index, 0].abs() < 0.1 * MILLIMETRE, f"{index} lies on the midline"


def test_eye_landmarks_lie_on_the_border_of_the_visible_eyeball(head, posed, front, faces_of):
    """Seen from the front, lids are where the eyeball begins and ends (1.5 mm); the corners, where the lids join,
    lie up to 2.5 mm past its ends."""
    points = head.landmarks(posed()[None])[0].numpy()
    size = 0.045
    for joint, inner, outer, lids in ((4, 362, 263, (386, 374, 385, 380)), (5, 133, 33, (159, 145, 158, 153))):
        centre = head.joints[joint].numpy()
        view = front(posed(), (centre[0], centre[1]), size)
        ball = view.shows(faces_of("eyes"))
        rows, columns = ball.nonzero()
        to_x = (columns + 0.5) * view.pixel - size / 2 + centre[0]
        ends = (to_x.min(), to_x.max()) if joint == 4 else (to_x.max(), to_x.min())
        assert abs(points[inner, 0] - ends[0]) < 2.5 * MILLIMETRE
        assert abs(points[outer, 0] - ends[1]) < 2.5 * MILLIMETRE
        for index in lids:
            column = int((points[index, 0] - centre[0] + size / 2) / view.pixel)
            heights = centre[1] + size / 2 - (rows[columns == column] + 0.5) * view.pixel
            edge = heights.max() if points[index, 1] > centre[1] else heights.min()
            assert abs(points[index, 1] - edge) < 1.5 * MILLIMETRE, index


def test_inner_lip_landmarks_lie_on_the_border_of_the_open_mouth(head, posed, front, faces_of):
    vertices = posed(jawOpen=0.5)
    points = head.landmarks(vertices[None])[0].numpy()
    view = front(vertices, MOUTH, MOUTH_SIZE, 800)
    opening = view.shows(faces_of("inner_mouth", "teeth", "gums", "tongue"))
    for index in (13, 14, 82, 87, 312, 317, 81, 178, 311, 402):
        column = int((points[index, 0] + MOUTH_SIZE / 2) / view.pixel)
        heights = MOUTH[1] + MOUTH_SIZE / 2 - (opening[:, column].nonzero()[0] + 0.5) * view.pixel
        edge = heights[abs(heights - points[index, 1]).argmin()]
        assert edge in (heights.min(), heights.max())
        assert abs(points[index, 1] - edge) < 1.5 * MILLIMETRE, index


def test_landmarks_are_symmetric(head):
    points = head.landmarks(head.template[None])[0]
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.cdist(mirrored, points).amin(1).max() < 0.1 * MILLIMETRE
    ibug = head.landmarks(head.template[None], "ibug68")[0]
    torch.testing.assert_close(ibug[36] * torch.tensor([-1.0, 1.0, 1.0]), ibug[45], atol=1e-5, rtol=0)
    assert ibug[0, 0] < 0 < ibug[16, 0]  # iBUG counts from the person's right


def test_resting_brows_are_friendly(head, posed):
    """Rest is nearer to raised inner brows than the data's own face: inner ends not below the middle of the brow,
    and a good way above where anger draws them."""
    brows = [107, 105, 70]  # right brow: inner end, middle, tail (336, 334, 300 on the left)
    rest = head.landmarks(head.template[None])[0]
    angry = head.landmarks(posed(browDown=1.0)[None])[0]
    inner, middle, _ = (rest[i, 1] for i in brows)
    assert middle - inner < 5 * MILLIMETRE
    assert rest[107, 1] - angry[107, 1] > 3 * MILLIMETRE
    assert rest[105, 1] - head.landmarks(head.template[None])[0, 159, 1] > 9 * MILLIMETRE


def test_all_fifty_two_shapes_do_something_different(head):
    flat = head.shapes.flatten(1)
    looks = [i for i, name in enumerate(ARKIT_NAMES) if "Look" in name]
    assert (flat.abs().amax(1) > 0.5 * MILLIMETRE).all()
    others = [i for i in range(len(flat)) if i not in looks]
    assert torch.linalg.matrix_rank(flat[others].double(), rtol=1e-4) == len(others)


def test_teeth_are_separate_and_stand_in_the_mouth(head):
    """Two rows of 14 crowns; every crown is a piece of its own, in front of the tongue and behind the lips."""
    triangles = head.triangles
    for jaw in ("upper", "lower"):
        start, stop = head.metadata["parts"][f"teeth_{jaw}"]
        own = triangles[(triangles[:, 0] >= start) & (triangles[:, 0] < stop)]
        label = torch.arange(stop)
        for _ in range(30):
            least = label[own].amin(1)
            for k in range(3):
                label.scatter_reduce_(0, own[:, k], least, "amin")
        assert len(label[start:stop].unique()) == 14
    lips, teeth = head.template[head.regions["lips"]], head.template[head.regions["teeth"]]
    assert teeth[:, 2].max() < lips[:, 2].max() - 4 * MILLIMETRE


def test_teeth_stay_behind_the_lips_at_rest_and_in_m(posed, head, front, faces_of):
    for pose in ("rest", "m, b, p", "closed smile"):
        view = front(posed(**SHUT[pose]), MOUTH, MOUTH_SIZE, 800)
        assert view.shows(faces_of("teeth", "gums")).sum() * view.pixel**2 < 2e-6  # square metres


def test_a_grin_shows_upper_teeth(posed, front, faces_of):
    view = front(posed(mouthSmile=0.8, mouthUpperUp=0.5, mouthLowerDown=0.3), MOUTH, MOUTH_SIZE, 400)
    assert view.shows(faces_of("teeth")).sum() * view.pixel**2 > 60e-6


def test_tongue_comes_out_of_the_open_mouth(posed, head):
    tongue = head.regions["tongue"]
    lower_lip = head.landmarks(posed(jawOpen=1.0, tongueOut=1.0)[None])[0, 14]
    tip = posed(jawOpen=1.0, tongueOut=1.0)[tongue][:, 2].max()
    assert tip > lower_lip[2]


def test_no_hole_opens_into_the_head(head):
    """The skin has three borders only: the cut below the shoulders and one behind each eyeball."""
    triangles = head.triangles[head.regions["skin"][head.triangles[:, 0]]]
    edges = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).sort(1).values
    unique, count = edges.unique(dim=0, return_counts=True)
    assert count.max() == 2
    places = head.template[unique[count == 1].flatten()]
    bottom = places[:, 1] < -0.27
    assert bottom.any()
    for place in places[~bottom]:
        eye = head.joints[4 if place[0] > 0 else 5]
        assert (place - eye).norm() < 0.018
        assert place[2] < eye[2] + 0.010
    assert coefficients().shape == (1, 52)
