"""Checked downloads from and uploads to the Hugging Face Hub.

    address ──► known here? ──yes──────────────────────────────► folder
                    │ no                                           ▲
                    ▼                                              │
       list the repository ──► names and sizes allowed? ──► download, check the sums, move into place

Only files that the format knows are ever asked for, each within its size limit, so that nothing else a repository
may hold (code, pickles, links, huge files) reaches this machine. What has been downloaded lies as plain folders in
the cache and is used again without any traffic; `refresh=True` looks for something newer. Every call has a time
limit of its own: a silent server must not stall the app.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from filelock import FileLock

from emotalk.core.atomic import replacing_folder, write_json
from emotalk.core.errors import HubError
from emotalk.core.paths import cache_dir
from emotalk.core.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

log = logging.getLogger(__name__)

METADATA_SECONDS = 15.0
"""Longest wait for the description of a repository."""
STALL_SECONDS = 30.0
"""A download that receives nothing for so long is given up; what has arrived is kept for the next try."""
UPLOAD_SECONDS = 600.0
"""Longest upload, a few megabytes."""
PROBE_SECONDS = 1.0
"""Longest wait for a connection before the Hub counts as out of reach. Refused connections answer at once, where the
client's own retries take 23 s."""

KEPT_REPOSITORIES = 200
"""Downloaded repositories that stay; the one not used for longest makes room."""

_Result = TypeVar("_Result")
_DOWNLOADING = threading.Lock()
"""One download at a time: two of the same thing would share their half-finished files."""
_LOCK = ".lock"
"""The same for several processes, in the folder of all repositories."""
_SEGMENT = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
_ADDRESS = re.compile(
    rf"(?P<repo>{_SEGMENT}/{_SEGMENT})(?P<subfolder>(?:/{_SEGMENT})*)(?:@(?P<revision>{_SEGMENT}(?:/{_SEGMENT})*))?"
)


