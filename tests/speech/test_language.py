import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.speech.espeak import EspeakEngine
from emotalk.speech.language import detect
from emotalk.speech.scripts import SCRIPTS
from tests.speech.everyday_sentences import CHECKED_ON, TUNED_ON, sentences

SPOKEN_BEST = ("en", "es", "fr", "it", "pt", "de")


@pytest.mark.parametrize(("table", "recognised"), [(TUNED_ON, 0.9), (CHECKED_ON, 0.8)])
def test_everyday_sentences_are_recognised_and_never_taken_for_another_language(table, recognised):
    found = [
        ({"no": "nb"}.get(language, language), detect(sentence), sentence) for language, sentence in sentences(table)
    ]
    assert [row for row in found if row[1] not in (row[0], None)] == []
    best = [language == guess for language, guess, _ in found if language in SPOKEN_BEST]
    assert sum(best) >= recognised * len(best)
    voices = {voice.language for voice in EspeakEngine().voices()} | {"en", "fr"}  # theirs have regions
    assert {guess for _, guess, _ in found if guess} <= voices


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Γεια σου", "el"), ("שלום", "he"), ("こんにちは", "ja"), ("日本語です", "ja"), ("你好，世界", "cmn"),
        ("안녕하세요", "ko"), ("สวัสดี", "th"), ("გამარჯობა", "ka"), ("வணக்கம்", "ta"),
        ("Где ты положил мои ключи?", "ru"), ("Потяг відходить за десять хвилин.", "uk"),
        ("Влакът тръгва след десет минути.", "bg"), ("لا أعرف ماذا أقول.", "ar"), ("نمی‌دانم چه بگویم.", "fa"),
        ("मुझे नहीं पता क्या कहूँ।", "hi"), ("मला काय बोलावे कळत नाही.", "mr"),
    ],
)  # fmt: skip
def test_scripts_name_their_language_or_the_languages_that_share_them_are_told_apart(text, language):
    assert detect(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "12:30, 5 %", "?!", "😀", "OK", "Hola", "Привет", "José García López", "བོད་སྐད",
        "Not 不是 both 兩者", "Das Meeting ist am Freitag, please confirm.", "Je ne sais pas. I do not know.",
    ],
)  # fmt: skip
def test_too_little_or_mixed_text_has_no_language(text):
    assert detect(text) is None


def test_links_tags_directions_and_capitals_do_not_count():
    assert detect("DAS IST EIN SCHÖNER TAG") == "de"
    assert detect("<b>Das ist</b> ein schöner Tag in <break time='1s'/> Berlin") == "de"
    assert detect("[happy] Das ist ein schöner Tag [very sad and slowly] in der Stadt") == "de"
    assert detect("https://www.example.com/the-best-of-all\nist meine Seite, oder me.and.you@example.com") == "de"


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_every_string_has_a_language_with_a_voice_or_none(text):
    language = detect(text)
    assert language is None or language in SCRIPTS.values() or 2 <= len(language) <= 3


@pytest.mark.parametrize("long", ["<" * 100_000, "[" * 100_000, "a@" * 50_000, "Ich weiß nicht. " * 10_000])
def test_long_texts_are_read_at_their_beginning(long):
    assert detect(long) in (None, "de")


def test_the_model_is_loaded_only_when_a_language_is_asked_for():
    code = "import sys, emotalk.speech.tts, emotalk.speech.language; sys.exit('py3langid' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
