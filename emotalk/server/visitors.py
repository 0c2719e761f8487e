"""Who is asking: the page session and the network address that a request is counted for."""

from __future__ import annotations

import ipaddress
import secrets
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection

from emotalk.server.serving import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

FORWARDED = "x-emotalk-visitor"
"""A header that the server gives to MCP requests: Gradio answers those through a client of its own, which would make
all of them one visitor on loopback. It holds a secret of this process, so that nobody else can write it."""
_SECRET = secrets.token_urlsafe(24)


def address_of(connection: HTTPConnection | Any) -> str:
    """The address that a request came from, for counting.

    It is the connection's own. On a Hugging Face Space (SPACE_ID is set), where every connection comes from the proxy,
    it is the last hop of X-Forwarded-For, which the proxy wrote; anything before that anybody can write. Of an IPv6
    address the first 64 bits count: one machine has all of the rest.
    """
    headers: Mapping[str, str] = connection.headers
    secret, _, forwarded = headers.get(FORWARDED, "").partition(" ")
    if forwarded and secrets.compare_digest(secret.encode(), _SECRET.encode()):
        return forwarded
    client = connection.client
    found = client.host if client else ""
    if settled().on_space and headers.get("x-forwarded-for"):
        found = headers["x-forwarded-for"].rpartition(",")[2].strip()
    return _network(found)


def is_forwarded(connection: HTTPConnection | Any) -> bool:
    """Whether the server itself asks on behalf of a visitor, through a session that all of those share."""
    return FORWARDED in connection.headers and address_of(connection) != _network(
        connection.client.host if connection.client else ""
    )


def forwarding_header(connection: HTTPConnection) -> tuple[bytes, bytes]:
    """The header to add to a request that Gradio will repeat in its own name."""
    return FORWARDED.encode(), f"{_SECRET} {address_of(connection)}".encode()


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 6 and not parsed.ipv4_mapped:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed.ipv4_mapped or parsed) if parsed.version == 6 else str(parsed)
