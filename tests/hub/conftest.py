"""A local Hub that the real client talks to, and a cache of the test's own."""

from collections.abc import Iterator

import huggingface_hub.constants as constants
import pytest

from tests.hub.local_hub import LocalHub


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[LocalHub]:
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_a_token_of_the_tests")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with LocalHub() as local:
        # The client reads these once, when it is imported.
        monkeypatch.setattr(constants, "ENDPOINT", local.url)
        template = local.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield local
