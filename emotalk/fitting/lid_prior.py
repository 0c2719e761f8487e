"""What shut lids of an avatar made from a video look like, as long as the video does not say.

People blink every four seconds for a tenth of one: a short video shows shut lids in a handful of frames, some of them
blurred. Colours learned from those are specks and creases. A lid's colour while it shuts goes from what it is when open
to that of a shipped avatar's shut lid in this person's light; the more shut lids are filmed, the less that holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from emotalk.avatar.gaussians import LATENT_LIMIT, SIGNAL_WIDTH
from emotalk.fitting.shipped_donor import LIDS, Donor, eye_ratio, lid_share, shut_colors, template_places

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.motion import HeadMotion
    from emotalk.fitting.gaussian_parameters import GaussianParameters

BLINKING = 0.6
"""Closure of both lids from which a frame shows what they look like when shut."""
FEW, ENOUGH = 4, 24
"""Such frames up to which nothing is taken from the video, and from which all is."""
LEAST_SHARE = 0.02
BESIDE = 0.0035
"""Metres: standard deviation over which skin goes along with a lid. The crease above an open lid lies there, sharp in a
video, and would stay above a shut one."""
OWN = 0.5
"""Share of a shut lid's colour that is the skin's around it in the video, not the shipped lid's: sockets are dark,
and a lid in the light of the cheek would stand out of its socket."""
BLUR = 0.002
"""Metres: standard deviation over which these colours are averaged. Shut lids are smooth, the edge of the crease above
them is not."""
HAIR = (0.55, 0.8)
"""Between these shares of the lid's lightness skin beside it turns into a brow that hangs low: it stays as it is."""


def blinks_filmed(motion: HeadMotion) -> float:
    """How far a motion's frames show shut lids, in [0, 1]: 0 hardly ever, 1 often enough to learn from."""
    frames = int((motion.eyelids.min(1) > BLINKING).sum())
    return float(np.clip((frames - FEW) / (ENOUGH - FEW), 0, 1))


class LidPrior:
    """Responsibilities: know the colours of shut lids, and hold a fit to them.

    Attributes: `rows` [n] of the avatar's Gaussians that belong to lids, by `share` [n] in [0, 1]; `colors` [n, 3] of
    them when shut; `latent` [n], which of the corrections' latents shuts each.
    """

    def __init__(
        self, avatar: GaussianAvatar, hold: float, donor: Donor | None = None, light_lids: bool = False
    ) -> None:
        """avatar: the one a fit starts from, in its frames' colours; hold: in [0, 1], 1 to follow nothing else;
        light_lids: what it has where lids are may be the colour of brows, so that it counts only where it is light."""
        avatar = avatar.to("cpu")
        donor = Donor.for_face(avatar) if donor is None else donor
        self.strength, self._head = hold, avatar.head
        places = template_places(avatar)
        share = lid_share(donor, places, avatar.gaussians.region[: len(places)], BESIDE)
        near = np.flatnonzero(share > LEAST_SHARE)
        side = (places[near][:, 0] <= 0).astype(int)  # the left eye is at +x
        shut = shut_colors(donor, places[near])[torch.from_numpy(side), torch.arange(len(near))]
        shut = (shut * eye_ratio(avatar, places, donor, places[near])).numpy()
        self._places, share = places[near], share[near]
        begun, beside = avatar.gaussians.color[torch.from_numpy(near)].numpy(), share < 1
        light = begun.mean(1) / np.maximum(shut.mean(1), 1e-3)
        share[beside] *= ((light - HAIR[0]) / (HAIR[1] - HAIR[0])).clip(0, 1)[beside]
        own = OWN * ((light - HAIR[0]) / (HAIR[1] - HAIR[0])).clip(0, 1) if light_lids else np.full(len(share), OWN)
        own[beside] = OWN
        mixed = begun + ((1 - own) * share)[:, None] * (shut - begun)
        weight = np.exp(-0.5 * np.square(cdist(self._places, self._places) / BLUR)) * share
        total = np.maximum(weight.sum(1), 1e-9)[:, None]
        self._shut = torch.from_numpy((weight @ mixed / total).astype(np.float32))
        self._share = share
        self.rows, self.colors = torch.from_numpy(near), self._shut
        self.latent = torch.tensor(LIDS)[torch.from_numpy(side)]
        self.share = torch.from_numpy(share.astype(np.float32))

    def find(self, parameters: GaussianParameters) -> None:
        """Look where lids are among the corrected Gaussians; again after these were split or dropped."""
        fixed, index = parameters.fixed, parameters.index
        slots = (index < fixed.mesh_count).nonzero()[:, 0]
        rows = index[slots]
        corners = self._head.template[self._head.triangles[fixed.triangle[rows].cpu()]]
        at = (corners * fixed.barycentric[rows].cpu()[..., None]).sum(1).double().numpy()
        distance, nearest = cKDTree(self._places).query(at)
        # Those that began here, or halves of them, which stay in their triangle at the same place.
        mine = np.flatnonzero(distance < 1e-6)
        device, nearest = index.device, nearest[mine]
        self._slots, self._rows = slots[mine], rows[mine]
        self._latent = torch.tensor(LIDS)[torch.from_numpy((at[mine][:, 0] <= 0).astype(int))].to(device)
        self._wanted = self._shut[nearest].to(device)
        self._weight = torch.from_numpy(self._share[nearest].astype(np.float32)).to(device)[:, None]

    @torch.no_grad()
    def hold(self, parameters: GaussianParameters) -> None:
        """Bring the change of the lids by their closing nearer to what shut lids look like."""
        if not self.strength:
            return
        # The latent of a lid that is shut, all else as usual in the video.
        signal = torch.zeros(SIGNAL_WIDTH, device=self._latent.device)
        matrix, mean = parameters.latent_matrix[:, :SIGNAL_WIDTH], parameters.latent_mean[:SIGNAL_WIDTH]
        channel = matrix[list(LIDS)].abs().argmax(1)
        signal[channel] = 1 - mean[channel]
        shut = (matrix @ signal).clamp(0.5, LATENT_LIMIT)[self._latent][:, None]
        color, place = (parameters.values[f"correction_{name}"].data for name in ("color", "position"))
        at = (self._latent, self._slots)
        wanted = (self._wanted - parameters.values["color"].data[self._rows]) / shut
        color[at] = torch.lerp(color[at], wanted, self.strength * self._weight)
        place[at] = place[at] * (1 - self.strength * self._weight)
