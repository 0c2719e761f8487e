"""Caches land where the person asked for, or somewhere writable."""

import sys
import tempfile
from pathlib import Path

import pytest

from emotalk.core.paths import cache_dir, cache_root


def test_cache_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "here"))
    assert cache_dir("kernels") == tmp_path / "here" / "kernels"
    monkeypatch.delenv("EMOTALK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir("kernels") == tmp_path / "xdg" / "emotalk" / "kernels"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs knows the place")
def test_on_linux_the_cache_is_where_it_always_was(tmp_path, monkeypatch):
    for name in ("EMOTALK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir("avatars") == tmp_path / ".cache" / "emotalk" / "avatars"


def test_unwritable_cache_falls_back_to_the_temporary_folder(tmp_path, monkeypatch):
    # A file where the folder should be cannot be written into, even by root.
    blocked = tmp_path / "blocked"
    blocked.write_text("not a folder")
    monkeypatch.setenv("EMOTALK_CACHE", str(blocked))
    folder = cache_dir("kernels")
    assert folder.is_dir()
    assert Path(tempfile.gettempdir()) in folder.parents


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_the_fallback_is_this_users_alone_and_no_planted_link_is_followed(tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("not a folder")
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "blocked"))
    temporary, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    temporary.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    folder = cache_dir("kernels")
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.parent.rmdir()
    folder.parent.symlink_to(elsewhere, target_is_directory=True)
    again = cache_dir("kernels")
    assert again.is_dir()
    assert list(elsewhere.iterdir()) == []
    assert cache_dir("kernels") == again  # one for the whole run, not one for every call


def test_what_is_there_to_tidy_up(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "here"))
    assert cache_root() is None
    cache_dir("kernels")
    assert cache_root() == tmp_path / "here"
