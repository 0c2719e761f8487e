"""CPU kernel of the motion branch: a picture's detail, moved along a flow, is added to the pixels of a frame."""

from __future__ import annotations

import numpy as np

from emotalk.core.kernels.cache import inlined, kernel
from emotalk.core.kernels.simd import claim

ROWS = 16
"""Rows per piece of work."""
_HALF, _ZERO, _MOST = np.float32(0.5), np.float32(0), np.float32(255.99)
_LEAST = np.float32(0.01)


@inlined
def _held(place, size):
    """A place in pixels (the first one's middle is .5) as the number of a pixel's middle and a share of the next,
    within `size` pixels (at least 2)."""
    place = min(max(place - _HALF, _ZERO), np.float32(size - 1))
    first = min(int(place), size - 2)
    return first, place - np.float32(first)


@kernel
def add_detail(flow, shown, detail, step_x, step_y, x0, y0, x1, y1, counter, pixels, slot):
    """Add `detail` [H, W, 3] (grey levels) to the colours of `pixels` [h, w, 3 or 4] uint8 in the box x0, y0 to x1, y1.

    `flow` [2, fh, fw] says how far, in pixels of the detail, the place of a pixel is from where it would be at rest,
    `shown` [fh, fw] how much of it counts; both may be coarser than the picture. `step_x`, `step_y`: pixels of the
    detail per pixel of the picture. Pieces of 16 rows are claimed from `counter`; `slot` is the thread's number.
    """
    height, width = pixels.shape[0], pixels.shape[1]
    coarse_height, coarse_width = shown.shape
    coarse_y, coarse_x = np.float32(coarse_height / height), np.float32(coarse_width / width)
    line = np.empty((3, coarse_width), np.float32)  # both flows and the share along one row of the picture
    while True:
        first = y0 + claim(counter) * ROWS
        if first >= y1:
            return
        for y in range(first, min(first + ROWS, y1)):
            middle_y = np.float32(y) + _HALF
            top, down = _held(middle_y * coarse_y, coarse_height)
            for k in range(coarse_width):
                line[0, k] = flow[0, top, k] + down * (flow[0, top + 1, k] - flow[0, top, k])
                line[1, k] = flow[1, top, k] + down * (flow[1, top + 1, k] - flow[1, top, k])
                line[2, k] = shown[top, k] + down * (shown[top + 1, k] - shown[top, k])
            for x in range(x0, x1):
                middle_x = np.float32(x) + _HALF
                left, across = _held(middle_x * coarse_x, coarse_width)
                share = line[2, left] + across * (line[2, left + 1] - line[2, left])
                if share < _LEAST:
                    continue
                away_x = line[0, left] + across * (line[0, left + 1] - line[0, left])
                away_y = line[1, left] + across * (line[1, left + 1] - line[1, left])
                i, a = _held(middle_x * step_x + away_x, detail.shape[1])
                j, b = _held(middle_y * step_y + away_y, detail.shape[0])
                for c in range(3):
                    upper = detail[j, i, c] + a * (detail[j, i + 1, c] - detail[j, i, c])
                    lower = detail[j + 1, i, c] + a * (detail[j + 1, i + 1, c] - detail[j + 1, i, c])
                    level = np.float32(pixels[y, x, c]) + _HALF + share * (upper + b * (lower - upper))
                    pixels[y, x, c] = np.uint8(min(max(level, _ZERO), _MOST))
