"""What may be asked for is checked before any work, in sentences."""

import pytest

from emotalk.core.errors import EmotalkError, InputError
from emotalk.emotion import EmotionCurve
from emotalk.talk.request import Look, TalkRequest, talk_request


def test_a_plain_request_is_taken() -> None:
    request = TalkRequest(text="Hello.", emotion=EmotionCurve.constant(0.5, 0.2))
    assert (request.avatar, request.look.size, request.seed) == ("mira", 512, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to say"),
        ({"text": ""}, "nothing to say"),
        ({"text": " \n\t "}, "nothing to say"),
        ({"text": "Hi.", "audio": __file__}, "Both a text and an audio file"),
        ({"audio": "gone.wav"}, r"no audio file 'gone\.wav'"),
        ({"text": "Hi.", "avatar": " "}, "No avatar"),
        ({"text": "Hi.", "emotion": "happy"}, "EmotionCurve"),
        ({"text": "Hi.", "valence_in_auto": 1.5}, "Valence must lie between -1 and 1, found 1.5"),
        ({"text": "Hi.", "valence_in_auto": float("nan")}, "Valence must be a number"),
        ({"text": "Hi.", "head_motion": -1}, "head motion amount must lie between 0 and 2"),
        ({"text": "Hi.", "expressiveness": 99.0}, "expressiveness must lie between 0 and 2"),
        ({"text": "Hi.", "seed": -3}, "seed must be a whole number"),
        ({"text": "Hi.", "seed": 1.5}, "seed must be a whole number"),
        ({"text": "word " * 10_000, "max_seconds": 600}, r"10,000 words, about 64 minutes; at most 600 seconds"),
        ({"text": "w" * 4000, "max_seconds": 60}, r"4,000 letters; at most 60 seconds"),
        ({"text": "w" * 500_001}, "500,001 characters"),
        ({"text": "\0\x1b\ud800\u202e \n"}, "nothing to say"),
        ({"text": 5}, "must be a string, found int"),
        ({"text": ["Hi."]}, "must be a string, found list"),
        ({"text": "Hi.", "avatar": 5}, "No avatar"),
        ({"text": "Hi.", "avatar": None}, "No avatar"),
        ({"text": "Hi.", "voice": ["flite:slt"]}, "no voice"),
        ({"text": "Hi.", "voice": "x" * 1000}, "no voice"),
        ({"text": "Hi.", "transcript": "Hi."}, "belongs to an audio file"),
        ({"audio": __file__, "transcript": 5}, "The transcript must be a string, found int"),
        ({"audio": __file__, "transcript": "w" * 500_001}, "The transcript has 500,001 characters"),
        ({"audio": __file__, "transcript": "w" * 4000, "max_seconds": 60}, "The transcript has 4,000 letters"),
        ({"audio": 5}, "path of a file, found int"),
        ({"audio": "a\0b"}, "no audio file"),
        ({"audio": "\ud800"}, "no audio file"),
        ({"text": "Hi.", "head_motion": 10**400}, "found a far larger one"),
        ({"text": "Hi.", "head_motion": "1"}, "must be a number"),
        ({"text": "Hi.", "head_motion": None}, "must be a number"),
    ],
)
def test_what_cannot_be_said_or_done_is_refused(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TalkRequest(**given)


@pytest.mark.parametrize("blank", [None, "", " \n\t"])
def test_a_blank_transcript_is_none(blank: str | None) -> None:
    assert talk_request(audio=__file__, transcript=blank).transcript is None
    assert talk_request(text="Hi.", transcript=blank).transcript is None


def test_what_nobody_types_is_taken_out_of_a_text_and_nothing_else() -> None:
    typed = "Grüße,\tDr. Müller!\nשָׁלוֹם 你好 👍🏽 می‌خواهم"
    assert TalkRequest(text=typed).text == typed
    assert TalkRequest(text="a\0b\x1b[31mc\ud83d \u202eolleh\u202c").text == "a b [31mc olleh"


@pytest.mark.parametrize("seed", ["1", 1.5, -1, 2**32, 10**400, float("nan"), [1], True])
def test_a_seed_that_is_no_whole_number_is_a_sentence(seed) -> None:
    with pytest.raises(InputError, match="The seed must"):
        talk_request(text="Hi.", seed=seed)


def test_a_message_never_shows_a_whole_path() -> None:
    with pytest.raises(InputError) as caught:
        TalkRequest(audio="/home/somebody/secret/place/gone.wav")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 511}, "even number"),
        ({"size": 512.0}, "even number"),
        ({"size": 4096}, "between 64 and 1080"),
        ({"yaw": 200}, "yaw must lie between"),
        ({"zoom": 0}, "zoom must lie between"),
        ({"mark": "middle"}, "bottom-right"),
        ({"background": "#123456"}, r"a PictureFile, Blurred\(\) or Transparent"),
        ({"yaw": 10**400}, "yaw must lie between -60 and 60, found a far larger one"),
        ({"size": "512"}, "even number"),
        ({"mark": ["off"]}, "bottom-right"),
        ({"shape": "4:3"}, "choose one of 1:1, 9:16, 16:9"),
        ({"shape": ["1:1"]}, "choose one of 1:1, 9:16, 16:9"),
        ({"captions": "karaoke"}, "choose one of off, lines, highlight, words"),
        ({"captions": None}, "choose one of off, lines, highlight, words"),
    ],
)
def test_a_look_out_of_range_is_refused(given: dict, message: str) -> None:
    with pytest.raises(EmotalkError, match=message):
        Look(**given)


