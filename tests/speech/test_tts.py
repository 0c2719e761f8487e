import errno
import os
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotalk.cli import main
from emotalk.core.errors import EmotalkError, InputError, VoiceError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import PHONES, Speech
from emotalk.emotion import EmotionCurve
from emotalk.speech import coqui, default_voice, say, say_stream, tts, voices
from emotalk.speech.coqui import CoquiEngine
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.espeak import EspeakEngine
from emotalk.speech.flite import FliteEngine, _parse_phones, plain_letters
from emotalk.speech.ipa import arpabet
from emotalk.speech.known_phones import known_phones
from emotalk.speech.kokoro import KokoroEngine
from emotalk.speech.loudness import TARGET_DB, loudness
from emotalk.speech.manner import Manner, style_for_emotion
from emotalk.speech.pitch import prosody_frames
from emotalk.speech.tts import engines, find_voice, first_usable, join, wished_voice
from emotalk.speech.voice import PhraseEngine, Style, VoiceInfo

SENTENCE = "The banana was on the table, but nobody wanted to eat it."
FLITE = bool([voice for voice in voices(installed_only=True) if voice.engine == "flite"])
needs_flite = pytest.mark.skipif(not FLITE, reason="the flite program is not installed (apt install flite)")
ENGLISH_VOICES = ["espeak:en-us"] + [
    pytest.param(f"flite:{name}", marks=needs_flite) for name in ("slt", "rms", "awb", "kal16")
]


def median_pitch(speech) -> float:
    """Hz over the voiced rows."""
    f0 = prosody_frames(speech.samples).f0
    return float(np.median(f0[f0 > 0]))


def phone_string(speech) -> str:
    return " ".join(name for _, _, name in speech.phones if name != "sil")


# What every voice does


@pytest.mark.parametrize("voice", ENGLISH_VOICES)
def test_speech_comes_at_normal_loudness_with_phone_times(voice):
    speech = say(SENTENCE, voice)
    assert 2.0 < speech.seconds < 6.0
    assert loudness(speech.samples) == pytest.approx(TARGET_DB, abs=0.5)
    assert speech.text == SENTENCE
    assert speech.source == voice
    starts, ends, names = zip(*speech.phones, strict=True)
    assert set(names) <= set(PHONES)
    assert all(end > start for start, end in zip(starts, ends, strict=True))
    assert all(start >= end - 1e-6 for start, end in zip(starts[1:], ends[:-1], strict=True))
    assert starts[0] >= 0
    assert ends[-1] <= speech.seconds + 1e-6
    assert "b ah n ae n ah" in phone_string(speech)


@pytest.mark.parametrize("voice", ENGLISH_VOICES)
def test_phone_times_fit_the_sound(voice):
    """Vowels are loud, s and silence are not: phone times that drifted would lose this."""
    speech = say("Sissy sees seven sausages. Sam saw us sing a silly song.", voice, rate=0.8)
    energy, centres = prosody_frames(speech.samples).energy, {}
    for start, end, name in speech.phones:
        rows = energy[round(start * 50) : max(round(end * 50), round(start * 50) + 1)]
        centres.setdefault("vowel" if name[0] in "aeiou" else name, []).append(rows.mean())
    assert np.mean(centres["vowel"]) > np.mean(centres["s"]) + 2
    assert np.mean(centres["vowel"]) > np.mean(centres["sil"]) + 20


@pytest.mark.parametrize("voice", ENGLISH_VOICES)
def test_rate_and_pitch_do_what_they_say(voice):
    normal, fast, high = say(SENTENCE, voice), say(SENTENCE, voice, rate=1.4), say(SENTENCE, voice, pitch=1.2)
    assert normal.seconds / fast.seconds == pytest.approx(1.4, abs=0.12)
    assert high.seconds == pytest.approx(normal.seconds, rel=0.04)
    assert median_pitch(high) / median_pitch(normal) == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize("voice", ["espeak:en-us", pytest.param("flite:slt", marks=needs_flite)])
def test_arousal_makes_a_voice_faster_higher_and_louder(voice):
    calm, excited = say(SENTENCE, voice, emotion=(0, -0.8)), say(SENTENCE, voice, emotion=(0, 0.8))
    assert excited.seconds < 0.8 * calm.seconds
    assert median_pitch(excited) > 1.2 * median_pitch(calm)
    assert loudness(excited.samples) > loudness(calm.samples) + 4
    assert np.abs(excited.samples).max() < 1


