"""What a person reads when something did not work."""

from __future__ import annotations

import html

import gradio as gr

from emotalk.core.errors import EmotalkError


def friendly(error: Exception) -> gr.Error:
    """A toast for any failure; the words are escaped, since they may quote what somebody typed."""
    if isinstance(error, EmotalkError):
        return gr.Error(html.escape(str(error)), title="That did not work", print_exception=False)
    return gr.Error("Something unexpected went wrong; the server's log has the details.", title="Sorry")
