"""The judges of motion: what they learn from, and that the pair that measures learns from other material."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.emotion.expression import LID_SHAPES, LOOK_SHAPES
from emotalk.learning.critics import CriticConfig, film_windows, mirror, surprise, train_recogniser, train_sync
from emotalk.learning.felt_motions import FeltConfig, captured_people, felt_motions, filmed_people
from emotalk.learning.filmed_lips import FilmedClip, filmed_clip
from emotalk.learning.judges import CONSISTENCY, SYNC, JudgeData, train_judges
from emotalk.learning.motion_data import SpokenClip, spoken_clip
from emotalk.motion.emotion_recogniser import concordance, load_recogniser, motion_tensor
from emotalk.motion.eye_network import EyeWeights, load_eyes
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import SyncConfig, SyncModel, load_sync
from tests.motion.test_model import spoken

TINY = FeltConfig(count=4, frames=60)


@pytest.fixture(scope="module")
def clips() -> list[SpokenClip]:
    speech, features = spoken(3)
    return [spoken_clip(speech, [features])]


@pytest.fixture(scope="module")
def eyes() -> EyeWeights:
    return load_eyes()


@pytest.fixture(scope="module")
def basis() -> LipBasis:
    return SyncModel.load().network.basis


def _film(speaker: str, size: float = 1.0) -> FilmedClip:
    """Lips that open with what the encoder says of the jaw."""
    _, features = spoken(3)
    frames = len(features) // 2
    opened = features.articulation[: 2 * frames, 0].reshape(frames, 2).mean(1)
    return filmed_clip(speaker, [features], 0.1 + 0.05 * size * opened[:, None] * np.array([1.0, 1.0, -0.3, 0.8]))


def _person(seed: int = 0, frames: int = 40) -> HeadMotion:
    random = np.random.default_rng(seed)
    still = HeadMotion.neutral(frames)
    head = 0.02 * random.standard_normal((frames, 6))
    return dataclasses.replace(still, expression=random.uniform(0, 0.2, (frames, 52)), head_pose=head)


def test_the_same_seed_gives_the_same_motions_and_another_gives_others(clips, eyes):
    first, again = (felt_motions(clips, eyes, TINY) for _ in range(2))
    other = felt_motions(clips, eyes, dataclasses.replace(TINY, seed=1))
    assert first.motion.shape == (4, 60, 65)
    assert torch.equal(first.motion, again.motion)
    assert torch.equal(first.va, again.va)
    assert not torch.equal(first.motion, other.motion)


def test_strange_people_show_the_same_mood_in_another_way_and_plain_ones_in_the_shipped_one(clips, eyes):
    """The moods asked for are the same; without strangeness the face is the shipped field's."""
    plain = felt_motions(clips, eyes, dataclasses.replace(TINY, strangeness=0))
    strange = felt_motions(clips, eyes, dataclasses.replace(TINY, strangeness=1))
    assert plain.va.abs().max() <= 1
    assert (plain.motion[..., :52] - strange.motion[..., :52]).abs().mean() > 0.01


def test_faces_keep_lids_and_looks_in_their_own_channels(clips, eyes):
    felt = felt_motions(clips, eyes, TINY, [_person()], [_person(1, 200)])
    assert felt.motion[..., LID_SHAPES + LOOK_SHAPES].abs().max() == 0
    assert torch.isfinite(felt.motion).all()
    assert felt.motion[..., :52].min() >= 0


def test_filmed_people_themselves_are_neutral_and_count_less(clips, eyes):
    felt = felt_motions(clips, eyes, FeltConfig(count=60, frames=25), [_person()])
    own = felt.weight < 1
    assert 0 < own.sum() < 20
    assert felt.va[own].abs().max() == 0


def test_motions_need_speech_and_a_second(clips, eyes):
    with pytest.raises(InputError, match="spoken clips"):
        felt_motions([], eyes, TINY)
    with pytest.raises(InputError, match="25 frames"):
        FeltConfig(frames=10)


def test_people_are_read_from_shards(tmp_path):
    motion = _person()
    for name, speaker in (("a", "s1"), ("b", "s2"), ("c", "s1")):
        np.savez(tmp_path / f"{name}.npz", speaker=np.array(speaker), **vars(motion))
    people = filmed_people(tmp_path)
    assert {name: len(motions) for name, motions in people.items()} == {"s1": 2, "s2": 1}
    np.testing.assert_array_equal(people["s2"][0].head_pose, motion.head_pose)
    assert captured_people(tmp_path) == []


