"""Gaussian avatars: bound to the head model, posed by a `HeadMotion`, stored as checked folders.

avatar = load_avatar("mira")
cloud = avatar.pose(motion, t)
"""

from emotalk.avatar.card import AvatarCard, Consent
from emotalk.avatar.gallery import AvatarInfo, list_avatars, load_avatar
from emotalk.avatar.gaussians import REGIONS, BoundGaussians, Corrections
from emotalk.avatar.gltf import write_gltf
from emotalk.avatar.model import GaussianAvatar
from emotalk.avatar.ply import export_ply

__all__ = [
    "REGIONS",
    "AvatarCard",
    "AvatarInfo",
    "BoundGaussians",
    "Consent",
    "Corrections",
    "GaussianAvatar",
    "export_ply",
    "list_avatars",
    "load_avatar",
    "write_gltf",
]
