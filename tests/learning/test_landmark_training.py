"""What the landmark graph network learns from: shapes transferred to a face, faces seen on films; and that its training
gets better, the same way every time, stopped or not."""

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.learning.landmark_closed_forms import face_shapes, learn_common, learn_faces, learn_hearing
from emotalk.learning.landmark_data import (
    filmed_clip,
    heard_clip,
    load_heard,
    load_people,
    save_heard,
    save_people,
)
from emotalk.learning.landmark_examples import JAW, HeardClip, LandmarkData, copied_motion, node_weights
from emotalk.learning.landmark_films import SeenFace, seen_faces
from emotalk.learning.landmark_training import (
    ON_FACES,
    LandmarkConfig,
    LandmarkSampler,
    landmark_losses,
    shape_loss,
    train_faces,
    train_motion,
    usage_of,
    usual_residuals,
)
from emotalk.learning.landmark_transfer import PersonShapes, ShapeTransfer, random_people
from emotalk.motion.landmark_graph import KEYS, MOUTH, ROW, GraphConfig, LandmarkGraphNetwork, neutral_landmarks
from emotalk.motion.network import RHYTHM_SIZE, MotionNetwork, NetworkConfig
from emotalk.speech.feature_rows import quiet
from emotalk.tracking.rig import FaceRig, pose_of
from emotalk.tracking.solve import Frames, Lens

SPEECH = 6
SMALL = GraphConfig(speech=SPEECH, channels=8, moving=6, hidden=10, courses=3, directions=2, ways=2, heard=4)
CONFIG = LandmarkConfig(
    face_steps=24, faces=2, steps=24, batch=3, frames=12, learning_rate=0.03, motion_rate=0.03, warmup=4, save_every=8
)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def transfer(head) -> ShapeTransfer:
    return ShapeTransfer(head)


def _face(head: HeadModel, seed: int) -> PersonShapes:
    """A face on which every shape lifts all nodes by 2 mm beside what is copied."""
    identity = torch.from_numpy(np.random.default_rng(seed).standard_normal(head.components).astype(np.float32))
    copied = PersonShapes.of_head(head.with_identity(identity))
    return PersonShapes(copied.neutral, copied.copied, copied.copied + np.float32([0, 0.002, 0]))


@pytest.fixture(scope="module")
def data(head) -> LandmarkData:
    random = np.random.default_rng(0)
    people = [_face(head, seed) for seed in (1, 2, 5)]
    speakers = {name: _face(head, seed) for name, seed in (("s1", 3), ("s2", 4))}

    def clip(speaker: str = "") -> HeardClip:
        expression = 0.4 * random.random((2, 30, len(ARKIT_NAMES))).astype(np.float32)
        heard = HeardClip(random.standard_normal((2, 30, SPEECH)).astype(np.float16), np.zeros((30, 2)), expression)
        if not speaker:
            return heard
        moved = copied_motion(expression[0], speakers[speaker].own)
        moved[4] = np.nan
        return filmed_clip(heard, speaker, SeenFace(moved, expression[0]))

    return LandmarkData([clip() for _ in range(4)], [clip("s1"), clip("s1"), clip("s2")], people, speakers)


def _network(head: HeadModel) -> LandmarkGraphNetwork:
    torch.manual_seed(0)
    return LandmarkGraphNetwork.on_head(head, SMALL)


# Shapes on a face


def test_shapes_transferred_to_the_mean_face_are_its_own(head, transfer):
    np.testing.assert_allclose(transfer.shapes(head), head.shapes, atol=1e-6)


def test_a_face_twice_as_large_moves_twice_as_far(head, transfer):
    """What a triangle does is relative to its size."""
    person = head.with_identity(torch.zeros(head.components))
    person.template = 2 * person.template
    k = ARKIT_INDEX["jawOpen"]
    own = transfer.shapes(person)[k][:, 1]
    skin = person.region_lips.numpy()
    assert np.median(own[skin] / head.shapes[k, :, 1].numpy()[skin]) == pytest.approx(2, abs=0.1)


def test_on_a_random_face_lids_are_the_head_models_and_lips_close_as_they_do_there(transfer):
    person = random_people(transfer, 1, 7)[0]
    for name in ("eyeBlinkLeft", "eyeWideRight"):
        np.testing.assert_array_equal(person.own[ARKIT_INDEX[name]], person.copied[ARKIT_INDEX[name]])
    both = [ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]]
    own, copied = (shapes[both].sum(0) for shapes in (person.own, person.copied))
    upper, lower = ROW[13], ROW[14]
    np.testing.assert_allclose(own[upper] - own[lower], copied[upper] - copied[lower], atol=1e-6)
    assert np.abs(person.own - person.copied).max() > 2e-4


# Faces on films


