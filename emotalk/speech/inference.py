"""The speech network's forward pass in numpy, row by row as sound arrives.

    mel rows [128] ─► taps -1 0 +1 ─► Linear ─► 6 residual blocks ─► LayerNorm ─► features [192] ─┬─► 40 phones
                                                  │                                               └─► 6 articulations
                                    LayerNorm ─► 3 taps in time ─► Linear ─► GELU ─► Linear

`network.SpeechNetwork` is the same in torch, for training. Here nothing needs torch (2 s to import), and each layer
keeps only the rows that its taps still reach.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from emotalk.core.errors import CheckpointError
from emotalk.core.speech import ARTICULATION_NAMES, PHONES
from emotalk.speech.mel import BANDS, GROUP, GroupedProduct

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of the speech network."""

    width: int = 192
    """Channels of the features."""
    hidden: int = 256
    """Channels inside a block."""
    taps: tuple[tuple[int, ...], ...] = ((-1, 0, 1), (-2, 0, 1), (-4, 0, 2), (-3, 0, 1), (-8, 0, 3), (-5, 0, 2))
    """Which rows (20 ms) around its own each block sees, in increasing order."""

    def __post_init__(self) -> None:
        if min(self.width, self.hidden) < 1 or not self.taps:
            raise CheckpointError(
                "A speech network needs width >= 1, hidden >= 1 and a block; "
                f"found {self.width}, {self.hidden} and {len(self.taps)} blocks."
            )
        for block in self.taps:
            if list(block) != sorted(set(block)) or 0 not in block:
                raise CheckpointError(f"The taps of a block must rise and hold 0, found {block}; fix the config file.")

    @property
    def past(self) -> int:
        """Rows before its own that an output depends on; the input layer sees one."""
        return 1 - sum(block[0] for block in self.taps)

    @property
    def future(self) -> int:
        """Rows after its own that an output depends on."""
        return 1 + sum(block[-1] for block in self.taps)


class _Linear:
    def __init__(self, weights: Weights, name: str, group: int) -> None:
        self._product = GroupedProduct(weights[f"{name}.weight"], group)
        self._bias = weights[f"{name}.bias"]

    def fork(self) -> _Linear:
        other = copy.copy(self)
        other._product = self._product.fork()
        return other

    def push(self, x: np.ndarray) -> np.ndarray:
        product = self._product.push(x)
        product += self._bias
        return product


def _gelu(x: np.ndarray) -> np.ndarray:
    """x * sigmoid(1.702 x), the fast form of Hendrycks & Gimpel, "Gaussian error linear units", 2016."""
    spread = x * np.float32(-1.702)
    np.minimum(spread, np.float32(80), out=spread)  # e^80 is still a float32
    np.exp(spread, out=spread)
    spread += 1
    return np.divide(x, spread, out=spread)


