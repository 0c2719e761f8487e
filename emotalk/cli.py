"""`python -m emotalk COMMAND`: the command line, generated from typed functions.

Each command is a function in this file that imports what it needs when it runs, so that `--help` is instant.
"""

from __future__ import annotations

import errno
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.errors import EmotalkError, InputError

if TYPE_CHECKING:
    from emotalk.core.progress import Progress
    from emotalk.create import PersonalizeResult
    from emotalk.talk.background import Background
    from emotalk.tracking import TrackedVideo


def talk(
    text: str | None = None,
    audio: Path | None = None,
    stdin: bool = False,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("talk.mp4"),
    avatar: str = "mira",
    valence: float = 0.0,
    arousal: float = 0.0,
    emotion: str | None = None,
    voice: str | None = None,
    seed: int = 0,
    head_motion: float = 1.0,
    expressiveness: float = 1.0,
    mood_in_voice: bool = True,
    size: int = 512,
    yaw: float = 0.0,
    pitch: float = 0.0,
    zoom: float = PORTRAIT_ZOOM,
    background: str | None = None,
    shape: str = "1:1",
    captions_in_picture: str = "off",
    mark: str = "bottom-right",
    motion_out: Path | None = None,
    frames_dir: Path | None = None,
    captions: Path | None = None,
    transcript: str | None = None,
    device: str = "auto",
    refresh: bool = False,
    speech_model: str | None = None,
    motion_model: str | None = None,
) -> None:
    """Make a video of an avatar that says a text, or speaks along with an audio file.

    Args:
        text: what to say; directions such as [happy], [pause 0.5] or *stress* may stand in it (docs/direction.md).
        audio: an audio file to speak along with, in any format.
        stdin: read the text from standard input.
        output: the file to write: a video (.mp4, .webm), a silent loop (.gif, .webp), the sound (.m4a, .wav) or a
            picture (.png).
        avatar: who speaks: a name that `avatars` lists, an avatar's folder, or an address on the Hugging Face Hub:
            org/name, org/name/folder, org/name@revision.
        valence: mood from -1 (unpleasant) to 1 (pleasant).
        arousal: mood from -1 (calm) to 1 (excited).
        emotion: instead of the two numbers: a name ("happy", "sad", ...), a file of key frames (.json or .csv), or
            "auto" for an arousal that follows the voice.
        voice: who reads the text: an id that `voices` lists; the avatar's own by default.
        seed: another number, another take of gaze, blinks and head motion.
        head_motion: from 0 (still) over 1 (natural) to 2.
        expressiveness: how strongly the mood shows, from 0 over 1 (as chosen) to 2.
        mood_in_voice: whether the voice that reads a text has the mood too.
        size: the shorter side in pixels, even, from 64 to 1080.
        yaw: camera angle in degrees; positive sees the person from their left.
        pitch: camera angle in degrees; positive looks from above.
        zoom: from 0.5 (far) to 2.5 (near).
        background: a colour such as #d8e4f0 or a picture file; the avatar's own by default.
        shape: 1:1, 9:16 (phones) or 16:9.
        captions_in_picture: what is said, painted into the video: off, lines, highlight (the word that is said in
            colour) or words (one large word after the other).
        mark: where the "AI generated" label stands: bottom-right, bottom-left, top-right, top-left or off.
        motion_out: also write the motion as Live Link Face CSV, for Unreal, Unity or Blender.
        frames_dir: also write every frame as PNG into this folder.
        captions: also write the words of the text or transcript with their times, as .srt or .vtt.
        transcript: what is said in the audio file, or a .txt file of it, for captions and surer lips.
        device: where the frames are drawn: auto (a GPU where one can draw), cpu or cuda.
        refresh: look on the Hub for something newer than what was downloaded earlier.
        speech_model: another speech encoder than the shipped one: a folder or a Hub address that save_pretrained wrote.
        motion_model: another motion model, in the same way.
    """
    from emotalk.talk.request import Look, talk_request
    from emotalk.talk.studio import Studio

    if stdin:
        if text is not None or audio is not None:
            raise InputError("--stdin was given beside --text or --audio; give one of the three.")
        text = sys.stdin.read()
    request = talk_request(
        avatar=avatar,
        text=text,
        audio=audio,
        voice=voice,
        valence=valence,
        arousal=arousal,
        emotion=_mood(emotion),
        seed=seed,
        head_motion=head_motion,
        expressiveness=expressiveness,
        mood_in_voice=mood_in_voice,
        look=Look(size, yaw, pitch, zoom, _background(background), mark, shape, captions_in_picture),
        transcript=_transcript(transcript),
    )
    _download(avatar, refresh)
    studio = Studio(folders=True, device=device, **_models(speech_model, motion_model, refresh))
    with _progress_bar(unit=" frames") as show:
        clip = studio.talk(
            request, output, motion_out=motion_out, frames_dir=frames_dir, captions=captions, progress=show
        )
    for remark in clip.remarks:
        print(f"emotalk: {remark}", file=sys.stderr)
    spent = ", ".join(
        f"{stage} {clip.timings[stage]:.1f}" for stage in ("speech", "motion", "pose", "render", "encode")
        if stage in clip.timings
    )  # fmt: skip
    print(f"{clip.path}: {clip.seconds:.1f} s of video in {clip.timings['total']:.1f} s ({spent})")


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
        kind = "synthetic person" if card.synthetic else "real person, with consent"
        print(f"{info.name:12} {card.name}; {kind}; {card.licence}; {'shipped' if info.shipped else info.folder}")
    for entry in recommended_avatars():
        here = "downloaded" if downloaded(HubAddress.parse(entry.address)) else "downloads on first use"
        print(f"{entry.address:12} {entry.title}; {entry.licence}; {here}")


