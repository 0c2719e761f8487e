"""Datasets on the Hub: the wanted files as they lie there, whole or not at all; nothing waits without a connection."""

import huggingface_hub.constants as constants
import pytest

from emotalk.core.errors import HubError
from emotalk.hub import HubAddress, client
from emotalk.hub.datasets import dataset_folder

LARGE = bytes(range(256)) * 1000
FILES = {"corpus.json": b"{}", "ann/1.mp4": LARGE, "ann/deep/2.mp4": b"two", "run.py": b"print()", "bea/1.mp4": b"b"}


def wanted(name: str) -> bool:
    return name.endswith((".mp4", ".json"))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def address(text: str = "me/films") -> HubAddress:
    return HubAddress.parse(text)


def test_wanted_files_come_and_nothing_else(hub):
    hub.add("me/films", FILES)
    folder = dataset_folder(address(), wanted)
    there = {name: data for name, data in contents(folder).items() if not name.startswith(".cache")}
    assert there == {name: data for name, data in FILES.items() if wanted(name)}
    assert "run.py" not in hub.downloads()


def test_what_is_here_is_used_without_traffic(hub, monkeypatch):
    hub.add("me/films", FILES)
    folder = dataset_folder(address(), wanted)
    asked = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert dataset_folder(address(), wanted) == folder
    assert len(hub.requests) == asked


def test_a_folder_of_a_dataset_is_a_corpus_of_its_own(hub):
    hub.add("me/films", FILES)
    folder = dataset_folder(address("me/films/ann"), wanted)
    assert {name for name in contents(folder) if name.endswith(".mp4")} == {"1.mp4", "deep/2.mp4"}


def test_a_broken_download_goes_on(hub):
    hub.add("me/films", FILES)
    hub.cut_after = 1000
    hub.status = None
    folder = None
    for _ in range(3):
        try:
            folder = dataset_folder(address(), wanted)
            break
        except HubError:
            continue
    assert folder is not None
    assert contents(folder)["ann/1.mp4"] == LARGE


def test_damaged_files_are_not_used(hub):
    hub.add("me/films", FILES)
    hub.damage = True
    with pytest.raises(HubError):
        dataset_folder(address(), wanted)
    hub.damage = False
    assert contents(dataset_folder(address(), wanted))["ann/1.mp4"] == LARGE


def test_a_dataset_of_other_things_is_refused(hub):
    hub.add("me/films", {"README.md": b"words"})
    with pytest.raises(HubError, match="none of the files"):
        dataset_folder(address(), wanted)


def test_a_name_that_leads_elsewhere_is_refused(hub):
    hub.add("me/films", {"../out.mp4": b"x"})
    with pytest.raises(HubError, match="elsewhere"):
        dataset_folder(address(), wanted)


def test_offline_and_silent_hubs_are_told(hub, monkeypatch):
    hub.add("me/films", FILES)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        dataset_folder(address(), wanted)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("emotalk.hub.datasets.LISTING_SECONDS", 0.2)
    hub.silent.set()
    with pytest.raises(HubError, match="did not answer"):
        dataset_folder(address(), wanted)
    assert client._known(client.cache_dir("datasets") / "me--films", address()) is None
