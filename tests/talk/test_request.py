"""What may be asked for is checked before any work, in sentences."""

from pathlib import Path

import pytest
from PIL import Image

from emotalk.core.errors import EmotalkError, InputError
from emotalk.emotion import EmotionCurve
from emotalk.talk.request import Look, TalkRequest, colour, talk_request


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
    ],
)
def test_what_cannot_be_said_or_done_is_refused(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TalkRequest(**given)


def test_a_message_never_shows_a_whole_path() -> None:
    with pytest.raises(InputError) as caught:
        TalkRequest(audio="/home/somebody/secret/place/gone.wav")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 511}, "even number"),
        ({"size": 512.0}, "even number"),
        ({"size": 4096}, "between 64 and 1024"),
        ({"yaw": 200}, "yaw must lie between"),
        ({"zoom": 0}, "zoom must lie between"),
        ({"mark": "middle"}, "bottom-right"),
        ({"background": "#12345"}, "#rrggbb"),
        ({"background": "no/such/picture.png"}, "colour such as"),
    ],
)
def test_a_look_out_of_range_is_refused(given: dict, message: str) -> None:
    with pytest.raises(EmotalkError, match=message):
        Look(**given)


def test_a_background_may_be_a_colour_or_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "room.png")
    assert Look(background=str(tmp_path / "room.png")).background.endswith("room.png")
    assert colour("#fff") == (1, 1, 1)
    assert colour("#336699") == pytest.approx((0.2, 0.4, 0.6))


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
        assert talk_request(text="Hi.", emotion=str(tmp_path / "mood.csv")).emotion.at(3).tolist() == [[-0.5, 0.5]] * 3
        with pytest.raises(InputError, match="An emotion is auto"):
            talk_request(text="Hi.", emotion="hungry")

    def test_in_auto_the_valence_stays(self) -> None:
        request = talk_request(text="Hi.", valence=0.4, arousal=0.9, emotion="auto")
        assert (request.emotion, request.valence_in_auto) == ("auto", 0.4)

    def test_what_a_form_leaves_empty_is_left_out(self) -> None:
        request = talk_request(text="Hi.", audio="", voice="", seed=7.0)
        assert (request.audio, request.voice, request.seed) == (None, None, 7)
        with pytest.raises(InputError, match="nothing to say"):
            talk_request(text="", audio=None)
