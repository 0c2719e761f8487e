"""`python app.py` opens emotalk's page in a browser; a Hugging Face Space runs the same file.

EMOTALK_MAX_SECONDS caps the length of a clip, EMOTALK_PUBLIC=1 sets the limits of a page that strangers use,
EMOTALK_DEVICE (auto, cpu or cuda) says where faces are drawn and fitted, EMOTALK_MCP=1 also serves the tools of
docs/api.md; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT place the server.
"""

import os
import signal
import threading

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from emotalk.core.errors import InputError
from emotalk.server.limits import limits
from emotalk.server.zero_gpu import page_device
from emotalk.talk import Studio
from emotalk.ui import build_app

if __name__ == "__main__":
    # A container is stopped by this signal: leave as after Ctrl-C, so that no clip stays on the disk.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        studio = Studio(kept_downloads=limits().hub_avatars, device=page_device())
    except InputError as error:
        raise SystemExit(f"emotalk: {error}") from None
    # The page is there at once; models load and the renderer compiles (once per machine) meanwhile.
    threading.Thread(target=studio.warm_up, name="emotalk-warm-up", daemon=True).start()
    build_app(studio).launch(mcp_server=os.environ.get("EMOTALK_MCP") == "1" or None)