def voices(language: str | None = None, everything: bool = False) -> None:
    """List the voices that read text aloud, best first.

    Args:
        language: only voices of this language: en, en-gb, de, ...
        everything: also all of espeak's hundred languages and what could be installed.
    """
    from emotalk.speech import voices as known_voices

    shown = [voice for voice in known_voices() if language is None or _speaks(voice.language, language)]
    if language is None and not everything:
        shown = [voice for voice in shown if _speaks(voice.language, "en")]
    if not shown:
        raise InputError(f"No voice speaks {language!r}; `python -m emotalk voices --everything` lists all.")
    for voice in shown:
        stars = "*" * voice.quality
        missing = "" if voice.installed else f"  [{voice.how_to_get}]"
        print(f"{voice.id:28} {voice.language:14} {stars:6} {voice.description}; {voice.licence}{missing}")
    if language is None and not everything:
        print("More languages: --language de, or --everything.")


def doctor() -> None:
    """Say what is installed, which backends work, and how to get what is missing."""
    from emotalk.doctor import examine

    signs = {"ok": "ok ", "optional": "-  ", "missing": "!! "}
    missing = 0
    for finding in examine():
        missing += finding.grade == "missing"
        remedy = f"  ->  {finding.remedy}" if finding.remedy else ""
        print(f"{signs[finding.grade]} {finding.part:22} {finding.found}{remedy}")
    if missing:
        raise InputError(f"{missing} needed part(s) are missing; the lines with !! say how to get them.")


def warmup() -> None:
    """Compile the CPU renderer and make the voice ready ahead of time, so that the first talk begins at once."""
    from emotalk.core.errors import VoiceError
    from emotalk.rendering import warmup as compile_kernels
    from emotalk.speech.tts import prepare_voice

    seconds = compile_kernels(progress=lambda line: print(line, file=sys.stderr))
    print(f"renderer ready after {seconds:.1f} s")
    started = time.perf_counter()
    try:
        voice = prepare_voice()
    except VoiceError as error:  # recordings can be played all the same
        print(f"no voice: {error}", file=sys.stderr)
    else:
        print(f"voice {voice.id} ready after {time.perf_counter() - started:.1f} s")


