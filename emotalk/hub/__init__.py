"""The Hugging Face Hub: avatars by address, recommended ones, sharing."""

from emotalk.hub.avatars import RecommendedAvatar, load_avatar, push_avatar, recommended_avatars, resolve_avatar
from emotalk.hub.client import HubAddress, fetch, publish

__all__ = [
    "HubAddress",
    "RecommendedAvatar",
    "fetch",
    "load_avatar",
    "publish",
    "push_avatar",
    "recommended_avatars",
    "resolve_avatar",
]