def test_emotion_at_rest_changes_nothing():
    assert style_for_emotion(0, 0) == Style()
    np.testing.assert_array_equal(
        say("Hello.", "espeak:en-us", emotion=(0, 0)).samples, say("Hello.", "espeak:en-us").samples
    )


@pytest.mark.parametrize("out_of_range", [{"rate": 0}, {"rate": 9}, {"pitch": 0.1}, {"pitch": float("nan")},
                                          {"emotion": (2, 0)}, {"emotion": (0, float("nan"))}])  # fmt: skip
def test_settings_out_of_range_are_refused(out_of_range):
    with pytest.raises(InputError, match=r"must lie in|must be a number in"):
        say("Hello.", "espeak:en-us", **out_of_range)


# Streams, many alphabets, long texts


def test_a_stream_joined_is_what_say_gives():
    text = "One sentence. Another one! And Привет too?"
    parts = list(say_stream(text, "espeak:en-us"))
    spoken = [part for part in parts if part.text]
    assert [part.text for part in spoken[:2]] == ["One sentence.", "Another one!"]
    assert [len(part.words) == 0 for part in parts[:4]] == [False, True, False, True]  # a pause ends each sentence
    np.testing.assert_array_equal(np.concatenate([part.samples for part in parts]), say(text, "espeak:en-us").samples)
    assert spoken[2].phones[0][0] < 0.2
    assert say(text, "espeak:en-us").phones[-1][1] == pytest.approx(sum(p.seconds for p in parts), abs=0.7)


def test_ten_thousand_words_start_at_once_and_are_too_long_for_one_piece(monkeypatch):
    monkeypatch.setattr("emotalk.speech.tts.MAX_SECONDS", 60.0)
    text = "This is a sentence of exactly nine short words. " * 1112
    stream = say_stream(text, "espeak:en-us", rate=2.0)
    assert next(stream).seconds < 4
    stream.close()
    with pytest.raises(VoiceError, match="1 minutes"):
        say(text, "espeak:en-us")


@pytest.mark.parametrize(
    "text",
    ["Привет, мир!", "你好，世界。", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "안녕하세요", "Γεια σου Κόσμε",
     "ひらがな", "გამარჯობა", "สวัสดี", "Բարեւ", "ሰላም", "😀🎉", "1234567", "https://example.org", "a"],
)  # fmt: skip
def test_every_alphabet_is_spoken_under_an_english_voice(text):
    speech = say(text, "espeak:en-us")
    assert speech.seconds > 0.2
    assert loudness(speech.samples) > -40
    assert len(speech.phones) >= 1


def test_words_have_times_in_order():
    speech = say("We walked along the river.", "espeak:en-us")
    assert [word for _, _, word in speech.words] == ["We", "walked", "along", "the", "river"]
    assert all(end > start for start, end, _ in speech.words)


@pytest.mark.parametrize("empty", ["", " ", "...", "<p/>"])
def test_nothing_to_say_is_refused(empty):
    with pytest.raises(InputError):
        say(empty)


class PieceEngine:
    """Says a tenth of a second for every word, each as a piece of its own."""

    name = "pieces"

    def __init__(self) -> None:
        self.asked: list[tuple[str, float, Manner]] = []
        self.made = 0

    def voices(self) -> list[VoiceInfo]:
        return [VoiceInfo("pieces:one", "en-us", 5, "MIT", "one", True)]

    def prepare(self) -> None:
        pass

    def stream(self, text: str, voice: str, manner: Manner, start: float = 0.0) -> Iterator[Speech]:
        self.asked.append((text, start, manner))
        for word in text.split():
            self.made += 1
            yield Speech(np.full(1600, 0.1, np.float32), "pieces:one", word, ((0, 0.1, "ah"),), ((0, 0.1, word),))


@pytest.fixture
def in_pieces(monkeypatch) -> PieceEngine:
    engine = PieceEngine()
    monkeypatch.setattr(tts, "engines", lambda: {"pieces": engine})
    return engine


