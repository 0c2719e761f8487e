"""Where a model is asked: addresses that are refused, and a key that nobody sees."""

from __future__ import annotations

import pytest

from emotalk.chat.endpoint import Endpoint, endpoint_of_environment, persona_of_environment
from emotalk.core.errors import InputError

KEY = "sk-nobody-sees-this"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://localhost:8080/v1", "http://localhost:8080/v1/chat/completions"),
        ("https://example.org/v1/", "https://example.org/v1/chat/completions"),
        ("http://[::1]:1234", "http://[::1]:1234/chat/completions"),
        ("http://a/v1/chat/completions", "http://a/v1/chat/completions"),
    ],
)
def test_the_path_is_added_to_the_base_address(url: str, asked: str) -> None:
    assert Endpoint(url).completions == asked


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:8080", "ftp://a/v1", "file:///etc/passwd", "http://", "http:///v1", "http://a b/v1", "//a/v1",
        "http://me:secret@a/v1", "http://a/v1?key=secret", "http://a/v1#secret", "http://a:99999/v1", "http://[::1/v1",
        "http://a/\r\nX: secret", "http://\u00e9/v1", "http:\\\\a", "javascript:secret", "http://a/" + "a" * 500, 7,
        None,
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words_that_do_not_repeat_it(url: object) -> None:
    with pytest.raises(InputError, match="chat server") as refused:
        Endpoint(url)
    assert "secret" not in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("key", ["a\r\nX: y", "a b", "\u00e9", "a" * 1001, 5])
def test_a_key_that_no_header_can_carry_is_refused_without_it(key: object) -> None:
    with pytest.raises(InputError, match="key") as refused:
        Endpoint("http://a/v1", key)
    assert str(key) not in str(refused.value)


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(Endpoint("http://a/v1", KEY)) + str(Endpoint("http://a/v1", KEY))


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint_of_environment() is None
    for name, value in {"URL": " http://a/v1 ", "KEY": KEY, "MODEL": "small"}.items():
        monkeypatch.setenv(f"EMOTALK_CHAT_{name}", value)
    assert endpoint_of_environment() == Endpoint("http://a/v1", KEY, "small")
    monkeypatch.setenv("EMOTALK_CHAT_KEY", "")
    assert endpoint_of_environment().key is None
    assert persona_of_environment() == ""
    monkeypatch.setenv("EMOTALK_CHAT_PERSONA", "You are Mira." + "a" * 10_000)
    assert persona_of_environment().startswith("You are Mira.")
    assert len(persona_of_environment()) == 4000
