"""Commands about avatars: who there is, making one of a video or a photo, sharing, removing."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from emotalk.cli.progress import fit_bar
from emotalk.core.errors import InputError

if TYPE_CHECKING:
    from emotalk.create import PersonalizeResult


def avatars() -> None:
    """List the faces that can speak, and those on the Hugging Face Hub that are recommended."""
    from emotalk.avatar.hub_avatars import recommended_avatars
    from emotalk.hub import HubAddress, downloaded
    from emotalk.talk.studio import Studio

    for info in Studio().avatars():
        if info.problem or info.card is None:
            print(f"{info.name:12} cannot be used: {info.problem}")
            continue
        card = info.card
        kind = (
            "synthetic person"
            if card.synthetic
            else f"real person, with consent{'' if card.live else ' to videos only'}"
        )
        print(f"{info.name:12} {card.name}; {kind}; {card.licence}; {'shipped' if info.shipped else info.folder}")
    for entry in recommended_avatars():
        here = "downloaded" if downloaded(HubAddress.parse(entry.address)) else "downloads on first use"
        print(f"{entry.address:12} {entry.title}; {entry.licence}; {here}")


def personalize(
    video: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[VIDEO]", help_behavior_hint="")] = None,
    *,
    name: str,
    minutes: float = 2.0,
    consent: bool = False,
    video_only: bool = False,
    resume: bool = False,
    improve: bool = False,
    keep_frames: bool = True,
    seconds: float | None = None,
    size: Literal[256, 512] = 512,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Make an avatar of the person in a video, which `talk --avatar NAME` then lets speak.

    Args:
        video: ten to sixty seconds of one person who looks into the camera and talks; any format. Not with --improve.
        name: what the avatar is called.
        minutes: how long to fit at most, after tracking; more where 600 steps take longer.
        consent: say that you are the person in the video, or that they agreed to an avatar that can be made to say
            anything, and whose numbers go to the browser of whoever watches it live. It is kept in the avatar's card;
            without it nothing is made.
        video_only: agree to finished videos only: the avatar is never drawn live in a browser.
        resume: go on with a run that was stopped, with the settings it was started with.
        improve: fit the avatar of that name, which was made of a video, for more minutes.
        keep_frames: keep the frames that were learned from beside the avatar, so that it can be improved; they go with
            it, or by `rm --frames`.
        seconds: how much of the video to use at most.
        size: side in pixels of the pictures that are learned from.
        seed: another number, another order of the pictures.
        device: where the avatar is fitted: auto (a GPU where one can draw), cpu or cuda.
    """
    from emotalk.create import ImproveRequest, PersonalizeRequest, can_improve, consent_to
    from emotalk.create import improve as make_better
    from emotalk.create import personalize as make
    from emotalk.create.workplace import can_resume

    if improve:
        if video is not None:
            raise InputError("What an avatar is improved with was kept of its video; leave the video out.")
        with fit_bar() as show:
            made = make_better(ImproveRequest(name, minutes, device), show)
        _tell_avatar(made, made.name)
        return
    if video is None:
        raise InputError("Name a video to make the avatar of, or say --improve to go on with one that was made.")
    request = PersonalizeRequest(
        video, name, consent_to(video_only) if consent else "", minutes=minutes, seconds=seconds, size=size, seed=seed,
        device=device, resume=resume, video_only=video_only, keep_frames=keep_frames,
    )  # fmt: skip
    if not resume and can_resume(name):
        print(f"a run for {name} that was stopped is left; without --resume it is begun anew", file=sys.stderr)
    with fit_bar() as show:
        try:
            made = make(request, show, on_tracked=show.tracked)
        except BaseException:  # whatever ended it: told, and passed on
            if can_resume(name):
                print("stopped; the same command with --resume goes on from here", file=sys.stderr)
            raise
    _tell_avatar(made, made.name)
    if can_improve(made.name):
        print(f"python -m emotalk personalize --improve --name {shlex.quote(made.name)}")


def portrait(
    photo: tyro.conf.Positional[Path],
    name: str,
    consent: bool = False,
    video_only: bool = False,
    face: int | None = None,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER", help_behavior_hint="")] = None,
    size: Literal[256, 512] = 512,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Make an avatar of the person in a photo, in half a minute; `talk --avatar NAME` then lets it speak.

    Args:
        photo: one sharp picture of a person from the front, with the mouth closed, in even light: JPEG, PNG, WebP, ...
        name: what the avatar is called.
        consent: say that you are the person in the photo, or that they agreed to an avatar that can be made to say
            anything, and whose numbers go to the browser of whoever watches it live. It is kept in the avatar's card;
            without it nothing is made.
        video_only: agree to finished videos only: the avatar is never drawn live in a browser.
        face: whose avatar, where the photo shows several people: 1 is the one furthest left.
        output: the folder to put the avatar's own folder into; by default where `avatars` looks for them.
        size: side in pixels of the picture that is learned from.
        seed: another number, another draw of the Gaussians.
        device: where the avatar is fitted: auto (a GPU where one can draw), cpu or cuda.
    """
    from emotalk.create import PortraitRequest, consent_to
    from emotalk.create import portrait as make

    request = PortraitRequest(
        photo, name, consent_to(video_only) if consent else "", face=face, size=size, seed=seed, device=device,
        video_only=video_only,
    )  # fmt: skip
    with fit_bar() as show:
        made = make(request, show, on_tracked=show.tracked, folder=output)
    _tell_avatar(made, made.name if output is None else str(made.folder))


def push(
    avatar: tyro.conf.Positional[str],
    repo: tyro.conf.Positional[str],
    private: bool = True,
) -> None:
    """Share an avatar on the Hugging Face Hub, with a page that says how it was made and with whose consent.

    Args:
        avatar: a name that `avatars` lists, or an avatar's folder.
        repo: where to: user/name. It is made if it is not there. Log in first with `hf auth login`.
        private: only you can see it; --no-private shows it to everybody.
    """
    from emotalk.avatar.hub_avatars import push_avatar

    print(push_avatar(avatar, repo, private))


def rm(avatar: tyro.conf.Positional[str], yes: bool = False, frames: bool = False) -> None:
    """Delete an avatar that was made on this machine, for good. Shipped ones stay.

    Args:
        avatar: its name, as `avatars` lists it.
        yes: do not ask.
        frames: delete only what was kept of its video to improve it; the avatar stays.
    """
    from emotalk.avatar.gallery import delete_avatar, find_own
    from emotalk.create.kept import forget

    folder = find_own(avatar)
    if frames:
        gone = forget(avatar)
        print(f"what was kept of the video of {avatar} is deleted" if gone else f"nothing was kept of {avatar}")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"Nobody is here to ask whether {avatar} may go; say so with --yes.")
        if input(f"Delete {avatar} ({folder}) for good? [y/N] ").strip().lower() not in ("y", "yes"):
            print("nothing was deleted")
            return
    delete_avatar(avatar)
    forget(avatar)
    print(f"{avatar} is deleted")


def _tell_avatar(made: PersonalizeResult, address: str) -> None:
    """What was made, how good it is, and how to let it talk."""
    if made.verdict is not None:
        print("\n".join([made.verdict.word.capitalize() + ".", *made.verdict.sentences]))
    measured = ", ".join(f"{metric} {value:.3g}" for metric, value in sorted(made.card.metrics.items()))
    print(f"{made.folder}: made in {made.seconds:.0f} s" + (f" ({measured})" if measured else ""))
    print(f'python -m emotalk talk --avatar {shlex.quote(address)} --text "Hello!"')
