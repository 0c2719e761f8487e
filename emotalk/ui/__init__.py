"""The web page: `build_app` assembles its tabs; `launch.py` serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotalk.ui.assemble import App, build_app

__all__ = ["App", "build_app"]


def __getattr__(name: str) -> Any:
    """`App` and `build_app`, loaded when they are first asked for: Gradio takes seconds, and pages without a server
    (`recorded_page`) do without it."""
    if name in __all__:
        from emotalk.ui import assemble

        return getattr(assemble, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
