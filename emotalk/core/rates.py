"""How many frames, samples and rows a second has."""

FPS = 25
"""Frames per second of all motion and video."""

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside the package."""

FEATURE_RATE = 50
"""Speech features per second (wav2vec2's rate): two for every video frame."""