def test_a_film_gives_back_what_the_face_did_and_forgets_how_it_is_made(head):
    """Landmarks of a known motion, seen by a known lens, by a detector that always sees them a little beside."""
    rig, lens = FaceRig.of(head, np.zeros(head.components)), Lens(1100.0, 256.0, 256.0, 0.9)
    random = np.random.default_rng(0)
    expression = np.zeros((12, 52), np.float32)
    expression[:, ARKIT_INDEX["jawOpen"]] = random.random(12) * 0.5
    pose = (0.1 * random.standard_normal((12, 6)) * [1, 1, 1, 0.1, 0.1, 0.1]).astype(np.float32)
    motion = HeadMotion(expression, np.zeros((12, 3)), np.zeros((12, 2)), np.zeros((12, 2)), pose)
    rotation, place, controls = pose_of(rig, motion)
    true = rig.points(controls)
    extra = np.zeros_like(true)
    extra[6:, 13, 1] = 0.004  # this upper lip rises in the second half, which no shape says
    beside = 0.002 * random.standard_normal((478, 3)) * [1, 1, 0]
    seen = lens.project(Frames(rotation, place, controls).world(true + extra + beside))
    face = seen_faces(rig, lens, [motion], [seen])[0]
    keys = list(KEYS)
    wanted = (true - rig.neutral)[:, keys]
    rest = [row for row in range(len(KEYS)) if row != ROW[13]]
    np.testing.assert_allclose(face.moved[:, rest, :2], wanted[:, rest, :2], atol=6e-4)
    np.testing.assert_allclose(face.moved[:, rest, 2], wanted[:, rest, 2], atol=1.5e-3)  # no camera sees it
    rise = face.moved[:, ROW[13], 1] - wanted[:, ROW[13], 1]
    assert rise[6:].mean() - rise[:6].mean() == pytest.approx(0.004, abs=3e-4)
    with pytest.raises(InputError, match="number of frames"):
        seen_faces(rig, lens, [motion], [seen[:5]])
    with pytest.raises(InputError, match="No frame"):
        seen_faces(rig, lens, [motion], [np.full_like(seen, np.nan)])


# What is drawn


def _windows(head: HeadModel, data: LandmarkData, config: LandmarkConfig, seed: int):
    """What a new network, which adds nothing, is asked for."""
    return LandmarkSampler(data, config, _network(head)).batch(np.random.default_rng(seed))


def test_films_tell_of_lips_jaw_and_cheeks_only():
    filmed, spoken = node_weights(True), node_weights(False)
    assert (spoken > 0).all()
    told = {row for row in range(len(KEYS)) if filmed[row].any()}
    assert set(MOUTH) | {ROW[i] for i in JAW} <= told
    assert not {ROW[159], ROW[105], ROW[10]} & told
    assert (filmed[list(MOUTH), 2] < filmed[list(MOUTH), 0] / 5).all()


def test_spoken_windows_ask_for_what_differs_on_the_face(head, data):
    batch = _windows(head, data, LandmarkConfig(batch=6, frames=12, filmed=0, retold=0), 1)
    assert batch.residual.shape == (6, 12, len(KEYS), 3)
    for row in range(6):
        person = next(p for p in data.people if np.array_equal(p.neutral, batch.neutral[row]))
        beside = copied_motion(batch.expression[row].numpy(), person.own - person.copied)
        np.testing.assert_allclose(batch.residual[row], 1000 * beside, atol=1e-3)


def test_filmed_windows_ask_for_what_was_seen_without_what_is_always_there(head, data):
    usual = usual_residuals(data.filmed, {name: person.copied for name, person in data.speakers.items()})
    assert set(usual) == {"s1", "s2"}
    batch = _windows(head, data, LandmarkConfig(batch=8, frames=30, filmed=1, retold=0), 2)
    assert not batch.weight[:, 4].any()  # no face was seen
    for row in range(8):
        name = next(n for n, p in data.speakers.items() if np.array_equal(p.neutral, batch.neutral[row]))
        clip = next(c for c in data.filmed if any(np.array_equal(e, batch.expression[row]) for e in c.expression))
        assert clip.speaker == name
        told = copied_motion(batch.expression[row].numpy(), data.speakers[name].copied)
        np.testing.assert_allclose(batch.residual[row, 7], 1000 * (clip.moved - told - usual[name])[7], atol=1e-3)


def test_retold_films_are_of_random_faces(head, data):
    batch = _windows(head, data, LandmarkConfig(batch=8, frames=12, filmed=0, retold=1), 2)
    faces = {neutral.numpy().tobytes() for neutral in batch.neutral}
    assert faces <= {person.neutral.tobytes() for person in data.people}
    assert len(faces) > 1
    assert torch.isfinite(batch.residual).all()


