"""Hearing and voice of live faces on a Ray cluster, as many processes as there is work for:

    pip install -r requirements-scale.txt "ray[serve]==2.60.0"
    serve run scripts.deploy.ray_serve:app                     # http://127.0.0.1:8000
    EMOTALK_HEARING_URL=http://127.0.0.1:8000 python app.py

A replica takes a core, and is added where more than two talks for each wait or are made, within five seconds; one that
is not needed for five minutes goes. EMOTALK_HEARING_REPLICAS is the most of them (8). A talk that is under way when its
replica has to go is said to its end. docs/scale.md tells what one replica carries.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ray import serve

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@serve.deployment(
    name="hearing",
    max_ongoing_requests=8,
    max_queued_requests=64,  # more are answered with 503, and the page speaks itself
    ray_actor_options={"num_cpus": 1},
    graceful_shutdown_timeout_s=300,
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": int(os.environ.get("EMOTALK_HEARING_REPLICAS", "8")),
        "target_ongoing_requests": 2,
        "upscale_delay_s": 5,
        "downscale_delay_s": 300,
    },
)
class Hearing:
    """One process with the models loaded."""

    def __init__(self) -> None:
        # Imported here: in the replica, not in the process that asks for it.
        from emotalk.server.hearing_service import HearingService
        from emotalk.talk import Studio

        os.environ.setdefault("EMOTALK_PUBLIC", "0")  # pages count visitors, not this
        studio = Studio()
        studio.warm_up()
        self._service = HearingService(studio)

    async def __call__(self, request: Request) -> Response:
        """`POST /say`; the path is not looked at."""
        return await self._service.say(request)


app = Hearing.bind()
