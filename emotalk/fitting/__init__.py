"""Gaussians from pictures: the fit of an avatar to samples, and to the frames of a tracked video."""
