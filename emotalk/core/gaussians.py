"""3D Gaussians ready to draw, and the picture that drawing them gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.checks import check_tensor
from emotalk.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GaussianCloud:
    """3D Gaussians ready to draw: float tensors on one device, any of them may require gradients.

    Raises InputError where shapes disagree, a value is not finite or out of its range.
    """

    means: Tensor  # [N, 3] metres
    scales: Tensor  # [N, 3] standard deviations in metres, >= 0
    quats: Tensor  # [N, 4] wxyz, any length > 0
    opacities: Tensor  # [N] in [0, 1]
    colors: Tensor  # [N, 3] linear in what is drawn, usually [0, 1]

    def __post_init__(self) -> None:
        import torch

        check_tensor("GaussianCloud.means", self.means, None, 3)
        count = len(self.means)
        for name, tail in (("scales", (3,)), ("quats", (4,)), ("opacities", ()), ("colors", (3,))):
            tensor = getattr(self, name)
            check_tensor(f"GaussianCloud.{name}", tensor, count, *tail)
            if tensor.device != self.means.device:
                raise InputError(
                    f"GaussianCloud.{name} is on {tensor.device} but means are on {self.means.device}; "
                    "move all of them to one device."
                )
        if count == 0:
            return
        tensors = [getattr(self, f.name).detach() for f in dataclasses.fields(self)]
        # NaN spreads through minimum and maximum, so that these say everything but quaternions of length 0. Looking at
        # all four components of those costs as much as all the rest: done only where a first one is 0.
        if self.means.device.type == "cpu":
            # numpy, not torch: at this size torch would wait for its other threads longer than it computes.
            arrays = [(t if t.dtype.itemsize > 2 else t.float()).numpy() for t in tensors]
            numbers = [float(bound) for array in arrays for bound in (array.min(), array.max())]
            numbers.append(float(np.abs(arrays[2][:, 0]).min()))
        else:  # one transfer for all of them
            ranges = [torch.stack(torch.aminmax(t)).double() for t in tensors]
            numbers = torch.cat([*ranges, tensors[2][:, 0].abs().amin().double()[None]]).tolist()
        for f, low, high in zip(dataclasses.fields(self), numbers[0::2], numbers[1::2], strict=False):
            if not (np.isfinite(low) and np.isfinite(high)):
                raise InputError(f"GaussianCloud.{f.name} holds NaN or infinite values; pass finite numbers only.")
        if numbers[2] < 0:
            raise InputError(
                f"GaussianCloud.scales must be >= 0, found {numbers[2]:g}; pass standard deviations, not logarithms."
            )
        if numbers[6] < 0 or numbers[7] > 1:
            raise InputError(
                f"GaussianCloud.opacities must lie in [0, 1], found {numbers[6]:g} to {numbers[7]:g}; "
                "apply the sigmoid first."
            )
        if numbers[10] == 0 and bool((tensors[2][tensors[2][:, 0] == 0] == 0).all(1).any()):
            raise InputError(
                "GaussianCloud.quats holds a quaternion of length 0, which is no rotation; use (1, 0, 0, 0)."
            )


@dataclass(frozen=True)
class CloudBatch:
    """Clouds of B frames with N Gaussians each, as one float tensor a part; what a GPU poses and draws in one go.

    Raises InputError as GaussianCloud does.
    """

    means: Tensor  # [B, N, 3] metres
    scales: Tensor  # [B, N, 3] metres, >= 0
    quats: Tensor  # [B, N, 4] wxyz, any length > 0
    opacities: Tensor  # [B, N] in [0, 1]
    colors: Tensor  # [B, N, 3]

    def __post_init__(self) -> None:
        check_tensor("CloudBatch.means", self.means, None, None, 3)
        size = self.means.shape[:2]
        for name, tail in (("scales", (3,)), ("quats", (4,)), ("opacities", ()), ("colors", (3,))):
            check_tensor(f"CloudBatch.{name}", getattr(self, name), *size, *tail)
        GaussianCloud(*(getattr(self, f.name).flatten(0, 1) for f in dataclasses.fields(self)))  # looks at the values

    def __len__(self) -> int:
        return len(self.means)

    def __getitem__(self, k: int) -> GaussianCloud:
        """The cloud of frame `k`, a view."""
        return GaussianCloud(*(getattr(self, f.name)[k] for f in dataclasses.fields(self)))

    @staticmethod
    def stack(clouds: Sequence[GaussianCloud]) -> CloudBatch:
        """Clouds of as many Gaussians each as one batch; at least one."""
        import torch

        names = [f.name for f in dataclasses.fields(GaussianCloud)]
        return CloudBatch(*(torch.stack([getattr(cloud, name) for cloud in clouds]) for name in names))


@dataclass(frozen=True)
class Render:
    """A picture of a GaussianCloud."""

    image: Tensor  # [H, W, 3] RGB, background composited
    alpha: Tensor  # [H, W] in [0, 1], how much of each pixel the Gaussians cover

    def __post_init__(self) -> None:
        check_tensor("Render.image", self.image, None, None, 3)
        check_tensor("Render.alpha", self.alpha, *self.image.shape[:2])