def personalize(
    video: tyro.conf.Positional[Path],
    name: str,
    minutes: float = 2.0,
    consent: bool = False,
    resume: bool = False,
    seconds: float | None = None,
    size: Literal[256, 512] = 512,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Make an avatar of the person in a video, which `talk --avatar NAME` then lets speak.

    Args:
        video: ten to sixty seconds of one person who looks into the camera and talks; any format.
        name: what the avatar is called.
        minutes: how long to fit at most, after tracking.
        consent: say that you are the person in the video, or that they agreed to an avatar that can be made to say
            anything. It is kept in the avatar's card; without it nothing is made.
        resume: go on with a run that was stopped, with the settings it was started with.
        seconds: how much of the video to use at most.
        size: side in pixels of the pictures that are learned from.
        seed: another number, another order of the pictures.
        device: where the avatar is fitted: auto (a GPU where one can draw), cpu or cuda.
    """
    from emotalk.create import CONSENT, PersonalizeRequest
    from emotalk.create import personalize as make

    request = PersonalizeRequest(
        video, name, CONSENT if consent else "", minutes=minutes, seconds=seconds, size=size, seed=seed,
        device=device, resume=resume,
    )  # fmt: skip
    with _fit_bar() as show:
        try:
            made = make(request, show, on_tracked=show.tracked)
        except KeyboardInterrupt:
            print("stopped; the same command with --resume goes on from here", file=sys.stderr)
            raise
    _tell_avatar(made, made.name)


def portrait(
    photo: tyro.conf.Positional[Path],
    name: str,
    consent: bool = False,
    face: int | None = None,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    size: Literal[256, 512] = 512,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Make an avatar of the person in a photo, in half a minute; `talk --avatar NAME` then lets it speak.

    Args:
        photo: one sharp picture of a person from the front, with the mouth closed, in even light: JPEG, PNG, WebP, ...
        name: what the avatar is called.
        consent: say that you are the person in the photo, or that they agreed to an avatar that can be made to say
            anything. It is kept in the avatar's card; without it nothing is made.
        face: whose avatar, where the photo shows several people: 1 is the one furthest left.
        output: the folder to put the avatar's own folder into; by default where `avatars` looks for them.
        size: side in pixels of the picture that is learned from.
        seed: another number, another draw of the Gaussians.
        device: where the avatar is fitted: auto (a GPU where one can draw), cpu or cuda.
    """
    from emotalk.create import CONSENT, PortraitRequest
    from emotalk.create import portrait as make

    request = PortraitRequest(photo, name, CONSENT if consent else "", face=face, size=size, seed=seed, device=device)
    with _fit_bar() as show:
        made = make(request, show, on_tracked=show.tracked, folder=output)
    _tell_avatar(made, made.name if output is None else str(made.folder))


def evaluate(
    video: Path,
    avatar: str | None = None,
    protocol: Literal["self-reconstruction", "few-shot"] | None = None,
    audio: Path | None = None,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("evaluation"),
    share: float = 1.0,
    minutes: float = 2.0,
    seconds: float | None = None,
    device: str = "auto",
) -> None:
    """Measure an avatar against a video of the same person; writes report.json, report.md and pictures.

    Args:
        video: the recording to compare with (or a folder that it was tracked into).
        avatar: who is measured: a name that `avatars` lists, or an avatar's folder.
        protocol: instead of an avatar: fit one to the first four fifths ("self-reconstruction") or the first five
            seconds ("few-shot") of the video and measure it on the last fifth.
        audio: also let the avatar speak along with this other recording and judge its lips (cross-audio).
        output: the folder to write.
        share: compare only this last share of the video, for example 0.2.
        minutes: how long a protocol fits.
        seconds: how much of the video to use at most.
        device: where the avatar is fitted and drawn: auto (a GPU where one can draw), cpu or cuda.
    """
    from emotalk.evaluation.command import run

    with _progress_bar() as show:
        reports = run(video, avatar, protocol, audio, output, share, minutes, seconds, device, show)
    for report in reports:
        told = ("psnr_head", "psnr_full", "lmd_mouth", "lip_slope", "sync", "faces_found")
        numbers = ", ".join(f"{name} {report.scores[name]:.4g}" for name in told if name in report.scores)
        print(f"driven by {report.drive}: {numbers}")
    print(f"{output / 'report.md'}")


def encode(
    audio: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("features.npz"),
    encoder: str = "embedded",
    adapter: Path | None = None,
    refresh: bool = False,
) -> None:
    """Write what a speech encoder hears in a recording, for research and training: features, phones, articulation,
    voicing, energy and pitch at 50 Hz.

    Args:
        audio: an audio file, in any format.
        output: the file to write (.npz).
        encoder: "embedded", or a wav2vec 2.0 or HuBERT model (a folder, or a Hub address such as
            facebook/wav2vec2-base-960h) for the features; the other columns always come from the embedded encoder.
        adapter: a linear layer that brings such features to the embedded size (LinearAdapter.fit, save_adapter).
        refresh: look on the Hub for something newer than what was downloaded earlier.
    """
    from emotalk.speech import load_audio
    from emotalk.speech.features_file import load_encoder, save_features

    features = load_encoder(encoder, adapter, refresh).encode(load_audio(audio))
    save_features(features, output)
    print(f"{output}: {len(features)} rows, {features.features.shape[1]} features a row")


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


COMMANDS = {
    "talk": talk,
    "portrait": portrait,
    "personalize": personalize,
    "avatars": avatars,
    "voices": voices,
    "encode": encode,
    "push": push,
    "evaluate": evaluate,
    "doctor": doctor,
    "warmup": warmup,
}


def _download(avatar: str, refresh: bool) -> None:
    """Download an avatar that is named by a Hub address, with its progress on standard error."""
    from emotalk.avatar.hub_avatars import resolve_avatar
    from emotalk.hub import HubAddress, downloaded

    address = HubAddress.parse(avatar)
    if address is None or Path(avatar).exists() or (downloaded(address) and not refresh):
        return
    with _progress_bar(unit="B", unit_scale=True) as show:
        resolve_avatar(avatar, refresh=refresh, progress=show)


def _models(speech: str | None, motion: str | None, refresh: bool) -> dict:
    """The models that were named, as Studio takes them."""
    models = {}
    if speech is not None:
        from emotalk.speech import SpeechEncoder

        models["encoder"] = SpeechEncoder.from_pretrained(speech, refresh=refresh)
    if motion is not None:
        from emotalk.motion import MotionModel

        models["motion"] = MotionModel.from_pretrained(motion, refresh=refresh)
    return models


def _mood(emotion: str | None) -> Path | str | None:
    """What somebody typed as --emotion: here, and nowhere else, a text may name a file."""
    return Path(emotion) if emotion and Path(emotion).suffix.lower() in (".json", ".csv") else emotion


def _transcript(given: str | None) -> str | None:
    """What somebody typed as --transcript: here, and nowhere else, a text may name a file."""
    if not given or not given.lower().endswith(".txt"):
        return given
    try:
        text = Path(given).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The transcript {Path(given).name} is no text in UTF-8. Save it as plain text.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"The transcript {given!r:.200} cannot be read; check the name of the file.") from error
    if not text.strip():
        raise InputError(f"The transcript {Path(given).name} is empty. Write into it what is said, or leave it out.")
    return text


