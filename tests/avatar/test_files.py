"""Avatar folders: what is saved comes back, and nothing damaged, foreign or malicious gets in."""

import dataclasses
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotalk.avatar import Consent, files, gallery, load_avatar
from emotalk.avatar.card import AvatarCard
from emotalk.avatar.hub_avatars import resolve_avatar
from emotalk.avatar.model import head_version
from emotalk.avatar.tensors import decode, encode
from emotalk.core.errors import AvatarError, EmotalkError
from tests.avatar.doubles import EggHead, make_avatar, make_motion, thumbnail
from tests.core.test_pictures import jpeg_that_claims

SENTENCE = re.compile(r"^[^\n]{10,400}$")


@pytest.fixture(scope="module")
def head():
    return EggHead()


@pytest.fixture(scope="module")
def blobs():
    """The three files of a sound avatar."""
    avatar = make_avatar()
    card = AvatarCard("Egg", "CC0-1.0", "made in a test", True, head_version=head_version(EggHead()))
    return {
        files.TENSORS: encode(files.pack(avatar)),
        files.CARD: card.to_json().encode(),
        files.THUMBNAIL: thumbnail(),
    }


@pytest.fixture
def folder(tmp_path, blobs):
    for name, data in blobs.items():
        (tmp_path / "egg").mkdir(exist_ok=True)
        (tmp_path / "egg" / name).write_bytes(data)
    return tmp_path / "egg"


def refusal(folder, head) -> str:
    """The sentence with which a folder is refused; any other outcome fails."""
    with pytest.raises(AvatarError) as caught:
        load_avatar(folder, head)
    assert SENTENCE.match(str(caught.value)), str(caught.value)
    return str(caught.value)


# --- saving and loading -------------------------------------------------------------------------------------------


def test_a_saved_avatar_poses_like_the_original(tmp_path, head):
    avatar = make_avatar(mesh=2000, joint=500)
    loaded = load_avatar(avatar.save(tmp_path / "egg"), head)
    motion = make_motion()
    before, after = avatar.pose(motion, 2), loaded.pose(motion, 2)
    assert (after.means - before.means).norm(dim=1).max() < 4e-4
    assert (after.means - before.means).norm(dim=1).median() < 1e-4
    assert (after.colors - before.colors).abs().max() < 0.02
    assert (after.opacities - before.opacities).abs().max() < 0.004
    torch.testing.assert_close(after.scales, before.scales, rtol=0.01, atol=0)
    assert (loaded.background - avatar.background).abs().max() < 0.003
    assert loaded.card.name == "Egg"
    assert loaded.card.head_version == head_version(head)
    assert loaded.thumbnail == avatar.thumbnail


def test_corrections_that_follow_the_shoulders_come_back(tmp_path, head):
    avatar = make_avatar()
    c = avatar.corrections
    wide = dataclasses.replace(
        c, mean=torch.cat([c.mean, torch.rand(9)]), matrix=torch.cat([c.matrix, torch.rand(len(c.matrix), 9)], 1)
    )
    avatar.replace(corrections=wide).save(tmp_path / "egg")
    again = load_avatar(tmp_path / "egg", head).corrections
    assert torch.equal(again.mean, wide.mean)
    assert torch.equal(again.matrix, wide.matrix)
    bent = torch.cat([torch.zeros(62), torch.ones(9)])
    assert not torch.equal(again.latents(bent), again.latents(bent[:62]))


def test_saving_what_was_loaded_changes_at_most_the_last_digit(tmp_path, head):
    first = make_avatar().save(tmp_path / "first")
    second = load_avatar(first, head).save(tmp_path / "second")
    a = decode((first / files.TENSORS).read_bytes(), files.SPEC, files.LIMITS, "a")
    b = decode((second / files.TENSORS).read_bytes(), files.SPEC, files.LIMITS, "b")
    for name in files.SPEC:
        exact = not name.startswith(("rotation", "correction", "view"))  # their ranges are found anew
        np.testing.assert_allclose(
            a[name].astype(np.float32), b[name].astype(np.float32), atol=0 if exact else 2.01, err_msg=name
        )


def test_a_picture_as_background_comes_back(tmp_path, head):
    picture = torch.rand(24, 16, 3)
    avatar = make_avatar().replace(background=picture)
    loaded = load_avatar(avatar.save(tmp_path / "egg"), head)
    torch.testing.assert_close(loaded.background, picture, atol=0.002, rtol=0)


