"""Own avatars: names become folders, nothing outside of the own folder is ever touched."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from emotalk.avatar import load_avatar
from emotalk.avatar.gallery import delete_avatar, find_avatar, find_own, folder_name, pack_avatar
from emotalk.avatar.model import head_version
from emotalk.core.errors import AvatarError, InputError
from emotalk.head import HeadModel
from tests.avatar.doubles import EggHead


@pytest.fixture(scope="module")
def mira():
    return load_avatar("mira")


@pytest.mark.parametrize(
    ("title", "folder"),
    [
        ("me", "me"),
        ("  Anna Müller ", "anna-muller"),
        ("Größe 2", "grosse-2"),
        ("../../etc", "etc"),
        ("a.b/c", "a-b-c"),
    ],
)
def test_a_title_becomes_a_plain_folder_name(title: str, folder: str) -> None:
    assert folder_name(title) == folder


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("", "no name"), ("   ", "no name"), (None, "no name"), ("x" * 41, "at most 40"), ("a\nb", "printable"),
        ("李", "no letter"), ("../..", "no letter"), ("Mira", "comes with the program"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_name_is_refused_with_a_sentence(title, message: str) -> None:
    with pytest.raises(InputError, match=message):
        folder_name(title)


def test_an_own_avatar_is_packed_and_the_zip_holds_a_working_avatar(mira, tmp_path: Path) -> None:
    base = tmp_path / "avatars"
    mira.save(base / "me")
    target = pack_avatar("me", tmp_path / "me.zip", base)
    with zipfile.ZipFile(target) as archive:
        assert sorted(archive.namelist()) == ["me/avatar.safetensors", "me/card.json", "me/thumbnail.jpg"]
        archive.extractall(tmp_path / "elsewhere")
    assert len(load_avatar(tmp_path / "elsewhere" / "me")) == len(mira)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_deleting_removes_that_avatar_and_nothing_else(mira, tmp_path: Path) -> None:
    for name in ("me", "you"):
        mira.save(tmp_path / name)
    delete_avatar("me", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["you"]


@pytest.mark.parametrize(
    "name", ["../you", "..", ".", "", "you/..", "/etc", "YOU", ".you", "you\x00", "mira", "link", "notes", None, 7]
)
def test_no_name_leads_out_of_the_own_folder(mira, tmp_path: Path, name) -> None:
    base = tmp_path / "avatars"
    mira.save(tmp_path / "you")
    (base / "notes").mkdir(parents=True)
    (base / "notes" / "diary.txt").write_text("private")
    (base / "link").symlink_to(tmp_path / "you")
    for act in (find_own, delete_avatar):
        with pytest.raises(AvatarError, match="no avatar of your own"):
            act(name, base)
    with pytest.raises(AvatarError, match="no avatar of your own"):
        pack_avatar(name, tmp_path / "x.zip", base)
    assert (tmp_path / "you" / "card.json").is_file()
    assert (base / "notes" / "diary.txt").is_file()
    assert not (tmp_path / "x.zip").exists()


def test_an_avatar_of_the_first_release_loads(tmp_path: Path) -> None:
    """Its card calls the head by a name that did not cover the positions of vertices."""
    shutil.copytree(find_avatar("mira"), tmp_path / "mira")
    card = tmp_path / "mira" / "card.json"
    known = json.loads(card.read_text())
    assert known["head_version"] == head_version(HeadModel.load())  # shipped cards themselves name the head of today
    known["head_version"] = "emotalk-head-1-7862493814"
    card.write_text(json.dumps(known))
    assert load_avatar(tmp_path / "mira").card.name == "Mira"


@pytest.mark.parametrize("part", ["template", "triangles", "identity_basis"])
def test_a_head_that_differs_in_one_number_has_another_version(part: str) -> None:
    head, other = EggHead(), EggHead()
    assert head_version(head) == head_version(other)
    changed = getattr(other, part).clone()
    changed.view(-1)[-1] += 1 if part == "triangles" else 1e-6
    setattr(other, part, changed)
    assert head_version(head) != head_version(other)
