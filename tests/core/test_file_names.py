"""Names of files made of sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.core.file_names import LONGEST, file_name_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Good morning, everybody!", "good-morning-everybody"),
        ("  We ran 5 km.\nIt's fine. ", "we-ran-5-km-its-fine"),
        ("Über Größe/../etc", "über-größe-etc"),
        ("你好，世界", "你好-世界"),
        (
            "This sentence has far more words than any file's name should ever have",
            "this-sentence-has-far-more-words-than",
        ),
        ("x" * 100, "x" * 40),
        ("...", "talk"),
        ("", "talk"),
        ("Con", "talk-con"),
    ],
)
def test_a_file_is_named_after_its_first_words(text, name):
    assert file_name_of(text) == name


@given(st.text())
def test_every_text_gives_a_name_that_any_file_system_takes(text):
    name = file_name_of(text)
    assert 0 < len(name) <= LONGEST + len("talk-")
    assert len(name.encode()) <= 200
    assert not set(name) & set('/\\:*?"<>|.\0 \n')
    assert not name.startswith("-")
