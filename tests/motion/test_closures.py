"""Closures are decided, not averaged: a small chance of p, b or m shuts the lips, a sure closure nearby has its say."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.speech import ARTICULATION_NAMES, PHONES, SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.motion import MotionModel
from emotalk.motion.lip_rules import decided, suspected
from emotalk.motion.network import AHEAD, BEFORE
from emotalk.speech.feature_rows import pair_rows, quiet, speech_rows
from emotalk.sync.lip_measures import measures_of_motion
from emotalk.sync.network import SyncModel
from tests.motion.test_model import spoken

CLOSURE = ARTICULATION_NAMES.index("closure")
BILABIAL = [PHONES.index(name) for name in "pbm"]


def unsure(features: SpeechFeatures, share: float) -> SpeechFeatures:
    """As an encoder hears that gives every p, b, m only `share` of the probability, and the rest to n."""
    phones = features.phones.copy()
    said = phones[:, BILABIAL].sum(1)
    phones[:, BILABIAL] *= share
    phones[:, PHONES.index("n")] += (1 - share) * said
    articulation = features.articulation.copy()
    articulation[:, CLOSURE] *= share
    return dataclasses.replace(features, phones=phones, articulation=articulation)


def suspicion(features: SpeechFeatures) -> np.ndarray:
    even = len(features) // 2 * 2
    rows = np.concatenate([quiet(BEFORE), pair_rows(speech_rows(features)[:even]), quiet(AHEAD)])
    return suspected(torch.from_numpy(rows)[None], BEFORE, even // 2)[0].numpy()


def test_probabilities_become_shut_or_open():
    np.testing.assert_allclose(decided(torch.tensor([0.0, 0.05, 0.2, 0.4, 1.0])), [0, 0, 0.5, 1, 1], atol=1e-6)


def test_a_small_chance_of_a_bilabial_is_a_closure_at_its_time():
    speech, features = spoken()
    doubt = suspicion(unsure(features, 0.2))
    at = (np.arange(len(doubt)) + 0.5) / 25
    spans = [(start, end) for start, end, phone in speech.phones if phone in "pbm"]
    for start, end in spans:
        assert doubt[(at > start) & (at < end)].max() > 0.9
    far = np.all([(at < start - 0.06) | (at > end + 0.06) for start, end in spans], axis=0)
    assert doubt[far].max() == 0


def test_beside_a_sure_closure_the_phones_say_nothing_more():
    """The lips of p part at its burst, before the phone ends: exact articulation is not overruled."""
    _, features = spoken()
    assert suspicion(features).max() == 0


def test_silence_and_other_phones_are_no_suspects():
    assert suspected(torch.from_numpy(quiet(40))[None], BEFORE, 40 - BEFORE - AHEAD).max() == 0


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
            assert gap[near].min() < rest + 0.1 * (wide - rest)
