"""A talk's words in its pictures, as they are written, while they become known."""

import numpy as np

from emotalk.core.rates import FPS
from emotalk.talk.burned_captions import BurnedCaptions
from emotalk.talk.request import Look
from emotalk.video import caption_painter

LOOK = Look(size=256, captions="lines")
SPOKEN = [(0.0, 0.3, "it"), (0.3, 0.6, "costs"), (0.6, 0.9, "five"), (0.9, 1.5, "dollars"), (2.6, 3.0, "really")]
WRITTEN = "It costs $5. Really!"


def picture(captions: BurnedCaptions, number: int, written: str = WRITTEN) -> np.ndarray:
    frame = np.full((256, 256, 3), 90, np.uint8)
    captions.draw(frame, number, written)
    return frame


def test_words_are_shown_as_they_are_written():
    written, spoken = BurnedCaptions(LOOK, SPOKEN), BurnedCaptions(LOOK, SPOKEN)
    assert (picture(written, 10) != picture(spoken, 10, "")).any()
    same = BurnedCaptions(LOOK, [(0.0, 0.3, "It"), (0.3, 0.6, "costs"), (0.6, 1.5, "$5.")])
    assert (picture(same, 10, "") == picture(written, 10)).all()


def test_each_word_is_painted_once_however_late_it_comes():
    words = SPOKEN[:4]
    captions = BurnedCaptions(LOOK, words)
    before = picture(captions, 30)
    words.append(SPOKEN[4])
    assert (picture(captions, 30) == before).all()
    later = picture(captions, round(2.7 * FPS))
    alone = BurnedCaptions(LOOK, [SPOKEN[4]])
    assert (later == picture(alone, round(2.7 * FPS))).all()
    assert captions.remark is None


def test_a_script_without_a_font_is_told(monkeypatch):
    monkeypatch.setattr(caption_painter, "font_file", lambda text: None)
    captions = BurnedCaptions(LOOK, SPOKEN)
    assert (picture(captions, 5) == 90).all()
    assert "No font of this machine has the letters" in captions.remark
