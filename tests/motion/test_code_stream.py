"""Speech code in rows: the same whole or in pieces, undisturbed by peeks, and the face that a MotionStream shows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.core.speech import SpeechFeatures
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.code_stream import BLOCKS, CodeStream, RowLayout
from emotalk.motion.network import BEFORE, RHYTHM_SIZE, NetworkConfig, SpeechCode
from emotalk.motion.person import MotionAdaptation
from emotalk.motion.rhythm import LOOKAHEAD, RhythmTracker
from emotalk.motion.speech_front import SpeechFront
from emotalk.speech.feature_rows import frame_rows, quiet
from tests.motion.test_model import spoken

STYLE = MotionStyle.random(4)


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


@pytest.fixture(scope="module")
def person(model) -> MotionModel:
    return somebody(model)


def somebody(model: MotionModel) -> MotionModel:
    """The model moving as one person, drawn at random."""
    random = np.random.default_rng(2)
    config = model.network.config
    adaptation = MotionAdaptation(
        random.normal(size=config.style_hidden), 0.1 * random.normal(size=(config.hidden, 4)),
        0.1 * random.normal(size=(4, 52)), 0.2 * random.normal(size=52).clip(-1, 1), 0.05 * random.random(52),
        0.1 * random.normal(size=(config.lips[1], 5)), model.network.fingerprint(),
    )  # fmt: skip
    return model.adapted(adaptation)


@pytest.fixture(scope="module")
def features() -> SpeechFeatures:
    return spoken()[1]


def whole(model: MotionModel, features: SpeechFeatures) -> np.ndarray:
    stream = model.code_stream(STYLE)
    return np.concatenate([stream.push(features), stream.finish()])


def test_a_row_of_the_shipped_network_has_173_numbers(model):
    layout = RowLayout.of(model.network.config)
    assert layout == RowLayout.of(NetworkConfig())
    assert (layout.channels, layout.lips, layout.closures, layout.silent, layout.rhythm, layout.size) == (
        slice(0, 160), slice(160, 165), 165, 166, slice(167, 173), 173,
    )  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=30))
def test_a_stream_equals_the_whole_clip_bit_for_bit(model, features, cuts):
    stream, parts, at = model.code_stream(STYLE), [], 0
    for cut in [*cuts, len(features)]:
        parts.append(stream.push(features[at : at + cut]))
        at = min(at + cut, len(features))
    parts.append(stream.finish())
    np.testing.assert_array_equal(np.concatenate(parts), whole(model, features))


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 32, 33, 65, 100])
def test_every_started_frame_of_sound_gets_a_row(model, features, rows):
    assert whole(model, features[:rows]).shape == (-(-rows // 2), 173)


def test_a_row_leaves_a_bounded_time_after_its_sound(model, features):
    stream, made = model.code_stream(STYLE), 0
    for i in range(0, len(features), 2):
        made += len(stream.push(features[i : i + 2]))
        sooner = BLOCKS[0] if made < BLOCKS[0] else BLOCKS[-1]
        assert i // 2 + 1 - made < sooner + LOOKAHEAD


@pytest.mark.parametrize("who", ["model", "person"])
def test_the_rows_are_what_the_network_says_of_the_whole_clip(request, features, who):
    model = request.getfixturevalue(who)
    rows = whole(model, features)
    frames, hidden = len(rows), model.network.config.features
    around = np.concatenate([quiet(BEFORE, hidden), frame_rows(features, hidden), quiet(16, hidden)])
    tracker, rhythm = RhythmTracker(), []
    video = features.at_video_rate()
    heard = [*zip(video.phones[:, 0], video.energy, video.voicing, video.f0, strict=True), *[(1, -100, 0, 0)] * 6]
    for values in heard:
        rhythm.append(tracker.push(*map(float, values)))
    beat = np.float32([now.row() for now in rhythm[LOOKAHEAD:]])
    with torch.inference_mode():
        code, _ = model.network.encode_speech(
            torch.from_numpy(around[: BEFORE + frames + 5])[None],
            torch.from_numpy(beat[:, :RHYTHM_SIZE])[None],
            torch.from_numpy(STYLE.vector)[None],
            None,
            model.person,
        )
    expected = [code.channels[0], code.lips[0], code.closures[0][:, None], code.silent[0][:, None]]
    np.testing.assert_allclose(rows[:, :167], torch.cat(expected, -1).numpy(), atol=1e-4)
    np.testing.assert_array_equal(rows[:, 167:], beat)


@pytest.mark.parametrize("who", ["model", "person"])
def test_the_rows_hold_the_face_that_a_motion_stream_shows(request, features, who):
    """Blocks of another size round differently: 1e-4 of a shape."""
    model = request.getfixturevalue(who)
    face, network = shown(model, whole(model, features)), _faces(model, features)
    assert np.abs(face - network).max() < 1e-4


def _faces(model: MotionModel, features: SpeechFeatures) -> np.ndarray:
    """Faces [T, 52] that the network of a MotionStream gives at rest, in its own blocks."""
    faces, state = [], model.network.start()
    front = SpeechFront(model.network.config.features, 16)
    for block in [*front.push(features), *front.finish()]:
        with torch.inference_mode():
            output, state = model.network(
                torch.from_numpy(block.rows)[None], torch.from_numpy(block.beat)[None], torch.zeros(1, 16, 2),
                torch.from_numpy(STYLE.vector)[None], torch.from_numpy(STYLE.gains)[None], state, model.person,
                model.network.size_of(STYLE),
            )  # fmt: skip
        faces.append(output.expression[0, : block.frames].numpy())
    return np.concatenate(faces)


def shown(model: MotionModel, rows: np.ndarray, style: MotionStyle = STYLE) -> np.ndarray:
    """Faces [T, 52] at rest of rows of speech code."""
    network, layout, x = model.network, RowLayout.of(model.network.config), torch.from_numpy(rows)[None]
    vector = torch.from_numpy(style.vector)[None]
    with torch.inference_mode():
        who = network.style(vector)[:, None] + (0 if model.person is None else model.person.code)
        code = SpeechCode(
            x[..., layout.channels], x[..., layout.lips], who, torch.exp(vector @ network.lip_style)[:, None],
            x[..., layout.closures], x[..., layout.silent],
        )  # fmt: skip
        va, gains = torch.zeros(1, len(rows), 2), torch.from_numpy(style.gains)[None]
        return network.apply_emotion(code, va, gains, model.person, network.size_of(style)).expression[0].numpy()


def ended(stream: CodeStream, heard: SpeechFeatures) -> np.ndarray:
    """Rows that a stream gives at its end after it has heard these features."""
    stream.push(heard)
    return stream.finish()


@pytest.mark.parametrize("rows", [0, 1, 8, 45, 100])
def test_a_peek_is_the_end_of_a_stream_that_hears_no_more(model, features, rows):
    stream = model.code_stream(STYLE)
    given_before = stream.push(features[:rows])
    np.testing.assert_array_equal(stream.peek(), ended(model.code_stream(STYLE), features[:rows]))
    further = np.concatenate([given_before, stream.peek(features[rows : rows + 13])])
    np.testing.assert_array_equal(further, whole(model, features[: rows + 13]))


def test_a_stream_goes_on_as_if_nobody_had_peeked(model, features):
    stream, parts = model.code_stream(STYLE), []
    for at in range(0, len(features), 7):
        parts.append(stream.push(features[at : at + 7]))
        stream.peek()
        stream.peek(features[at + 7 : at + 20])
    parts.append(stream.finish())
    np.testing.assert_array_equal(np.concatenate(parts), whole(model, features))


def test_lasting_silence_gives_the_row_of_silence(model, person, features):
    nothing = np.zeros(200)
    pause = SpeechFeatures(
        np.zeros((200, 192)), np.eye(40)[[0] * 200], np.zeros((200, 6)), nothing, nothing - 100, nothing
    )
    for who in (model, person):
        stream = who.code_stream(STYLE)
        stream.push(features)
        rows = stream.push(pause)
        np.testing.assert_allclose(rows[-1], stream.silence(), atol=1e-5)


def test_a_finished_stream_takes_nothing_more(model, features):
    stream = model.code_stream(STYLE)
    stream.push(features)
    assert len(stream.finish())
    assert not len(stream.finish())
    assert not len(stream.peek())
    with pytest.raises(InputError, match="finished"):
        stream.push(features)