def test_the_colours_of_hidden_skin_come_back(tmp_path, head):
    skin = np.arange(4 * len(head.template), dtype=np.uint8).reshape(-1, 4)
    avatar = make_avatar().replace(skin=skin)
    assert np.array_equal(load_avatar(avatar.save(tmp_path / "ada"), head).skin, skin)
    arrays = files.pack(avatar.replace(skin=skin[:-1]))
    with pytest.raises(AvatarError, match=f"the skin of {len(skin) - 1} vertices, this head has {len(skin)}"):
        files.unpack(arrays, avatar.card, head, "It")


def test_forty_thousand_gaussians_with_corrections_fit_in_six_megabytes():
    avatar = make_avatar(mesh=30_000, joint=10_000)
    from tests.avatar.doubles import make_corrections

    avatar = avatar.replace(corrections=make_corrections(40_000, latents=16, corrected=25_000))
    assert len(encode(files.pack(avatar))) < 6_000_000


def test_the_tensor_file_is_one_the_safetensors_library_reads(blobs):
    theirs = safetensors.numpy.load(blobs[files.TENSORS])
    ours = decode(blobs[files.TENSORS], files.SPEC, files.LIMITS, "file")
    assert theirs.keys() == ours.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])


def test_files_of_the_safetensors_library_are_read(blobs):
    arrays = decode(blobs[files.TENSORS], files.SPEC, files.LIMITS, "file")
    again = decode(safetensors.numpy.save(arrays), files.SPEC, files.LIMITS, "file")
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])


def test_saving_over_an_avatar_replaces_it_whole(tmp_path, head):
    make_avatar().save(tmp_path / "egg")
    make_avatar(mesh=50, joint=0).replace(corrections=None).save(tmp_path / "egg")
    assert len(load_avatar(tmp_path / "egg", head)) == 50
    assert [path.name for path in tmp_path.iterdir()] == ["egg"]


def test_a_failed_save_leaves_the_old_avatar(tmp_path, head, monkeypatch):
    make_avatar().save(tmp_path / "egg")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(AvatarError, match="No space left"):
        make_avatar(mesh=50, joint=0).replace(corrections=None).save(tmp_path / "egg")
    assert len(load_avatar(tmp_path / "egg", head)) == 240
    assert [path.name for path in tmp_path.iterdir()] == ["egg"]


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_save_killed_at_any_move_leaves_a_whole_avatar(tmp_path, head, monkeypatch, moves):
    """Old or new, never a mixture and never nothing: the process dies before the first, second or after both moves."""
    make_avatar().save(tmp_path / "egg")
    done = []
    rename = Path.rename

    def die_at(path, target):
        if len(done) == moves:
            raise SystemExit("killed")
        done.append(path)
        return rename(path, target)

    def die(*_, **__):
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die_at)
        patch.setattr(files.shutil, "rmtree", die)
        with pytest.raises(SystemExit):
            make_avatar(mesh=50, joint=0).replace(corrections=None).save(tmp_path / "egg")
    assert [info.name for info in gallery.list_avatars([(tmp_path, False)])] == ["egg"]
    assert len(load_avatar(tmp_path / "egg", head)) == (50 if moves == 2 else 240)
    assert len(load_avatar(make_avatar().save(tmp_path / "egg"), head)) == 240  # and it can be saved again


def test_leftovers_of_killed_saves_are_cleared_after_an_hour(tmp_path):
    old, young = tmp_path / ".egg.new-old", tmp_path / ".egg.new-young"
    old.mkdir()
    young.mkdir()
    os.utime(old, (1, 1))
    make_avatar().save(tmp_path / "egg")
    assert not old.exists()
    assert young.exists()


def test_a_save_killed_between_its_moves_is_undone_by_the_next_look(tmp_path, head):
    saved = make_avatar().save(tmp_path / "egg")
    saved.rename(tmp_path / ".egg.previous")
    assert [info.name for info in gallery.list_avatars([(tmp_path, False)])] == ["egg"]
    assert len(load_avatar(tmp_path / "egg", head)) == 240


def test_saving_never_replaces_a_folder_that_is_no_avatar(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"dear to me")
    with pytest.raises(AvatarError, match="is not an avatar"):
        make_avatar().save(tmp_path / "photos")
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"dear to me"


def test_an_avatar_of_a_real_person_needs_their_consent():
    with pytest.raises(AvatarError, match="consent"):
        make_avatar(synthetic=False)
    given = make_avatar(synthetic=False, consent=Consent("I agree.", "2026-01-01T12:00:00Z"))
    assert AvatarCard.from_json(given.card.to_json()).consent.statement == "I agree."


