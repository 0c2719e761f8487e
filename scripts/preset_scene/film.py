"""From Cycles' linear picture to the 8-bit picture of the set: quiet alpha, tone mapping, straight RGBA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from emotalk.core.atomic import replacing

EXPOSURE = 2.0**0.18


def neutral_tone(linear: np.ndarray) -> np.ndarray:
    """Khronos PBR Neutral tone mapping of linear colours [..., 3] to [0, 1] (Khronos 2024, reference code):
    keeps base colours as they are and rolls off only what is brighter than 0.76."""
    start, desaturation = 0.8 - 0.04, 0.15
    low = linear.min(-1, keepdims=True)
    color = linear - np.where(low < 0.08, low - 6.25 * low * low, 0.04)
    peak = np.maximum(color.max(-1, keepdims=True), 1e-6)
    room = 1 - start
    new_peak = 1 - room * room / (np.maximum(peak, start) + room - start)
    share = 1 - 1 / (desaturation * (peak - new_peak) + 1)
    rolled = color * (new_peak / peak) * (1 - share) + new_peak * share
    return np.clip(np.where(peak < start, color, rolled), 0, 1)


def srgb(linear: np.ndarray) -> np.ndarray:
    """Linear colours to sRGB in [0, 1] (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def quiet(premultiplied: np.ndarray) -> np.ndarray:
    """RGBA [H, W, 4] with the speckle of a few samples per pixel smoothed where pixels are covered partly.

    The denoiser leaves alpha alone, so hair and silhouettes would keep the noise of five samples. Colour and alpha are
    blurred alike (0.75 pixels), so that composites stay right; everything opaque stays sharp.
    """
    alpha = premultiplied[..., 3]
    speckle = gaussian_filter(np.abs(alpha - gaussian_filter(alpha, 1.0)), 1.2)
    amount = np.clip((speckle - 0.05) / 0.06, 0, 1) * (maximum_filter(alpha, 3) > 0)
    soft = np.stack([gaussian_filter(premultiplied[..., k], 0.75) for k in range(4)], -1)
    return premultiplied + amount[..., None] * (soft - premultiplied)


def develop(premultiplied: np.ndarray) -> np.ndarray:
    """Linear premultiplied RGBA [H, W, 4] -> display RGBA [H, W, 4] uint8 with straight alpha."""
    picture = quiet(np.maximum(premultiplied.astype(np.float64), 0))
    alpha = np.clip(picture[..., 3:], 0, 1)
    straight = picture[..., :3] / np.maximum(alpha, 1 / 512)
    color = srgb(neutral_tone(straight * EXPOSURE)) * (alpha > 1 / 512)
    return np.round(np.concatenate([color, alpha], -1) * 255).astype(np.uint8)


def write(picture: np.ndarray, path: Path) -> None:
    """A uint8 picture as PNG, complete or not at all."""
    with replacing(path, flush=False) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
