"""What the page says of an avatar that is being made."""

import pytest

from emotalk.ui.fit_views import likeness


@pytest.mark.parametrize(
    ("psnr", "word"), [(12.0, "rough"), (20.0, "fair"), (23.99, "fair"), (24.0, "close"), (28.0, "very close")]
)
def test_how_alike_it_is_has_a_word(psnr: float, word: str) -> None:
    assert likeness(psnr) == word
