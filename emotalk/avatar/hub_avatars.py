"""Avatars by name, folder or Hub address; the list of recommended ones; sharing one's own."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar.files import CARD, MOTION, SIZE_LIMITS, TENSORS, THUMBNAIL
from emotalk.avatar.gallery import find_avatar
from emotalk.core.errors import AvatarError, HubError
from emotalk.core.paths import CHECKPOINTS, cache_dir
from emotalk.core.progress import ProgressCallback
from emotalk.hub.client import KEPT_REPOSITORIES, HubAddress, commit_of, fetch, publish

if TYPE_CHECKING:
    from emotalk.avatar import AvatarCard, GaussianAvatar

INDEX_LIMIT = 200
"""Entries of an index that are looked at."""
LIBRARY = "emotalk"
_LIVE = "It may be drawn live in the browsers of those who watch it, to which its numbers then go."
_VIDEO_ONLY = "It is for finished videos only, not to be drawn live in a browser."


@dataclass(frozen=True)
class RecommendedAvatar:
    """An entry of the avatar index: something worth downloading, with its licence."""

    address: str
    title: str
    licence: str


def resolve_avatar(
    text: str,
    paths: bool = True,
    refresh: bool = False,
    progress: ProgressCallback | None = None,
    keep: int = KEPT_REPOSITORIES,
) -> Path:
    """The folder of an avatar named by a gallery name, a path, or `org/repo[/subfolder][@revision]` on the Hub.

    What lies on this machine comes first; with `paths` off (in the app, where strangers type) only the gallery and
    the Hub are looked at. `keep` as for `hub.fetch`. Raises an AvatarError for an unknown name and a HubError for an
    address that cannot be downloaded.
    """

    address = HubAddress.parse(text)
    if address is None and not paths and Path(text).name != text:
        raise AvatarError(
            f"There is no avatar {text!r:.80} in the gallery, and it is no address on the Hub (org/name)."
        )
    if address is None or (paths and Path(text).exists()):
        return find_avatar(text, paths)
    wanted = {name: SIZE_LIMITS[name] for name in (TENSORS, CARD, THUMBNAIL, MOTION)}
    return fetch(address, wanted, frozenset({MOTION}), refresh, progress, keep)


def load_avatar(
    text: str, paths: bool = True, refresh: bool = False, progress: ProgressCallback | None = None
) -> GaussianAvatar:
    """The checked avatar behind a name, path or Hub address (`resolve_avatar`); the card of a downloaded one names the
    commit it is pinned to as `source`."""
    from emotalk import avatar

    folder = resolve_avatar(text, paths, refresh, progress)
    loaded = avatar.load_avatar(folder)
    address = HubAddress.parse(text)
    if address is not None and folder.is_relative_to(cache_dir("hub")):
        pinned = dataclasses.replace(address, revision=commit_of(folder))
        loaded = loaded.replace(card=dataclasses.replace(loaded.card, source=str(pinned)))
    return loaded


def recommended_avatars() -> list[RecommendedAvatar]:
    """The entries of checkpoints/avatars.json, or of the file that EMOTALK_AVATAR_INDEX names.

    Raises a HubError where that file cannot be read; entries that are not of the format raise it too.
    """
    path = Path(os.environ.get("EMOTALK_AVATAR_INDEX") or CHECKPOINTS / "avatars.json")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        entries = [
            RecommendedAvatar(str(entry["address"]), str(entry["title"])[:80], str(entry["licence"])[:80])
            for entry in table["avatars"][:INDEX_LIMIT]
        ]
    except OSError as error:
        raise HubError(f"The avatar index {path.name} cannot be read ({error.strerror}); check its path.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise HubError(
            f'The avatar index {path.name} must look like {{"avatars": [{{"address": ..., "title": ..., '
            f'"licence": ...}}]}}; found {type(error).__name__}.'
        ) from error
    for entry in entries:
        if HubAddress.parse(entry.address) is None:
            raise HubError(f"The avatar index {path.name} names {entry.address!r:.80}, which is no Hub address.")
    return entries


def push_avatar(name_or_folder: str | Path, repo: str, private: bool = True, token: str | None = None) -> str:
    """Upload an avatar with a model card to `repo` ("user/name"); returns the address of the commit.

    The avatar is loaded and checked first; `token` as in `client.publish`. Raises an AvatarError for a damaged one
    and a HubError where the upload fails.
    """
    from emotalk import avatar

    folder = find_avatar(name_or_folder)
    card = avatar.load_avatar(folder).card
    work = Path(tempfile.mkdtemp(prefix="emotalk-push-"))
    try:
        for name in (TENSORS, CARD, THUMBNAIL, MOTION):
            if name != MOTION or (folder / name).exists():  # how a recorded person moves; presets are nobody
                shutil.copyfile(folder / name, work / name)
        (work / "README.md").write_text(model_card(card, repo), encoding="utf-8")
        return publish(work, repo, f"Avatar {card.name}", private, token=token)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def model_card(card: AvatarCard, repo: str) -> str:
    """The page (README.md with front matter) that the Hub shows for an avatar."""
    # JSON strings are YAML strings: nothing in a card's texts can break out of its line.
    tags = ["talking-head", "gaussian-splatting", "avatar", "emotion"]
    licence = card.licence.strip().lower()
    known = {"cc0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "apache-2.0", "mit"}
    front = [
        "---",
        f"library_name: {LIBRARY}",
        f"license: {'cc0-1.0' if licence == 'cc0' else licence if licence in known else 'other'}",
        *([] if licence in known else [f"license_name: {json.dumps(card.licence)}"]),
        f"tags: {json.dumps(tags)}",
        "---",
    ]
    consent = (
        "This is nobody's likeness: the person is synthetic."
        if card.synthetic
        else f"The person shown agreed on {card.consent.time}: {_quoted(card.consent.statement)}\n\n"
        + (_LIVE if card.live else _VIDEO_ONLY)
    )
    metrics = "".join(f"| {_quoted(name)} | {value:g} |\n" for name, value in sorted(card.metrics.items()))
    parts = [
        "\n".join(front),
        f"# {_quoted(card.name)}\n\n![{_quoted(card.name)}](thumbnail.jpg)\n\n"
        "A 3D-Gaussian avatar for emotalk: it says any text or audio in any mood.",
        f'```\npython -m emotalk talk --avatar {repo} --text "Hello!" -o hello.mp4\n```',
        f"## Consent\n\n{consent}",
        f"## How it was made\n\n{_quoted(card.provenance)}",
        f"Licence: {_quoted(card.licence)}",
    ]
    if card.limitations:
        parts.append(f"## What is not good yet\n\n{_quoted(card.limitations)}")
    if metrics:
        parts.append(f"## Measured\n\n| metric | value |\n|---|---|\n{metrics}".rstrip())
    parts.append("Videos made with it are AI generated; say so wherever you show them.")
    return "\n\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    """A card's text as plain words in Markdown: no tags, links or line breaks of its own."""
    plain = " ".join(text.split())
    for mark, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        plain = plain.replace(mark, written)
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in plain)
