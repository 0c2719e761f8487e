"""The landmark graph: which nodes are joined, that a new network adds nothing, what of the future it sees, files; and
what its displacements become as corrections of an expression."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.landmarks import INNER_OPENINGS, MOUTH_PAIRS, OVAL
from emotalk.core.motion import HeadMotion
from emotalk.emotion import EmotionCurve
from emotalk.head import HeadModel
from emotalk.motion import MotionModel
from emotalk.motion.landmark_corrections import LARGEST, LandmarkCorrections, solver
from emotalk.motion.landmark_graph import (
    KEYS,
    MOUTH,
    ROW,
    GraphConfig,
    LandmarkGraphNetwork,
    adjacency,
    graph_edges,
    load_landmarks,
    neutral_landmarks,
    save_landmarks,
    shape_landmarks,
)
from emotalk.motion.lip_rules import combine
from emotalk.motion.network import NetworkOutput
from tests.motion.test_model import spoken

SMALL = GraphConfig(speech=12, channels=8, moving=6, hidden=10, courses=3, directions=2, ways=2, heard=4)
FRAMES = 9


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def person(head) -> HeadModel:
    return head.with_identity(torch.randn(head.components, generator=torch.Generator().manual_seed(3)))


@pytest.fixture
def network(head) -> LandmarkGraphNetwork:
    """One whose last layers say something."""
    torch.manual_seed(0)
    network = LandmarkGraphNetwork.on_head(head, SMALL).eval().requires_grad_(False)
    for layer in (network.shapes, network.amounts, network.last):
        torch.nn.init.normal_(layer.weight, std=0.3)
    for table in (network.directions, network.bends, network.ways, network.ear):
        torch.nn.init.normal_(table, std=0.02)
    return network


def _inputs(frames: int = FRAMES, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    speech = torch.randn(batch, frames, SMALL.speech, generator=random)
    va = 2 * torch.rand(batch, frames, 2, generator=random) - 1
    return speech, va, torch.rand(batch, frames, len(ARKIT_NAMES), generator=random)


def _neutral(head: HeadModel) -> torch.Tensor:
    return torch.from_numpy(neutral_landmarks(head))[None]


def test_the_nodes_are_lips_lids_brows_outline_nose_and_cheeks():
    assert len(KEYS) == len(set(KEYS)) == 158
    assert len(MOUTH) == 40


def test_edges_join_lines_and_what_meets_and_each_node_with_its_nearest(head):
    mean = neutral_landmarks(head)
    edges = graph_edges(mean)
    assert edges == sorted(set(edges))
    assert all(a < b for a, b in edges)
    for a, b in (*MOUTH_PAIRS, *itertools.pairwise(OVAL)):
        assert tuple(sorted((ROW[a], ROW[b]))) in edges
    apart = np.linalg.norm(mean[:, None] - mean[None], axis=-1) + 9 * np.eye(len(mean))
    for node, nearest in enumerate(apart.argmin(1)):
        assert tuple(sorted((node, int(nearest)))) in edges
    assert graph_edges(mean) == edges


def test_the_graph_is_symmetric_and_all_of_one_piece(head):
    joined = adjacency(graph_edges(neutral_landmarks(head)), len(KEYS))
    np.testing.assert_array_equal(joined, joined.T)
    assert (np.diag(joined) == 0).all()
    assert np.abs(np.linalg.eigvalsh(joined.astype(np.float64))).max() < 1 + 1e-6
    reached = np.linalg.matrix_power(joined.astype(np.float64) + np.eye(len(joined)), len(joined))
    assert (reached > 0).all()


def test_nodes_in_another_order_move_alike(network, person):
    order = torch.randperm(len(KEYS), generator=torch.Generator().manual_seed(5))
    other = LandmarkGraphNetwork(SMALL)
    weights = network.state_dict()
    weights |= {name: weights[name][order] for name in ("mean", "place")}
    weights |= {name: weights[name].index_select(-2, order) for name in ("directions", "bends", "ways", "common")}
    weights["moving"] = weights["moving"][order]
    weights["joined"] = weights["joined"][order][:, order]
    other.load_state_dict(weights)
    other.eval().requires_grad_(False)
    neutral = _neutral(person)
    there, _ = network(*_inputs(), network.face(neutral))
    here, _ = other(*_inputs(), other.face(neutral[:, order]))
    torch.testing.assert_close(here, there[:, :, order], atol=1e-7, rtol=1e-4)


def test_a_new_network_adds_nothing(head, person):
    torch.manual_seed(1)
    network = LandmarkGraphNetwork.on_head(head, SMALL).eval()
    moved, _ = network(*_inputs(), network.face(_neutral(person)))
    assert moved.shape == (1, FRAMES, len(KEYS), 3)
    assert not moved.any()


def test_on_the_mean_face_every_shape_is_as_it_is_copied(network, head, person):
    assert not network.face(_neutral(head)).shapes.abs().max() > 1e-6
    assert network.face(_neutral(person)).shapes.abs().max() > 1e-3


def test_faces_move_differently_and_one_of_a_batch_as_alone(network, head, person):
    both = torch.cat([_neutral(head), _neutral(person)])
    inputs = tuple(x.expand(2, -1, -1) for x in _inputs())
    moved, _ = network(*inputs, network.face(both))
    assert (moved[0] - moved[1]).abs().max() > 1e-4
    alone, _ = network(*_inputs(), network.face(both[1:]))
    torch.testing.assert_close(moved[1:], alone, atol=1e-7, rtol=1e-4)


def test_speech_and_mood_are_inputs_of_their_own(network, person):
    face = network.face(_neutral(person))
    speech, va, expression = _inputs()
    moved, _ = network(speech, va, expression, face)
    for changed in ((speech + 1, va, expression), (speech, -va, expression), (speech, va, expression / 2)):
        assert (network(*changed, face)[0] - moved).abs().max() > 1e-5


def test_a_frame_sees_nothing_of_later_ones_and_pieces_equal_the_whole(network, person):
    face = network.face(_neutral(person))
    inputs = _inputs(24)
    whole, end = network(*inputs, face)
    state, parts = network.start(), []
    for first, last in ((0, 5), (5, 6), (6, 24)):
        part, state = network(*(x[:, first:last] for x in inputs), face, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-7, rtol=1e-4)
    for mine, theirs in zip(state, end, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_face_of_another_number_of_nodes_is_refused(network):
    with pytest.raises(InputError, match=r"\[B, 158, 3\]"):
        network.face(torch.zeros(1, 68, 3))


def test_files_keep_the_network_and_a_damaged_one_is_told(tmp_path, network, person):
    path = tmp_path / "landmarks.safetensors"
    save_landmarks(network, path, {"steps": 3})
    kept = load_landmarks(path)
    assert kept.config == network.config
    assert torch.equal(kept.joined, network.joined)
    before, _ = network(*_inputs(), network.face(_neutral(person)))
    after, _ = kept(*_inputs(), kept.face(_neutral(person)))
    torch.testing.assert_close(after, before, atol=2e-5, rtol=0.02)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match="train_landmarks"):
        load_landmarks(path)


def test_the_shipped_network_is_small_and_of_this_graph(head):
    network = load_landmarks()
    assert network.weights < 2_000_000
    mean = neutral_landmarks(head)
    np.testing.assert_array_equal(network.mean, mean)
    np.testing.assert_array_equal(network.joined, adjacency(graph_edges(mean), len(mean)))


# Corrections of an expression


def test_the_solver_finds_the_shapes_that_made_a_displacement(person):
    shapes = shape_landmarks(person)
    solve = solver(shapes)
    for name in ("jawOpen", "mouthFunnel", "mouthSmileLeft"):
        moved = 0.1 * shapes[ARKIT_INDEX[name]]
        found = (solve * moved).sum((1, 2))
        left = np.linalg.norm(moved - np.tensordot(found, shapes, 1), axis=1)[list(MOUTH)].mean()
        assert left < 0.3 * np.linalg.norm(moved, axis=1)[list(MOUTH)].mean()
        assert found[ARKIT_INDEX[name]] > 0.03
    lids = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith("eye")]
    assert not solve[lids].any()


def _output(speech: torch.Tensor, emotion: torch.Tensor, closure: float) -> NetworkOutput:
    held = torch.tensor([closure, 0.0]).expand(*speech.shape[:2], 2)
    face = combine(speech, emotion, *held.unbind(-1))
    return NetworkOutput(face, speech, emotion, emotion, torch.ones(*speech.shape[:2], 7), held, held)


def test_corrections_of_a_network_that_adds_nothing_change_nothing(head, person):
    torch.manual_seed(1)
    network = LandmarkGraphNetwork.on_head(head, SMALL).eval().requires_grad_(False)
    corrections = LandmarkCorrections(network, person)
    speech, va, expression = _inputs()
    output = _output(expression, 0.3 * expression.flip(1), 0.4)
    corrected, _ = corrections.correct(speech, va, output, corrections.start())
    assert torch.equal(corrected.expression, output.expression)
    assert torch.equal(corrected.speech, output.speech)


def test_corrections_are_bounded_never_below_zero_and_leave_closed_lips_closed(network, head, person):
    corrections = LandmarkCorrections(network, person)
    speech, va, expression = _inputs(40)
    upper, lower = ([ROW[pair[k]] for pair in INNER_OPENINGS] for k in (0, 1))
    shapes = shape_landmarks(person)

    def gap(face: torch.Tensor) -> np.ndarray:
        moved = np.tensordot(face[0].numpy(), shapes, 1)
        return 1000 * (moved[:, upper, 1] - moved[:, lower, 1]).mean(-1)

    # Shapes that speech uses, at its usual sizes.
    said = (
        0.3
        * expression
        * torch.tensor([float(n.startswith(("jawOpen", "mouthLower", "mouthUpper"))) for n in ARKIT_NAMES])
    )
    for closure in (0.0, 1.0):
        output = _output(said, torch.zeros_like(said), closure)
        corrected, _ = corrections.correct(speech, va, output, corrections.start())
        assert (corrected.expression - output.expression).abs().max() > 1e-4
        assert corrected.expression.min() >= 0
        assert (corrected.speech - output.speech).abs().max() <= LARGEST + 1e-6
        if closure:
            assert gap(corrected.expression).max() < gap(output.expression).max() + 1.0
    assert dataclasses.is_dataclass(corrected)


@pytest.fixture(scope="module")
def corrected_model(head, person) -> MotionModel:
    torch.manual_seed(2)
    network = LandmarkGraphNetwork.on_head(head).eval().requires_grad_(False)
    torch.nn.init.normal_(network.amounts.weight, std=0.3)
    torch.nn.init.normal_(network.shapes.weight, std=0.1)
    model = MotionModel.load()
    return MotionModel(model.network, model.eyes, None, model.body, LandmarkCorrections(network, person))


def test_a_corrected_talk_is_the_same_whole_or_in_pieces(corrected_model):
    _, features = spoken(1)
    curve = EmotionCurve.constant(0.5, 0.2)
    whole = corrected_model(features, curve, seed=3)
    stream, parts = corrected_model.stream(curve, seed=3), []
    for first, last in ((0, 7), (7, 60), (60, len(features))):
        parts.append(stream.push(features[first:last]))
    parts.append(stream.finish())
    pieces = HeadMotion.concatenate([part for part in parts if part is not None])
    np.testing.assert_array_equal(pieces.expression, whole.expression)
    plain = MotionModel.load()(features, curve, seed=3)
    assert np.abs(plain.expression - whole.expression).max() > 0.005
    np.testing.assert_array_equal(plain.head_pose, whole.head_pose)


def test_corrections_stay_with_a_model_that_is_adapted_or_held_and_can_be_taken_away(corrected_model):
    kept = corrected_model.landmarks
    assert corrected_model.adapted(None).landmarks is kept
    assert corrected_model.holding((0.1, 0.0, 0.0)).landmarks is kept
    assert corrected_model.on_face(None).landmarks is None
    assert corrected_model.landmarks is kept