def test_nothing_to_learn_from_and_wrong_sizes_are_told(head, data):
    with pytest.raises(InputError, match="random faces"):
        LandmarkSampler(LandmarkData([], data.filmed, data.people, data.speakers), CONFIG, _network(head))
    with pytest.raises(InputError, match="synthetic speech"):
        usage_of([])
    with pytest.raises(InputError, match="steps"):
        LandmarkConfig(steps=0)
    assert {clip.speaker for clip in data.without(("s1",)).filmed} == {"s2"}


# Training


def test_what_is_wanted_costs_nothing(head, data):
    batch = _windows(head, data, CONFIG, 0)
    for value in landmark_losses(batch.residual / 1000, batch).values():
        assert value == pytest.approx(0, abs=1e-5)
    assert landmark_losses(batch.residual / 1000 + 0.001, batch)["nodes"] == pytest.approx(1, abs=1e-4)


def _loss(network: LandmarkGraphNetwork, batch) -> float:
    with torch.no_grad():
        moved, _ = network(batch.speech, batch.va, batch.expression, network.face(batch.neutral))
    return landmark_losses(moved, batch)["nodes"].item()


def _curved(head: HeadModel, count: int, seed: int) -> list[PersonShapes]:
    """Faces on which a shape lifts all nodes by the square of how wide they are: no linear rule tells it."""
    random = np.random.default_rng(seed)
    mean = neutral_landmarks(head)
    copied = np.zeros((52, len(KEYS), 3), np.float32)
    people = []
    for _ in range(count):
        wide = random.uniform(-1, 1)
        own = copied.copy()
        own[3, :, 1] = 0.004 * wide**2
        people.append(PersonShapes((mean * (1 + 0.1 * wide * np.array([1, 0, 0]))).astype(np.float32), copied, own))
    return people


def test_convolutions_on_faces_learn_what_the_closed_form_leaves(head):
    usage = np.ones(52, np.float32)
    people, unseen = _curved(head, 30, 0), _curved(head, 10, 1)
    neutral, wanted = (
        torch.from_numpy(np.stack([part(one) for one in unseen])) for part in (lambda p: p.neutral, lambda p: p.own)
    )

    def off(network: LandmarkGraphNetwork) -> float:
        return shape_loss(network.face(neutral).shapes.detach(), 1000 * wanted, torch.from_numpy(usage)).item()

    closed = _network(head).eval()
    learn_faces(closed, people, usage)
    config = LandmarkConfig(face_steps=80, faces=8, learning_rate=0.02, warmup=5, average=0.9)
    assert off(train_faces(_network(head), people, usage, config)) < 0.6 * off(closed)


def test_convolutions_on_motion_learn_what_the_closed_form_leaves_and_hold_faces_fast(head, data):
    batch = _windows(head, data, LandmarkConfig(batch=16, frames=12, filmed=0, retold=0), 9)
    told: list[int] = []
    trained = train_motion(_network(head), data, CONFIG, progress=lambda step, _: told.append(step))
    again = train_motion(_network(head), data, CONFIG)
    assert _loss(trained, batch) < 0.8 * _loss(_network(head).eval(), batch)
    assert told == [CONFIG.steps]
    new = _network(head).state_dict()
    for name, mine in trained.state_dict().items():
        assert torch.equal(mine, again.state_dict()[name])
        if name.split(".")[0] in ON_FACES:
            assert torch.equal(mine, new[name])


def test_what_follows_from_the_whole_face_is_found_for_them(head):
    """Shapes that differ by one direction of faces, linearly."""
    random = np.random.default_rng(4)
    mean, way = neutral_landmarks(head), random.standard_normal((len(KEYS), 3))
    still = np.zeros((52, len(KEYS), 3), np.float32)

    def person() -> PersonShapes:
        neutral = mean + 0.002 * random.standard_normal(mean.shape)
        own = still.copy()
        own[3] = 0.1 * ((neutral - mean) * way).sum() * way
        return PersonShapes(neutral.astype(np.float32), still, own)

    network = _network(head).eval()
    with pytest.raises(InputError, match="2 directions of faces and 2 ways"):
        learn_faces(network, [person()], np.ones(52))
    people = [person() for _ in range(40)]
    for _ in range(2):  # again, it is the same
        learn_faces(network, people, np.linspace(0, 1, 52))
        one = people[0]
        told = network.face(torch.from_numpy(one.neutral)[None]).shapes.detach()[0].numpy()
        left = np.abs(told - 1000 * one.own).sum() / np.abs(1000 * one.own).sum()
        assert left < 0.1
    assert not network.face(torch.from_numpy(mean)[None]).shapes.detach().abs().max() > 1e-6