def _normalise(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    centred = x - x.mean(1, keepdims=True)
    variance = np.square(centred).mean(1, keepdims=True)
    centred /= np.sqrt(variance + 1e-5)
    centred *= weights[f"{name}.weight"]
    centred += weights[f"{name}.bias"]
    return centred


class _Window:
    """The last rows of a stream that later rows still look back to."""

    def __init__(self, taps: tuple[int, ...], columns: int) -> None:
        self._taps = taps
        self._reach = taps[-1] - taps[0]
        self._kept = np.zeros((0, columns), np.float32)

    def fork(self) -> _Window:
        return copy.copy(self)  # the rows are replaced, never written to

    def push(self, rows: np.ndarray) -> np.ndarray:
        """All rows in sight [n + reach, columns] after new ones came; n of them are now seen whole."""
        seen = np.concatenate([self._kept, rows])
        self._kept = seen[max(len(seen) - self._reach, 0) :].copy()
        return seen

    def at(self, seen: np.ndarray, tap: int) -> np.ndarray:
        """The rows [n, columns] that lie `tap` rows from those seen whole."""
        count = max(len(seen) - self._reach, 0)
        return seen[tap - self._taps[0] :][:count]

    def push_beside(self, rows: np.ndarray) -> np.ndarray:
        """The rows seen whole, each beside those at all taps: [n, taps * columns]."""
        seen = self.push(rows)
        return np.concatenate([self.at(seen, tap) for tap in self._taps], axis=1)


class _Block:
    def __init__(self, taps: tuple[int, ...], width: int, weights: Weights, name: str, group: int) -> None:
        self._weights, self._name = weights, name
        self._inner = _Linear(weights, f"{name}.inner", group)
        self._outer = _Linear(weights, f"{name}.outer", group)
        self._seen = _Window(taps, width)
        self._own = _Window(taps, width)

    def fork(self) -> _Block:
        other = copy.copy(self)
        for part in ("_inner", "_outer", "_seen", "_own"):
            setattr(other, part, getattr(self, part).fork())
        return other

    def push(self, x: np.ndarray) -> np.ndarray:
        seen = self._seen.push_beside(_normalise(x, self._weights, f"{self._name}.norm"))
        own = self._own.at(self._own.push(x), 0)
        added = self._outer.push(_gelu(self._inner.push(seen)))
        added += own
        return added


class NetworkStream:
    """One pass of a stream through the network.

    The first output belongs to input row `config.past`: push that many rows of silence first. `group`: how many rows
    its products take at once (`GroupedProduct`).
    """

    def __init__(self, config: NetworkConfig, weights: Weights, group: int = GROUP) -> None:
        self._weights = weights
        self._window = _Window((-1, 0, 1), 2 * BANDS)
        self._input = _Linear(weights, "input", group)
        self._phones = _Linear(weights, "phones", group)
        self._articulation = _Linear(weights, "articulation", group)
        self._blocks = [_Block(taps, config.width, weights, f"blocks.{i}", group) for i, taps in enumerate(config.taps)]

    def fork(self) -> NetworkStream:
        """A copy that goes its own way; weights and what both have heard are shared."""
        other = copy.copy(self)
        for part in ("_window", "_input", "_phones", "_articulation"):
            setattr(other, part, getattr(self, part).fork())
        other._blocks = [block.fork() for block in self._blocks]
        return other

    def push(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Levelled mel rows [R, 128] -> features [n, width], phone probabilities [n, 40], articulation [n, 6]."""
        x = _gelu(self._input.push(self._window.push_beside(rows)))
        for block in self._blocks:
            x = block.push(x)
        features = _normalise(x, self._weights, "norm")
        return features, _probabilities(self._phones.push(features)), _bounded(self._articulation.push(features))


def read_out(weights: Weights, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network's last layers say of features [n, width]: phone probabilities [n, 40], articulation [n, 6]."""
    scores, articulation = (
        np.asarray(features, np.float32) @ weights[f"{name}.weight"] + weights[f"{name}.bias"]
        for name in ("phones", "articulation")
    )
    return _probabilities(scores), _bounded(articulation)


def _probabilities(scores: np.ndarray) -> np.ndarray:
    scores -= scores.max(1, keepdims=True, initial=-np.inf)
    phones = np.exp(scores, out=scores)
    phones /= phones.sum(1, keepdims=True)
    return phones


def _bounded(articulation: np.ndarray) -> np.ndarray:
    """Into the ranges of ARTICULATION_NAMES: [0, 1], and [-1, 1] for the width."""
    lowest = np.where(np.array(ARTICULATION_NAMES) == "width", -1.0, 0.0).astype(np.float32)
    return np.clip(articulation, lowest, 1.0)


def check_weights(config: NetworkConfig, weights: Weights) -> None:
    """CheckpointError unless `weights` holds every layer of the network in the right shape."""
    shapes = {
        "input.weight": (6 * BANDS, config.width),
        "phones.weight": (config.width, len(PHONES)),
        "articulation.weight": (config.width, len(ARTICULATION_NAMES)),
        "norm.weight": (config.width,),
        "prior": (BANDS,),
    }
    for i, taps in enumerate(config.taps):
        shapes[f"blocks.{i}.norm.weight"] = (config.width,)
        shapes[f"blocks.{i}.inner.weight"] = (len(taps) * config.width, config.hidden)
        shapes[f"blocks.{i}.outer.weight"] = (config.hidden, config.width)
    shapes |= {name.replace(".weight", ".bias"): shape[-1:] for name, shape in shapes.items() if "." in name}
    for name, shape in shapes.items():
        found = weights[name].shape if name in weights else "nothing"
        if found != shape:
            raise CheckpointError(
                f"The speech checkpoint holds {found} for {name!r} where its config asks for {shape}; "
                "rebuild it with `python -m scripts.train_speech`."
            )
