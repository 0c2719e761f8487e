"""The motion model: the same whole or in pieces, steered by emotion and style, with lips that obey the speech."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.core.speech import PHONES, Speech, SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.model import BLOCK, load_network, save_network
from emotalk.motion.network import AHEAD, BEFORE, MotionNetwork, NetworkConfig
from emotalk.speech.feature_rows import ROW_SIZE
from emotalk.speech.known_phones import known_phones

PIECE = [("sil", 0.4), ("m", 0.09), ("aa", 0.22), ("b", 0.08), ("iy", 0.18), ("p", 0.09), ("uw", 0.2), ("f", 0.1),
         ("aa", 0.25), ("s", 0.1), ("m", 0.08), ("ow", 0.2)]  # fmt: skip
FIELDS = [f.name for f in dataclasses.fields(HeadMotion)]


def spoken(repeats: int = 3) -> tuple[Speech, SpeechFeatures]:
    """Nonsense syllables with exact phone times, a second of silence at the end."""
    phones, now = [], 0.0
    for _ in range(repeats):
        for name, seconds in PIECE:
            phones.append((now, now + seconds, name))
            now += seconds
    rows = int((now + 1.0) * 50)
    speech = Speech(np.zeros(rows * 320, np.float32), phones=tuple(phones))
    silent = np.ones(rows, bool)
    for start, end, name in phones:
        if name != "sil":
            silent[int(start * 50) : int(end * 50)] = False
    energy = np.where(silent, -70.0, -22.0 + 4 * np.sin(np.arange(rows) / 5))
    voiced = (~silent).astype(np.float32)
    blank = SpeechFeatures(
        np.zeros((rows, 2)), np.zeros((rows, len(PHONES))), np.zeros((rows, 6)), voiced, energy, 130 * voiced
    )
    return speech, known_phones(blank, speech)


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


@pytest.fixture(scope="module")
def talk() -> tuple[Speech, SpeechFeatures]:
    return spoken()


CURVE = EmotionCurve.from_keys([(0, 0.8, 0.6), (3, -0.5, 0.7), (6, -0.6, -0.5)])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=30))
def test_a_stream_equals_the_whole_clip_bit_for_bit(model, talk, cuts):
    _, features = talk
    whole = model(features, CURVE, MotionStyle.random(4), seed=7)
    stream = model.stream(CURVE, MotionStyle.random(4), seed=7)
    parts, at = [], 0
    for cut in [*cuts, len(features)]:
        parts.append(stream.push(features[at : at + cut]))
        at = min(at + cut, len(features))
    parts.append(stream.finish())
    pieces = HeadMotion.concatenate([part for part in parts if part is not None])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name), err_msg=name)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 31, 32, 33, 45])
def test_every_started_frame_of_sound_gets_a_frame_of_motion(model, talk, rows):
    motion = model(talk[1][:rows], CURVE)
    assert len(motion) == -(-rows // 2)
    assert all(np.isfinite(getattr(motion, name)).all() for name in FIELDS)


def test_a_stream_keeps_nothing_of_what_is_past(model, talk):
    stream = model.stream(CURVE)
    sizes = []
    for _ in range(6):
        stream.push(talk[1])
        sizes.append((len(stream._front._rows), len(stream._front._rhythm)))
    assert max(rows for rows, _ in sizes) < 2 * BLOCK + 20
    assert max(rhythm for _, rhythm in sizes) < BLOCK


def test_frames_leave_a_bounded_time_after_their_sound(model, talk):
    stream = model.stream(CURVE)
    made = 0
    for i in range(0, len(talk[1]), 2):
        part = stream.push(talk[1][i : i + 2])
        made += len(part) if part is not None else 0
        assert i // 2 + 1 - made <= BLOCK + 6


def test_the_same_seed_repeats_and_another_differs(model, talk):
    first, again, other = (model(talk[1], CURVE, MotionStyle(), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.head_pose, again.head_pose)
    assert np.abs(first.head_pose - other.head_pose).max() > 0.01


def lopsided(motion: HeadMotion) -> np.ndarray:
    """How much stronger the left half of a face is, by pair of shapes that emotions alone move."""
    names = ("noseSneer", "browDown", "eyeSquint")
    left, right = ([motion.expression[:, ARKIT_INDEX[n + side]].mean() for n in names] for side in ("Left", "Right"))
    return np.array(left) / right


def test_another_seed_is_another_take_of_the_same_person(model, talk):
    angry = EmotionCurve.constant(-0.5, 0.8)
    takes = [model(talk[1], angry, seed=seed) for seed in (0, 1)]
    assert np.abs(takes[0].gaze - takes[1].gaze).max() > 0.01
    assert np.abs(takes[0].eyelids - takes[1].eyelids).max() > 0.1
    np.testing.assert_allclose(lopsided(takes[0]), lopsided(takes[1]), rtol=0.003)
    somebody_else = model(talk[1], angry, MotionStyle(face=2))
    assert np.abs(lopsided(takes[0]) / lopsided(somebody_else) - 1).max() > 0.03


@pytest.mark.parametrize("corner", [(0, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_closures_close_at_every_corner_of_the_square(model, talk, corner):
    speech, features = talk
    motion = model(features, EmotionCurve.constant(*corner), MotionStyle())
    parting = motion.expression[:, [ARKIT_INDEX[n] for n in ("mouthUpperUpLeft", "mouthLowerDownLeft", "mouthFunnel")]]
    jaw = motion.expression[:, ARKIT_INDEX["jawOpen"]] - motion.expression[:, ARKIT_INDEX["mouthClose"]]
    for start, end, phone in speech.phones:
        if phone in ("m", "b", "p"):
            near = [k for k in range(len(motion)) if abs((k + 0.5) / FPS - (start + end) / 2) <= 0.04]
            assert min(jaw[near]) < 0.03, (phone, start)
            assert min(parting[near].sum(1)) < 0.12, (phone, start)


@pytest.mark.parametrize("corner", [(0, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_open_vowels_open_at_every_corner_of_the_square(model, talk, corner):
    speech, features = talk
    motion = model(features, EmotionCurve.constant(*corner), MotionStyle())
    jaw = motion.expression[:, ARKIT_INDEX["jawOpen"]] - motion.expression[:, ARKIT_INDEX["mouthClose"]]
    for start, end, phone in speech.phones:
        if phone == "aa":
            inside = jaw[int(start * FPS) : int(np.ceil(end * FPS))]
            assert inside.max() > 0.15, start


def test_the_mouth_is_closed_and_still_in_silence(model, talk):
    speech, features = talk
    motion = model(features, EmotionCurve.constant(0, 0), MotionStyle())
    quiet = motion.expression[int((speech.phones[-1][1] + 0.2) * FPS) :]
    mouth = quiet[:, [i for name, i in ARKIT_INDEX.items() if name.startswith(("mouth", "jaw"))]]
    assert mouth.max() < 0.06  # closed after 200 ms
    assert np.abs(np.diff(mouth[3:], axis=0)).max() < 0.015  # and still soon after


def test_emotion_shows_on_the_face_and_neutral_shows_none(model, talk):
    happy, neutral = (
        model(talk[1], EmotionCurve.named(name), MotionStyle()).expression for name in ("happy", "neutral")
    )
    smile = ARKIT_INDEX["mouthSmileLeft"]
    assert happy[20:, smile].mean() > 0.5
    assert neutral[:, smile].max() < 0.1


def test_a_slider_thrown_across_glides(model, talk):
    stream = model.stream(EmotionCurve.constant(-1, -1), MotionStyle())
    before = stream.push(talk[1])
    stream.curve = EmotionCurve.constant(1, 1)
    after = stream.push(talk[1])
    upper = [i for name, i in ARKIT_INDEX.items() if name.startswith(("brow", "cheek", "eyeSquint", "nose"))]
    face = np.concatenate([before.expression, after.expression])[:, upper]
    assert np.abs(np.diff(face, axis=0)).max() < 0.25
    assert np.abs(face[-30] - face[30]).max() > 0.5


def test_people_differ_in_how_they_speak(model, talk):
    calm = EmotionCurve.constant(0, 0)
    jaw = [model(talk[1], calm, MotionStyle(jaw=x)).expression[:, ARKIT_INDEX["jawOpen"]].max() for x in (-1.5, 1.5)]
    assert jaw[1] > 1.15 * jaw[0]


def test_a_finished_stream_takes_nothing_more(model, talk):
    stream = model.stream(CURVE)
    stream.push(talk[1])
    assert stream.finish() is not None
    assert stream.finish() is None
    with pytest.raises(InputError, match="finished"):
        stream.push(talk[1])


def test_style_numbers_are_checked():
    with pytest.raises(InputError, match="jaw"):
        MotionStyle(jaw=9)
    with pytest.raises(InputError, match="blink_rate"):
        MotionStyle(blink_rate=-1)
    with pytest.raises(InputError, match="face"):
        MotionStyle(face=-1)
    assert MotionStyle.random(3) == MotionStyle.random(3) != MotionStyle.random(4)


def test_the_network_depends_on_the_past_and_on_the_promised_future_only():
    torch.manual_seed(0)
    network = MotionNetwork(NetworkConfig(hidden=32, inner=48)).eval()
    rows = torch.randn(1, BEFORE + 40 + AHEAD, 2 * ROW_SIZE)
    rest = (torch.randn(1, 40, 3), torch.rand(1, 40, 2), torch.zeros(1, 16), torch.ones(1, 52))
    changed = rows.clone()
    changed[:, BEFORE + 20 + AHEAD + 1 :] += 1.0  # after what frame 20 may know
    with torch.no_grad():
        a, b = (network(r, *rest)[0].expression for r in (rows, changed))
    torch.testing.assert_close(a[:, :21], b[:, :21])
    assert (a[:, 21:] - b[:, 21:]).abs().max() > 1e-4


def _trained() -> MotionNetwork:
    """A small network whose lip branch does something."""
    torch.manual_seed(3)
    network = MotionNetwork(NetworkConfig(hidden=24, inner=32, dilations=(1,), features=4, lips=(16, 8)))
    torch.nn.init.normal_(network.lip_shapes, std=0.1)
    torch.nn.init.constant_(network.contact.bias, -6.0)  # an untrained network sees contacts everywhere
    network.lip_level.fill_(0.2)
    network.learned.fill_(1.0)
    network.lively.fill_(1.5)
    return network


def test_lively_lips_move_further_than_accurate_ones(talk):
    model = MotionModel(_trained(), load_eyes())
    calm = EmotionCurve.constant(0, 0)
    lively, accurate = (model(talk[1], calm, MotionStyle(articulation=kind)) for kind in ("lively", "accurate"))
    jaw = [motion.expression[:, ARKIT_INDEX["jawOpen"]].std() for motion in (lively, accurate)]
    assert jaw[0] > 1.1 * jaw[1]
    brow = ARKIT_INDEX["browInnerUp"]
    np.testing.assert_array_equal(lively.expression[:, brow], accurate.expression[:, brow])
    with pytest.raises(InputError, match="articulation"):
        MotionStyle(articulation="loud")


def test_the_hidden_layer_moves_the_lips_and_may_be_missing(talk):
    """Without one, or with one of an encoder of another size, lips follow phones and articulation alone."""
    model = MotionModel(_trained(), load_eyes())
    features = talk[1]

    def lips(hidden: np.ndarray) -> np.ndarray:
        return model(dataclasses.replace(features, features=hidden), EmotionCurve.constant(0, 0)).expression

    rows = len(features)
    known = np.random.default_rng(0).standard_normal((rows, 4)).astype(np.float32)
    nothing = lips(np.zeros((rows, 4), np.float32))
    assert np.abs(lips(known) - nothing).max() > 0.01
    np.testing.assert_array_equal(lips(np.ones((rows, 7), np.float32)), nothing)


@given(cuts=st.lists(st.integers(1, 60), min_size=1, max_size=6))
@settings(max_examples=5, deadline=None)
def test_a_stream_with_a_hidden_layer_is_the_whole_clip(cuts):
    model, (_, blank) = MotionModel(_trained(), load_eyes()), spoken(1)
    hidden = np.random.default_rng(2).standard_normal((len(blank), 4)).astype(np.float32)
    features = dataclasses.replace(blank, features=hidden)
    whole = model(features, EmotionCurve.constant(0.4, 0.2))
    stream, parts, at = model.stream(EmotionCurve.constant(0.4, 0.2)), [], 0
    for cut in [*cuts, len(features)]:
        if at < len(features):
            parts.append(stream.push(features[at : at + cut]))
            at += cut
    parts.append(stream.finish())
    pieces = HeadMotion.concatenate([part for part in parts if part is not None])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))


def test_saving_and_loading_keeps_the_network(tmp_path):
    torch.manual_seed(0)
    network = MotionNetwork(NetworkConfig(hidden=24, inner=32, dilations=(1, 3))).eval()
    save_network(network, tmp_path / "m.safetensors", {"note": 1})
    again = load_network(tmp_path / "m.safetensors")
    assert again.config == network.config
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-3, rtol=1e-2)


def test_damaged_and_foreign_files_are_explained(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "noise.safetensors").write_bytes(b"\x10" * 100)
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors", {"format": "else", "config": json.dumps({})})
    for name in ("noise", "foreign", "absent"):
        with pytest.raises(CheckpointError, match="train_motion"):
            MotionModel.load(tmp_path / f"{name}.safetensors")


def test_known_phones_of_a_piece_are_those_of_the_whole():
    speech, features = spoken(2)
    blank = dataclasses.replace(features, phones=0 * features.phones, articulation=0 * features.articulation)
    for start, stop in ((0, 40), (40, 41), (41, len(features))):
        piece = known_phones(blank[start:stop], speech, start)
        np.testing.assert_allclose(piece.phones, features.phones[start:stop], atol=1e-6)
        np.testing.assert_allclose(piece.articulation, features.articulation[start:stop], atol=1e-3)


def test_the_shipped_model_is_small():
    from emotalk.core.paths import CHECKPOINTS

    sizes = [(CHECKPOINTS / f"{name}.safetensors").stat().st_size for name in ("motion", "sync", "consistency")]
    assert sum(sizes) < 8e6