@pytest.mark.parametrize("live", [True, False])
def test_whether_a_person_may_be_drawn_in_a_browser_is_kept_with_their_consent(tmp_path, head, live):
    made = make_avatar(synthetic=False, consent=Consent("I agree.", "2026-01-01T12:00:00Z", live=live))
    made.save(tmp_path / "egg")
    assert json.loads((tmp_path / "egg" / files.CARD).read_text())["consent"]["live"] is live
    assert load_avatar(tmp_path / "egg", head).card.live is live


def test_who_agreed_before_there_was_a_choice_is_not_drawn_in_a_browser():
    made = make_avatar(synthetic=False, consent=Consent("I agree.", "2026-01-01T12:00:00Z", live=True))
    card = json.loads(made.card.to_json())
    del card["consent"]["live"]
    assert AvatarCard.from_json(json.dumps(card)).live is False
    assert AvatarCard.from_json(json.dumps(card | {"live": True})).live is False  # said where nobody is asked


def test_nobodys_likeness_may_be_drawn_in_a_browser():
    assert make_avatar(synthetic=True).card.live is True


# --- the gallery --------------------------------------------------------------------------------------------------


def test_the_gallery_lists_sound_and_broken_avatars(tmp_path, folder):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / files.CARD).write_text("{}")
    found = {info.name: info for info in gallery.list_avatars([(tmp_path, True)])}
    assert found["egg"].problem is None
    assert found["egg"].card.name == "Egg"
    assert found["egg"].thumbnail.is_file()
    assert "lacks name" in found["broken"].problem


def _nested(depth: int) -> bytes:
    return b'{"name": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (files.THUMBNAIL, lambda _: jpeg_that_claims(65500, 65500), "far too large"),
        (files.THUMBNAIL, lambda _: jpeg_that_claims(2000, 2000), "at most 1024 a side"),
        (files.CARD, lambda card: card.replace(b'"metrics": {}', b'"metrics": {"a": 1' + b"0" * 400 + b"}"), "metric"),
        (files.CARD, lambda card: card.replace(b'"metrics": {}', b'"metrics": {"a": 1e999}'), "metric"),
        (files.CARD, lambda card: card.replace(b'"metrics": {}', b'"metrics": {"a": 1' + b"0" * 9000 + b"}"), "JSON"),
        (files.CARD, lambda _: _nested(30_000), "JSON"),
        (files.CARD, lambda card: card.replace(b'"Egg"', b'"\\ud800"'), "halves of letters"),
        (files.CARD, lambda card: card.replace(b'"Egg"', b'"\\u001b[31mEgg"'), "printable"),
    ],
)
def test_one_bad_folder_is_that_folders_problem(tmp_path, folder, blobs, name, change, said):
    bad = tmp_path / "bad"
    bad.mkdir()
    for part, data in blobs.items():
        (bad / part).write_bytes(change(data) if part == name else data)
    assert (bad / name).read_bytes() != blobs[name]
    found = {info.name: info for info in gallery.list_avatars([(tmp_path, False)])}
    assert found["egg"].problem is None
    assert said in found["bad"].problem
    assert SENTENCE.match(found["bad"].problem)
    with pytest.raises(AvatarError, match=said):
        load_avatar(bad, EggHead())


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), RecursionError(), MemoryError(), KeyError("x")]
)
def test_whatever_goes_wrong_in_one_folder_the_others_are_listed(tmp_path, folder, monkeypatch, error):
    (tmp_path / "bad").mkdir()
    check = files.check_folder

    def failing(path):
        if path.name == "bad":
            raise error
        return check(path)

    monkeypatch.setattr(gallery, "check_folder", failing)
    found = {info.name: info for info in gallery.list_avatars([(tmp_path, False)])}
    assert found["egg"].problem is None
    assert f"cannot be read ({type(error).__name__})" in found["bad"].problem


def test_a_folder_whose_name_is_no_text_can_be_shown(tmp_path, folder):
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    found = {info.name: info.problem for info in gallery.list_avatars([(tmp_path, False)])}
    assert found == {"egg": None, "caf\\udce9": "the folder's name holds bytes that are no letters; rename it."}


