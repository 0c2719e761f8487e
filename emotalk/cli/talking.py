"""Commands that make pictures of an avatar: `talk`, `sheet`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from emotalk.cli.progress import ProgressBar
from emotalk.cli.scenes import make_scene, scene_request
from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.errors import InputError


def talk(
    text: str | None = None,
    audio: Path | None = None,
    stdin: bool = False,
    script: Path | None = None,
    landmarks: Path | None = None,
    landmarks_fps: float | None = None,
    landmarks_size: str | None = None,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE", help_behavior_hint="")] = None,
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
    shot: str = "still",
    gaze: str = "ahead",
    staging: str = "cut",
    background: str | None = None,
    shape: str = "1:1",
    captions_in_picture: str = "off",
    mark: str = "bottom-right",
    motion_out: Path | None = None,
    landmarks_out: Path | None = None,
    frames_dir: Path | None = None,
    captions: Path | None = None,
    transcript: str | None = None,
    device: str = "auto",
    refresh: bool = False,
    encoder: str = "embedded",
    motion_model: str | None = None,
) -> None:
    """Make a video of an avatar that says a text, or speaks along with an audio file; or of several with a script.

    Args:
        text: what to say; directions such as [happy], [pause 0.5] or *stress* may stand in it (docs/direction.md).
        audio: an audio file to speak along with, in any format.
        stdin: read the text from standard input.
        script: a text file with lines of several speakers, "Mira: Hello!" (docs/scenes.md); lines that did not change
            since the last time are not made again.
        landmarks: a file of a face's landmarks over time (.json, .npz, .npy; docs/landmarks.md), whose movements the
            avatar makes in place of what it would say; with --audio that sound is heard. A mood is added to the upper
            face only.
        landmarks_fps: frames a second of such a file that does not tell them (25 otherwise).
        landmarks_size: width and height of the picture of such a file, 1280x720, where it holds shares of them and
            does not tell.
        output: the file to write: a video (.mp4, .webm, .mov), a silent loop (.gif, .webp), the sound (.m4a, .wav) or a
            picture (.png). By default an .mp4 that is named after what is said.
        avatar: who speaks: a name that `avatars` lists, an avatar's folder, or an address on the Hugging Face Hub:
            org/name, org/name/folder, org/name@revision.
        valence: mood from -1 (unpleasant) to 1 (pleasant).
        arousal: mood from -1 (calm) to 1 (excited).
        emotion: instead of the two numbers: a name ("happy", "sad", ...), key frames in seconds ("0 happy, 2.5 sad") or
            a file of them (.json or .csv), or "auto" for an arousal that follows the voice.
        voice: who reads the text: an id that `voices` lists; the avatar's own by default.
        seed: another number, another take of gaze, blinks and head motion.
        head_motion: from 0 (still) over 1 (natural) to 2.
        expressiveness: how strongly the mood shows, from 0 over 1 (as chosen) to 2.
        mood_in_voice: whether the voice that reads a text has the mood too.
        size: the shorter side in pixels, even, from 64 to 1080.
        yaw: camera angle in degrees; positive sees the person from their left.
        pitch: camera angle in degrees; positive looks from above.
        zoom: from 0.5 (far) to 2.5 (near).
        shot: how the camera moves: still, push-in (slowly nearer), drift (a little around the head) or cut-in (near in
            every other sentence).
        gaze: where the person looks: ahead, camera (at you), aside, or a point in degrees to the right and up: 20,-5.
        staging: who is in the picture of a script: cut (the one who speaks) or side-by-side (all).
        background: a colour such as #d8e4f0, a picture file, blur (the avatar's own, out of focus), blur:FILE (a
            picture so), or transparent (a .webm or .mov); the avatar's own by default.
        shape: 1:1, 9:16 (phones) or 16:9.
        captions_in_picture: what is said, painted into the video: off, lines, highlight (the word that is said in
            colour) or words (one large word after the other).
        mark: where the "AI generated" label stands: bottom-right, bottom-left, top-right, top-left or off.
        motion_out: also write the motion as Live Link Face CSV, for Unreal, Unity or Blender.
        landmarks_out: also write the face's 478 landmarks in every picture, as .json or .npz.
        frames_dir: also write every frame as PNG into this folder.
        captions: also write the words of the text or transcript with their times, as .srt or .vtt.
        transcript: what is said in the audio file, or a .txt file of it, for captions and surer lips.
        device: where the frames are drawn: auto (a GPU where one can draw), cpu or cuda.
        refresh: look on the Hub for something newer than what was downloaded earlier.
        encoder: what hears the voice: embedded (the shipped network), or a folder or a Hub address with another one, or
            with an adapter to wav2vec 2.0 or HuBERT (scripts.train_adapter).
        motion_model: another motion model, in the same way.
    """
    from emotalk.talk.studio import Studio
    from emotalk.talk.typed import typed_look, typed_talk

    if landmarks is not None and (stdin or script is not None or text is not None):
        raise InputError(
            "--landmarks brings lips of its own: leave --text, --stdin and --script out, or give the sound that "
            "belongs to them as --audio."
        )
    if (stdin, script is not None, text is not None or audio is not None).count(True) > 1:
        raise InputError("Of --text or --audio, --script and --stdin one is needed; give one of the three.")
    if stdin:
        text = sys.stdin.read()
    look = typed_look(
        size=size, yaw=yaw, pitch=pitch, zoom=zoom, background=background, mark=mark, shape=shape,
        captions_in_picture=captions_in_picture, shot=shot, gaze=gaze,
    )  # fmt: skip
    if script is not None:
        alone = {
            "--avatar": avatar != "mira", "--voice": voice, "--emotion": emotion, "--valence": valence,
            "--arousal": arousal, "--motion-out": motion_out, "--frames-dir": frames_dir, "--transcript": transcript,
            "--landmarks-out": landmarks_out,
        }  # fmt: skip
        if given := [name for name, value in alone.items() if value]:
            raise InputError(
                f"{given[0]} is for one speaker; a script says for each line who speaks, how, and with which voice."
            )
        request = scene_request(script, staging, look, seed, head_motion, expressiveness, mood_in_voice)
        for role in request.screenplay.roles:
            download_avatar(role.avatar, refresh)
        studio = Studio(folders=True, device=device, **_models(encoder, motion_model, refresh))
        make_scene(studio, request, output or Path(f"{script.stem or 'scene'}.mp4"), captions)
        return
    request = typed_talk(
        look,
        avatar=avatar,
        text=text,
        audio=audio,
        voice=voice,
        valence=valence,
        arousal=arousal,
        emotion=emotion,
        seed=seed,
        head_motion=head_motion,
        expressiveness=expressiveness,
        mood_in_voice=mood_in_voice,
        transcript=transcript,
        landmarks=landmarks,
        landmarks_fps=landmarks_fps,
        landmarks_size=landmarks_size,
    )
    download_avatar(avatar, refresh)
    studio = Studio(folders=True, device=device, **_models(encoder, motion_model, refresh))
    with ProgressBar(unit=" frames") as show:
        clip = studio.talk(
            request,
            output or Path(f"{request.file_name if landmarks is None else landmarks.stem}.mp4"),
            motion_out=motion_out,
            landmarks_out=landmarks_out,
            frames_dir=frames_dir,
            captions=captions,
            progress=show,
        )
    for remark in clip.remarks:
        print(f"emotalk: {remark}", file=sys.stderr)
    spent = ", ".join(
        f"{stage} {clip.timings[stage]:.1f}" for stage in ("speech", "motion", "pose", "render", "encode")
        if stage in clip.timings
    )  # fmt: skip
    print(f"{clip.path}: {clip.seconds:.1f} s of video in {clip.timings['total']:.1f} s ({spent})")


def sheet(
    avatar: tyro.conf.Positional[str] = "mira",
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE", help_behavior_hint="")] = None,
    moods: int = 5,
    size: int = 192,
    expressiveness: float = 1.0,
    mark: str = "bottom-right",
    device: str = "auto",
    refresh: bool = False,
) -> None:
    """Write a picture of an avatar in many moods: from unpleasant to pleasant, and from calm to excited.

    Args:
        avatar: whose: a name that `avatars` lists, an avatar's folder, or an address on the Hugging Face Hub.
        output: the .png to write; by default it is named after the avatar.
        moods: how many in a row, from 2 to 9.
        size: pixels of one face's side, even, from 64 to 512.
        expressiveness: how strongly the moods show, from 0 over 1 to 2.
        mark: where the "AI generated" label stands: bottom-right, bottom-left, top-right, top-left or off.
        device: where the faces are drawn: auto (a GPU where one can draw), cpu or cuda.
        refresh: look on the Hub for something newer than what was downloaded earlier.
    """
    from PIL import Image

    from emotalk.core.atomic import replacing
    from emotalk.core.checks import check_number, check_whole
    from emotalk.core.file_names import file_name_of
    from emotalk.talk.request import Look
    from emotalk.talk.studio import Studio

    check_whole("The number of moods", moods, 2, 9)
    check_number("The size", size, 64, 512)
    check_number("The expressiveness", expressiveness, 0, 2)
    target = output or Path(f"{file_name_of(avatar)}-moods.png")
    if target.suffix.lower() != ".png" or target.is_dir():
        raise InputError(f"The sheet's name must end in .png, found {target.name!r:.80}.")
    look = Look(size, mark=mark)
    download_avatar(avatar, refresh)
    picture = Studio(folders=True, device=device).mood_sheet(avatar, look, expressiveness, mark, moods)
    try:
        with replacing(target) as file:
            Image.fromarray(picture).save(file, "PNG")
    except OSError as error:
        raise InputError(f"The sheet cannot be written to {target}: {error.strerror or error}.") from error
    print(f"{target}: {moods} x {moods} moods")


def download_avatar(avatar: str, refresh: bool) -> None:
    """Download an avatar that is named by a Hub address, with its progress on standard error."""
    from emotalk.avatar.hub_avatars import resolve_avatar
    from emotalk.hub import HubAddress, downloaded

    address = HubAddress.parse(avatar)
    if address is None or Path(avatar).exists() or (downloaded(address) and not refresh):
        return
    with ProgressBar(unit="B", unit_scale=True) as show:
        resolve_avatar(avatar, refresh=refresh, progress=show)


def _models(encoder: str, motion: str | None, refresh: bool) -> dict:
    """The models that were named, as Studio takes them."""
    from emotalk.speech.encoders import EMBEDDED, load_encoder

    models = {}
    if encoder != EMBEDDED:
        models["encoder"] = load_encoder(encoder, refresh)
    if motion is not None:
        from emotalk.motion import MotionModel

        models["motion"] = MotionModel.from_pretrained(motion, refresh=refresh)
    return models
