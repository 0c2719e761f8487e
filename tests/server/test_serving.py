"""Where the page is served decides whose it is, and which names lead to it."""

from __future__ import annotations

import pytest

from emotalk.server import serving
from emotalk.server.limits import PUBLIC, is_public, limits
from emotalk.server.serving import serve_at, settle
from emotalk.ui import build_app


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMOTALK_PUBLIC", "EMOTALK_HOSTS", "GRADIO_SERVER_NAME", "GRADIO_SHARE", "SPACE_ID", "SPACE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(serving, "_settled", None)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "localhost", "::1", "[::1]"])
def test_what_only_this_machine_reaches_is_ones_own(address: str) -> None:
    assert not serve_at(address).public


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.20", "my-machine", "my-machine.local"])
def test_what_others_reach_is_public_unless_its_owner_says_otherwise(monkeypatch, address: str) -> None:
    assert serve_at(address).public
    monkeypatch.setenv("GRADIO_SERVER_NAME", address)
    assert serve_at().public
    assert limits() is PUBLIC  # also before anything was settled
    for empty in ("", "  "):
        monkeypatch.setenv("EMOTALK_PUBLIC", empty)  # nothing said
        assert serve_at(address).public
    monkeypatch.setenv("EMOTALK_PUBLIC", "0")
    assert not serve_at(address).public
    assert not is_public()


def test_the_internet_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve_at("127.0.0.1", share=True).public
    monkeypatch.setenv("GRADIO_SHARE", "True")
    assert serve_at().public
    assert not serve_at(share=False).public
    monkeypatch.delenv("GRADIO_SHARE")
    monkeypatch.setenv("SPACE_ID", "me/emotalk")
    assert serve_at().public
    assert not serve_at(share=True).share  # a Space has its own address


def test_ones_own_machine_may_be_public_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    assert serve_at("127.0.0.1").public


def test_what_was_settled_holds_for_the_whole_process() -> None:
    settle(serve_at("0.0.0.0"))
    assert limits() is PUBLIC
    settle(serve_at("127.0.0.1"))
    assert not is_public()


@pytest.mark.parametrize(
    ("bound", "leads_here", "does_not"),
    [
        ("127.0.0.1", ["localhost", "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "x.localhost"],
         ["evil.example", "evil.example:7860", "192.168.1.20", "localhost.evil.example", "", "a@localhost", "[::1"]),
        ("0.0.0.0", ["localhost:7860", "192.168.1.20:7860", "[fe80::1]:7860", "10.0.0.1"],
         ["evil.example", "192.168.1.20.evil.example", "myhost", "myhost.local:7860"]),
        ("192.168.1.20", ["192.168.1.20:7860", "127.0.0.1"], ["192.168.1.21", "evil.example"]),
        ("my-machine", ["my-machine:7860", "MY-MACHINE", "my-machine."], ["other", "192.168.1.20"]),
    ],
)  # fmt: skip
def test_only_names_that_were_bound_lead_here(bound: str, leads_here: list[str], does_not: list[str]) -> None:
    served = serve_at(bound)
    assert [host for host in leads_here if not served.is_host(host)] == []
    assert [host for host in does_not if served.is_host(host)] == []


def test_the_owner_may_name_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_HOSTS", "faces.example, Studio.Local:7860,,")
    served = serve_at("0.0.0.0")
    assert served.is_host("faces.example")
    assert served.is_host("studio.local")
    assert not served.is_host("other.example")


def test_a_space_is_known_by_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "me/emotalk")
    monkeypatch.setenv("SPACE_HOST", "me-emotalk.hf.space")
    served = serve_at("0.0.0.0")
    assert served.is_host("me-emotalk.hf.space")
    assert served.is_host("10.20.30.40:7860")  # its own health checks
    assert not served.is_host("hf.space.evil.example")
    assert serve_at("127.0.0.1", share=False).is_host("x.gradio.live") is False
    monkeypatch.delenv("SPACE_ID")
    assert serve_at("127.0.0.1", share=True).is_host("x.gradio.live")


def test_a_page_built_for_its_owner_is_not_opened_to_strangers(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emotalk.core.errors import InputError
    from tests.ui.drawn_studio import DrawnStudio

    app = build_app(DrawnStudio(tmp_path))
    for options in ({"server_name": "0.0.0.0"}, {"share": True}):
        with pytest.raises(InputError, match="build_app"):
            app.launch(**options)