def test_a_folder_that_may_not_be_read_says_so(tmp_path, folder, monkeypatch):
    """Tests may run as root, who may read everything: the refusal is also injected."""
    (tmp_path / "locked").mkdir(mode=0o000)
    listing = Path.iterdir

    def refused(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    found = {info.name: info for info in gallery.list_avatars([(tmp_path, False), (tmp_path / "locked", False)])}
    assert found["egg"].problem is None
    assert re.search(r"locked cannot be read \(Permission denied\); check its permissions", found["locked"].problem)
    alone = gallery.list_avatars([(tmp_path / "locked", False)])
    assert "Permission denied" in alone[0].problem
    (tmp_path / "locked").chmod(0o700)


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(gallery, "avatar_folders", lambda: [(tmp_path, True)])
    with pytest.raises(AvatarError, match=r"no avatar 'nobody'; known are: egg"):
        load_avatar("nobody")


def test_names_cannot_climb_out_of_the_gallery(tmp_path, monkeypatch, folder):
    (tmp_path / "gallery").mkdir()
    monkeypatch.setattr(gallery, "avatar_folders", lambda: [(tmp_path / "gallery", True)])
    for name in ("..", ".", "", "\0", "a" * 5000, "egg/../../etc"):
        with pytest.raises(AvatarError, match="no avatar"):
            load_avatar(name)


def test_without_paths_not_even_a_folder_beside_the_program_is_found(tmp_path, monkeypatch, folder):
    """A page's visitors choose among the gallery's names, wherever the server was started."""
    (tmp_path / "gallery" / ".egg.deleted-1").mkdir(parents=True)
    monkeypatch.setattr(gallery, "avatar_folders", lambda: [(tmp_path / "gallery", True)])
    monkeypatch.chdir(tmp_path)
    assert gallery.find_avatar("egg") == Path("egg")
    for name in ("egg", "./egg", str(folder), ".egg.deleted-1", "gallery/../egg", "\ud800", ""):
        with pytest.raises(AvatarError, match="no avatar"):
            gallery.find_avatar(name, paths=False)
        with pytest.raises(AvatarError, match="no avatar"):
            resolve_avatar(name, paths=False)


# --- damaged, foreign, malicious ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [files.TENSORS, files.CARD, files.THUMBNAIL])
def test_a_missing_file_is_named(folder, head, name):
    (folder / name).unlink()
    assert name in refusal(folder, head)


@pytest.mark.parametrize("name", [files.TENSORS, files.CARD, files.THUMBNAIL])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.99])
def test_a_truncated_file_is_refused(folder, head, name, share):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * share)])
    assert name in refusal(folder, head)


@pytest.mark.parametrize("name", ["avatar.pkl", "model.pt", "run.py", "x.safetensors", ".hidden"])
def test_any_other_file_is_refused_by_name(folder, head, name):
    (folder / name).write_bytes(pickle.dumps({"a": 1}))
    assert name in refusal(folder, head)