@pytest.mark.parametrize(
    ("size", "shape", "sides"),
    [(512, "1:1", (512, 512)), (720, "9:16", (720, 1280)), (720, "16:9", (1280, 720)), (1080, "9:16", (1080, 1920)),
     (64, "9:16", (64, 114)), (256, "16:9", (456, 256))],
)  # fmt: skip
def test_the_size_is_that_of_the_shorter_side(size: int, shape: str, sides: tuple[int, int]) -> None:
    look = Look(size=size, shape=shape)
    assert (look.width, look.height) == sides


class TestPlainValues:
    """What the command line, the page and the endpoints share."""

    def test_two_numbers_are_a_constant_mood(self) -> None:
        request = talk_request(text="Hi.", valence=0.5, arousal=-0.25)
        assert request == TalkRequest(text="Hi.", emotion=EmotionCurve.constant(0.5, -0.25), valence_in_auto=0.5)

    def test_an_emotion_by_name_curve_or_file_takes_their_place(self, tmp_path) -> None:
        curve = EmotionCurve.constant(-0.5, 0.5)
        (tmp_path / "mood.csv").write_text("time,valence,arousal\n0,-0.5,0.5\n")
        assert talk_request(text="Hi.", emotion=" Happy ").emotion == EmotionCurve.named("happy")
        assert talk_request(text="Hi.", valence=1, emotion=curve).emotion is curve
        assert talk_request(text="Hi.", emotion="0 happy, 2 sad").emotion.times == (0.0, 2.0)
        with pytest.raises(InputError, match="20,000 are taken at most"):
            talk_request(text="Hi.", emotion="0 happy," * 5000)
        assert talk_request(text="Hi.", emotion=tmp_path / "mood.csv").emotion.at(3).tolist() == [[-0.5, 0.5]] * 3
        with pytest.raises(InputError, match="An emotion is auto"):
            talk_request(text="Hi.", emotion="hungry")

    def test_a_text_never_names_a_file(self, tmp_path) -> None:
        (tmp_path / "mood.csv").write_text("time,valence,arousal\n0,-0.5,0.5\n")
        with pytest.raises(InputError, match="a file is given as a Path"):
            talk_request(text="Hi.", emotion=str(tmp_path / "mood.csv"))

    def test_in_auto_the_valence_stays(self) -> None:
        request = talk_request(text="Hi.", valence=0.4, arousal=0.9, emotion="auto")
        assert (request.emotion, request.valence_in_auto) == ("auto", 0.4)

    def test_what_a_form_leaves_empty_is_left_out(self) -> None:
        request = talk_request(text="Hi.", audio="", voice="", seed=7.0)
        assert (request.audio, request.voice, request.seed) == (None, None, 7)
        with pytest.raises(InputError, match="nothing to say"):
            talk_request(text="", audio=None)
