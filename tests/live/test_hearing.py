"""A live talk as records: all of its sound, a row of code for every frame, and what else there is to tell."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve
from emotalk.live import wire
from emotalk.live.hearing import FIRST_SECONDS, LiveTalk
from emotalk.motion import MotionStyle
from emotalk.speech import say, say_stream
from emotalk.speech.known_phones import known_phones
from emotalk.speech.told_hidden import ToldHidden
from emotalk.talk import TalkRequest
from emotalk.talk.mood import TalkMood
from tests.live.hearing_studio import HearingStudio

TEXT = "My big boat came by at five. People were moving it."


@pytest.fixture(scope="module")
def studio() -> HearingStudio:
    return HearingStudio()


def heard(studio: HearingStudio, request: TalkRequest, **options) -> list[tuple[str, object]]:
    """(kind, content) of every record of a talk."""
    pieces = LiveTalk(studio, request, **options).records()
    return [(kind, wire.content(kind, payload)) for piece in pieces for kind, payload in wire.records(piece)]


def parts(records: list[tuple[str, object]], kind: str) -> list:
    return [content for found, content in records if found == kind]


@pytest.fixture(scope="module")
def spoken(studio) -> list[tuple[str, object]]:
    return heard(studio, TalkRequest(text=TEXT, voice="flite:slt"))


def test_a_talk_is_a_head_all_of_its_sound_a_row_for_every_frame_and_an_end(spoken):
    speech = say(TEXT, "flite:slt", emotion=(0.0, 0.0))
    assert spoken[0][0] == "H"
    assert spoken[-1] == ("E", {"seconds": pytest.approx(speech.seconds)})
    assert not {"X", "C", "R"} & {kind for kind, _ in spoken}
    np.testing.assert_allclose(np.concatenate(parts(spoken, "A")), speech.samples, atol=1 / 32767)
    rows = np.concatenate(parts(spoken, "M"))
    assert rows.shape == (-(-len(speech.samples) // 640), 173)


def test_sound_and_motion_begin_early(spoken):
    order = "".join(kind for kind, _ in spoken)
    sounds = [len(samples) / 16000 for samples in parts(spoken, "A")]
    assert order.startswith("HA")
    assert sounds[0] == FIRST_SECONDS
    before = order[: order.index("M")].count("A")
    assert sum(sounds[:before]) <= 0.8
    assert max(sounds) <= 1.0


def test_motion_is_never_far_behind_its_sound(spoken):
    played = shown = 0
    for kind, content in spoken:
        played += len(content) / 640 if kind == "A" else 0
        shown += len(content) if kind == "M" else 0
        if kind == "M":
            assert shown <= played + 1
            assert played - shown < 2 * 25
    assert shown == np.ceil(played)


def test_a_voice_that_tells_its_phones_need_not_be_listened_to(studio):
    before = studio.asked
    heard(studio, TalkRequest(text="Hello.", voice="flite:slt"))
    assert studio.asked == before
    heard(studio, TalkRequest(text="Hello.", voice="flite:slt"), fast=False)
    assert studio.asked > before


def test_the_rows_are_the_code_of_the_told_phones(studio, spoken):
    speech = say(TEXT, "flite:slt", emotion=(0.0, 0.0))
    features = known_phones(studio.encoder.encode(speech), speech)
    stream = studio.motion.code_stream(MotionStyle(face=3))
    told = ToldHidden.load()(features)
    whole = np.concatenate([stream.push(told), stream.finish()])
    rows = np.concatenate(parts(spoken, "M"))
    # Coarticulation knows the next sentence only when it is said: rows at its border may differ a little.
    assert np.mean(np.abs(rows - whole).max(1) < 0.02) > 0.8
    assert np.corrcoef(rows[:, 160], whole[:, 160])[0, 1] > 0.99


def test_told_lips_move_as_heard_ones_do(studio):
    request = TalkRequest(text=TEXT, voice="flite:slt")
    told, full = (np.concatenate(parts(heard(studio, request, fast=fast), "M")) for fast in (True, False))
    opening = wire.ROW.lips.start
    assert np.corrcoef(told[:, opening], full[:, opening])[0, 1] > 0.95
    assert told[:, opening].std() / full[:, opening].std() == pytest.approx(1, abs=0.15)
    np.testing.assert_array_equal(told[:, wire.ROW.rhythm.start], full[:, wire.ROW.rhythm.start])  # speaking


def test_words_come_with_their_sound(studio):
    records = heard(studio, TalkRequest(text="One two. Three four.", voice="espeak:en-us"))
    assert parts(records, "H")[0]["words"] is True
    words = [word for content in parts(records, "W") for word in content["words"]]
    assert [word for _, _, word in words] == ["One", "two", "Three", "four"]
    assert all(a[1] <= b[0] + 1e-6 for a, b in itertools.pairwise(words))
    assert words[-1][1] <= parts(records, "E")[0]["seconds"]


def test_moods_are_told_only_where_they_change_by_themselves(studio, spoken):
    assert not parts(spoken, "C")
    request = TalkRequest(text="[happy] Hello there. [sad] Oh no.", voice="flite:slt", expressiveness=0.5)
    records = heard(studio, request)
    moods = parts(records, "C")
    frames = len(np.concatenate(parts(records, "M")))
    values = np.concatenate([mood["values"] for mood in moods])
    assert moods[0]["first"] == 0
    assert [mood["first"] for mood in moods[1:]] == np.cumsum([len(mood["values"]) for mood in moods])[:-1].tolist()
    assert len(values) == frames
    assert values[5, 0] > 0.2 > -0.2 > values[-3, 0]
    assert np.abs(values).max() <= 0.5


def test_moods_of_key_frames_and_of_the_voice_are_told(studio):
    curve = EmotionCurve.from_words("0 happy, 1 sad")
    records = heard(studio, TalkRequest(text=TEXT, voice="flite:slt", emotion=curve, expressiveness=0.8))
    values = np.concatenate([mood["values"] for mood in parts(records, "C")])
    np.testing.assert_allclose(values, 0.8 * curve.at(len(values)), atol=1e-3)
    request = TalkRequest(text=TEXT, voice="flite:slt", emotion="auto", valence_in_auto=0.4)
    records = heard(studio, request)
    values = np.concatenate([mood["values"] for mood in parts(records, "C")])
    assert len(values) == len(np.concatenate(parts(records, "M")))
    np.testing.assert_allclose(values[:, 0], 0.4, atol=1e-4)
    assert np.abs(values[:, 1]).max() > 0.01
    assert isinstance(TalkMood(request).curve, EmotionCurve)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "said.wav"
    soundfile.write(path, say("Hello there, my friend.", "flite:rms").samples, 16000)
    return path


def test_a_recording_is_listened_to(studio, recording):
    before = studio.asked
    records = heard(studio, TalkRequest(audio=recording))
    samples = np.concatenate(parts(records, "A"))
    assert studio.asked > before
    assert len(samples) == len(soundfile.read(recording)[0])
    assert len(np.concatenate(parts(records, "M"))) == -(-len(samples) // 640)
    assert parts(records, "H")[0]["words"] is False
    features = studio.encoder.encode(Speech(samples))
    stream = studio.motion.code_stream(MotionStyle(face=3))
    whole = np.concatenate([stream.push(features), stream.finish()])
    assert np.corrcoef(np.concatenate(parts(records, "M"))[:, 160], whole[:, 160])[0, 1] > 0.99


def test_a_recording_with_its_transcript_tells_its_words(studio, recording):
    records = heard(studio, TalkRequest(audio=recording, transcript="Hello there, my friend."))
    words = [word for content in parts(records, "W") for _, _, word in content["words"]]
    assert [word.strip(".,") for word in words] == ["Hello", "there", "my", "friend"]


def test_what_goes_wrong_is_the_last_record(studio):
    assert [kind for kind, _ in heard(studio, TalkRequest(avatar="nobody", text="Hello."))] == ["X"]
    unknown = heard(studio, TalkRequest(text="Hello.", voice="flite:nobody"))
    assert "nobody" in unknown[-1][1]["error"]
    long = heard(studio, TalkRequest(text=TEXT, voice="flite:slt", max_seconds=2.4))
    assert long[-1][0] == "X"
    assert "longer than 2 seconds" in long[-1][1]["error"]
    assert sum(map(len, parts(long, "A"))) <= 2.4 * 16000


def test_a_phrase_whose_phones_are_not_told_is_listened_to(studio, monkeypatch):
    def secretive(*arguments, **options) -> Iterator[Speech]:
        for i, piece in enumerate(say_stream(*arguments, **options)):
            yield piece if i < 2 else Speech(piece.samples, piece.source, piece.text)

    monkeypatch.setattr("emotalk.speech.say_stream", secretive)
    before = studio.asked
    records = heard(studio, TalkRequest(text="Hello there. My friend moved away.", voice="flite:slt"))
    assert studio.asked == before + 1
    samples, rows = (np.concatenate(parts(records, kind)) for kind in "AM")
    assert len(rows) == -(-len(samples) // 640)
    jaw = rows[:, wire.ROW.lips.start]
    assert jaw[len(jaw) // 2 :].std() > 0.3  # the untold sentence moves the lips, too


def test_a_talk_that_is_cancelled_says_nothing_more(studio):
    asked = []
    talk = LiveTalk(studio, TalkRequest(text=TEXT * 5, voice="flite:slt"), lambda: len(asked) > 1)
    kinds = []
    for piece in talk.records():
        kinds += [kind for kind, _ in wire.records(piece)]
        asked.append(1)
    assert kinds == ["H", "A"]


def test_remarks_are_told_once(studio):
    records = heard(studio, TalkRequest(text="[unknowndirection] Hello there, friend of mine.", voice="flite:slt"))
    remarks = [content["remark"] for content in parts(records, "R")]
    assert len(remarks) == 1
    assert "unknowndirection" in remarks[0]
