"""Forward drawing: blend the Gaussians of every band, front to back, into float planes or 8-bit pixels.

Per pixel and Gaussian, nearest first (Kerbl et al. 2023, equation 3):

    alpha = min(0.999, opacity exp(-s)), skipped below 1/255
    color += T alpha color_i;  T *= 1 - alpha;  finished once T < 1e-4

with T = 1 at first; in the end color += T background, and 1 - T is the coverage.

A band is 16 rows; its T, red, green and blue planes are a thread's scratch memory and stay in its cache. A Gaussian is
drawn in columns of LANES pixels starting exactly at its left edge - 15 pixels, the typical width, then are one vector -
and walks down the rows of that column, where everything that depends on x alone stays in registers. Only rows on which
the ellipse really touches the column are visited. They are worked out for all columns at once, and before the Gaussian
in front of this one is drawn: the processor does both at a time, where else each column would have to wait for two
roots. A vector whose pixels are all finished is skipped; now and then it is looked up which blocks of columns are
finished as a whole, and Gaussians that reach no others are passed over at once.
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
    maximum,
    minimum,
    prefetch,
    splat,
    store,
    store_rgb,
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

LOOK = 256
"""After so many Gaussians of a band it is looked up again what is finished (64 to 512 are as fast)."""
AHEAD = 16
"""How many Gaussians before it is drawn the memory is asked for a Gaussian (8 is as fast)."""
WIDEST = LANES * LANES
"""Pixel columns whose rows are worked out at once."""
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_BYTE = np.float32(255)


@inlined
def _open_blocks(planes, stride, rows, shift, stop):
    """One bit for each block of 2 ** shift columns: whether a pixel of it is not finished."""
    found = np.uint64(0)
    for block in range(((stride - 1) >> shift) + 1):
        most = splat(_ZERO)
        for x in range(block << shift, min((block + 1) << shift, stride), LANES):
            for row in range(rows):
                most = maximum(most, load(planes, row * stride + x))
        if any_above(most, stop):
            found |= np.uint64(1) << np.uint64(block)
    return found


@inlined
def _blend_band(records, boxes, entries, first, last, y0, y1, stride, stop, planes):
    """Blend entries first ... last - 1 into the planes T, red, green, blue of the band's rows y0 ... y1 - 1."""
    plane = BAND_ROWS * stride
    lanes = lane_numbers()
    for k in range(0, plane, LANES):
        store(planes, k, splat(_ONE))
    for k in range(plane, 4 * plane, LANES):
        store(planes, k, splat(_ZERO))
    shift = 4  # blocks of 16 columns, wider where 64 of them would not do
    while (stride - 1) >> shift > 63:
        shift += 1
    open_blocks, look = _ALL, first + LOOK
    # Gaussians are drawn in pieces of LANES columns. `ahead` is the piece after the one that is drawn.
    piece, left, columns, rows = np.int64(0), np.int64(0), np.int64(0), 4 * plane
    entry, ahead, ahead_left, right, top, bottom = first - 1, np.int64(0), -WIDEST, -WIDEST, y0, y0
    while entry < last:
        ahead_left += WIDEST
        while ahead_left > right:
            entry += 1
            if entry >= last:
                break
            if entry == look:
                open_blocks, look = _open_blocks(planes, stride, y1 - y0, shift, stop), entry + LOOK
            later = np.int64(entries[min(entry + AHEAD, last - 1)])
            prefetch(records, later)
            prefetch(boxes, later)
            ahead = np.int64(entries[entry])
            ahead_left, right = np.int64(boxes[ahead, LEFT]), np.int64(boxes[ahead, RIGHT])
            top, bottom = max(y0, boxes[ahead, TOP]), min(y1 - 1, boxes[ahead, BOTTOM])
            # With the columns that its last vector reaches, so that passing it over changes nothing.
            end = ahead_left + (right - ahead_left) // LANES * LANES + LANES - 1
            touched = (_ALL >> np.uint64(63 - (end >> shift) + (ahead_left >> shift))) << np.uint64(ahead_left >> shift)
            if open_blocks & touched == np.uint64(0):
                right = ahead_left - 1
        ahead_rows, ahead_columns = 8 * plane + 2 * LANES - rows, np.int64(0)
        if entry < last:
            store_column_rows(records[ahead], ahead_left, right, top, bottom, planes, ahead_rows)
            ahead_columns = min(LANES, (right - ahead_left) // LANES + 1)
        record = records[piece]
        opacity, red, green, blue = record[OPACITY], record[RED], record[GREEN], record[BLUE]
        slope_x, slope_y, fall_y = record[SLOPE_X], record[SLOPE_Y], record[FALL_Y]
        for column in range(columns):
            first_row, last_row = int(planes[rows + column]), int(planes[rows + LANES + column])
            x = left + column * LANES
            dx = lanes + (np.float32(x) - record[PIXEL_X] + (_HALF - record[FRACTION_X]))
            across = dx * slope_x
            dy = np.float32(first_row) - record[PIXEL_Y] + (_HALF - record[FRACTION_Y])
            at = (first_row - y0) * stride + x
            for _ in range(first_row, last_row + 1):
                transmittance = load(planes, at)
                if any_above(transmittance, stop):
                    t = across + slope_y * dy
                    alpha = minimum(opacity * falloff(t * t + fall_y * dy * dy), ALPHA_MAX)
                    weight = transmittance * keep_where(alpha, alpha, ALPHA_MIN)
                    rest = transmittance - weight
                    store(planes, at, keep_where(rest, rest, TINY))
                    store(planes, at + plane, load(planes, at + plane) + weight * red)
                    store(planes, at + 2 * plane, load(planes, at + 2 * plane) + weight * green)
                    store(planes, at + 3 * plane, load(planes, at + 3 * plane) + weight * blue)
                at += stride
                dy += _ONE
        piece, left, columns, rows = ahead, ahead_left, ahead_columns, ahead_rows


@inlined
def _write_floats(planes, stride, background, background_row, background_channel, y0, y1, width, height, image, alpha):
    plane = BAND_ROWS * stride
    for y in range(y0, y1):
        row, out = (y - y0) * stride, y * width
        for channel in range(3):
            source, behind = row + (channel + 1) * plane, channel * background_channel + y * background_row
            target = channel * width * height + out
            x = 0
            while x + LANES <= width:
                store(
                    image, target + x, load(planes, source + x) + load(planes, row + x) * load(background, behind + x)
                )
                x += LANES
            while x < width:
                image[target + x] = planes[source + x] + planes[row + x] * background[behind + x]
                x += 1
        x = 0
        while x + LANES <= width:
            store(alpha, out + x, splat(_ONE) - load(planes, row + x))
            x += LANES
        while x < width:
            alpha[out + x] = _ONE - planes[row + x]
            x += 1


@inlined
def _write_bytes(planes, stride, background, background_row, background_channel, y0, y1, width, pixels):
    plane = BAND_ROWS * stride
    for y in range(y0, y1):
        row, out, behind = (y - y0) * stride, 3 * y * width, y * background_row
        x = 0
        while x + LANES <= width:
            t = load(planes, row + x)
            store_rgb(
                pixels,
                out + 3 * x,
                load(planes, row + plane + x) + t * load(background, behind + x),
                load(planes, row + 2 * plane + x) + t * load(background, behind + background_channel + x),
                load(planes, row + 3 * plane + x) + t * load(background, behind + 2 * background_channel + x),
            )
            x += LANES
        while x < width:
            for channel in range(3):
                value = planes[row + (channel + 1) * plane + x]
                value += planes[row + x] * background[behind + channel * background_channel + x]
                pixels[out + 3 * x + channel] = np.uint8(min(max(value * _BYTE + _HALF, _ZERO), _BYTE))
            x += 1


@kernel
def draw(
    records, boxes, entries, band_start, width, height, stop, background, background_row, background_channel,
    counter, scratch, image, alpha, pixels, slot,
):  # fmt: skip
    """Draw all bands. background: flat float32, where pixel (y, x) of a channel lies at
    channel * background_channel + y * background_row + x. Either image [3 H W] and alpha [H W] (flat float32)
    are written, or, where pixels has elements, pixels [H W 3] (flat uint8). scratch: [threads, PLANES planes]."""
    stride = scratch.shape[1] // (PLANES * BAND_ROWS)
    planes = scratch[slot]
    bands = band_start.shape[0] - 1
    while True:
        band = claim(counter)
        if band >= bands:
            break
        y0 = band * BAND_ROWS
        y1 = min(y0 + BAND_ROWS, height)
        _blend_band(records, boxes, entries, band_start[band], band_start[band + 1], y0, y1, stride, stop, planes)
        if pixels.shape[0] > 0:
            _write_bytes(planes, stride, background, background_row, background_channel, y0, y1, width, pixels)
        else:
            _write_floats(
                planes, stride, background, background_row, background_channel, y0, y1, width, height, image, alpha
            )
