"""Changes by expression that can be seen: the others would be a quarter of an avatar's corrections and half a megabyte
of its file."""

from __future__ import annotations

from emotalk.avatar import Corrections

LEAST_COLOR = 0.5 / 255
"""Of a latent's whole unit; the most that an expression asks for is two and a half of them."""
LEAST_WAY = 3e-5
"""Metres: a twentieth of a pixel of a face that fills a picture of 512."""


def telling(corrections: Corrections) -> Corrections:
    """The corrections without those Gaussians of which no latent changes colour or place by more than that."""
    color, way = (part.abs().amax((0, 2)) for part in (corrections.color, corrections.position))
    kept = (color > LEAST_COLOR) | (way > LEAST_WAY)
    return Corrections(
        corrections.mean, corrections.matrix, corrections.index[kept], corrections.position[:, kept],
        corrections.color[:, kept],
    )  # fmt: skip
