"""How many threads numpy multiplies matrices with: one, where frames are made in parallel.

OpenBLAS, which numpy brings along, takes a thread a core for matrices as small as those of a second of speech, and the
threads spin while they wait for each other. On 16 cores a talk of 10 s took twice as long by that; on two busy ones
hearing 10 s of speech took 2.7 s in place of 0.2 s.
"""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)

SETTING = "OPENBLAS_NUM_THREADS"
"""The variable by which people set the number themselves; OpenBLAS reads it when it is loaded."""
_FOLDERS = ("numpy.libs", "numpy/.dylibs")  # beside numpy, of wheels for Linux and Windows, and for macOS
_SETTERS = tuple(
    f"{name}openblas_set_num_threads{suffix}" for name in ("scipy_", "") for suffix in ("64_", "")
)  # as numpy's own build names it, and as others do


def one_blas_thread() -> bool:
    """Let numpy multiply matrices in one thread from now on, in this process and those it starts. Whether it could be
    told so: not where it uses another library, and not where `OPENBLAS_NUM_THREADS` says how many there are to be."""
    if SETTING in os.environ:
        return False
    os.environ[SETTING] = "1"  # what is loaded later, scipy's own copy for one
    for library in _libraries():
        try:
            loaded = ctypes.CDLL(str(library))
            setter = next((getattr(loaded, name) for name in _SETTERS if hasattr(loaded, name)), None)
        except OSError as error:
            log.debug("%s cannot be asked for fewer threads: %s", library.name, error)
            continue
        if setter is not None:
            setter(ctypes.c_int(1))
            return True
    return False


def _libraries() -> list[Path]:
    packages = Path(np.__file__).parent.parent
    return [path for folder in _FOLDERS for path in sorted((packages / folder).glob("*openblas*"))]
