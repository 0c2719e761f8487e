"""CPU kernels of the photometric loss: L1 and structural similarity in one pass over the pictures, gradient in another.

SSIM (Wang et al. 2004) compares Gaussian-weighted means over 11 x 11 windows (sigma 1.5): m_x, m_y, E = mean of
x^2 + y^2 and F = mean of x y. (The variances occur only as a sum, so four blurs do, not five.) With
    a1 = 2 m_x m_y + C1    a2 = 2 (F - m_x m_y) + C2    b1 = m_x^2 + m_y^2 + C1    b2 = E - m_x^2 - m_y^2 + C2
    S = a1 a2 / (b1 b2)
the derivatives by what was blurred are
    dS/dF = 2 a1 / (b1 b2)    dS/dE = -S / b2    dS/dm_x = 2 m_y (a2 - a1) / (b1 b2) - 2 m_x S (1 / b1 - 1 / b2)
and the gradient by x is blur'(dS/dm_x) + 2 x blur'(dS/dE) + y blur'(dS/dF).

A blur with mirrored borders is a banded matrix: weight [row, k] times pixel row + k - 5. Its transpose blur' has the
same band, so both directions are the same code on another table. Each row of the picture is blurred down its 11 rows
into a line buffer and then along the line, in the first-level cache; nothing but the three derivative maps goes to
memory. Two passes because blur' needs derivatives from 5 rows up and down.
"""

from __future__ import annotations

import functools

import numpy as np

from emotalk.core.kernels.cache import inlined, kernel
from emotalk.core.kernels.simd import LANES, claim, keep_where, lane_numbers, load, maximum, splat, store, total

WINDOW, SIGMA = 11, 1.5
HALF = WINDOW // 2
C1, C2 = 0.01**2, 0.03**2
ROWS = 16
"""Rows per piece of work."""
PAD = 16
"""Zeros on both sides of a line buffer: at least HALF."""

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_C1, _C2 = np.float32(C1), np.float32(C2)
_TINY = np.float32(1e-30)


def window() -> np.ndarray:
    """The weights [11] of a Gaussian of sigma 1.5, summing to 1 (float64)."""
    weights = np.exp(-0.5 * ((np.arange(WINDOW) - HALF) / SIGMA) ** 2)
    return weights / weights.sum()


def blur_matrix(length: int) -> np.ndarray:
    """The blur along an axis as a matrix [length, length] (float64) that pixels are multiplied by; beyond the border
    the picture is mirrored (the border pixel is not repeated). length >= 11."""
    matrix = np.zeros((length, length))
    for k, weight in enumerate(window()):
        reached = np.abs(np.arange(length) + k - HALF)
        reached = np.where(reached >= length, 2 * length - 2 - reached, reached)
        np.add.at(matrix, (np.arange(length), reached), weight)
    return matrix


@functools.lru_cache(maxsize=32)
def blur_table(length: int, transposed: bool) -> np.ndarray:
    """The weights of `blur_matrix` [length, 11] (float32) around its diagonal, or of its transpose."""
    matrix = np.zeros((length, length + 2 * WINDOW))  # column j + WINDOW is pixel j
    blur = blur_matrix(length)
    matrix[:, WINDOW:-WINDOW] = blur.T if transposed else blur
    columns = np.arange(length)[:, None] + np.arange(WINDOW) - HALF + WINDOW
    return np.ascontiguousarray(np.take_along_axis(matrix, columns, 1), np.float32)


@inlined
def _derivatives(mean_x, mean_y, squares, products):
    """S and its derivatives by m_x, E and F, for vectors."""
    both = mean_x * mean_y
    norm = mean_x * mean_x + mean_y * mean_y
    a1, a2 = both * _TWO + _C1, (products - both) * _TWO + _C2
    b1, b2 = norm + _C1, squares - norm + _C2
    by_b1, by_b2 = splat(_ONE) / b1, splat(_ONE) / b2
    inverse = by_b1 * by_b2
    s = a1 * a2 * inverse
    by_mean = _TWO * (mean_y * (a2 - a1) * inverse - mean_x * s * (by_b1 - by_b2))
    return s, by_mean, splat(_ZERO) - s * by_b2, _TWO * a1 * inverse


