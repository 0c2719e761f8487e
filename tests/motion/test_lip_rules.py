"""Speech and emotion share a mouth: closures stay shut, vowels stay open, whatever is felt. Closures are decided, not
averaged: a small chance of p, b or m shuts the lips, a sure closure nearby has its say."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.speech import ARTICULATION_NAMES, PHONES, SpeechFeatures
from emotalk.emotion import EmotionCurve, expression_tensor
from emotalk.motion import MotionModel
from emotalk.motion.lip_rules import (
    closure_from_articulation,
    closure_from_network,
    closure_from_phones,
    combine,
    silence_from_phones,
)
from emotalk.motion.network import AHEAD, BEFORE
from emotalk.motion.visemes import JAW_OPEN, articulation_at_video_rate, speech_shapes
from emotalk.speech.coarticulation import articulation_targets
from emotalk.speech.feature_rows import pair_rows, quiet, speech_rows
from emotalk.sync.lip_measures import measures_of_motion
from emotalk.sync.network import SyncModel
from tests.motion.test_model import spoken

GRID = torch.cartesian_prod(torch.linspace(-1, 1, 9), torch.linspace(-1, 1, 9))
CLOSURE = ARTICULATION_NAMES.index("closure")
BILABIAL = [PHONES.index(name) for name in "pbm"]
OPENING = ["mouthUpperUpLeft", "mouthLowerDownLeft", "mouthFunnel"]
NONE = torch.zeros(len(GRID))


def _columns(face: torch.Tensor, names: list[str]) -> torch.Tensor:
    return face[:, [ARKIT_INDEX[name] for name in names]]


def _vowel() -> torch.Tensor:
    speech = torch.zeros(1, 52)
    speech[0, ARKIT_INDEX["jawOpen"]] = JAW_OPEN
    speech[0, ARKIT_INDEX["mouthLowerDownLeft"]] = speech[0, ARKIT_INDEX["mouthLowerDownRight"]] = 0.26
    return speech


def test_a_full_closure_leaves_nothing_that_parts_the_lips_under_any_emotion():
    face = combine(_vowel(), expression_tensor(GRID), NONE + 1, NONE)
    assert _columns(face, OPENING).max() < 1e-5
    jaw, close = (face[:, ARKIT_INDEX[name]] for name in ("jawOpen", "mouthClose"))
    torch.testing.assert_close(close, jaw)  # what is left of the jaw is undone at the lips


def test_without_emotion_speech_passes_unchanged():
    speech = torch.rand(20, 52) * 0.4
    zero = torch.zeros(20)
    torch.testing.assert_close(combine(speech, torch.zeros(20, 52), zero, zero), speech, atol=1e-6, rtol=0)


def test_between_contacts_speech_and_emotion_add_up():
    """How much of the emotion comes here is the gate's to say: no rule holds it back a second time."""
    emotion = expression_tensor(GRID)
    torch.testing.assert_close(combine(_vowel(), emotion, NONE, NONE), _vowel() + emotion)


def test_f_and_v_roll_the_lower_lip_under_the_teeth_and_keep_the_jaw_up():
    face = combine(_vowel(), expression_tensor(GRID), NONE, NONE + 1)
    assert _columns(face, ["mouthRollLower"]).min() > 0.35
    assert _columns(face, ["jawOpen"]).max() < 0.3 * JAW_OPEN
    assert _columns(face, ["mouthLowerDownLeft"]).max() < 0.15


def test_gradients_reach_speech_emotion_and_contacts():
    inputs = [torch.rand(4, 52, requires_grad=True) for _ in range(2)]
    contacts = [torch.full((4,), 0.4, requires_grad=True) for _ in range(2)]
    combine(*inputs, *contacts).square().sum().backward()
    for tensor in (*inputs, *contacts):
        assert torch.isfinite(tensor.grad).all()
        assert tensor.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("phone", "shape", "least"),
    [("aa", "jawOpen", 0.3), ("uw", "mouthPucker", 0.4), ("iy", "mouthStretchLeft", 0.15), ("sh", "mouthFunnel", 0.1)],
)
def test_phones_make_their_shapes(phone, shape, least):
    articulation = articulation_at_video_rate(articulation_targets([(0.1, 0.5, phone)], 30))
    phones = np.zeros((15, 40), np.float32)
    phones[3:12, PHONES.index(phone)] = 1
    face = speech_shapes(torch.from_numpy(articulation), torch.from_numpy(phones), torch.zeros(15, 16))
    assert face[7, ARKIT_INDEX[shape]] > least
    assert face.shape == (15, len(ARKIT_NAMES))


def test_style_weighs_jaw_against_lips():
    articulation = torch.tensor([[0.8, 0.3, 0.5, 0.0, 0.0, 0.0]])
    phones = torch.zeros(1, 40)
    style = torch.zeros(1, 16)
    style[0, 1], style[0, 2] = 1.0, -1.0
    plain, jawy = (speech_shapes(articulation, phones, s)[0] for s in (torch.zeros(1, 16), style))
    assert jawy[ARKIT_INDEX["jawOpen"]] > 1.15 * plain[ARKIT_INDEX["jawOpen"]]
    assert jawy[ARKIT_INDEX["mouthPucker"]] < 0.9 * plain[ARKIT_INDEX["mouthPucker"]]


