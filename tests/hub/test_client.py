"""Downloads through the real `huggingface_hub` client: checked before, checked after, never stalling."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import huggingface_hub.constants as constants
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.avatar.hub_avatars import recommended_avatars, resolve_avatar
from emotalk.core.errors import HubError
from emotalk.core.paths import CHECKPOINTS
from emotalk.hub import HubAddress, client, fetch

SMALL, LARGE = b'{"a": 1}', bytes(range(256)) * 4000
FILES = {"card.json": SMALL, "data.safetensors": LARGE}
WANTED = {"card.json": 1000, "data.safetensors": 2_000_000}


@pytest.fixture
def connections(monkeypatch) -> list[tuple[int, float]]:
    """Port and time limit of every connection that is tried, by us or by the client."""
    tried, connect = [], socket.create_connection

    def noted(address, timeout=None, *rest, **options):
        tried.append((address[1], timeout))
        return connect(address, timeout, *rest, **options)

    monkeypatch.setattr(socket, "create_connection", noted)
    return tried


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody else gets and nobody listens to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port whose listener takes no connection: its line is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as line:
        for _ in range(4):
            knock = line.enter_context(socket.socket())
            knock.setblocking(False)
            knock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestAddresses:
    def test_repository_subfolder_and_revision(self):
        assert HubAddress.parse("org/repo") == HubAddress("org/repo")
        assert HubAddress.parse("org/repo/a/b@v1.2") == HubAddress("org/repo", "a/b", "v1.2")

    @pytest.mark.parametrize(
        "text", ["mira", "", "/etc/passwd", "a/../b", "../a/b", "a/b/..", "a/b@", "a//b", "a/b c", "./a/b", "a/.git"]
    )
    def test_anything_else_is_no_address(self, text):
        assert HubAddress.parse(text) is None

    @given(st.text(max_size=80))
    def test_no_text_gives_an_address_that_leaves_its_folder(self, text):
        address = HubAddress.parse(text)
        if address is not None:
            assert str(address) in (text, text.removesuffix("@main"))
            assert ".." not in text
            assert not text.startswith("/")


class TestDownloads:
    def test_brings_exactly_the_files_that_are_wanted(self, hub):
        hub.add("org/repo", FILES | {"evil.pkl": b"x", "code.py": b"x", "sub/card.json": b"x"})
        assert contents(fetch(HubAddress("org/repo"), WANTED)) == FILES
        assert sorted(hub.downloads()) == sorted(FILES)

    def test_by_subfolder_and_by_revision(self, hub):
        old = hub.add("org/repo", {f"sub/{name}": data for name, data in FILES.items()})
        hub.add("org/repo", {f"sub/{name}": data + b" " for name, data in FILES.items()})
        hub.add("org/repo", {f"sub/{name}": data + b"  " for name, data in FILES.items()}, branch="v2")
        for revision, tail in ((old, b""), ("main", b" "), ("v2", b"  ")):
            folder = fetch(HubAddress("org/repo", "sub", revision), WANTED)
            assert contents(folder) == {name: data + tail for name, data in FILES.items()}
        assert client.commit_of(fetch(HubAddress("org/repo", "sub", old), WANTED)) == old

    def test_what_is_here_is_used_without_traffic(self, hub):
        hub.add("org/repo", FILES)
        first = fetch(HubAddress("org/repo"), WANTED)
        hub.requests.clear()
        assert fetch(HubAddress("org/repo"), WANTED) == first
        assert hub.requests == []

    def test_refresh_finds_a_newer_commit_and_keeps_the_old_one_when_the_hub_is_gone(self, hub):
        hub.add("org/repo", FILES)
        first = fetch(HubAddress("org/repo"), WANTED)
        hub.add("org/repo", FILES | {"card.json": b"new"})
        second = fetch(HubAddress("org/repo"), WANTED, refresh=True)
        assert (second / "card.json").read_bytes() == b"new"
        hub.status = 500
        assert fetch(HubAddress("org/repo"), WANTED, refresh=True) == second != first

    def test_reports_progress_to_the_last_byte(self, hub):
        hub.add("org/repo", FILES)
        seen = []
        fetch(HubAddress("org/repo"), WANTED, progress=lambda news: seen.append((news.done, news.total)))
        assert seen[-1] == (len(SMALL) + len(LARGE),) * 2
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def test_goes_on_after_a_broken_connection(self, hub, monkeypatch):
        # The client writes what it received in pieces of 10 MB; smaller ones let a small file stop half-way.
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 64 * 1024)
        hub.add("org/repo", FILES)
        hub.cut_after = 300_000
        assert contents(fetch(HubAddress("org/repo"), WANTED)) == FILES
        assert any(r.range and not r.range.startswith("bytes=0-") for r in hub.requests)

    @pytest.mark.parametrize("name", FILES)
    def test_wrong_checksum_is_refused_and_nothing_stays(self, hub, name):
        hub.add("org/repo", FILES)
        hub.damage = True
        with pytest.raises(HubError, match="checksum is wrong"):
            fetch(HubAddress("org/repo"), {name: WANTED[name]})
        hub.damage = False
        assert contents(fetch(HubAddress("org/repo"), {name: WANTED[name]})) == {name: FILES[name]}


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "words"),
        [(401, "private"), (403, "does not let you"), (404, "no org/repo"), (429, "too many"), (500, "trouble")],
    )
    def test_every_status_has_its_sentence(self, hub, status, words):
        hub.add("org/repo", FILES)
        hub.status = status
        with pytest.raises(HubError, match=words):
            fetch(HubAddress("org/repo"), WANTED)

    def test_unknown_repository_and_revision(self, hub):
        hub.add("org/repo", FILES)
        with pytest.raises(HubError, match="There is no org/other"):
            fetch(HubAddress("org/other"), WANTED)
        with pytest.raises(HubError, match="no revision 'v9'"):
            fetch(HubAddress("org/repo", revision="v9"), WANTED)

    def test_repository_without_the_files(self, hub):
        hub.add("org/repo", {"model.pkl": b"x", "../data.safetensors": b"x", "card.json": SMALL})
        with pytest.raises(HubError, match=r"holds no data\.safetensors"):
            fetch(HubAddress("org/repo"), WANTED)
        assert hub.downloads() == []

    def test_huge_file_is_refused_before_it_is_downloaded(self, hub):
        hub.add("org/repo", FILES)
        hub.sizes["data.safetensors"] = 10 * 2**30
        with pytest.raises(HubError, match="10,737,418,240 bytes, at most 2,000,000"):
            fetch(HubAddress("org/repo"), WANTED)
        assert hub.downloads() == []


class TestNoNetwork:
    def test_offline_mode_answers_at_once(self, hub, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
            fetch(HubAddress("org/repo"), WANTED)
        assert hub.requests == []

    def test_refused_connection_is_tried_once(self, hub, monkeypatch, connections, closed_port):
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed_port}")
        with pytest.raises(HubError, match="cannot be reached"):
            fetch(HubAddress("org/repo"), WANTED)
        assert connections == [(closed_port, client.PROBE_SECONDS)]  # the client's own retries take 23 s

    @pytest.mark.parametrize("quicker", ["the client", "we"])
    def test_silent_server_is_given_up(self, hub, monkeypatch, quicker):
        monkeypatch.setattr(client, "METADATA_SECONDS", 0.5)
        if quicker == "the client":
            patience = client._within
            monkeypatch.setattr(client, "_within", lambda call, address, *_: patience(call, address, 30.0))
        hub.add("org/repo", FILES)
        hub.silent.set()
        with pytest.raises(HubError, match="did not answer"):
            fetch(HubAddress("org/repo"), WANTED)


def test_the_token_is_used_and_never_logged(hub, caplog):
    caplog.set_level("DEBUG")
    hub.add("org/repo", FILES, private=True)
    assert contents(fetch(HubAddress("org/repo"), WANTED)) == FILES
    assert {r.token for r in hub.requests} == {"Bearer hf_a_token_of_the_tests"}
    assert "hf_a_token" not in caplog.text
    assert not [p for p in client.cache_dir("hub").rglob("*") if p.is_file() and b"hf_a_token" in p.read_bytes()]


class TestPastedLinks:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            (" org/repo ", "org/repo"),
            ("org/repo/faces/ada@v2", "org/repo/faces/ada@v2"),
            ("https://huggingface.co/org/repo", "org/repo"),
            ("huggingface.co/org/repo/", "org/repo"),
            ("https://hf.co/org/repo?download=true#x", "org/repo"),
            ("https://huggingface.co/org/repo/tree/v2", "org/repo@v2"),
            ("https://huggingface.co/org/repo/tree/main/faces/ada", "org/repo/faces/ada"),
        ],
    )
    def test_a_link_to_a_page_is_an_address(self, text, address):
        assert str(HubAddress.pasted(text)) == address

    @pytest.mark.parametrize("text", ["", "mira", "https://example.com/org/repo", "https://huggingface.co/org",
                                      "https://huggingface.co/../x", "huggingface.co/a/b/tree/../.."])  # fmt: skip
    def test_anything_else_is_none(self, text):
        assert HubAddress.pasted(text) is None


def test_what_was_not_used_for_longest_makes_room(hub):
    for name in ("org/one", "org/two", "org/three"):
        hub.add(name, FILES)
    one, two = (fetch(HubAddress(name), WANTED) for name in ("org/one", "org/two"))
    for folder, time_of_use in ((one, 1), (two, 2)):
        os.utime(folder.parents[1], (time_of_use, time_of_use))
    assert fetch(HubAddress("org/one"), WANTED) == one  # used again: now the other one is older
    three = fetch(HubAddress("org/three"), WANTED, keep=2)
    assert [folder.is_dir() for folder in (one, two, three)] == [True, False, True]


class TestOffline:
    """What a start without a network costs: nothing is asked for, and where somebody does ask, the answer is quick."""

    @pytest.mark.slow
    def test_the_app_starts_without_a_single_connection(self, hub, tmp_path):
        index = tmp_path / "index.json"
        index.write_text('{"avatars": [{"address": "org/faces/ada@v1", "title": "Ada", "licence": "CC0-1.0"}]}')
        program = (
            "import sys\n"
            "sys.addaudithook(lambda event, args: event == 'socket.connect' and print('connected to', args[1]))\n"
            "from emotalk.talk import Studio\nfrom emotalk.ui import build_app\nbuild_app(Studio())\nprint('built')"
        )
        environment = os.environ | {"HF_ENDPOINT": hub.url, "EMOTALK_AVATAR_INDEX": str(index)}
        said = subprocess.run(
            [sys.executable, "-c", program], cwd=CHECKPOINTS.parent, env=environment, capture_output=True, text=True
        )
        assert said.stdout == "built\n", said.stderr
        assert hub.requests == []

    @pytest.mark.parametrize("how", ["refused", "silent", "HF_HUB_OFFLINE"])
    def test_a_known_avatar_costs_no_connection_and_an_unknown_one_a_single_short_try(
        self, hub, monkeypatch, connections, closed_port, deaf_port, how
    ):
        hub.add("org/repo", FILES)
        known = fetch(HubAddress("org/repo"), WANTED)
        connections.clear()
        port = {"refused": closed_port, "silent": deaf_port}.get(how)
        if port is None:
            monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        else:
            monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        assert fetch(HubAddress("org/repo"), WANTED) == known
        assert resolve_avatar("mira").is_dir()
        assert recommended_avatars() == []
        assert connections == []
        with pytest.raises(HubError, match=r"cannot be reached|HF_HUB_OFFLINE"):
            fetch(HubAddress("org/other"), WANTED)
        assert connections == ([] if port is None else [(port, client.PROBE_SECONDS)])
        assert client.PROBE_SECONDS <= 1.0


def test_what_a_space_preloaded_is_not_downloaded_again(hub, tmp_path, monkeypatch):
    """`preload_from_hub` fills the client's own cache when a Space is built."""
    from huggingface_hub import hf_hub_download

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    hub.add("org/repo", FILES)
    for name in FILES:
        hf_hub_download("org/repo", name, cache_dir=tmp_path / "hf")
    assert sorted(hub.downloads()) == sorted(FILES)
    hub.requests.clear()
    assert contents(fetch(HubAddress("org/repo"), WANTED)) == FILES
    assert hub.downloads() == []