def test_the_pieces_of_a_phrase_leave_as_soon_as_they_are_made(in_pieces):
    stream = say_stream("One two three. Four.", "pieces:one")
    assert next(stream).text == "One"
    assert in_pieces.made == 1
    assert [part.text for part in stream] == ["two", "three.", "", "Four.", ""]


def test_only_the_end_of_a_sentence_is_a_pause_and_its_phones_say_so(in_pieces):
    parts = list(say_stream("One two. Three.", "pieces:one"))
    pauses = [part for part in parts if not part.text]
    assert len(pauses) == 2
    assert all(part.phones == ((0.0, part.seconds, "sil"),) for part in pauses)
    joined = join(parts, "")
    assert [name for _, _, name in joined.phones] == ["ah", "ah", "sil", "ah", "sil"]
    assert joined.phones[-1][1] == pytest.approx(joined.seconds)


def test_every_phrase_is_told_when_it_begins_and_what_mood_it_is_part_of(in_pieces):
    """So that a mood goes on where the phrase before has left it."""
    mood = EmotionCurve((0.0, 2.0), ((0.0, -1.0), (0.0, 1.0)))
    parts = list(say_stream("One two three. Four. Five.", "pieces:one", rate=1.1, pitch=0.9, emotion=mood))
    ends = np.cumsum([part.seconds for part in parts])
    assert [text for text, _, _ in in_pieces.asked] == ["One two three.", "Four.", "Five."]
    assert [start for _, start, _ in in_pieces.asked] == pytest.approx([0.0, ends[3], ends[5]])
    assert {manner for _, _, manner in in_pieces.asked} == {Manner(mood, 1.1, 0.9)}


def test_a_pause_is_shorter_where_the_mood_is_excited(in_pieces):
    mood = EmotionCurve((0.0, 0.6), ((0.0, -1.0), (0.0, 1.0)))
    pauses = [
        part.seconds for part in say_stream("One. Two. Three. Four.", "pieces:one", emotion=mood) if not part.text
    ]
    assert pauses == sorted(pauses, reverse=True)
    assert pauses[-1] < 0.7 * pauses[0]


@pytest.mark.parametrize("voice", ["espeak:en-us", pytest.param("flite:slt", marks=needs_flite)])
def test_a_voice_that_says_whole_phrases_takes_the_mean_mood_of_each(voice):
    text = "The first one is calm. The second one is not."
    mood = EmotionCurve((1.0, 2.0), ((0.0, -1.0), (0.0, 1.0)))
    first, second = (part for part in say_stream(text, voice, emotion=mood) if part.text)
    assert loudness(second.samples) > loudness(first.samples) + 4
    assert median_pitch(second) > 1.15 * median_pitch(first)


class SilentEngine(PhraseEngine):
    """Says nothing, as some rules do with a lone letter."""

    def speak(self, text: str, voice: str, style: Style) -> Speech:
        return Speech(np.zeros(8000, np.float32))


def test_a_phrase_without_sound_is_no_piece():
    assert list(SilentEngine().stream("x", "one", Manner())) == []


# Choosing a voice


def test_voices_are_listed_best_and_installed_first():
    found = voices()
    assert len({voice.id for voice in found}) == len(found)
    assert all(voice.licence and voice.language and 1 <= voice.quality <= 5 for voice in found)
    assert all(bool(voice.how_to_get) != voice.installed for voice in found)
    ranks = [(not voice.installed, -voice.quality) for voice in found]
    assert ranks == sorted(ranks)
    assert {"espeak", "flite", "coqui", "kokoro"} == {voice.engine for voice in found}


