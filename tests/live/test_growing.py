"""Sentences that come one by one: one stream, nothing held back for a sentence that has not come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from emotalk.core.errors import ChatError, InputError
from emotalk.live import wire
from emotalk.live.growing import REST_SECONDS, GrowingTalk
from emotalk.speech import say, say_stream
from emotalk.talk import TalkRequest
from tests.live.hearing_studio import HearingStudio
from tests.live.test_hearing import parts

ONE, TWO = "My big boat came by at five.", "People were moving it."
QUESTION = TalkRequest(text="What happened?", voice="flite:slt")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def studio() -> HearingStudio:
    return HearingStudio()


def heard(
    studio: HearingStudio, sentences: Iterable[str], request: TalkRequest = QUESTION, **more
) -> list[tuple[str, object]]:
    talk = GrowingTalk(studio, request, iter(sentences), clock=more.pop("clock", Clock()), **more)
    return [(kind, wire.content(kind, payload)) for piece in talk.records() for kind, payload in wire.records(piece)]


def waiting(records: list[tuple[str, object]]) -> int:
    """Frames of sound whose rows have not left."""
    samples = sum(map(len, parts(records, "A")))
    return -(-samples // 640) - sum(map(len, parts(records, "M")))


@pytest.fixture(scope="module")
def spoken(studio) -> list[tuple[str, object]]:
    return heard(studio, ["", ONE, "", "", TWO, ""])


def test_sentences_are_one_stream(spoken):
    kinds = "".join(kind for kind, _ in spoken)
    one, two = (say(text, "flite:slt", emotion=(0.0, 0.0)) for text in (ONE, TWO))
    samples = np.concatenate(parts(spoken, "A"))
    assert (kinds.count("H"), kinds.count("E"), kinds[0], kinds[-1]) == (1, 1, "H", "E")
    np.testing.assert_allclose(samples, np.concatenate([one.samples, two.samples]), atol=1 / 32767)
    assert waiting(spoken) == 0
    assert spoken[-1][1]["seconds"] == pytest.approx(len(samples) / 16000)


def test_what_is_said_is_told_before_its_sound(spoken):
    told = parts(spoken, "T")
    assert [text["text"] for text in told] == [ONE, TWO]
    starts, played = [], 0
    for kind, content in spoken:
        played += len(content) if kind == "A" else 0
        starts += [played / 16000] if kind == "T" else []
    assert [text["start"] for text in told] == pytest.approx(starts, abs=1e-3)
    assert starts[0] == 0 < starts[1]


def test_the_rows_are_those_of_the_whole_text(studio, spoken):
    whole = heard(studio, [f"{ONE} {TWO}"])
    rows, expected = (np.concatenate(parts(records, "M")) for records in (spoken, whole))
    assert rows.shape == expected.shape
    # Coarticulation knows the next sentence only when it is said.
    assert np.mean(np.abs(rows - expected).max(1) < 0.02) > 0.8
    assert np.corrcoef(rows[:, 160], expected[:, 160])[0, 1] > 0.99


def late(clock: Clock, records: list, pauses: list[int]) -> Iterator[str]:
    """A model that needs a minute for its second sentence; notes how many frames wait for their rows then."""
    yield ONE
    yield ""
    clock.now += 60
    for _ in range(20):
        yield ""
    pauses.append(waiting(records))
    yield TWO


def followed(studio: HearingStudio, source, clock: Clock, records: list, **more) -> list[tuple[str, object]]:
    talk = GrowingTalk(studio, QUESTION, source, clock=clock, **more)
    for piece in talk.records():
        records += [(kind, wire.content(kind, payload)) for kind, payload in wire.records(piece)]
    return records


@pytest.mark.parametrize("fast", [True, False], ids=["told", "listened to"])
def test_motion_is_not_held_back_for_a_sentence_that_is_late(studio, fast):
    clock, records, left = Clock(), [], []
    followed(studio, late(clock, records, left), clock, records, fast=fast)
    first = len(say(ONE, "flite:slt", emotion=(0.0, 0.0)).samples)
    start = parts(records, "T")[1]["start"]
    silence = round(start * 16000) - first
    assert 0 < silence <= REST_SECONDS * 16000 + 1
    assert left[0] <= silence / 640 + 1  # every row of what was said has left
    samples = np.concatenate(parts(records, "A"))
    assert not samples[first : first + silence].any()
    assert np.abs(samples[first + silence :]).max() > 0.1
    assert waiting(records) == 0
    opening = np.concatenate(parts(records, "M"))[:, wire.ROW.rhythm.start]
    assert opening[round(start * 25) - 2] < 0.5 < opening.max()  # nobody speaks in the pause


def test_a_model_that_keeps_up_makes_no_pause(studio, spoken):
    clock, records = Clock(), []

    def source() -> Iterator[str]:
        yield ONE
        clock.now += 0.5
        yield from [""] * 50
        yield TWO

    followed(studio, source(), clock, records)
    np.testing.assert_array_equal(np.concatenate(parts(records, "A")), np.concatenate(parts(spoken, "A")))


def test_moods_in_the_text_are_told_over_all_sentences(studio):
    records = heard(studio, [ONE, "[happy] " + TWO, "[happy] [/] Well."])
    moods = parts(records, "C")
    first, frames = moods[0]["first"], len(np.concatenate(parts(records, "M")))
    values = np.concatenate([mood["values"] for mood in moods])
    starts = [round(text["start"] * 25) for text in parts(records, "T")]
    assert starts[0] < first <= starts[1] + 1
    assert first + len(values) == frames
    assert [mood["first"] for mood in moods[1:]] == (first + np.cumsum([len(m["values"]) for m in moods]))[:-1].tolist()
    assert values[starts[2] - first - 1, 0] > 0.9
    assert values[-1, 0] < 0.5
    assert [text["text"] for text in parts(records, "T")] == [ONE, TWO, "Well."]


def test_words_go_on_from_sentence_to_sentence(studio):
    request = TalkRequest(text="Hi.", voice="espeak:en-us")
    records = heard(studio, ["One two.", "Three four."], request)
    words = [word for content in parts(records, "W") for word in content["words"]]
    assert [word for _, _, word in words] == ["One", "two", "Three", "four"]
    assert words[2][0] >= parts(records, "T")[1]["start"] > words[1][0]


def test_an_answer_ends_before_it_is_too_long(studio):
    talk = GrowingTalk(studio, QUESTION, iter([ONE, TWO, ONE * 3, TWO]), max_seconds=7.0, clock=Clock())
    records = [(kind, wire.content(kind, payload)) for one in talk.records() for kind, payload in wire.records(one)]
    assert [text["text"] for text in parts(records, "T")] == [ONE, TWO]
    assert "7 seconds" in parts(records, "R")[0]["remark"]
    assert records[-1][0] == "E"
    assert talk.cut


def test_the_first_sentence_is_said_however_long(studio):
    records = heard(studio, [ONE * 3], max_seconds=2.0)
    assert records[-1][0] == "E"


def failing(*sentences: str) -> Iterator[str]:
    yield from sentences
    raise ChatError("The model is gone; ask again.")


def test_what_was_said_is_shown_to_its_end_before_a_failure_is_told(studio):
    assert heard(studio, failing("", "")) == [("X", {"error": "The model is gone; ask again."})]
    records = heard(studio, failing("", ONE, ""))
    assert records[-1] == ("X", {"error": "The model is gone; ask again."})
    assert waiting(records) == 0
    assert not parts(records, "E")


@pytest.mark.parametrize("sentences", [[], ["", ""]])
def test_an_answer_without_a_word_is_told(studio, sentences):
    [(kind, content)] = heard(studio, sentences)
    assert kind == "X"
    assert "nothing to say" in content["error"]


def test_a_sentence_that_no_voice_can_read_is_a_remark(studio):
    records = heard(studio, ["ᚠᚢᚦ.", ONE])
    assert [text["text"] for text in parts(records, "T")] == [ONE]
    assert len(parts(records, "R")) == 1
    assert records[-1][0] == "E"
    assert heard(studio, ["ᚠᚢᚦ."])[-1][0] == "X"


def test_a_sentence_that_is_said_in_part_is_told_and_so_is_the_next(studio, monkeypatch):
    def broken(script, *arguments, **options):
        yield from say_stream(script, *arguments, **options)
        if "boat" in script.text:
            raise InputError("The rest cannot be read.")

    monkeypatch.setattr("emotalk.speech.say_stream", broken)
    records = heard(studio, [ONE, TWO])
    assert [text["text"] for text in parts(records, "T")] == [ONE, TWO]
    assert parts(records, "R") == [{"remark": "The rest cannot be read."}]


def test_nothing_is_waited_for_here_and_the_sentences_end_with_the_talk(studio):
    ended = []

    def source() -> Iterator[str]:
        try:
            while True:
                yield ""
        finally:
            ended.append(True)

    records = GrowingTalk(studio, QUESTION, source()).records()
    assert [next(records) for _ in range(5)] == [b""] * 5
    assert not ended
    records.close()
    assert ended == [True]


def test_a_talk_that_is_cancelled_says_nothing_more(studio):
    for source in ([ONE] * 5, ["", ONE]):
        asked = []
        talk = GrowingTalk(studio, QUESTION, iter(source), lambda asked=asked: len(asked) > 2, clock=Clock())
        kinds = ""
        for piece in talk.records():
            kinds += "".join(kind for kind, _ in wire.records(piece))
            asked.append(1)
        assert kinds in ("HTA", "HT", "HTAM")


def test_a_short_answer_is_read_in_the_language_of_the_question(studio, monkeypatch):
    voices = []
    monkeypatch.setattr(
        studio, "voice_for", lambda avatar, language: voices.append(language) or "flite:slt", raising=False
    )
    heard(studio, ["Gut!", "Wie geht es dir denn heute?", "Ok."], TalkRequest(text="Hallo, wie geht es dir heute?"))
    heard(studio, ["Well!", "And how are you doing, my friend?", "Ok."], TalkRequest(text="Hi."))
    assert voices == ["de"] * 3 + ["en"] * 3