def test_a_mirror_image_is_that_of_the_whole_motion():
    """Left becomes right, and turning to one side turning to the other; twice is once."""
    motion = motion_tensor(_person())
    assert torch.equal(mirror(mirror(motion)), motion)
    turned = dataclasses.replace(HeadMotion.neutral(3), head_pose=np.tile([0.1, 0.2, 0.3, 0.01, 0.02, 0.03], (3, 1)))
    back = mirror(motion_tensor(turned))[0, 0, 59:] / 6
    torch.testing.assert_close(back, torch.tensor([0.1, -0.2, -0.3, -0.01, 0.02, 0.03]))


def test_being_sure_and_wrong_is_worse_than_being_unsure_and_wrong():
    truth = torch.zeros(1, 1, 2)
    wrong = torch.full((1, 1, 2), 0.8)
    sure, unsure = (surprise((wrong, torch.full((1, 1, 2), p)), truth) for p in (50.0, 3.0))
    assert sure > unsure
    assert surprise((truth, torch.full((1, 1, 2), 50.0)), truth) < unsure


@pytest.mark.slow
def test_a_recogniser_learns_to_read_faces_and_to_distrust_their_absence(clips, eyes):
    felt = felt_motions(clips, eyes, FeltConfig(count=40, frames=75))
    network = train_recogniser(felt, CriticConfig(steps=150, batch=12, frames=75))
    with torch.no_grad():
        found = network(felt.motion).mean(1).numpy()
        absent, _ = network.impressions(torch.zeros(1, 75, 65))
        seen, _ = network.impressions(felt.motion)
    wanted = felt.va.mean(1).numpy()
    for axis in (0, 1):
        assert concordance(found[:, axis], wanted[:, axis]) > 0.6
    assert seen.evidence.mean() > 4 * absent.evidence.mean()


def test_windows_of_films_keep_sound_and_lips_together():
    films = [_film("a"), _film("b", 2.0)]
    heard, seen = film_windows(films, np.array([0.5, 0.5]), 6, 40, 0)
    assert heard.shape == (6, 40, 96)
    assert seen.shape == (6, 40, 4)
    jaw = heard[..., 40].numpy()
    related = [np.corrcoef(jaw[i], seen[i, :, 0].numpy())[0, 1] for i in range(6)]
    assert np.median(related) > 0.8


@pytest.mark.slow
def test_filmed_lips_are_learned_beside_the_teachers(clips, basis):
    """Lips that open where the films' do come to fit their sound."""
    film = _film("a")
    sizes = SyncConfig(hidden=48, size=16, dropout=0.0)
    with_films, without = (
        train_sync(clips, basis, CriticConfig(steps=80, batch=4, frames=50), sizes, filmed) for filmed in ([film], [])
    )

    def score(network) -> float:
        rows = torch.from_numpy(film.rows[0][None, :, :96].astype(np.float32))
        with torch.no_grad():
            heard, seen = network.embed_sound(rows), network.embed_lips(torch.from_numpy(film.measures[None]))
        return float((heard * seen).sum(-1).mean())

    assert score(with_films) > score(without)


def test_halves_share_no_clip_and_leave_none_out(clips):
    films = [_film("many") for _ in range(10)] + [_film(name) for name in "abc"]
    data = JudgeData(
        {f"voice {i}": clips for i in range(5)}, films, {"many": [_person(i) for i in range(10)], "one": [_person()]}
    )
    halves = [data.half(which) for which in (0, 1)]
    assert not set(halves[0].voices) & set(halves[1].voices)
    assert len(halves[0].voices) + len(halves[1].voices) == 5
    ids = [{id(clip) for clip in half.filmed} for half in halves]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {id(clip) for clip in films}
    for half in halves:
        assert sum(clip.speaker == "many" for clip in half.filmed) == 5
        assert len(half.people["many"]) == 5


def test_one_voice_serves_both_judges(clips):
    data = JudgeData({"only": clips})
    assert data.half(0).clips == data.half(1).clips == clips


def test_one_call_makes_all_four_and_keeps_what_is_there(tmp_path, clips, eyes, basis, monkeypatch):
    monkeypatch.setattr("emotalk.learning.judges.FeltConfig", lambda seed: FeltConfig(count=3, frames=40, seed=seed))
    data = JudgeData({"a": clips, "b": clips}, [_film("x"), _film("y")])
    train_judges(tmp_path, data, basis, eyes, sync_steps=2, consistency_steps=2)
    networks = [load_sync(tmp_path / f"{name}.safetensors") for name in SYNC]
    networks += [load_recogniser(tmp_path / f"{name}.safetensors") for name in CONSISTENCY]
    for one, other in (networks[:2], networks[2:]):
        assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(before) == 4
    train_judges(tmp_path, data, basis, eyes, sync_steps=2, consistency_steps=2)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
