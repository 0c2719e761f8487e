"""The footprint of one Gaussian on the screen: what projection hands to drawing, and how it fades.

A projected Gaussian covers pixel (x, y) with alpha = min(0.999, opacity * exp(-s)) where s = d' inv(S) d / 2,
d is the offset of the pixel centre from the projected mean and S the 2x2 screen covariance in square pixels
(Kerbl et al. 2023, "3D Gaussian Splatting", section 4; S includes their +0.3 low-pass). Below 1/255 it is skipped.

The form is completed to a sum of squares, s / 8 = (SLOPE_X dx + SLOPE_Y dy)^2 + FALL_Y dy^2. It costs as many
instructions as the plain quadratic form, is never negative, and keeps thin needles exact: in float32 the terms of the
plain form cancel and lose a factor of (length / width)^2. For the same reason the mean is split into a whole pixel
and a fraction: at column 500 float32 resolves only 1/33,000 pixel, enough to show in a narrow Gaussian.

exp(-s) = p(s / 8)^8 with a degree-5 minimax polynomial p on [0, 0.7]: relative error 6.4e-7. It covers s <= 5.6, and
s > ln 255 = 5.54 is skipped anyway.
"""

from __future__ import annotations

import numpy as np

from emotalk.core.kernels.cache import inlined
from emotalk.core.kernels.simd import LANES, floor, lane_numbers, maximum, minimum, splat, square_root, store

ALPHA_MIN = np.float32(1 / 255)
ALPHA_MAX = np.float32(0.999)
LOW_PASS = 0.3
"""Square pixels added to the screen covariance, so that nothing is thinner than a pixel."""
TRANSMITTANCE_STOP = np.float32(1e-4)
"""A pixel that lets less light through than this is finished."""
TINY = np.float32(1e-12)
"""Less light than this is none: numbers near the end of the float range are computed many times more slowly."""
BAND_ROWS = 16
"""Rows of a band, the unit of work in drawing: its planes fit in the second-level cache."""
PLANES = 6
"""Of a band, in a thread's scratch memory: four or five of pixels, and the rows of columns that are drawn next."""

# Columns of a projected record, float32 [N, RECORD]: 64 bytes, one cache line.
PIXEL_X, FRACTION_X, PIXEL_Y, FRACTION_Y = 0, 1, 2, 3  # mean = pixel + fraction, in pixels
SLOPE_X, SLOPE_Y, FALL_Y = 4, 5, 6  # s / 8 = (SLOPE_X dx + SLOPE_Y dy)^2 + FALL_Y dy^2
OPACITY, RED, GREEN, BLUE = 7, 8, 9, 10
REACH_Y, TOP_X = 11, 12  # half height of the ellipse alpha = 1/255, and the dx of its lowest point, in pixels
SLANT, BULGE = 13, 14  # dy on the ellipse at dx: SLANT dx +- BULGE sqrt(REACH_X^2 - dx^2)
REACH_X = 15
RECORD = 16
# Columns of a box, int32 [N, 4]: first and last pixel column and row, inclusive.
LEFT, RIGHT, TOP, BOTTOM = 0, 1, 2, 3

_P0, _P1, _P2 = np.float32(0.99999992042215), np.float32(-0.99999252009957), np.float32(0.49988231471119)
_P3, _P4, _P5 = np.float32(-0.16597273255965), np.float32(0.03977031438307), np.float32(-0.00584535850376)
_LAST = np.float32(0.7)
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)


@inlined
def falloff(eighth):
    """exp(-8 eighth) for a vector `eighth` >= 0; values above 0.7 give exp(-5.6)."""
    z = minimum(eighth, _LAST)
    p = ((((z * _P5 + _P4) * z + _P3) * z + _P2) * z + _P1) * z + _P0
    p = p * p
    p = p * p
    return p * p


def row_stride(width: int) -> int:
    """Elements of a scratch row: the picture's width and room for a vector that starts in its last column."""
    return -(-(width + LANES) // LANES) * LANES


@inlined
def store_column_rows(record, left, right, top, bottom, rows, at):
    """Write on which rows, within top ... bottom, the ellipse touches LANES columns of LANES pixels.

    The columns begin at pixel column `left`, and the last that counts ends at `right`. rows[at + k] becomes the first
    row of column k and rows[at + LANES + k] the last (float32), one before the first where there are none.
    """
    shift = _HALF - record[FRACTION_X] - record[PIXEL_X]
    near = lane_numbers() * np.float32(LANES) + (np.float32(left) + shift)
    far = minimum(near + np.float32(LANES - 1), np.float32(right) + shift)
    # The ellipse is lowest at dx = TOP_X and highest at -TOP_X: the nearest to that in the column counts.
    low_x = minimum(maximum(near, record[TOP_X]), far)
    high_x = minimum(maximum(near, -record[TOP_X]), far)
    reach2 = splat(record[REACH_X] * record[REACH_X])
    low = low_x * record[SLANT] + square_root(maximum(reach2 - low_x * low_x, _ZERO)) * record[BULGE]
    high = high_x * record[SLANT] - square_root(maximum(reach2 - high_x * high_x, _ZERO)) * record[BULGE]
    base = record[PIXEL_Y] + record[FRACTION_Y]
    # Reaches beyond the picture would overflow an int: both are held inside while they are floats.
    first = minimum(maximum(floor(high + (base + _HALF)), np.float32(top)), np.float32(bottom) + _ONE)
    store(rows, at, first)
    store(rows, at + LANES, maximum(minimum(floor(low + (base - _HALF)), np.float32(bottom)), first - _ONE))
