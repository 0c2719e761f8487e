"""Files of jobs: on this machine, or where fsspec reaches."""

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.batch.files import Digests, fetch, is_address, local_path, plain_name, state_of
from emotalk.core.errors import InputError

STORE = fsspec.filesystem("memory")


@pytest.mark.parametrize(("text", "address"), [
    ("a.wav", False), ("/a/b.wav", False), ("C:\\a.wav", False), ("file:///a.wav", False), ("a:b", False), ("", False),
    ("s3://bucket/a.wav", True), ("gs://b/a", True), ("hf://datasets/org/set/a.mp4", True), ("memory://a", True),
])  # fmt: skip
def test_an_address_is_told_from_a_path(text, address):
    assert is_address(text) is address


@pytest.mark.parametrize(
    "text", ["http://a/b", "https://a/b", "ftp://a", "S3://a", "github://a", "reference://a", "s3://a::memory://b"]
)
def test_no_other_address_is_gone_to(text):
    with pytest.raises(InputError):
        is_address(text)


def test_a_file_elsewhere_is_fetched_under_its_name(tmp_path):
    STORE.pipe_file("/files/a.wav", b"sound")
    assert fetch("memory://files/a.wav", tmp_path / "0") == tmp_path / "0" / "a.wav"
    assert (tmp_path / "0" / "a.wav").read_bytes() == b"sound"
    for missing in ("memory://files/gone.wav", "memory://files"):
        with pytest.raises(InputError):
            fetch(missing, tmp_path)
        with pytest.raises(InputError):
            state_of(missing)


def test_one_that_is_too_large_is_refused_before_it_is_fetched(tmp_path, monkeypatch):
    STORE.pipe_file("/files/large.wav", b"x" * 100)
    monkeypatch.setattr("emotalk.batch.files.LARGEST", 99)
    with pytest.raises(InputError, match="at most"):
        fetch("memory://files/large.wav", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_its_state_changes_with_it():
    STORE.pipe_file("/files/a.txt", b"one")
    before = state_of("memory://files/a.txt")
    assert state_of("memory://files/a.txt") == before
    STORE.pipe_file("/files/a.txt", b"other")
    assert state_of("memory://files/a.txt") != before


def test_a_package_that_is_missing_is_named(monkeypatch):
    def missing(address):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(InputError, match="pip install s3fs"):
        state_of("s3://bucket/a.wav")


@given(st.text())
def test_whatever_an_address_ends_in_its_file_lies_in_the_folder_it_is_put_into(tail):
    name = plain_name(f"memory://files/{tail}")
    assert "/" not in name
    assert "\\" not in name
    assert name.isascii()
    assert name.isprintable()
    assert 0 < len(name) <= 110
    assert not name.startswith(".")


def test_a_digest_follows_content_and_names(tmp_path):
    folder, digests = tmp_path / "avatar", Digests()
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a").write_bytes(b"1")
    before = digests.of(folder)
    assert Digests().of(folder) == before
    (folder / "deep" / "a").write_bytes(b"22")
    assert digests.of(folder) != before
    (folder / "deep" / "a").write_bytes(b"1")
    (folder / "deep" / "a").rename(folder / "deep" / "b")
    assert Digests().of(folder) != before
    with pytest.raises(OSError, match="gone"):
        digests.of(tmp_path / "gone")


def test_a_local_address_is_a_path(tmp_path):
    assert local_path(f"file://{tmp_path}/a") == tmp_path / "a" == local_path(str(tmp_path / "a"))
