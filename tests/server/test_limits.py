"""EMOTALK_PUBLIC=1: what a page that is open to strangers allows. Where it is served decides too: test_serving."""

import pytest

from emotalk.server import serving
from emotalk.server.limits import OWN_MACHINE, is_public, limits, max_seconds


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTALK_PUBLIC", raising=False)
    for name in ("EMOTALK_MAX_SECONDS", "GRADIO_SERVER_NAME", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(serving, "_settled", None)


@pytest.mark.parametrize("value", ["", "0", "no", "False", " off "])
def test_a_machine_is_ones_own_unless_it_is_said(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert not is_public()
    monkeypatch.setenv("EMOTALK_PUBLIC", value)
    assert not is_public()
    assert limits() is OWN_MACHINE
    assert max_seconds() == 600


def test_in_public_every_limit_is_tighter_and_no_face_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    assert is_public()
    own, public = vars(OWN_MACHINE), vars(limits())
    assert all(0 < public[name] < own[name] for name in own if name != "keep_avatars")
    assert own["keep_avatars"]
    assert not public["keep_avatars"]
    assert max_seconds() == public["max_seconds"]


@pytest.mark.parametrize(("wish", "seconds"), [("25", 25), ("0", 1), ("two", 60), ("900", 900)])
def test_the_owner_may_set_the_longest_clip_either_way(
    monkeypatch: pytest.MonkeyPatch, wish: str, seconds: float
) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    monkeypatch.setenv("EMOTALK_MAX_SECONDS", wish)
    assert max_seconds() == seconds
