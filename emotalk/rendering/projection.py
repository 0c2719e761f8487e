"""Projection: Gaussians in the world to footprints on the screen, and gradients back.

For each Gaussian (EWA splatting, Zwicker et al. 2001; Kerbl et al. 2023):

    p = R mean + t                          mean in camera axes; culled where p_z <= near
    u = fx p_x / p_z + cx, v likewise       screen position in pixels
    J = [[fx / p_z, 0, -fx c_x / p_z],      derivative of (u, v) by p, where c = p_xy / p_z is held inside the picture
         [0, fy / p_z, -fy c_y / p_z]]      plus 15 % on each side (as gsplat does: far outside, the linear
                                            approximation would smear a Gaussian across the whole picture)
    B = J R rotation(quat) diag(scales)     2x3: the Gaussian's axes seen on the screen
    S = B B' + 0.3 I                        screen covariance

The determinant comes from Lagrange's identity, det(B B') = |b_0 x b_1|^2, a sum of squares: nothing cancels, however
thin the Gaussian. The extent is exact and knows the opacity: alpha >= 1/255 where s <= ln(255 opacity), an ellipse
whose half width is sqrt(2 ln(255 opacity) S_00).

The arithmetic is float64 on float32 inputs. It is a few percent of a frame's time, and it makes the position on the
screen as exact as the input and lets nothing overflow. (Footprints are stored as float32: scales above 1e9 m, which
fill any picture evenly, count as 1e9 m.)

The gradient pass starts from the nine sums that drawing collected for each Gaussian and band (`backward.py`), adds
up the bands, and applies the chain rule by hand, backwards through the lines above.
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.rendering.footprint import (
    ALPHA_MIN,
    BOTTOM,
    BULGE,
    FALL_Y,
    FRACTION_X,
    FRACTION_Y,
    LEFT,
    LOW_PASS,
    OPACITY,
    PIXEL_X,
    PIXEL_Y,
    REACH_X,
    REACH_Y,
    RED,
    RIGHT,
    SLANT,
    SLOPE_X,
    SLOPE_Y,
    TOP,
    TOP_X,
)
from emotalk.rendering.kernel_cache import inlined, kernel
from emotalk.rendering.simd import claim
from emotalk.types import Camera

BLOCK = 1024
"""Gaussians per piece of work."""
MARGIN = 0.3
"""How far outside the picture the derivative is still followed, in half fields of view."""

_LARGEST = 1e9  # metres
_NO_DEPTH = np.float32(-1.0)
_INV_ALPHA_MIN = 1.0 / float(ALPHA_MIN)


def camera_parameters(camera: Camera) -> np.ndarray:
    """The camera as float64 [22]: R row by row, t, fx, fy, cx, cy, width, height, near, limits of c (-x, +x, -y, +y)...

    The limits are those of gsplat: 0.3 half fields of view outside the picture.
    """
    pose = camera.world_to_camera.detach().cpu().double().numpy()
    margin_x = MARGIN * 0.5 * camera.width / camera.fx
    margin_y = MARGIN * 0.5 * camera.height / camera.fy
    return np.array(
        [
            *pose[:3, :3].ravel(),
            *pose[:3, 3],
            camera.fx,
            camera.fy,
            camera.cx,
            camera.cy,
            camera.width,
            camera.height,
            camera.near,
            -camera.cx / camera.fx - margin_x,
            (camera.width - camera.cx) / camera.fx + margin_x,
            -camera.cy / camera.fy - margin_y,
            (camera.height - camera.cy) / camera.fy + margin_y,
        ]
    )


@inlined
def _rotation(w, x, y, z):
    """The rotation matrix of a unit quaternion, row by row."""
    return (
        1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y),
        2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x),
        2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y),
    )  # fmt: skip


@inlined
def _screen_axes(camera, px, py, inv_z):
    """M = J R (2x3, row by row) and the limited ratios c_x, c_y."""
    fx, fy = camera[12], camera[13]
    cx = min(max(px * inv_z, camera[19]), camera[20])
    cy = min(max(py * inv_z, camera[21]), camera[22])
    jx, jxz = fx * inv_z, -fx * cx * inv_z
    jy, jyz = fy * inv_z, -fy * cy * inv_z
    return (
        jx * camera[0] + jxz * camera[6], jx * camera[1] + jxz * camera[7], jx * camera[2] + jxz * camera[8],
        jy * camera[3] + jyz * camera[6], jy * camera[4] + jyz * camera[7], jy * camera[5] + jyz * camera[8],
        cx, cy,
    )  # fmt: skip


@inlined
def _times(m00, m01, m02, m10, m11, m12, r00, r01, r02, r10, r11, r12, r20, r21, r22):
    """The product of a 2x3 and a 3x3 matrix, row by row."""
    return (
        m00 * r00 + m01 * r10 + m02 * r20, m00 * r01 + m01 * r11 + m02 * r21, m00 * r02 + m01 * r12 + m02 * r22,
        m10 * r00 + m11 * r10 + m12 * r20, m10 * r01 + m11 * r11 + m12 * r21, m10 * r02 + m11 * r12 + m12 * r22,
    )  # fmt: skip


@kernel
def project(means, scales, quats, opacities, colors, camera, counter, records, boxes, depths, slot):
    """Fill `records` [N, RECORD], `boxes` [N, 4] and `depths` [N] (-1: not in the picture)."""
    count = means.shape[0]
    width, height, near = camera[16], camera[17], camera[18]
    while True:
        first = claim(counter) * BLOCK
        if first >= count:
            break
        for i in range(first, min(first + BLOCK, count)):
            depths[i] = _NO_DEPTH
            x, y, z = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
            pz = camera[6] * x + camera[7] * y + camera[8] * z + camera[11]
            reach = 2.0 * math.log(max(np.float64(opacities[i]), 1e-9) * _INV_ALPHA_MIN)
            if pz <= near or reach <= 0.0:
                continue
            inv_z = 1.0 / pz
            px = camera[0] * x + camera[1] * y + camera[2] * z + camera[9]
            py = camera[3] * x + camera[4] * y + camera[5] * z + camera[10]
            u = camera[12] * px * inv_z + camera[14]
            v = camera[13] * py * inv_z + camera[15]
            m00, m01, m02, m10, m11, m12, _, _ = _screen_axes(camera, px, py, inv_z)
            qw, qx, qy, qz = (
                np.float64(quats[i, 0]), np.float64(quats[i, 1]), np.float64(quats[i, 2]), np.float64(quats[i, 3]),
            )  # fmt: skip
            norm = 1.0 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
            r00, r01, r02, r10, r11, r12, r20, r21, r22 = _rotation(qw * norm, qx * norm, qy * norm, qz * norm)
            sx, sy, sz = min(scales[i, 0], _LARGEST), min(scales[i, 1], _LARGEST), min(scales[i, 2], _LARGEST)
            n00, n01, n02, n10, n11, n12 = _times(
                m00, m01, m02, m10, m11, m12, r00, r01, r02, r10, r11, r12, r20, r21, r22
            )
            b00, b01, b02, b10, b11, b12 = n00 * sx, n01 * sy, n02 * sz, n10 * sx, n11 * sy, n12 * sz
            xx = b00 * b00 + b01 * b01 + b02 * b02
            xy = b00 * b10 + b01 * b11 + b02 * b12
            yy = b10 * b10 + b11 * b11 + b12 * b12
            k0, k1, k2 = b01 * b12 - b02 * b11, b02 * b10 - b00 * b12, b00 * b11 - b01 * b10
            det = LOW_PASS * LOW_PASS + LOW_PASS * (xx + yy) + k0 * k0 + k1 * k1 + k2 * k2
            xx += LOW_PASS
            yy += LOW_PASS
            reach_x, reach_y = math.sqrt(reach * xx), math.sqrt(reach * yy)
            # A pixel belongs to the box if its centre (+0.5) lies within reach of the mean.
            left, right = max(0.0, math.floor(u - reach_x + 0.5)), min(width - 1.0, math.floor(u + reach_x - 0.5))
            top, bottom = max(0.0, math.floor(v - reach_y + 0.5)), min(height - 1.0, math.floor(v + reach_y - 0.5))
            if left > right or top > bottom:
                continue
            depths[i] = pz
            boxes[i, LEFT], boxes[i, RIGHT], boxes[i, TOP], boxes[i, BOTTOM] = (
                int(left),
                int(right),
                int(top),
                int(bottom),
            )
            pixel_x, pixel_y = math.floor(u), math.floor(v)
            records[i, PIXEL_X], records[i, FRACTION_X] = pixel_x, u - pixel_x
            records[i, PIXEL_Y], records[i, FRACTION_Y] = pixel_y, v - pixel_y
            # s = (yy dx - xy dy)^2 / (2 yy det) + dy^2 / (2 yy), stored over 8.
            slope = 0.25 * math.sqrt(yy / det)
            records[i, SLOPE_X], records[i, SLOPE_Y] = slope, -slope * xy / yy
            records[i, FALL_Y] = 1.0 / (16.0 * yy)
            records[i, OPACITY] = opacities[i]
            for channel in range(3):
                records[i, RED + channel] = colors[i, channel]
            records[i, REACH_X], records[i, REACH_Y] = reach_x, reach_y
            records[i, TOP_X] = reach_y * xy / yy
            records[i, SLANT], records[i, BULGE] = xy / xx, math.sqrt(det) / xx


@kernel
def project_backward(
    means, scales, quats, opacities, camera, order, sums, first_sum, sum_index, counter,
    grad_means, grad_scales, grad_quats, grad_opacities, grad_colors, screen_gradients, slot,
):  # fmt: skip
    """Gradients of the `order`ed (visible) Gaussians; the others keep what the arrays held (zero).

    sums: [E, 9] of `backward.draw_backward`, one row per Gaussian and band; the rows of the j-th visible Gaussian
    are sum_index[first_sum[j] : first_sum[j + 1]]. screen_gradients [N, 2] collects |dL/d(u, v)| and a count (or has
    no rows, then nothing is collected).
    """
    count = order.shape[0]
    fx, fy = camera[12], camera[13]
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = (
        camera[0], camera[1], camera[2], camera[3], camera[4], camera[5], camera[6], camera[7], camera[8],
    )  # fmt: skip
    while True:
        first = claim(counter) * BLOCK
        if first >= count:
            break
        for rank in range(first, min(first + BLOCK, count)):
            i = order[rank]
            # Sums over the pixels, of g = dL/d(alpha) alpha: g, g dx, g dy, g dx^2, g dx dy, g dy^2; dL/d(color).
            g = gx = gy = gxx = gxy = gyy = red = green = blue = 0.0
            for entry in range(first_sum[rank], first_sum[rank + 1]):
                e = sum_index[entry]
                g += sums[e, 0]
                gx += sums[e, 1]
                gy += sums[e, 2]
                gxx += sums[e, 3]
                gxy += sums[e, 4]
                gyy += sums[e, 5]
                red += sums[e, 6]
                green += sums[e, 7]
                blue += sums[e, 8]
            grad_colors[i, 0], grad_colors[i, 1], grad_colors[i, 2] = red, green, blue
            grad_opacities[i] = g / opacities[i]

            # The forward pass again, up to the screen covariance.
            x, y, z = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
            px = c0 * x + c1 * y + c2 * z + camera[9]
            py = c3 * x + c4 * y + c5 * z + camera[10]
            inv_z = 1.0 / (c6 * x + c7 * y + c8 * z + camera[11])
            m00, m01, m02, m10, m11, m12, cx, cy = _screen_axes(camera, px, py, inv_z)
            qw, qx, qy, qz = (
                np.float64(quats[i, 0]), np.float64(quats[i, 1]), np.float64(quats[i, 2]), np.float64(quats[i, 3]),
            )  # fmt: skip
            norm = 1.0 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
            qw, qx, qy, qz = qw * norm, qx * norm, qy * norm, qz * norm
            r00, r01, r02, r10, r11, r12, r20, r21, r22 = _rotation(qw, qx, qy, qz)
            sx, sy, sz = min(scales[i, 0], _LARGEST), min(scales[i, 1], _LARGEST), min(scales[i, 2], _LARGEST)
            n00, n01, n02, n10, n11, n12 = _times(
                m00, m01, m02, m10, m11, m12, r00, r01, r02, r10, r11, r12, r20, r21, r22
            )
            b00, b01, b02, b10, b11, b12 = n00 * sx, n01 * sy, n02 * sz, n10 * sx, n11 * sy, n12 * sz
            xx = b00 * b00 + b01 * b01 + b02 * b02
            xy = b00 * b10 + b01 * b11 + b02 * b12
            yy = b10 * b10 + b11 * b11 + b12 * b12
            k0, k1, k2 = b01 * b12 - b02 * b11, b02 * b10 - b00 * b12, b00 * b11 - b01 * b10
            inv_det = 1.0 / (LOW_PASS * LOW_PASS + LOW_PASS * (xx + yy) + k0 * k0 + k1 * k1 + k2 * k2)
            a, b, c = (yy + LOW_PASS) * inv_det, -xy * inv_det, (xx + LOW_PASS) * inv_det  # inv(S)

            # ds/d(u, v) = -inv(S) d, and dL/ds = -g.
            du, dv = a * gx + b * gy, b * gx + c * gy
            if screen_gradients.shape[0] > 0:
                screen_gradients[i, 0] += math.sqrt(du * du + dv * dv)
                screen_gradients[i, 1] += 1.0
            # dL/dS = inv(S) (sum g d d') inv(S) / 2, symmetric.
            h00, h01 = a * gxx + b * gxy, a * gxy + b * gyy
            h10, h11 = b * gxx + c * gxy, b * gxy + c * gyy
            s00, s01, s11 = 0.5 * (h00 * a + h01 * b), 0.5 * (h00 * b + h01 * c), 0.5 * (h10 * b + h11 * c)

            # S = B B': dL/dB = 2 dL/dS B; B = N diag(scales).
            d00, d01, d02 = 2.0 * (s00 * b00 + s01 * b10), 2.0 * (s00 * b01 + s01 * b11), 2.0 * (s00 * b02 + s01 * b12)
            d10, d11, d12 = 2.0 * (s01 * b00 + s11 * b10), 2.0 * (s01 * b01 + s11 * b11), 2.0 * (s01 * b02 + s11 * b12)
            grad_scales[i, 0] = d00 * n00 + d10 * n10
            grad_scales[i, 1] = d01 * n01 + d11 * n11
            grad_scales[i, 2] = d02 * n02 + d12 * n12
            d00, d01, d02, d10, d11, d12 = d00 * sx, d01 * sy, d02 * sz, d10 * sx, d11 * sy, d12 * sz

            # N = M Q: dL/dQ = M' D, then through Q(quaternion) and the normalisation.
            q00, q01, q02 = m00 * d00 + m10 * d10, m00 * d01 + m10 * d11, m00 * d02 + m10 * d12
            q10, q11, q12 = m01 * d00 + m11 * d10, m01 * d01 + m11 * d11, m01 * d02 + m11 * d12
            q20, q21, q22 = m02 * d00 + m12 * d10, m02 * d01 + m12 * d11, m02 * d02 + m12 * d12
            tw = 2.0 * (qx * (q21 - q12) + qy * (q02 - q20) + qz * (q10 - q01))
            tx = 2.0 * (-2.0 * qx * (q11 + q22) + qy * (q01 + q10) + qz * (q02 + q20) + qw * (q21 - q12))
            ty = 2.0 * (qx * (q01 + q10) - 2.0 * qy * (q00 + q22) + qz * (q12 + q21) + qw * (q02 - q20))
            tz = 2.0 * (qx * (q02 + q20) + qy * (q12 + q21) - 2.0 * qz * (q00 + q11) + qw * (q10 - q01))
            along = tw * qw + tx * qx + ty * qy + tz * qz
            grad_quats[i, 0], grad_quats[i, 1] = (tw - along * qw) * norm, (tx - along * qx) * norm
            grad_quats[i, 2], grad_quats[i, 3] = (ty - along * qy) * norm, (tz - along * qz) * norm

            # dL/dM = D Q', M = J R: dL/dJ = dL/dM R'.
            w00, w01, w02, w10, w11, w12 = _times(
                d00, d01, d02, d10, d11, d12, r00, r10, r20, r01, r11, r21, r02, r12, r22
            )
            jx, jxz = w00 * c0 + w01 * c1 + w02 * c2, w00 * c6 + w01 * c7 + w02 * c8
            jy, jyz = w10 * c3 + w11 * c4 + w12 * c5, w10 * c6 + w11 * c7 + w12 * c8

            # (u, v) and J by p. Where the ratio c is held at its limit it does not depend on p.
            inv_z2 = inv_z * inv_z
            rx, ry = px * inv_z, py * inv_z
            free_x = 1.0 if cx == rx else 0.0
            free_y = 1.0 if cy == ry else 0.0
            dpx = du * fx * inv_z - free_x * jxz * fx * inv_z2
            dpy = dv * fy * inv_z - free_y * jyz * fy * inv_z2
            dpz = (
                -(du * fx * rx + dv * fy * ry) * inv_z
                - (jx * fx + jy * fy) * inv_z2
                + jxz * fx * (cx + free_x * rx) * inv_z2
                + jyz * fy * (cy + free_y * ry) * inv_z2
            )
            grad_means[i, 0] = c0 * dpx + c3 * dpy + c6 * dpz
            grad_means[i, 1] = c1 * dpx + c4 * dpy + c7 * dpz
            grad_means[i, 2] = c2 * dpx + c5 * dpy + c8 * dpz
