"""What a person reads when something did not work."""

from __future__ import annotations

import html

import gradio as gr

from emotalk.server.sentences import sentence_of


def friendly(error: Exception, shown: bool = True) -> gr.Error:
    """A toast for any failure; where it is `shown` on the page the words are escaped, since they may quote what
    somebody typed (programs read them as they are). What is no error meant for people is logged here with its
    traceback."""
    title, words = sentence_of(error)
    return gr.Error(html.escape(words) if shown else words, title=title, print_exception=False)
