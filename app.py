"""`python app.py` opens emotalk's page in a browser; a Hugging Face Space runs the same file.

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT place the server. Where others can reach it (any address but loopback, a
Space), the limits of a page that strangers use hold, unless EMOTALK_PUBLIC=0 says that it is one's own; EMOTALK_HOSTS
names what else leads to it. EMOTALK_MAX_SECONDS caps the length of a clip, EMOTALK_DEVICE (auto, cpu or cuda) says
where faces are drawn and fitted, EMOTALK_MCP=1 also serves the tools of docs/api.md.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from emotalk.core.errors import InputError
from emotalk.ui.launch import launch

if __name__ == "__main__":
    try:
        launch()
    except InputError as error:
        raise SystemExit(f"emotalk: {error}") from None