def test_a_contact_of_one_row_survives_the_step_to_video_rate():
    rows = np.zeros((8, 6), np.float32)
    rows[3, 3] = 1.0
    rows[3, 0] = 1.0
    video = articulation_at_video_rate(rows)
    assert video[1, 3] == 1.0
    assert video[1, 0] == 0.5


# Closures


def unsure(features: SpeechFeatures, share: float) -> SpeechFeatures:
    """As an encoder hears that gives every p, b, m only `share` of the probability, and the rest to n."""
    phones = features.phones.copy()
    said = phones[:, BILABIAL].sum(1)
    phones[:, BILABIAL] *= share
    phones[:, PHONES.index("n")] += (1 - share) * said
    articulation = features.articulation.copy()
    articulation[:, CLOSURE] *= share
    return dataclasses.replace(features, phones=phones, articulation=articulation)


def phone_closures(features: SpeechFeatures) -> np.ndarray:
    even = len(features) // 2 * 2
    rows = np.concatenate([quiet(BEFORE), pair_rows(speech_rows(features)[:even]), quiet(AHEAD)])
    return closure_from_phones(torch.from_numpy(rows)[None], BEFORE, even // 2)[0].numpy()


def test_probabilities_become_shut_or_open():
    np.testing.assert_allclose(
        closure_from_network(torch.tensor([0.0, 0.05, 0.2, 0.4, 1.0])), [0, 0, 0.5, 1, 1], atol=1e-6
    )


def test_a_small_chance_of_a_bilabial_is_a_closure_at_its_time():
    speech, features = spoken()
    doubt = phone_closures(unsure(features, 0.2))
    at = (np.arange(len(doubt)) + 0.5) / 25
    spans = [(start, end) for start, end, phone in speech.phones if phone in "pbm"]
    for start, end in spans:
        assert doubt[(at > start) & (at < end)].max() > 0.9
    far = np.all([(at < start - 0.06) | (at > end + 0.06) for start, end in spans], axis=0)
    assert doubt[far].max() == 0


def test_beside_a_sure_closure_the_phones_say_nothing_more():
    """The lips of p part at its burst, before the phone ends: exact articulation is not overruled."""
    _, features = spoken()
    assert phone_closures(features).max() == 0


def test_an_articulation_that_is_closed_in_a_frame_shuts_its_lips_and_no_others():
    rows = quiet(BEFORE + 6 + AHEAD)
    rows = torch.from_numpy(rows).reshape(len(rows), 2, -1).clone()
    rows[BEFORE + 2, 1, len(PHONES) + CLOSURE] = 0.95
    rows[BEFORE + 4, 0, len(PHONES) + CLOSURE] = 0.7  # heard by half: the network's to decide
    closures = closure_from_articulation(rows.flatten(1)[None], BEFORE, 6)[0]
    assert closures.tolist() == [0, 0, 1, 0, 0, 0]


def test_a_b_of_20_ms_after_an_s_is_seen():
    """Synthetic voices say such ones; a network that averages leaves lips apart."""
    begin, rows = 1.98, 150
    phones = [(0.3, 1.9, "ih"), (1.9, begin, "s"), (begin, begin + 0.02, "b"), (begin + 0.02, 2.4, "ih")]
    at = (np.arange(rows) + 0.5) / 50
    said = np.zeros((rows, len(PHONES)), np.float32)
    for start, end, phone in phones:
        said[(at >= start) & (at < end), PHONES.index(phone)] = 1
    said[said.sum(1) == 0, PHONES.index("sil")] = 1
    features = dataclasses.replace(spoken()[1][:rows], phones=said, articulation=articulation_targets(phones, rows))
    motion = MotionModel.load()(features, EmotionCurve.constant(0, 0), seed=1)
    gap = measures_of_motion(motion, SyncModel.load().network.basis)[:, 0]
    closed = int(begin * 25)
    assert gap[closed] < 0.15 * np.median(gap[20:45])


def test_silence_and_other_phones_are_no_closures():
    assert closure_from_phones(torch.from_numpy(quiet(40))[None], BEFORE, 40 - BEFORE - AHEAD).max() == 0


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_lips_shut_for_what_was_heard_unsurely(share):
    speech, features = spoken()
    motion = MotionModel.load()(unsure(features, share), EmotionCurve.constant(0, 0), seed=1)
    gap = measures_of_motion(motion, SyncModel.load().network.basis)[:, 0]
    at = (np.arange(len(gap)) + 0.5) / 25
    rest, wide = gap[:8].min(), gap.max()
    for start, end, phone in speech.phones:
        if phone in "pbm":
            near = (at > start - 0.04) & (at < end + 0.04)
            assert gap[near].min() < rest + 0.15 * (wide - rest)


def test_lips_rest_in_pauses_and_not_beside_speech():
    rows = torch.from_numpy(quiet(80)).reshape(80, 2, -1).clone()
    sound = 40  # a vowel of five frames in two seconds and more of silence
    rows[sound : sound + 5, :, PHONES.index("sil")] = 0
    rows[sound : sound + 5, :, PHONES.index("aa")] = 1
    silent = silence_from_phones(rows.flatten(1)[None], BEFORE, 80 - BEFORE - AHEAD)[0]
    assert silent[sound - BEFORE : sound - BEFORE + 5].max() == 0
    before = silent[: sound - BEFORE]
    assert before[:-4].min() == 1  # 160 ms before the sound nothing of it is seen
    assert before[-1] < 0.5  # lips part before it
    assert (before.diff() <= 0).all()
    assert (silent[sound - BEFORE + 5 :].diff() >= 0).all()
