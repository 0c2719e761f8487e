"""One of several servers that use the same caches and the same temporary folder: `python -m tests.server.shared_disk
SEED ROUNDS`. Ends with an error where it finds something that is neither whole nor gone."""

from __future__ import annotations

import contextlib
import gzip
import random
import sys
from pathlib import Path

from emotalk.core.atomic import write_bytes
from emotalk.hub import HubAddress, client
from emotalk.live import pack
from emotalk.server import temporary
from emotalk.talk.take import FACTS, PICTURE, SOUND, TakeFacts
from emotalk.talk.take_store import TakeStore

KEYS = 6
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def content(name: object) -> bytes:
    """What lies under a name, 200 kB: written in several calls, so that half of it could be seen."""
    return random.Random(str(name)).randbytes(200_000)


def take(store: TakeStore, key: str) -> None:
    def film(work: Path) -> TakeFacts:
        (work / PICTURE).write_bytes(content(key))
        (work / SOUND).write_bytes(content(f"{key} sound"))
        facts = TakeFacts(25, (), key, "nobody", ())
        (work / FACTS).write_text(
            f'{{"frames": 25, "words": [], "written": "{key}", "voice": "nobody", "remarks": []}}'
        )
        return facts

    place, facts, _ = store.get(key, film)
    assert facts.written == key
    with contextlib.suppress(FileNotFoundError):  # another server made room
        assert (place / PICTURE).read_bytes() == content(key)
        assert (place / SOUND).read_bytes() == content(f"{key} sound")
    store.trim()


def live_pack(folder: Path, name: str) -> None:
    path = folder / f"{name}.pack.gz"
    found = pack._read(path)
    assert found is None or gzip.decompress(found) == content(name)
    if found is None:
        pack._keep(path, gzip.compress(content(name), 1, mtime=0))


def download(name: str) -> None:
    address = HubAddress.parse(f"org/{name}")
    folder = client.fetch(address, {"card.json": 10**6}, keep=3)
    with contextlib.suppress(FileNotFoundError):
        assert (folder / "card.json").read_bytes() == content(address.repo)


def _download(address, _commit, _files, folder: Path, _progress) -> None:
    with client.replacing_folder(folder, keep=True) as ready:
        write_bytes(ready / "card.json", content(address.repo))


def held(folder: Path) -> None:
    """A server begins, others sweep, its folder stays; it ends, and it is gone."""
    server = temporary.HeldFolder(folder)
    (server.path / "clip").write_bytes(b"x")
    temporary.sweep_dead(folder)
    assert (server.path / "clip").read_bytes() == b"x"
    server.release()
    assert not server.path.exists()


def main(seed: int, rounds: int) -> None:
    """Use everything in an order that the seed draws."""
    dice = random.Random(seed)
    client._require_reachable = lambda _: None
    client._describe = lambda *_: (COMMIT, {})
    client._download = _download
    pack.KEPT = 3
    takes = TakeStore(limit=1_000_000)  # two of them
    packs, servers = pack.cache_dir("live"), pack.cache_dir("servers")
    mine = temporary.process_folder()
    for _ in range(rounds):
        key = f"{dice.randrange(KEYS):032x}"
        dice.choice([
            lambda key=key: take(takes, key),
            lambda key=key: live_pack(packs, key),
            lambda key=key: download(key[-2:]),
            lambda: held(servers),
            temporary.sweep_dead_servers,
        ])()  # fmt: skip
        assert mine.is_dir()
    print("whole", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
