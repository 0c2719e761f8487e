"""An avatar made of a video is fitted further, from where its fit ended.

.<name>.work (`kept`) ─► fit/ goes on ─► better on frames that it does not learn from? ─► avatar folder
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from emotalk.avatar.gallery import folder_name, own_folder
from emotalk.core.blas import one_blas_thread
from emotalk.core.errors import Cancelled
from emotalk.core.heap import give_memory_back
from emotalk.core.progress import FitCallback
from emotalk.create.filmed import remembered
from emotalk.create.kept import keep, settings_of
from emotalk.create.request import ImproveRequest, PersonalizeResult
from emotalk.create.stages import JUDGING, Waiting
from emotalk.create.workplace import put_in_place, sweep, work_folder, workplace
from emotalk.rendering.device import resolve_device

BETTER = 0.05
"""dB from which it is called better."""
WORSE = 0.02
"""dB by which the head may be less alike afterwards: less is chance."""


def improve(
    request: ImproveRequest,
    progress: FitCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    folder: Path | None = None,
) -> PersonalizeResult:
    """Fit an avatar for more minutes; where that makes it no better, it stays as it was, and the verdict says so.

    Arguments, errors and what is returned as in `create.personalize` (nothing is tracked). A run that is stopped
    leaves the avatar as it was and can be begun again.
    """
    # Imported here: as in `job`.
    from emotalk.avatar import load_avatar
    from emotalk.create.verdict import judged, lip_rows
    from emotalk.fitting.personalize import PersonalizeConfig, PersonalizeFit, one_thread
    from emotalk.portrait.emotional_faces import EmotionalFaces, FacesConfig
    from emotalk.tracking import load_tracked

    started = time.perf_counter()
    one_blas_thread()
    give_memory_back()
    cancelled = cancelled or (lambda: False)
    device = resolve_device(request.device)
    base = own_folder() if folder is None else folder
    name = folder_name(request.name)
    sweep(base)
    settings_of(work_folder(base, name), base / name)  # before a folder is made for nothing
    with workplace(base, name) as work:
        settings = settings_of(work, base / name)
        waiting = Waiting(progress or (lambda _: None), 60 * request.minutes, 0.0)
        before, tracked = load_avatar(base / name), load_tracked(work / "track")
        config = PersonalizeConfig(minutes=request.minutes, device=str(device), **settings)
        faces = EmotionalFaces(FacesConfig(seed=config.seed))  # the same as when it was made
        fit = PersonalizeFit(
            tracked, work / "fit", config, name=before.card.name, consent=before.card.consent, extra_pairs=faces
        )  # fmt: skip
        avatar = fit.run(waiting.fitting(), cancelled, further=True)
        old, new = (one.card.metrics.get("psnr_head", 0.0) for one in (before, avatar))
        better = new > old - WORSE
        avatar = avatar.replace(motion=before.motion) if better else before
        with one_thread():
            waiting.show(JUDGING)
            verdict, numbers = judged(avatar, tracked, cancelled, remembered(before.card.metrics))
        if cancelled():
            raise Cancelled("Stopped; the avatar is what it was.")
        if better:
            said = f"It was {old:.1f} dB before: {'better' if new > old + BETTER else 'about as good'} now."
        else:
            said = f"More time made it no better ({new:.1f} dB against {old:.1f}): it stays as it was."
        verdict = dataclasses.replace(verdict, sentences=(*verdict.sentences, said))
        card = dataclasses.replace(avatar.card, metrics=avatar.card.metrics | numbers)
        made = put_in_place(avatar.replace(card=card), tracked, base, name, started, verdict)
        keep(work, made.folder, config, [*fit.rows, *lip_rows(tracked)])
        return made
