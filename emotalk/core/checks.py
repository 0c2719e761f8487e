"""Checks of what is passed in; each raises an InputError that names the value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def check_finite(name: str, values: np.ndarray) -> None:
    """Raise InputError where `values` (any shape) holds NaN or infinity."""
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds NaN or infinite values; pass finite numbers only.")


def check_array(name: str, value: np.ndarray, *tail: int, rows: int | None = None) -> np.ndarray:
    """`value` as a finite float32 array [T, *tail] with `rows` rows, or an InputError that names it."""
    found = np.ascontiguousarray(value, dtype=np.float32)
    if found.ndim != 1 + len(tail) or found.shape[1:] != tail or (rows is not None and len(found) != rows):
        wanted = ", ".join(["T" if rows is None else str(rows), *map(str, tail)])
        raise InputError(f"{name} must have shape [{wanted}], found {list(found.shape)}.")
    check_finite(name, found)
    return found


def check_tensor(name: str, value: Tensor, *shape: int | None) -> None:
    """Raise InputError unless `value` is a float tensor of `shape` (None: any length)."""
    import torch

    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"{name} must be a torch tensor, found {type(value).__name__}; use torch.from_numpy or as_tensor."
        )
    if value.ndim != len(shape) or any(w is not None and w != n for w, n in zip(shape, value.shape, strict=True)):
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise InputError(f"{name} must have shape [{wanted}], found {list(value.shape)}.")
    if not value.dtype.is_floating_point:
        raise InputError(f"{name} must hold floating-point numbers, found {value.dtype}; convert with .float().")


def check_number(name: str, value: float, low: float, high: float) -> float:
    """`value` as a float in [low, high], or an InputError that names it."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"{name} must be a number, found {value!r:.60}.")
    if not low <= value <= high:
        # A whole number may be too large for any float.
        found = f"{value:g}" if abs(value) < 1e300 else "a far larger one"
        raise InputError(f"{name} must lie between {low:g} and {high:g}, found {found}.")
    return float(value)


def check_whole(name: str, value: float, low: int, high: int) -> int:
    """`value`, 7 or 7.0, as an int in [low, high], or an InputError that names it."""
    number = check_number(name, value, low, high)
    if not number.is_integer():
        raise InputError(f"{name} must be a whole number, found {value:g}.")
    return int(number)
