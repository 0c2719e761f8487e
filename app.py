"""`python app.py` opens emotalk's page in a browser; a Hugging Face Space runs the same file.

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT place the server. Where others can reach it (any address but loopback, a
Space), the limits of a page that strangers use hold, unless EMOTALK_PUBLIC=0 says that it is one's own; EMOTALK_HOSTS
names what else leads to it. EMOTALK_MAX_SECONDS caps the length of a clip, EMOTALK_DEVICE (auto, cpu or cuda) says
where faces are drawn and fitted, EMOTALK_MCP=1 also serves the tools of docs/api.md.
"""

import os
import signal
import threading

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from emotalk.core.errors import InputError
from emotalk.server.limits import limits
from emotalk.server.serving import serve_at, settle
from emotalk.server.zero_gpu import page_device
from emotalk.talk import Studio
from emotalk.ui import build_app

if __name__ == "__main__":
    # A container is stopped by this signal: leave as after Ctrl-C, so that no clip stays on the disk.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settle(serve_at())  # whose machine this is decides what a studio keeps
    try:
        studio = Studio(kept_downloads=limits().hub_avatars, device=page_device())
    except InputError as error:
        raise SystemExit(f"emotalk: {error}") from None
    # The page is there at once; models load and the renderer compiles (once per machine) meanwhile.
    threading.Thread(target=studio.warm_up, name="emotalk-warm-up", daemon=True).start()
    try:
        app = build_app(studio)
    except OSError as error:
        raise SystemExit(f"emotalk: no temporary files can be kept ({error}); make room or set TMPDIR.") from None
    app.launch(mcp_server=os.environ.get("EMOTALK_MCP") == "1" or None)
