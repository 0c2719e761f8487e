"""Serving the page: what `python app.py` and `python -m emotalk app` do."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import threading

from emotalk.core.errors import InputError
from emotalk.server.limits import limits
from emotalk.server.running import stop_by_signals
from emotalk.server.serving import serve_at, settle
from emotalk.server.zero_gpu import page_device
from emotalk.talk import Studio
from emotalk.ui.assemble import App, build_app
from emotalk.ui.controls import FIRST_FACE


def launch() -> None:
    """Serve the page where the environment says (app.py names the variables) until the process is stopped.

    Raises InputError for a device that is not there or where no temporary file can be kept.
    """
    apps: list[App] = []
    stop_by_signals(lambda: apps[0] if apps else None)
    settle(serve_at())  # whose machine this is decides what a studio keeps
    others = [name.strip() for name in os.environ.get("EMOTALK_ENCODERS", "").split(",") if name.strip()]
    studio = Studio(kept_downloads=limits().hub_avatars, device=page_device(), encoders=others)
    built: queue.SimpleQueue[App] = queue.SimpleQueue()

    def warm_up() -> None:
        studio.warm_up()
        built.get().faces.warm_up(FIRST_FACE)

    # The page is there at once; models load, the renderer compiles and faces are packed (once per machine) meanwhile.
    warming = threading.Thread(target=warm_up, name="emotalk-warm-up", daemon=True)
    warming.start()
    try:
        app = build_app(studio)
    except OSError as error:
        raise InputError(f"No temporary files can be kept ({error}); make room or set TMPDIR.") from error
    built.put(app)
    apps.append(app)
    with contextlib.suppress(KeyboardInterrupt):  # stopped while it was starting
        app.launch(mcp_server=os.environ.get("EMOTALK_MCP") == "1" or None)
    if warming.is_alive():
        # What loads or compiles there is no Python: it would abort the process in the middle of its end.
        atexit._run_exitfuncs()
        os._exit(0)
