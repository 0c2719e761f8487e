import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.speech.scripts import LANGUAGE_SCRIPTS, SCRIPTS, script_of


@pytest.mark.parametrize(
    ("letter", "script"),
    [("a", "LATIN"), ("é", "LATIN"), ("ж", "CYRILLIC"), ("ω", "GREEK"), ("ש", "HEBREW"), ("あ", "HIRAGANA"), 
     ("日", "CJK"),
     ("한", "HANGUL"), ("5", None), ("!", None), (" ", None), ("\u0301", None), ("བ", None)],
)  # fmt: skip
def test_letters_have_a_script_and_what_belongs_to_any_has_none(letter, script):
    assert script_of(letter) == script


@given(st.characters())
def test_every_character_has_a_known_script_or_none(character):
    assert script_of(character) in (None, *SCRIPTS)


def test_the_language_that_reads_a_script_is_written_in_it():
    for script, language in SCRIPTS.items():
        if language and script != "KATAKANA":
            assert LANGUAGE_SCRIPTS[language] == script
