"""Making packs, keeping them, and never writing what is not to be written."""

from __future__ import annotations

import errno
import gzip
import os
import re

import numpy as np
import pytest
import torch

from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.live import live_pack, pack, visibility
from emotalk.live.pack import fingerprint, made
from tests.live.doubles import filmed_avatar, sparse_avatar


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def all_seen(monkeypatch):
    """Every Gaussian counts as seen: nothing is drawn. Returns how often somebody looked."""
    looks = []

    def weights(avatar):
        looks.append(avatar)
        return np.ones(len(avatar))

    monkeypatch.setattr(visibility, "weights", weights)
    return looks


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_pack_is_made_once_and_then_read(all_seen, own_cache):
    first, second = live_pack(sparse_avatar()), live_pack(sparse_avatar())
    assert first == second
    assert len(all_seen) == 1
    assert files(own_cache) == [f"{first.name}.pack.gz"]
    assert gzip.decompress(first.data)[:4] == b"EMLV"


def test_the_name_is_a_hash_and_changes_with_whatever_is_seen():
    plain = sparse_avatar()
    g, c = plain.gaussians, plain.corrections
    others = [
        sparse_avatar(seed=1),
        plain.replace(identity=plain.identity + 0.01),
        plain.replace(background=torch.tensor([0.1, 0.2, 0.3])),
        plain.replace(corrections=type(c)(c.mean, c.matrix, c.index, c.position, c.color * 1.1)),
        plain.replace(gaussians=type(g)(**{**vars(g), "opacity_logit": g.opacity_logit + 0.1})),
        filmed_avatar(),
    ]
    names = [fingerprint(avatar) for avatar in (plain, *others)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)
    assert fingerprint(sparse_avatar()) == names[0]


def test_a_real_persons_numbers_are_kept_only_where_the_caller_says(all_seen, own_cache, tmp_path):
    live_pack(filmed_avatar())
    assert files(own_cache) == []
    found = live_pack(filmed_avatar(), tmp_path / "theirs")
    assert files(own_cache) == []
    assert files(tmp_path / "theirs") == [f"{found.name}.pack.gz"]


@pytest.mark.parametrize("damage", [lambda d: d[:-20], lambda d: d[:500] + bytes(9) + d[509:], lambda d: b"no gzip"])
def test_a_damaged_pack_is_made_anew(all_seen, own_cache, damage):
    found = live_pack(sparse_avatar())
    (kept,) = own_cache.rglob("*.pack.gz")
    kept.write_bytes(damage(found.data))
    assert live_pack(sparse_avatar()) == found
    assert kept.read_bytes() == found.data


def test_the_packs_that_were_used_last_stay(all_seen, own_cache, monkeypatch):
    monkeypatch.setattr(pack, "KEPT", 2)
    names = []
    for seed in range(3):
        names.append(live_pack(sparse_avatar(mesh=50, joint=10, seed=seed)).name)
        for age, name in enumerate(reversed(names)):  # files of one moment have no order
            kept = own_cache / "live" / f"{name}.pack.gz"
            if kept.exists():
                os.utime(kept, (1000 - age, 1000 - age))
    assert files(own_cache) == sorted(f"{name}.pack.gz" for name in names[1:])


def test_a_pack_that_another_process_removes_meanwhile_is_none_to_warn_of(all_seen, own_cache, monkeypatch, caplog):
    monkeypatch.setattr(pack, "KEPT", 1)
    first = live_pack(sparse_avatar(mesh=50, joint=10, seed=0)).name
    listed = type(own_cache).glob

    def glob(folder, pattern):
        found = list(listed(folder, pattern))
        for path in found:
            if path.name.startswith(first):
                path.unlink()
        return found

    monkeypatch.setattr(type(own_cache), "glob", glob)
    second = live_pack(sparse_avatar(mesh=50, joint=10, seed=1)).name
    assert files(own_cache) == [f"{second}.pack.gz"]
    assert caplog.records == []


def test_a_full_disk_makes_packs_slow_and_not_impossible(all_seen, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pack, "write_bytes", full)
    assert gzip.decompress(live_pack(sparse_avatar()).data)[:4] == b"EMLV"


def test_a_name_or_a_path_is_no_avatar(own_cache):
    for text in ("mira", "../../etc/passwd", "org/face"):
        with pytest.raises(TypeError, match="loaded avatar"):
            live_pack(text)
    assert not own_cache.exists()


def test_a_pack_is_never_empty(monkeypatch):
    monkeypatch.setattr(visibility, "weights", lambda avatar: np.zeros(len(avatar)))
    avatar = sparse_avatar()
    skin = avatar.gaussians.select(avatar.gaussians.region == REGION_INDEX["hair"])
    assert made(avatar.replace(gaussians=skin, corrections=None))


def test_an_avatar_without_corrections_or_joints_has_a_pack():
    g = sparse_avatar().gaussians
    bald = sparse_avatar(gaussians=g.select(torch.arange(len(g)) < g.mesh_count), corrections=None)
    assert made(bald, 0)
