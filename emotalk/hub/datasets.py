"""Datasets on the Hub: the files of one that somebody wants, brought to this machine.

As `client.fetch`, but of any number of files and of sizes that only the disk limits. What has arrived before a download
broke off is there for the next try; a dataset that is here whole is used again without any traffic.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from emotalk.core.errors import HubError
from emotalk.core.paths import cache_dir
from emotalk.core.progress import ProgressCallback
from emotalk.hub import client
from emotalk.hub.client import HubAddress

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

LISTING_SECONDS = 60.0
"""Longest wait for the list of a dataset's files."""


def dataset_folder(
    address: HubAddress,
    wanted: Callable[[str], bool],
    refresh: bool = False,
    progress: ProgressCallback | None = None,
) -> Path:
    """The folder on this machine that holds the files of a dataset for whose names `wanted` is true, as they lie below
    the address's folder.

    A copy that is already here is used without asking the Hub, unless `refresh` is set. `progress` counts bytes. Raises
    a HubError: nothing waits for a silent server, and without a connection it comes at once.
    """
    home = cache_dir("datasets") / address.repo.replace("/", "--")
    known = client._known(home, address)
    if known is not None and not refresh:
        return known
    client._require_reachable(address)
    commit, files = _listed(address, wanted)
    folder = client._place(home, commit, address.subfolder)
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / client._LOCK):
        if not folder.is_dir():
            _bring(address, commit, files, folder, progress)
        client._remember(home, address.revision, commit)
    return folder


def _listed(address: HubAddress, wanted: Callable[[str], bool]) -> tuple[str, dict[str, RepoSibling]]:
    """The commit behind the revision, and the wanted files by their names below the address's folder."""

    def ask() -> tuple[str, list[RepoSibling]]:
        from huggingface_hub import HfApi

        info = HfApi().dataset_info(
            address.repo, revision=address.revision, files_metadata=True, timeout=LISTING_SECONDS
        )
        return str(info.sha), list(info.siblings or [])

    commit, siblings = client._within(ask, address, LISTING_SECONDS)
    prefix = f"{address.subfolder}/" if address.subfolder else ""
    files = {
        name: sibling
        for sibling in siblings
        if sibling.rfilename.startswith(prefix) and wanted(name := sibling.rfilename.removeprefix(prefix))
    }
    if not files:
        raise HubError(f"{address} holds none of the files that are wanted; check the address.")
    if strange := [name for name in files if ".." in Path(name).parts or Path(name).is_absolute() or "\\" in name]:
        raise HubError(
            f"{address} holds a file with a name that leads elsewhere ({strange[0]!r:.100}); it is not used."
        )
    return commit, files


def _bring(
    address: HubAddress,
    commit: str,
    files: dict[str, RepoSibling],
    folder: Path,
    progress: ProgressCallback | None,
) -> None:
    """All files, moved to `folder` together when the last one is there."""
    from huggingface_hub import hf_hub_download

    work = folder.with_name(f".{folder.name}.partial")
    work.mkdir(parents=True, exist_ok=True)
    activity = client._Activity(f"Downloading {address}", sum(file.size or 0 for file in files.values()), progress)
    root = work / address.subfolder

    def bring() -> None:
        for name, file in files.items():
            path = root / name
            hf_hub_download(
                address.repo, file.rfilename, repo_type="dataset", revision=commit, local_dir=work,
                tqdm_class=activity.bar_class(),
            )  # fmt: skip
            if path.is_symlink() or not client._sum_matches(path, file):
                path.unlink(missing_ok=True)
                raise HubError(f"{name} from {address} arrived damaged (its checksum is wrong); start again.")
            activity.add(0)

    client._within(bring, address, client.STALL_SECONDS, activity)
    root.rename(folder)
    shutil.rmtree(work, ignore_errors=True)
