"""Gaussians that a preset begins with: a plain face, hair, beards and cloth."""
