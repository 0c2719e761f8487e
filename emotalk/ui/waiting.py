"""Leaving the waiting line."""

from __future__ import annotations

import threading
from collections import Counter

import gradio as gr


class WaitingLine:
    """Who pressed Stop while still waiting in line: Gradio starts a waiting talk even after it was cancelled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self._leaving: Counter[str] = Counter()

    def join(self, request: gr.Request) -> None:
        """A page asked for a talk."""
        with self._lock:
            self._waiting[request.session_hash or ""] += 1

    def leave(self, request: gr.Request) -> None:
        """A page pressed Stop: none of the talks that it waits for shall begin."""
        with self._lock:
            session = request.session_hash or ""
            self._leaving[session] = max(0, self._waiting[session])

    def left(self, request: gr.Request) -> bool:
        """A talk's turn has come; says whether its page does not want it any more."""
        with self._lock:
            session = request.session_hash or ""
            self._waiting[session] -= 1  # below zero for a moment where the turn came before `join` did
            if self._leaving[session] <= 0:
                return False
            self._leaving[session] -= 1
            return True
