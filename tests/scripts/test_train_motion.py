"""What a training of the motion network is asked for: how long, with which voices."""

from pathlib import Path

import pytest

from emotalk.core.errors import InputError
from emotalk.learning.corpus import CorpusClip
from scripts.train_motion import KOKORO_MINUTES, VOICES, Options, training_config, voices
from tests.learning.test_corpus import clip


@pytest.fixture
def clips():
    """Three windows of 4 s and two of less."""
    return [CorpusClip(*clip(name, frames), 0) for name, frames in (("a", 300), ("b", 60), ("c", 75))]


def test_epochs_are_steps_over_all_windows(clips):
    asked = Options(work=Path("none"), epochs=4, batch=2, tracked_share=0.5)
    assert training_config(asked, clips).steps == 20  # five windows four times, two a step, every second step
    assert training_config(Options(work=Path("none"), steps=70), clips).steps == 70
    with pytest.raises(InputError, match="tracked clip"):
        training_config(asked, [])


def test_voices_can_be_fewer_and_say_less(tmp_path):
    assert voices(Options(work=tmp_path)) == VOICES
    some = voices(Options(work=tmp_path, voices=("flite:slt",), speech=0.25))
    assert some == {"flite:slt": VOICES["flite:slt"] / 4}
    with pytest.raises(InputError, match="nobody"):
        voices(Options(work=tmp_path, voices=("nobody",)))


def test_voices_of_kokoro_are_those_whose_sound_is_there(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "kokoro_af_heart.npz").touch()
    assert voices(Options(work=tmp_path)).get("kokoro:af_heart") == KOKORO_MINUTES
