"""Projection backwards: from sums over pixels to the gradients of means, scales, quats, opacities and colors.

Drawing backwards left nine sums per Gaussian and band (`backward.py`): of g = dL/d(alpha) alpha times 1, dx, dy, dx^2,
dx dy, dy^2, and of dL/d(color) for three channels. Here the bands are added up and the chain rule is applied by hand,
backwards through the lines of `projection.py`. With d = (dx, dy) and K = inv(S):

    dL/d(opacity) = sum g / opacity
    dL/d(u, v) = K sum g d                      since ds/d(u, v) = -K d and dL/ds = -g
    dL/dS = K (sum g d d') K / 2
    dL/dB = 2 dL/dS B                           S = B B' + 0.3 I,  B = N diag(scales),  N = M Q,  M = J R
    dL/dQ = M' dL/dN, dL/dM = dL/dN Q', dL/dJ = dL/dM R'

K comes from the stored footprint, which float64 made, so that float32 is enough here. LANES Gaussians are done at once:
gathered from their rows into a small table, worked on as vectors, scattered back.
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.kernels.cache import inlined, kernel
from emotalk.core.kernels.simd import LANES, claim, keep_where, load, maximum, minimum, splat, store
from emotalk.rendering.footprint import FALL_Y, SLOPE_X, SLOPE_Y

BLOCK = 1024
"""Gaussians per piece of work, a multiple of LANES."""

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_SIXTEEN = np.float32(16)
_LARGEST = np.float32(1e9)  # as in projection.py
# Rows of the table, LANES numbers each.
_MEAN, _SCALE, _QUAT, _LENGTH, _FOOTPRINT, _SUMS = 0, 3, 6, 10, 11, 14  # 3, 3, 4, 1, 3, 9 rows
_ROWS = 23
_GRAD_MEAN, _GRAD_SCALE, _GRAD_QUAT, _GRAD_SCREEN = 0, 3, 6, 10  # what comes out, in the same table


@inlined
def _gather(i, lane, means, scales, quats, records, sums, first_sum, table):
    for k in range(3):
        table[(_MEAN + k) * LANES + lane] = means[i, k]
        table[(_SCALE + k) * LANES + lane] = min(scales[i, k], _LARGEST)
    w, x, y, z = np.float64(quats[i, 0]), np.float64(quats[i, 1]), np.float64(quats[i, 2]), np.float64(quats[i, 3])
    norm = 1.0 / math.sqrt(w * w + x * x + y * y + z * z)
    table[_QUAT * LANES + lane] = w * norm
    table[(_QUAT + 1) * LANES + lane] = x * norm
    table[(_QUAT + 2) * LANES + lane] = y * norm
    table[(_QUAT + 3) * LANES + lane] = z * norm
    table[_LENGTH * LANES + lane] = norm
    table[_FOOTPRINT * LANES + lane] = records[i, SLOPE_X]
    table[(_FOOTPRINT + 1) * LANES + lane] = records[i, SLOPE_Y]
    table[(_FOOTPRINT + 2) * LANES + lane] = records[i, FALL_Y]
    row = first_sum[i]
    for k in range(9):
        table[(_SUMS + k) * LANES + lane] = sums[row, k]
    for other in range(row + 1, first_sum[i + 1]):
        for k in range(9):
            table[(_SUMS + k) * LANES + lane] += sums[other, k]


@inlined
def _scatter(
    i, lane, table, opacities,
    grad_means, grad_scales, grad_quats, grad_opacities, grad_colors, screen_gradients,
):  # fmt: skip
    for k in range(3):
        grad_means[i, k] = table[(_GRAD_MEAN + k) * LANES + lane]
        grad_scales[i, k] = table[(_GRAD_SCALE + k) * LANES + lane]
        grad_colors[i, k] = table[(_SUMS + 6 + k) * LANES + lane]
    for k in range(4):
        grad_quats[i, k] = table[(_GRAD_QUAT + k) * LANES + lane]
    grad_opacities[i] = table[_SUMS * LANES + lane] / opacities[i]
    if screen_gradients.shape[0] > 0:
        screen_gradients[i, 0] += math.sqrt(table[_GRAD_SCREEN * LANES + lane])
        screen_gradients[i, 1] += _ONE


@inlined
def _chain(table, camera):
    """Replace the gathered rows by gradients: of mean, scale, quaternion and screen position."""
    r00, r01, r02, r10, r11, r12, r20, r21, r22, t0, t1, t2, fx, fy = (
        camera[0], camera[1], camera[2], camera[3], camera[4], camera[5], camera[6], camera[7], camera[8],
        camera[9], camera[10], camera[11], camera[12], camera[13],
    )  # fmt: skip
    one = splat(_ONE)
    x, y, z = load(table, 0), load(table, LANES), load(table, 2 * LANES)
    sx, sy, sz = load(table, 3 * LANES), load(table, 4 * LANES), load(table, 5 * LANES)
    qw, qx, qy, qz = load(table, 6 * LANES), load(table, 7 * LANES), load(table, 8 * LANES), load(table, 9 * LANES)
    length = load(table, _LENGTH * LANES)
    slope_x, slope_y = load(table, _FOOTPRINT * LANES), load(table, (_FOOTPRINT + 1) * LANES)
    fall_y = load(table, (_FOOTPRINT + 2) * LANES)
    gx, gy = load(table, (_SUMS + 1) * LANES), load(table, (_SUMS + 2) * LANES)
    gxx, gxy = load(table, (_SUMS + 3) * LANES), load(table, (_SUMS + 4) * LANES)
    gyy = load(table, (_SUMS + 5) * LANES)

    # Forwards again: position, M = J R, Q, N = M Q, B = N diag(scales).
    inv_z = one / (x * r20 + y * r21 + z * r22 + t2)
    ratio_x, ratio_y = (x * r00 + y * r01 + z * r02 + t0) * inv_z, (x * r10 + y * r11 + z * r12 + t1) * inv_z
    cx, cy = minimum(maximum(ratio_x, camera[19]), camera[20]), minimum(maximum(ratio_y, camera[21]), camera[22])
    jx, jxz, jy, jyz = inv_z * fx, inv_z * cx * -fx, inv_z * fy, inv_z * cy * -fy
    m00, m01, m02 = jx * r00 + jxz * r20, jx * r01 + jxz * r21, jx * r02 + jxz * r22
    m10, m11, m12 = jy * r10 + jyz * r20, jy * r11 + jyz * r21, jy * r12 + jyz * r22
    q00, q01, q02 = one - _TWO * (qy * qy + qz * qz), _TWO * (qx * qy - qw * qz), _TWO * (qx * qz + qw * qy)
    q10, q11, q12 = _TWO * (qx * qy + qw * qz), one - _TWO * (qx * qx + qz * qz), _TWO * (qy * qz - qw * qx)
    q20, q21, q22 = _TWO * (qx * qz - qw * qy), _TWO * (qy * qz + qw * qx), one - _TWO * (qx * qx + qy * qy)
    n00, n01 = m00 * q00 + m01 * q10 + m02 * q20, m00 * q01 + m01 * q11 + m02 * q21
    n02, n10 = m00 * q02 + m01 * q12 + m02 * q22, m10 * q00 + m11 * q10 + m12 * q20
    n11, n12 = m10 * q01 + m11 * q11 + m12 * q21, m10 * q02 + m11 * q12 + m12 * q22
    b00, b01, b02, b10, b11, b12 = n00 * sx, n01 * sy, n02 * sz, n10 * sx, n11 * sy, n12 * sz

    # Screen position and covariance; K = inv(S) = [[a, b], [b, c]].
    a, b = slope_x * slope_x * _SIXTEEN, slope_x * slope_y * _SIXTEEN
    c = (slope_y * slope_y + fall_y) * _SIXTEEN
    du, dv = a * gx + b * gy, b * gx + c * gy
    h00, h01, h10, h11 = a * gxx + b * gxy, a * gxy + b * gyy, b * gxx + c * gxy, b * gxy + c * gyy
    s00, s01, s11 = h00 * a + h01 * b, h00 * b + h01 * c, h10 * b + h11 * c  # 2 dL/dS

    # dL/dB, then scales and dL/dN.
    d00, d01, d02 = s00 * b00 + s01 * b10, s00 * b01 + s01 * b11, s00 * b02 + s01 * b12
    d10, d11, d12 = s01 * b00 + s11 * b10, s01 * b01 + s11 * b11, s01 * b02 + s11 * b12
    store(table, _GRAD_SCALE * LANES, d00 * n00 + d10 * n10)
    store(table, (_GRAD_SCALE + 1) * LANES, d01 * n01 + d11 * n11)
    store(table, (_GRAD_SCALE + 2) * LANES, d02 * n02 + d12 * n12)
    d00, d01, d02, d10, d11, d12 = d00 * sx, d01 * sy, d02 * sz, d10 * sx, d11 * sy, d12 * sz

    # dL/dQ, then the quaternion and its normalisation.
    e00, e01, e02 = m00 * d00 + m10 * d10, m00 * d01 + m10 * d11, m00 * d02 + m10 * d12
    e10, e11, e12 = m01 * d00 + m11 * d10, m01 * d01 + m11 * d11, m01 * d02 + m11 * d12
    e20, e21, e22 = m02 * d00 + m12 * d10, m02 * d01 + m12 * d11, m02 * d02 + m12 * d12
    tw = _TWO * (qx * (e21 - e12) + qy * (e02 - e20) + qz * (e10 - e01))
    tx = _TWO * (qw * (e21 - e12) + qy * (e01 + e10) + qz * (e02 + e20) - _TWO * qx * (e11 + e22))
    ty = _TWO * (qw * (e02 - e20) + qx * (e01 + e10) + qz * (e12 + e21) - _TWO * qy * (e00 + e22))
    tz = _TWO * (qw * (e10 - e01) + qx * (e02 + e20) + qy * (e12 + e21) - _TWO * qz * (e00 + e11))
    along = tw * qw + tx * qx + ty * qy + tz * qz
    store(table, _GRAD_QUAT * LANES, (tw - along * qw) * length)
    store(table, (_GRAD_QUAT + 1) * LANES, (tx - along * qx) * length)
    store(table, (_GRAD_QUAT + 2) * LANES, (ty - along * qy) * length)
    store(table, (_GRAD_QUAT + 3) * LANES, (tz - along * qz) * length)

    # dL/dM, dL/dJ.
    w00, w01 = d00 * q00 + d01 * q01 + d02 * q02, d00 * q10 + d01 * q11 + d02 * q12
    w02, w10 = d00 * q20 + d01 * q21 + d02 * q22, d10 * q00 + d11 * q01 + d12 * q02
    w11, w12 = d10 * q10 + d11 * q11 + d12 * q12, d10 * q20 + d11 * q21 + d12 * q22
    gjx, gjxz = w00 * r00 + w01 * r01 + w02 * r02, w00 * r20 + w01 * r21 + w02 * r22
    gjy, gjyz = w10 * r10 + w11 * r11 + w12 * r12, w10 * r20 + w11 * r21 + w12 * r22

    # (u, v) and J by p, the mean in camera axes. Where a ratio is held at its limit, it does not depend on p.
    free_x = keep_where(keep_where(one, ratio_x, camera[19]), camera[20], ratio_x)
    free_y = keep_where(keep_where(one, ratio_y, camera[21]), camera[22], ratio_y)
    inv_z2 = inv_z * inv_z
    px = (du * inv_z - free_x * gjxz * inv_z2) * fx
    py = (dv * inv_z - free_y * gjyz * inv_z2) * fy
    pz = (gjxz * (cx + free_x * ratio_x) - gjx) * inv_z2 - du * ratio_x * inv_z
    pz = pz * fx + ((gjyz * (cy + free_y * ratio_y) - gjy) * inv_z2 - dv * ratio_y * inv_z) * fy
    store(table, _GRAD_MEAN * LANES, px * r00 + py * r10 + pz * r20)
    store(table, (_GRAD_MEAN + 1) * LANES, px * r01 + py * r11 + pz * r21)
    store(table, (_GRAD_MEAN + 2) * LANES, px * r02 + py * r12 + pz * r22)
    store(table, _GRAD_SCREEN * LANES, du * du + dv * dv)


@kernel
def project_backward(
    means, scales, quats, opacities, records, camera, sums, first_sum, counter,
    grad_means, grad_scales, grad_quats, grad_opacities, grad_colors, screen_gradients, slot,
):  # fmt: skip
    """Gradients of the visible Gaussians; the others keep what the arrays held (zero).

    camera: projection.camera_parameters as float32. sums: [E, 9], one row per Gaussian and band; Gaussian i has rows
    first_sum[i] : first_sum[i + 1], none if it was not visible. screen_gradients [N, 2] collects |dL/d(u, v)| and a
    count (or has no rows, then nothing is collected).
    """
    count = means.shape[0]
    table = np.empty(_ROWS * LANES, np.float32)
    numbers = np.empty(LANES, np.int64)  # the Gaussians of the batch
    while True:
        first = claim(counter) * BLOCK
        if first >= count:
            break
        beyond = min(first + BLOCK, count)
        filled = 0
        for i in range(first, beyond):
            if first_sum[i] < first_sum[i + 1]:
                _gather(i, filled, means, scales, quats, records, sums, first_sum, table)
                numbers[filled] = i
                filled += 1
            if filled == LANES or (filled > 0 and i == beyond - 1):
                _chain(table, camera)
                for lane in range(filled):
                    _scatter(
                        numbers[lane], lane, table, opacities,
                        grad_means, grad_scales, grad_quats, grad_opacities, grad_colors, screen_gradients,
                    )  # fmt: skip
                filled = 0