@dataclass(frozen=True)
class HubAddress:
    """Where something lies on the Hub, written `org/repo[/subfolder][@revision]`."""

    repo: str
    subfolder: str = ""
    revision: str = "main"

    @staticmethod
    def parse(text: str) -> HubAddress | None:
        """The address in a text, or None where the text is not one. `..` and empty parts are never one."""
        match = _ADDRESS.fullmatch(text)
        if match is None or len(text) > 300 or ".." in text or "--" in match["repo"]:
            return None
        return HubAddress(match["repo"], (match["subfolder"] or "").strip("/"), match["revision"] or "main")

    @staticmethod
    def pasted(text: str) -> HubAddress | None:
        """The address in what people paste: one, or a link to the repository's page, its files or one revision."""
        text = text.strip()
        link = re.fullmatch(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([^?#]+?)/*(?:[?#].*)?", text)
        if link is None:
            return HubAddress.parse(text)
        owner_and_name, _, rest = re.sub(r"/(?:tree|blob|resolve)/", "\n", link[1], count=1).partition("\n")
        revision, _, subfolder = rest.partition("/")
        return HubAddress.parse(f"{owner_and_name}{'/' * bool(subfolder)}{subfolder}{'@' * bool(revision)}{revision}")

    def __str__(self) -> str:
        subfolder = f"/{self.subfolder}" if self.subfolder else ""
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{self.repo}{subfolder}{revision}"


def fetch(
    address: HubAddress,
    wanted: Mapping[str, int],
    optional: frozenset[str] = frozenset(),
    refresh: bool = False,
    progress: ProgressCallback | None = None,
    keep: int = KEPT_REPOSITORIES,
) -> Path:
    """The folder on this machine that holds the files of `wanted` ({name: most bytes}) from the Hub.

    Files named in `optional` may be missing in the repository. A copy that is already here is used without asking the
    Hub, unless `refresh` is set; then it still serves where the Hub cannot be reached. `keep` repositories stay
    downloaded, those used last; `progress` counts bytes. Raises a HubError.
    """
    home = cache_dir("hub") / address.repo.replace("/", "--")
    known = _known(home, address)
    if known is not None and not refresh:
        with contextlib.suppress(OSError):
            os.utime(home)  # when it was last used
        return known
    try:
        _require_reachable(address)
        commit, files = _describe(address, wanted, optional)
        folder = _place(home, commit, address.subfolder)
        # Also among processes: none makes room by removing what another one is bringing.
        with _DOWNLOADING, FileLock(home.parent / _LOCK):
            if not folder.is_dir():
                _download(address, commit, files, folder, progress)
            _remember(home, address.revision, commit)
            _make_room(home, keep)
    except HubError as error:
        if known is None:
            raise
        log.warning("%s The copy from an earlier download is used.", error)
        return known
    return folder


def downloaded(address: HubAddress) -> Path | None:
    """The folder that an earlier `fetch` of this address made, or None; no traffic."""
    return _known(cache_dir("hub") / address.repo.replace("/", "--"), address)


def commit_of(folder: Path) -> str:
    """The commit that a folder made by `fetch` was downloaded from."""
    return next(parent.name for parent in folder.parents if re.fullmatch(r"[0-9a-f]{40}", parent.name))


def publish(
    folder: str | Path, repo: str, message: str, private: bool = True, space: bool = False, token: str | None = None
) -> str:
    """Upload the files of `folder` to the model repository (or Gradio Space) `repo` ("user/name"), made if needed;
    returns the address of the commit.

    `token` speaks for somebody who logged in on a page; without one it is that of `huggingface_hub` (`hf auth login`
    or HF_TOKEN). It is neither logged nor stored here. Raises a HubError.
    """
    address = HubAddress.parse(repo)
    if address is None or address.subfolder or address.revision != "main":
        raise HubError(f"A repository on the Hub is written user/name, found {repo!r:.100}.")
    _require_reachable(address)

    def upload() -> str:
        from huggingface_hub import HfApi

        api, kind = HfApi(token=token), "space" if space else "model"
        sdk = {"space_sdk": "gradio"} if space else {}
        api.create_repo(repo, private=private, exist_ok=True, repo_type=kind, **sdk)
        commit = api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message, repo_type=kind)
        return str(commit.commit_url)

    return _within(upload, address, UPLOAD_SECONDS)


def _make_room(newest: Path, keep: int) -> None:
    """Remove the repositories that were not used for longest, until `keep` are left."""
    homes = [home for home in newest.parent.iterdir() if home.is_dir() and home != newest]
    homes.sort(key=lambda home: home.stat().st_mtime, reverse=True)
    for home in homes[max(0, keep - 1) :]:
        shutil.rmtree(home, ignore_errors=True)


def _place(home: Path, commit: str, subfolder: str) -> Path:
    # One level below the commit, also for the repository's root, so that a root never contains a subfolder's files.
    return home / commit / (subfolder.replace("/", "--") or "root")


def _known(home: Path, address: HubAddress) -> Path | None:
    """The folder downloaded earlier for this address, if any."""
    commit = address.revision
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        commit = _revisions(home).get(address.revision, "")
    folder = _place(home, commit, address.subfolder) if commit else None
    return folder if folder is not None and folder.is_dir() else None


def _revisions(home: Path) -> dict[str, str]:
    try:
        table = json.loads((home / "revisions.json").read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(table, dict):
        return {}
    return {name: sha for name, sha in table.items() if re.fullmatch(r"[0-9a-f]{40}", str(sha))}


def _remember(home: Path, revision: str, commit: str) -> None:
    write_json(home / "revisions.json", _revisions(home) | {revision: commit}, indent=None)


def _require_reachable(address: HubAddress) -> None:
    """Raise a HubError at once where the Hub cannot be reached."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        raise HubError(f"{address} is not on this machine and HF_HUB_OFFLINE is set; unset it to download.")
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")):
        return  # a direct connection says nothing about one through a proxy
    parts = urlsplit(constants.ENDPOINT)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), PROBE_SECONDS).close()
    except OSError as error:
        raise HubError(
            f"{address} is not on this machine and {parts.hostname} cannot be reached; check the connection."
        ) from error


def _describe(
    address: HubAddress, wanted: Mapping[str, int], optional: frozenset[str]
) -> tuple[str, dict[str, RepoSibling]]:
    """The commit behind the revision and the wanted files in it, after checking that they exist and their sizes."""

    def ask() -> tuple[str, list[RepoSibling]]:
        from huggingface_hub import HfApi

        info = HfApi().model_info(
            address.repo, revision=address.revision, files_metadata=True, timeout=METADATA_SECONDS
        )
        return str(info.sha), list(info.siblings or [])

    commit, siblings = _within(ask, address, METADATA_SECONDS)
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise HubError(f"The Hub gave {address} the commit {commit!r:.60}, which is none; try again later.")
    prefix = f"{address.subfolder}/" if address.subfolder else ""
    listed = {sibling.rfilename: sibling for sibling in siblings}
    files = {name: listed[prefix + name] for name in wanted if prefix + name in listed}
    missing = sorted(wanted.keys() - files.keys() - optional)
    if missing:
        raise HubError(
            f"{address} holds no {', '.join(missing)}; it is not something that emotalk can use. Check the address."
        )
    for name, file in files.items():
        if file.size is None or file.size > wanted[name]:
            size = "an unknown size" if file.size is None else f"{file.size:,} bytes"
            raise HubError(f"{name} in {address} has {size}, at most {wanted[name]:,} are allowed; not downloaded.")
    return commit, files


def _download(
    address: HubAddress,
    commit: str,
    files: Mapping[str, RepoSibling],
    folder: Path,
    progress: ProgressCallback | None,
) -> None:
    """Bring the files to `folder`, all or nothing; an interrupted download goes on where it stopped."""
    from huggingface_hub import hf_hub_download

    work = folder.with_name(f".{folder.name}.partial")
    work.mkdir(parents=True, exist_ok=True)
    total = sum(file.size or 0 for file in files.values())
    activity = _Activity(f"Downloading {address}", total, progress)

    def bring() -> list[tuple[str, Path]]:
        return [
            (
                name,
                Path(
                    hf_hub_download(
                        address.repo, file.rfilename, revision=commit, local_dir=work, tqdm_class=activity.bar_class()
                    )
                ),
            )
            for name, file in files.items()
        ]

    arrived = _within(bring, address, STALL_SECONDS, activity)
    for name, path in arrived:
        if path.is_symlink() or not path.is_file() or not _sum_matches(path, files[name]):
            shutil.rmtree(work, ignore_errors=True)
            raise HubError(f"{name} from {address} arrived damaged (its checksum is wrong); download it again.")
    with replacing_folder(folder, keep=True) as ready:  # somebody else may bring the same commit meanwhile
        for name, path in arrived:
            path.rename(ready / name)
    shutil.rmtree(work, ignore_errors=True)


def _sum_matches(path: Path, file: RepoSibling) -> bool:
    """Whether a file is what the repository lists: SHA-256 of large files, git's blob id of small ones."""
    if file.lfs is not None:
        with path.open("rb") as content:  # may be larger than the memory
            return hashlib.file_digest(content, "sha256").hexdigest() == file.lfs.sha256
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == file.blob_id


class _Activity:
    """When something last arrived, and how much."""

    def __init__(self, what: str, total: int, progress: ProgressCallback | None) -> None:
        self.what, self.total, self.progress = what, total, progress
        self.received = 0
        self.started = self.last = time.monotonic()

    def bar_class(self) -> type:
        """A progress bar for the Hub's client that draws nothing and reports here."""
        from tqdm.auto import tqdm

        activity = self

        class Bar(tqdm):
            def __init__(self, *args: object, **kwargs: object) -> None:
                kwargs.pop("name", None)
                super().__init__(*args, **{**kwargs, "disable": True})
                activity.add(int(kwargs.get("initial") or 0))

            def update(self, n: float | None = 1) -> None:
                activity.add(int(n or 0))

        return Bar

    def add(self, count: int) -> None:
        self.received += count
        self.last = time.monotonic()
        if self.progress is not None:
            done = min(self.received, self.total)
            self.progress(Progress(self.what, done, self.total, self.last - self.started))


def _within(
    call: Callable[[], _Result], address: HubAddress, seconds: float, activity: _Activity | None = None
) -> _Result:
    """The result of `call`, made in a thread of its own, or a HubError after `seconds` without an answer (without any
    activity, where that is watched): the client has no time limit of its own that covers every wait."""
    outcome: list[tuple[bool, object]] = []

    def run() -> None:
        try:
            outcome.append((True, call()))
        except BaseException as error:  # handed to the caller below
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="hub", daemon=True)
    started = time.monotonic()
    thread.start()
    while True:
        thread.join(0.1)
        if not thread.is_alive():
            break
        since = max(started, activity.last) if activity is not None else started
        if time.monotonic() - since > seconds:
            raise HubError(
                f"The Hub did not answer for {seconds:.0f} s while {address} was asked for; try again later."
            )
    succeeded, value = outcome[0]
    if succeeded:
        return value  # type: ignore[return-value]
    raise _explained(value, address)  # type: ignore[arg-type]


def _explained(error: BaseException, address: HubAddress) -> BaseException:
    """A sentence for what went wrong on the way to the Hub; errors that are no such thing come back unchanged."""
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        text = f"{address} is behind a form; agree to its terms on its page and log in with `hf auth login`."
    elif isinstance(error, errors.RevisionNotFoundError):
        text = f"{address.repo} has no revision {address.revision!r}; check its page for branches and tags."
    elif isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        text = f"There is no {address} on the Hub, or it is private; check the name or log in with `hf auth login`."
    elif status == 403:
        text = f"The Hub does not let you do this with {address}; log in with `hf auth login` and a token that may."
    elif status == 429:
        text = f"The Hub has had too many requests from here; wait some minutes before asking for {address} again."
    elif status is not None and status >= 500:
        text = f"The Hub has trouble of its own ({status}) with {address}; try again later."
    elif "Timeout" in type(error).__name__:  # the client's own limit was the quicker one
        text = f"The Hub did not answer in time while {address} was asked for; try again later."
    elif (
        isinstance(error, OSError | errors.LocalTokenNotFoundError | errors.HfHubHTTPError)
        or "httpx" in type(error).__module__
    ):
        text = f"The connection to the Hub broke while {address} was asked for ({type(error).__name__}); try again."
    else:
        return error
    explained = HubError(text)
    explained.__cause__ = error
    return explained
