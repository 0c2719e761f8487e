"""`python app.py` opens emotalk's page in a browser; a Hugging Face Space runs the same file.

EMOTALK_MAX_SECONDS caps the length of a clip (default 600); GRADIO_SERVER_NAME and GRADIO_SERVER_PORT place the server.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from emotalk.pipeline import Studio
from emotalk.ui import build_app

if __name__ == "__main__":
    studio = Studio()
    studio.warm_up()
    build_app(studio).launch(mcp_server=os.environ.get("EMOTALK_MCP") == "1" or None)