def test_the_default_is_the_best_installed_voice_of_a_language(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EMOTALK_VOICE", raising=False)
    monkeypatch.setattr(KokoroEngine, "prepare", lambda self: None)  # none of them speaks
    best = max(voice.quality for voice in voices(installed_only=True) if voice.language.startswith("en"))
    assert default_voice().quality == best
    assert default_voice("de").id == "espeak:de"
    with pytest.raises(VoiceError, match="tlh"):
        default_voice("tlh")


@needs_flite
def test_a_setting_names_the_voice_that_reads_where_none_is_chosen(monkeypatch):
    monkeypatch.setenv("EMOTALK_VOICE", "flite:rms")
    assert default_voice().id == find_voice(None).id == "flite:rms"
    assert default_voice("en-gb").id == "flite:rms"
    assert default_voice("de").id == "espeak:de"  # what the named one cannot read is left to another
    monkeypatch.setenv("EMOTALK_VOICE", "flite:rmz")
    with pytest.raises(VoiceError, match="flite:rms"):
        default_voice()


def test_a_setting_that_names_a_voice_of_another_language_is_told_once(monkeypatch, caplog):
    monkeypatch.setenv("EMOTALK_VOICE", "espeak:fr-fr")
    monkeypatch.setattr(KokoroEngine, "prepare", lambda self: None)
    tts._tell_other_language.cache_clear()
    assert default_voice().language.startswith("en")
    assert default_voice("fr").id == wished_voice("fr").id == "espeak:fr-fr"
    assert wished_voice() is None
    told = [record.message for record in caplog.records if "EMOTALK_VOICE" in record.message]
    assert len(told) == 1
    assert "espeak:fr-fr, which speaks fr-fr" in told[0]


class BrokenEngine:
    """The best voices of all, and none of them works."""

    name = "broken"

    def voices(self) -> list[VoiceInfo]:
        return [VoiceInfo("broken:best", "en-us", 5, "MIT", "the best", True)]

    def prepare(self) -> None:
        raise VoiceError("The weights are damaged.")


def test_where_the_best_voice_cannot_be_made_ready_the_next_one_reads_and_the_log_says_why(monkeypatch, caplog):
    monkeypatch.delenv("EMOTALK_VOICE", raising=False)
    working = {name: engine for name, engine in engines().items() if name in ("flite", "espeak")}
    monkeypatch.setattr(tts, "engines", lambda: {"broken": BrokenEngine(), **working})
    assert voices()[0].id == "broken:best"
    assert default_voice().engine in working
    assert say("Hello.").source == default_voice().id
    assert "The weights are damaged. Another voice speaks instead." in caplog.text


def test_the_first_usable_of_some_voices_is_the_first_that_is_here_and_works(monkeypatch):
    monkeypatch.setattr(tts, "engines", lambda: {"broken": BrokenEngine(), "espeak": engines()["espeak"]})
    assert first_usable(["nobody:x", "broken:best", "espeak:en-us+f3", "espeak:de"]) == "espeak:en-us+f3"
    assert first_usable(["nobody:x", "broken:best"]) is None
    assert first_usable([]) is None


def test_unknown_voices_are_refused_with_the_nearest():
    with pytest.raises(VoiceError, match="flite:slt"):
        say("Hello.", "flite:slf")
    with pytest.raises(VoiceError, match="voices"):
        say("Hello.", "../../etc/passwd")
    with pytest.raises(VoiceError, match="espeak-ng has no voice"):
        say("Hello.", "espeak:en-us+../../x")


def test_without_flite_its_voices_say_how_to_get_them(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    engine = FliteEngine()
    assert {voice.how_to_get for voice in engine.voices()} == {"apt install flite"}
    with pytest.raises(VoiceError, match="apt install flite"):
        engine.speak("Hello", "slt", Style())


def test_without_espeak_its_voice_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    engine = EspeakEngine()
    assert not engine.voices()[0].installed
    with pytest.raises(VoiceError, match="pip install espeakng-loader"):
        engine.speak("Hello", "en-us", Style())


@pytest.mark.slow
def test_every_listed_espeak_language_speaks():
    engine = EspeakEngine()
    silent = [v.id for v in engine.voices() if not len(engine.speak("12", v.name, Style()).samples)]
    assert len(engine.voices()) > 100
    assert silent == []


# Nothing typed can hurt


def test_text_never_becomes_an_option_or_a_command(tmp_path):
    """A stand-in program writes down how it was called."""
    record = tmp_path / "called.txt"
    program = tmp_path / "flite"
    program.write_text(f'#!/bin/sh\necho "$@" >> {record}\n[ "$1" = -lv ] && echo "Voices available: slt"\nexit 0\n')
    program.chmod(0o755)
    with pytest.raises(VoiceError, match="said nothing"):
        FliteEngine(str(program)).speak("-o /tmp/x; $(touch y) `id` --setf a=b", "slt", Style())
    call = record.read_text().splitlines()[-1]
    assert "touch" not in call
    assert "id" not in call.replace(str(tmp_path), "").split()


@needs_flite
@pytest.mark.parametrize("text", ["-lv", "--help", "/etc/passwd", "$HOME `id`", "a;b|c&d", "(((", "'\"\\", "%s%n"])
def test_flite_only_speaks_what_looks_like_a_command(text):
    try:
        speech = say(text, "flite:slt")
    except InputError:
        return
    assert speech.seconds > 0.3


def test_a_program_that_hangs_is_ended(tmp_path, monkeypatch):
    program = tmp_path / "flite"
    program.write_text('#!/bin/sh\n[ "$1" = -lv ] && echo "Voices available: slt" && exit 0\nexec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setattr("emotalk.speech.flite._TIMEOUT", 0.5)
    with pytest.raises(VoiceError, match="took more than"):
        FliteEngine(str(program)).speak("Hello", "slt", Style())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "too little memory left to speak"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device. Make room"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    ],
)
def test_a_machine_that_is_short_of_something_says_so(monkeypatch, error, said):
    def fail(*_):
        raise error

    monkeypatch.setattr(EspeakEngine, "speak", fail)
    with pytest.raises(VoiceError, match=said):
        say("Hello.", "espeak:en-us")


def test_a_full_disk_is_told_from_a_text_without_sound(tmp_path, monkeypatch):
    program = tmp_path / "flite"
    program.write_text('#!/bin/sh\n[ "$1" = -lv ] && echo "Voices available: slt"\nexit 0\n')
    program.chmod(0o755)
    engine = FliteEngine(str(program))
    monkeypatch.setattr("shutil.disk_usage", lambda _: types.SimpleNamespace(free=0))
    with pytest.raises(OSError, match="No space left"):
        engine.speak("Hello", "slt", Style())
    monkeypatch.setattr("tempfile.TemporaryDirectory", _no_space)
    with pytest.raises(OSError, match="No space left"):
        engine.speak("Hello", "slt", Style())


def _no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_espeak_that_could_not_start_for_want_of_memory_is_tried_again(monkeypatch):
    engine = EspeakEngine()
    with monkeypatch.context() as short:
        short.setattr("subprocess.Popen", _no_memory)
        assert not engine.voices()[0].installed
        with pytest.raises(OSError, match="Cannot allocate memory"):
            engine.speak("Hello", "en-us", Style())
    assert engine.speak("Hello", "en-us", Style()).seconds > 0.2


def _no_memory(*_, **__):
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def test_accents_are_dropped_for_flite():
    assert plain_letters("café Straße naïve Ærø 你") == "cafe Strasse naive Aero"


ANY_TEXT = st.one_of(
    st.text(st.characters(), max_size=120),
    st.text("aé😀你ж<>&;[]_`'\"\\%$#@!.,-0123456789 \n\0", max_size=120),
    st.sampled_from(
        ["<speak><prosody rate='999%'>", "[[h@l'oU]]", "<audio src='/etc/passwd'/>", "\x01\x05V99", "%s%n" * 20]
    ),
)


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_TEXT, st.sampled_from(["en-us", "de", "fr-fr", "ru", "ar", "cmn", "ja", "hi", "ko"]))
def test_no_unicode_string_crashes_or_hangs_espeak(text, language):
    """Also straight into the engine, without the cleaning of `say`; a hang would end as VoiceError."""
    speech = engines()["espeak"].speak(text, language, Style())
    assert np.isfinite(speech.samples).all()
    try:
        assert say(text, f"espeak:{language}").seconds > 0
    except EmotalkError:
        return


def test_flites_phone_times_end_with_their_sound_and_only_the_last_pause_of_each_utterance_gives_way():
    """kal16 prints 0.1 s more of every final pause than it plays."""
    printed = "pau:0.20 b:0.30 pau:0.60\npau:0.10 m:0.40 pau:0.80\n"
    phones = _parse_phones(printed, seconds=1.2)
    names, times = [name for _, _, name in phones], np.array([(start, end) for start, end, _ in phones])
    assert names == ["sil", "b", "sil", "sil", "m", "sil"]
    np.testing.assert_allclose(times, [(0, 0.2), (0.2, 0.3), (0.3, 0.5), (0.5, 0.6), (0.6, 0.9), (0.9, 1.2)])


@needs_flite
@pytest.mark.parametrize("voice", ["kal16", "slt"])
@pytest.mark.parametrize("rate", [0.8, 1.0, 1.3])
def test_flites_phones_are_heard_when_they_are_said_to_be(voice, rate):
    """Moved by 3 rows (60 ms) either way, the phone times fit less well what the encoder hears."""
    speech = say("My mother bought a blue poppy. We hope nobody minds! Emma brings her puppy.", f"flite:{voice}", rate)
    heard = SpeechEncoder.load().encode(speech).phones
    said = known_phones(SpeechEncoder.load().encode(speech), speech).phones
    fit = {lag: float((np.roll(said, lag, 0) * heard)[10:-10, 1:].sum()) for lag in (-3, 0, 3)}
    assert fit[0] > 1.2 * max(fit[-3], fit[3])


@needs_flite
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_TEXT)
def test_no_unicode_string_crashes_or_hangs_flite(text):
    try:
        speech = say(text, "flite:kal16")
    except (InputError, VoiceError) as error:
        message = str(error)
    else:
        message = ""
        assert speech.seconds > 0
    assert "status" not in message  # the program itself never fails,
    assert "took more" not in message  # nor does it hang


