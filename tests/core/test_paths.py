"""Caches land where the person asked for, or somewhere writable."""

import sys
import tempfile
from pathlib import Path

import pytest

from emotalk.core.paths import cache_dir


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
