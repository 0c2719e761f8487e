"""Backward drawing: from dL/d(image) and dL/d(alpha) to nine sums per Gaussian and band.

With q_i = dL/d(color) . color_i and T_i the transmittance in front of Gaussian i,

    dL/d(alpha_i) = T_i q_i - R_i / (1 - alpha_i)
    R_i = sum_{k > i} T_k alpha_k q_k + T_end (dL/d(color) . background)

R_i, the colour still to come seen through the gradient, starts as dL/d(color) . image - dL/d(alpha) T_end at the front
and loses T_i alpha_i q_i at every Gaussian. So this pass also runs front to back, over the same lists, and repeats the
forward pass instead of storing it; the textbook order, back to front, would need the number of the last Gaussian of
every pixel and a division to recover T.

alpha depends on the footprint through s: d(alpha)/ds = -alpha (0 where it was clipped at 0.999). The derivatives of s
by mean and covariance are polynomials in the offset (dx, dy), so six moments of g = dL/d(alpha) alpha say everything:
sums of g, g dx, g dy, g dx^2, g dx dy, g dy^2; with T alpha dL/d(color) for the three channels that makes nine sums.
Inside a column dx does not change from row to row: its powers are multiplied in once per column.

A Gaussian's entry in a band belongs to the one thread that draws the band: it writes its own row of `sums`, so there
are no races, and results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from emotalk.core.kernels.cache import inlined, kernel
from emotalk.core.kernels.simd import (
    LANES,
    any_above,
    claim,
    keep_where,
    lane_numbers,
    load,
    minimum,
    splat,
    store,
    total,
)
from emotalk.rendering.footprint import (
    ALPHA_MAX,
    ALPHA_MIN,
    BAND_ROWS,
    BLUE,
    BOTTOM,
    FALL_Y,
    FRACTION_X,
    FRACTION_Y,
    GREEN,
    LEFT,
    OPACITY,
    PIXEL_X,
    PIXEL_Y,
    PLANES,
    RED,
    RIGHT,
    SLOPE_X,
    SLOPE_Y,
    TINY,
    TOP,
    falloff,
    store_column_rows,
)

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
SUMS = 9


@inlined
def _begin_band(image, grad_image, alpha, grad_alpha, y0, y1, width, height, stride, planes):
    """Set the planes T = 1, R = g . image - dL/d(alpha) (1 - alpha), and g = dL/d(color), zero outside the picture."""
    plane = BAND_ROWS * stride
    channel = width * height
    for k in range(0, plane, LANES):
        store(planes, k, splat(_ONE))
    for k in range(plane, 5 * plane, LANES):
        store(planes, k, splat(_ZERO))
    for y in range(y0, y1):
        row, source = (y - y0) * stride, y * width
        x = 0
        while x + LANES <= width:
            at = source + x
            red, green, blue = load(grad_image, at), load(grad_image, at + channel), load(grad_image, at + 2 * channel)
            rest = red * load(image, at) + green * load(image, at + channel) + blue * load(image, at + 2 * channel)
            rest = rest - load(grad_alpha, at) * (splat(_ONE) - load(alpha, at))
            store(planes, row + x + plane, rest)
            store(planes, row + x + 2 * plane, red)
            store(planes, row + x + 3 * plane, green)
            store(planes, row + x + 4 * plane, blue)
            x += LANES
        while x < width:
            at = source + x
            rest = -grad_alpha[at] * (_ONE - alpha[at])
            for k in range(3):
                g = grad_image[at + k * channel]
                planes[row + x + (2 + k) * plane] = g
                rest += g * image[at + k * channel]
            planes[row + x + plane] = rest
            x += 1


@kernel
def draw_backward(
    records, boxes, entries, band_start, first_sum, width, height, stop, image, alpha, grad_image, grad_alpha,
    counter, scratch, sums, slot,
):  # fmt: skip
    """Fill sums [E, 9] (flat): the row of Gaussian i and its k-th band is first_sum[i] + k.

    image, grad_image: [3 H W]; alpha, grad_alpha: [H W], all flat float32.
    """
    stride = scratch.shape[1] // (PLANES * BAND_ROWS)
    plane = BAND_ROWS * stride
    planes, rows = scratch[slot], 5 * plane
    lanes = lane_numbers()
    bands = band_start.shape[0] - 1
    while True:
        band = claim(counter)
        if band >= bands:
            break
        y0 = band * BAND_ROWS
        y1 = min(y0 + BAND_ROWS, height)
        _begin_band(image, grad_image, alpha, grad_alpha, y0, y1, width, height, stride, planes)
        for entry in range(band_start[band], band_start[band + 1]):
            i = entries[entry]
            record = records[i]
            top, bottom = max(y0, boxes[i, TOP]), min(y1 - 1, boxes[i, BOTTOM])
            right = boxes[i, RIGHT]
            opacity, red, green, blue = record[OPACITY], record[RED], record[GREEN], record[BLUE]
            slope_x, slope_y, fall_y = record[SLOPE_X], record[SLOPE_Y], record[FALL_Y]
            sum_g = sum_x = sum_y = sum_xx = sum_xy = sum_yy = splat(_ZERO)
            sum_red = sum_green = sum_blue = splat(_ZERO)
            left = np.int64(boxes[i, LEFT])
            for column in range((right - left) // LANES + 1):
                x, lane = left + column * LANES, column % LANES
                if lane == 0:
                    store_column_rows(record, x, right, top, bottom, planes, rows)
                first_row, last_row = int(planes[rows + lane]), int(planes[rows + LANES + lane])
                dx = lanes + (np.float32(x) - record[PIXEL_X] + (_HALF - record[FRACTION_X]))
                across = dx * slope_x
                dy = np.float32(first_row) - record[PIXEL_Y] + (_HALF - record[FRACTION_Y])
                at = (first_row - y0) * stride + x
                column_g = column_y = splat(_ZERO)
                for _ in range(first_row, last_row + 1):
                    transmittance = load(planes, at)
                    if any_above(transmittance, stop):
                        t = across + slope_y * dy
                        unclipped = opacity * falloff(t * t + fall_y * dy * dy)
                        alpha_i = minimum(unclipped, ALPHA_MAX)
                        alpha_i = keep_where(alpha_i, alpha_i, ALPHA_MIN)
                        weight = transmittance * alpha_i
                        grad_red, grad_green = load(planes, at + 2 * plane), load(planes, at + 3 * plane)
                        grad_blue = load(planes, at + 4 * plane)
                        sum_red = sum_red + weight * grad_red
                        sum_green = sum_green + weight * grad_green
                        sum_blue = sum_blue + weight * grad_blue
                        q = grad_red * red + grad_green * green + grad_blue * blue
                        rest = load(planes, at + plane) - weight * q
                        store(planes, at + plane, rest)
                        behind = transmittance - weight
                        store(planes, at, keep_where(behind, behind, TINY))
                        slope = transmittance * q - rest / (splat(_ONE) - alpha_i)
                        g = keep_where(slope * alpha_i, ALPHA_MAX, unclipped)
                        g_y = g * dy
                        column_g = column_g + g
                        column_y = column_y + g_y
                        sum_yy = sum_yy + g_y * dy
                    at += stride
                    dy += _ONE
                g_x = column_g * dx
                sum_g = sum_g + column_g
                sum_x = sum_x + g_x
                sum_xx = sum_xx + g_x * dx
                sum_y = sum_y + column_y
                sum_xy = sum_xy + column_y * dx
            at = (first_sum[i] + band - boxes[i, TOP] // BAND_ROWS) * SUMS
            sums[at], sums[at + 1], sums[at + 2] = total(sum_g), total(sum_x), total(sum_y)
            sums[at + 3], sums[at + 4], sums[at + 5] = total(sum_xx), total(sum_xy), total(sum_yy)
            sums[at + 6], sums[at + 7], sums[at + 8] = total(sum_red), total(sum_green), total(sum_blue)
