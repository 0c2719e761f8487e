"""The Hugging Face Hub: checked downloads and uploads, models by address. Knows nothing of what it brings."""

from emotalk.hub.client import HubAddress, downloaded, fetch, publish
from emotalk.hub.models import model_folder

__all__ = ["HubAddress", "downloaded", "fetch", "model_folder", "publish"]