@pytest.mark.parametrize("name", [files.TENSORS, files.CARD, files.THUMBNAIL])
def test_a_pickle_under_a_good_name_is_refused_unopened(folder, head, name, tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    (folder / name).write_bytes(pickle.dumps(Payload()))
    refusal(folder, head)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", [files.TENSORS, files.CARD, files.THUMBNAIL])
def test_links_are_refused(folder, head, name, tmp_path):
    real = tmp_path / "elsewhere"
    (folder / name).rename(real)
    (folder / name).symlink_to(real)
    assert "link" in refusal(folder, head)


def test_a_pipe_does_not_hang_the_loader(folder, head):
    (folder / files.TENSORS).unlink()
    os.mkfifo(folder / files.TENSORS)
    assert "special file" in refusal(folder, head)


def test_a_folder_in_place_of_a_file_is_refused(folder, head):
    (folder / files.CARD).unlink()
    (folder / files.CARD).mkdir()
    assert "special file" in refusal(folder, head)


def test_an_oversized_file_is_refused_before_reading(folder, head):
    with (folder / files.TENSORS).open("r+b") as file:
        file.truncate(10 * 2**30)  # sparse: takes no space
    assert "at most" in refusal(folder, head)


def test_a_face_of_its_own_comes_back_and_a_card_without_one_is_face_one(folder, head):
    card = json.loads((folder / files.CARD).read_text())
    for written, read in (({"face": 12}, 12), ({}, 1)):
        without = {name: value for name, value in card.items() if name != "face"}
        (folder / files.CARD).write_text(json.dumps(without | written))
        assert load_avatar(folder, head).card.face == read


def test_an_avatar_of_another_head_is_refused(folder, head):
    card = json.loads((folder / files.CARD).read_text())
    card["head_version"] = "flame-2023"
    (folder / files.CARD).write_text(json.dumps(card))
    assert "flame-2023" in refusal(folder, head)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": ""}, "no name"),
        ({"name": 7}, "'name'"),
        ({"name": "x" * 1000}, "'name'"),
        ({"version": 99}, "version 99"),
        ({"version": True}, "version True"),
        ({"synthetic": "yes"}, "'synthetic'"),
        ({"synthetic": False}, "consent"),
        ({"consent": "sure"}, "consent"),
        ({"consent": {"statement": 1, "time": 2}}, "consent"),
        ({"consent": {"statement": "yes", "time": "now", "live": 1}}, "'live' of its consent, found 1"),
        ({"consent": {"statement": "yes", "time": "now", "live": "true"}}, "'live' of its consent"),
        ({"consent": {"statement": "yes", "time": "now", "live": None}}, "'live' of its consent, found None"),
        ({"face": -1}, "'face'"),
        ({"face": 1.5}, "'face'"),
        ({"face": True}, "'face'"),
        ({"metrics": {"psnr": "high"}}, "psnr"),
        ({"metrics": [1, 2]}, "metrics"),
        ({"licence": None}, "'licence'"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(folder, head, change, named):
    card = json.loads((folder / files.CARD).read_text()) | change
    (folder / files.CARD).write_text(json.dumps(card))
    assert named in refusal(folder, head)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"a":' * 30_000, '{"name": NaN}', '{"name":"a","name":"b"}', "\x00", "1" * 9999]
)
def test_a_card_that_is_no_card_is_refused(folder, head, text):
    (folder / files.CARD).write_text(text[:60_000])
    refusal(folder, head)


def test_a_card_in_bytes_that_are_no_text_is_refused(folder, head):
    (folder / files.CARD).write_bytes(b"\xff\xfe\x00{")
    assert "not text" in refusal(folder, head)


def test_a_thumbnail_that_is_no_small_jpeg_is_refused(folder, head):
    (folder / files.THUMBNAIL).write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    assert "not a JPEG" in refusal(folder, head)
    (folder / files.THUMBNAIL).write_bytes(thumbnail(1200))
    assert "1024" in refusal(folder, head)


# --- the tensors --------------------------------------------------------------------------------------------------


def rewrite(folder, change):
    """Rewrite avatar.safetensors after `change` worked on its arrays."""
    arrays = {
        name: array.copy()
        for name, array in decode((folder / files.TENSORS).read_bytes(), files.SPEC, files.LIMITS, "x").items()
    }
    change(arrays)
    (folder / files.TENSORS).write_bytes(safetensors.numpy.save(arrays))


@pytest.mark.parametrize(
    ("name", "damage", "named"),
    [
        ("position", lambda a: a.fill(np.nan), "NaN"),
        ("log_scale", lambda a: a.fill(np.inf), "NaN or infinite"),
        ("log_scale", lambda a: a.fill(9), "metres"),
        ("position", lambda a: a.fill(1000), "metres"),
        ("triangle", lambda a: a.fill(60000), "triangle 60000"),
        ("region", lambda a: a.fill(200), "region 200"),
        ("rotation", lambda a: a.fill(0), "rotation of length zero"),
        ("barycentric", lambda a: a.fill(255), "barycentric"),
        ("joint_weights", lambda a: a.fill(200), "joint weights"),
        ("correction.index", lambda a: a.fill(3), "corrections"),
        ("correction.index", lambda a: a.__isub__(10_000), "corrections"),
        ("correction.index", lambda a: a.__iadd__(10_000), "corrections"),
        ("correction.matrix", lambda a: a.fill(np.nan), "NaN"),
        ("identity", lambda a: a.fill(-np.inf), "NaN"),
    ],
)
def test_numbers_out_of_range_are_refused(folder, head, name, damage, named):
    rewrite(folder, lambda arrays: damage(arrays[name]))
    assert named in refusal(folder, head)


@pytest.mark.parametrize("name", list(files.SPEC))
def test_each_tensor_must_be_there_with_its_type_and_shape(folder, head, name):
    original = (folder / files.TENSORS).read_bytes()
    rewrite(folder, lambda arrays: arrays.pop(name))
    assert name in refusal(folder, head)
    (folder / files.TENSORS).write_bytes(original)
    rewrite(folder, lambda arrays: arrays.__setitem__(name, arrays[name].astype(np.float64)))
    assert name in refusal(folder, head)
    (folder / files.TENSORS).write_bytes(original)
    rewrite(folder, lambda arrays: arrays.__setitem__(name, arrays[name][None]))
    assert name in refusal(folder, head)


def test_counts_that_contradict_each_other_are_refused(folder, head):
    rewrite(folder, lambda arrays: arrays.__setitem__("triangle", arrays["triangle"][:-1]))
    assert "expected" in refusal(folder, head) or "should be" in refusal(folder, head)
    rewrite_all = ("position", "rotation", "log_scale", "opacity", "color", "region")
    folder_bytes = encode(files.pack(make_avatar()))
    (folder / files.TENSORS).write_bytes(folder_bytes)
    rewrite(folder, lambda arrays: arrays.update(
        {name: arrays[name][:-1] for name in rewrite_all} | {"view_color": arrays["view_color"][:, :-1].copy()}
    ))  # fmt: skip
    assert "holds 239" in refusal(folder, head)


def header_of(data):
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["color"].update(data_offsets=[0, 10**12]),
        lambda h: h["color"].update(data_offsets=h["position"]["data_offsets"]),
        lambda h: h["color"].update(data_offsets=[-8, 8]),
        lambda h: h["color"].update(data_offsets=["0", "8"]),
        lambda h: h["color"].update(data_offsets=[0.0, 8.0]),
        lambda h: h["color"].update(shape=[2**39, 2**39]),
        lambda h: h["color"].update(shape=[-1, 3]),
        lambda h: h["color"].update(shape=[[240], 3]),
        lambda h: h["color"].update(shape=None),
        lambda h: h["color"].update(dtype=["F16"]),
        lambda h: h.update(color=[1, 2, 3]),
        lambda h: h.update(color=None),
        lambda h: h.update({"../../etc/passwd": h["color"]}),
        lambda h: h.clear(),
    ],
)
def test_a_lying_header_is_refused(folder, head, change):
    header, body = header_of((folder / files.TENSORS).read_bytes())
    change(header)
    (folder / files.TENSORS).write_bytes(with_header(header, body))
    refusal(folder, head)


