"""Avatars by name, folder and Hub address; sharing them."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from emotalk.avatar import AvatarCard, Consent, list_avatars
from emotalk.avatar.hub_avatars import load_avatar, model_card, push_avatar, recommended_avatars, resolve_avatar
from emotalk.core.errors import AvatarError, HubError
from emotalk.core.paths import CHECKPOINTS
from emotalk.motion import MotionModel
from emotalk.motion.habits import Habits

MIRA = CHECKPOINTS / "avatars" / "mira"


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_shipped_name_needs_no_hub(hub):
    assert resolve_avatar("mira") == MIRA
    assert hub.requests == []


def test_a_folder_is_taken_at_its_word(hub, tmp_path):
    shutil.copytree(MIRA, tmp_path / "me")
    assert resolve_avatar(str(tmp_path / "me")) == tmp_path / "me"


def test_an_address_is_downloaded_checked_and_loaded(hub):
    hub.add("org/faces", {f"mira/{name}": data for name, data in files_of(MIRA).items()})
    assert load_avatar("org/faces/mira").card.name == load_avatar("mira").card.name
    assert files_of(resolve_avatar("org/faces/mira")) == files_of(MIRA)


def test_the_card_of_a_download_names_the_commit_it_is_pinned_to(hub):
    commit = hub.add("org/face", files_of(MIRA))
    assert load_avatar("org/face").card.source == f"org/face@{commit}"
    assert load_avatar("org/face@main").card.source == f"org/face@{commit}"
    assert load_avatar("mira").card.source == ""


def test_unknown_names_and_addresses_say_so(hub):
    with pytest.raises(AvatarError, match="known are:"):
        resolve_avatar("nobody")
    with pytest.raises(AvatarError):
        resolve_avatar("../checkpoints/avatars/mira/../../x")
    with pytest.raises(HubError, match="There is no org/nobody"):
        resolve_avatar("org/nobody")


def test_push_and_pull_give_the_same_bytes(hub):
    push_avatar("mira", "me/my-mira")
    assert hub.repositories["me/my-mira"].private
    pulled = files_of(resolve_avatar("me/my-mira"))
    assert pulled == files_of(MIRA)
    page = hub.repositories["me/my-mira"]
    assert b"library_name: emotalk" in page.commits[page.branches["main"]]["README.md"]


def test_push_and_pull_keep_how_the_person_moves(hub, tmp_path):
    model = MotionModel.load()
    nobody = model.network.person().adaptation(model.network.fingerprint(), {"seconds": 12.0})
    habits = Habits(pose=(0.1, -0.05, 0.02), size=(0.5, 1.25, 2.0), tempo=1.5, blinks=0.75)
    own = dataclasses.replace(nobody, habits=habits, gain=np.full(52, 0.25))
    load_avatar("mira").replace(motion=own).save(tmp_path / "me")
    push_avatar(tmp_path / "me", "me/moving")
    assert (
        files_of(resolve_avatar("me/moving"))["motion.safetensors"] == files_of(tmp_path / "me")["motion.safetensors"]
    )
    pulled = load_avatar("me/moving").motion
    np.testing.assert_array_equal(pulled.gain, own.gain)
    np.testing.assert_array_equal(pulled.habits.vector, habits.vector)
    assert model.adapted(pulled).habits == pulled.habits


def test_a_damaged_avatar_is_not_pushed(hub, tmp_path):
    shutil.copytree(MIRA, tmp_path / "me")
    data = bytearray((tmp_path / "me" / "avatar.safetensors").read_bytes())
    (tmp_path / "me" / "avatar.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(AvatarError):
        push_avatar(tmp_path / "me", "me/my-mira")
    assert hub.requests == []


@pytest.mark.parametrize("repo", ["mira", "a/b/c", "a/b@v1", "../x", "a/b; rm"])
def test_pushing_needs_a_repository_name(hub, repo):
    with pytest.raises(HubError, match="user/name"):
        push_avatar("mira", repo)


def test_a_malicious_header_from_the_hub_is_a_sentence(hub):
    files = files_of(MIRA)
    files["avatar.safetensors"] = (2**62).to_bytes(8, "little") + b"{" * 400
    hub.add("org/evil", files)
    with pytest.raises(AvatarError, match="announces a header"):
        load_avatar("org/evil")


class TestCards:
    def test_the_words_of_a_card_cannot_break_out_of_its_page(self):
        card = AvatarCard(
            name='<img src=x onerror="1">\n---',
            licence='mine: "all"\nlibrary_name: other',
            provenance="[click](javascript:1)",
            synthetic=False,
            consent=Consent("I agree.\n# no", "2026-01-01T00:00:00Z"),
        )
        page = model_card(card, "me/x")
        front = page.split("---")[1]
        assert front.count("library_name:") == 2  # the second is inside a quoted string
        assert 'license_name: "mine: \\"all\\"\\nlibrary_name: other"' in front
        assert "<img" not in page
        assert "[click](" not in page
        assert "agreed on 2026-01-01" in page

    @pytest.mark.parametrize(
        ("live", "said"), [(True, "may be drawn live in the browsers"), (False, "finished videos only")]
    )
    def test_a_page_says_whether_the_person_may_be_drawn_in_browsers(self, live, said):
        consent = Consent("I agree.", "2026-01-01T00:00:00Z", live=live)
        page = model_card(AvatarCard("Anna", "mine", "a photo", synthetic=False, consent=consent), "me/x")
        assert said in page.split("## Consent")[1].split("##")[0]

    def test_every_shipped_avatar_has_a_page(self):
        for info in list_avatars([(CHECKPOINTS / "avatars", True)]):
            page = model_card(info.card, "me/x")
            assert "license: cc0-1.0" in page
            assert "synthetic" in page


class TestIndex:
    def test_the_shipped_index_is_readable(self, monkeypatch):
        monkeypatch.delenv("EMOTALK_AVATAR_INDEX", raising=False)
        assert isinstance(recommended_avatars(), list)

    def test_another_index_can_be_named(self, tmp_path, monkeypatch):
        path = tmp_path / "index.json"
        entry = {"address": "org/faces/ada@v1", "title": "Ada", "licence": "CC0-1.0"}
        path.write_text(json.dumps({"avatars": [entry]}))
        monkeypatch.setenv("EMOTALK_AVATAR_INDEX", str(path))
        assert [(e.address, e.title, e.licence) for e in recommended_avatars()] == [tuple(entry.values())]

    @pytest.mark.parametrize("text", ["", "[]", '{"avatars": 3}', '{"avatars": [{"address": "../x"}]}', "\x00"])
    def test_a_broken_index_is_a_sentence(self, tmp_path, monkeypatch, text):
        path = tmp_path / "index.json"
        path.write_text(text)
        monkeypatch.setenv("EMOTALK_AVATAR_INDEX", str(path))
        with pytest.raises(HubError, match=r"index\.json"):
            recommended_avatars()


def test_where_strangers_type_only_gallery_and_hub_are_looked_at(hub, tmp_path, monkeypatch):
    shutil.copytree(MIRA, tmp_path / "org" / "me")
    monkeypatch.chdir(tmp_path)
    assert resolve_avatar("org/me") == Path("org/me")
    with pytest.raises(HubError, match="There is no org/me"):
        resolve_avatar("org/me", paths=False)
    for path in (str(tmp_path / "org" / "me"), "./org/me", "../x"):
        with pytest.raises(AvatarError, match="no address on the Hub"):
            resolve_avatar(path, paths=False)
    assert resolve_avatar("mira", paths=False) == MIRA
