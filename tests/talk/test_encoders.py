"""Which speech encoder hears a talk: the embedded one, or one that the studio's owner has named."""

import pytest

from emotalk.core.errors import InputError
from emotalk.motion import MotionModel
from emotalk.speech import SpeechEncoder
from emotalk.speech.encoders import EMBEDDED
from emotalk.talk import Studio, TalkRequest
from emotalk.talk.take_store import TakeKeys


@pytest.fixture
def other(tmp_path) -> str:
    """Another embedded encoder than the shipped one, as a folder."""
    encoder = SpeechEncoder.load()
    encoder._weights["phones.bias"] = encoder._weights["phones.bias"] + 1
    encoder.save_pretrained(tmp_path / "other")
    return str(tmp_path / "other")


def test_a_request_chooses_among_those_that_the_owner_named(other) -> None:
    studio = Studio(device="cpu", encoders=[other])
    assert studio.encoders == (EMBEDDED, other)
    assert studio.encoder_of(EMBEDDED) is studio.encoder
    chosen = studio.encoder_of(other)
    assert chosen.digest != studio.encoder.digest
    assert studio.encoder_of(other) is chosen  # loaded once


def test_no_other_name_is_looked_up(other) -> None:
    for name in (other, "org/encoder", "/etc", "../other"):
        with pytest.raises(InputError, match="There is no speech encoder"):
            Studio(device="cpu").encoder_of(name)


def test_the_embedded_one_hears_where_nothing_is_said() -> None:
    assert TalkRequest(text="Hi.").encoder == EMBEDDED
    for wrong in ("", "  ", None, 5, ["a"]):
        with pytest.raises(InputError, match="named by a text"):
            TalkRequest(text="Hi.", encoder=wrong)


def test_a_kept_take_is_that_of_its_encoder(other, tmp_path) -> None:
    (tmp_path / "avatar").mkdir()
    keys = TakeKeys(Studio(device="cpu", encoders=[other], motion=MotionModel.load()))
    one, again, theirs = (
        keys.of(TalkRequest(text="Hi.", encoder=name), tmp_path / "avatar") for name in (EMBEDDED, EMBEDDED, other)
    )
    assert one == again != theirs


@pytest.mark.slow
def test_the_chosen_one_moves_the_face(other, tmp_path) -> None:
    studio = Studio(device="cpu", encoders=[other])
    written = []
    for name in (EMBEDDED, other):
        request = TalkRequest(text="Hello!", voice="flite:slt", encoder=name)
        studio.talk(request, tmp_path / "x.mp4", motion_out=tmp_path / "x.csv")
        written.append((tmp_path / "x.csv").read_text())
    assert written[0] != written[1]
