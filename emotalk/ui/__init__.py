"""The web page: `build_app` assembles its tabs; `launch.py` serves it."""

from emotalk.ui.assemble import App, build_app

__all__ = ["App", "build_app"]
