"""What is kept to improve an avatar: read with suspicion, bounded, gone with the avatar."""

import json
import os
from types import SimpleNamespace

import pytest
from filelock import FileLock

from emotalk.avatar.files import TENSORS
from emotalk.core.errors import InputError
from emotalk.create import kept
from emotalk.create.kept import can_improve, forget, keep, settings_of
from emotalk.create.workplace import JOB, LOCK, MADE, discard, sweep, work_folder

CONFIG = SimpleNamespace(size=512, seed=3)


def made(base, name, size=1000, age=0):
    """A complete avatar and its work folder with so many bytes, kept so many seconds ago."""
    avatar, work = base / name, work_folder(base, name)
    avatar.mkdir(parents=True)
    (avatar / TENSORS).write_bytes(name.encode())
    (work / "track" / "frames").mkdir(parents=True)
    (work / "fit").mkdir()
    (work / LOCK).touch()
    (work / JOB).write_text("{}")
    (work / "fit" / "state").write_bytes(bytes(size))
    for row in range(4):
        (work / "track" / "frames" / f"{row:06d}.jpg").write_bytes(b"a person")
    keep(work, avatar, CONFIG, [1, 3])
    if age and work.exists():
        then = (work / MADE).stat().st_mtime - age
        os.utime(work / MADE, (then, then))
    return work


def test_settings_come_back_and_only_the_frames_that_are_needed_stay(tmp_path):
    work = made(tmp_path, "anna")
    assert settings_of(work, tmp_path / "anna") == {"size": 512, "seed": 3}
    assert sorted(path.name for path in (work / "track" / "frames").iterdir()) == ["000001.jpg", "000003.jpg"]
    assert not (work / JOB).exists()
    assert can_improve("Anna", tmp_path)
    sweep(tmp_path)  # of what nobody can go on with
    assert can_improve("Anna", tmp_path)


def test_an_avatar_that_was_made_again_or_is_gone_is_not_improved(tmp_path):
    work = made(tmp_path, "anna")
    (tmp_path / "anna" / TENSORS).write_bytes(b"another")
    with pytest.raises(InputError, match="another avatar than"):
        settings_of(work, tmp_path / "anna")
    (tmp_path / "anna" / TENSORS).unlink()
    assert not can_improve("anna", tmp_path)
    with pytest.raises(InputError, match="no avatar"):
        settings_of(work, tmp_path / "anna")


@pytest.mark.parametrize(
    "notes",
    ["", "[]", "null", "[" * 100_000, "{}", '{"size": 512, "seed": 0}', "\x00",
     *(json.dumps({"size": 512, "seed": 0, "avatar": "x"} | wrong)
       for wrong in ({"size": 10**9}, {"size": "512"}, {"seed": -1}, {"seed": True}, {"seed": 1.5}, {"avatar": None}))],
)  # fmt: skip
def test_damaged_notes_are_a_sentence(tmp_path, notes):
    work = made(tmp_path, "anna")
    (work / MADE).write_text(notes)
    with pytest.raises(InputError, match="again from its video"):
        settings_of(work, tmp_path / "anna")


def test_nothing_that_was_kept_is_a_sentence(tmp_path):
    work = made(tmp_path, "anna")
    (work / MADE).unlink()
    with pytest.raises(InputError, match="Nothing was kept"):
        settings_of(work, tmp_path / "anna")
    assert not can_improve("anna", tmp_path)
    assert not can_improve("nobody", tmp_path)


def test_the_oldest_goes_where_it_is_too_much_and_what_is_too_large_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 5000)
    made(tmp_path, "old", size=2000, age=200)
    made(tmp_path, "new", size=2000, age=100)
    made(tmp_path, "newest", size=2000)
    assert [can_improve(name, tmp_path) for name in ("old", "new", "newest")] == [False, True, True]
    assert (tmp_path / "old" / TENSORS).exists()  # the avatar stays
    made(tmp_path, "huge", size=6000)
    assert not can_improve("huge", tmp_path)
    assert not work_folder(tmp_path, "huge").exists()


def test_what_another_run_holds_is_left_alone(tmp_path):
    work = made(tmp_path, "anna")
    with FileLock(work / LOCK).acquire(blocking=False):
        assert not forget("anna", tmp_path)
        assert (work / MADE).exists()
    assert forget("anna", tmp_path)


def test_discarding_a_run_removes_it_too(tmp_path):
    work = made(tmp_path, "anna")
    discard("anna", tmp_path)
    assert not work.exists()
    assert (tmp_path / "anna").exists()
