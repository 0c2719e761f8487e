"""The live face: an avatar as one small file that a browser draws by itself. See docs/live-pack.md."""

from emotalk.live.pack import LivePack, live_pack

__all__ = ["LivePack", "live_pack"]
