"""The address that a request is counted for."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from emotalk.server import serving
from emotalk.server.visitors import FORWARDED, address_of, forwarding_header, is_forwarded


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setattr(serving, "_settled", None)


def connection(client: str, **headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "client": (client, 1), "headers": raw})


def test_it_is_the_connections_whatever_a_client_writes() -> None:
    assert address_of(connection("1.2.3.4")) == "1.2.3.4"
    assert address_of(connection("1.2.3.4", x_forwarded_for="5.6.7.8")) == "1.2.3.4"
    assert address_of(connection("1.2.3.4", x_real_ip="5.6.7.8", forwarded="for=5.6.7.8")) == "1.2.3.4"


def test_on_a_space_it_is_what_the_proxy_wrote_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "me/emotalk")
    assert address_of(connection("10.0.0.1", x_forwarded_for="5.6.7.8")) == "5.6.7.8"
    assert address_of(connection("10.0.0.1", x_forwarded_for="9.9.9.9, 5.6.7.8")) == "5.6.7.8"
    assert address_of(connection("10.0.0.1")) == "10.0.0.1"


def test_of_ipv6_the_network_counts() -> None:
    assert address_of(connection("2001:db8::1")) == address_of(connection("2001:db8::2:3")) == "2001:db8::/64"
    assert address_of(connection("::ffff:1.2.3.4")) == "1.2.3.4"


def test_a_request_in_the_servers_own_name_counts_for_who_asked() -> None:
    name, value = forwarding_header(connection("5.6.7.8"))
    inner = HTTPConnection({"type": "http", "client": ("127.0.0.1", 1), "headers": [(name, value)]})
    assert address_of(inner) == "5.6.7.8"
    assert is_forwarded(inner)
    forged = connection("1.2.3.4", **{FORWARDED: "secret 5.6.7.8"})
    assert address_of(forged) == "1.2.3.4"
    assert not is_forwarded(forged)
