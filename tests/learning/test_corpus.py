"""Shards of a corpus: what goes in comes out, the same clips are the same bytes, and no terms are lost."""

import dataclasses
import json

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.learning.corpus import (
    FORMAT,
    SHARDS,
    ClipFacts,
    Corpus,
    CorpusClip,
    Terms,
    for_lips,
    load_corpus,
    narrowest,
    write_shard,
)

TERMS = Terms("Aunts", "a drawer", "CC BY 4.0", "The aunts, 2020", "in writing, kept by us", "any")


def clip(name: str, frames: int = 40, speaker: str = "ann", **changes) -> tuple[ClipFacts, dict[str, np.ndarray]]:
    """A clip whose numbers hang on its name."""
    random = np.random.default_rng(list(name.encode()))
    widths = {"expression": 52, "jaw": 3, "gaze": 2, "eyelids": 2, "head_pose": 6, "measures": 4, "emotion": 2}
    arrays = {key: random.random((frames, width)).astype(np.float32) for key, width in widths.items()}
    arrays["rows"] = random.random((2, frames, 480)).astype(np.float16)
    arrays["rhythm"] = random.random((2, frames, 6)).astype(np.float16)
    arrays["seen"] = np.ones(frames, np.uint8)
    facts = ClipFacts(name, speaker, frames, "0" * 64, TERMS.licence, TERMS.consent, TERMS.weights, 0.5, 0.006)
    return dataclasses.replace(facts, **changes), arrays


def corpus_of(folder, *shards) -> Corpus:
    """A corpus of shards of clips, written and read."""
    entries = [write_shard(folder / SHARDS, f"{i:05d}-x.safetensors", clips) for i, clips in enumerate(shards)]
    manifest = {"format": FORMAT, "corpus": dataclasses.asdict(TERMS), "shards": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return load_corpus(folder)


def test_clips_come_out_of_shards_as_they_went_in(tmp_path):
    written = [clip("a.mp4"), clip("b.mp4", 25), clip("c.mp4", 30)]
    corpus = corpus_of(tmp_path, written[:2], written[2:])
    assert [one.facts for one in corpus.clips] == [facts for facts, _ in written]
    for one, (facts, arrays) in zip(corpus.clips, written, strict=True):
        assert len(one) == facts.frames
        for name in ("rows", "rhythm", "expression", "emotion", "seen"):
            np.testing.assert_array_equal(getattr(one, name), arrays[name])
        for name in ("expression", "jaw", "gaze", "eyelids", "head_pose"):
            np.testing.assert_array_equal(getattr(one.motion, name), arrays[name])
        np.testing.assert_array_equal(one.lips().measures, arrays["measures"])
    assert (corpus.speakers, round(corpus.minutes * 1500)) == (1, 95)


def test_the_same_clips_are_the_same_bytes(tmp_path):
    again = [write_shard(tmp_path / str(i), "x", [clip("a"), clip("ünter/b.mp4")]) for i in range(3)]
    assert again[0] == again[1] == again[2]
    assert (tmp_path / "0" / "x").read_bytes() == (tmp_path / "2" / "x").read_bytes()


def test_a_card_tells_the_terms_of_every_clip(tmp_path):
    own = clip("c", speaker="cid", licence="CC0", consent="on tape", weights="non-commercial")
    card = corpus_of(tmp_path, [clip("a"), clip("b"), own]).card()
    assert card["licences"] == {"CC BY 4.0": 2, "CC0": 1}
    assert card["consents"] == {"in writing, kept by us": 2, "on tape": 1}
    assert (card["weights"], card["clips"], card["people"]) == ("non-commercial", 3, 2)
    assert card["attribution"] == TERMS.attribution


def test_of_many_texts_a_card_repeats_the_commonest(tmp_path):
    clips = [clip(str(i), 8, consent=f"sheet {i}") for i in range(30)] + [clip("z", 8, consent="sheet 0")]
    consents = corpus_of(tmp_path, clips).card()["consents"]
    assert consents["sheet 0"] == 2
    assert consents["others"] == 10
    assert sum(consents.values()) == 31


def test_the_narrowest_use_holds_for_all():
    assert narrowest([]) == "any"
    assert narrowest(["any", "non-commercial"]) == "non-commercial"
    assert narrowest(["non-commercial", "private", "any"]) == "private"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Terms)])
@pytest.mark.parametrize("value", ["", "  ", None, 7])
def test_terms_that_are_not_stated_are_asked_for(field, value):
    with pytest.raises(InputError, match=field):
        dataclasses.replace(TERMS, **{field: value})


def test_weights_are_for_one_of_three_uses():
    with pytest.raises(InputError, match="non-commercial"):
        dataclasses.replace(TERMS, weights="everybody")


def test_lips_are_learned_of_all_people_in_turn():
    many = [clip(f"ann{i}", 50) for i in range(6)]
    few = [clip("bea0", 50, "bea"), clip("cid0", 50, "cid")]
    short, lost = clip("cid1", 20, "cid"), clip("cid2", 50, "cid")
    lost[1]["seen"][3:8] = 0
    clips = [CorpusClip(facts, arrays, 0) for facts, arrays in [*many, *few, short, lost]]
    assert [one.speaker for one in for_lips(clips, 200)] == ["ann", "bea", "cid", "ann"]
    assert [one.speaker for one in for_lips(clips, 10_000)] == ["ann", "bea", "cid", *["ann"] * 5]
    assert for_lips(clips, 0) == []


def test_what_is_no_corpus_is_explained(tmp_path):
    with pytest.raises(InputError, match="track_corpus"):
        load_corpus(tmp_path)
    corpus_of(tmp_path, [clip("a")])
    shard = next((tmp_path / SHARDS).iterdir())
    whole = shard.read_bytes()
    for damage in (whole[:-1], b"\xff" * len(whole), b""):
        shard.write_bytes(damage)
        with pytest.raises(InputError, match="again"):
            load_corpus(tmp_path)
    shard.unlink()
    with pytest.raises(InputError, match="missing"):
        load_corpus(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="format"):
        load_corpus(tmp_path)


def test_a_manifest_leads_nowhere_else(tmp_path):
    corpus_of(tmp_path / "in", [clip("a")])
    manifest = json.loads((tmp_path / "in" / "manifest.json").read_text())
    name = manifest["shards"][0]["file"]
    (tmp_path / name).write_bytes((tmp_path / "in" / SHARDS / name).read_bytes())
    manifest["shards"][0]["file"] = f"../../{name}"
    (tmp_path / "in" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError):
        load_corpus(tmp_path / "in")


def test_arrays_of_another_length_are_refused(tmp_path):
    facts, arrays = clip("a")
    with pytest.raises(InputError, match="gaze"):
        write_shard(tmp_path, "x", [(facts, {**arrays, "gaze": arrays["gaze"][:-1]})])