@kernel
def compare(x, y, weights, height, width, down, along, counter, lines, sums, maps, slot):
    """sums[channel * height + row] = (sum of weight |x - y|, sum of weight S); where maps has elements, also the
    derivatives of weight S: maps [3, 3 H W].

    x, y: [3 H W]; weights: [H W]; down: blur_table(height); along: blur_table(width) transposed to [11 W];
    lines: [threads, 4 (W + 2 PAD)] zeroed scratch. All flat float32. width >= LANES.
    """
    line = lines[slot]
    stride = width + 2 * PAD
    plane = height * width
    pieces = (height + ROWS - 1) // ROWS
    while True:
        piece = claim(counter)
        if piece >= 3 * pieces:
            break
        channel = piece // pieces
        first = (piece - channel * pieces) * ROWS
        for row in range(first, min(first + ROWS, height)):
            low, high = max(row - HALF, 0), min(row + HALF, height - 1)
            column = np.int64(0)
            while column < width:
                column = min(column, width - LANES)
                mean_x = mean_y = squares = products = splat(_ZERO)
                for other in range(low, high + 1):
                    weight = down[row, other - row + HALF]
                    at = channel * plane + other * width + column
                    a, b = load(x, at), load(y, at)
                    mean_x = mean_x + weight * a
                    mean_y = mean_y + weight * b
                    squares = squares + weight * (a * a + b * b)
                    products = products + weight * (a * b)
                at = PAD + column
                store(line, at, mean_x)
                store(line, at + stride, mean_y)
                store(line, at + 2 * stride, squares)
                store(line, at + 3 * stride, products)
                column += LANES

            difference = similarity = splat(_ZERO)
            column = np.int64(0)
            while column < width:
                # The last vector is moved left to fit; the lanes it shares with the one before are not summed again.
                shared = np.float32(max(column + LANES - width, 0))
                column = min(column, width - LANES)
                mean_x = mean_y = squares = products = splat(_ZERO)
                for k in range(WINDOW):
                    weight = load(along, k * width + column)
                    at = PAD - HALF + column + k
                    mean_x = mean_x + weight * load(line, at)
                    mean_y = mean_y + weight * load(line, at + stride)
                    squares = squares + weight * load(line, at + 2 * stride)
                    products = products + weight * load(line, at + 3 * stride)
                s, by_mean, by_squares, by_products = _derivatives(mean_x, mean_y, squares, products)
                at = channel * plane + row * width + column
                weight = load(weights, row * width + column)
                if maps.shape[0] > 0:
                    store(maps, at, by_mean * weight)
                    store(maps, at + 3 * plane, by_squares * weight)
                    store(maps, at + 6 * plane, by_products * weight)
                fresh = keep_where(weight, lane_numbers(), splat(shared))
                apart = load(x, at) - load(y, at)
                difference = difference + fresh * maximum(apart, splat(_ZERO) - apart)
                similarity = similarity + fresh * s
                column += LANES
            sums[channel * height + row, 0] = total(difference)
            sums[channel * height + row, 1] = total(similarity)


@kernel
def compare_backward(
    x, y, weights, height, width, down, along, counter, lines, maps, l1_scale, ssim_scale, gradient, slot
):
    """gradient [3 H W] = l1_scale weight sign(x - y) + ssim_scale dS. down, along: the transposed tables."""
    line = lines[slot]
    stride = width + 2 * PAD
    plane = height * width
    pieces = (height + ROWS - 1) // ROWS
    while True:
        piece = claim(counter)
        if piece >= 3 * pieces:
            break
        channel = piece // pieces
        first = (piece - channel * pieces) * ROWS
        for row in range(first, min(first + ROWS, height)):
            low, high = max(row - HALF, 0), min(row + HALF, height - 1)
            column = np.int64(0)
            while column < width:
                column = min(column, width - LANES)
                by_mean = by_squares = by_products = splat(_ZERO)
                for other in range(low, high + 1):
                    weight = down[row, other - row + HALF]
                    at = channel * plane + other * width + column
                    by_mean = by_mean + weight * load(maps, at)
                    by_squares = by_squares + weight * load(maps, at + 3 * plane)
                    by_products = by_products + weight * load(maps, at + 6 * plane)
                store(line, PAD + column, by_mean)
                store(line, PAD + column + stride, by_squares)
                store(line, PAD + column + 2 * stride, by_products)
                column += LANES
            column = np.int64(0)
            while column < width:
                column = min(column, width - LANES)
                by_mean = by_squares = by_products = splat(_ZERO)
                for k in range(WINDOW):
                    weight = load(along, k * width + column)
                    at = PAD - HALF + column + k
                    by_mean = by_mean + weight * load(line, at)
                    by_squares = by_squares + weight * load(line, at + stride)
                    by_products = by_products + weight * load(line, at + 2 * stride)
                at = channel * plane + row * width + column
                a, b = load(x, at), load(y, at)
                apart = a - b
                sign = keep_where(_ONE, apart, _TINY) - keep_where(_ONE, splat(_ZERO) - apart, _TINY)
                similar = by_mean + _TWO * a * by_squares + b * by_products
                pull = l1_scale * sign * load(weights, row * width + column)
                store(gradient, at, pull + ssim_scale * similar)
                column += LANES
