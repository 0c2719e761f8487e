"""Where a language model is asked: an address, a key that nobody is shown, the name of a model."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from emotalk.core.errors import InputError

URL, KEY, MODEL, PERSONA = "EMOTALK_CHAT_URL", "EMOTALK_CHAT_KEY", "EMOTALK_CHAT_MODEL", "EMOTALK_CHAT_PERSONA"
"""Names in the environment; PERSONA says who the face is."""
LONGEST = {"address": 500, "key": 1000, "model": 200, "persona": 4000}
"""Characters at most."""
_WHERE = "/chat/completions"


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server. `url` is its base address (http://localhost:8080/v1), `model` the name of a model
    where the server has several. Raises InputError, which repeats neither address nor key."""

    url: str
    key: str | None = field(default=None, repr=False)
    model: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("address", self.url), ("key", self.key), ("model", self.model)):
            if (value is not None or name == "address") and (not isinstance(value, str) or len(value) > LONGEST[name]):
                raise InputError(f"The {name} of a chat server is a text of at most {LONGEST[name]} characters.")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable() and " " not in self.key):
            raise InputError("The key of a chat server has ASCII letters, digits and signs only, no spaces or lines.")
        if self.model is not None and not self.model.isprintable():
            raise InputError("The name of a chat server's model holds characters that cannot be printed; type it anew.")
        _check_address(self.url)

    @property
    def completions(self) -> str:
        """The address that is asked."""
        base = self.url.rstrip("/")
        return base if base.endswith(_WHERE) else base + _WHERE

    @property
    def host(self) -> str:
        """The name of the machine that is asked, without brackets."""
        return urlsplit(self.url).hostname or ""


def endpoint_of_environment() -> Endpoint | None:
    """The endpoint that EMOTALK_CHAT_URL, _KEY and _MODEL name; None where there is no address. Raises InputError."""
    url, key, model = (os.environ.get(name, "").strip() for name in (URL, KEY, MODEL))
    return Endpoint(url, key or None, model or None) if url else None


def persona_of_environment() -> str:
    """Who the face is, as EMOTALK_CHAT_PERSONA says; "" where it says nothing."""
    said = os.environ.get(PERSONA, "").encode("utf-8", "replace").decode()
    return said.strip()[: LONGEST["persona"]]


def _check_address(url: str) -> None:
    remedy = "write it like http://localhost:8080/v1"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InputError(f"The address of a chat server holds characters that no address has; {remedy}.")
    try:
        parts = urlsplit(url)
        name, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError(f"The address of a chat server cannot be read; {remedy}.") from None
    if parts.scheme not in ("http", "https") or not name:
        raise InputError(f"The address of a chat server begins with http:// or https:// and a name; {remedy}.")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"The address of a chat server holds a user or password; give the key apart, and {remedy}.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise InputError(f"The address of a chat server has a part behind ? or #; leave that out, and {remedy}.")