def test_a_text_that_crashes_espeak_is_said_without_its_marks(caplog):
    """ "'-你" ends espeak-ng 1.52's Hindi voice with a segmentation fault."""
    engine = EspeakEngine()
    assert len(engine.speak("'-你", "hi", Style()).samples) > 0
    assert "crashed" in caplog.text
    assert engine.speak("Hello", "en-us", Style()).seconds > 0.2


def test_the_same_text_gives_the_same_sound_whatever_was_said_before():
    engine = EspeakEngine()
    first = engine.speak("Hello there", "en-us", Style()).samples
    engine.speak("Something else entirely", "de", Style())
    np.testing.assert_array_equal(engine.speak("Hello there", "en-us", Style()).samples, first)


def test_a_hanging_espeak_is_replaced(monkeypatch):
    engine = EspeakEngine()
    engine.voices()
    process = engine._worker._process
    monkeypatch.setattr("emotalk.speech.espeak._TIMEOUT", 0.5)
    process.send_signal(signal.SIGSTOP)
    assert engine.speak("Hello", "en-us", Style()).seconds > 0.2
    assert process.poll() is not None


def test_many_threads_may_speak_at_once():
    alone = [say(f"Number {i}.", "espeak:en-us").samples for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: say(f"Number {i}.", "espeak:en-us").samples, range(8)))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


