"""The Hugging Face Hub: avatars and models by address, recommended avatars, sharing."""

from emotalk.hub.avatars import RecommendedAvatar, load_avatar, push_avatar, recommended_avatars, resolve_avatar
from emotalk.hub.client import HubAddress, downloaded, fetch, publish
from emotalk.hub.models import model_folder

__all__ = [
    "HubAddress",
    "RecommendedAvatar",
    "downloaded",
    "fetch",
    "load_avatar",
    "model_folder",
    "publish",
    "push_avatar",
    "recommended_avatars",
    "resolve_avatar",
]