def test_what_films_have_in_common_is_found_where_they_tell_it(head):
    """Lips that move half as far again as shapes say, lids that do too, and a shape that is hardly seen."""
    random = np.random.default_rng(6)
    person = PersonShapes.of_head(head)
    clips = []
    for _ in range(4):
        expression = random.random((1, 200, 52)).astype(np.float32)
        expression[..., 40] *= 0.01
        clip = HeardClip(np.zeros((1, 200, SPEECH), np.float16), np.zeros((200, 2)), expression)
        moved = 1.5 * copied_motion(expression[0], person.copied) + np.float32(0.003)
        moved[7] = np.nan
        clips.append(filmed_clip(clip, "s1", SeenFace(moved, expression[0])))
    network = _network(head).eval()
    learn_common(network, LandmarkData([], clips, [], {"s1": person}))
    common, half = network.common.numpy() / 1000, 0.5 * person.copied
    jaw, lips = ARKIT_INDEX["jawOpen"], list(MOUTH)
    # The ridge makes it smaller.
    assert np.corrcoef(common[jaw, lips].ravel(), half[jaw, lips].ravel())[0, 1] > 0.98
    assert 0.2 < np.abs(common[jaw, lips]).max() / np.abs(half[jaw, lips]).max() < 1
    assert np.abs(common[40]).max() < 0.05 * np.abs(common[jaw]).max()
    assert not common[:, ROW[159]].any()
    assert network.moving[lips].all()
    assert not network.moving[ROW[159]]
    np.testing.assert_array_equal(face_shapes(network, person), common)


def test_speech_is_heard_in_its_principal_components(head, data):
    network = _network(head).eval()
    learn_hearing(network, data.spoken)
    speech = torch.cat([torch.from_numpy(clip.speech[0][::4].astype(np.float32)) for clip in data.spoken])
    heard = (speech - network.usual) @ network.ear
    spread = heard.std(0, correction=0)
    assert spread[0] == pytest.approx(1, abs=1e-3)
    assert (spread.diff() < 0).all()
    torch.testing.assert_close(heard.T @ heard / len(heard), torch.diag(spread**2), atol=1e-4, rtol=0)


def test_a_training_that_was_stopped_ends_as_one_that_was_not(head, data, tmp_path):
    whole = train_motion(_network(head), data, CONFIG)
    state = tmp_path / "landmarks.state"

    class Stopped(Exception):
        pass

    class Stopping(LandmarkGraphNetwork):
        """Stops in its 13th step: five steps after it was saved. Before, every speaker's face was asked for twice."""

        faces = 0

        def face(self, neutral):
            self.faces += 1
            if self.faces == 4 + 13:
                raise Stopped
            return super().face(neutral)

    torch.manual_seed(0)
    with pytest.raises(Stopped):
        train_motion(Stopping.on_head(head, SMALL), data, CONFIG, state)
    assert state.exists()
    resumed = train_motion(_network(head), data, CONFIG, state)
    for mine, theirs in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=0, rtol=0)


# Files and clips


def test_clips_and_faces_come_back_from_their_files(data, tmp_path):
    save_heard(tmp_path / "filmed.npz", data.filmed)
    for mine, theirs in zip(load_heard(tmp_path / "filmed.npz"), data.filmed, strict=True):
        assert mine.speaker == theirs.speaker
        for name in ("speech", "va", "expression", "moved", "tracked"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    save_heard(tmp_path / "spoken.npz", data.spoken)
    assert load_heard(tmp_path / "spoken.npz")[1].moved is None
    save_people(tmp_path / "people.npz", data.speakers)
    kept = load_people(tmp_path / "people.npz")
    assert list(kept) == ["s1", "s2"]
    np.testing.assert_array_equal(kept["s2"].own, data.speakers["s2"].own)


def test_a_heard_clip_is_what_the_motion_network_makes_of_it():
    torch.manual_seed(0)
    network = MotionNetwork(NetworkConfig(hidden=8, inner=8, style_hidden=4, dilations=(1,), features=3, lips=(4, 4)))
    network.eval().requires_grad_(False)
    rows, rhythm = np.stack([quiet(20, 3)] * 2), np.zeros((2, 20, 6), np.float32)
    clip = heard_clip(network, rows, rhythm, np.zeros((20, 2)))
    assert clip.expression.shape == (2, 20, 52)
    assert len(clip) == 20
    assert clip.speech.shape == (2, 20, network.seen.size + RHYTHM_SIZE)
    np.testing.assert_array_equal(clip.expression[0], clip.expression[1])
    moved = np.zeros((15, len(KEYS), 3), np.float32)
    assert len(filmed_clip(clip, "s1", SeenFace(moved, np.zeros((15, 52))))) == 15


def test_a_face_at_rest_is_told_from_the_head_joint(head):
    assert np.abs(neutral_landmarks(head)).max() < 0.25
