"""Cards of motion networks: what corpora state about licence and consent is told, and holds."""

import dataclasses
from pathlib import Path

import pytest

from emotalk.core.errors import InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.learning.corpus import Corpus, CorpusClip
from scripts.motion_cards import CARDS, card, write_cards
from scripts.train_motion import check_out
from tests.learning.test_corpus import TERMS, clip

FACTS = {"minutes": 3.0, "cpu_minutes": 1.5}


def corpus(weights: str = "any") -> Corpus:
    clips = [CorpusClip(*clip(name, weights=weights), 0) for name in ("a", "b")]
    return Corpus(dataclasses.replace(TERMS, weights=weights), tuple(clips))


def test_a_card_tells_licence_and_consent_of_every_corpus():
    text = card("motion", {**FACTS, "corpora": [corpus().card(), corpus("private").card()]})
    assert text.count("- Corpus: Aunts, 2 clips") == 2
    assert text.count("Licence: CC BY 4.0 (2 clips)") == 2
    assert text.count("Consent: in writing, kept by us (2 clips)") == 2
    assert "The aunts, 2020" in text
    assert "weights not to be given away" in text


@pytest.mark.parametrize(("weights", "words"), [("any", "(weights and code)"), ("non-commercial", "non-commercial")])
def test_the_licence_is_the_narrowest_of_all(weights, words):
    text = card("motion", {**FACTS, "corpora": [corpus().card(), corpus(weights).card()]})
    assert words in next(line for line in text.splitlines() if line.startswith("- Licence"))


def test_films_of_grid_are_named_where_they_were_used():
    assert "GRID" not in card("motion", {**FACTS, "films": 5, "grid": 0})
    assert "- Films: 7 sentences. GRID" in card("motion", {**FACTS, "films": 12, "grid": 7})


def test_judges_learn_from_no_corpus(tmp_path):
    write_cards(tmp_path, CARDS, {**FACTS, "corpora": [corpus("private").card()]})
    assert [path.name for path in sorted(tmp_path.iterdir())] == sorted(f"{name}.md" for name in CARDS)
    assert "given away" not in (tmp_path / "sync.md").read_text()


def test_narrow_weights_do_not_go_among_those_that_are_shipped(tmp_path):
    check_out(CHECKPOINTS, [corpus()])
    check_out(tmp_path, [corpus("private")])
    with pytest.raises(InputError, match="--out"):
        check_out(CHECKPOINTS / ".." / CHECKPOINTS.name, [corpus(), corpus("non-commercial")])
    assert Path(CHECKPOINTS / "motion.md").is_file()
