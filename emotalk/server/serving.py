"""Where the page is served, and what follows from it: whose machine this is and which names lead to it.

    python app.py ─► serve_at ─► Serving ─► limits.is_public, the middleware's names, gr.Blocks.launch
    (GRADIO_SERVER_NAME, GRADIO_SHARE, SPACE_ID, EMOTALK_PUBLIC, EMOTALK_HOSTS)

A page that others can reach is public unless its owner says otherwise (EMOTALK_PUBLIC=0). This has to be known before
the page is built, since its parts depend on it: `build_app` settles it once.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"
_NO = ("0", "no", "false", "off")
_SHARED = ".gradio.live"
_SPACES = ".hf.space"


@dataclass(frozen=True)
class Serving:
    """Where a page is served. Make it with `serve_at`."""

    address: str  # what is bound: a name or an address; 0.0.0.0 and :: are all of this machine's
    share: bool  # whether Gradio's tunnel gives it an address on the internet
    on_space: bool  # whether it runs on a Hugging Face Space, behind its proxy
    public: bool  # whether strangers use it
    hosts: frozenset[str]  # names and addresses that its owner says lead here, in lower case

    def is_host(self, host: str) -> bool:
        """Whether the Host header `host` (a name or an address, with or without a port) leads here.

        A browser tricked by DNS rebinding sends the name of the page that tricked it, so only known names are taken;
        a bare address cannot be rebound, and is taken where all addresses of the machine are bound.
        """
        name = host_name(host)
        if not name:
            return False
        if name in (*self.hosts, self.address.lower(), "localhost") or name.endswith(".localhost"):
            return True
        address = _address(name)
        if address is not None:
            return address.is_loopback or self.on_space or self.share or _is_any(self.address)
        return (self.on_space and name.endswith(_SPACES)) or (self.share and name.endswith(_SHARED))


def serve_at(server_name: str | None = None, share: bool | None = None) -> Serving:
    """How the page is served when launched with these options of `gr.Blocks.launch` and this environment.

    It is public on a Space, with `share`, and where anything but loopback is bound; EMOTALK_PUBLIC says otherwise,
    either way.
    """
    address = (server_name or os.environ.get("GRADIO_SERVER_NAME") or LOOPBACK).strip().strip("[]")
    on_space = bool(os.environ.get("SPACE_ID"))
    if share is None:
        share = os.environ.get("GRADIO_SHARE", "").strip().lower() == "true" or _in_hosted_notebook()
    share = bool(share) and not on_space
    said = says_public()
    reachable = on_space or share or not is_loopback(address)
    return Serving(address, share, on_space, reachable if said is None else said, _configured())


def says_public() -> bool | None:
    """What EMOTALK_PUBLIC says: False for 0, no, false or off, None where it is unset or empty, else True."""
    said = os.environ.get("EMOTALK_PUBLIC", "").strip().lower()
    return None if not said else said not in _NO


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what is bound to `address`."""
    parsed = _address(address.strip("[]"))
    return address == "localhost" if parsed is None else parsed.is_loopback


def host_name(host: str) -> str:
    """The name in a Host header or in EMOTALK_HOSTS, in lower case, without port, brackets and a final dot; empty for
    what is none."""
    host = host.strip().lower()
    if host.startswith("["):
        name, bracket, _ = host[1:].partition("]")
        return name if bracket else ""
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    return name.removesuffix(".") if not any(c in name for c in "/@\\ ,?#") else ""


_settled: Serving | None = None


def settle(serving: Serving) -> Serving:
    """Make `serving` the answer of `settled` from now on; returns it."""
    global _settled
    _settled = serving
    return serving


def settled() -> Serving:
    """How this process serves its page: what was settled last, else what the environment says."""
    return _settled or serve_at()


def _configured() -> frozenset[str]:
    names = [*os.environ.get("EMOTALK_HOSTS", "").split(","), os.environ.get("SPACE_HOST", "")]
    return frozenset(filter(None, map(host_name, names)))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None


def _is_any(address: str) -> bool:
    parsed = _address(address)
    return parsed is not None and parsed.is_unspecified


def _in_hosted_notebook() -> bool:
    """Whether this is a notebook on somebody else's machine: Gradio then shares the page unasked."""
    from gradio import utils

    return utils.colab_check() or utils.is_hosted_notebook()
