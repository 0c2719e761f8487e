"""Files that jobs are made of, on this machine or where fsspec reaches: a bucket, a dataset on the Hub.

A text is an address where it begins with one of `PROTOCOLS` and "://"; everything else is a path on this machine.
fsspec is loaded only for addresses.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from emotalk.core.errors import InputError

PROTOCOLS = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "az": "adlfs",
    "abfs": "adlfs", "abfss": "adlfs", "memory": "fsspec",
}  # fmt: skip
"""What an address may begin with, and the package that knows how to get there."""
LARGEST = 8 << 30
"""Bytes of a file that is fetched."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


def is_address(text: str) -> bool:
    """Whether a text names a file elsewhere; InputError where it is an address that is not gone to."""
    found = _ADDRESS.fullmatch(text)
    if found is None or found[1].lower() == "file":
        return False
    if found[1] not in PROTOCOLS:
        raise InputError(
            f"{text!r:.80} is no address that files are fetched from here; use a path, or one of "
            f"{', '.join(f'{name}://' for name in PROTOCOLS)}."
        )
    if "::" in text:  # fsspec would take it for several addresses one through the other
        raise InputError(f"{text!r:.80} chains addresses; name the file itself.")
    return True


def local_path(text: str) -> Path:
    """The absolute path that a text names that is no address; "file://" may stand in front of it."""
    found = _ADDRESS.fullmatch(text)
    return Path(found[2] if found else text).absolute()


def opened(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it. InputError where what it needs is not installed or does not
    let anybody in."""
    import fsspec

    protocol = address.partition("://")[0]
    try:
        return fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = PROTOCOLS[protocol]
        raise InputError(f"{protocol}:// needs the package {package}: pip install {package}.") from error
    except Exception as error:  # every file system has errors of its own
        raise InputError(
            f"{address!r:.120} cannot be reached ({_words(error)}); check it and who may read it."
        ) from error


def state_of(address: str) -> str:
    """What changes when the file at an address does: its check sum or tag where its store has one, else size and time.

    Raises InputError where there is no such file.
    """
    system, path = opened(address)
    try:
        facts = system.info(path)
        if facts.get("type") == "directory":
            raise InputError(f"{address!r:.120} is a folder; name a file.")
        return str(system.ukey(path))
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"There is no file {address!r:.120}; check the address.") from error
    except Exception as error:
        raise InputError(f"{address!r:.120} cannot be read ({_words(error)}).") from error


def fetch(address: str, folder: Path) -> Path:
    """The file at an address, copied into `folder` under its own name, or a plain one; InputError."""
    system, path = opened(address)
    target = folder / plain_name(address)
    try:
        size = system.size(path)
        if size is not None and size > LARGEST:
            raise InputError(f"{address!r:.120} has {size >> 20:,} MB; at most {LARGEST >> 20:,} are fetched.")
        folder.mkdir(parents=True, exist_ok=True)
        with system.open(path, "rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{address!r:.120} cannot be fetched ({_words(error)}).") from error
    return target


def plain_name(address: str) -> str:
    """A file name for what lies at an address: its own where that is plain, else only its ending is kept."""
    name = PurePosixPath(address).name
    if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name):
        return name
    ending = re.search(r"\.[A-Za-z0-9]{1,8}$", name)
    return "file" + (ending[0].lower() if ending else "")


class Digests:
    """SHA-256 of files and folders, each read once as long as it does not change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}

    def of_file(self, path: Path) -> str:
        """The digest of a file's bytes. Raises OSError."""
        status = path.stat()
        key = str(path), status.st_size, status.st_mtime_ns
        if key not in self._known:
            with path.open("rb") as file:
                self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._known[key]

    def of(self, path: Path) -> str:
        """The digest of a file's bytes, or of all names and bytes in a folder and below. Raises OSError."""
        if not path.is_dir():
            return self.of_file(path)
        whole = hashlib.sha256()
        for file in sorted(path.rglob("*")):
            if file.is_file():
                whole.update(f"{file.relative_to(path).as_posix()}\0{self.of_file(file)}\n".encode())
        return whole.hexdigest()


def _words(error: BaseException) -> str:
    """An error of a foreign library in a few words."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
