"""Placeholder, to be replaced by the module of the branch `body`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotalk.live.container import Packed
    from emotalk.motion.body_network import BodyWeights
    from emotalk.motion.eye_statistics import EyeStatistics


def body_arrays(weights: BodyWeights, eyes: EyeStatistics) -> tuple[dict[str, Packed], dict[str, object]]:
    """Nothing yet."""
    return {}, {}