@pytest.mark.parametrize(
    "header", [b"[]", b"7", b"{" * 60_000, b'{"a":1,"a":2}', b"\xff" * 64, b"", b'{"position":' * 5_000]
)
def test_a_header_that_is_no_table_is_refused(folder, head, header):
    _, body = header_of((folder / files.TENSORS).read_bytes())
    (folder / files.TENSORS).write_bytes(with_header(header, body))
    refusal(folder, head)


@pytest.mark.parametrize("length", [0, 7, 2**16 + 1, 2**31, 2**63, 2**64 - 1])
def test_a_lying_header_length_is_refused(folder, head, length):
    data = (folder / files.TENSORS).read_bytes()
    (folder / files.TENSORS).write_bytes(length.to_bytes(8, "little") + data[8:])
    refusal(folder, head)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_the_header_bytes_gives_a_sentence_or_a_sound_avatar(blobs, head, data):
    blob = bytearray(blobs[files.TENSORS])
    end = 8 + int.from_bytes(blob[:8], "little")
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(blob), head)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_any_bytes_as_tensor_file_give_a_sentence(data, head):
    with pytest.raises(EmotalkError):
        decode(data, files.SPEC, files.LIMITS, "file")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_the_numbers_gives_a_sentence_or_an_avatar_that_poses(blobs, head, data):
    blob = bytearray(blobs[files.TENSORS])
    start = 8 + int.from_bytes(blob[:8], "little")
    for _ in range(data.draw(st.integers(1, 20))):
        blob[data.draw(st.integers(start, len(blob) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(blob), head)


def outcome(blob, head):
    """Decode and, where that succeeds, pose: either an EmotalkError or finite Gaussians."""
    try:
        arrays = decode(blob, files.SPEC, files.LIMITS, "file")
        avatar = files.unpack(arrays, make_avatar().card, head, "file")
    except EmotalkError as error:
        sentence = str(error)
    else:
        sentence = None
    if sentence is not None:
        assert SENTENCE.match(sentence), sentence
        return
    cloud = avatar.pose(make_motion(), 0)
    assert cloud.means.isfinite().all() or avatar.identity.abs().max() > 1e3
    assert (cloud.quats.norm(dim=1) > 0).all()