# Phones of other languages


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [("ˈoʊ", ("ow",)), ("ˈɛɹ", ("eh", "r")), ("tʃ", ("ch",)), ("aɪɚ", ("ay", "er")), ("iː", ("iy",)), ("n̩", ("n",)),
     ("tɕʰ", ("ch",)), ("ə", ("ah",)), ("ʔ", ("sil",)), ("", ("sil",)), ("(en)", ("ey", "n")), ("y", ("uw",)),
     ("ts", ("t", "s")), ("əl", ("ah", "l"))],
)  # fmt: skip
def test_ipa_becomes_arpabet(ipa, phones):
    assert arpabet(ipa) == phones


@pytest.mark.slow
@given(st.text(max_size=8))
def test_any_string_maps_to_known_phones(text):
    assert set(arpabet(text)) <= set(PHONES)
    assert arpabet(text)


# coqui, through a stand-in for its package: the real one is an optional download of gigabytes


class FakeTTS(types.ModuleType):
    """`TTS.api` with a tone for a voice; counts what was loaded."""

    def __init__(self) -> None:
        super().__init__("TTS.api")
        self.loaded: list[str] = []
        module = self

        class TTS:
            def __init__(self, model_name: str, progress_bar: bool = False) -> None:
                module.loaded.append(model_name)
                network = types.SimpleNamespace(length_scale=1.0)
                self.synthesizer = types.SimpleNamespace(output_sample_rate=22050, tts_model=network)

            def tts(self, text: str, speaker: str | None = None) -> list[float]:
                seconds = 0.1 * len(text) * self.synthesizer.tts_model.length_scale
                t = np.arange(round(22050 * seconds)) / 22050
                return (0.1 * np.sin(2 * np.pi * 200 * t)).tolist()

        self.TTS = TTS


