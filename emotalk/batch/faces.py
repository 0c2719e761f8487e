"""Jobs about people: `portrait`, `personalize`, `track`, `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotalk.avatar.gallery import folder_name
from emotalk.batch.kinds import MEDIA, NUMBER, TEXT, TRUTH, WHOLE, Checked, Desk, Kind, Options
from emotalk.core.checks import check_number
from emotalk.core.errors import InputError
from emotalk.core.file_names import file_name_of
from emotalk.create.request import PersonalizeRequest, PortraitRequest, consent_to

if TYPE_CHECKING:
    from emotalk.create.request import PersonalizeResult

_AVATAR = {"name": TEXT, "consent": TRUTH, "video_only": TRUTH, "size": WHOLE, "seed": WHOLE, "device": TEXT}
_PORTRAIT = {"photo": MEDIA, "face": WHOLE, **_AVATAR}
_PERSONALIZE = {"video": MEDIA, "minutes": NUMBER, "seconds": NUMBER, **_AVATAR}
_TRACK = {"video": MEDIA, "seconds": NUMBER, "start": NUMBER, "size": WHOLE}
_EVALUATE = {
    "video": MEDIA, "avatar": TEXT, "protocol": TEXT, "audio": MEDIA, "share": NUMBER, "minutes": NUMBER,
    "seconds": NUMBER, "device": TEXT,
}  # fmt: skip


def _agreed(options: Options) -> dict[str, Any]:
    """The options of an avatar's request, the sentence of consent in place of the word that it was given."""
    consent = consent_to(options.get("video_only", False)) if options.get("consent") else ""
    return {**options, "consent": consent}


def _check_portrait(desk: Desk, options: Options) -> Checked:
    return Checked(folder_name(PortraitRequest(**_agreed(options)).name))


def _make_portrait(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    from emotalk.create.portrait_job import portrait

    return _told(portrait(PortraitRequest(**_agreed(options)), folder=work / "avatars"), result)


def _personalize_request(options: Options, resume: bool) -> PersonalizeRequest:
    return PersonalizeRequest(**_agreed(options), resume=resume, keep_frames=False)


def _check_personalize(desk: Desk, options: Options) -> Checked:
    return Checked(folder_name(_personalize_request(options, resume=False).name))


def _make_personalize(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    from emotalk.create.job import personalize

    return _told(personalize(_personalize_request(options, resume=True), folder=work / "avatars"), result)


def _told(made: PersonalizeResult, result: Path) -> dict[str, Any]:
    """Move a finished avatar into the result; what is noted of it."""
    made.folder.rename(result / made.name)
    verdict = None if made.verdict is None else made.verdict.word
    return {"avatar": made.name, "quality": list(made.quality), "verdict": verdict}


def _check_track(desk: Desk, options: Options) -> Checked:
    from emotalk.tracking.track import check_asked

    check_asked(options.get("seconds"), options.get("start", 0.0), options.get("size", 512))
    return Checked(file_name_of(Path(options["video"]).stem, "video"))


def _make_track(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    from emotalk.tracking import track_video

    asked = {name: options[name] for name in _TRACK if name in options and name != "video"}
    tracked = track_video(options["video"], work / "track", **asked)
    tracked.folder.rename(result / "track")
    return {"frames": len(tracked), "verdict": tracked.quality.verdict, "quality": list(tracked.quality.sentences)}


def _check_evaluate(desk: Desk, options: Options) -> Checked:
    from emotalk.evaluation.command import check
    from emotalk.evaluation.protocols import PROTOCOLS

    video = Path(options["video"])
    check(video, options.get("avatar"), options.get("protocol"), options.get("share", 1.0))
    check_number("The minutes of a protocol", options.get("minutes", 2.0), 0.1, 120)
    if options.get("protocol", PROTOCOLS[0]) not in PROTOCOLS:
        raise InputError(f"'protocol' must be {' or '.join(PROTOCOLS)}, found {options['protocol']!r:.40}.")
    avatar = options.get("avatar")
    folders = () if avatar is None else (desk.studio("auto").avatar_folder(avatar),)
    return Checked(file_name_of(f"{avatar or options['protocol']} {video.stem}", "video"), folders)


def _make_evaluate(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    from emotalk.evaluation.command import run

    audio = options.get("audio")
    reports = run(
        Path(options["video"]), options.get("avatar"), options.get("protocol"),
        None if audio is None else Path(audio), result, options.get("share", 1.0), options.get("minutes", 2.0),
        options.get("seconds"), options.get("device", "auto"), lambda news: None,
    )  # fmt: skip
    return {"scores": {report.drive: report.scores for report in reports}}


KINDS = {
    "portrait": Kind(_PORTRAIT, _check_portrait, _make_portrait, ("photo", "name"), seconds=3600.0),
    "personalize": Kind(_PERSONALIZE, _check_personalize, _make_personalize, ("video", "name"), True),
    "track": Kind(_TRACK, _check_track, _make_track, ("video",), True),
    "evaluate": Kind(_EVALUATE, _check_evaluate, _make_evaluate, ("video",)),
}