def _background(given: str | None) -> Background | None:
    """What somebody typed as --background: here, and nowhere else, a text may name a picture."""
    from emotalk.talk.background import Colour, PictureFile

    if given is None:
        return None
    if given.startswith("#"):
        return Colour.parse(given)
    if not Path(given).is_file():
        raise InputError(f"The background must be a colour such as #d8e4f0 or a picture file, found {given!r:.200}.")
    return PictureFile(Path(given))


def _speaks(spoken: str, wanted: str) -> bool:
    return spoken == wanted.lower() or spoken.startswith(f"{wanted.lower()}-")


class _progress_bar:
    """How far something is, on standard error and in place; silent where that is no terminal. Options as for tqdm."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __enter__(self) -> _progress_bar:
        from tqdm import tqdm

        self._bar = tqdm(disable=None, leave=False, desc="starting", **self._options)
        return self

    def __call__(self, news: Progress) -> None:
        bar = self._bar
        bar.set_description(news.stage, refresh=False)
        bar.total = news.total or bar.total
        psnr = getattr(news, "psnr", None)  # only a fit has one
        told = (f"{psnr:.1f} dB" if psnr is not None else "", news.time_left)
        bar.set_postfix_str(", ".join(filter(None, told)), refresh=False)
        bar.update(news.done - bar.n)

    def tracked(self, video: TrackedVideo) -> None:
        """The sentences on a video or photo, once, above the bar."""
        for sentence in video.quality.sentences:
            self._bar.write(sentence, file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _fit_bar() -> _progress_bar:
    """The bar of a command that makes an avatar."""
    return _progress_bar(
        total=1, bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
    )


def _tell_avatar(made: PersonalizeResult, address: str) -> None:
    """What was made, how good it is, and how to let it talk."""
    measured = ", ".join(f"{metric} {value:.3g}" for metric, value in sorted(made.card.metrics.items()))
    print(f"{made.folder}: made in {made.seconds:.0f} s" + (f" ({measured})" if measured else ""))
    print(f'python -m emotalk talk --avatar {shlex.quote(address)} --text "Hello!"')


def _fault_of_the_machine(error: OSError | MemoryError | ImportError) -> str | None:
    """A sentence where the machine lacks what a command needs, else None: then it is a mistake in the program."""
    if isinstance(error, ImportError):
        short = "failed to map segment" in str(error) or "annot allocate memory" in str(error)
    else:
        short = isinstance(error, MemoryError) or error.errno == errno.ENOMEM
    if short:
        return "There is too little memory for this; close other programs, or ask for less."
    if isinstance(error, ImportError):
        return None
    if "No usable temporary directory" in str(error):
        return "No temporary file can be written anywhere; make room, or name a folder in TMPDIR."
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    lacks = {
        errno.ENOSPC: "The disk is full; make room",
        errno.EDQUOT: "Your share of the disk is full; make room",
        errno.EFBIG: "A file would grow larger than is allowed here (ulimit -f)",
        errno.EROFS: "This place cannot be written; name another one",
        errno.EMFILE: "Too many files are open for this program (ulimit -n)",
        errno.ENFILE: "Too many files are open on this machine; close other programs",
        errno.EIO: "The disk fails; look for another place",
    }
    return f"{lacks[error.errno]}{where}." if error.errno in lacks else None


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for an error meant for people)."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="python -m emotalk", description="Emotional talking heads.", args=arguments
        )
    except EmotalkError as error:
        print(f"emotalk: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError, ImportError) as error:
        words = _fault_of_the_machine(error)
        if words is None:
            raise
        print(f"emotalk: {words}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
