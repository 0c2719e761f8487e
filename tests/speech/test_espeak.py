"""How texts are pronounced by espeak-ng's rules: what Kokoro reads. Its sound is tested with the other voices."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import VoiceError
from emotalk.speech.espeak import EspeakEngine
from emotalk.speech.voice import Style


@pytest.fixture(scope="module")
def espeak() -> EspeakEngine:
    return EspeakEngine()


def test_each_text_has_its_pronunciation_in_order(espeak):
    assert espeak.transcribe(["bed", "red bed", "", "bed"], "en-us") == ["bˈɛd", "ɹˈɛd bˈɛd", "", "bˈɛd"]
    assert espeak.transcribe([], "en-us") == []


def test_the_letters_of_one_sound_are_tied(espeak):
    church, my = espeak.transcribe(["church", "my"], "en-us")
    assert church == "t^ʃˈɜːt^ʃ"
    assert my == "mˈa^ɪ"


def test_accents_differ(espeak):
    (american,), (british,) = (espeak.transcribe(["go better"], language) for language in ("en-us", "EN-GB"))
    assert american == "ɡˌo^ʊ bˈɛɾɚ"
    assert british == "ɡˌə^ʊ bˈɛtə"


def test_a_text_of_several_clauses_is_read_to_its_end(espeak):
    assert espeak.transcribe(["bed. red! bed; red, bed"], "en-us")[0].split() == [
        "bˈɛd",
        "ɹˈɛd",
        "bˈɛd",
        "ɹˈɛd",
        "bˈɛd",
    ]


def test_a_word_of_another_language_comes_without_the_marks_of_the_switch(espeak):
    (ipa,) = espeak.transcribe(["le weekend sur Facebook"], "fr-fr")
    assert "(" not in ipa
    assert "wiːkˈɛnd" in ipa


def test_what_was_asked_before_changes_nothing(espeak):
    alone = EspeakEngine().transcribe(["the day"], "en-us")
    sound = espeak.speak("Hello", "en-us", Style()).samples
    espeak.transcribe(["guten Tag"] * 20, "de")
    assert espeak.transcribe(["the day"], "en-us") == alone
    np.testing.assert_array_equal(espeak.speak("Hello", "en-us", Style()).samples, sound)


def test_many_threads_may_ask_at_once(espeak):
    words = ["bed", "red", "day", "my", "go", "how", "boy", "see"]
    alone = [espeak.transcribe([word], "en-us") for word in words]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda word: espeak.transcribe([word], "en-us"), words)) == alone


def test_a_text_that_crashes_the_rules_is_read_without_its_marks():
    """ "'-你" ends espeak-ng 1.52's Hindi rules with a segmentation fault."""
    espeak = EspeakEngine()
    (read,) = espeak.transcribe(["'-你"], "hi")
    assert read == espeak.transcribe(["你"], "hi")[0] != ""


def test_a_library_that_hangs_is_replaced(monkeypatch):
    espeak = EspeakEngine()
    before = espeak.transcribe(["bed"], "en-us")
    process = espeak._worker._process
    monkeypatch.setattr("emotalk.speech.espeak._TIMEOUT", 0.5)
    process.send_signal(signal.SIGSTOP)
    assert espeak.transcribe(["bed"], "en-us") == before
    assert process.poll() is not None


def test_a_language_without_rules_is_refused(espeak):
    with pytest.raises(VoiceError, match="no rules for 'xx'"):
        espeak.transcribe(["bed"], "xx")
    assert espeak.transcribe(["bed"], "en-us") == ["bˈɛd"]


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(VoiceError, match="pip install espeakng-loader"):
        EspeakEngine().transcribe(["bed"], "en-us")


@settings(max_examples=25)
@given(
    st.lists(st.one_of(st.text(max_size=40), st.text("aé😀ж<>&[]'\"\\%,.!-01 \n\0", max_size=40)), max_size=4),
    st.sampled_from(["en-us", "en-gb", "es", "fr-fr", "hi", "it", "pt-br"]),
)
def test_any_texts_have_as_many_answers(espeak, texts, language):
    message = "cannot read"
    try:
        answers = espeak.transcribe(texts, language)
    except VoiceError as error:
        message = str(error)
    else:
        assert len(answers) == len(texts)
        assert all("\n" not in answer for answer in answers)
    assert "cannot read" in message
