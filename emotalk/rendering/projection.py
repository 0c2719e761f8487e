"""Projection: Gaussians in the world to footprints on the screen. (`projection_backward.py` is the way back.)

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
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.camera import Camera
from emotalk.core.kernels.cache import inlined, kernel
from emotalk.core.kernels.simd import claim
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
