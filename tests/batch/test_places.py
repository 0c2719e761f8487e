"""Results are there whole or not at all, on this machine and elsewhere."""

import itertools
import json
import os

import fsspec
import pytest

from emotalk.batch.places import NOTE, LocalPlace, RemotePlace, place_of
from emotalk.core.errors import InputError

FRESH = itertools.count()


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    if request.param == "local":
        return place_of(tmp_path / "out")
    return place_of(f"memory://places{next(FRESH)}")


class Reached:
    """The files of a place by name, as somebody else sees them."""

    def __init__(self, place):
        self._system, self._root = fsspec.core.url_to_fs(place.address)

    def read(self, name):
        return self._system.cat_file(f"{self._root}/{name}")

    def write(self, name, data):
        self._system.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(f"{self._root}/{name}", data)

    def names(self, folder=""):
        start = len(self._root.strip("/")) + 1
        return sorted(path.strip("/")[start:] for path in self._system.find(f"{self._root}/{folder}".rstrip("/")))


def made(folder, **files):
    """A folder with these files; a dot in their names is written as _."""
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_a_result_is_found_again_by_its_digest(place, tmp_path):
    assert not place.done("a/b", "1")
    place.put("a/b", made(tmp_path / "r", said_txt=b"hello", deep__x_bin=b""), "1", {"letters": 5})
    assert place.done("a/b", "1")
    assert not place.done("a/b", "2")
    assert not place.done("a", "1")
    seen = Reached(place)
    assert seen.names("a/b") == ["a/b/deep/x.bin", f"a/b/{NOTE}", "a/b/said.txt"]
    note = json.loads(seen.read(f"a/b/{NOTE}"))
    assert note["facts"] == {"letters": 5}
    assert note["files"] == {"said.txt": 5, "deep/x.bin": 0}


def test_a_new_result_takes_the_place_of_the_old_one_with_all_its_files(place, tmp_path):
    place.put("a", made(tmp_path / "r", said_txt=b"hello", old_txt=b"old"), "1", {})
    place.put("a", made(tmp_path / "s", said_txt=b"bye"), "2", {})
    assert place.done("a", "2")
    assert Reached(place).names() == [f"a/{NOTE}", "a/said.txt"]
    assert Reached(place).read("a/said.txt") == b"bye"


def test_a_result_that_lost_something_is_not_there(place, tmp_path):
    place.put("a", made(tmp_path / "r", said_txt=b"hello"), "1", {})
    Reached(place).write("a/said.txt", b"hell")
    assert not place.done("a", "1")


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 9999, b'{"format": "other", "digest": "1"}'])
def test_a_damaged_note_is_none(place, tmp_path, note):
    place.put("a", made(tmp_path / "r", said_txt=b"hello"), "1", {})
    Reached(place).write(f"a/{NOTE}", note)
    assert not place.done("a", "1")


def test_what_others_put_there_is_left_alone(place, tmp_path):
    seen = Reached(place)
    seen.write("mine/notes.txt", b"mine")
    assert "holds other files (notes.txt)" in place.problem("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        place.put("mine", made(tmp_path / "r", said_txt=b"hello"), "1", {})
    assert seen.names() == ["mine/notes.txt"]
    place.put("a", made(tmp_path / "s", said_txt=b"hello"), "1", {})
    assert not place.problem("a")
    seen.write("a/notes.txt", b"mine")
    assert "holds other files (notes.txt)" in place.problem("a")
    assert "is a file" in place.problem("mine/notes.txt")


def test_a_folder_is_held_by_one_run(tmp_path):
    with (
        LocalPlace(tmp_path).held(),
        pytest.raises(InputError, match="Another batch writes"),
        LocalPlace(tmp_path).held(),
    ):
        pass
    with LocalPlace(tmp_path).held():
        pass


def test_no_link_leads_out_of_the_folder(tmp_path):
    place, elsewhere = LocalPlace(tmp_path / "out"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    place.folder.mkdir()
    (place.folder / "fr").symlink_to(elsewhere)
    assert "is a link" in place.problem("fr/lesson")
    with pytest.raises(InputError, match="is a link"):
        place.put("fr/lesson", made(tmp_path / "r", said_txt=b"hello"), "1", {})
    assert list(elsewhere.iterdir()) == []


def test_what_killed_workers_left_goes_and_what_they_set_aside_comes_back(tmp_path):
    place = LocalPlace(tmp_path / "out")
    place.put("a", made(tmp_path / "r", said_txt=b"hello"), "1", {})
    (place.folder / "a").rename(place.folder / ".a.previous")
    for left in (".a.new-0123456789ab", ".other.new-0123456789ab"):
        (place.folder / left).mkdir()
    place.tidy(["a", "b/c"])
    assert place.done("a", "1")
    assert sorted(os.listdir(place.folder)) == [".other.new-0123456789ab", "a"]


def test_a_remote_result_that_was_cut_off_is_none_and_is_written_over(tmp_path, monkeypatch):
    place = RemotePlace(f"memory://places{next(FRESH)}")
    place.put("a", made(tmp_path / "r", one_txt=b"1", two_txt=b"2"), "1", {})
    system, whole = place._system, type(place._system).put_file
    for steps in range(1, 5):
        left = iter(range(steps))

        def put_file(source, target, left=left):
            if next(left, None) is None:
                raise OSError("the line is cut")
            whole(system, source, target)

        with monkeypatch.context() as patched:
            patched.setattr(system, "put_file", put_file)
            with pytest.raises(OSError, match="cut"):
                place.put("a", made(tmp_path / f"s{steps}", **{f"new{n}_txt": b"n" for n in range(5)}), "2", {})
        assert not place.done("a", "1")
        assert not place.done("a", "2")
        assert not place.problem("a")
    place.put("a", made(tmp_path / "t", three_txt=b"3"), "3", {})
    assert place.done("a", "3")
    assert Reached(place).names() == [f"a/{NOTE}", "a/three.txt"]


def test_a_file_is_no_place(tmp_path):
    (tmp_path / "x").write_text("x")
    with pytest.raises(InputError, match="is no folder"):
        place_of(tmp_path / "x")