@pytest.fixture
def fake_tts(monkeypatch, tmp_path) -> FakeTTS:
    fake, package = FakeTTS(), types.ModuleType("TTS")
    package.__spec__ = types.SimpleNamespace(name="TTS")
    monkeypatch.setitem(sys.modules, "TTS", package)
    monkeypatch.setitem(sys.modules, "TTS.api", fake)
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    monkeypatch.setattr("emotalk.speech.coqui.shutil.which", lambda program: f"/usr/bin/{program}")
    return fake


def test_coqui_speaks_with_rate_and_pitch_and_loads_a_model_once(fake_tts):
    engine = CoquiEngine()
    normal = engine.speak("Hello there", "vctk-p225", Style())
    fast = engine.speak("Hello there", "vctk-p226", Style(rate=1.5))
    high = engine.speak("Hello there", "vctk-p226", Style(pitch=1.5))
    assert fake_tts.loaded == ["tts_models/en/vctk/vits"]
    assert normal.seconds == pytest.approx(1.1, abs=0.01)
    assert fast.seconds == pytest.approx(1.1 / 1.5, abs=0.01)
    assert high.seconds == pytest.approx(1.1, abs=0.01)
    assert median_pitch(high) == pytest.approx(300, rel=0.02)
    assert normal.source == "coqui:vctk-p225"


def test_coqui_counts_as_installed_once_its_model_is_downloaded(fake_tts, tmp_path):
    before = {voice.id: voice for voice in CoquiEngine().voices()}
    assert before["coqui:ljspeech"].how_to_get.startswith("downloads about 145 MB")
    folder = tmp_path / "tts" / "tts_models--en--ljspeech--vits"
    folder.mkdir(parents=True)
    (folder / "model_file.pth").write_bytes(b"weights")
    after = {voice.id: voice for voice in CoquiEngine().voices()}
    assert after["coqui:ljspeech"].installed
    assert not after["coqui:vctk-p225"].installed
    assert "Apache" in after["coqui:ljspeech"].licence


def test_coqui_without_its_package_or_with_a_broken_one_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "TTS", None)
    with pytest.raises(VoiceError, match="requirements-tts"):
        CoquiEngine().speak("Hello", "ljspeech", Style())

    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("TTS"):
                raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "TTS")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(VoiceError, match="does not fit the installed torch"):
        CoquiEngine().speak("Hello", "ljspeech", Style())


def test_coqui_without_espeak_ng_says_how_to_get_it(fake_tts, monkeypatch):
    monkeypatch.setattr("emotalk.speech.coqui.shutil.which", lambda program: None)
    assert "apt install espeak-ng" in CoquiEngine().voices()[0].how_to_get
    with pytest.raises(VoiceError, match="apt install espeak-ng"):
        CoquiEngine().speak("Hello", "ljspeech", Style())


def test_a_failed_download_is_a_sentence(fake_tts, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("connection refused")

    monkeypatch.setattr(fake_tts, "TTS", refuse)
    with pytest.raises(VoiceError, match="Check the network"):
        CoquiEngine().speak("Hello", "vctk-p225", Style())


def test_only_freely_licensed_models_are_offered():
    assert {entry.licence for entry in coqui._MODELS.values()} == {"Apache-2.0"}


def test_the_command_lists_voices(capsys):
    assert main(["voices"]) == 0
    listed = capsys.readouterr().out
    assert "espeak:en-us" in listed
    assert "GPL-3.0" in listed
    assert "espeak:de " not in listed
    assert main(["voices", "--language", "de"]) == 0
    assert "espeak:de " in capsys.readouterr().out
    assert main(["voices", "--language", "tlh"]) == 2
    assert "No voice speaks" in capsys.readouterr().err


def test_speaking_does_not_import_torch():
    code = "import sys; from emotalk.speech import say; say('Hi.', 'espeak:en-us'); sys.exit('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env={**os.environ}, timeout=120)
    assert done.returncode == 0


def test_a_lock_is_not_left_behind_by_a_failure():
    engine = EspeakEngine()
    with pytest.raises(VoiceError):
        engine.speak("Hello", "xx-none", Style())
    finished = threading.Event()
    threading.Thread(target=lambda: (engine.speak("Hello", "en-us", Style()), finished.set())).start()
    assert finished.wait(20)
    assert SAMPLE_RATE == 16_000
