"""Freed memory goes back to the system."""

import ctypes
import subprocess
import sys

import pytest

from emotalk.core import heap

PROBE = """
import re, sys
import numpy as np
from pathlib import Path
from emotalk.core.heap import give_memory_back

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

if sys.argv[1] == "on" and not give_memory_back():
    sys.exit(77)
for _ in range(3):  # the threshold grows with what is freed
    np.ones(20 * 2**17).sum()
before = resident()
blocks = [np.ones(8 * 2**17) for _ in range(20)]  # 8 MB each
wall = np.ones(2**16)  # a small one above them holds the heap
del blocks
print(resident() - before)
"""


def kept(mode: str) -> int:
    """MB that a process keeps of 160 that it freed."""
    done = subprocess.run([sys.executable, "-c", PROBE, mode], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this system's malloc takes no settings")
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_is_freed_goes_back():
    assert kept("on") < 20


def test_a_system_without_the_setting_is_left_alone(monkeypatch):
    class Nothing:
        pass

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Nothing())
    assert heap.give_memory_back() is False
