"""Speech encoders and motion models that jobs name in place of the shipped ones, as `talk` takes them: whether they can
be used, what they consist of, and a studio with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.batch.kinds import MODEL, Desk, Options
from emotalk.core.errors import InputError
from emotalk.speech.encoders import EMBEDDED, load_encoder

if TYPE_CHECKING:
    from emotalk.talk.studio import Studio

MODELS = {"encoder": MODEL, "motion_model": MODEL}
"""The options that name them."""


def check_models(desk: Desk, options: Options) -> tuple[Path, ...]:
    """The folders of the models that a job names by addresses on the Hub, downloaded if need be; folders of the user's
    are among its inputs already.

    Each model is loaded once for this and let go. Raises EmotalkError for one that cannot be used.
    """
    folders: tuple[Path, ...] = ()
    if (encoder := options.get("encoder", EMBEDDED)) != EMBEDDED:
        folders += desk.keep(f"encoder {encoder}", lambda: _tried("encoder", encoder, _try_encoder))
    if (motion := options.get("motion_model")) is not None:
        folders += desk.keep(f"motion {motion}", lambda: _tried("motion_model", motion, _try_motion))
    return folders


def studio_for(desk: Desk, options: Options) -> Studio:
    """The studio in which a job is made, with the models that it names. Raises EmotalkError."""
    encoder, motion = options.get("encoder", EMBEDDED), options.get("motion_model")

    def models() -> dict:
        # Imported here: with the first talk.
        from emotalk.motion import MotionModel

        made = {}
        if encoder != EMBEDDED:
            made["encoder"] = load_encoder(encoder)
        if motion is not None:
            made["motion"] = MotionModel.from_pretrained(motion)
        return made

    return desk.studio(options.get("device", "auto"), (encoder, motion), models)


def _tried(option: str, name: str, attempt: Callable[[str], tuple[Path, ...]]) -> tuple[Path, ...]:
    try:
        return attempt(name)
    except ImportError as error:
        raise InputError(
            f"{option!r} is {name!r:.80}, which needs a package that is not installed: {error}."
        ) from error
    except (OSError, ValueError) as error:  # a name that no file can have
        raise InputError(f"{option!r} is {name!r:.80}, which cannot be read ({str(error)[:100]}).") from error


def _try_encoder(name: str) -> tuple[Path, ...]:
    # Imported here: torch and the Hub's client only where a model is named.
    from emotalk.hub.models import transformer_folder
    from emotalk.speech.hub_encoder import HubSpeechEncoder

    encoder = load_encoder(name)
    encoder.stream()  # a transformer without an adapter can move nobody
    folders = () if Path(name).is_dir() else (transformer_folder(name),)
    if isinstance(encoder, HubSpeechEncoder):
        folders += (transformer_folder(encoder.name, encoder.revision),)
    return folders


def _try_motion(name: str) -> tuple[Path, ...]:
    # Imported here: as above.
    from emotalk.hub.models import model_folder
    from emotalk.motion import MotionModel

    MotionModel.from_pretrained(name)
    return () if Path(name).is_dir() else (model_folder(name)[0].parent,)
